"""Which verdicts an order learns of, and which of a carrier's answers count as a missing trace."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from audited_parcels import HONEST, a_trace, scan, verdict_on

from core.audit.absence import COUNTS_AFTER, missing_trace
from core.audit.news import is_news, still_known, with_known
from core.audit.trace import Trace
from core.audit.verdict import Verdict

SILENCE = a_trace(answer="no_trace")
MOVING = verdict_on(*HONEST[:3])
ARRIVED = verdict_on(*HONEST)
WAITING = verdict_on(traces=(SILENCE,))
BACK = verdict_on(*HONEST[:3], scan(50, "returned", "杭州市"))
NOTHING: dict[str, Any] = {
    "collecting": False,
    "silent_review": False,
    "moved": False,
    "delivered": False,
    "known": None,
}


@pytest.mark.parametrize(
    ("verdict", "known", "news"),
    [
        (WAITING, {"collecting": True}, False),
        (ARRIVED, {"collecting": True, "moved": True, "delivered": True}, True),
        (ARRIVED, {"silent_review": True, "moved": True, "delivered": True}, True),
        (MOVING, {"silent_review": True, "moved": True}, False),
        (MOVING, {"collecting": True}, True),
        (MOVING, {"collecting": True, "moved": True}, False),
        (ARRIVED, {"moved": True}, True),
        (ARRIVED, {"moved": True, "delivered": True}, False),
        (MOVING, {"moved": True, "delivered": True}, False),
        (BACK, {"moved": True, "delivered": True}, True),
    ],
)
def test_an_order_learns_of_what_it_waits_for_and_of_each_fact_once(
    verdict: Verdict, known: dict[str, Any], news: bool
) -> None:
    assert is_news(verdict, **(NOTHING | known)) is news


def test_what_an_order_knows_of_a_way_back_is_no_news_however_little_a_provider_has_heard() -> None:
    known: Any = {
        "collecting": False,
        "silent_review": True,
        "moved": True,
        "delivered": False,
        "known": BACK.milestones,
    }
    assert not is_news(BACK, **known)
    assert not is_news(MOVING, **known)
    assert not is_news(WAITING, **known)
    assert is_news(verdict_on(*HONEST[:3], scan(50, "returned", "杭州市"), scan(52, "in_transit")), **known)


@pytest.mark.parametrize(
    ("answers", "age", "missing"),
    [
        ((SILENCE,), COUNTS_AFTER, True),
        ((SILENCE,), COUNTS_AFTER - timedelta(seconds=1), None),
        ((SILENCE, a_trace(*HONEST)), COUNTS_AFTER, False),
        ((a_trace(*HONEST),), timedelta(), False),
        ((a_trace(answer="unavailable"),), COUNTS_AFTER, None),
        ((), COUNTS_AFTER, None),
    ],
)
def test_a_carrier_lacks_a_trace_of_numbers_that_are_a_day_old(
    answers: tuple[Trace, ...], age: timedelta, missing: bool | None
) -> None:
    assert missing_trace(answers, age) is missing


def test_a_provider_that_has_heard_less_approves_no_parcel_that_is_known_to_come_back() -> None:
    heard = with_known(BACK.milestones, ARRIVED)
    assert (ARRIVED.outcome, heard.outcome, heard.reasons) == ("approved", "needs_review", ("not_returned",))
    assert (heard.delivered_at, heard.returned_at) == (ARRIVED.delivered_at, BACK.returned_at)
    assert len(heard.sentences("en")) == len(heard.sentences("zh")) == 1
    again = NOTHING | {"silent_review": True, "moved": True, "known": heard.milestones}
    assert not is_news(ARRIVED, **again), "told of it, an order in review would ask again at once, without end"


def test_a_provider_that_has_heard_more_is_believed() -> None:
    again = verdict_on(*HONEST[:3], scan(50, "refused", "北京市"), scan(60, "delivered", "北京市海淀区"), now=70)
    assert (again.outcome, with_known(BACK.milestones, again)) == ("approved", again)


def test_the_last_scans_of_a_silent_provider_stand_beside_the_answer_of_another() -> None:
    polled = (a_trace(*HONEST, provider="a"), a_trace(*HONEST[:2], provider="b"))
    silent, speaks = a_trace(provider="a", answer="unavailable"), a_trace(*HONEST[:2], provider="b")
    assert still_known(polled, (silent, speaks)) == polled[:1]
    assert still_known(polled, (silent,)) == (), "nobody answers: there is nothing to stand beside"
    assert still_known(polled, (speaks,)) == ()
