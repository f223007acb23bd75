"""Deadlines that an operator moves: for a holiday, or while a carrier is out. Each move says old, new and why.

A move by mistake is taken back by one to the other side. It takes back what was moved and no more: a deadline of the
policy, or a date that the parties agreed on, is never brought forward. Who relied on the later one has a day left.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from core.durations import format_duration
from core.messages import ShiftDeadline
from core.order.deadlines import deadlines
from core.order.state import OrderState
from core.reasons import Refusal, refuse
from core.texts import clock

FARTHEST = timedelta(days=90)
"""All moves of one deadline together; what needs longer is another policy."""
NOTICE = timedelta(days=1)
"""What is left at least of a deadline whose move is taken back."""


def check_shift(state: OrderState, command: ShiftDeadline, now: datetime) -> Refusal | None:
    """Whether such a deadline runs, and may still be moved so far, or be taken back so far."""
    if not command.reason:
        return refuse("reason_missing", field="reason")
    if not _running(state, command.deadline):
        return refuse("no_such_deadline", f"It has no {command.deadline} now.", field="deadline")
    if command.by < timedelta():
        return _check_taking_back(state, command, now)
    moved = state.shifts.get(command.deadline, timedelta()) + command.by
    if moved > FARTHEST:
        return refuse("shifted_too_far", f"Together it would be {format_duration(moved)}.", field="by")
    return None


def _check_taking_back(state: OrderState, command: ShiftDeadline, now: datetime) -> Refusal | None:
    name, moved = command.deadline, state.shifts.get(command.deadline, timedelta())
    if moved + command.by < timedelta():
        return refuse("not_taken_back", f"It was moved by {format_duration(moved)} together.", field="by")
    new = min(_running(state, name)) + command.by
    if new < now + NOTICE:
        return refuse("not_taken_back", f"It would be {clock(new)}, and a day must be left.", field="by")
    least = _least(state, name)
    if least is not None and new < least:
        said = f"It would be {clock(new)}, and without a move it is {clock(least)}."
        return refuse("not_taken_back", said, field="by")
    return None


def _least(state: OrderState, name: str) -> datetime | None:
    """What a deadline is without moves, where a later fact has set it: then no move is in it any more."""
    if name == "ship_by" and state.delay is not None:
        return state.delay.agreed
    if name == "receipt_by" and state.all_delivered_at is not None:
        return state.all_delivered_at + state.policy.order.receipt_within
    again = [parcel.pickup_again_at for parcel in state.live_parcels if parcel.pickup_again_at is not None]
    return max(again) if name == "pickup_by" and again else None


def shift(state: OrderState, command: ShiftDeadline, now: datetime) -> OrderState:
    """The deadline is later by so much, or earlier, for every parcel that it is about. Merchant and buyer get old, new
    and why.
    """
    name, by = command.deadline, command.by
    before = _running(state, name)
    shifts = {**state.shifts, name: state.shifts.get(name, timedelta()) + by}
    state = state.changed(shifts=shifts)
    if name == "ship_by" and state.ship_by is not None:
        state = state.changed(ship_by=state.ship_by + by)
    elif name == "receipt_by" and state.receipt.deadline is not None:
        state = state.changed(receipt=state.receipt.changed(deadline=state.receipt.deadline + by))
    elif name == "pickup_by":
        for parcel in state.live_parcels:
            if parcel.pickup_again_at is not None:
                state = state.with_parcel(parcel.changed(pickup_again_at=parcel.pickup_again_at + by))
    old, new = min(before), min(_running(state, name))
    for reader in ("merchant", "buyer"):
        facts = {"name": name, "old": old.isoformat(), "new": new.isoformat(), "reason": command.reason}
        state = state.with_notice(reader, "deadline_shifted", now, **facts)
    return state


def _running(state: OrderState, name: str) -> list[datetime]:
    return [deadline.at for deadline in deadlines(state) if deadline.name == name]
