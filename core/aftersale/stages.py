"""The stages of a case: how each is entered, and how long it may take."""

from __future__ import annotations

from datetime import datetime, timedelta

from core.aftersale.limits import AfterSaleLimits
from core.aftersale.state import AfterSaleCase, Award, DueStage


def due_at(name: str, now: datetime, within: timedelta, limits: AfterSaleLimits) -> DueStage:
    """The end of a stage, with its reminder where the stage is longer than that."""
    remind = now + within - limits.remind_before
    return DueStage(name=name, at=now + within, remind_at=remind if remind > now else None)


def refuse(case: AfterSaleCase, limits: AfterSaleLimits, now: datetime) -> AfterSaleCase:
    """The merchant refused. The buyer may ask a reviewer to decide."""
    return case.entering("refused", now, due_at("escalate_by", now, limits.escalate_within, limits))


def propose(case: AfterSaleCase, limits: AfterSaleLimits, now: datetime) -> AfterSaleCase:
    """The buyer is offered a smaller amount."""
    return case.entering("proposed", now, due_at("accept_by", now, limits.escalate_within, limits))


def await_return(case: AfterSaleCase, limits: AfterSaleLimits, now: datetime) -> AfterSaleCase:
    """The goods come back first."""
    return case.entering("awaiting_return", now, due_at("return_by", now, limits.return_within, limits))


def inspect(case: AfterSaleCase, limits: AfterSaleLimits, now: datetime) -> AfterSaleCase:
    """The merchant inspects what came back."""
    return case.entering("inspecting", now, due_at("inspect_by", now, limits.inspect_within, limits))


def arbitrate(case: AfterSaleCase, limits: AfterSaleLimits, now: datetime) -> AfterSaleCase:
    """A reviewer decides, after both sides had time to add evidence."""
    return case.entering("arbitration", now, DueStage(name="evidence_by", at=now + limits.evidence_within))


def dispute(case: AfterSaleCase, until: datetime | None, limits: AfterSaleLimits, now: datetime) -> AfterSaleCase:
    """The channel has taken the money and hears both sides, until the date that it named or our own."""
    within = max(until - now, timedelta()) if until is not None else limits.chargeback_evidence_within
    return case.entering("disputed", now, due_at("dispute_evidence_by", now, within, limits))


def claim(case: AfterSaleCase, limits: AfterSaleLimits, now: datetime) -> AfterSaleCase:
    """The buyer is asked for the money."""
    return case.entering("claimed", now, due_at("claim_answer_by", now, limits.escalate_within, limits))


def charge(case: AfterSaleCase, limits: AfterSaleLimits, now: datetime) -> AfterSaleCase:
    """The channel is asked for the buyer's money, until it says that it has it or will not have it."""
    return case.entering("charging", now, DueStage(name="charged_by", at=now + limits.return_within))


def fulfil(case: AfterSaleCase, now: datetime, award: Award | None = None) -> AfterSaleCase:
    """The buyer gets other goods, once, or the award; without one, all that the case is about."""
    if case.kind == "exchange" and case.replacement is None and award is None and case.award is None:
        return case.entering("exchanged", now)
    return case.changed(award=award or case.award or Award()).entering("refunding", now)


def replace(case: AfterSaleCase, limits: AfterSaleLimits, now: datetime) -> AfterSaleCase:
    """After the credit: the merchant sends new goods, and the money waits for them."""
    return case.entering("replacing", now, due_at("replace_by", now, limits.replace_within, limits))


def close(case: AfterSaleCase, why: str, now: datetime) -> AfterSaleCase:
    """The case ends without a refund or an exchange."""
    return case.changed(closed_as=why).entering("closed", now)
