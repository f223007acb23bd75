"""Which verdicts of a carrier's polls the order must learn of, and what a provider that has heard less may say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from core.audit.facts import Milestones
from core.audit.findings import Finding
from core.audit.trace import SILENT_ANSWERS, Trace
from core.audit.verdict import Verdict


def is_news(
    verdict: Verdict,
    *,
    collecting: bool,
    silent_review: bool,
    moved: bool,
    delivered: bool,
    known: Milestones | None,
) -> bool:
    """Whether the order must be notified: of a verdict it waits for, a first scan, the delivery, a return.

    A delivered scan that is missing now is no news: the order keeps it until a later scan contradicts it.

    Args:
        collecting: the order waits for a verdict.
        silent_review: only silence sent the parcel to review, so that an approval ends it.
        moved: the order knows that the parcel is in the carrier's hands.
        delivered: the order knows that it was delivered.
        known: the milestones that the order knows.
    """
    verdict = with_known(known, verdict)
    if collecting and verdict.outcome != "pending":
        return True
    if silent_review and verdict.outcome == "approved":
        return True
    # Told of a way back that it knows, an order in review would ask again at once, without end.
    if verdict.milestones == (known or Milestones()):
        return False
    came_back = verdict.returned_at is not None
    now_delivered = verdict.delivered_at is not None and not came_back
    now_moved = verdict.first_physical_at is not None
    return (now_moved and not moved) or (now_delivered and not delivered) or (came_back and not collecting)


def with_known(known: Milestones | None, verdict: Verdict) -> Verdict:
    """The verdict with the milestones that are known already.

    A provider that has heard less takes nothing back. Its missing trace rejects nothing, and its delivery approves no
    parcel that is known to have turned around: at most a person must look.
    """
    if known is None or not _reports_less(known, verdict.milestones):
        return verdict
    both = _together(known, verdict.milestones)
    changes: dict[str, Any] = dict(both)
    if verdict.outcome == "rejected":
        changes["outcome"] = "needs_review"
    elif verdict.outcome == "approved" and both.returned_at is not None:
        changes |= {"outcome": "needs_review", "reasons": ("not_returned",), "findings": _turned_back(verdict, both)}
    return replace(verdict, **changes)


def still_known(polled: Sequence[Trace], answers: Sequence[Trace]) -> tuple[Trace, ...]:
    """The last scans of providers that do not answer now, where another one answers.

    What that one has not heard of, such as a way back, stays known.

    Args:
        polled: the last trace with scans that each provider gave for this number.
        answers: what the providers answer now.
    """
    silent = {trace.provider for trace in answers if trace.answer in SILENT_ANSWERS}
    if not silent or not any(trace.scans for trace in answers):
        return ()
    return tuple(trace for trace in polled if trace.provider in silent)


def _turned_back(verdict: Verdict, known: Milestones) -> tuple[Finding, ...]:
    """The findings, with the return that the provider has not heard of."""
    assert known.returned_at is not None
    evidence = {"what": "refused" if known.refused_at is not None else "returning", "at": known.returned_at.isoformat()}
    failed = Finding("not_returned", "fail", "strong", "trace", evidence)
    return (*(finding for finding in verdict.findings if finding.rule != failed.rule), failed)


def _reports_less(known: Milestones, told: Milestones) -> bool:
    return known.last_scan_at is not None and (told.last_scan_at is None or told.last_scan_at < known.last_scan_at)


def _together(known: Milestones, told: Milestones) -> Milestones:
    both = {name: getattr(told, name) or getattr(known, name) for name in Milestones.model_fields}
    return Milestones(**{**both, "last_scan_at": known.last_scan_at})
