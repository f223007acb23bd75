"""The new goods of an exchange after the credit: a parcel of the case, under the same rules as any way to the buyer.

The order ships nothing more by then, and its money is the merchant's. So the case stays open, and the money waits,
until the buyer has the new goods. A merchant who sends none in time gives the money back.
"""

from __future__ import annotations

from datetime import datetime

from core.aftersale import stages
from core.aftersale.messages import ReportReplacement
from core.aftersale.returns import STAGES, check_new_number, note_movement, numbered
from core.aftersale.state import AfterSaleCase, Award, CaseFacts
from core.audit.verdict import Verdict
from core.reasons import Refusal


def replacement_id(case: AfterSaleCase, facts: CaseFacts) -> str:
    """The parcel's name, which no parcel of the order has."""
    if case.replacement is not None:
        return case.replacement.parcel_id
    name = f"exchange-{case.case_id}"
    names = (name, *(f"{name}-{n}" for n in range(2, len(facts.parcel_ids) + 3)))
    return next(name for name in names if name not in facts.parcel_ids)


def check_replacement(
    case: AfterSaleCase, command: ReportReplacement, facts: CaseFacts, now: datetime
) -> Refusal | None:
    """Whether the new goods may have this number: not that of another parcel of the order, nor of the goods' return."""
    back = () if case.parcel is None else (case.parcel.waybill,)
    return check_new_number(case.replacement, command, (*facts.outbound, *back), facts.limits)


def send_replacement(case: AfterSaleCase, command: ReportReplacement, facts: CaseFacts, now: datetime) -> AfterSaleCase:
    """The new goods are on their way, or their mistyped number is corrected."""
    parcel = numbered(case.replacement, replacement_id(case, facts), command, case.lines, now)
    within = facts.limits.return_pickup_within
    due = stages.due_at("replacement_pickup_by", now, within, facts.limits).changed(remind_at=None)
    return case.changed(replacement=parcel).entering("replacement_sent", now, due)


def apply_replacement_verdict(case: AfterSaleCase, verdict: Verdict, facts: CaseFacts, now: datetime) -> AfterSaleCase:
    """The case after a carrier was asked about the new goods.

    A reviewer decides where the parcel turned around, or where its trace does not end at the buyer.
    """
    assert case.replacement is not None
    audit = STAGES[verdict.outcome]
    parcel = case.replacement.changed(verdict=verdict, audit=audit)
    if audit != case.replacement.audit:
        parcel = parcel.changed(audit_since=now)
    case = case.changed(replacement=parcel)
    if case.stage != "replacement_sent":
        return case
    if verdict.returned_at is not None or (parcel.delivered_at is not None and audit == "rejected"):
        return stages.arbitrate(case, facts.limits, now)
    if parcel.delivered_at is not None:
        limits = facts.limits
        due = stages.due_at("replacement_receipt_by", now, limits.inspect_within, limits)
        return case.entering("replacement_delivered", now, due)
    return note_movement(case, facts, now)


# --- silence ---------------------------------------------------------------------------------------------


def not_sent(case: AfterSaleCase, facts: CaseFacts, now: datetime) -> AfterSaleCase:
    """The merchant sent no new goods in time: the money goes back."""
    return stages.fulfil(case, now, Award())


def not_picked_up(case: AfterSaleCase, facts: CaseFacts, now: datetime) -> AfterSaleCase:
    """No carrier picked the new goods up: the money goes back where the carriers say so, else a person decides."""
    parcel = case.replacement
    says = parcel.verdict.carrier_says if parcel and parcel.verdict else "nothing"
    return not_sent(case, facts, now) if says == "absent" else stages.arbitrate(case, facts.limits, now)


def not_answered(case: AfterSaleCase, facts: CaseFacts, now: datetime) -> AfterSaleCase:
    """The buyer's silence confirms new goods whose delivery passed the audit; of others a person decides."""
    assert case.replacement is not None
    if case.replacement.audit != "approved":
        return stages.arbitrate(case, facts.limits, now)
    return case.entering("exchanged", now)
