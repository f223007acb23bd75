"""Every deadline of an order: its second, its limit in the policy, and its order among others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

import pytest
from order_driver import OrderDriver
from order_points import (
    asked,
    credited,
    delivered,
    held,
    in_review,
    moving,
    opened,
    refunding,
    refused,
    rejected,
    shipped,
)
from order_samples import DAY, HOUR, SECOND, T0, WAYBILLS, a_parcel, a_scan, a_verdict, an_order

from core.aftersale.deadlines import CASE_REMINDER
from core.aftersale.deadlines import PASSING as CASE_PASSING
from core.answers import Answer
from core.order import passing
from core.order.deadlines import deadlines, next_deadline, wake_at
from core.reasons import Refusal


def notified(name: str) -> Callable[[OrderDriver], bool]:
    return lambda driver: bool(driver.notices(name))


def asked_for_a_refund() -> OrderDriver:
    """One of two people said so."""
    driver = opened(ship_within="5d")
    driver.send("refund_order", "operator", amount_minor=100, reason="dented")
    return driver


def asked_for_a_delay() -> OrderDriver:
    """The merchant wants to ship later, and the buyer has not answered."""
    driver = opened(ship_within="5d")
    driver.send("request_delay", "merchant", ship_by=(T0 + 9 * DAY).isoformat(), reason="the factory is late")
    return driver


def to_collect() -> OrderDriver:
    """The goods wait for the buyer."""
    driver = OrderDriver(an_order(delivery_mode="pickup", handover_hash="0" * 64)).open()
    driver.send("report_ready", "merchant")
    return driver


def held_until() -> OrderDriver:
    """Held, to be looked at again before it must be shipped."""
    driver = opened(ship_within="5d")
    review_at = (T0 + 2 * DAY).isoformat()
    driver.send("place_hold", "operator", name="risk", scope="credit", reason="looks odd", review_at=review_at)
    return driver


class Case(NamedTuple):
    """A deadline: where it runs, how long after T0 it passes, and how one sees that it passed."""

    name: str
    start: Callable[[], OrderDriver]
    after: Any
    passed: Callable[[OrderDriver], bool]


CASES = (
    Case(
        "screening_appeal_by",
        refused,
        24 * HOUR,
        lambda d: d.phase == "refused" and d.refunds() == {"screening": 13580},
    ),
    Case("screening_sla", held, 24 * HOUR, notified("screening_overdue")),
    Case("screening_end", held, 72 * HOUR, lambda d: d.phase == "refused" and d.refunds() == {"screening": 13580}),
    Case("ship_reminder", opened, 24 * HOUR, notified("ship_reminder")),
    Case("ship_by", opened, 48 * HOUR, lambda d: d.phase == "cancelled" and d.refunds() == {"ship_by": 13580}),
    Case("delay_answer_by", asked_for_a_delay, 48 * HOUR, notified("delay_refused")),
    Case("collect_reminder", to_collect, 5 * DAY, notified("collect_reminder")),
    Case("collect_by", to_collect, 7 * DAY, lambda d: d.refunds() == {"parcel-pickup-1": 13580}),
    Case("pickup_by", shipped, 5 * DAY, lambda d: d.phase == "cancelled" and d.refunds() == {"parcel-p1": 13580}),
    Case("receipt_reminder", delivered, 5 * DAY, notified("receipt_reminder")),
    Case("receipt_by", delivered, 7 * DAY, lambda d: d.state.receipt.by == "timeout" and d.phase == "credited"),
    Case("undelivered_by", moving, 30 * DAY, lambda d: d.audit == "in_review" and notified("undelivered")(d)),
    Case("undelivered_end", asked, 37 * DAY, lambda d: d.phase == "refunded"),
    Case("audit_correction", rejected, 3 * DAY, lambda d: d.phase == "refunded"),
    Case("review_sla", in_review, 24 * HOUR, notified("review_overdue")),
    Case("review_end", in_review, 7 * DAY, lambda d: d.holds() == {"review_overdue"}),
    Case("settle_at", credited, 7 * DAY, lambda d: d.phase == "settled"),
    Case("refund_request_by", asked_for_a_refund, 3 * DAY, lambda d: d.state.refund_request is None),
    Case("hold_review", held_until, 2 * DAY, notified("hold_review_due")),
    Case("refund_stuck", refunding, 3 * DAY, lambda d: d.holds() == {"refund_stuck"}),
)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_deadline_passes_at_its_second_and_not_before(case: Case) -> None:
    driver = case.start()
    assert driver.deadline(case.name) == T0 + case.after
    driver.until(T0 + case.after - SECOND)
    assert not case.passed(driver)
    assert case.name in driver.waits_for()
    driver.advance(SECOND)
    assert case.passed(driver)
    assert T0 + case.after not in [d.at for d in deadlines(driver.state) if d.name == case.name]
    driver.check()


def test_every_deadline_of_the_code_is_tested_here() -> None:
    """Those of after-sale cases are tested with the cases."""
    of_cases = {*CASE_PASSING, CASE_REMINDER, "pause_end"}
    assert {case.name for case in CASES} == {*passing.PASSING, "settle_at"} - of_cases


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_deadline_passed_in_an_outage_passes_when_somebody_looks(case: Case) -> None:
    driver = case.start().outage(60 * DAY)
    driver.do_what_is_due()
    driver.check()
    assert all(deadline.at > driver.now for deadline in deadlines(driver.state))


def test_limits_are_the_policys() -> None:
    driver = opened(ship_within="5d", ship_reminder="1d")
    assert driver.deadline("ship_by") == T0 + 5 * DAY
    assert driver.deadline("ship_reminder") == T0 + 4 * DAY


# --- shipping ----------------------------------------------------------------------------------------------


def test_no_reminder_where_there_is_no_time_for_one() -> None:
    driver = opened(ship_within="12h")
    assert "ship_reminder" not in driver.waits_for()


def test_ship_by_refunds_only_what_was_not_shipped() -> None:
    driver = opened()
    driver.ship(a_parcel(1, {"1": 1}))
    driver.say["p1"] = a_verdict(first_physical_at=T0)
    driver.advance(2 * DAY)
    assert (driver.phase, driver.refunds()) == ("shipped", {"ship_by": 10790})
    assert driver.state.shipped_at == T0 + 2 * DAY
    assert driver.state.fully_shipped
    driver.check()


def test_shipped_order_has_no_ship_by() -> None:
    assert not {"ship_by", "ship_reminder"} & shipped().waits_for()


# --- reviews -----------------------------------------------------------------------------------------------


def test_review_told_once_shows_as_overdue() -> None:
    driver = in_review().advance(3 * DAY)
    assert len(driver.notices("review_overdue")) == 1


def test_lifting_an_overdue_review_gives_the_reviewers_their_time_again() -> None:
    driver = in_review().advance(7 * DAY)
    driver.lift("review_overdue")
    assert driver.holds() == set()
    assert driver.deadline("review_end") == T0 + 14 * DAY
    driver.advance(7 * DAY)
    assert driver.holds() == {"review_overdue"}


# --- settling ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("confirm_after", "credit_after", "settles"), [(0, 0, 7), (0, 2, 7), (0, 5, 9), (1, 1, 8)])
def test_settlement_is_the_later_of_delay_and_window(confirm_after: int, credit_after: int, settles: int) -> None:
    driver = shipped()
    driver.hear("p1", "needs_review", "speed_possible", first_physical_at=T0)
    driver.advance(confirm_after * DAY).confirm()
    driver.until(T0 + credit_after * DAY).decide("approved")
    assert driver.deadline("settle_at") == T0 + settles * DAY


# --- together, late, in order ------------------------------------------------------------------------------


def test_command_and_deadline_due_together_the_command_wins() -> None:
    driver = opened().outage(48 * HOUR)
    assert isinstance(driver.ship(), Answer)
    assert driver.phase == "shipped"
    driver = delivered().outage(7 * DAY)
    driver.confirm()
    assert driver.state.receipt.by == "buyer"


def test_commands_come_first_after_an_outage_and_then_the_deadlines_in_due_order() -> None:
    driver = held().outage(80 * HOUR)
    driver.send("decide_screening", "reviewer", verdict="allow", reason="fine")
    assert driver.phase == "awaiting_shipment"
    assert driver.state.ship_by == T0 + 128 * HOUR
    driver = in_review().outage(9 * DAY)
    driver.do_what_is_due()
    passed = [entry.verb for entry in driver.state.inbox.journal if entry.channel == "deadline"]
    assert passed == ["review_sla", "review_end"]


def test_each_deadline_is_judged_anew() -> None:
    """Undelivered is asked for first; when the buyer was asked only now, the week for the answer starts now."""
    driver = moving().outage(60 * DAY)
    driver.do_what_is_due()
    assert driver.phase == "shipped"
    assert driver.deadline("undelivered_end") == T0 + 67 * DAY


def test_correction_that_arrives_after_an_outage_beats_the_refund() -> None:
    driver = rejected().outage(5 * DAY)
    body = {"parcel_id": "p1", "carrier": "sandbox", "waybill": WAYBILLS[9], "reason": "a typo"}
    assert isinstance(driver.send("correct_waybill", "merchant", **body), Answer)
    assert (driver.phase, driver.audit) == ("shipped", "collecting")


def test_deadlines_are_journaled_with_what_they_are_about() -> None:
    driver = shipped().advance(5 * DAY)
    entry = driver.state.inbox.journal[-1]
    assert (entry.channel, entry.verb, entry.outcome, entry.message) == ("deadline", "pickup_by", "noted", "p1")


def test_next_deadline_is_the_earliest_and_the_timer_never_waits_for_the_past() -> None:
    driver = opened()
    first = next_deadline(driver.state)
    assert first is not None
    assert (first.name, first.at) == ("ship_reminder", T0 + DAY)
    waiting = wake_at(driver.state, T0 + DAY)
    assert waiting is not None
    assert (waiting.name, waiting.at) == ("ship_by", T0 + 2 * DAY)


def test_settlement_that_a_hold_stops_needs_no_timer() -> None:
    driver = credited()
    driver.hold(scope="payout")
    driver.advance(9 * DAY)
    assert driver.phase == "credited"
    driver.lift()
    assert driver.phase == "settled"


def test_holds_stop_no_duties() -> None:
    driver = opened()
    driver.hold(scope="all")
    driver.advance(2 * DAY)
    assert driver.phase == "cancelled"
    assert driver.refund_status() == ["owed"]
    assert driver.books.of("escrow") == 13580
    driver.lift()
    assert driver.refund_status() == ["booked"]


def test_reminders_of_a_deadline_that_moved_are_told_again() -> None:
    own = an_order(ship_by=(T0 + 4 * DAY).isoformat())
    driver = OrderDriver(own).open().advance(4 * DAY - SECOND)
    assert len(driver.notices("ship_reminder")) == 1


def test_a_pushed_delivery_starts_the_clock_once_the_audit_has_seen_it() -> None:
    driver = shipped()
    scans = [a_scan("delivered", T0)]
    body = {"carrier": "sandbox", "waybill": WAYBILLS[1], "scans": scans, "provider": "sandbox"}
    answer: Answer | Refusal = driver.send("report_scan", "carrier", **body)
    assert isinstance(answer, Answer)
    driver.deliver()
    assert driver.receipt == "awaited"


def test_deadline_names_are_told_apart_by_their_subject() -> None:
    driver = opened()
    driver.ship(a_parcel(1, {"1": 1}), a_parcel(2))
    pickups = [(d.subject, d.at) for d in deadlines(driver.state) if d.name == "pickup_by"]
    day: datetime = T0 + 5 * DAY
    assert pickups == [("p1", day), ("p2", day)]


def test_undelivered_end_that_gives_back_the_rest_of_an_order_ends_its_other_parcels() -> None:
    """Two people gave one unit back before. With the missing parcel the last of the money goes, and the parcel of which
    nothing is heard is over, too."""
    driver = opened()
    driver.ship(a_parcel(1, {"1": 1}), a_parcel(2))
    one = {"lines": [{"line_id": "1", "quantity": 1}], "reason": "dented"}
    for person in ("ann", "bob"):
        assert isinstance(
            driver.send("refund_order", "operator", actor={"role": "operator", "id": person}, **one), Answer
        )
    driver.hear("p2", first_physical_at=T0)
    driver.advance(37 * DAY)
    assert (driver.phase, sum(driver.refunds().values())) == ("refunded", driver.order.total_minor)
    assert driver.state.live_parcels == ()
    driver.check()
