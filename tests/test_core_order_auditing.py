"""Audits as the order sees them: verdicts, reviewers, corrections, appeals, and the fates of parcels."""

from __future__ import annotations

from typing import Any

import pytest
from order_driver import OrderDriver
from order_samples import DAY, HOUR, SECOND, T0, WAYBILLS, a_parcel, a_policy, a_verdict, failing

from core.answers import Answer
from core.audit.findings import Finding
from core.order.auditing import facts_of
from core.order.views import findings_of, holds_of
from core.order.watches import audit_watches
from core.reasons import Refusal


def shipped(*parcels: Any, **limits: Any) -> OrderDriver:
    driver = OrderDriver(policy=a_policy(**limits)).open()
    driver.ship(*parcels)
    return driver


def in_two(**limits: Any) -> OrderDriver:
    return shipped(a_parcel(1, {"1": 1}), a_parcel(2), **limits)


def code(answer: Answer | Refusal) -> str:
    return answer.code if isinstance(answer, Refusal) else answer.outcome


def appeal(driver: OrderDriver, parcel_id: str | None = None, statement: str = "it was sent") -> str:
    return code(driver.send("appeal_audit", "merchant", statement=statement, parcel_id=parcel_id))


def correct(driver: OrderDriver, number: int = 11, parcel_id: str = "p1") -> str:
    body = {"parcel_id": parcel_id, "carrier": "sandbox", "waybill": WAYBILLS[number], "reason": "a typo"}
    return code(driver.send("correct_waybill", "merchant", **body))


# --- verdicts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "stage"),
    [
        ("pending", "collecting"),
        ("approved", "approved"),
        ("rejected", "rejected"),
        ("needs_review", "in_review"),
    ],
)
def test_a_verdict_moves_a_collecting_parcel(outcome: str, stage: str) -> None:
    driver = shipped()
    driver.hear("p1", outcome, "speed_possible", first_physical_at=T0)
    assert driver.audit == stage


def test_the_worst_parcel_is_the_orders_audit() -> None:
    driver = in_two()
    assert driver.audit == "collecting"
    driver.hear("p1", "approved", first_physical_at=T0, delivered_at=T0)
    assert driver.audit == "collecting"
    driver.hear("p2", "needs_review", "moved", first_physical_at=T0)
    assert driver.audit == "in_review"
    driver.decide("rejected")
    assert driver.audit == "rejected"


def test_audit_is_told_who_confirmed() -> None:
    driver = shipped()
    assert not facts_of(driver.state).buyer_confirmed_in_person
    before = audit_watches(driver.state)
    driver.confirm()
    assert facts_of(driver.state).buyer_confirmed_in_person
    assert audit_watches(driver.state) != before, "the audit looks again at once"


def test_timeout_is_nobodys_word() -> None:
    driver = shipped()
    driver.hear("p1", "needs_review", "moved", first_physical_at=T0, delivered_at=T0)
    driver.advance(8 * DAY)
    assert driver.receipt == "confirmed"
    assert not facts_of(driver.state).buyer_confirmed_in_person


def test_silent_carrier_takes_no_scan_back() -> None:
    driver = shipped()
    driver.deliver()
    driver.advance(6 * DAY)
    driver.say["p1"] = a_verdict(now=driver.now, carrier_answered=False)
    driver.advance(DAY)
    assert driver.state.receipt.by == "timeout"
    assert driver.parcel().delivered_at == T0


def test_silent_carrier_makes_no_moving_parcel_stand_still() -> None:
    driver = shipped()
    driver.hear("p1", first_physical_at=T0)
    driver.hear("p1", carrier_answered=False)
    assert driver.parcel().moved
    assert "pickup_by" not in driver.waits_for()


def test_trace_that_shrank_rejects_nothing() -> None:
    driver = shipped()
    driver.hear("p1", first_physical_at=T0 + HOUR)
    driver.hear("p1", "rejected", "trace_exists")
    assert driver.audit == "in_review"


