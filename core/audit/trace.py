"""The trace of a parcel as every carrier adapter produces it: the port's answer, whatever the vendor."""

from __future__ import annotations

from typing import Literal

from core.messages import Message, Scan, Stage, Time

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
"""Stages that a carrier reports only with the parcel in its hands; a label is printed paper, a cancellation a wish."""

SILENT_ANSWERS: frozenset[TraceAnswer] = frozenset({"throttled", "auth", "unavailable"})
"""Answers that say something about the provider and nothing about the parcel. Never evidence."""


class Trace(Message):
    """All that one provider knows of one waybill at one time; scans ascending by time, each once.

    `no_trace`, `unknown_carrier` and `bad_number` speak about the parcel, `throttled`, `auth` and `unavailable`
    about the provider. `detail` is for people.
    """

    provider: str
    carrier: str
    waybill: str
    fetched_at: Time
    answer: TraceAnswer
    scans: tuple[Scan, ...] = ()
    detail: str | None = None
