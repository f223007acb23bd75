"""What the carriers said of parcels: the scans that providers answered, pushed and reported.

The texts were masked before they were kept: no names and no phones of people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from core.audit.trace import Trace, merge
from core.messages import Scan

if TYPE_CHECKING:
    from ledger.register import Register


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


def scans_of(sources: Sequence[Mapping[str, Any]]) -> list[Scan]:
    """All scans of a parcel's sources, as `traces_of` has them, ascending, each event once."""
    return merge(_trace(source) for source in sources)


def looked_at(sources: Sequence[Mapping[str, Any]]) -> datetime | None:
    """When one of a parcel's sources was heard last; `None` while there is none."""
    return max((datetime.fromisoformat(source["at"]) for source in sources), default=None)


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


def _view(how: str, trace: Trace, answer: str, at: datetime) -> dict[str, Any]:
    part = trace.model_dump(mode="json", include={"provider", "carrier", "scans"})
    return {"how": how, "answer": answer, "at": at.isoformat(), **part}
