"""What a page says of a request that was sent: done, later, or refused."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from databases import Database
from http_in_process import in_process
from made_rows import made

from core.errors import BadInput
from ledger.people import SignedIn
from ledger.withdrawals import WithdrawalRow
from storefront.api.withdrawals import ESTIMATE
from storefront.changing import KeptAnswer
from storefront.console import merchant_page, withdrawals_page
from storefront.console.acting import _read, carried_out
from storefront.console.filling import amount_in, read_field
from storefront.console.forms import FormField
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

        assert [await sent(number) for number in range(COMMANDS.burst + 1)] == [200] * COMMANDS.burst + [429]
        assert (await sent(0), await sent(99, "A2")) == (200, 200)
        assert len(gateway.changes.sent) == COMMANDS.burst + 1


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
    receipt was confirmed before. A deadline that was moved and is taken back passes sooner, and silence then decides.
    """
    assert {verb for (_, verb), action in ACTIONS.items() if not action.moves_money} == {
        "add_evidence",
        "appeal_audit",
        "appeal_screening",
        "place_hold",
        "report_ready",
        "request_delay",
    }


@pytest.mark.parametrize(
    ("given", "field", "said"),
    [
        ({"lines.1": "2000000"}, "lines", "不得大于 1000000。"),
        ({"weight_g": "0"}, "weight_g", "不得小于 1。"),
        ({"carrier": "x" * 65}, "carrier", "最多 64 个字符。"),
    ],
)
def test_what_is_wrong_within_a_form_is_said_at_its_field(given: dict[str, str], field: str, said: str) -> None:
    visit: Any = SimpleNamespace(language="zh", words=Phrases("zh"), who=Visitor(MEI))
    whole = {"parcel_id": "p1", "carrier": "yto", "waybill": "YT9693083639703", **given}
    assert _read(visit, ACTIONS["order", "report_shipment"], "CNY", whole, "c-1") == ({}, [(field, said)])


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        ("1,5", "'1,5' 不是正数（如 120.50）。"),
        ("0", "须大于零。"),
        ("1.001", "CNY 只有 2 位小数；1.001 位数过多。"),
        ("9" * 15, f"{'9' * 15} CNY 超过单次上限。"),
    ],
)
def test_an_amount_is_refused_for_its_own_reason_in_chinese(amount: str, said: str) -> None:
    visit: Any = SimpleNamespace(language="zh", words=Phrases("zh"))
    with pytest.raises(BadInput) as refused:
        amount_in(visit, amount, "CNY")
    assert str(refused.value) == said


def test_a_time_that_names_its_offset_keeps_it() -> None:
    visit: Any = SimpleNamespace(language="en", words=Phrases("en"), zone=ZoneInfo("Asia/Shanghai"))
    field = FormField("by", "time")
    for text, read in (
        ("2026-12-01T10:00", "2026-12-01T10:00:00+08:00"),
        ("2026-12-01T10:00+01:00", "2026-12-01T10:00:00+01:00"),
    ):
        assert read_field(visit, field, {"by": text}, "CNY") == read


def test_the_file_of_withdrawals_has_what_the_page_shows_and_a_name_for_each_of_its_columns() -> None:
    row = made(WithdrawalRow)
    cells = withdrawals_page._cells(row)
    assert len(cells) == len(withdrawals_page._COLUMNS)
    assert {row.requested_at, row.next_deadline_name, row.next_deadline_at} <= set(cells)
