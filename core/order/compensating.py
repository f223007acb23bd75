"""Compensation for goods that a carrier got later than promised: a part of their price, once an order is credited.

It is a refund under the cause `late`, borne by the merchant: out of the proceeds, or after the settlement by the
waterfall. The policy gives a percentage of what the buyer paid for the goods, at least a minimum, at most a cap.
"""

from __future__ import annotations

from datetime import datetime

from core.money import format_minor, share_bps
from core.order.refunding import refund_amount
from core.order.shares import refundable_minor
from core.order.state import OrderState
from core.parcels import Parcel
from core.texts import clock

LATE = "late"
"""The cause of the refund; an order has one at most."""


def compensate_late(state: OrderState, now: datetime) -> OrderState:
    """The order with its compensation, where a parcel of it was late and the policy gives one."""
    limits = state.policy.after_sale
    off = not (limits.late_bps or limits.late_minimum_minor)
    if off or state.phase not in {"credited", "settled"} or state.open_case is not None:
        return state
    if state.refund(LATE) is not None or not (late := _late(state)):
        return state
    amount = min(_compensation(state), refundable_minor(state))
    if amount <= 0:
        return state
    assert state.ship_by is not None
    parcels = ", ".join(parcel.parcel_id for parcel in late)
    why = f"shipped late: parcel {parcels} was picked up after {clock(state.ship_by)}"
    line = f"{format_minor(amount, state.order.currency)} for parcel {parcels}"
    inbox = state.inbox.note(now, "system", "late_compensation", "noted", message=line)
    return refund_amount(state.changed(inbox=inbox), amount, LATE, why, now).next_revision()


def _late(state: OrderState) -> list[Parcel]:
    """The parcels that a carrier got after the time to ship and its grace."""
    if state.ship_by is None:
        return []
    until = state.ship_by + state.policy.after_sale.late_grace
    return [
        parcel
        for parcel in state.live_parcels
        if parcel.verdict is not None
        and parcel.verdict.first_physical_at is not None
        and parcel.verdict.first_physical_at > until
    ]


def _compensation(state: OrderState) -> int:
    """A percentage of what was paid for the goods, at least the minimum and at most the cap."""
    limits = state.policy.after_sale
    share = share_bps(sum(line.paid_minor for line in state.lines), limits.late_bps)
    amount = max(share, limits.late_minimum_minor)
    return min(amount, limits.late_cap_minor) if limits.late_cap_minor else amount
