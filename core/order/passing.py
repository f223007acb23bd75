"""What happens when a deadline of an order passes. `core.order.deadlines` says which run, and until when."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from core.aftersale.deadlines import CASE_LOOKS, CASE_REMINDER
from core.aftersale.deadlines import PASSING as CASE_PASSING
from core.order.auditing import approve, carrier_says, doubts_of, end_correction, only_weak, send_to_review
from core.order.calling import call_for_review, hold_money, hold_refund
from core.order.cases import follow_cases, pass_case_deadline
from core.order.compensating import compensate_late
from core.order.deadlines import NO_PICKUP, deadlines
from core.order.handover import by_carrier
from core.order.holds import REVIEW_OVERDUE
from core.order.opening import refuse_goods
from core.order.pausing import resume
from core.order.promising import lapse
from core.order.receiving import confirm_by_timeout, follow_deliveries
from core.order.refunding import refund_parcels, refund_unshipped
from core.order.state import OrderState
from core.order.whereabouts import was_delivered, why_missing
from core.parcels import Parcel
from core.states import Deadline, Hold

LOOKS: frozenset[str] = CASE_LOOKS | {
    "pickup_by",
    "receipt_by",
    "undelivered_by",
    "undelivered_end",
    "audit_correction",
}
"""Deadlines that depend on the carrier's latest answer: it is asked once more before they pass."""

UNDELIVERED = "undelivered"
"""Why a person must look at a parcel that was not delivered in the time that parcels take."""


def due_looks(state: OrderState, now: datetime) -> tuple[Parcel, ...]:
    """Parcels whose carrier must be asked before the earliest due deadline can be judged."""
    due = _due(state, now)
    return _looks_for(state, due) if due is not None else ()


def _due(state: OrderState, now: datetime) -> Deadline | None:
    return next((d for d in deadlines(state) if d.at <= now and d.name in PASSING), None)


def _looks_for(state: OrderState, due: Deadline) -> tuple[Parcel, ...]:
    if due.name not in LOOKS:
        return ()
    if due.name in CASE_LOOKS:
        return tuple(p for p in state.awaited_by_case if p.looked_at is None or p.looked_at < due.at)
    parcels = [parcel for parcel in state.live_parcels if due.subject in ("", parcel.parcel_id)]
    if not by_carrier(state):
        return ()
    if due.name.startswith("undelivered"):
        parcels = [parcel for parcel in parcels if parcel.delivered_at is None]
    return tuple(p for p in parcels if p.looked_at is None or p.looked_at < due.at)


def first_passing(state: OrderState) -> Deadline | None:
    """The earliest deadline that passes by itself. One of long ago, in a state that the register kept, says that we
    were down.
    """
    return next((deadline for deadline in deadlines(state) if deadline.name in PASSING), None)


def pass_deadlines(state: OrderState, now: datetime) -> OrderState:
    """Pass what is due, in due order. Stop where the carrier must be asked first."""
    followed = compensate_late(follow_cases(state, now), now)
    state = state if followed is state else followed.next_revision()
    while True:
        due = _due(state, now)
        if due is None or _looks_for(state, due):
            return state
        state = follow_cases(follow_deliveries(PASSING[due.name](state, due, now), now), now)
        inbox = state.inbox.note(now, "deadline", due.name, "noted", message=due.subject or None)
        state = state.changed(inbox=inbox).next_revision()


def _note_reminder(state: OrderState, deadline: Deadline) -> OrderState:
    return state.changed(reminders=(*state.reminders, deadline.key))


def _pass_screening_appeal_by(state: OrderState, deadline: Deadline, now: datetime) -> OrderState:
    """The merchant's silence agrees to the refusal."""
    return refuse_goods(state, state.screening_reason or "", now)


def _pass_screening_sla(state: OrderState, deadline: Deadline, now: datetime) -> OrderState:
    return _note_reminder(state, deadline).with_notice("reviewer", "screening_overdue", now, queue="second")


