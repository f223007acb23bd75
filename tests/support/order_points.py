"""Orders at the points of their life that many tests start from."""

from __future__ import annotations

from typing import Any

from order_driver import OrderDriver
from order_samples import DAY, T0, a_policy, a_verdict, failing

from core.order.opening import Screening


def opened(**limits: Any) -> OrderDriver:
    """An order whose money is in escrow."""
    return OrderDriver(policy=a_policy(**limits)).open()


def refused() -> OrderDriver:
    """An order whose goods are refused."""
    return OrderDriver(screening=Screening(verdict="refuse", reasons=("firearms",), appealable=True)).open()


def held() -> OrderDriver:
    """An order whose goods are held for a person."""
    return OrderDriver(screening=Screening(verdict="hold", reasons=("medicine",))).open()


def shipped() -> OrderDriver:
    """An order with one parcel, and no scan yet."""
    driver = opened()
    driver.ship()
    driver.say["p1"] = a_verdict()
    return driver


def moving() -> OrderDriver:
    """An order whose parcel was picked up."""
    driver = shipped()
    driver.hear("p1", first_physical_at=T0)
    return driver


def delivered() -> OrderDriver:
    """An order whose parcel was delivered."""
    driver = shipped()
    driver.deliver()
    return driver


def rejected() -> OrderDriver:
    """An order whose parcel was rejected."""
    driver = shipped()
    driver.hear("p1", "rejected", "number_possible")
    return driver


def in_review() -> OrderDriver:
    """An order whose parcel waits for a reviewer."""
    driver = shipped()
    strong = (failing("speed_possible", "strong"),)
    driver.hear("p1", "needs_review", "speed_possible", first_physical_at=T0, findings=strong)
    return driver


def asked() -> OrderDriver:
    """An order whose parcel is silent for thirty days."""
    return moving().advance(30 * DAY)


def credited() -> OrderDriver:
    """An order that the buyer confirmed."""
    driver = delivered()
    driver.confirm()
    return driver


def refunding() -> OrderDriver:
    """An order whose refund is in progress."""
    driver = opened()
    driver.send("cancel_order", "buyer", reason="no")
    return driver
