"""An order with an after-sale case, driven without a server: short helpers for the tests of cases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from order_driver import OrderDriver
from order_events import play
from order_samples import WAYBILLS, a_policy, a_verdict

from core.aftersale.limits import AfterSaleLimits
from core.answers import Answer
from core.policy import OrderPolicy
from core.reasons import Refusal

TOTAL, LINE_1, LINE_2, FREIGHT = 13_580, 1_990, 8_800, 800
ONE_OF_1: Sequence[dict[str, Any]] = ({"line_id": "1", "quantity": 1},)
ALL_OF_2: Sequence[dict[str, Any]] = ({"line_id": "2", "quantity": 1},)
PHOTO = {"kind": "photo", "reference": "https://shop.example/1.jpg"}


def opened(**limits: Any) -> OrderDriver:
    return OrderDriver(policy=policy(**limits)).open()


def policy(**after_sale: Any) -> OrderPolicy:
    return a_policy().model_copy(update={"after_sale": AfterSaleLimits.model_validate(after_sale)})


def delivered(**limits: Any) -> OrderDriver:
    """Everything in one parcel, delivered. The receipt is awaited, so nothing is credited."""
    driver = opened(**limits)
    driver.ship()
    driver.deliver()
    return driver


def case(driver: OrderDriver, kind: str = "refund_only", reason: str = "damaged", **fields: Any) -> Answer | Refusal:
    return driver.send("open_after_sale", "buyer", kind=kind, reason=reason, **fields)


def say(driver: OrderDriver, verb: str, role: str, **fields: Any) -> Answer | Refusal:
    return driver.send(verb, role, **fields)


def code(answer: Answer | Refusal) -> str:
    return answer.code if isinstance(answer, Refusal) else answer.outcome


def stage(driver: OrderDriver) -> str:
    return driver.state.cases[-1].stage


def send_back(driver: OrderDriver, number: int = 20) -> Answer | Refusal:
    return say(driver, "report_return", "buyer", carrier="sandbox", waybill=WAYBILLS[number])


def returning(driver: OrderDriver, seen: bool) -> None:
    play(driver, ["case: return", "case: agree", "case: send back"])
    if seen:
        driver.hear("return-1", "pending", first_physical_at=driver.now)


def absent(driver: OrderDriver) -> None:
    returning(driver, False)
    driver.say["return-1"] = a_verdict("pending", now=driver.now)


def absent_once(driver: OrderDriver) -> None:
    returning(driver, False)
    driver.say["return-1"] = a_verdict("pending", now=driver.now, carrier_says="absent_once")
