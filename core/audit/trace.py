"""The trace of a parcel as every carrier adapter produces it: the port's answer, the same for every vendor."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from operator import lt
from typing import Annotated, Literal

from pydantic import Field

from core.fields import Message, Time
from core.messages import Scan, Stage

Lacking = Literal["phone", "service"]
"""What a question may lack: digits of the phone on the label, or the right service of the carrier."""

TraceAnswer = Literal["found", "no_trace", "unknown_carrier", "bad_number", "throttled", "auth", "unavailable"]

PHYSICAL_STAGES: frozenset[Stage] = frozenset(
    {
        "picked_up",
        "in_transit",
        "arrived",
        "out_for_delivery",
        "locker",
        "delivered",
        "returning",
        "returned",
        "refused",
        "exception",
        "customs",
    }
)
"""Stages that a carrier reports only with the parcel in its hands. A printed label and a cancellation do not count."""

ON_THE_WAY: frozenset[Stage] = frozenset({"label", "in_transit", "arrived", "out_for_delivery", "customs"})
"""Stages that move no parcel on: between its first scan and its delivery nothing waits for them."""

SILENT_ANSWERS: frozenset[TraceAnswer] = frozenset({"throttled", "auth", "unavailable"})
"""Answers about the provider, not about the parcel. They are never evidence."""


class Trace(Message):
    """All that one provider knows of one waybill at one time; scans ascending by time, each once.

    `no_trace`, `unknown_carrier` and `bad_number` speak about the parcel, `throttled`, `auth` and `unavailable`
    about the provider. `detail` is for people.
    """

    provider: str
    carrier: str
    """The carrier the provider answered for.

    It may be another than was asked, where the provider found the number there.
    """
    waybill: str
    fetched_at: Time
    answer: TraceAnswer
    scans: tuple[Scan, ...] = ()
    detail: str | None = None
    contact: Literal["matched", "refused", "sender"] | None = None
    """Whether the last four digits of the buyer's phone, sent with the query, were the right ones for this number;
    `sender`: those of the sender's phone were."""
    weight_g: Annotated[int, Field(ge=1)] | None = None
    """What the carrier weighed."""
    lacking: Lacking | None = None
    """What the question lacked. A `no_trace` to such a question says nothing about the parcel."""
    question: str = ""
    """Which of several questions this answers: a service of the carrier, the sender's digits. "" where there is one."""
    questions: Annotated[int, Field(ge=1)] = 1
    """How many questions it takes until a `no_trace` covers all that the provider could know of the number."""


def merge(traces: Iterable[Trace]) -> list[Scan]:
    """All scans of several looks, providers and pushes, ascending, each event once.

    The same event from two sources has the same time and stage, and the same text or none: providers have codes of
    their own, and pushes often come without text. Of two such scans the one with a place is kept.
    """
    traces = tuple(traces)
    if len(traces) == 1:
        times = [scan.at for scan in traces[0].scans]
        if all(map(lt, times, times[1:])):
            return list(traces[0].scans)
    kept: dict[tuple[datetime, str], list[Scan]] = {}
    # Where a further text of the same time and stage stands: a trace may have thousands of one moment.
    places: dict[tuple[datetime, str, str], int] = {}
    for scan in (scan for trace in traces for scan in trace.scans):
        alike = kept.setdefault((scan.at, scan.stage), [])
        if not alike:
            alike.append(scan)
        elif not scan.text or not alike[0].text or alike[0].text == scan.text:
            alike[0] = _fuller(alike[0], scan)
        elif (place := places.setdefault((scan.at, scan.stage, scan.text), len(alike))) < len(alike):
            alike[place] = _fuller(alike[place], scan)
        else:
            alike.append(scan)
    merged = [scan for alike in kept.values() for scan in alike]
    merged.sort(key=_moment)
    return merged


def moves_on(known: Iterable[Scan], fresh: Iterable[Scan]) -> bool:
    """Whether new scans move a parcel on: the first physical one, a delivery, a way back, or anything after a delivery.

    Args:
        known: the scans that were there before.
    """
    known, fresh = tuple(known), tuple(fresh)
    if any(scan.stage not in ON_THE_WAY for scan in fresh):
        return True
    if not any(scan.stage in PHYSICAL_STAGES for scan in known):
        return any(scan.stage in PHYSICAL_STAGES for scan in fresh)
    ended = min((scan.at for scan in known if scan.stage == "delivered"), default=None)
    return ended is not None and any(scan.at > ended for scan in fresh)


def _moment(scan: Scan) -> datetime:
    return scan.at


def _fuller(one: Scan, other: Scan) -> Scan:
    score_one = (one.city is not None, bool(one.text))
    score_other = (other.city is not None, bool(other.text))
    return other if score_other > score_one else one