def test_later_scan_may_take_a_delivery_back_before_silence_confirms_it() -> None:
    driver = shipped()
    driver.hear("p1", "needs_review", "x", first_physical_at=T0, delivered_at=T0 + HOUR)
    driver.say["p1"] = a_verdict(now=T0 + DAY, first_physical_at=T0, last_scan_at=T0 + DAY)
    driver.advance(8 * DAY)
    assert (driver.receipt, driver.parcel().delivered_at) == ("not_due", None)


@pytest.mark.parametrize("silent_first", [False, True])
def test_no_rule_approves_a_number_that_a_person_rejected(silent_first: bool) -> None:
    driver = shipped()
    driver.hear("p1", "needs_review", "destination_matches", first_physical_at=T0)
    driver.decide("rejected")
    assert correct(driver, 11) == "accepted"
    assert correct(driver, 1) == "accepted"
    if silent_first:
        driver.hear("p1", "needs_review", "no_new_scan", first_physical_at=T0)
    driver.deliver()
    assert driver.audit == "in_review"
    assert "rejected_before" in driver.parcel().findings_of_review
    assert not audit_watches(driver.state), "a person decides, and no look can change that"
    driver.decide("approved")
    assert driver.audit == "approved"


def test_carrier_that_delivers_ends_a_review_that_only_silence_had_asked_for() -> None:
    driver = shipped()
    driver.hear("p1", "needs_review", "no_new_scan", first_physical_at=T0)
    assert driver.audit == "in_review"
    driver.deliver()
    assert driver.audit == "approved"


def test_late_scans_end_a_review_for_a_missing_trace_also_after_receipt_by_timeout() -> None:
    driver = shipped()
    missing = (Finding("trace_exists", "fail", "strong", "trace", {"waited_h": 80.0, "looks": 9}),)
    driver.hear("p1", "needs_review", "trace_exists", findings=missing)
    driver.hear("p1", "needs_review", "moved", first_physical_at=T0, delivered_at=T0 + DAY)
    driver.say["p1"] = driver.parcel().verdict or a_verdict()
    driver.advance(8 * DAY)
    assert (driver.state.receipt.by, driver.audit) == ("timeout", "in_review")
    assert [watch.silent_review for watch in audit_watches(driver.state)] == [True], "it is still polled"
    driver.hear("p1", "approved", first_physical_at=T0, delivered_at=T0 + DAY)
    assert (driver.phase, driver.audit) == ("credited", "approved")


def test_a_provider_that_has_not_heard_of_the_way_back_ends_no_review_for_silence() -> None:
    driver = shipped()
    driver.hear("p1", "needs_review", "trace_exists")
    driver.hear("p1", "rejected", "not_returned", first_physical_at=T0, returned_at=T0 + 2 * DAY)
    driver.hear("p1", "approved", first_physical_at=T0, delivered_at=T0 + DAY)
    assert (driver.audit, driver.parcel().delivered_at) == ("in_review", None)
    driver.advance(8 * DAY)
    assert driver.receipt == "not_due"
    driver.hear("p1", "approved", first_physical_at=T0, delivered_at=T0 + 3 * DAY)
    assert driver.audit == "approved", "a later scan brought it to the buyer after all"


def test_a_review_for_a_clock_that_was_ahead_ends_when_every_rule_passes() -> None:
    driver = shipped()
    ahead = (Finding("time_order", "fail", "strong", "clock", {"what": "future", "at": (T0 + DAY).isoformat()}),)
    driver.hear("p1", "needs_review", "time_order", findings=ahead)
    assert driver.audit == "in_review"
    driver.hear("p1", "approved", first_physical_at=T0, delivered_at=T0 + DAY)
    assert driver.audit == "approved"


def test_a_review_for_a_wrong_order_of_events_does_not() -> None:
    driver = shipped()
    wrong = (Finding("time_order", "fail", "strong", "clock", {"what": "before_pickup"}),)
    driver.hear("p1", "needs_review", "time_order", findings=wrong)
    driver.hear("p1", "approved", first_physical_at=T0, delivered_at=T0 + DAY)
    assert driver.audit == "in_review"


