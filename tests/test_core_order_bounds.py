"""How large an order can become: its whole state must fit in one message of the engine, which takes 2 MB."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from order_driver import WAYBILLS, OrderDriver, a_parcel, an_order

from core.messages import Answer
from core.order.shipping import PARCELS_MAX
from core.reasons import Refusal

ENGINE_TAKES = 2 * 1024 * 1024


def push_long_scans(driver: OrderDriver, batch: int) -> Answer | Refusal:
    scans = [
        {
            "at": (driver.now - timedelta(seconds=batch * 500 + number)).isoformat(),
            "code": f"{batch}-{number}",
            "stage": "in_transit",
            "city": "市" * 80,
            "text": "件" * 500,
        }
        for number in range(500)
    ]
    return driver.send("report_scan", "carrier", carrier="sandbox", waybill=WAYBILLS[1], provider="x", scans=scans)


def test_long_scans_and_a_full_journal_leave_an_order_that_can_be_carried_over() -> None:
    driver = OrderDriver().open()
    driver.ship()
    for batch in range(6):
        answer = push_long_scans(driver, batch)
        assert isinstance(answer, Answer)
    for _ in range(600):
        driver.junk("confirm_receipt", {"字" * 100 + str(number): 1 for number in range(10)})
    assert driver.state.scans_kept + driver.state.scans_dropped == 6 * 500
    assert 100 < driver.state.scans_kept < 500
    assert len(driver.state.model_dump_json().encode()) < ENGINE_TAKES * 3 // 4


def test_an_order_has_a_limited_number_of_parcels() -> None:
    line: dict[str, Any] = {"line_id": "1", "title": "x", "category": "a", "quantity": 1000, "unit_price_minor": 10}
    order = an_order(
        lines=[line],
        total_minor=10_800,
        payment={**an_order().payment.model_dump(mode="json"), "paid_minor": 10_800},
    )
    driver = OrderDriver(order).open()
    for batch in range(PARCELS_MAX // 50):
        numbers = range(batch * 50, batch * 50 + 50)
        parcels = [a_parcel(1, {"1": 1}, parcel_id=f"q{number}") for number in numbers]
        assert isinstance(driver.send("report_shipment", "merchant", parcels=parcels), Answer)
    answer = driver.send("report_shipment", "merchant", parcels=[a_parcel(2)])
    assert isinstance(answer, Refusal)
    assert (answer.code, answer.field) == ("too_many_parcels", "parcels")
