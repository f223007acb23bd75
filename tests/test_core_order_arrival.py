"""The deadlines of a parcel on its way: pickup and delivery, and what a carrier's silence proves."""

from __future__ import annotations

from typing import Any

import pytest
from order_driver import OrderDriver
from order_points import asked, delivered, moving, opened, shipped
from order_samples import DAY, HOUR, T0, WAYBILLS, a_parcel, a_verdict

from core.audit.findings import Finding
from core.order.steps import Look

# --- pickup ------------------------------------------------------------------------------------------------


def test_pickup_is_judged_by_a_look_at_the_carrier() -> None:
    driver = shipped()
    driver.say["p1"] = a_verdict(first_physical_at=T0 + 4 * DAY)
    driver.advance(5 * DAY)
    assert (driver.phase, driver.audit) == ("shipped", "collecting")
    assert [step.parcel_id for step in driver.steps if isinstance(step, Look)] == ["p1"]


def test_carrier_that_never_answered_sends_a_missing_pickup_to_review() -> None:
    driver = shipped()
    driver.say["p1"] = a_verdict(carrier_answered=False)
    driver.advance(5 * DAY)
    assert (driver.phase, driver.audit) == ("shipped", "in_review")
    assert driver.parcel().findings_of_review == ("no_pickup",)


def test_carrier_that_answered_once_and_is_silent_now_is_no_evidence() -> None:
    driver = shipped()
    driver.hear("p1", carrier_answered=True)
    driver.say["p1"] = a_verdict(carrier_answered=False)
    driver.advance(5 * DAY)
    assert (driver.phase, driver.audit) == ("shipped", "in_review")


def test_missing_pickup_of_what_the_buyer_confirmed_goes_to_review() -> None:
    driver = shipped()
    driver.confirm()
    driver.advance(5 * DAY)
    assert (driver.phase, driver.audit, driver.refunds()) == ("shipped", "in_review", {})


def test_number_without_a_trace_that_waits_for_a_reviewer_stays_with_the_reviewer_when_pickup_is_due() -> None:
    driver = shipped().advance(3 * DAY)
    driver.hear("p1", "needs_review", "trace_exists")
    driver.advance(2 * DAY)
    assert (driver.phase, driver.audit, driver.refunds()) == ("shipped", "in_review", {})
    assert driver.parcel().findings_of_review == ("trace_exists", "no_pickup")


def test_answers_that_say_nothing_about_the_parcel_send_a_missing_pickup_to_review() -> None:
    driver = shipped()
    driver.say["p1"] = a_verdict(carrier_says="doubtful", doubts=("phone_missing",))
    driver.advance(5 * DAY)
    assert (driver.phase, driver.audit, driver.refunds()) == ("shipped", "in_review", {})
    assert driver.parcel().findings_of_review == ("no_pickup", "phone_missing")


def test_one_good_answer_is_asked_for_again_before_money_goes_back() -> None:
    driver = shipped()
    driver.say["p1"] = a_verdict(carrier_says="absent_once")
    driver.advance(5 * DAY)
    assert (driver.phase, driver.audit, driver.refunds()) == ("shipped", "collecting", {})
    assert driver.deadline("pickup_by") == T0 + 5 * DAY + 12 * HOUR
    driver.say["p1"] = a_verdict(carrier_says="absent")
    driver.advance(12 * HOUR)
    assert (driver.phase, driver.refunds()) == ("cancelled", {"parcel-p1": 13580})


def test_one_good_answer_and_no_second_is_a_persons_to_judge() -> None:
    driver = shipped()
    driver.say["p1"] = a_verdict(carrier_says="absent_once")
    driver.advance(5 * DAY)
    driver.say["p1"] = a_verdict(carrier_answered=False)
    driver.advance(12 * HOUR)
    assert (driver.phase, driver.audit, driver.refunds()) == ("shipped", "in_review", {})


def test_carrier_that_refuses_the_digits_for_weeks_refunds_nothing_undelivered() -> None:
    driver = shipped()
    driver.say["p1"] = a_verdict(carrier_says="doubtful", doubts=("phone_missing",))
    driver.advance(60 * DAY)
    assert (driver.phase, driver.audit, driver.refunds()) == ("shipped", "in_review", {})
    assert driver.deadline("undelivered_end") > driver.now, "it is asked again"
    driver.say["p1"] = a_verdict(carrier_says="absent", now=driver.now)
    driver.advance(8 * DAY)
    assert driver.refunds() == {"undelivered": 13580}


