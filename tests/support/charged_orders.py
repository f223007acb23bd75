"""Orders whose channel takes money back, in each place where their money may stand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from case_driver import code, delivered, opened
from order_driver import OrderDriver
from order_samples import DAY

from core.answers import Answer
from core.reasons import Refusal

FEE = 150


def charge(driver: OrderDriver, amount_minor: int = 5000, reference: str = "wx-d-1", **fields: Any) -> str:
    return code(report(driver, reference, amount_minor=amount_minor, **fields))


def report(driver: OrderDriver, reference: str = "wx-d-1", **fields: Any) -> Answer | Refusal:
    return driver.send("report_chargeback", "channel", case_reference=reference, **fields)


def end(driver: OrderDriver, outcome: str, reference: str = "wx-d-1") -> str:
    return code(report(driver, reference, outcome=outcome))


def credited(**limits: Any) -> OrderDriver:
    driver = delivered(**limits)
    driver.confirm()
    assert driver.phase == "credited"
    return driver


def settled(**limits: Any) -> OrderDriver:
    driver = credited(**limits).advance(8 * DAY)
    assert driver.state.closed
    return driver


def owing(**limits: Any) -> OrderDriver:
    """Settled, and the merchant has withdrawn all but 1000."""
    driver = settled(**limits)
    spent = driver.books.of("available") - 1000
    driver.books.balances["available"] = 1000
    driver.books.balances["spent"] = spent
    return driver


PLACES: dict[str, Callable[..., OrderDriver]] = {
    "before the shipment": opened,
    "delivered": delivered,
    "credited": credited,
    "settled": settled,
    "withdrawn": owing,
}


def has(driver: OrderDriver) -> dict[str, int]:
    """The balances, apart from accounts that stand at zero."""
    return {account: balance for account, balance in driver.books.balances.items() if balance}


def asked_back(place: str, amount: int, **limits: Any) -> OrderDriver:
    """An order whose refund is on its way."""
    driver = PLACES[place](**limits)
    refund_of(driver, amount)
    return driver


def refund_of(driver: OrderDriver, amount: int, **fields: Any) -> None:
    """Two people give so much back."""
    for person in ("ann", "bob"):
        actor = {"role": "operator", "id": person}
        driver.send("refund_order", "operator", actor=actor, amount_minor=amount, reason="kind", **fields)


def refunded(place: str, amount: int, **limits: Any) -> OrderDriver:
    """An order of which so much went back, with its money in this place; the buyer has it."""
    driver = asked_back(place, amount, **limits)
    assert driver.channel_says("arrived")
    return driver
