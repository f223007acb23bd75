"""Audit as the order sees it: verdicts arrive, people decide, and correction clocks run or pause."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from core.audit.absence import CarrierWord
from core.audit.news import with_known
from core.audit.verdict import OrderFacts, Verdict
from core.messages import AppealAudit, DecideAudit
from core.order.holds import REVIEW_OVERDUE
from core.order.receiving import follow_deliveries
from core.order.refunding import refund_parcels
from core.order.state import OrderState
from core.order.weighing import kept_of
from core.order.whereabouts import came_back
from core.parcels import Decision, Parcel
from core.reasons import Refusal, refuse

SILENCE: frozenset[str] = frozenset(
    {
        "no_pickup",
        "undelivered",
        "no_new_scan",
        "carrier_silent",
        "trace_exists",
        "contact_matches",
        "phone_missing",
        "service_unasked",
        "other_carrier_likelier",
        "carrier_out",
        "provider_silent",
    }
)
"""Reasons that mean only that no trace came, or why.

A review with no other reasons ends by itself when late scans arrive and every rule passes.
"""
REJECTED_BEFORE = "rejected_before"
"""The review of a number that passes every rule, and that a person rejected: no rule overrules a person."""
CORRECTION_OVER = "correction_time_over"
"""The review of a rejection that was not corrected in time, of goods that were received."""


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


def facts_for(state: OrderState, parcel: Parcel) -> OrderFacts:
    """What the audit must know of the order for this parcel, its own or one of its open case."""
    return facts_of_case_parcel(state, parcel) if parcel in state.awaited_by_case else facts_of(state)


def facts_of_case_parcel(state: OrderState, parcel: Parcel) -> OrderFacts:
    """What the audit must know of a parcel of the open case: it goes not before its case began.

    A returned parcel goes the other way.
    """
    case, facts = state.open_case, facts_of(state)
    assert case is not None
    facts = facts.model_copy(update={"paid_at": case.opened_at, "buyer_confirmed_in_person": False})
    if case.replacement is not None and parcel.parcel_id == case.replacement.parcel_id:
        return facts
    return facts.model_copy(update={"ship_from": state.order.ship_to, "ship_to": state.order.ship_from})


def apply_verdict(state: OrderState, parcel_id: str, waybill: str, verdict: Verdict, now: datetime) -> OrderState:
    """The order after an audit looked at a parcel. A verdict for a waybill that has since been corrected is ignored."""
    parcel = state.parcel(parcel_id)
    if parcel is None or not parcel.live or parcel.waybill != waybill or state.phase != "shipped" or state.crediting:
        return state
    before = parcel.verdict
    verdict = kept_of(with_known(before.milestones if before else None, verdict), len(state.parcels))
    came_back = verdict.returned_at is not None and (before is None or before.returned_at is None)
    parcel = parcel.changed(verdict=verdict)
    if parcel.delivered_at is not None and parcel.delivered_known_at is None:
        parcel = parcel.changed(delivered_known_at=now)
    if parcel.audit == "approved" and came_back:
        # It comes back before the credit, so the approval is examined again.
        parcel = parcel.changed(audit="collecting", audit_since=now)
    return follow_deliveries(_apply_outcome(state.with_parcel(parcel), parcel, verdict, now), now)


def _apply_outcome(state: OrderState, parcel: Parcel, verdict: Verdict, now: datetime) -> OrderState:
    """The effect of the verdict on a parcel that waits for one."""
    if verdict.outcome == "approved" and (parcel.audit == "collecting" or only_silent(parcel)):
        return _ask_again(state, parcel, now) if _rejected_by_a_person(parcel) else approve(state, parcel, now)
    if parcel.audit == "collecting" and verdict.outcome == "rejected":
        return reject(state, parcel, now, "; ".join(verdict.reasons))
    if parcel.audit == "collecting" and verdict.outcome == "needs_review":
        return send_to_review(state, parcel, verdict.reasons, now)
    return state


def _ask_again(state: OrderState, parcel: Parcel, now: datetime) -> OrderState:
    """A person rejected this number: reporting it once more does not approve it."""
    if parcel.audit == "in_review":
        return state.with_parcel(parcel.changed(findings_of_review=(*parcel.findings_of_review, REJECTED_BEFORE)))
    return send_to_review(state, parcel, (REJECTED_BEFORE,), now)


def only_silent(parcel: Parcel) -> bool:
    """Whether the parcel is in review only because no trace came.

    A scan ahead of our clock is no other reason: asked a day later, the audit would have found nothing wrong with it.
    """
    found = set(parcel.findings_of_review)
    if parcel.evidence_of_review.get("time_order", {}).get("what") == "future":
        found.discard("time_order")
        return parcel.audit == "in_review" and found <= SILENCE
    return parcel.audit == "in_review" and bool(found) and found <= SILENCE


def approve(state: OrderState, parcel: Parcel, now: datetime) -> OrderState:
    """The parcel's logistics information is true."""
    state = state.without_hold(REVIEW_OVERDUE, parcel.parcel_id)
    return state.with_parcel(
        parcel.changed(
            audit="approved",
            audit_since=now,
            findings_of_review=(),
            evidence_of_review={},
            correction_left=None,
        )
    )


