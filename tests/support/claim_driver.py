"""A claim against a buyer, played by hand: refunded, delivered after all, and charged."""

from __future__ import annotations

from typing import Any

from case_driver import code, opened, say
from order_driver import OrderDriver
from order_samples import DAY, WAYBILLS

from core.answers import Answer
from core.reasons import Refusal

TOTAL, COMMISSION = 13580, 639
"""All that was paid; 5 % of the goods, by line."""


def arrives(driver: OrderDriver, number: int = 1, scanned: str = "delivered") -> None:
    scan = {"at": driver.now.isoformat(), "code": scanned, "stage": scanned}
    fields = {"carrier": "sandbox", "waybill": WAYBILLS[number], "scans": [scan], "provider": "sandbox"}
    assert code(say(driver, "report_scan", "carrier", **fields)) == "accepted"


def late(driver: OrderDriver | None = None) -> OrderDriver:
    """Shipped, not received, refunded; then the goods arrive with the buyer."""
    driver = driver or opened()
    driver.ship()
    say(driver, "open_after_sale", "buyer", kind="refund_only", reason="not_received")
    say(driver, "agree_after_sale", "merchant")
    assert driver.channel_says("arrived")
    driver.advance(DAY)
    arrives(driver)
    return driver


def claim(driver: OrderDriver, **fields: Any) -> Answer | Refusal:
    return say(driver, "open_claim_back", "operator", **{"reason": "the carrier delivered it", **fields})


def claimed(driver: OrderDriver | None = None, **fields: Any) -> OrderDriver:
    driver = late(driver)
    assert code(claim(driver, **fields)) == "accepted"
    return driver


def charging(driver: OrderDriver | None = None, **fields: Any) -> OrderDriver:
    driver = claimed(driver, **fields)
    assert code(say(driver, "accept_claim_back", "buyer")) == "accepted"
    return driver


def rule(driver: OrderDriver, person: str, decision: str, **fields: Any) -> str:
    fields |= {"actor": {"role": "reviewer", "id": person}, "reason": "seen", "decision": decision}
    return code(say(driver, "arbitrate", "reviewer", **fields))


def resolve(driver: OrderDriver, person: str, outcome: str) -> str:
    fields = {"cause": "claim-2", "outcome": outcome, "reference": "r", "reason": "seen"}
    return code(say(driver, "resolve_refund", "operator", actor={"role": "operator", "id": person}, **fields))


def settled_money(driver: OrderDriver) -> tuple[int, int]:
    driver.check()
    return driver.books.of("available"), driver.books.of("commission")
