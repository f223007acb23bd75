"""Deadlines of a case: every stage has an end, and a default for silence.

`core.order.deadlines` runs them beside the order's own. Where only a silent carrier supports a default, a person
decides instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from core.aftersale import replacements, stages
from core.aftersale.limits import AfterSaleLimits
from core.aftersale.state import AfterSaleCase, CaseFacts, DueStage
from core.states import Deadline

CASE_REMINDER = "case_reminder"
CASE_LOOKS: frozenset[str] = frozenset(
    {"return_pickup_by", "return_delivery_by", "replacement_pickup_by", "replacement_delivery_by"}
)
"""Deadlines that depend on the carrier's latest answer: it is asked once more before they pass."""


def case_deadlines(case: AfterSaleCase) -> Iterator[Deadline]:
    """The end of the case's stage, and its reminder."""
    if case.due is None:
        return
    yield Deadline(name=case.due.name, at=case.due.at, subject=case.subject)
    if case.due.remind_at is not None:
        yield Deadline(name=CASE_REMINDER, at=case.due.remind_at, subject=case.subject)


def pass_due(case: AfterSaleCase, facts: CaseFacts, now: datetime) -> AfterSaleCase:
    """The case after the end of its stage passed."""
    assert case.due is not None
    return PASSING[case.due.name](case, facts, now)


def _answer_by(case: AfterSaleCase, facts: CaseFacts, now: datetime) -> AfterSaleCase:
    """The merchant's silence counts as agreement. Delivered goods come back first, unless the amount is small."""
    if not facts.delivered or facts.scope_minor <= facts.limits.silent_refund_most_minor:
        return stages.fulfil(case, now)
    if case.amount_minor is not None:
        # A part of a price needs no return, so silence alone does not refund it for goods that were delivered.
        return stages.arbitrate(case, facts.limits, now)
    return stages.await_return(case, facts.limits, now)


def _close_as(why: str) -> Callable[[AfterSaleCase, CaseFacts, datetime], AfterSaleCase]:
    return lambda case, facts, now: stages.close(case, why, now)


def _return_pickup_by(case: AfterSaleCase, facts: CaseFacts, now: datetime) -> AfterSaleCase:
    """No carrier picked it up. The case closes where the carriers say so; otherwise a person decides."""
    says = case.parcel.verdict.carrier_says if case.parcel and case.parcel.verdict else "nothing"
    if says == "absent":
        return stages.close(case, "not_picked_up", now)
    return stages.arbitrate(case, facts.limits, now)


def _to_arbitration(case: AfterSaleCase, facts: CaseFacts, now: datetime) -> AfterSaleCase:
    return stages.arbitrate(case, facts.limits, now)


def _inspect_by(case: AfterSaleCase, facts: CaseFacts, now: datetime) -> AfterSaleCase:
    return stages.fulfil(case, now)


def _evidence_by(case: AfterSaleCase, facts: CaseFacts, now: datetime) -> AfterSaleCase:
    return _wait_for_decision(case, facts.limits, "decide_by")


def _decide_by(case: AfterSaleCase, facts: CaseFacts, now: datetime) -> AfterSaleCase:
    return _wait_for_decision(case, facts.limits, "decide_end")


def _wait_for_decision(case: AfterSaleCase, limits: AfterSaleLimits, name: str) -> AfterSaleCase:
    within = limits.evidence_within + limits.decide_within if name == "decide_by" else limits.decide_end
    return case.changed(due=DueStage(name=name, at=case.since + within))


def _decide_end(case: AfterSaleCase, facts: CaseFacts, now: datetime) -> AfterSaleCase:
    """No reviewer, or no channel, decided in time: a hold with an owner replaces the deadline."""
    return case.changed(due=None)


def _claim_answer_by(case: AfterSaleCase, facts: CaseFacts, now: datetime) -> AfterSaleCase:
    """The buyer's silence counts as agreement: a carrier says that the goods are there."""
    return stages.charge(case, facts.limits, now)


def _dispute_evidence_by(case: AfterSaleCase, facts: CaseFacts, now: datetime) -> AfterSaleCase:
    """The channel decides from now on."""
    return case.changed(due=DueStage(name="dispute_answer_by", at=now + facts.limits.chargeback_answer_within))


PASSING: dict[str, Callable[[AfterSaleCase, CaseFacts, datetime], AfterSaleCase]] = {
    "answer_by": _answer_by,
    "accept_by": _close_as("offer_not_accepted"),
    "escalate_by": _close_as("not_escalated"),
    "return_by": _close_as("not_returned"),
    "return_pickup_by": _return_pickup_by,
    "return_delivery_by": _to_arbitration,
    "inspect_by": _inspect_by,
    "replace_by": replacements.not_sent,
    "replacement_pickup_by": replacements.not_picked_up,
    "replacement_delivery_by": _to_arbitration,
    "replacement_receipt_by": replacements.not_answered,
    "evidence_by": _evidence_by,
    "decide_by": _decide_by,
    "decide_end": _decide_end,
    "dispute_evidence_by": _dispute_evidence_by,
    "dispute_answer_by": _decide_end,
    "claim_answer_by": _claim_answer_by,
    "charged_by": _decide_end,
}
"""What each end of a stage does."""

AGAINST: dict[str, str] = {
    "answer_by": "answer_within",
    "accept_by": "escalate_within",
    "escalate_by": "escalate_within",
    "return_by": "return_within",
    "return_pickup_by": "return_pickup_within",
    "inspect_by": "inspect_within",
    "replace_by": "replace_within",
    "replacement_pickup_by": "return_pickup_within",
    "replacement_receipt_by": "inspect_within",
    "evidence_by": "evidence_within",
    "claim_answer_by": "escalate_within",
}
"""Stages whose end costs the side that was silent, and the limit that is their own length: after an outage of ours they
end later. A channel's own date for evidence does not wait for us.
"""
