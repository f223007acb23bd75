"""What a page says of a request that was sent: done, later, or refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from storefront.changing import KeptAnswer
from storefront.console.acting import carried_out
from storefront.console.offers import ACTIONS
from storefront.problems import ProblemError, body_of, problem_of

DONE, REFUSED = KeptAnswer(200, {}), KeptAnswer(409, body_of(problem_of("needs_other_person")))


class Answering:
    """Requests that end in one way."""

    def __init__(self, end: KeptAnswer | str | None) -> None:
        self.end = end

    def pending(self, *given: Any) -> None:
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
    visit: Any = SimpleNamespace(service=SimpleNamespace(changes=Answering(end)), who=None)
    answer, problem = await carried_out(visit, "k1", "order.place_hold", "A1", {})
    assert (answer, problem and problem.code) == said


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