def test_a_review_keeps_the_numbers_of_its_sentences() -> None:
    driver = shipped()
    missing = (Finding("trace_exists", "fail", "strong", "trace", {"waited_h": 80.0, "looks": 9}),)
    driver.hear("p1", "needs_review", "trace_exists", findings=missing)
    driver.hear("p1", "pending", "not_delivered", first_physical_at=T0)
    sentences = " ".join(findings_of(driver.parcel()))
    assert "3 days 8 h after the report" in sentences
    assert "(9 looks)" in sentences
    assert "?" not in sentences


def test_carrier_that_delivers_ends_no_review_that_had_a_finding() -> None:
    driver = shipped()
    driver.hear("p1", "needs_review", "speed_possible", first_physical_at=T0)
    driver.deliver()
    assert (driver.audit, driver.receipt) == ("in_review", "awaited")


# --- a parcel that comes back ---------------------------------------------------------------------------------


def held_and_confirmed() -> OrderDriver:
    driver = shipped()
    driver.hold()
    driver.deliver()
    return driver


def test_return_before_the_credit_reopens_an_approved_audit() -> None:
    driver = held_and_confirmed()
    driver.say["p1"] = a_verdict(
        "rejected", "not_returned", now=driver.now, first_physical_at=T0, delivered_at=T0, returned_at=T0 + DAY
    )
    driver.advance(7 * DAY)
    assert (driver.audit, driver.receipt) == ("rejected", "not_due")


def test_reviewer_who_approved_what_came_back_is_not_overruled_by_the_same_scan() -> None:
    driver = shipped()
    back = {"first_physical_at": T0, "returned_at": T0 + HOUR}
    driver.hear("p1", "rejected", "not_returned", **back)
    appeal(driver)
    driver.decide("approved")
    driver.say["p1"] = a_verdict("rejected", "not_returned", now=driver.now, **back)
    driver.advance(31 * DAY)
    assert driver.audit == "approved"


def test_returned_parcel_is_refunded_when_nobody_corrects() -> None:
    driver = shipped()
    driver.hear("p1", "rejected", "not_returned", first_physical_at=T0, delivered_at=T0, returned_at=T0 + HOUR)
    driver.advance(3 * DAY)
    assert (driver.phase, driver.refunds()) == ("refunded", {"parcel-p1": 13580})


# --- decide_audit ---------------------------------------------------------------------------------------------


def test_reviewers_decision_keeps_reviewer_and_reason() -> None:
    driver = shipped()
    driver.hear("p1", "needs_review", "speed_possible", first_physical_at=T0)
    driver.send("decide_audit", "reviewer", verdict="approved", reason="I called the depot")
    decision = driver.parcel().decisions[0]
    assert (decision.verdict, decision.reviewer, decision.reason) == ("approved", "r-1", "I called the depot")
    assert driver.state.inbox.journal[-1].message == "I called the depot"


def test_decision_without_a_parcel_needs_exactly_one_in_review() -> None:
    driver = in_two()
    assert code(driver.decide("approved")) == "not_in_review"
    driver.hear("p1", "needs_review", "x", first_physical_at=T0)
    driver.hear("p2", "needs_review", "x", first_physical_at=T0)
    assert code(driver.decide("approved")) == "parcel_required"
    assert code(driver.decide("approved", "p1")) == "accepted"
    assert code(driver.decide("approved")) == "accepted"
    assert driver.audit == "approved"


def test_decision_about_the_wrong_parcel_is_refused() -> None:
    driver = in_two()
    driver.hear("p1", "needs_review", "x", first_physical_at=T0)
    assert code(driver.decide("approved", "p9")) == "unknown_parcel"
    assert code(driver.decide("approved", "p2")) == "not_in_review"
    assert code(driver.send("decide_audit", "reviewer", verdict="approved", reason="")) == "reason_missing"


