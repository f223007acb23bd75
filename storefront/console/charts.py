"""Charts as numbers: where each mark of a picture stands. The templates draw them, so that no style is inline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.audit.policy import AuditPolicy
from core.messages import Scan

STEP, MARGIN = 132, 66
MOST = 10
"""Stops on one line; of a longer trace the first and the last ones are drawn."""
LONG = AuditPolicy().gap_max
"""A longer time without a scan is a gap."""


@dataclass(frozen=True)
class Stop:
    """One scan on the line. `after`: the time since the one before; `left_out`: how many scans were left out there."""

    x: int
    scan: Scan
    after: timedelta | None
    left_out: int = 0

    @property
    def is_gap(self) -> bool:
        return self.after is not None and self.after > LONG


@dataclass(frozen=True)
class ScanLine:
    """A parcel's way. `silence`: how long nothing followed until someone last looked, where that is long."""

    width: int
    stops: tuple[Stop, ...]
    silence: timedelta | None

    @property
    def end(self) -> int:
        return self.width - MARGIN


def scan_line(scans: Sequence[Scan], looked_at: datetime | None) -> ScanLine | None:
    """The line of a trace; None without a scan.

    Args:
        scans: ascending.
        looked_at: when someone last asked.
    """
    if not scans:
        return None
    left_out = max(len(scans) - MOST, 0)
    head = MOST // 2
    drawn = [*range(head), *range(head + left_out, len(scans))] if left_out else list(range(len(scans)))
    stops = []
    for place, index in enumerate(drawn):
        before = scans[drawn[place - 1]].at if place else None
        after = scans[index].at - before if before is not None else None
        stops.append(Stop(MARGIN + place * STEP, scans[index], after, left_out if left_out and place == head else 0))
    last = scans[-1]
    silent = looked_at - last.at if looked_at is not None and last.stage not in {"delivered", "returned"} else None
    silence = silent if silent is not None and silent > LONG else None
    width = 2 * MARGIN + (len(stops) - 1 + (silence is not None)) * STEP
    return ScanLine(width, tuple(stops), silence)


@dataclass(frozen=True)
class Bar:
    """One bar: its name, its amount, and its length in parts of a thousand of the longest."""

    name: str
    amount: int
    length: int


def bars(amounts: Sequence[tuple[str, int]]) -> tuple[Bar, ...]:
    """Bars in the given order; an amount above zero is always seen."""
    longest = max((amount for _, amount in amounts), default=0)
    return tuple(
        Bar(name, amount, max(round(1000 * amount / longest), 4) if amount > 0 and longest else 0)
        for name, amount in amounts
    )
