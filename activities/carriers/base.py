"""The port to whoever knows where parcels are: a carrier, or an aggregator of many.

A new one is a class with `trace`, in a file of its own beside this one:

    class HarborCarrier:
        async def trace(self, query: TraceQuery) -> Trace:
            try:
                reply = await self._http.get(f"parcels/{query.waybill}")
                parcel = reply.read(_Parcel)
            except (Unavailable, UnreadableAnswer) as error:
                return silent(query, "harbor", "unavailable", str(error))
            return found(query, "harbor", [scan_of(event) for event in parcel.history])
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, Protocol

from activities.clock import activity_time
from core.audit.masking import mask
from core.audit.trace import Trace, TraceAnswer
from core.messages import Message, Scan

Silence = Literal["throttled", "auth", "unavailable"]
_LONGEST_DETAIL = 300


class TraceQuery(Message):
    """One number of one carrier. Some carriers answer only with the last four digits of a phone."""

    carrier: str
    waybill: str
    phone_last4: str | None = None


class Carrier(Protocol):
    """Tells all that is known of a parcel."""

    async def trace(self, query: TraceQuery) -> Trace:
        """The trace, or which silence it was. Never raises for what the provider does.

        `no_trace`, `unknown_carrier` and `bad_number` only where the provider says so in its own words; everything
        else that is no trace is `throttled`, `auth` or `unavailable`, which is evidence of nothing.
        """
        ...


def found(query: TraceQuery, provider: str, scans: Iterable[Scan], detail: str | None = None) -> Trace:
    """A trace with these scans, ascending, each once, its texts masked; without scans `no_trace`."""
    unique = {(scan.at, scan.code, scan.stage, scan.city, scan.text): scan for scan in scans}
    ordered = sorted(unique.values(), key=lambda scan: scan.at)
    masked = tuple(scan.model_copy(update={"text": mask(scan.text)}) if scan.text else scan for scan in ordered)
    return _trace(query, provider, "found" if masked else "no_trace", masked, detail)


def told(query: TraceQuery, provider: str, answer: TraceAnswer, detail: str | None = None) -> Trace:
    """The provider's word that it has nothing on the number."""
    return _trace(query, provider, answer, (), detail)


def silent(query: TraceQuery, provider: str, why: Silence, detail: str) -> Trace:
    """The provider said nothing about the parcel."""
    return _trace(query, provider, why, (), detail)


def _trace(query: TraceQuery, provider: str, answer: TraceAnswer, scans: tuple[Scan, ...], detail: str | None) -> Trace:
    return Trace(
        provider=provider,
        carrier=query.carrier,
        waybill=query.waybill,
        fetched_at=activity_time(),
        answer=answer,
        scans=scans,
        detail=detail[:_LONGEST_DETAIL] if detail else None,
    )
