"""Deadlines that an operator moves: for a holiday, or while a carrier is out. Each move says old, new and why.

A move by mistake is taken back by one to the other side. It takes back what was moved and no more: a deadline of the
policy, or a date that the parties agreed on, is never brought forward. Who relied on the later one has a day left: then
a part of the move stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from core.durations import format_duration
from core.messages import ShiftDeadline
from core.order.deadlines import deadlines
from core.order.state import Move, OrderState
from core.parcels import Parcel
from core.reasons import Refusal, refuse
from core.texts import clock

FARTHEST = timedelta(days=90)
"""All moves of one deadline together; what needs longer is another policy."""
NOTICE = timedelta(days=1)
"""What is left at least of a deadline whose move is taken back."""
MINUTE = timedelta(minutes=1)


def check_shift(state: OrderState, command: ShiftDeadline, now: datetime) -> Refusal | None:
    """Whether such a deadline runs, and may still be moved so far, or be taken back so far."""
    if not command.reason:
        return refuse("reason_missing", field="reason")
    if not _running(state, command.deadline):
        return refuse("no_such_deadline", f"It has no {command.deadline} now.", field="deadline")
    if command.by < timedelta():
        back = _taken_back(state, command, now)
        return back if isinstance(back, Refusal) else None
    moved = state.shifts.get(command.deadline, timedelta()) + command.by
    if moved > FARTHEST:
        return refuse("shifted_too_far", f"Together it would be {format_duration(moved)}.", field="by")
    return None


def shift(state: OrderState, command: ShiftDeadline, now: datetime) -> OrderState:
    """The deadline is later by so much, or earlier, for every parcel that it is about. Merchant and buyer get old, new
    and why.
    """
    name, before = command.deadline, _running(state, command.deadline)
    if command.by < timedelta():
        after = _taken_back(state, command, now)
        assert isinstance(after, OrderState)  # what cannot be taken back is refused
    else:
        after = _moved(state, name, command.by, {one.parcel_id: command.by for one in _looked_at_twice(state)})
        after = after.changed(moves=(*state.moves, Move(move_id=command.command_id, deadline=name)))
    old, new = min(before), min(_running(after, name))
    for reader in ("merchant", "buyer"):
        facts = {"name": name, "old": old.isoformat(), "new": new.isoformat(), "reason": command.reason}
        after = after.with_notice(reader, "deadline_shifted", now, **facts)
    return after


def earliest(state: OrderState, name: str) -> datetime | None:
    """When the deadline of this name passes, for the first parcel that it is about; None where none runs."""
    return min(_running(state, name), default=None)


def _moved(state: OrderState, name: str, by: timedelta, second_looks: Mapping[str, timedelta]) -> OrderState:
    """The state with this deadline at another time.

    Args:
        second_looks: by how much the second look for each of these parcels is at another time.
    """
    state = state.changed(shifts={**state.shifts, name: state.shifts.get(name, timedelta()) + by})
    if name == "ship_by" and state.ship_by is not None:
        return state.changed(ship_by=state.ship_by + by)
    if name == "receipt_by" and state.receipt.deadline is not None:
        return state.changed(receipt=state.receipt.changed(deadline=state.receipt.deadline + by))
    for parcel in _looked_at_twice(state) if name == "pickup_by" else ():
        if (much := second_looks.get(parcel.parcel_id)) is not None and parcel.pickup_again_at is not None:
            changed = parcel.changed(
                pickup_again_at=parcel.pickup_again_at + much, pickup_again_moved=parcel.pickup_again_moved + much
            )
            state = state.with_parcel(changed)
    return state


def _taken_back(state: OrderState, command: ShiftDeadline, now: datetime) -> OrderState | Refusal:
    """The state with so much of the moves taken back as leaves a day; or why nothing is."""
    name, by, running = command.deadline, command.by, _running(state, command.deadline)
    moved = state.shifts.get(name, timedelta())
    if moved + by < timedelta():
        return refuse("not_taken_back", f"It was moved by {format_duration(moved)} together.", field="by")
    second_looks: dict[str, timedelta] = {}
    if name == "pickup_by":
        # Of a second look that was set after the move no move is taken back: two answers apart prove an absence.
        second_looks = {
            one.parcel_id: _back(one.pickup_again_at, by, now)
            for one in _looked_at_twice(state)
            if one.pickup_again_at is not None and one.pickup_again_moved + by >= timedelta()
        }
        running = _first_looks(state)
    back = _back(min(running), by, now) if running else min(second_looks.values(), default=timedelta())
    if not running and not second_looks:
        return _set_since(min(_running(state, name)) + by, max(_running(state, name)))
    least = _least(state, name)
    if least is not None and min(running) + back < least:
        return _set_since(min(running) + back, least)
    if not any((back, *second_looks.values())):
        new = min(_running(state, name)) + by
        return refuse("not_taken_back", f"It would be {clock(new)}, and a day must be left.", field="by")
    return _moved(state, name, back, second_looks)


def _set_since(new: datetime, least: datetime) -> Refusal:
    said = f"It would be {clock(new)}, and without a move it is {clock(least)}."
    return refuse("not_taken_back", said, field="by")


def _back(at: datetime, by: timedelta, now: datetime) -> timedelta:
    """By how much a deadline goes back, at most `by`: a day is left, to the minute."""
    spare = (at - now - NOTICE) // MINUTE * MINUTE
    return max(by, -max(spare, timedelta()))


def _least(state: OrderState, name: str) -> datetime | None:
    """What a deadline is without moves, where a later fact has set it: then no move is in it any more."""
    if name == "ship_by" and state.delay is not None:
        return state.delay.agreed
    if name == "receipt_by" and state.all_delivered_at is not None:
        return state.all_delivered_at + state.policy.order.receipt_within
    return None


def _looked_at_twice(state: OrderState) -> tuple[Parcel, ...]:
    return tuple(parcel for parcel in state.live_parcels if parcel.pickup_again_at is not None)


def _first_looks(state: OrderState) -> list[datetime]:
    """The pickups whose carrier was not asked for the second time yet."""
    twice = {parcel.parcel_id for parcel in _looked_at_twice(state)}
    return [one.at for one in deadlines(state) if one.name == "pickup_by" and one.subject not in twice]


def _running(state: OrderState, name: str) -> list[datetime]:
    return [deadline.at for deadline in deadlines(state) if deadline.name == name]
