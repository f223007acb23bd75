"""Scans that come too late: after a refund, the credit or the end. They are kept, notified once, and decide nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from case_driver import absent, case, code, delivered, opened, say, stage
from order_driver import OrderDriver
from order_samples import DAY, WAYBILLS

from core.answers import Answer
from core.order.views import holds_of
from core.reasons import Refusal


def push(driver: OrderDriver, number: int, scanned: str, city: str | None = None) -> Answer | Refusal:
    scan = {"at": driver.now.isoformat(), "code": scanned, "stage": scanned, "city": city}
    fields = {"carrier": "sandbox", "waybill": WAYBILLS[number], "scans": [scan], "provider": "sandbox"}
    return say(driver, "report_scan", "carrier", **fields)


def notified(driver: OrderDriver) -> list[tuple[str, str]]:
    """Whom the notices of late scans went to, and what they say."""
    return [(notice.to, notice.facts["what"]) for notice in driver.notices("late_scan")]


def both(*words: str) -> list[tuple[str, str]]:
    return [(reader, word) for word in words for reader in ("merchant", "operator")]


def refunded(**limits: object) -> OrderDriver:
    """Shipped, not received, and the buyer's money went back."""
    driver = opened(**limits)
    driver.ship()
    case(driver, reason="not_received")
    say(driver, "agree_after_sale", "merchant")
    assert driver.phase == "refunded"
    return driver


def credited() -> OrderDriver:
    driver = delivered()
    driver.hear("p1", "approved", delivered_at=driver.now, first_physical_at=driver.now, last_scan_at=driver.now)
    driver.confirm()
    assert driver.phase == "credited"
    return driver


def settled() -> OrderDriver:
    driver = credited()
    driver.advance(8 * DAY)
    assert (driver.phase, driver.state.closed) == ("settled", True)
    return driver


def test_a_delivery_after_the_refund_is_kept_and_told_once_to_merchant_and_operator() -> None:
    driver = refunded()
    refunds = driver.refunds()
    assert code(push(driver, 1, "delivered")) == "accepted"
    assert code(push(driver, 1, "delivered")) == "duplicate"
    driver.advance(timedelta(minutes=10))
    assert code(push(driver, 1, "delivered")) == "accepted"
    assert notified(driver) == both("delivered")
    assert (driver.phase, driver.refunds()) == ("refunded", refunds)
    assert [scan.stage for scan in driver.parcel().pushed] == ["delivered", "delivered"]


def test_a_closed_order_takes_late_scans_too() -> None:
    driver = refunded()
    driver.channel_says("arrived")
    assert driver.state.closed
    assert code(push(driver, 1, "in_transit")) == "accepted"
    driver.advance(DAY)
    assert code(push(driver, 1, "delivered")) == "accepted"
    assert notified(driver) == both("moving", "delivered")
    assert driver.state.closed
    assert code(push(driver, 2, "delivered")) == "unknown_parcel"


def test_an_operator_looks_at_a_delivery_after_the_refund() -> None:
    driver = refunded()
    driver.channel_says("arrived")
    push(driver, 1, "delivered")
    (view,) = [one for one in holds_of(driver.state) if one.reason == "late_scan"]
    assert view.what_helps.startswith("The goods arrived after the buyer's money went back. An operator settles it")
    assert view.what_helps_zh is not None
    assert view.what_helps_zh.startswith("包裹 p1：退款后商品仍被签收。")
    assert code(say(driver, "lift_hold", "operator", name="late_scan", reason="the buyer paid again")) == "accepted"
    assert driver.holds() == set()
    push(driver, 1, "delivered")
    assert driver.holds() == set()


def test_a_policy_may_leave_it_at_the_notice() -> None:
    driver = refunded(late_scan_review=False)
    push(driver, 1, "delivered")
    assert (notified(driver), driver.holds()) == (both("delivered"), set())


@pytest.mark.parametrize(("scanned", "word"), [("returning", "coming_back"), ("returned", "came_back")])
def test_a_parcel_that_goes_back_after_the_credit_stops_the_settlement(scanned: str, word: str) -> None:
    driver = credited()
    driver.advance(DAY)
    assert code(push(driver, 1, scanned)) == "accepted"
    assert notified(driver) == both(word)
    driver.advance(30 * DAY)
    assert (driver.phase, driver.holds()) == ("credited", {"late_scan"})
    assert code(driver.lift("late_scan")) == "accepted"
    assert driver.phase == "settled"


def test_the_same_number_picked_up_again_after_the_credit_is_on_its_way_back() -> None:
    driver = credited()
    driver.advance(DAY)
    push(driver, 1, "picked_up", driver.state.order.ship_to.city)
    assert notified(driver) == both("coming_back")
    driver.advance(DAY)
    push(driver, 1, "delivered", driver.state.order.ship_from.city)
    assert notified(driver) == both("coming_back", "came_back")


def test_scans_of_the_last_mile_after_the_credit_are_no_news() -> None:
    driver = credited()
    driver.advance(timedelta(minutes=20))
    push(driver, 1, "arrived")
    push(driver, 1, "delivered")
    assert (notified(driver), driver.holds()) == ([], set())
    assert len(driver.parcel().pushed) == 2


def test_a_settled_order_tells_of_goods_that_came_back() -> None:
    driver = settled()
    push(driver, 1, "returned")
    assert notified(driver) == both("came_back")
    assert (driver.holds(), driver.state.closed) == ({"late_scan"}, True)
    assert driver.parcel().late[0].what == "came_back"


def test_a_return_that_comes_after_its_case_closed_is_told_and_stops_the_money() -> None:
    driver = delivered()
    absent(driver)
    driver.advance(5 * DAY)
    assert stage(driver) == "closed"
    assert code(push(driver, 20, "delivered")) == "accepted"
    assert notified(driver) == both("delivered")
    assert driver.state.cases[-1].parcel is not None
    assert [scan.stage for scan in driver.state.cases[-1].parcel.pushed] == ["delivered"]
    assert driver.holds() == {"late_scan"}


def test_a_scan_that_the_audit_knew_before_the_refund_is_no_news() -> None:
    driver = opened()
    driver.ship()
    driver.hear("p1", "pending", first_physical_at=driver.now, last_scan_at=driver.now)
    case(driver, reason="not_received")
    say(driver, "agree_after_sale", "merchant")
    push(driver, 1, "picked_up")
    assert notified(driver) == []
