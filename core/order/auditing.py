"""Audit as the order sees it: verdicts come in, people decide, clocks for corrections run and stand still."""

from __future__ import annotations

from datetime import datetime, timedelta

from core.audit.verdict import OrderFacts, Verdict
from core.messages import AppealAudit, DecideAudit
from core.order.receiving import follow_deliveries
from core.order.refunding import refund_parcels
from core.order.state import OrderState, Parcel
from core.reasons import Refusal, refuse


def facts_of(state: OrderState) -> OrderFacts:
    """What the audit must know of the order."""
    order = state.order
    return OrderFacts(
        order_id=order.order_id,
        merchant_id=order.merchant_id,
        paid_at=order.payment.paid_at,
        ship_from=order.ship_from,
        ship_to=order.ship_to,
        categories=tuple(line.category for line in order.lines),
        buyer_confirmed_in_person=state.receipt.in_person,
    )


def judged(state: OrderState, parcel_id: str, waybill: str, verdict: Verdict, now: datetime) -> OrderState:
    """The order after an audit looked at a parcel. A verdict on a number that was corrected meanwhile is nothing."""
    parcel = state.parcel(parcel_id)
    if parcel is None or not parcel.live or parcel.waybill != waybill or state.phase != "shipped":
        return state
    parcel = parcel.model_copy(update={"verdict": verdict, "answered": parcel.answered or verdict.carrier_answered})
    if parcel.delivered_at is not None and parcel.delivered_known_at is None:
        parcel = parcel.model_copy(update={"delivered_known_at": now})
    if parcel.audit == "approved" and verdict.returned_at is not None and not state.receipt.in_person:
        # It comes back before the credit: what was approved is looked at again.
        parcel = parcel.model_copy(update={"audit": "collecting", "audit_since": now})
    state = state.with_parcel(parcel)
    if parcel.audit == "collecting":
        if verdict.outcome == "approved":
            state = approve(state, parcel, now)
        elif verdict.outcome == "rejected":
            state = reject(state, parcel, now, "; ".join(verdict.reasons))
        elif verdict.outcome == "needs_review":
            state = send_to_review(state, parcel, verdict.reasons, now)
    return follow_deliveries(state, now)


def approve(state: OrderState, parcel: Parcel, now: datetime) -> OrderState:
    """The parcel's logistics information is true."""
    return state.with_parcel(
        parcel.model_copy(
            update={
                "audit": "approved",
                "audit_since": now,
                "findings_of_review": (),
                "correction_left": None,
            }
        )
    )


def reject(state: OrderState, parcel: Parcel, now: datetime, why: str) -> OrderState:
    """The merchant may correct or appeal inside the correction time; with no corrections left there is no waiting."""
    limits = state.policy.order
    left = parcel.correction_left
    left = limits.correction_within if left is None else max(left, limits.correction_least)
    if parcel.appeal is not None and parcel.corrections >= limits.corrections_max:
        left = timedelta(0)
    rejected = parcel.model_copy(
        update={
            "audit": "rejected",
            "audit_since": now,
            "correction_left": left,
            "findings_of_review": (),
        }
    )
    state = state.with_parcel(rejected)
    return state.noticing(
        "merchant",
        "audit_rejected",
        now,
        parcel_id=parcel.parcel_id,
        reasons=why,
        correct_by=(now + left).isoformat(),
    )


def send_to_review(state: OrderState, parcel: Parcel, reasons: tuple[str, ...], now: datetime) -> OrderState:
    """A person must look."""
    in_review = parcel.model_copy(update={"audit": "in_review", "audit_since": now, "findings_of_review": reasons})
    state = state.with_parcel(in_review)
    return state.noticing("reviewer", "audit_in_review", now, parcel_id=parcel.parcel_id, reasons="; ".join(reasons))


def correction_ends_at(parcel: Parcel) -> datetime | None:
    """Until when a rejected parcel may be corrected or appealed."""
    if parcel.audit != "rejected" or parcel.correction_left is None:
        return None
    return parcel.audit_since + parcel.correction_left


def correction_over(state: OrderState, parcel: Parcel, now: datetime) -> OrderState:
    """Nobody corrected: the parcel's money goes back, unless the goods were received, which a person must judge."""
    if parcel.delivered_at is not None or state.receipt.status == "confirmed":
        return send_to_review(state, parcel, ("correction_time_over",), now)
    return refund_parcels(
        state, (parcel,), f"parcel-{parcel.parcel_id}", "logistics information rejected", "refunded", now
    )


def check_decision(state: OrderState, command: DecideAudit) -> Refusal | None:
    """Whether one parcel in review is meant, with a reason."""
    if not command.reason:
        return refuse("reason_missing", field="reason")
    found = _one(state, command.parcel_id, "in_review", "not_in_review")
    return found if isinstance(found, Refusal) else None


def decide_audit(state: OrderState, command: DecideAudit, now: datetime) -> OrderState:
    """A person's verdict stands; an approval does not replace delivery."""
    parcel = _one(state, command.parcel_id, "in_review", "not_in_review")
    assert isinstance(parcel, Parcel)
    state = state.model_copy(
        update={"holds": tuple(h for h in state.holds if h.name != overdue_hold(parcel.parcel_id))}
    )
    if command.verdict == "approved":
        return approve(state, parcel, now)
    return reject(state, parcel, now, f"reviewer {command.actor.id}: {command.reason}")


def overdue_hold(parcel_id: str) -> str:
    """The name of the hold for a review that nobody finished."""
    return f"review_overdue-{parcel_id}"


def check_appeal(state: OrderState, command: AppealAudit) -> Refusal | None:
    """Whether one rejected parcel is meant, whose appeal is not used."""
    if not command.statement:
        return refuse("reason_missing", field="statement")
    parcel = _one(state, command.parcel_id, "rejected", "not_rejected")
    if isinstance(parcel, Refusal):
        return parcel
    return refuse("appeal_used") if parcel.appeal is not None else None


def appeal(state: OrderState, command: AppealAudit, now: datetime) -> OrderState:
    """A person looks again; the correction clock stands still."""
    parcel = _one(state, command.parcel_id, "rejected", "not_rejected")
    assert isinstance(parcel, Parcel)
    ends = correction_ends_at(parcel)
    left = max(timedelta(0), ends - now) if ends else None
    appealed = parcel.model_copy(update={"appeal": command.statement, "correction_left": left})
    return send_to_review(state, appealed, ("appeal",), now)


def _one(state: OrderState, parcel_id: str | None, stage: str, code: str) -> Parcel | Refusal:
    """The live parcel that is meant: the one named, or the only one at this stage."""
    if parcel_id is not None:
        parcel = state.parcel(parcel_id)
        if parcel is None or not parcel.live:
            return refuse("unknown_parcel", field="parcel_id")
        return parcel if parcel.audit == stage else refuse(code)
    at_stage = [parcel for parcel in state.live_parcels if parcel.audit == stage]
    if len(at_stage) > 1:
        return refuse("parcel_required", ", ".join(p.parcel_id for p in at_stage), field="parcel_id")
    return at_stage[0] if at_stage else refuse(code)


def only_weak(parcel: Parcel) -> bool:
    """The last verdict found nothing fatal and nothing strong."""
    return parcel.verdict is not None and all(
        finding.outcome != "fail" or finding.weight not in {"fatal", "strong"} for finding in parcel.verdict.findings
    )