def test_carrier_is_asked_before_a_correction_that_did_not_come_is_judged() -> None:
    """Scans came late, after the number was rejected for having none: a person decides."""
    driver = shipped()
    driver.hear("p1", "rejected", "trace_exists")
    driver.say["p1"] = a_verdict("pending", "not_delivered", first_physical_at=T0 + DAY)
    driver.advance(3 * DAY)
    assert (driver.phase, driver.audit, driver.refunds()) == ("shipped", "in_review", {})
    assert [step.parcel_id for step in driver.steps if isinstance(step, Look)] == ["p1"]


def test_what_a_person_rejected_is_refunded_though_the_carrier_tells_of_it() -> None:
    driver = shipped()
    driver.hear("p1", "needs_review", "speed_possible", first_physical_at=T0)
    driver.decide("rejected", "p1")
    driver.say["p1"] = a_verdict("pending", "not_delivered", first_physical_at=T0)
    driver.advance(3 * DAY)
    assert driver.refunds() == {"parcel-p1": 13580}


def test_review_of_a_parcel_whose_carrier_is_silent_goes_on_when_pickup_is_due() -> None:
    driver = shipped()
    driver.hear("p1", "needs_review", "carrier_known", carrier_answered=False)
    driver.advance(5 * DAY)
    assert driver.parcel().findings_of_review == ("carrier_known", "no_pickup")
    assert driver.parcel().audit_since == T0


def test_appeal_and_correction_have_their_own_clocks_beside_pickup() -> None:
    driver = shipped().advance(4 * DAY)
    driver.hear("p1", "rejected", "not_returned")
    assert "pickup_by" not in driver.waits_for()
    driver.send("appeal_audit", "merchant", statement="it will be sent")
    assert "pickup_by" not in driver.waits_for()


def test_correction_starts_the_pickup_clock_anew() -> None:
    driver = shipped().advance(4 * DAY)
    body = {"parcel_id": "p1", "carrier": "sandbox", "waybill": WAYBILLS[9], "reason": "a typo"}
    driver.send("correct_waybill", "merchant", **body)
    assert driver.deadline("pickup_by") == T0 + 9 * DAY


def test_pickup_ends_one_parcel_and_not_the_order() -> None:
    driver = opened()
    driver.ship(a_parcel(1, {"1": 1}), a_parcel(2))
    driver.say["p1"] = a_verdict()
    driver.deliver("p2")
    driver.advance(5 * DAY)
    assert driver.refunds() == {"parcel-p1": 1990}
    assert (driver.phase, driver.receipt) == ("shipped", "awaited")


# --- delivery ----------------------------------------------------------------------------------------------


def test_silence_is_judged_by_a_look_at_the_carrier() -> None:
    driver = delivered()
    driver.say["p1"] = a_verdict("rejected", now=T0 + DAY, first_physical_at=T0, delivered_at=T0, returned_at=T0 + DAY)
    driver.advance(7 * DAY)
    assert (driver.receipt, driver.audit, driver.phase) == ("not_due", "rejected", "shipped")


def test_undelivered_parcel_that_arrives_in_the_last_week_is_confirmed_as_any_other() -> None:
    driver = asked().advance(3 * DAY)
    driver.deliver()
    assert (driver.audit, driver.receipt) == ("approved", "awaited")
    driver.advance(7 * DAY)
    assert driver.phase == "credited"


def test_undelivered_end_refunds_what_is_missing_and_keeps_the_rest() -> None:
    driver = opened()
    driver.ship(a_parcel(1, {"1": 1}), a_parcel(2))
    driver.hear("p1", first_physical_at=T0)
    driver.deliver("p2")
    driver.advance(37 * DAY)
    assert driver.refunds() == {"undelivered": 1990}
    assert (driver.phase, driver.receipt) == ("shipped", "awaited")
    driver.advance(2 * DAY)
    assert driver.phase == "credited"
    driver.check()


def _sent_back(what: str, **milestones: Any) -> OrderDriver:
    """An order whose parcel did not stay with the buyer, left alone until the buyer was asked and did not answer."""
    driver = moving()
    found = Finding("not_returned", "fail", "strong", "trace", {"what": what, "at": "2026-11-25T02:00:00Z"})
    driver.hear("p1", "needs_review", "not_returned", findings=(found,), first_physical_at=T0, **milestones)
    driver.advance(38 * DAY)
    driver.check()
    return driver


