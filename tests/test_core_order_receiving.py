"""Receipt: confirmation, more time, silence; and calling an order off."""

from __future__ import annotations

from typing import Any

import pytest
from order_driver import OrderDriver
from order_samples import DAY, HOUR, SECOND, T0, WAYBILLS, a_parcel, a_policy, a_scan, failing

from core.answers import Answer
from core.reasons import Refusal
from core.texts import clock


def opened(**limits: Any) -> OrderDriver:
    return OrderDriver(policy=a_policy(**limits)).open()


def shipped(**limits: Any) -> OrderDriver:
    driver = opened(**limits)
    driver.ship()
    return driver


def delivered(**limits: Any) -> OrderDriver:
    driver = shipped(**limits)
    driver.deliver()
    return driver


def code(answer: Answer | Refusal) -> str:
    return answer.code if isinstance(answer, Refusal) else answer.outcome


# --- confirm_receipt ------------------------------------------------------------------------------------------


def test_confirmation_before_any_shipment_is_refused() -> None:
    assert code(opened().confirm()) == "nothing_shipped"


def test_confirmation_while_partly_shipped_is_refused() -> None:
    driver = opened()
    driver.ship(a_parcel(1, {"1": 1}))
    assert code(driver.confirm()) == "not_fully_shipped"


def test_confirmation_while_the_audit_collects_waits_with_the_credit() -> None:
    driver = shipped()
    assert code(driver.confirm()) == "accepted"
    assert (driver.phase, driver.receipt, driver.audit) == ("shipped", "confirmed", "collecting")
    driver.hear("p1", "approved", first_physical_at=driver.now)
    assert driver.phase == "credited"


@pytest.mark.parametrize("outcome", ["needs_review", "rejected"])
def test_confirmation_while_in_review_or_rejected_is_accepted_and_no_default_refunds_any_more(outcome: str) -> None:
    driver = shipped()
    strong = (failing("speed_possible", "strong"),)
    driver.hear("p1", outcome, "speed_possible", first_physical_at=T0, findings=strong)
    assert code(driver.confirm()) == "accepted"
    driver.advance(90 * DAY)
    assert driver.state.refunds == ()
    assert (driver.phase, driver.audit) == ("shipped", "in_review")
    assert driver.holds() == {"review_overdue"}


def test_second_confirmation_is_refused() -> None:
    driver = shipped()
    driver.confirm()
    assert code(driver.confirm()) == "already_confirmed"


def test_operator_confirms_only_with_a_reason() -> None:
    driver = shipped()
    assert code(driver.send("confirm_receipt", "operator")) == "reason_missing"
    assert code(driver.send("confirm_receipt", "operator", reason="the buyer called")) == "accepted"
    assert driver.state.receipt.by == "operator"


@pytest.mark.parametrize("first", ["audit", "receipt"])
def test_credit_fires_whichever_comes_last(first: str) -> None:
    driver = shipped()
    for what in ("audit", "receipt") if first == "audit" else ("receipt", "audit"):
        assert driver.phase == "shipped"
        if what == "receipt":
            driver.confirm()
        else:
            driver.deliver()
    assert driver.phase == "credited"
    assert driver.books.of("proceeds") == driver.state.credited_minor


# --- silence --------------------------------------------------------------------------------------------------


def test_receipt_clock_starts_with_the_delivered_scan_of_the_last_parcel() -> None:
    driver = opened()
    driver.ship(a_parcel(1, {"1": 1}), a_parcel(2))
    driver.deliver("p1")
    assert driver.receipt == "not_due"
    driver.advance(2 * DAY).deliver("p2")
    assert driver.receipt == "awaited"
    assert driver.deadline("receipt_by") == T0 + 9 * DAY


def test_delivery_of_all_that_was_shipped_so_far_starts_no_clock() -> None:
    driver = opened()
    driver.ship(a_parcel(1, {"1": 1}))
    driver.deliver("p1")
    assert driver.receipt == "not_due"


def test_delivery_that_became_known_late_leaves_the_buyer_the_reminders_time() -> None:
    driver = shipped().advance(20 * DAY)
    driver.hear("p1", "approved", first_physical_at=T0, delivered_at=T0 + DAY)
    assert driver.deadline("receipt_by") == driver.now + 2 * DAY


def test_silence_confirms_only_what_was_delivered() -> None:
    driver = shipped()
    driver.hear("p1", first_physical_at=T0)
    driver.advance(29 * DAY)
    assert driver.receipt == "not_due"
    driver.deliver()
    driver.advance(7 * DAY)
    assert (driver.receipt, driver.state.receipt.by) == ("confirmed", "timeout")


def test_parcel_that_comes_back_stops_the_receipt_clock() -> None:
    driver = delivered()
    driver.say["p1"] = driver.parcel().verdict
    driver.send("report_scan", "carrier", **returned_scan(driver))
    driver.hear("p1", "rejected", "not_returned", first_physical_at=T0, delivered_at=T0, returned_at=driver.now)
    assert (driver.receipt, driver.audit) == ("not_due", "rejected")


def returned_scan(driver: OrderDriver) -> dict[str, Any]:
    scans = [a_scan("returned", driver.now)]
    return {"carrier": "sandbox", "waybill": WAYBILLS[1], "scans": scans, "provider": "sandbox"}


# --- extend_receipt -------------------------------------------------------------------------------------------


