"""What runs beside an order for days: an audit that polls a carrier, a refund on its way through the channel.

The core says which watches must run. Two equal watches are the same watch. The report of a watch changes the order.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from core.audit.verdict import Verdict
from core.fields import Message
from core.order.auditing import apply_verdict, only_silent
from core.order.calling import hold_refund
from core.order.cases import apply_case_verdict
from core.order.claiming import end_charge
from core.order.handover import by_carrier
from core.order.holds import CLAIM_STUCK, REFUND_STUCK
from core.order.state import OrderState
from core.parcels import Parcel


class AuditWatch(Message):
    """A carrier is polled for this parcel until the verdict or the known facts change.

    Each fact that must make the audit look at once is a field. `scans` and `moved` are those of a case's parcel: pushed
    scans of the order's own are judged without a look. `missed`: that failed.
    """

    parcel_id: str
    carrier: str
    waybill: str
    collecting: bool
    in_person: bool
    scans: int = 0
    moved: bool = False
    missed: bool = False
    silent_review: bool = False


class RefundWatch(Message):
    """A refund is sent through the channel, which is asked until the buyer has the money.

    `stuck`: its hold stands. An operator who lifts that hold lets the channel be asked at once.
    """

    cause: str
    stuck: bool


class ChargeWatch(Message):
    """The channel is asked for money of the buyer's, until it says that it has it or will not have it.

    `stuck`: its hold stands. An operator who lifts that hold lets the channel be asked at once.
    """

    case_id: int
    stuck: bool


class RefundOutcome(Message):
    """The channel's final answer: `arrived`, or `refused` with its reason. Of a charge, the money arrived with us."""

    state: Literal["arrived", "refused"]
    reference: str | None = None
    message: str | None = None


def tracked_parcel(state: OrderState, parcel_id: str) -> Parcel | None:
    """The parcel of this name, of the order or of its open case."""
    return state.parcel(parcel_id) or next((p for p in state.awaited_by_case if p.parcel_id == parcel_id), None)


def audit_watches(state: OrderState) -> tuple[AuditWatch, ...]:
    """The parcels whose carrier must be polled: for a verdict, to end a review that silence made, or to learn of the
    delivery, of a return as well."""
    return (*_outbound_watches(state), *_case_watches(state)) if state.cases else _outbound_watches(state)


def _case_watches(state: OrderState) -> tuple[AuditWatch, ...]:
    """The parcel of the open case that is on its way, until it is delivered or for a person."""
    case = state.open_case
    if case is None or case.stage not in {"returning", "replacement_sent"}:
        return ()
    return tuple(
        AuditWatch(
            parcel_id=parcel.parcel_id,
            carrier=parcel.carrier,
            waybill=parcel.waybill,
            collecting=parcel.audit == "collecting",
            in_person=False,
            scans=len(parcel.pushed),
            moved=parcel.moved,
        )
        for parcel in state.awaited_by_case
    )


def _outbound_watches(state: OrderState) -> tuple[AuditWatch, ...]:
    if state.phase != "shipped" or not by_carrier(state):
        return ()
    confirmed = state.receipt.status == "confirmed"
    return tuple(
        AuditWatch(
            parcel_id=parcel.parcel_id,
            carrier=parcel.carrier,
            waybill=parcel.waybill,
            collecting=parcel.audit == "collecting",
            in_person=state.receipt.in_person,
            missed=parcel.pushed_due == "look",
            silent_review=only_silent(parcel),
        )
        for parcel in state.live_parcels
        if parcel.audit == "collecting"
        or only_silent(parcel)
        or not (confirmed or parcel.delivered_at or _came_back(parcel))
    )


def parcel_to_judge(state: OrderState) -> Parcel | None:
    """A parcel whose pushed scans must be judged: the audit still waits for news of it."""
    if all(parcel.pushed_due != "judge" for parcel in state.parcels):
        return None
    watched = {watch.parcel_id for watch in _outbound_watches(state)}
    due = (parcel for parcel in state.parcels if parcel.pushed_due == "judge" and parcel.parcel_id in watched)
    return next(due, None)


def apply_judgement(
    state: OrderState, number: tuple[str, str], scans: int, verdict: Verdict | None, now: datetime
) -> OrderState:
    """The order after a parcel's pushed scans were judged; None: they could not be, so the carrier is asked at once.

    Args:
        number: the parcel and its waybill.
        scans: how many it had; with more, it is judged again.
    """
    parcel = state.parcel(number[0])
    if parcel is None or parcel.waybill != number[1]:
        return state
    if len(parcel.pushed) == scans:
        state = state.with_parcel(parcel.changed(pushed_due=None if verdict is not None else "look"))
    if verdict is not None:
        state = apply_verdict(state, *number, verdict, now)
    return state.next_revision()


def _came_back(parcel: Parcel) -> bool:
    return parcel.verdict is not None and parcel.verdict.returned_at is not None


def refund_watches(state: OrderState) -> tuple[RefundWatch, ...]:
    """The refunds that are on their way. One that is stuck is still asked about."""
    if state.held("all"):
        return ()
    on_their_way = (refund for refund in state.refunds if refund.status in {"booked", "stuck"})
    return tuple(RefundWatch(cause=r.cause, stuck=state.has_hold(REFUND_STUCK, r.cause)) for r in on_their_way)


def charge_watches(state: OrderState) -> tuple[ChargeWatch, ...]:
    """The claim that the channel is asked for; one that is stuck is still asked about."""
    case = state.open_case
    if case is None or case.claim is None or case.stage != "charging" or case.claim.status != "asked":
        return ()
    if state.held("all"):
        return ()
    return (ChargeWatch(case_id=case.case_id, stuck=state.has_hold(CLAIM_STUCK, case.subject)),)


def apply_audit(state: OrderState, watch: AuditWatch, verdict: Verdict, now: datetime) -> OrderState:
    """The order after an audit's watch reported. An answer of a carrier that has since been corrected is ignored."""
    parcel = tracked_parcel(state, watch.parcel_id)
    if parcel is None or parcel.carrier != watch.carrier:
        return state
    if parcel in state.awaited_by_case:
        return apply_case_verdict(state, watch.parcel_id, watch.waybill, verdict, now).next_revision()
    return apply_verdict(state, watch.parcel_id, watch.waybill, verdict, now).next_revision()


def apply_refund_outcome(state: OrderState, watch: RefundWatch, outcome: RefundOutcome, now: datetime) -> OrderState:
    """The order after the channel's final answer to a refund. Where one person has voted, the vote settled nothing: the
    database refuses to book what a single vote stands beside.
    """
    refund = state.refund(watch.cause)
    if refund is None or refund.status not in {"booked", "stuck"}:
        return state
    if outcome.state == "arrived":
        state = state.without_hold(REFUND_STUCK, refund.cause)
        refund = refund.changed(status="confirmed", reference=outcome.reference, votes=())
    else:
        refund = refund.changed(status="failed")
        state = hold_refund(state, refund.cause, now, message=outcome.message or "")
    return state.with_refund(refund).next_revision()


def apply_charge_outcome(state: OrderState, watch: ChargeWatch, outcome: RefundOutcome, now: datetime) -> OrderState:
    """The order after the channel's final answer to a claim. As with a refund, one person's vote settled nothing."""
    case = state.open_case
    if case is None or case.case_id != watch.case_id or case.claim is None or case.claim.status != "asked":
        return state
    paid, said = outcome.state == "arrived", outcome.reference or outcome.message
    case = case.changed(claim=case.claim.changed(votes=()))
    return end_charge(state, case, paid=paid, reference=said, now=now).next_revision()
