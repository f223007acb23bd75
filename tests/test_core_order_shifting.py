"""A deadline that an operator moves: notified with old, new and why, and passed at its new time."""

from __future__ import annotations

import pytest
from order_driver import OrderDriver
from order_samples import DAY, HOUR, T0, a_policy

from core.answers import Answer
from core.reasons import Refusal


def opened() -> OrderDriver:
    return OrderDriver(policy=a_policy()).open()


def shift(driver: OrderDriver, deadline: str, by: str = "3d", reason: str = "a holiday") -> Answer | Refusal:
    return driver.send("shift_deadline", "operator", deadline=deadline, by=by, reason=reason)


@pytest.mark.parametrize("name", ["ship_by", "pickup_by", "receipt_by", "undelivered_by"])
def test_a_shifted_deadline_passes_later_and_both_parties_know_why(name: str) -> None:
    driver = opened()
    if name != "ship_by":
        driver.ship()
    if name == "receipt_by":
        driver.deliver()
    old = driver.deadline(name)
    assert isinstance(shift(driver, name), Answer)
    assert driver.deadline(name) == old + 3 * DAY
    notices = driver.notices("deadline_shifted")
    assert [one.to for one in notices] == ["merchant", "buyer"]
    facts = {"name": name, "old": old.isoformat(), "new": (old + 3 * DAY).isoformat(), "reason": "a holiday"}
    assert all(one.facts == facts for one in notices)
    assert driver.state.inbox.journal[-1].message == f"{name} moved by 3d: a holiday"
    driver.until(old + HOUR)
    assert name in driver.waits_for()
    driver.check()


def test_a_reminder_moves_with_its_deadline() -> None:
    driver = opened()
    shift(driver, "ship_by", "4d")
    driver.until(T0 + 30 * HOUR)
    assert driver.notices("ship_reminder") == []
    driver.until(T0 + 5 * DAY + HOUR)
    assert len(driver.notices("ship_reminder")) == 1
    driver.until(T0 + 6 * DAY)
    assert driver.phase == "cancelled"
    driver.check()


def test_moves_add_up_and_end() -> None:
    driver = opened()
    assert isinstance(shift(driver, "ship_by", "60d"), Answer)
    assert isinstance(shift(driver, "ship_by", "30d"), Answer)
    refused = shift(driver, "ship_by", "1m")
    assert isinstance(refused, Refusal)
    assert (refused.code, refused.field) == ("shifted_too_far", "by")


@pytest.mark.parametrize(
    ("deadline", "reason", "code"),
    [("receipt_by", "a holiday", "no_such_deadline"), ("ship_by", " ", "reason_missing")],
)
def test_a_deadline_that_does_not_run_is_not_moved(deadline: str, reason: str, code: str) -> None:
    refused = shift(opened(), deadline, reason=reason)
    assert isinstance(refused, Refusal)
    assert refused.code == code


def test_a_state_without_shifts_does_not_grow() -> None:
    assert "shifts" not in opened().state.model_dump(mode="json")