def test_buyer_extends_once_when_at_most_three_days_are_left() -> None:
    driver = delivered().advance(4 * DAY - SECOND)
    assert code(driver.send("extend_receipt", "buyer")) == "too_early"
    driver.advance(SECOND)
    assert code(driver.send("extend_receipt", "buyer", reason="abroad")) == "accepted"
    assert driver.deadline("receipt_by") == T0 + 10 * DAY
    assert code(driver.send("extend_receipt", "buyer")) == "too_many_extensions"


def test_extension_says_old_new_and_why() -> None:
    driver = delivered().advance(5 * DAY)
    driver.send("extend_receipt", "buyer", reason="abroad")
    facts = driver.notices("receipt_extended")[0].facts
    assert facts == {"old": (T0 + 7 * DAY).isoformat(), "new": (T0 + 10 * DAY).isoformat(), "reason": "abroad"}
    said = driver.state.inbox.journal[-1].message or ""
    assert clock(facts["old"]) in said
    assert clock(facts["new"]) in said
    assert "abroad" in said


def test_extension_brings_another_reminder() -> None:
    driver = delivered().advance(5 * DAY)
    driver.send("extend_receipt", "buyer")
    driver.advance(3 * DAY)
    assert len(driver.notices("receipt_reminder")) == 2


def test_extension_is_refused_before_shipment_before_delivery_and_after_confirmation() -> None:
    assert code(opened().send("extend_receipt", "buyer")) == "nothing_shipped"
    driver = shipped()
    assert code(driver.send("extend_receipt", "buyer")) == "too_early"
    driver.confirm()
    assert code(driver.send("extend_receipt", "buyer")) == "already_confirmed"


def test_extension_that_arrives_together_with_the_deadline_wins() -> None:
    driver = delivered().outage(7 * DAY)
    assert code(driver.send("extend_receipt", "buyer")) == "accepted"
    assert driver.receipt == "awaited"


# --- cancel_order ---------------------------------------------------------------------------------------------


def test_cancelled_order_is_refunded_in_full_and_closes_when_the_buyer_has_the_money() -> None:
    driver = opened()
    assert code(driver.send("cancel_order", "buyer", reason="changed my mind")) == "accepted"
    assert (driver.phase, driver.refunds()) == ("cancelled", {"cancel": 13580})
    assert not driver.state.closed
    driver.channel_says("arrived")
    assert driver.state.closed
    driver.check()


def test_label_alone_does_not_trap_the_buyer_and_its_claim_is_released() -> None:
    driver = shipped()
    driver.hear("p1", label_at=T0)
    assert code(driver.send("cancel_order", "buyer", reason="late")) == "accepted"
    assert len(driver.released) == 1


def test_cancelling_what_moves_is_refused() -> None:
    driver = shipped()
    driver.hear("p1", first_physical_at=T0)
    assert code(driver.send("cancel_order", "buyer", reason="late")) == "already_moving"


def test_one_parcel_of_two_moving_traps_the_order() -> None:
    driver = opened()
    driver.ship(a_parcel(1, {"1": 1}), a_parcel(2))
    driver.hear("p2", first_physical_at=T0)
    assert code(driver.send("cancel_order", "buyer", reason="late")) == "already_moving"


def test_moving_parcel_that_was_refunded_traps_nobody() -> None:
    driver = opened()
    driver.ship(a_parcel(1, {"1": 1}), a_parcel(2))
    driver.hear("p1", "rejected", "destination_matches", first_physical_at=T0)
    driver.advance(3 * DAY)
    assert driver.parcel("p1").ended
    assert code(driver.send("cancel_order", "buyer", reason="late")) == "accepted"
    assert sum(driver.refunds().values()) == 13580
    assert len(driver.released) == 1, "the number that moved stays claimed"


def test_cancelling_needs_a_reason_also_from_an_operator() -> None:
    driver = opened()
    assert code(driver.send("cancel_order", "buyer", reason=" ")) == "reason_missing"
    assert code(driver.send("cancel_order", "operator", reason="fraud desk")) == "accepted"


def test_what_is_confirmed_or_credited_cannot_be_cancelled() -> None:
    driver = shipped()
    driver.confirm()
    assert code(driver.send("cancel_order", "buyer", reason="x")) == "already_confirmed"
    driver.deliver()
    driver.hear("p1", "approved", first_physical_at=T0)
    assert driver.phase == "credited"
    assert code(driver.send("cancel_order", "buyer", reason="x")) == "already_credited"


def test_nothing_but_holds_and_refunds_is_done_to_an_order_that_is_over() -> None:
    driver = opened()
    driver.send("cancel_order", "buyer", reason="no")
    assert code(driver.confirm()) == "order_over"
    assert code(driver.send("cancel_order", "buyer", reason="no")) == "order_over"
    assert code(driver.hold(scope="all")) == "accepted"
    assert code(driver.lift()) == "accepted"
    driver.channel_says("arrived")
    assert code(driver.hold(scope="all")) == "order_over"


def test_happy_order_settles_when_delay_and_window_have_passed() -> None:
    driver = delivered().advance(HOUR)
    driver.confirm()
    driver.advance(7 * DAY)
    assert (driver.phase, driver.state.closed) == ("settled", True)
    assert driver.books.of("available") == driver.state.credited_minor
    assert driver.books.of("commission") == driver.state.commission_minor
    driver.check()