def test_approval_does_not_replace_delivery() -> None:
    driver = shipped()
    driver.hear("p1", "needs_review", "x", first_physical_at=T0)
    driver.decide("approved")
    driver.advance(30 * DAY)
    assert driver.notices("undelivered")
    driver.advance(7 * DAY)
    assert (driver.phase, driver.refunds()) == ("refunded", {"undelivered": 13580})


def test_verdict_after_a_persons_approval_changes_nothing() -> None:
    driver = shipped()
    driver.hear("p1", "needs_review", "x", first_physical_at=T0)
    driver.decide("approved")
    driver.hear("p1", "rejected", "x", first_physical_at=T0, delivered_at=T0 + HOUR)
    assert driver.audit == "approved"


# --- rejection, correction, appeal ----------------------------------------------------------------------------


def test_rejected_and_never_corrected_is_refunded() -> None:
    driver = shipped()
    driver.hear("p1", "rejected", "number_possible")
    driver.advance(3 * DAY)
    assert (driver.phase, driver.refunds()) == ("refunded", {"parcel-p1": 13580})


def test_rejected_goods_that_were_delivered_are_judged_by_a_person() -> None:
    driver = shipped()
    driver.hear("p1", "rejected", "x", first_physical_at=T0, delivered_at=T0)
    driver.advance(3 * DAY)
    assert (driver.phase, driver.audit, driver.refunds()) == ("shipped", "in_review", {})


def test_persons_rejection_after_the_correction_time_is_the_last_word() -> None:
    driver = shipped()
    driver.hear("p1", "rejected", "x", first_physical_at=T0, delivered_at=T0)
    driver.advance(3 * DAY)
    driver.decide("rejected")
    assert (driver.phase, driver.refunds()) == ("refunded", {"parcel-p1": 13580})


def test_correction_reopens_a_rejected_audit() -> None:
    driver = shipped()
    driver.hear("p1", "rejected", "x")
    assert correct(driver) == "accepted"
    assert driver.audit == "collecting"
    driver.advance(4 * DAY)
    assert driver.phase == "shipped"


def test_correction_in_review_closes_the_review_and_counts() -> None:
    driver = shipped(corrections_max=1)
    driver.hear("p1", "needs_review", "x")
    assert correct(driver) == "accepted"
    assert driver.audit == "collecting"
    assert code(driver.decide("approved")) == "not_in_review"
    assert correct(driver, 12) == "too_many_corrections"


def test_correction_lifts_the_hold_of_its_overdue_review() -> None:
    driver = shipped()
    driver.hear("p1", "needs_review", "x", first_physical_at=T0)
    driver.advance(8 * DAY)
    assert driver.holds() == {"review_overdue"}
    correct(driver)
    assert driver.holds() == set()


def test_appeal_sends_a_rejection_to_review_once() -> None:
    driver = shipped()
    assert appeal(driver) == "not_rejected"
    driver.hear("p1", "rejected", "x")
    assert appeal(driver, statement=" ") == "reason_missing"
    assert appeal(driver, "p9") == "unknown_parcel"
    assert appeal(driver) == "accepted"
    assert (driver.audit, driver.parcel().appeal) == ("in_review", "it was sent")
    driver.decide("rejected")
    assert appeal(driver) == "appeal_used"


def test_appeal_without_a_parcel_needs_exactly_one_rejected() -> None:
    driver = in_two()
    driver.hear("p1", "rejected", "x")
    driver.hear("p2", "rejected", "x")
    assert appeal(driver) == "parcel_required"
    assert appeal(driver, "p2") == "accepted"


@pytest.mark.parametrize(("waited", "left"), [(HOUR, 71 * HOUR), (60 * HOUR, 24 * HOUR), (72 * HOUR - SECOND, DAY)])
def test_failed_appeal_resumes_the_correction_clock_with_what_is_left_at_least_a_day(waited: Any, left: Any) -> None:
    driver = shipped()
    driver.hear("p1", "rejected", "x")
    driver.advance(waited)
    appeal(driver)
    assert "audit_correction" not in driver.waits_for()
    driver.advance(5 * HOUR).decide("rejected")
    assert driver.deadline("audit_correction") == driver.now + left


