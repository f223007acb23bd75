"""What the carriers said of parcels: the scans that providers answered, pushed and reported, and the gaps between them.

The texts were masked before they were kept: no names and no phones of people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from core.audit.policy import AuditPolicy
from core.audit.trace import Trace, merge
from core.messages import Scan
from core.texts import clock, spell
from screens import Listing, table

if TYPE_CHECKING:
    from ledger.register import Register

COLUMNS = ("at", "after", "stage", "place", "what it says")
LONG = AuditPolicy().gap_max
"""A longer time without a scan is a gap."""


async def traces_of(
    register: Register, order_id: str, parcels: Sequence[Mapping[str, Any]]
) -> dict[str, list[dict[str, Any]]]:
    """Parcel → the trace of its number from each source: `{"how", "provider", "answer", "at", "carrier", "scans"}`.

    `how`: `polled` (the audit's last question), `pushed` by a provider, or `reported` to the order by a command.
    """
    polled = await register.providers.polled([order_id])
    found: dict[str, list[dict[str, Any]]] = {}
    for parcel in parcels:
        number = parcel["waybill"]
        asked = [one for one in polled if (one.parcel_id, one.trace.waybill) == (parcel["parcel_id"], number)]
        views = [_view("polled", one.trace, one.answer, one.asked_at) for one in asked]
        pushes = await register.pushes.of_number(number)
        traces = [push.trace for push in pushes if push.asked == parcel["carrier"]]
        views += [_view("pushed", trace, trace.answer, trace.fetched_at) for trace in traces]
        if parcel.get("pushed"):
            last = parcel["pushed"][-1]["at"]
            part = {"carrier": parcel["carrier"], "provider": "report_scan", "answer": "found", "at": last}
            views.append({"how": "reported", **part, "scans": parcel["pushed"]})
        found[parcel["parcel_id"]] = views
    return found


def _view(how: str, trace: Trace, answer: str, at: datetime) -> dict[str, Any]:
    part = trace.model_dump(mode="json", include={"provider", "carrier", "scans"})
    return {"how": how, "answer": answer, "at": at.isoformat(), **part}


def trace_table(parcel_id: str, sources: Sequence[Mapping[str, Any]]) -> Listing:
    """The scans of all sources in the order of time, with the silence before each."""
    rows: list[tuple[str, ...]] = []
    before: datetime | None = None
    for scan in merge(_trace(one) for one in sources):
        rows.append((clock(scan.at), _after(before, scan.at), scan.stage, scan.city or "", scan.text or ""))
        before = scan.at
    last = max((datetime.fromisoformat(one["at"]) for one in sources), default=None)
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


def _trace(source: Mapping[str, Any]) -> Trace:
    scans = tuple(Scan.model_validate(scan) for scan in source["scans"])
    return Trace(
        provider=source["provider"],
        carrier=source["carrier"],
        waybill="",
        fetched_at=datetime.fromisoformat(source["at"]),
        answer="found" if scans else "no_trace",
        scans=scans,
    )
