"""The size of an order: what its parts may still add, what is kept of a verdict, and what is cut."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

from core.audit.findings import Finding
from core.audit.verdict import Verdict
from core.budgets import (
    EVIDENCE_KEPT,
    JOURNAL_WEIGHS,
    MERCHANT_WEIGHS,
    PARCEL_GROWS,
    SCANS_WEIGH,
    SHORT_REASON,
    WHOLE_VERDICTS,
)
from core.messages import Command
from core.order.state import OrderState

C = TypeVar("C", bound=Command)

_BY_ITSELF: Any = {
    "order": True,
    "policy": True,
    "notices": True,
    "inbox": {"journal"},
    "parcels": {"__all__": {"verdict", "evidence_of_review", "pushed"}},
}
"""Parts that do not grow with commands, or have their own budget."""


def weigh(state: OrderState) -> int:
    """Bytes of the state as JSON with all that may come without a command: full budgets, and a verdict a parcel."""
    commanded = len(state.model_dump_json(exclude=_BY_ITSELF).encode())
    return commanded + JOURNAL_WEIGHS + SCANS_WEIGH + PARCEL_GROWS * len(state.parcels)


def is_full(state: OrderState) -> bool:
    """Whether the merchant may add nothing more."""
    return weigh(state) > MERCHANT_WEIGHS


def shortened(command: C) -> C:
    """The command with a short reason, for a full state: a command that ends a wait must be accepted."""
    texts = {name: getattr(command, name, None) for name in ("reason", "statement", "text")}
    return command.model_copy(update={name: text[:SHORT_REASON] for name, text in texts.items() if text})


def kept_of(verdict: Verdict, parcels: int) -> Verdict:
    """What an order with so many parcels keeps of a verdict."""
    whole = parcels <= WHOLE_VERDICTS
    findings = tuple(_kept(finding) for finding in verdict.findings if whole or finding.outcome == "fail")
    return replace(verdict, findings=findings, shadow=verdict.shadow if whole else ())


def _kept(finding: Finding) -> Finding:
    if not finding.evidence:
        return finding
    evidence = {name: _short(value) for name, value in finding.evidence.items()}
    return finding if evidence == finding.evidence else replace(finding, evidence=evidence)


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return value[:EVIDENCE_KEPT]
    return [_short(one) for one in value[:10]] if isinstance(value, list | tuple) else value
