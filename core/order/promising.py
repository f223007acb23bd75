"""Before everything is shipped: the merchant gives up lines, or asks for a later date, which the buyer answers.

A promised date moves only if the buyer accepts. Silence refuses.
"""

from __future__ import annotations

from datetime import datetime

from core.order.refunding import refund_unshipped
from core.order.state import DelayRequest, OrderState
from core.order.units import refuse_unknown_line, units_of
from core.promise_messages import AnswerDelay, DeclineShipment, RequestDelay
from core.reasons import Refusal, refuse
from core.texts import clock


def _check_unshipped(state: OrderState) -> Refusal | None:
    """Whether anything remains that may be shipped."""
    if state.phase in {"opening", "screening_held"}:
        return refuse("not_released", "Its goods are not screened yet.")
    return refuse("nothing_left_to_ship") if not state.left_to_ship() else None


# --- given up -------------------------------------------------------------------------------------------


def check_decline(state: OrderState, command: DeclineShipment) -> Refusal | None:
    """Whether these units are in no parcel yet."""
    if (refusal := _check_unshipped(state)) is not None:
        return refusal
    if state.disputed:
        return refuse("case_open", "The channel disputes its money; nothing is ended before the channel decides.")
    if not command.reason:
        return refuse("reason_missing", field="reason")
    left = state.left_to_ship()
    for line_id, quantity in units_of(command.lines).items():
        if (refusal := refuse_unknown_line(state, line_id)) is not None:
            return refusal
        if quantity > left.get(line_id, 0):
            hint = f"Line {line_id}: {left.get(line_id, 0)} left, {quantity} given up."
            return refuse("quantity_too_large", hint, field="lines")
    return None


def decline(state: OrderState, command: DeclineShipment, now: datetime) -> OrderState:
    """The money for these units goes back. The order goes on with the shipped ones; without any it is over."""
    units = units_of(command.lines) or state.left_to_ship()
    return refund_unshipped(state, "declined", f"the merchant cannot ship: {command.reason}", now, units)


# --- later -----------------------------------------------------------------------------------------------


def open_delay(state: OrderState) -> DelayRequest | None:
    """The request that waits for the buyer; None once everything is shipped or given back."""
    delay = state.delay
    return delay if delay is not None and delay.answer_by is not None and state.left_to_ship() else None


def check_request(state: OrderState, command: RequestDelay, now: datetime) -> Refusal | None:
    """Whether the date may be requested: later than the promise, within the policy's limit, and not too often."""
    if (refusal := _check_unshipped(state)) is not None:
        return refusal
    if not command.reason:
        return refuse("reason_missing", field="reason")
    if open_delay(state) is not None:
        return refuse("delay_pending")
    limits, asked = state.policy.order, state.delay.asked if state.delay is not None else 0
    if asked >= limits.delays_max:
        return refuse("too_many_delays", f"At most {limits.delays_max}.")
    assert state.ship_by is not None
    if state.ship_by <= now:
        return refuse("too_late", f"It was to be shipped by {clock(state.ship_by)}.")
    if not state.ship_by < command.ship_by <= state.ship_by + limits.delay_longest:
        latest = state.ship_by + limits.delay_longest
        return refuse("impossible_date", f"After {clock(state.ship_by)}, until {clock(latest)}.", field="ship_by")
    return None


def ask(state: OrderState, command: RequestDelay, now: datetime) -> OrderState:
    """Ask the buyer, at most until the promised date."""
    assert state.ship_by is not None
    asked = state.delay.asked if state.delay is not None else 0
    answer_by = min(now + state.policy.order.delay_answer_within, state.ship_by)
    before = state.delay or DelayRequest(asked=0)
    delay = before.changed(asked=asked + 1, ship_by=command.ship_by, reason=command.reason, answer_by=answer_by)
    facts = {"old": state.ship_by.isoformat(), "new": command.ship_by.isoformat(), "reason": command.reason}
    return state.changed(delay=delay).with_notice("buyer", "delay_asked", now, **facts, answer_by=answer_by.isoformat())


def check_answer(state: OrderState, command: AnswerDelay) -> Refusal | None:
    """Whether a request waits, and an operator who answers for the buyer gives a reason."""
    if open_delay(state) is None:
        return refuse("no_delay_request")
    if command.actor.role == "operator" and not command.reason:
        return refuse("reason_missing", field="reason")
    return None


def answer(state: OrderState, command: AnswerDelay, now: datetime) -> OrderState:
    """The date moves, or stays."""
    if command.answer == "refuse":
        return _keep_date(state, command.reason or "", now)
    delay, old = open_delay(state), state.ship_by
    assert delay is not None
    assert delay.ship_by is not None
    assert old is not None
    new = max(delay.ship_by, old)
    state = state.changed(ship_by=new, delay=DelayRequest(asked=delay.asked, agreed=delay.ship_by))
    facts = {"old": old.isoformat(), "new": new.isoformat(), "reason": delay.reason or ""}
    state = state.with_notice("merchant", "delay_accepted", now, **facts)
    return state.with_notice("buyer", "delay_accepted", now, **facts)


def lapse(state: OrderState, now: datetime) -> OrderState:
    """The buyer did not answer, and silence refuses."""
    return _keep_date(state, "no answer in time", now)


def _keep_date(state: OrderState, reason: str, now: datetime) -> OrderState:
    """Notify both sides of the date until which the goods must be shipped, and why."""
    delay, ship_by = open_delay(state), state.ship_by
    assert delay is not None
    assert ship_by is not None
    facts = {"ship_by": ship_by.isoformat(), "reason": reason}
    state = state.changed(delay=DelayRequest(asked=delay.asked, agreed=delay.agreed))
    state = state.with_notice("merchant", "delay_refused", now, **facts)
    return state.with_notice("buyer", "delay_refused", now, **facts)
