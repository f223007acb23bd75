"""Giving money back: ending parcels and lines, and where that leaves the order.

A refund is owed the moment the core decides it. The shell books it, tells the channel, and the order is closed only
when the channel says that the buyer has the money.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from core.order.shares import end_units, everything_ended
from core.order.state import REVIEW_OVERDUE, OrderState, Phase, Receipt, Refund
from core.parcels import Parcel

End = Literal["refused", "cancelled", "refunded"]


def refund_all(state: OrderState, cause: str, reason: str, end: End, now: datetime) -> OrderState:
    """All that is left goes back, and the order is over."""
    units = {line.line_id: line.quantity - line.ended for line in state.lines}
    parcels = tuple(parcel.changed(ended=True) for parcel in state.parcels)
    return _owe(state.changed(parcels=parcels), units, cause, reason, end, now)


def refund_unshipped(state: OrderState, cause: str, reason: str, end: End, now: datetime) -> OrderState:
    """What is in no parcel goes back; the rest of the order goes on."""
    return _owe(state, state.left_to_ship(), cause, reason, end, now)


def refund_parcels(
    state: OrderState, parcels: Iterable[Parcel], cause: str, reason: str, end: End, now: datetime
) -> OrderState:
    """These parcels are over and what was in them goes back; the rest of the order goes on."""
    units: dict[str, int] = {}
    for parcel in parcels:
        state = state.with_parcel(parcel.changed(ended=True))
        state = state.without_hold(REVIEW_OVERDUE, parcel.parcel_id)
        for part in parcel.lines:
            units[part.line_id] = units.get(part.line_id, 0) + part.quantity
    return _owe(state, units, cause, reason, end, now)


def _owe(state: OrderState, units: dict[str, int], cause: str, reason: str, end: End, now: datetime) -> OrderState:
    lines, amount = end_units(state, units)
    state = state.changed(lines=lines)
    if amount:
        cause = _unused(state, cause)
        refund = Refund(cause=cause, amount_minor=amount, reason=reason, since=now)
        state = state.changed(refunds=(*state.refunds, refund))
    state = state.with_notice("buyer", "refund_owed", now, cause=cause, amount_minor=str(amount), reason=reason)
    state = state.with_notice("merchant", "refund_owed", now, cause=cause, amount_minor=str(amount), reason=reason)
    if everything_ended(state):
        return end_order(state, end)
    if not state.live_parcels and state.phase == "shipped":
        return state.changed(phase="awaiting_shipment")
    return state


def _unused(state: OrderState, cause: str) -> str:
    """The cause, numbered where it names a refund already: `undelivered` can end one parcel and later another."""
    taken = {refund.cause for refund in state.refunds}
    names = (cause, *(f"{cause}-{number}" for number in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken)


def end_order(state: OrderState, phase: Phase) -> OrderState:
    """The order has ended; no clock of it runs any more."""
    receipt = state.receipt if state.receipt.status == "confirmed" else Receipt()
    holds = tuple(hold for hold in state.holds if hold.name != REVIEW_OVERDUE)
    return state.changed(phase=phase, receipt=receipt, holds=holds)
