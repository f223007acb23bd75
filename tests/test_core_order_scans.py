"""Scans that are reported to an order: which are kept, what they make it do, and which are refused."""

from __future__ import annotations

from typing import Any

import pytest
from order_answers import accepted, refused
from order_driver import OrderDriver
from order_samples import DAY, HOUR, T0, WAYBILLS, a_parcel, a_policy, a_scan, a_verdict

from core.answers import Answer
from core.messages import ReportScan
from core.order.commands import receive
from core.order.state import OrderState
from core.order.steps import Judge, finish, next_step
from core.order.watches import audit_watches
from core.reading import read
from core.reasons import Refusal


def opened(**limits: Any) -> OrderDriver:
    return OrderDriver(policy=a_policy(**limits)).open()


def to_judge(driver: OrderDriver, stage: str) -> Judge:
    """The judging that a pushed scan asks for, before it is carried out."""
    body = {"carrier": "sandbox", "waybill": WAYBILLS[1], "provider": "sandbox", "scans": [a_scan(stage, driver.now)]}
    command = read(ReportScan, {"command_id": "s-1", "actor": {"role": "carrier", "id": "sandbox"}, **body})
    assert isinstance(command, ReportScan)
    driver.state, _ = receive(driver.state, command, driver.now, "update")
    step = next_step(driver.state, driver.now)
    assert isinstance(step, Judge)
    return step


def push(driver: OrderDriver, *stages: str, number: int = 1, at: Any = None, **fields: Any) -> Answer | Refusal:
    scans = [a_scan(stage, at or driver.now) for stage in stages]
    body = {"carrier": "sandbox", "waybill": WAYBILLS[number], "scans": scans, "provider": "sandbox", **fields}
    return driver.send("report_scan", "carrier", **body)


def correct(driver: OrderDriver, parcel_id: str = "p1", number: int = 11, **fields: Any) -> Answer | Refusal:
    body = {"parcel_id": parcel_id, "carrier": "sandbox", "waybill": WAYBILLS[number], "reason": "a typo", **fields}
    return driver.send("correct_waybill", "merchant", **body)


def test_scan_is_appended_and_judged_without_a_look() -> None:
    driver = opened()
    driver.ship()
    before = audit_watches(driver.state)
    accepted(push(driver, "label"))
    assert audit_watches(driver.state) == before, "the carrier is asked when it would have been"
    assert (driver.judged, len(driver.parcel().pushed), driver.parcel().pushed_due) == (1, 1, None)


def test_scan_that_could_not_be_judged_makes_the_audit_look_at_once() -> None:
    driver = opened()
    driver.ship()
    before = audit_watches(driver.state)
    judge = to_judge(driver, "picked_up")
    state = finish(driver.state, judge, None, driver.now)
    assert state.parcels[0].pushed_due == "look"
    assert audit_watches(state) != before
    assert not isinstance(next_step(state, driver.now), Judge)
    driver.state = state
    accepted(push(driver, "in_transit", at=T0 + DAY))
    assert audit_watches(driver.state) == before, "judged now, and polled as before"


def test_scan_that_comes_while_others_are_judged_is_judged_too() -> None:
    driver = opened()
    driver.ship()
    judge = to_judge(driver, "picked_up")
    more = driver.state.with_parcel(driver.parcel().changed(pushed=driver.parcel().pushed * 2))
    state = finish(more, judge, a_verdict("approved", delivered_at=T0), driver.now)
    assert (state.audit, state.parcels[0].pushed_due) == ("approved", "judge")


def test_verdict_on_pushed_scans_of_a_number_that_was_corrected_meanwhile_is_nothing() -> None:
    driver = opened()
    driver.ship()
    judge = to_judge(driver, "picked_up")
    correct(driver)
    approved = a_verdict("approved", delivered_at=T0)
    assert finish(driver.state, judge, approved, T0).parcels == driver.state.parcels


def test_same_parcel_time_and_code_is_a_duplicate() -> None:
    driver = opened()
    driver.ship()
    assert accepted(push(driver, "label")).outcome == "accepted"
    assert accepted(push(driver, "label")).outcome == "duplicate"
    assert accepted(push(driver, "label", "label", at=T0 + HOUR)).outcome == "accepted"
    assert len(driver.parcel().pushed) == 2