def test_failed_appeal_with_no_corrections_left_ends_at_once() -> None:
    driver = shipped(corrections_max=1)
    correct(driver)
    driver.hear("p1", "rejected", "x")
    appeal(driver)
    driver.decide("rejected")
    assert (driver.phase, driver.refunds()) == ("refunded", {"parcel-p1": 13580})


def test_rejection_without_corrections_left_still_leaves_time_for_the_appeal() -> None:
    driver = shipped(corrections_max=0)
    driver.hear("p1", "rejected", "x")
    assert driver.deadline("audit_correction") == T0 + 3 * DAY


# --- fates ----------------------------------------------------------------------------------------------------


def test_parcels_have_their_own_fates() -> None:
    driver = in_two()
    driver.hear("p1", "rejected", "x")
    driver.deliver("p2")
    driver.advance(3 * DAY)
    assert driver.refunds() == {"parcel-p1": 1990}
    assert (driver.phase, driver.audit, driver.receipt) == ("shipped", "approved", "awaited")
    driver.confirm()
    assert driver.phase == "credited"
    assert driver.books.of("proceeds") + driver.books.of("commission") == 11590
    driver.check()


def test_order_goes_back_to_waiting_when_its_only_parcel_ended_and_lines_are_left() -> None:
    driver = shipped(a_parcel(1, {"1": 2}), ship_within="10d")
    driver.hear("p1", "rejected", "x")
    driver.advance(3 * DAY)
    assert (driver.phase, driver.audit) == ("awaiting_shipment", "not_started")
    driver.ship(a_parcel(2))
    assert driver.phase == "shipped"
    driver.check()


def test_order_is_over_when_its_last_parcel_ends() -> None:
    driver = in_two()
    driver.hear("p1", "rejected", "x")
    driver.advance(HOUR).hear("p2", "rejected", "x")
    driver.advance(4 * DAY)
    assert driver.phase == "refunded"
    assert driver.refunds() == {"parcel-p1": 1990, "parcel-p2": 11590}


def test_review_overdue_hold_ends_with_its_parcel() -> None:
    driver = in_two()
    driver.hear("p1", "needs_review", "x", first_physical_at=T0)
    driver.deliver("p2")
    driver.advance(7 * DAY)
    assert driver.holds() == {"review_overdue"}
    said = [view.what_helps_zh for view in holds_of(driver.state) if view.reason == "review_overdue"]
    assert said == ["包裹 p1 等待人工审核。需审核人员提交 decide_audit；lift_hold 可重新给予审核时间。"]
    driver.advance(31 * DAY)
    assert driver.parcel("p1").ended
    assert driver.holds() == set()
    driver.confirm()
    assert driver.phase == "credited"


# --- review_end -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weight", "in_person", "approved"),
    [("weak", True, True), ("strong", True, False), ("fatal", True, False), ("weak", False, False)],
)
def test_overdue_review_is_approved_only_in_person_and_with_weak_findings(
    weight: str, in_person: bool, approved: bool
) -> None:
    driver = shipped()
    findings = (failing("origin_matches", weight), failing("moved", "weak"))
    driver.hear("p1", "needs_review", "origin_matches", first_physical_at=T0, findings=findings)
    if in_person:
        driver.confirm()
    driver.advance(7 * DAY)
    assert (driver.phase == "credited") == approved
    assert (driver.holds() == {"review_overdue"}) != approved


def test_default_does_not_overrule_a_reviewer() -> None:
    driver = shipped()
    driver.hear("p1", "needs_review", "moved", first_physical_at=T0, findings=(failing("moved", "weak"),))
    driver.confirm()
    driver.decide("rejected")
    driver.advance(30 * DAY)
    assert (driver.phase, driver.audit, driver.holds()) == ("shipped", "in_review", {"review_overdue"})