def reject(state: OrderState, parcel: Parcel, now: datetime, why: str) -> OrderState:
    """The merchant may correct or appeal within the correction time. With no corrections left there is no wait."""
    limits = state.policy.order
    left = parcel.correction_left
    left = limits.correction_within if left is None else max(left, limits.correction_least)
    if parcel.appeal is not None and parcel.corrections >= limits.corrections_max:
        left = timedelta(0)
    rejected = parcel.changed(
        audit="rejected",
        audit_since=now,
        correction_left=left,
        findings_of_review=(),
        evidence_of_review={},
    )
    state = state.with_parcel(rejected)
    return state.with_notice(
        "merchant",
        "audit_rejected",
        now,
        parcel_id=parcel.parcel_id,
        reasons=why,
        correct_by=(now + left).isoformat(),
    )


def send_to_review(state: OrderState, parcel: Parcel, reasons: tuple[str, ...], now: datetime) -> OrderState:
    """A person must look. The evidence for the reasons is kept, since later verdicts bring evidence of their own."""
    in_review = parcel.changed(
        audit="in_review",
        audit_since=now,
        findings_of_review=reasons,
        evidence_of_review=_evidence(parcel.verdict, reasons),
    )
    state = state.with_parcel(in_review)
    return state.with_notice("reviewer", "audit_in_review", now, parcel_id=parcel.parcel_id, reasons="; ".join(reasons))


def carrier_says(parcel: Parcel) -> CarrierWord:
    """What the carriers said of the parcel at the last look, as far as a default may rely on it."""
    return parcel.verdict.carrier_says if parcel.verdict is not None else "nothing"


def doubts_of(parcel: Parcel) -> tuple[str, ...]:
    """Why the carriers' last answers say nothing about the parcel, for the person who must look."""
    return parcel.verdict.doubts if parcel.verdict is not None else ()