def test_scan_of_an_unknown_number_is_refused() -> None:
    driver = opened()
    driver.ship()
    assert refused(push(driver, "label", number=2)) == ("unknown_parcel", "waybill")
    assert refused(push(driver, "label", carrier="sf"))[0] == "unknown_parcel"


def test_scan_of_a_parcel_with_another_carrier_is_found_by_its_number() -> None:
    driver = opened()
    driver.ship(a_parcel(1, carrier="other", carrier_name="Village Post"))
    accepted(push(driver, "label", carrier="sandbox"))


def test_pushed_pickup_counts_before_the_audit_has_looked() -> None:
    driver = opened()
    driver.ship()
    push(driver, "picked_up")
    assert driver.parcel().moved
    assert refused(driver.send("cancel_order", "buyer", reason="too late"))[0] == "already_moving"


@pytest.mark.parametrize("at", [T0 - 3 * DAY, T0 + DAY])
def test_pushed_pickup_of_another_time_is_not_this_orders(at: Any) -> None:
    driver = opened()
    driver.ship()
    push(driver, "picked_up", at=at)
    assert not driver.parcel().moved


def test_label_alone_is_no_movement() -> None:
    driver = opened()
    driver.ship()
    push(driver, "label", "cancelled")
    assert not driver.parcel().moved


def test_scans_beyond_the_limit_are_counted_and_not_kept() -> None:
    driver = opened(scans_max=2000)
    driver.ship()
    for hour in range(0, 2000, 500):
        scans = [a_scan("in_transit", T0 + (hour + n) * HOUR, code=f"s{n}") for n in range(500)]
        body = {"carrier": "sandbox", "waybill": WAYBILLS[1], "scans": scans, "provider": "sandbox"}
        accepted(driver.send("report_scan", "carrier", **body))
    assert driver.state.scans_kept == 2000
    assert accepted(push(driver, "delivered", "out_for_delivery", at=T0 + 9000 * HOUR)).outcome == "accepted"
    assert (driver.state.scans_kept, driver.state.scans_dropped) == (2000, 2)


def test_scans_use_up_no_commands() -> None:
    driver = opened(commands_max=5, commands_reserved=0)
    driver.ship()
    for hour in range(20):
        accepted(push(driver, "in_transit", at=T0 + hour * HOUR))
    accepted(driver.confirm())


def test_return_scan_before_the_credit_reopens_an_approved_audit() -> None:
    driver = opened()
    driver.ship()
    driver.deliver()
    assert driver.audit == "approved"
    push(driver, "returned")
    assert driver.audit == "collecting"


@pytest.mark.parametrize("stage", ["picked_up", "in_transit", "delivered"])
def test_scan_after_the_delivery_lets_the_audit_look_again(stage: str) -> None:
    """It may be the way back under the same number; a harmless one is approved again."""
    driver = opened()
    driver.ship()
    driver.hold()
    driver.deliver()
    accepted(push(driver, stage, at=T0 + DAY))
    assert driver.audit == "collecting"
    driver.hear("p1", "approved", first_physical_at=T0, delivered_at=T0, last_scan_at=T0 + DAY)
    assert driver.audit == "approved"


def test_second_journey_under_the_same_number_is_never_credited_by_silence() -> None:
    driver = opened()
    driver.ship()
    driver.deliver()
    back = {"first_physical_at": T0, "delivered_at": T0, "returned_at": T0 + DAY}
    driver.say["p1"] = a_verdict("needs_review", "not_returned", now=T0 + 7 * DAY, last_scan_at=T0 + DAY, **back)
    driver.advance(20 * DAY)
    assert (driver.phase, driver.audit, driver.receipt) == ("shipped", "in_review", "not_due")


def test_return_scan_after_the_credit_changes_nothing() -> None:
    driver = opened()
    driver.ship()
    driver.deliver()
    driver.confirm()
    accepted(push(driver, "returned"))
    assert (driver.phase, driver.audit) == ("credited", "approved")


def test_state_of_parcels_survives_json() -> None:
    driver = opened()
    driver.ship(a_parcel(1, {"1": 1}, weight_g=800), a_parcel(2))
    push(driver, "picked_up")
    correct(driver, "p2")
    assert OrderState.model_validate(driver.state.model_dump(mode="json")) == driver.state
