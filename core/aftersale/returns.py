"""The way back: the buyer's parcel to the merchant, under the same rules for numbers as the way there."""

from __future__ import annotations

from datetime import datetime

from core.aftersale import stages
from core.aftersale.messages import ReportReturn
from core.aftersale.state import AfterSaleCase, CaseFacts
from core.audit.verdict import Verdict
from core.parcels import AuditAttempt, AuditStage, Parcel, normalised

_STAGES: dict[str, AuditStage] = {
    "approved": "approved",
    "rejected": "rejected",
    "needs_review": "in_review",
    "pending": "collecting",
}


def return_id(case: AfterSaleCase, facts: CaseFacts) -> str:
    """The parcel's name, which no parcel of the order has."""
    if case.parcel is not None:
        return case.parcel.parcel_id
    names = (f"return-{case.case_id}", *(f"return-{case.case_id}-{n}" for n in range(2, len(facts.parcel_ids) + 3)))
    return next(name for name in names if name not in facts.parcel_ids)


def send_back(case: AfterSaleCase, command: ReportReturn, facts: CaseFacts, now: datetime) -> AfterSaleCase:
    """The goods are on their way back, or their mistyped number is corrected."""
    before = case.parcel
    parcel = Parcel(
        parcel_id=return_id(case, facts),
        carrier=command.carrier,
        carrier_name=command.carrier_name,
        waybill=normalised(command.carrier, command.waybill),
        lines=case.lines or (),
        uploaded_at=now,
        audit_since=now,
        attempts=(*before.attempts, _attempt(before, now)) if before else (),
        corrections=before.corrections + 1 if before else 0,
    )
    within = facts.limits.return_pickup_within
    due = stages.due_at("return_pickup_by", now, within, facts.limits).changed(remind_at=None)
    return case.changed(parcel=parcel).entering("returning", now, due)


def _attempt(parcel: Parcel, now: datetime) -> AuditAttempt:
    return AuditAttempt(
        carrier=parcel.carrier,
        waybill=parcel.waybill,
        claimed_at=parcel.uploaded_at,
        replaced_at=now,
        outcome=parcel.audit,
        reasons=parcel.verdict.reasons if parcel.verdict else (),
    )


def apply_verdict(case: AfterSaleCase, verdict: Verdict, facts: CaseFacts, now: datetime) -> AfterSaleCase:
    """The case after a carrier was asked about the returned parcel.

    A reviewer decides where the parcel turned around, or where its trace does not end at the merchant.
    """
    assert case.parcel is not None
    audit = _STAGES[verdict.outcome]
    parcel = case.parcel.changed(verdict=verdict, audit=audit)
    if audit != case.parcel.audit:
        parcel = parcel.changed(audit_since=now)
    case = case.changed(parcel=parcel)
    if case.stage != "returning":
        return case
    if verdict.returned_at is not None or (parcel.delivered_at is not None and audit == "rejected"):
        return stages.arbitrate(case, facts.limits, now)
    if parcel.delivered_at is not None:
        return stages.inspect(case, facts.limits, now)
    return note_movement(case, facts, now)


def note_movement(case: AfterSaleCase, facts: CaseFacts, now: datetime) -> AfterSaleCase:
    """Once a carrier has the parcel, the case waits for its delivery instead."""
    if case.parcel is None or not case.parcel.moved or case.due is None or case.due.name != "return_pickup_by":
        return case
    at = max(case.parcel.uploaded_at + facts.limits.return_delivery_within, now)
    return case.changed(due=case.due.changed(name="return_delivery_by", at=at))