def _pass_screening_end(state: OrderState, deadline: Deadline, now: datetime) -> OrderState:
    return refuse_goods(state, f"not decided in time; {state.screening_reason or ''}", now)


def _pass_ship_reminder(state: OrderState, deadline: Deadline, now: datetime) -> OrderState:
    assert state.ship_by is not None
    return _note_reminder(state, deadline).with_notice(
        "merchant", "ship_reminder", now, ship_by=state.ship_by.isoformat()
    )


def _pass_ship_by(state: OrderState, deadline: Deadline, now: datetime) -> OrderState:
    state = state.with_notice("merchant", "ship_by_passed", now)
    return refund_unshipped(state, "ship_by", "not shipped in time", now)


def _pass_delay_answer_by(state: OrderState, deadline: Deadline, now: datetime) -> OrderState:
    return lapse(state, now)


def _pass_pickup_by(state: OrderState, deadline: Deadline, now: datetime) -> OrderState:
    """Refund only on a strong absence. A parcel in review stays with the reviewer."""
    parcel = _of(state, deadline)
    reasons = (NO_PICKUP, *doubts_of(parcel))
    if parcel.audit == "in_review":
        return _keep_in_review(state, parcel, reasons, now)
    if state.receipt.status != "confirmed":
        if carrier_says(parcel) == "absent":
            cause = f"parcel-{parcel.parcel_id}"
            return refund_parcels(state, (parcel,), cause, "no carrier picked it up", "cancelled", now)
        if carrier_says(parcel) == "absent_once" and parcel.pickup_again_at is None:
            again = now + state.policy.no_trace_apart
            return state.with_parcel(parcel.changed(pickup_again_at=again))
    return send_to_review(state, parcel, reasons, now)


def _pass_collect_reminder(state: OrderState, deadline: Deadline, now: datetime) -> OrderState:
    collect_by = deadline.at + state.policy.order.collect_reminder
    return _note_reminder(state, deadline).with_notice(
        "buyer", "collect_reminder", now, collect_by=collect_by.isoformat()
    )


def _pass_collect_by(state: OrderState, deadline: Deadline, now: datetime) -> OrderState:
    """The goods are still with the merchant: the buyer's money goes back."""
    parcel = _of(state, deadline)
    cause = f"parcel-{parcel.parcel_id}"
    return refund_parcels(state, (parcel,), cause, "the buyer did not collect it", "cancelled", now)


def _pass_audit_correction(state: OrderState, deadline: Deadline, now: datetime) -> OrderState:
    return end_correction(state, _of(state, deadline), now)


def _pass_review_sla(state: OrderState, deadline: Deadline, now: datetime) -> OrderState:
    return _note_reminder(state, deadline).with_notice("reviewer", "review_overdue", now, parcel_id=deadline.subject)


def _pass_review_end(state: OrderState, deadline: Deadline, now: datetime) -> OrderState:
    parcel = _of(state, deadline)
    if state.receipt.in_person and only_weak(parcel):
        return approve(state, parcel, now)
    return hold_money(
        state,
        Hold(
            name=REVIEW_OVERDUE,
            subject=parcel.parcel_id,
            scope="credit",
            reason=f"parcel {parcel.parcel_id} waits for a reviewer",
            owner="reviewer",
            since=parcel.audit_since,
        ),
        now,
    )


def _pass_receipt_reminder(state: OrderState, deadline: Deadline, now: datetime) -> OrderState:
    assert state.receipt.deadline is not None
    return _note_reminder(state, deadline).with_notice(
        "buyer", "receipt_reminder", now, confirm_by=state.receipt.deadline.isoformat()
    )


def _pass_receipt_by(state: OrderState, deadline: Deadline, now: datetime) -> OrderState:
    return confirm_by_timeout(state, now)


def _pass_undelivered_by(state: OrderState, deadline: Deadline, now: datetime) -> OrderState:
    for parcel in state.live_parcels:
        if parcel.delivered_at is None and parcel.audit == "collecting":
            state = send_to_review(state, parcel, (UNDELIVERED, *doubts_of(parcel)), now)
    state = state.changed(undelivered_asked_at=now)
    return state.with_notice("buyer", "undelivered", now, answer="confirm_receipt")


