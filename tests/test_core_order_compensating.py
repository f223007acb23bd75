"""Compensation for late shipments: a part of the price, at least and at most so much, once, out of the proceeds."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from case_driver import LINE_1, LINE_2, policy
from order_driver import OrderDriver
from order_samples import DAY, HOUR, SECOND

from core.order.compensating import compensate_late
from core.order.recovering import recover
from core.order.steps import next_step
from core.steps import KeepRecord, Post

GOODS = 2 * LINE_1 + LINE_2
FIVE = {"late_bps": 500}


def shipped(after: timedelta, **limits: Any) -> OrderDriver:
    """Reported in time; a carrier scanned it first so long after the time to ship."""
    driver = OrderDriver(policy=policy(**limits)).open()
    ship_by = driver.deadline("ship_by")
    driver.ship()
    first = ship_by + after
    driver.until(first)
    driver.hear("p1", "approved", first_physical_at=first, delivered_at=first + SECOND)
    return driver


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (FIVE, GOODS * 500 // 10_000),
        ({"late_bps": 500, "late_minimum_minor": 1000}, 1000),
        ({"late_bps": 500, "late_cap_minor": 300}, 300),
        ({"late_minimum_minor": 500}, 500),
        ({"late_bps": 10_000, "late_cap_minor": 99_999_999}, GOODS),
    ],
)
def test_late_goods_bring_a_part_of_their_price_out_of_the_proceeds(limits: dict[str, Any], expected: int) -> None:
    driver = shipped(25 * HOUR, **limits)
    assert driver.refunds() == {}
    driver.confirm()
    assert driver.refunds() == {"late": expected}
    assert driver.state.refunds[0].source == "proceeds"
    assert {notice.to for notice in driver.notices("refund_owed")} == {"buyer", "merchant"}
    driver.channel_says("arrived")
    driver.check()
    driver.advance(9 * DAY)
    assert (driver.refunds(), driver.state.closed) == ({"late": expected}, True)
    driver.check()


@pytest.mark.parametrize(
    ("after", "limits"),
    [(24 * HOUR, FIVE), (25 * HOUR, {}), (25 * HOUR, {"late_bps": 500, "late_grace": "2d"})],
)
def test_goods_in_time_or_without_such_a_policy_bring_nothing(after: timedelta, limits: dict[str, Any]) -> None:
    driver = shipped(after, **limits)
    driver.confirm()
    assert (driver.phase, driver.refunds()) == ("credited", {})
    driver.check()


def test_a_case_comes_first_and_what_it_leaves_is_the_most() -> None:
    driver = shipped(25 * HOUR, late_bps=10_000)
    driver.send("open_after_sale", "buyer", kind="refund_only", reason="late", amount_minor=5000)
    driver.send("agree_after_sale", "merchant")
    driver.channel_says("arrived")
    driver.confirm()
    left = 13_580 - 5000
    assert driver.refunds() == {"case-1": 5000, "late": min(GOODS, left)}
    driver.channel_says("arrived")
    driver.check()


@pytest.mark.parametrize("booked", [False, True])
def test_a_worker_that_died_around_its_posting_compensates_once(booked: bool) -> None:
    driver = shipped(25 * HOUR, **FIVE)
    driver.confirm()
    assert driver.record is not None
    saved, late = driver.record.state, "order/A1001/refund/late"
    before = {**saved, "refunds": [{**saved["refunds"][0], "status": "owed"}]}
    references = [name for name in driver.books.movements if booked or name != late]
    state = recover(driver.order, driver.state.policy, before, references, driver.now)
    assert [(refund.cause, refund.status) for refund in state.refunds] == [("late", "booked" if booked else "owed")]
    again = compensate_late(state, driver.now)
    assert len(again.refunds) == 1
    step = next_step(again, driver.now)
    assert isinstance(step, Post if not booked else KeepRecord)
    assert booked or (isinstance(step, Post) and step.movement.reference == late)
