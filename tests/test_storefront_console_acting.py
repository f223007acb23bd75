"""What a page says of a request that was sent: done, later, or refused."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from databases import Database
from http_in_process import in_process

from ledger.people import SignedIn
from storefront.api.withdrawals import ESTIMATE
from storefront.changing import KeptAnswer
from storefront.console import merchant_page
from storefront.console.acting import carried_out
from storefront.console.offers import ACTIONS
from storefront.console.visits import Visitor
from storefront.console.words import Phrases
from storefront.limits import COMMANDS, Limits
from storefront.problems import ProblemError, body_of, problem_of

DONE, REFUSED = KeptAnswer(200, {}), KeptAnswer(409, body_of(problem_of("needs_other_person")))


MEI = SignedIn(person_id="mei", name="Mei", role="merchant", merchant_id="m-7", signed_in_at=datetime.now(UTC))


class Answering:
    """Requests that end in one way."""

    def __init__(self, end: KeptAnswer | str | None) -> None:
        self.end = end

    changes = property(lambda self: self)

    async def pending(self, *given: Any) -> None:
        """It is written down."""

    async def carried_out(self, pending: None) -> tuple[KeptAnswer | None, bool]:
        if isinstance(self.end, str):
            raise ProblemError(self.end)
        return self.end, False


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (DONE, (DONE, None)),
        (REFUSED, (None, "needs_other_person")),
        (None, (None, None)),
        # Sent twice, as by a double click: the first one goes on.
        ("under_way", (None, None)),
        ("command_id_used_with_different_content", (None, "command_id_used_with_different_content")),
    ],
)
async def test_a_page_says_how_it_ended(end: KeptAnswer | str | None, said: tuple[Any, Any]) -> None:
    visit: Any = SimpleNamespace(service=Answering(end), who=None)
    answer, problem = await carried_out(visit, "k1", "order.place_hold", "A1", {})
    assert (answer, problem and problem.code) == said


@pytest.mark.usefixtures("books")
async def test_a_person_in_a_loop_is_slowed_as_a_key_is_and_loses_no_answer(database: Database) -> None:
    async with in_process(database, limits=Limits()) as gateway:
        visit: Any = SimpleNamespace(service=gateway.service, who=Visitor(MEI))

        async def sent(number: int, subject: str = "A1") -> int:
            answer, problem = await carried_out(visit, f"c-{number}", "order.request_delay", subject, {"n": number})
            return problem.status if problem is not None else answer.status if answer is not None else 0

        assert [await sent(number) for number in range(COMMANDS.amount + 1)] == [200] * COMMANDS.amount + [429]
        assert (await sent(0), await sent(99, "A2")) == (200, 200)
        assert len(gateway.changes.sent) == COMMANDS.amount + 1


async def test_no_one_asks_for_a_withdrawal_under_the_address_of_another_question() -> None:
    given = {"account_id": "a-1|CNY", "amount_minor": "1.00", "withdrawal_id": ESTIMATE}

    async def form() -> dict[str, str]:
        return given

    parts = {"request": SimpleNamespace(path_params={"id": "m-7"}), "who": Visitor(MEI), "form": form}
    visit: Any = SimpleNamespace(language="zh", words=Phrases("zh"), **parts)
    _, _, asked, problems = await merchant_page._asked(visit)
    assert asked is None
    assert problems == [("", "内容无法识别。withdrawal_id：estimate 是另一接口的地址。")]
    given["withdrawal_id"] = "w-1"
    assert (await merchant_page._asked(visit))[3] == []


def test_what_needs_no_recent_sign_in_moves_nothing_by_itself() -> None:
    """To refuse goods gives the buyer the money back. An approved audit gives the merchant the money, at once where the
    receipt was confirmed before.
    """
    assert {verb for (_, verb), action in ACTIONS.items() if not action.moves_money} == {
        "add_evidence",
        "appeal_audit",
        "appeal_screening",
        "place_hold",
        "report_ready",
        "request_delay",
        "shift_deadline",
    }