@pytest.mark.parametrize(
    ("what", "milestones", "reason"),
    [
        (
            "after_delivery_back",
            {"delivered_at": T0 + DAY, "returned_at": T0 + 2 * DAY},
            "came back to its sender after its delivery",
        ),
        ("refused", {"returned_at": T0 + DAY, "refused_at": T0 + DAY}, "refused at its delivery"),
        ("returned", {"returned_at": T0 + 2 * DAY}, "returned to its sender"),
        ("returning", {"returned_at": T0 + 2 * DAY}, "sent back to its sender"),
        ("cancelled", {}, "its shipment was called off"),
    ],
)
def test_refund_of_a_parcel_that_came_back_tells_what_happened(
    what: str, milestones: dict[str, Any], reason: str
) -> None:
    driver = _sent_back(what, **milestones)
    assert driver.phase == "refunded"
    assert [(refund.cause, refund.reason) for refund in driver.state.refunds] == [("undelivered", reason)]


@pytest.mark.parametrize("what", ["after_delivery_elsewhere", "after_delivery_unclear", "after_delivery_moving"])
def test_delivered_parcel_that_moved_on_to_no_known_place_stays_with_a_person(what: str) -> None:
    driver = _sent_back(what, delivered_at=T0 + DAY, returned_at=T0 + 2 * DAY)
    assert (driver.phase, driver.audit, driver.refunds()) == ("shipped", "in_review", {})
    assert "undelivered" not in driver.parcel().findings_of_review, "it was delivered once"


def test_parcel_that_was_signed_for_on_its_way_back_stays_with_a_person() -> None:
    driver = _sent_back("unclear", returned_at=T0 + 2 * DAY)
    assert (driver.phase, driver.audit, driver.refunds()) == ("shipped", "in_review", {})


def test_each_refund_of_undelivered_end_says_what_is_true_of_its_parcels() -> None:
    driver = opened()
    driver.ship(a_parcel(1, {"1": 1}), a_parcel(2))
    driver.hear("p1", first_physical_at=T0)
    driver.hear("p2", "needs_review", "not_returned", first_physical_at=T0, delivered_at=T0, returned_at=T0 + DAY)
    driver.advance(38 * DAY)
    assert {refund.reason: refund.amount_minor for refund in driver.state.refunds} == {
        "never delivered": 1990,
        "came back to its sender after its delivery": 11590,
    }
    driver.check()


def test_parcel_that_no_carrier_ever_had_is_not_called_undelivered() -> None:
    driver = shipped()
    driver.hear("p1", carrier_says="doubtful")
    driver.say["p1"] = a_verdict(carrier_says="doubtful")
    driver.advance(36 * DAY)
    driver.say["p1"] = a_verdict(carrier_says="absent")
    driver.advance(2 * DAY)
    assert [refund.reason for refund in driver.state.refunds] == ["no carrier picked it up"]


def test_returned_parcel_that_was_not_replaced_in_time_is_refunded_as_returned() -> None:
    driver = moving()
    driver.hear("p1", "rejected", "not_returned", first_physical_at=T0, returned_at=T0 + DAY, refused_at=T0 + DAY)
    driver.advance(3 * DAY)
    assert [refund.reason for refund in driver.state.refunds] == ["refused at its delivery"]


def test_second_refund_for_the_same_reason_gets_a_cause_of_its_own() -> None:
    """One parcel never arrives; the other comes back after that and is refunded too: no cent stays in escrow."""
    driver = opened()
    driver.ship(a_parcel(1, {"1": 1}), a_parcel(2))
    driver.hear("p1", first_physical_at=T0)
    driver.hear("p2", "needs_review", "speed_possible", first_physical_at=T0, delivered_at=T0)
    driver.advance(37 * DAY)
    driver.decide("approved", "p2")
    back = {"first_physical_at": T0, "delivered_at": T0, "returned_at": driver.now}
    driver.say["p2"] = a_verdict("needs_review", "not_returned", now=driver.now, **back)
    driver.advance(2 * DAY)
    assert driver.refunds() == {"undelivered": 1990, "undelivered-2": 11590}
    assert driver.phase == "refunded"
    driver.check()
