"""Giving money back: ending parcels and lines, and where that leaves the order.

A refund is owed the moment the core decides it. The shell books it and sends it through the channel. The order is
closed only when the channel says that the buyer has the money.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal

from core.movements import LinePart, Source
from core.order.holds import REVIEW_OVERDUE
from core.order.lines import LineState
from core.order.refunds import Bearer, Refund
from core.order.shares import (
    Split,
    end_units,
    everything_ended,
    nothing_left,
    refundable_minor,
    return_units,
    take_all,
    take_amount,
)
from core.order.state import OrderState, Phase, Receipt
from core.parcels import Parcel

End = Literal["refused", "cancelled", "refunded"]


# --- what leaves the order -------------------------------------------------------------------------------


def refund_all(state: OrderState, cause: str, reason: str, end: End, now: datetime) -> OrderState:
    """All that is left goes back, and the order is over."""
    units = {line.line_id: line.units_left for line in state.lines}
    parcels = tuple(parcel.changed(ended=True) for parcel in state.parcels)
    return _end(state.changed(parcels=parcels), units, cause, reason, end, now)


def refund_unshipped(
    state: OrderState, cause: str, reason: str, now: datetime, units: Mapping[str, int] | None = None
) -> OrderState:
    """What is in no parcel goes back, or these units of it; the order goes on with what was shipped."""
    state = _end(state, state.left_to_ship() if units is None else units, cause, reason, "cancelled", now)
    return state.changed(shipped_at=now) if state.shipped_at is None and state.fully_shipped else state


def refund_parcels(
    state: OrderState, parcels: Iterable[Parcel], cause: str, reason: str, end: End, now: datetime
) -> OrderState:
    """These parcels are over and the money for their goods goes back. The rest of the order goes on."""
    units: dict[str, int] = {}
    for parcel in parcels:
        state = state.with_parcel(parcel.changed(ended=True))
        state = state.without_hold(REVIEW_OVERDUE, parcel.parcel_id)
        for part in parcel.lines:
            units[part.line_id] = units.get(part.line_id, 0) + part.quantity
    return _end(state, units, cause, reason, end, now)


def _end(state: OrderState, units: Mapping[str, int], cause: str, reason: str, end: End, now: datetime) -> OrderState:
    state = _owe(state, end_units(state, units), cause, reason, "merchant", now)
    if everything_ended(state):
        return _end_all(state, end)
    if not state.live_parcels and state.phase == "shipped":
        return state.changed(phase="awaiting_shipment")
    return state


def _end_all(state: OrderState, end: End) -> OrderState:
    """The order, not credited, once all money went back: none of its lines and parcels goes on."""
    lines = tuple(line.changed(ended=line.quantity, returned=0) for line in state.lines)
    parcels = tuple(parcel.changed(ended=True) for parcel in state.parcels)
    return end_order(state.changed(lines=lines, parcels=parcels), end)


# --- what stays in the order -----------------------------------------------------------------------------


def refund_units(
    state: OrderState,
    units: Mapping[str, int],
    cause: str,
    reason: str,
    now: datetime,
    *,
    bearer: Bearer = "merchant",
    with_freight: bool = False,
) -> OrderState:
    """The money for these units goes back, wherever their parcels are. The order is over if nothing is left."""
    split = return_units(state, units, bearer, with_freight=with_freight)
    return end_if_nothing_left(_owe(state, split, cause, reason, bearer, now))


def refund_amount(
    state: OrderState, amount_minor: int, cause: str, reason: str, now: datetime, *, bearer: Bearer = "merchant"
) -> OrderState:
    """An amount goes back, at most what is left. All that is left ends the order."""
    if amount_minor >= refundable_minor(state):
        return refund_rest(state, cause, reason, now, bearer=bearer)
    return end_if_nothing_left(_owe(state, take_amount(state, amount_minor, bearer), cause, reason, bearer, now))


def refund_rest(
    state: OrderState, cause: str, reason: str, now: datetime, *, bearer: Bearer = "merchant"
) -> OrderState:
    """All that is left goes back. If the platform bears it, the merchant is paid as well."""
    return end_if_nothing_left(_owe(state, take_all(state, bearer), cause, reason, bearer, now))


def end_if_nothing_left(state: OrderState) -> OrderState:
    """The order after a refund whose parcels stay: over if nothing of it is left for the merchant."""
    # What a channel may still give back must find the order open: an order that is over passes nothing on.
    if not nothing_left(state) or state.disputed:
        return state
    if state.credited_at is None:
        return _end_all(state, "refunded")
    return end_order(state, "refunded") if state.phase == "credited" else state


# --- what both do ----------------------------------------------------------------------------------------


def take_for_chargeback(state: OrderState, amount_minor: int, case_id: int, reason: str, now: datetime) -> OrderState:
    """What the channel took back leaves the order's figures. No unit moves, and no money is sent."""
    split = take_amount(state, amount_minor)
    return _add(state, split, f"chargeback-{case_id}", reason, "merchant", now, chargeback=case_id)


