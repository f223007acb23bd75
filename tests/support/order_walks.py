"""Where an order is when random events begin, and random lives from there, each named by its seed."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import Any

from order_driver import OrderDriver
from order_events import BESIDE, EVENTS, REOPENING, happen, play
from order_samples import a_policy, an_order

from core.order.handover import hash_of_code
from core.order.opening import Screening

STARTS: dict[str, tuple[str, ...]] = {
    "new": (),
    "goods held": (),
    "goods refused": (),
    "goods refused, may appeal": (),
    "not funded": (),
    "shipped": ("ship all",),
    "in two parcels": ("ship in two",),
    "partly shipped": ("ship one of line 1",),
    "one moves, one waits": ("ship in two", "p1: moves"),
    "in review": ("ship all", "p1: to review"),
    "in review, one delivered": ("ship in two", "p2: approved, delivered", "p1: to review, weak"),
    "rejected": ("ship all", "p1: rejected"),
    "rejected, delivered": ("ship in two", "p1: rejected, delivered", "p2: approved, delivered"),
    "appealed": ("ship all", "p1: rejected", "a day", "appeal"),
    "delivered": ("ship all", "all delivered"),
    "delivered, held": ("ship in two", "hold credit", "all delivered", "confirm"),
    "confirmed early": ("ship all", "confirm"),
    "credited": ("ship all", "all delivered", "confirm"),
    "credited, part refunded": ("ship one of line 1", "p1: approved, delivered", "five days", "confirm"),
    "settled": ("ship all", "all delivered", "confirm", "a month"),
    "settled, withdrawn": ("ship all", "all delivered", "confirm", "a month", "the merchant withdraws"),
    "settled, part refunded": ("ship all", "all delivered", "confirm", "a month", "refund an amount", "refund arrives"),
    "cancelled": ("ship all", "cancel"),
    "refund refused": ("cancel", "refund refused"),
    "refund stuck": ("cancel", "five days"),
    "one refunded": ("ship in two", "p1: rejected", "five days"),
    "asked for": ("ship all", "p1: moves", "a month"),
    "case before shipment": ("case: refund",),
    "case, delivered": ("ship all", "all delivered", "case: return"),
    "case, credited": ("ship all", "all delivered", "confirm", "case: return"),
    "case, on its way back": ("ship all", "all delivered", "case: return", "case: agree", "case: send back"),
    "case, exchange": ("ship all", "all delivered", "case: exchange line 1", "case: agree", "case: send back"),
    "case, replacing": ("ship all", "all delivered", "confirm", "case: exchange line 1", "case: agree, no return"),
    "case, settled, new goods sent": (
        *("ship all", "all delivered", "confirm", "a month", "case: exchange line 1", "case: agree, no return"),
        "case: send new",
    ),
    "case, arbitration": ("ship all", "all delivered", "case: refund 500", "case: refuse", "case: escalate"),
    "charged back": ("ship all", "all delivered", "chargeback: 700"),
    "charged back, credited": ("ship all", "all delivered", "confirm", "chargeback: with a fee"),
    "charged back before shipment": ("chargeback: all",),
    "charged back after a refund": ("cancel", "refund arrives", "chargeback: all that was paid"),
    "charged back after a part went back": (
        *("ship all", "all delivered", "confirm", "a month", "refund an amount", "refund arrives"),
        "chargeback: all that was paid",
    ),
    "late, delivered": ("ship all", "p1: moves", "a month", "a month", "refund arrives", "p1: scanned delivered"),
    "claimed": (
        "ship all",
        "p1: moves",
        "a month",
        "a month",
        "refund arrives",
        "p1: scanned delivered",
        "claim: open",
    ),
    "claimed, contested": (
        *("ship all", "p1: moves", "a month", "a month", "refund arrives", "p1: scanned delivered", "claim: open"),
        "claim: contest",
    ),
    "claimed, charging": (
        *("ship all", "p1: moves", "a month", "a month", "refund arrives", "p1: scanned delivered", "claim: open"),
        "claim: accept",
    ),
    "case, part refunded": ("ship in two", "all delivered", "case: refund line 2", "case: agree"),
}
"""Where an order is when random events begin."""


SCREENINGS: dict[str, dict[str, Any]] = {
    "goods held": {"verdict": "hold"},
    "goods refused": {"verdict": "refuse"},
    "goods refused, may appeal": {"verdict": "refuse", "appealable": True},
}


def a_driver(start: str, kind: int, mode: str = "express") -> OrderDriver:
    """An order at one of STARTS; `kind` chooses a variety of order and policy."""
    fields: dict[str, Any] = {"discount_minor": 333, "total_minor": 13247} if kind % 5 < 2 else {}
    if mode != "express":
        fields |= {"delivery_mode": mode}
        fields |= {"handover_hash": hash_of_code("A1001", "open sesame")} if mode != "virtual" else {}
    order = an_order(discount_funded_by="platform" if kind % 5 else "merchant", **fields)
    limits: dict[str, Any] = {"auto_withdraw": kind % 2 == 0}
    if kind % 3 == 0:
        limits |= {"commands_max": 14, "commands_reserved": 3, "scans_max": 3}
    if kind % 7 == 0:
        limits |= {"ship_within": "20d", "corrections_max": 1}
    screening = Screening(**SCREENINGS.get(start, {"verdict": "allow"}), reasons=("rule",), edition="1")
    driver = OrderDriver(order, a_policy(**limits), screening)
    if start == "not funded":
        driver.ledger_says.append("conflict")
    return play(driver.open(), STARTS[start])


def walks(seeds: Iterable[int], steps: int = 50, mode: str = "express") -> Iterator[tuple[OrderDriver, list[str]]]:
    """Random lives of orders: yields after every event the driver and its events so far."""
    names = [*EVENTS, *(["progress"] * 12), *(["refund arrives"] * 3)]
    for seed in seeds:
        chance = random.Random(seed)
        driver = a_driver(chance.choice(list(STARTS)), chance.randrange(500), mode)
        happened: list[str] = []
        while len(happened) < steps and not (driver.state.closed and chance.random() < 0.5):
            happened.append(chance.choice((*BESIDE, *REOPENING) if driver.state.closed else names))
            happen(driver, happened[-1])
            yield driver, happened


def walk(seed: int) -> int:
    """A random life of an order, checked after every event; returns the number of events."""
    happened: list[str] = []
    try:
        for driver, happened in walks([seed]):
            driver.check()
            if len(happened) % 25 == 0:
                driver.check_json()
    except Exception as error:
        raise AssertionError(f"walk {seed}, after {happened}: {error!r}") from error
    return len(happened)
