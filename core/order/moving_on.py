"""A credit or a settlement that was booked before the order knew of it.

A worker may die after the posting and before its report. A refund that was decided in that gap would come from where
the money was before. It is not booked yet, so it is decided again for where the money is now: its commission and
discount are other amounts then.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from core.movements import Source
from core.order.bookings import Booking, movement_for
from core.order.freezing import note_claimed
from core.order.holds import LEDGER_DISAGREES
from core.order.lines import LineState
from core.order.refunding import end_if_nothing_left, moved_by, source_of, without_refunds
from core.order.refunds import Refund
from core.order.shares import commission_back, discount_back
from core.order.state import OrderState
from core.order.steps import finish_posting
from core.order.units import units_of

_LEFT: dict[str, Source] = {"credit": "escrow", "settle": "proceeds"}
"""Where the money was before these movements."""
_EXPLAINED = frozenset({"refund", "chargeback"})
"""Movements that the ledger refuses where the money has moved on."""


def stand(state: OrderState, booking: Booking, now: datetime) -> OrderState:
    """The order with a movement that the books have, and its unbooked refunds taken from where the money is now."""
    if booking.kind == "credit":
        before = before_refunds(state)
        state = before.changed(parcels=tuple(p.changed(audit="approved") if p.live else p for p in before.parcels))
    late = _unbooked(state, _LEFT.get(booking.kind))
    before = without_refunds(state, late)
    after = finish_posting(before, movement_for(before, booking, now))
    if refused_freeze(state) and booking.kind == "freeze" and after.freeze is not None:
        # How much is frozen under this number is not known here: all that is disputed is asked for under the next one.
        asked = state.freeze.asked_minor if state.freeze is not None else 0
        after = _lift(after.changed(freeze=after.freeze.changed(asked_minor=max(1, asked))), {"freeze"})
    if booking.kind == "claim_back":
        after = _lift(after, {"claim_back"})
        if not after.frozen:
            # Its merchant may have been frozen when it was booked: then it is kept for the order, and must be released.
            after = note_claimed(after, sum(leg.amount_minor for leg in movement_for(before, booking, now).legs))
    if not late:
        return after
    after = _lift(after, _EXPLAINED)
    for refund in late:
        after = _owe_again(after, refund)
    return end_if_nothing_left(after.changed(refunds=_in_their_order(state, after)))


def before_refunds(state: OrderState) -> OrderState:
    """The order before a refund of all that is left ended it: its parcels were approved and with the buyer.

    The buyer keeps their units and has the money back.
    """
    if state.phase != "refunded" or state.credited_at is not None or not _unbooked(state, "escrow"):
        return state
    parcels = tuple(p.changed(ended=False) if p.audit == "approved" else p for p in state.parcels)
    state = state.changed(phase="shipped", parcels=parcels)
    units = units_of(part for parcel in state.live_parcels for part in parcel.lines)
    return state.changed(lines=tuple(_with_buyer(line, units.get(line.line_id, 0)) for line in state.lines))


def _with_buyer(line: LineState, units: int) -> LineState:
    kept = min(line.ended, units)
    return line.changed(ended=line.ended - kept, returned=line.returned + kept)


def _unbooked(state: OrderState, place: Source | None) -> tuple[Refund, ...]:
    return tuple(refund for refund in state.refunds if refund.status == "owed" and refund.source == place)


def _owe_again(state: OrderState, refund: Refund) -> OrderState:
    """The same refund, taken from where the money is now, with the platform's amounts for it."""
    after = moved_by(state, refund, +1)
    pairs = list(zip(state.lines, after.lines, strict=True))
    again = refund.changed(
        source=source_of(state),
        commission_minor=sum(commission_back(new) - commission_back(old) for old, new in pairs),
        discount_minor=sum(discount_back(new) - discount_back(old) for old, new in pairs),
    )
    return after.changed(refunds=(*state.refunds, again))


def _in_their_order(before: OrderState, after: OrderState) -> tuple[Refund, ...]:
    by_cause = {refund.cause: refund for refund in after.refunds}
    return tuple(by_cause[refund.cause] for refund in before.refunds)


def refused_freeze(state: OrderState) -> bool:
    """Whether the ledger refused a freeze: it has one under this number, of another amount."""
    return any(hold.name == LEDGER_DISAGREES and hold.facts.get("movement") == "freeze" for hold in state.holds)


def _lift(state: OrderState, movements: Collection[str]) -> OrderState:
    """The ledger rightly refused these movements: what it has explains it, and they are decided again where needed."""
    explained = [
        hold for hold in state.holds if hold.name == LEDGER_DISAGREES and hold.facts.get("movement") in movements
    ]
    return state.changed(holds=tuple(hold for hold in state.holds if hold not in explained))