def _evidence(verdict: Verdict | None, reasons: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    findings = verdict.findings if verdict is not None else ()
    return {found.rule: found.evidence for found in findings if found.outcome == "fail" and found.rule in reasons}


def correction_ends_at(parcel: Parcel) -> datetime | None:
    """Until when a rejected parcel may be corrected or appealed."""
    if parcel.audit != "rejected" or parcel.correction_left is None:
        return None
    return parcel.audit_since + parcel.correction_left


def end_correction(state: OrderState, parcel: Parcel, now: datetime) -> OrderState:
    """No correction came: the parcel's money goes back.

    Where the goods may have been received, a person decides instead. The carrier was just asked again: late scans may
    have made an automatic rejection wrong.
    """
    received = parcel.delivered_at is not None or state.receipt.status == "confirmed"
    if received or (_contradicted(parcel) and not _rejected_by_a_person(parcel)):
        return send_to_review(state, parcel, (CORRECTION_OVER,), now)
    return _refund_rejected(state, parcel, came_back(parcel) or "logistics information rejected", now)


def _contradicted(parcel: Parcel) -> bool:
    """Whether the carriers now report a parcel on its way that no rule rejects."""
    verdict = parcel.verdict
    return verdict is not None and verdict.carrier_says == "scans" and verdict.outcome != "rejected"


def _rejected_by_a_person(parcel: Parcel) -> bool:
    """Whether the last reviewer who decided about this number rejected it."""
    decided = [decision.verdict for decision in parcel.decisions if decision.waybill == parcel.waybill]
    return bool(decided) and decided[-1] == "rejected"


def _refund_rejected(state: OrderState, parcel: Parcel, why: str, now: datetime) -> OrderState:
    return refund_parcels(state, (parcel,), f"parcel-{parcel.parcel_id}", why, "refunded", now)


def check_decision(state: OrderState, command: DecideAudit) -> Refusal | None:
    """Whether the command names one parcel in review and gives a reason."""
    if not command.reason:
        return refuse("reason_missing", field="reason")
    found = _one(state, command.parcel_id, "in_review", "not_in_review")
    return found if isinstance(found, Refusal) else None


def decide_audit(state: OrderState, command: DecideAudit, now: datetime) -> OrderState:
    """A person's verdict stands.

    An approval does not replace delivery. A rejection after the correction time is final, also for goods that were
    received: the money goes back.
    """
    parcel = _one(state, command.parcel_id, "in_review", "not_in_review")
    assert isinstance(parcel, Parcel)
    reviewer = command.actor.id
    decision = Decision(
        verdict=command.verdict, reviewer=reviewer, reason=command.reason, waybill=parcel.waybill, at=now
    )
    last_word = CORRECTION_OVER in parcel.findings_of_review
    parcel = parcel.changed(decisions=(*parcel.decisions, decision))
    state = state.without_hold(REVIEW_OVERDUE, parcel.parcel_id)
    if command.verdict == "approved":
        return approve(state, parcel, now)
    why = f"reviewer {reviewer}: {command.reason}"
    if last_word:
        return _refund_rejected(state, parcel.changed(audit="rejected", audit_since=now), why, now)
    return reject(state, parcel, now, why)


def check_appeal(state: OrderState, command: AppealAudit) -> Refusal | None:
    """Whether the command names one rejected parcel whose appeal is unused."""
    if not command.statement:
        return refuse("reason_missing", field="statement")
    parcel = _one(state, command.parcel_id, "rejected", "not_rejected")
    if isinstance(parcel, Refusal):
        return parcel
    return refuse("appeal_used") if parcel.appeal is not None else None


def appeal(state: OrderState, command: AppealAudit, now: datetime) -> OrderState:
    """A person looks again; the correction clock pauses."""
    parcel = _one(state, command.parcel_id, "rejected", "not_rejected")
    assert isinstance(parcel, Parcel)
    ends = correction_ends_at(parcel)
    left = max(timedelta(0), ends - now) if ends else None
    appealed = parcel.changed(appeal=command.statement, correction_left=left)
    return send_to_review(state, appealed, ("appeal",), now)


def _one(state: OrderState, parcel_id: str | None, stage: str, code: str) -> Parcel | Refusal:
    """The live parcel that a command is about: the one it names, or the only one at this stage."""
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
    """The last verdict found nothing fatal and nothing strong, and no person rejected this number."""
    if _rejected_by_a_person(parcel):
        return False
    return parcel.verdict is not None and all(
        finding.outcome != "fail" or finding.weight not in {"fatal", "strong"} for finding in parcel.verdict.findings
    )
