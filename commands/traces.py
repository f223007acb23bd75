"""What the carriers said of a parcel, for people: the scans of all sources, and the gaps between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from core.audit.policy import AuditPolicy
from core.texts import clock, spell
from screens import Listing, table
from wiring.tracing import looked_at, scans_of

COLUMNS = ("at", "after", "stage", "place", "what it says")
LONG = AuditPolicy().gap_max
"""A longer time without a scan is a gap."""


def trace_table(parcel_id: str, sources: Sequence[Mapping[str, Any]]) -> Listing:
    """The scans of all sources in the order of time, with the silence before each."""
    rows: list[tuple[str, ...]] = []
    before: datetime | None = None
    for scan in scans_of(sources):
        rows.append((clock(scan.at), _after(before, scan.at), scan.stage, scan.city or "", scan.text or ""))
        before = scan.at
    last = looked_at(sources)
    if before is not None and last is not None and last - before > LONG:
        rows.append((clock(last), _after(before, last), "", "", "nothing more was known"))
    return table(f"What the carriers say of parcel {parcel_id} ({_said(sources)})", COLUMNS, rows)


def _said(sources: Sequence[Mapping[str, Any]]) -> str:
    """Each source: who was asked or who pushed it, when, and the answer."""
    if not sources:
        return "not asked yet"
    return "; ".join(f"{one['provider']} {one['how']} {clock(one['at'])}: {one['answer']}" for one in sources)


def _after(before: datetime | None, at: datetime) -> str:
    if before is None:
        return ""
    return f"{spell(at - before)}{', a gap' if at - before > LONG else ''}"
