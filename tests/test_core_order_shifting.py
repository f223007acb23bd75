"""A deadline that an operator moves: notified with old, new and why, and passed at its new time."""

from __future__ import annotations

import pytest
from order_driver import OrderDriver
from order_samples import DAY, HOUR, T0, a_parcel, a_policy

from core.answers import Answer
from core.order.deadlines import deadlines
from core.order.state import Receipt
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


# --- taken back ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", ["1m", "3d", "36h", "1d12h30m", "60d"])
@pytest.mark.parametrize("name", ["ship_by", "pickup_by", "receipt_by", "undelivered_by"])
def test_a_move_and_its_reverse_bring_back_the_same_deadlines(name: str, length: str) -> None:
    driver = opened()
    if name != "ship_by":
        driver.ship()
    if name == "receipt_by":
        driver.deliver()
    before = deadlines(driver.state)
    assert isinstance(shift(driver, name, length), Answer)
    moved = driver.deadline(name)
    assert isinstance(shift(driver, name, f"-{length}"), Answer)
    assert deadlines(driver.state) == before
    told = driver.notices("deadline_shifted")[-1].facts
    assert (told["old"], told["new"]) == (moved.isoformat(), driver.deadline(name).isoformat())
    driver.until(driver.deadline(name) + HOUR)
    assert name not in driver.waits_for()
    driver.check()


def last_line(driver: OrderDriver) -> str | None:
    return [entry.message for entry in driver.state.inbox.journal if entry.verb == "shift_deadline"][-1]


def refused_back(driver: OrderDriver, name: str, by: str) -> str:
    refused = shift(driver, name, by)
    assert isinstance(refused, Refusal)
    assert (refused.code, refused.field) == ("not_taken_back", "by")
    return refused.message


def test_no_more_is_taken_back_than_was_moved() -> None:
    driver = opened()
    assert "It was moved by 0s together." in refused_back(driver, "ship_by", "-1m")
    shift(driver, "ship_by", "3d")
    refused_back(driver, "ship_by", "-73h")
    assert isinstance(shift(driver, "ship_by", "-1d"), Answer)
    refused_back(driver, "ship_by", "-49h")
    assert isinstance(shift(driver, "ship_by", "-48h"), Answer)
    assert driver.deadline("ship_by") == T0 + 2 * DAY


def test_who_relied_on_the_later_deadline_has_a_day_left() -> None:
    driver = opened()
    shift(driver, "ship_by", "3d")
    driver.advance(2 * DAY)
    assert isinstance(shift(driver, "ship_by", "-3d"), Answer), "so far as leaves a day"
    assert driver.deadline("ship_by") == driver.now + DAY
    assert last_line(driver) == "ship_by taken back by 2d: a holiday"
    assert driver.state.shifts["ship_by"] == DAY
    assert "a day must be left" in refused_back(driver, "ship_by", "-1d")


@pytest.mark.parametrize("name", ["ship_by", "pickup_by", "receipt_by", "undelivered_by"])
def test_a_move_of_a_deadline_that_was_hours_away_is_taken_back_to_a_day(name: str) -> None:
    driver = opened()
    if name != "ship_by":
        driver.ship()
    if name == "receipt_by":
        driver.deliver()
    driver.advance(driver.deadline(name) - driver.now - 2 * HOUR)
    shift(driver, name, "3d")
    assert isinstance(shift(driver, name, "-3d"), Answer)
    assert driver.deadline(name) == driver.now + DAY
    told = driver.notices("deadline_shifted")[-1].facts
    assert told["new"] == (driver.now + DAY).isoformat()
    assert last_line(driver) == f"{name} taken back by 50h: a holiday"
    driver.until(driver.deadline(name) + HOUR)
    driver.check()


def test_a_date_that_the_buyer_agreed_to_is_not_brought_forward() -> None:
    driver = opened()
    shift(driver, "ship_by", "5d")
    driver.send("request_delay", "merchant", ship_by=(T0 + 10 * DAY).isoformat(), reason="a part is missing")
    driver.send("answer_delay", "buyer", answer="accept")
    assert driver.deadline("ship_by") == T0 + 10 * DAY
    assert "without a move it is 2026-12-03" in refused_back(driver, "ship_by", "-5d")
    driver.send("request_delay", "merchant", ship_by=(T0 + 12 * DAY).isoformat(), reason="still missing")
    driver.send("answer_delay", "buyer", answer="refuse")
    refused_back(driver, "ship_by", "-5d")


def test_a_receipt_that_begins_anew_has_no_move_to_take_back() -> None:
    driver = opened()
    driver.ship()
    driver.deliver()
    shift(driver, "receipt_by", "3d")
    driver.state = driver.state.changed(receipt=Receipt(status="awaited", deadline=T0 + 7 * DAY))
    assert "without a move" in refused_back(driver, "receipt_by", "-3d")


def test_a_second_look_for_a_pickup_is_not_brought_forward() -> None:
    """Two answers apart prove that a parcel is not there, and the buyer is refunded."""
    driver = opened()
    driver.ship()
    shift(driver, "pickup_by", "3d")
    look_again(driver, "p1")
    assert "without a move" in refused_back(driver, "pickup_by", "-3d")


def look_again(driver: OrderDriver, parcel_id: str) -> None:
    """The carrier does not know the parcel, and is asked a second time days later."""
    (parcel,) = [one for one in driver.state.live_parcels if one.parcel_id == parcel_id]
    driver.state = driver.state.with_parcel(parcel.changed(pickup_again_at=T0 + 9 * DAY))


def test_a_move_after_the_second_look_was_set_is_taken_back() -> None:
    driver = opened()
    driver.ship()
    look_again(driver, "p1")
    assert isinstance(shift(driver, "pickup_by", "3d"), Answer)
    assert driver.deadline("pickup_by") == T0 + 12 * DAY
    assert isinstance(shift(driver, "pickup_by", "-3d"), Answer)
    assert driver.deadline("pickup_by") == T0 + 9 * DAY
    refused_back(driver, "pickup_by", "-1m")
    assert "pickup_again_moved" not in driver.state.live_parcels[0].model_dump(mode="json")


def test_of_two_parcels_the_one_without_a_second_look_goes_back() -> None:
    driver = opened()
    driver.ship(a_parcel(1, {"1": 1}), a_parcel(2, {"2": 1}))
    before = deadlines(driver.state)
    assert len([one for one in before if one.name == "pickup_by"]) == 2
    shift(driver, "pickup_by", "3d")
    look_again(driver, "p1")
    assert isinstance(shift(driver, "pickup_by", "-3d"), Answer)
    at = {one.subject: one.at for one in deadlines(driver.state) if one.name == "pickup_by"}
    was = {one.subject: one.at for one in before if one.name == "pickup_by"}
    assert at == {"p1": T0 + 9 * DAY, "p2": was["p2"]}


def test_an_order_keeps_the_ids_of_its_moves_to_later() -> None:
    driver = opened()
    assert "moves" not in driver.state.model_dump(mode="json")
    shift(driver, "ship_by", "3d")
    move = next(entry.command_id for entry in driver.state.inbox.journal if entry.verb == "shift_deadline")
    shift(driver, "ship_by", "-3d")
    assert [(one.move_id, one.deadline) for one in driver.state.moves] == [(move, "ship_by")]


def test_a_state_without_shifts_does_not_grow() -> None:
    assert "shifts" not in opened().state.model_dump(mode="json")
