"""The evidence of each side of a case: references and texts, never files, up to a limit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from core.aftersale.messages import Evidence
from core.aftersale.state import AfterSaleCase, Exhibit
from core.budgets import EVIDENCE_WEIGHS
from core.command import Actor
from core.reasons import Refusal, refuse

EVIDENCE_MOST = 10
"""Pieces of evidence of one side in one case."""


def check_evidence(case: AfterSaleCase | None, role: str, given: Sequence[Evidence]) -> Refusal | None:
    """Whether this side may add this much."""
    before = [exhibit.what for exhibit in case.evidence if exhibit.by.role == role] if case else []
    if len(before) + len(given) > EVIDENCE_MOST:
        return refuse("too_much_evidence", f"At most {EVIDENCE_MOST} pieces a side.", field="evidence")
    if sum(map(_weight, (*before, *given))) > EVIDENCE_WEIGHS:
        hint = f"At most {EVIDENCE_WEIGHS} bytes a side; give references instead of texts."
        return refuse("too_much_evidence", hint, field="evidence")
    return None


def _weight(piece: Evidence) -> int:
    return len(piece.model_dump_json().encode())


def with_evidence(case: AfterSaleCase, by: Actor, given: Sequence[Evidence], now: datetime) -> AfterSaleCase:
    """The case with these pieces."""
    added = (Exhibit(by=by, at=now, what=piece) for piece in given)
    return case.changed(evidence=(*case.evidence, *added)) if given else case