def give_back_rest(state: OrderState, cause: str, reason: str, now: datetime) -> OrderState:
    """All that is left of an order that has ended goes back; its end stays as it is."""
    return _owe(state, take_all(state), cause, reason, "merchant", now)


def _owe(state: OrderState, split: Split, cause: str, reason: str, bearer: Bearer, now: datetime) -> OrderState:
    amount, cause = split.amount_minor, _unused(state, cause) if split.amount_minor else cause
    state = _add(state, split, cause, reason, bearer, now)
    state = state.with_notice("buyer", "refund_owed", now, cause=cause, amount_minor=str(amount), reason=reason)
    return state.with_notice("merchant", "refund_owed", now, cause=cause, amount_minor=str(amount), reason=reason)


def _add(
    state: OrderState,
    split: Split,
    cause: str,
    reason: str,
    bearer: Bearer,
    now: datetime,
    chargeback: int | None = None,
) -> OrderState:
    """The order with what a refund takes, and with the refund, unless it is of nothing."""
    parts = _parts(state, split)
    amount = split.amount_minor
    goodwill = split.freight_minor if bearer == "platform" else 0
    state = state.changed(
        lines=split.lines,
        freight_refunded_minor=state.freight_refunded_minor + split.freight_minor,
        freight_goodwill_minor=state.freight_goodwill_minor + goodwill,
    )
    if not amount:
        return state
    source = source_of(state)
    refund = Refund(
        cause=cause,
        amount_minor=amount,
        reason=reason,
        since=now,
        bearer=bearer,
        source=source,
        commission_minor=split.commission_minor if source != "escrow" else 0,
        discount_minor=split.discount_minor if source != "escrow" else 0,
        lines=parts,
        chargeback=chargeback,
    )
    return state.changed(refunds=(*state.refunds, refund))


def without_refunds(state: OrderState, refunds: Sequence[Refund]) -> OrderState:
    """The order's money without these refunds, of which `lines` are known still."""
    for refund in refunds:
        state = moved_by(state, refund, -1)
    return state.changed(refunds=tuple(refund for refund in state.refunds if refund not in refunds))


def moved_by(state: OrderState, refund: Refund, sign: int) -> OrderState:
    """The order's figures with a refund's (+1), or without them (-1)."""
    parts = {part.line_id: sign * part.amount_minor for part in refund.lines}
    by_platform = refund.bearer == "platform"
    freight = sign * refund.amount_minor - sum(parts.values())
    return state.changed(
        lines=tuple(_moved_line(line, parts.get(line.line_id, 0), by_platform=by_platform) for line in state.lines),
        freight_refunded_minor=state.freight_refunded_minor + freight,
        freight_goodwill_minor=state.freight_goodwill_minor + (freight if by_platform else 0),
    )


def _moved_line(line: LineState, amount_minor: int, *, by_platform: bool) -> LineState:
    goodwill = amount_minor if by_platform else 0
    return line.changed(
        refunded_minor=line.refunded_minor + amount_minor, goodwill_minor=line.goodwill_minor + goodwill
    )


def source_of(state: OrderState) -> Source:
    """Where the order's money stands now."""
    if state.settled_at is not None:
        return "merchant"
    return "escrow" if state.credited_at is None else "proceeds"


def _parts(state: OrderState, split: Split) -> tuple[LinePart, ...]:
    taken = ((old, new.refunded_minor - old.refunded_minor) for old, new in zip(state.lines, split.lines, strict=True))
    return tuple(
        LinePart(line_id=line.line_id, paid_minor=line.paid_minor, amount_minor=amount)
        for line, amount in taken
        if amount
    )


def _unused(state: OrderState, cause: str) -> str:
    """The cause, numbered where it names a refund already: `undelivered` can end one parcel and later another."""
    taken = {refund.cause for refund in state.refunds}
    names = (cause, *(f"{cause}-{number}" for number in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken)


def end_order(state: OrderState, phase: Phase) -> OrderState:
    """The order has ended; no clock of it runs any more."""
    receipt = state.receipt if state.receipt.status == "confirmed" else Receipt()
    holds = tuple(hold for hold in state.holds if hold.name != REVIEW_OVERDUE)
    return state.changed(phase=phase, receipt=receipt, holds=holds, refund_request=None)
