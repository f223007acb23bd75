"""Deadlines: what passes next. Every wait of an order has one, or a hold with an owner.

`deadlines` derives them from the state; nothing is stored twice. A deadline that only brings a notice is remembered
in `reminders`; one that decides changes the state so that it is gone. `core.order.passing` says what happens then.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from core.answers import NextDeadline
from core.order.auditing import correction_ends_at
from core.order.cases import deadlines_of_case
from core.order.handover import COLLECTED, by_carrier
from core.order.holds import REVIEW_OVERDUE
from core.order.pausing import pause_ends_at, settles_at
from core.order.promising import open_delay
from core.order.state import OrderState
from core.parcels import Parcel
from core.states import Deadline

WAIT_FOR_CHANNEL = frozenset(
    {"ship_by", "pickup_by", "collect_by", "undelivered_by", "undelivered_end", "audit_correction"}
)
"""Deadlines that end units. While the channel has the money there is none for the buyer; what is won back later would
be the merchant's for goods that never came. They pass once the channel has decided.
"""
NEWS_COMES_FIRST = frozenset({"undelivered_by"})
"""Deadlines that news of a parcel nearly always overtakes: it is delivered, and the buyer's days begin. An order that
waits for one may wake before, and look again.
"""
NO_PICKUP = "no_pickup"
"""Why a person must look at a parcel that no carrier is known to have picked up."""


_last: tuple[OrderState | None, tuple[Deadline, ...]] = (None, ())
"""The state that was asked about last, and its deadlines: one wake asks several times. Replaced as a whole, so that
threads see one pair or the other.
"""


def deadlines(state: OrderState) -> tuple[Deadline, ...]:
    """All deadlines that run, earliest first."""
    global _last
    asked, found = _last
    if asked is not state:
        found = _derived(state)
        _last = (state, found)
    return found


def _derived(state: OrderState) -> tuple[Deadline, ...]:
    found = [deadline for deadline in _all(state) if not state.reminders or deadline.key not in state.reminders]
    if state.cases and state.disputed:
        found = [deadline for deadline in found if deadline.name not in WAIT_FOR_CHANNEL]
    if state.spared:
        found = [one._replace(at=max(one.at, state.spared.get(one.about, one.at))) for one in found]
    return tuple(sorted(found, key=lambda deadline: (deadline.at, deadline.name, deadline.subject)))


def next_deadline(state: OrderState) -> NextDeadline | None:
    """The earliest deadline as storefronts see it."""
    running = deadlines(state)
    return NextDeadline(name=running[0].name, at=running[0].at) if running else None


def _all(state: OrderState) -> Iterator[Deadline]:
    yield from _refunds(state)
    for hold in state.holds:
        if hold.review_at is not None:
            yield Deadline(name="hold_review", at=hold.review_at, subject=hold.name)
    if state.cases:
        yield from _cases(state)
    if state.refund_request is not None:
        at = state.refund_request.at + state.policy.order.refund_request_within
        yield Deadline(name="refund_request_by", at=at)
    if state.phase == "screening_held":
        yield from _screening(state)
    elif state.phase in {"awaiting_shipment", "shipped"}:
        live, left = state.live_parcels, state.left_to_ship()
        if left:
            yield from _shipping(state)
        overdue = {hold.subject for hold in state.holds if hold.name == REVIEW_OVERDUE}
        for parcel in live:
            yield from _parcel(state, parcel, parcel.parcel_id in overdue)
        if live and not left:
            yield from _receiving(state)
    elif state.phase == "credited" and state.paused_since is None:
        yield Deadline(name="settle_at", at=settles_at(state))


def _cases(state: OrderState) -> Iterator[Deadline]:
    yield from deadlines_of_case(state)
    ends_at = pause_ends_at(state)
    if ends_at is not None:
        yield Deadline(name="pause_end", at=ends_at)


def _screening(state: OrderState) -> Iterator[Deadline]:
    assert state.screening_since is not None
    if state.screening_refused:
        yield Deadline(name="screening_appeal_by", at=state.screening_since + state.policy.order.screening_appeal)
        return
    yield Deadline(name="screening_sla", at=state.screening_since + state.policy.order.screening_sla)
    yield Deadline(name="screening_end", at=state.screening_since + state.policy.order.screening_end)


def _shipping(state: OrderState) -> Iterator[Deadline]:
    if state.ship_by is None or state.receipt.status == "confirmed":
        return
    reminder = state.ship_by - state.policy.order.ship_reminder
    if state.released_at is not None and reminder > state.released_at:
        yield Deadline(name="ship_reminder", at=reminder)
    yield Deadline(name="ship_by", at=state.ship_by)
    if state.delay is not None and (delay := open_delay(state)) is not None and delay.answer_by is not None:
        yield Deadline(name="delay_answer_by", at=delay.answer_by)


def _parcel(state: OrderState, parcel: Parcel, overdue: bool) -> Iterator[Deadline]:
    limits, subject = state.policy.order, parcel.parcel_id
    if not by_carrier(state):
        yield from _collection(state, parcel)
    elif _awaits_pickup(parcel):
        at = parcel.pickup_again_at or parcel.uploaded_at + limits.pickup_within + _shift(state, "pickup_by")
        yield Deadline(name="pickup_by", at=at, subject=subject)
    correction = correction_ends_at(parcel)
    if correction is not None:
        yield Deadline(name="audit_correction", at=correction, subject=subject)
    if parcel.audit == "in_review" and not overdue:
        yield Deadline(name="review_sla", at=parcel.audit_since + limits.review_sla, subject=subject)
        yield Deadline(name="review_end", at=parcel.audit_since + limits.review_end, subject=subject)


def _collection(state: OrderState, parcel: Parcel) -> Iterator[Deadline]:
    if parcel.carrier == COLLECTED and parcel.audit == "collecting":
        at = parcel.uploaded_at + state.policy.order.collect_within
        yield Deadline(name="collect_reminder", at=at - state.policy.order.collect_reminder, subject=parcel.parcel_id)
        yield Deadline(name="collect_by", at=at, subject=parcel.parcel_id)


def _awaits_pickup(parcel: Parcel) -> bool:
    """No carrier has the parcel, and no correction or appeal is open: those have their own clocks."""
    if parcel.moved or NO_PICKUP in parcel.findings_of_review:
        return False
    return parcel.audit == "collecting" or (parcel.audit == "in_review" and parcel.appeal is None)


def _receiving(state: OrderState) -> Iterator[Deadline]:
    limits = state.policy.order
    if state.receipt.status in {"confirmed", "paused"}:
        return
    if state.receipt.deadline is not None:
        yield Deadline(name="receipt_reminder", at=state.receipt.deadline - limits.receipt_reminder)
        yield Deadline(name="receipt_by", at=state.receipt.deadline)
    elif state.undelivered_asked_at is not None:
        yield Deadline(name="undelivered_end", at=state.undelivered_asked_at + limits.undelivered_end)
    elif state.shipped_at is not None and state.order.delivery_mode != "pickup":
        yield Deadline(name="undelivered_by", at=_undelivered_at(state, state.shipped_at))


def _undelivered_at(state: OrderState, shipped_at: datetime) -> datetime:
    return shipped_at + state.policy.order.undelivered_within + _shift(state, "undelivered_by")


def _shift(state: OrderState, name: str) -> timedelta:
    """By how much an operator has moved this deadline."""
    return state.shifts.get(name, timedelta()) if state.shifts else timedelta()


def _refunds(state: OrderState) -> Iterator[Deadline]:
    for refund in state.refunds:
        if refund.status == "booked":
            at = refund.since + state.policy.order.refund_stuck_after
            yield Deadline(name="refund_stuck", at=at, subject=refund.cause)


def wake_at(state: OrderState, now: datetime) -> Deadline | None:
    """The deadline to wake for: the earliest that has not passed.

    One that passed and still stands waits for a hold to be lifted.
    """
    return next((deadline for deadline in deadlines(state) if deadline.at > now), None)
