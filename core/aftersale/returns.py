"""The way back: the buyer's parcel to the merchant, under the same rules for numbers as the way there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from core.aftersale import stages
from core.aftersale.limits import AfterSaleLimits
from core.aftersale.messages import ReportReplacement, ReportReturn
from core.aftersale.state import AfterSaleCase, CaseFacts
from core.audit.verdict import Verdict
from core.command import LineQuantity
from core.parcels import AuditAttempt, AuditStage, Parcel, check_number, is_unchanged, normalised
from core.reasons import Refusal, refuse

STAGES: dict[str, AuditStage] = {
    "approved": "approved",
    "rejected": "rejected",
    "needs_review": "in_review",
    "pending": "collecting",
}
"""What a verdict makes of the audit of a parcel of a case."""


def return_id(case: AfterSaleCase, facts: CaseFacts) -> str:
    """The parcel's name, which no parcel of the order has."""
    if case.parcel is not None:
        return case.parcel.parcel_id
    names = (f"return-{case.case_id}", *(f"return-{case.case_id}-{n}" for n in range(2, len(facts.parcel_ids) + 3)))
    return next(name for name in names if name not in facts.parcel_ids)


def check_new_number(
    before: Parcel | None,
    command: ReportReturn | ReportReplacement,
    others: Sequence[str],
    limits: AfterSaleLimits,
) -> Refusal | None:
    """Whether a parcel of a case may get this number, in place of the one that it has `before`.

    Args:
        others: numbers of other parcels of the order.
    """
    refusal = check_number(command.carrier, command.carrier_name, command.waybill, "")
    if refusal is not None:
        return refusal
    if normalised(command.carrier, command.waybill) in others:
        return refuse("outbound_number", field="waybill")
    if before is None:
        return None
    if before.moved:
        return refuse("already_moving", "The parcel on its way keeps its number.")
    if is_unchanged(before, command.carrier, command.carrier_name, command.waybill):
        return refuse("same_waybill", field="waybill")
    if before.corrections + 1 >= limits.return_numbers_max:
        return refuse("too_many_corrections", f"At most {limits.return_numbers_max} numbers.")
    return None


def numbered(
    before: Parcel | None,
    parcel_id: str,
    command: ReportReturn | ReportReplacement,
    lines: tuple[LineQuantity, ...] | None,
    now: datetime,
) -> Parcel:
    """A parcel of a case with the number of the command; the number that it had before is kept as an attempt."""
    return Parcel(
        parcel_id=parcel_id,
        carrier=command.carrier,
        carrier_name=command.carrier_name,
        waybill=normalised(command.carrier, command.waybill),
        lines=lines or (),
        uploaded_at=now,
        audit_since=now,
        attempts=(*before.attempts, _attempt(before, now)) if before else (),
        corrections=before.corrections + 1 if before else 0,
    )


def send_back(case: AfterSaleCase, command: ReportReturn, facts: CaseFacts, now: datetime) -> AfterSaleCase:
    """The goods are on their way back, or their mistyped number is corrected."""
    parcel = numbered(case.parcel, return_id(case, facts), command, case.lines, now)
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
    audit = STAGES[verdict.outcome]
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
    parcel, due = case.on_its_way, case.due
    if parcel is None or not parcel.moved or due is None or due.name not in _THEN:
        return case
    at = max(parcel.uploaded_at + facts.limits.return_delivery_within, now)
    return case.changed(due=due.changed(name=_THEN[due.name], at=at))


_THEN = {"return_pickup_by": "return_delivery_by", "replacement_pickup_by": "replacement_delivery_by"}
"""What a case waits for once a carrier has its parcel."""
