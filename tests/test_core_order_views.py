"""What others see of an order: why money is not here, search attributes, the register's row, the page."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

import pytest
from order_driver import OrderDriver
from order_samples import DAY, HOUR, T0, a_parcel, a_policy, failing
from order_walks import STARTS, a_driver

from core.answers import HoldView
from core.order.opening import Screening
from core.order.page import details_of
from core.order.views import hold_reasons, holds_of, journal_view, order_view, record_of, search_values
from core.search_attributes import SEARCH_ATTRIBUTES


def opened() -> OrderDriver:
    return OrderDriver().open()


def shipped() -> OrderDriver:
    driver = opened()
    driver.ship()
    return driver


def view(driver: OrderDriver, reason: str) -> HoldView:
    return next(view for view in holds_of(driver.state) if view.reason == reason)


# --- why money is not here ------------------------------------------------------------------------------------


def test_order_that_waits_for_shipment_says_until_when_and_who_can_act() -> None:
    waits = view(opened(), "shipment")
    assert (waits.since, waits.expected_release, waits.who_can_act) == (T0, T0 + 2 * DAY, "merchant")
    assert "report_shipment" in waits.what_helps


def test_each_reason_says_how_much_of_the_money_waits_for_it() -> None:
    driver = opened()
    total = driver.order.total_minor
    assert (view(driver, "shipment").amount_minor, view(driver, "shipment").currency) == (total, "CNY")
    driver.ship()
    assert view(driver, "audit_collecting").amount_minor == total
    driver.deliver()
    driver.send("confirm_receipt", "buyer")
    assert view(driver, "settlement").amount_minor == total - driver.state.commission_minor
    cancelled = opened()
    cancelled.send("cancel_order", "buyer", reason="no")
    assert view(cancelled, "refund_booked").amount_minor == cancelled.order.total_minor


def test_held_goods_wait_for_a_reviewer_and_show_when_they_are_overdue() -> None:
    driver = OrderDriver(screening=Screening(verdict="hold", reasons=("medicine",))).open()
    waits = view(driver, "screening")
    assert (waits.expected_release, waits.who_can_act) == (T0 + 3 * DAY, "reviewer")
    assert "Overdue" not in waits.what_helps
    driver.advance(DAY)
    assert "Overdue since 2026-11-24 02:00 UTC" in view(driver, "screening").what_helps


def test_shipped_order_waits_for_carrier_and_buyer() -> None:
    driver = shipped()
    assert hold_reasons(driver.state) == ("audit_collecting", "receipt")
    assert view(driver, "receipt").expected_release is None
    driver.deliver()
    assert hold_reasons(driver.state) == ("receipt",)
    assert view(driver, "receipt").expected_release == T0 + 7 * DAY


def test_review_says_what_was_found_and_when_it_is_overdue() -> None:
    driver = shipped()
    strong = (failing("not_recycled", "strong"),)
    driver.hear("p1", "needs_review", "not_recycled", first_physical_at=T0, findings=strong)
    waits = view(driver, "audit_in_review")
    assert (waits.who_can_act, waits.expected_release) == ("reviewer", T0 + DAY)
    driver.advance(DAY)
    assert "Overdue" in view(driver, "audit_in_review").what_helps
    driver.advance(6 * DAY)
    overdue = view(driver, "review_overdue")
    assert (overdue.who_can_act, overdue.since) == ("reviewer", T0)


def test_rejection_waits_for_the_merchant_until_the_correction_time_ends() -> None:
    driver = shipped()
    driver.hear("p1", "rejected", "number_possible")
    waits = view(driver, "audit_rejected")
    assert (waits.who_can_act, waits.expected_release) == ("merchant", T0 + 3 * DAY)


def test_credited_order_says_when_it_settles() -> None:
    driver = a_driver("credited", 1)
    assert view(driver, "settlement").expected_release == T0 + 7 * DAY


@pytest.mark.parametrize(("stage", "who"), [("cancelled", "channel"), ("refund refused", "operator")])
def test_open_refund_says_who_can_act(stage: str, who: str) -> None:
    refund = next(view for view in holds_of(a_driver(stage, 1).state) if view.reason.startswith("refund_"))
    assert refund.who_can_act in {who, "operator"}


def test_operators_hold_names_itself() -> None:
    driver = shipped()
    driver.hold("risk-check")
    waits = view(driver, "risk-check")
    assert waits.who_can_act == "operator o-1"
    assert waits.what_helps.startswith("looks odd")


def test_settled_order_is_held_by_nothing() -> None:
    driver = a_driver("credited", 1).advance(8 * DAY)
    assert holds_of(driver.state) == ()


@pytest.mark.parametrize("start", sorted(STARTS))
def test_every_open_order_says_why_its_money_is_not_here_and_what_helps(start: str) -> None:
    driver = a_driver(start, 1)
    views = holds_of(driver.state)
    assert driver.state.closed or views
    assert all(view.who_can_act and view.what_helps for view in views)
    assert all(re.search("[\u4e00-\u9fff]", view.what_helps_zh or "") for view in views)


def test_what_was_found_and_that_it_is_overdue_is_said_in_both_languages() -> None:
    driver = shipped()
    strong = (failing("not_recycled", "strong"),)
    driver.hear("p1", "needs_review", "not_recycled", first_physical_at=T0, findings=strong)
    driver.advance(DAY)
    found = view(driver, "audit_in_review")
    assert "The carrier had this parcel" in found.what_helps
    assert "Report the number of the parcel" in found.what_helps
    assert found.what_helps_zh is not None
    for part in ("包裹 p1", "快递公司在", "请填写本订单实际发出包裹的单号", "已超时"):
        assert part in found.what_helps_zh


# --- shapes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", sorted(STARTS))
def test_views_are_json_and_hold_what_the_contract_names(start: str) -> None:
    state = a_driver(start, 1).state
    seen = json.loads(json.dumps(order_view(state)))
    assert {"order_id", "phase", "audit", "receipt", "after_sale", "next_deadline", "policy"} <= set(seen)
    entries = json.loads(json.dumps(journal_view(state)))
    assert all({"seq", "at", "channel", "verb", "outcome"} <= set(entry) for entry in entries)


@pytest.mark.parametrize("start", sorted(STARTS))
def test_search_attributes_are_those_that_are_registered_and_of_their_type(start: str) -> None:
    types: dict[str, Any] = {"Keyword": str, "KeywordList": list, "Int": int, "Datetime": datetime}
    values = search_values(a_driver(start, 1).state)
    assert set(values) == set(SEARCH_ATTRIBUTES) - {"WithdrawalState"}
    for name, value in values.items():
        assert value is None or isinstance(value, types[SEARCH_ATTRIBUTES[name]])


@pytest.mark.parametrize("start", sorted(STARTS))
def test_page_names_regions_deadline_and_reasons(start: str) -> None:
    state = a_driver(start, 1).state
    page = details_of(state)
    for word in (state.phase, state.audit, state.receipt.status, *hold_reasons(state)):
        assert word in page
    for parcel in state.parcels:
        assert parcel.waybill in page


def test_journal_ends_with_a_count_of_what_was_let_go() -> None:
    driver = OrderDriver(policy=a_policy(commands_max=3, commands_reserved=0)).open()
    for _ in range(505):
        driver.send("confirm_receipt", "buyer", channel="signal")
    assert journal_view(driver.state)[-1] == {"dropped": {"nothing_shipped": 3, "too_many_commands": 2}}


def test_record_is_the_whole_state_without_the_order_and_with_new_notices() -> None:
    driver = shipped()
    driver.ship(a_parcel(2))
    state = driver.state.with_notice("buyer", "hello", T0)
    record = record_of(state, T0 + HOUR)
    assert [notice.name for notice in record.notices] == ["hello"]
    assert (record.phase, record.revision, record.closed) == ("shipped", state.revision, False)
    assert "order" not in record.state
    assert record.state["notices"] == []
    assert record.state["policy"] == {
        "name": "test",
        "content_hash": state.policy.content_hash,
        "review_sla": "1d",
        "screening_sla": "1d",
    }


def test_record_counts_refunds_that_are_booked() -> None:
    driver = opened()
    driver.hold(scope="all")
    driver.send("cancel_order", "buyer", reason="no")
    assert driver.record is not None
    assert driver.record.refunded_minor == 0
    driver.lift()
    assert driver.record.refunded_minor == 13580


def test_the_short_reasons_are_those_of_the_holds_in_their_order() -> None:
    driver = OrderDriver().open()
    driver.hold()
    driver.ship(a_parcel(1, {"1": 1}))
    assert hold_reasons(driver.state) == ("risk", "shipment", "audit_collecting")
    assert hold_reasons(driver.state) == tuple(dict.fromkeys(view.reason for view in holds_of(driver.state)))
