"""What the carriers said of a parcel, for people: the scans of all sources, and the gaps between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from commands.views import worded
from core.audit.policy import AuditPolicy
from core.texts import Help, Language, clock, spell
from screens import Listing, table
from wiring.tracing import looked_at, scans_of

COLUMNS = ("at", "after", "stage", "place", "what it says")
LONG = AuditPolicy().gap_max
"""A longer time without a scan is a gap."""
NOT_ASKED = Help("not asked yet", "尚未查询")
NOTHING_MORE = Help("nothing more was known", "无后续轨迹")
GAP = Help(", a gap", "（中断）")


def trace_table(parcel_id: str, sources: Sequence[Mapping[str, Any]], language: Language = "en") -> Listing:
    """The scans of all sources in the order of time, with the silence before each."""
    rows: list[tuple[str, ...]] = []
    before: datetime | None = None
    for scan in scans_of(sources):
        stage = worded("stage", scan.stage, language)
        rows.append((clock(scan.at), _after(before, scan.at, language), stage, scan.city or "", scan.text or ""))
        before = scan.at
    last = looked_at(sources)
    if before is not None and last is not None and last - before > LONG:
        nothing: str = getattr(NOTHING_MORE, language)
        rows.append((clock(last), _after(before, last, language), "", "", nothing))
    return table(f"What the carriers say of parcel {parcel_id} ({_said(sources, language)})", COLUMNS, rows)


def _said(sources: Sequence[Mapping[str, Any]], language: Language) -> str:
    """Each source: who was asked or who pushed it, when, and the answer."""
    if not sources:
        return str(getattr(NOT_ASKED, language))
    apart, colon = ("；", "：") if language == "zh" else ("; ", ": ")
    return apart.join(f"{_asked(one, language)} {clock(one['at'])}{colon}{_answered(one, language)}" for one in sources)


def _asked(source: Mapping[str, Any], language: Language) -> str:
    """Who was asked, and how; `report_scan` is the command by which a scan is reported."""
    who = worded("verb", source["provider"], language) if source["how"] == "reported" else source["provider"]
    return f"{who} {worded('trace_how', source['how'], language)}"


def _answered(source: Mapping[str, Any], language: Language) -> str:
    return worded("trace_answer", source["answer"], language)


def _after(before: datetime | None, at: datetime, language: Language) -> str:
    if before is None:
        return ""
    return f"{spell(at - before, language)}{getattr(GAP, language) if at - before > LONG else ''}"