def _pass_undelivered_end(state: OrderState, deadline: Deadline, now: datetime) -> OrderState:
    """Refund the parcels that did not arrive by the carriers' answers.

    Otherwise a person decides, and the carriers are asked again after the same time.
    """
    missing = {p.parcel_id: why_missing(p) for p in state.live_parcels if p.delivered_at is None}
    for why in dict.fromkeys(filter(None, missing.values())):
        # With units given back before, what went back just now may have ended the order, and every parcel of it.
        known = [parcel for parcel in state.live_parcels if missing.get(parcel.parcel_id) == why]
        if known:
            state = refund_parcels(state, known, "undelivered", why, "refunded", now)
    doubtful = [p for p in state.live_parcels if p.parcel_id in missing]
    for parcel in doubtful:
        if parcel.audit == "rejected":
            continue  # its merchant may still correct it; the correction clock decides
        reason = "not_returned" if was_delivered(parcel) else UNDELIVERED
        state = _keep_in_review(state, parcel, (reason, *doubts_of(parcel)), now)
    return state.changed(undelivered_asked_at=now) if doubtful else state


def _keep_in_review(state: OrderState, parcel: Parcel, reasons: tuple[str, ...], now: datetime) -> OrderState:
    """A person must look, or still does."""
    if parcel.audit != "in_review":
        return send_to_review(state, parcel, reasons, now)
    found = tuple(dict.fromkeys((*parcel.findings_of_review, *reasons)))
    return state.with_parcel(parcel.changed(findings_of_review=found))


def _pass_refund_stuck(state: OrderState, deadline: Deadline, now: datetime) -> OrderState:
    refund = state.refund(deadline.subject)
    assert refund is not None
    state = state.with_refund(refund.changed(status="stuck"))
    return hold_refund(state, refund.cause, now)


def _pass_refund_request(state: OrderState, deadline: Deadline, now: datetime) -> OrderState:
    """No second person agreed in time: the request lapses and no money moves."""
    return state.changed(refund_request=None)


def _pass_hold_review(state: OrderState, deadline: Deadline, now: datetime) -> OrderState:
    return call_for_review(_note_reminder(state, deadline), deadline.subject, now)


def _pass_pause_end(state: OrderState, deadline: Deadline, now: datetime) -> OrderState:
    return resume(state, now, "the order's clocks stood as long as they may")


def _of(state: OrderState, deadline: Deadline) -> Parcel:
    parcel = state.parcel(deadline.subject)
    assert parcel is not None
    return parcel


PASSING: dict[str, Callable[[OrderState, Deadline, datetime], OrderState]] = {
    "screening_appeal_by": _pass_screening_appeal_by,
    "screening_sla": _pass_screening_sla,
    "screening_end": _pass_screening_end,
    "ship_reminder": _pass_ship_reminder,
    "ship_by": _pass_ship_by,
    "delay_answer_by": _pass_delay_answer_by,
    "pickup_by": _pass_pickup_by,
    "collect_reminder": _pass_collect_reminder,
    "collect_by": _pass_collect_by,
    "audit_correction": _pass_audit_correction,
    "review_sla": _pass_review_sla,
    "review_end": _pass_review_end,
    "receipt_reminder": _pass_receipt_reminder,
    "receipt_by": _pass_receipt_by,
    "undelivered_by": _pass_undelivered_by,
    "undelivered_end": _pass_undelivered_end,
    "refund_stuck": _pass_refund_stuck,
    "hold_review": _pass_hold_review,
    "pause_end": _pass_pause_end,
    **dict.fromkeys((*CASE_PASSING, CASE_REMINDER), pass_case_deadline),
    "refund_request_by": _pass_refund_request,
}
"""`settle_at` is not here: it is a step, since money must move first."""
