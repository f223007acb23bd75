"""What judging a parcel costs grows as its scans do, also where a carrier writes very many of one kind or moment."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from types import FrameType
from typing import Any

import pytest
from audited_parcels import a_trace, hour

from bench.parcels import honest
from core.audit.policy import AuditPolicy
from core.audit.trace import Trace, merge, moves_on
from core.audit.verdict import audit
from core.messages import Scan, Stage

FEW, MANY = 100, 1_000


def _scans(count: int, stages: Sequence[Stage], apart: timedelta) -> list[Scan]:
    cities = ("杭州市", "北京市", None)
    return [
        Scan(
            at=hour(1) + number * apart,
            code=str(number),
            stage=stages[number % len(stages)],
            city=cities[number % 3],
            text=f"text {number}",
        )
        for number in range(count)
    ]


def _lines_run(act: Callable[[], Any]) -> int:
    """How many lines of Python this runs."""
    lines = 0

    def note(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return note

    before = sys.gettrace()
    sys.settrace(note)
    try:
        act()
    finally:
        sys.settrace(before)
    return lines


@pytest.mark.parametrize("apart", [timedelta(0), timedelta(minutes=1)])
@pytest.mark.parametrize(
    "stages",
    [
        ("in_transit",),
        ("returning", "delivered"),
        ("in_transit", "arrived", "delivered", "returning", "exception", "out_for_delivery", "picked_up"),
    ],
)
def test_an_audit_runs_as_many_more_lines_as_there_are_more_scans(stages: Sequence[Stage], apart: timedelta) -> None:
    shipment = honest(1, 1)

    def judged(count: int) -> int:
        trace = a_trace(*_scans(count, stages, apart))
        return _lines_run(
            lambda: audit(shipment.order, shipment.parcel, (trace,), AuditPolicy(), hour(1) + timedelta(days=9))
        )

    judged(FEW)  # places are remembered
    assert judged(MANY) < 1.5 * judged(FEW) * MANY / FEW


class _Counted(datetime):
    """A time that counts how often it is compared."""

    compared = 0

    def __lt__(self, other: Any) -> bool:
        _Counted.compared += 1
        return super().__lt__(other)

    def __gt__(self, other: Any) -> bool:
        _Counted.compared += 1
        return super().__gt__(other)


def test_news_is_compared_with_the_first_delivery_and_not_with_each() -> None:
    def told(count: int, stage: Stage, hours: int) -> list[Scan]:
        at = _Counted.fromisoformat(hour(hours).isoformat())
        return [Scan.model_construct(at=at, code=str(number), stage=stage) for number in range(count)]

    assert not moves_on(told(MANY, "delivered", 9), told(MANY, "in_transit", 5))
    assert _Counted.compared <= 2 * MANY


def _merged_by_hand(traces: Sequence[Trace]) -> list[Scan]:
    """Each scan beside each one before it of the same time and stage."""

    def worth(scan: Scan) -> tuple[bool, bool]:
        return scan.city is not None, bool(scan.text)

    kept: dict[tuple[datetime, str], list[Scan]] = {}
    for scan in (scan for trace in traces for scan in trace.scans):
        alike = kept.setdefault((scan.at, scan.stage), [])
        for index, known in enumerate(alike):
            if not known.text or not scan.text or known.text == scan.text:
                alike[index] = scan if worth(scan) > worth(known) else known
                break
        else:
            alike.append(scan)
    return sorted((scan for alike in kept.values() for scan in alike), key=lambda scan: scan.at)


def test_traces_are_merged_as_by_comparing_each_scan_with_each() -> None:
    chance = random.Random(1)
    for _ in range(400):
        scans = [
            Scan(
                at=hour(chance.randint(1, 2)),
                code=str(number),
                stage="arrived",
                city=chance.choice((None, "杭州市", "北京市")),
                text=chance.choice((None, "one", "two", "three")),
            )
            for number in range(chance.randint(1, 9))
        ]
        cut = chance.randint(0, len(scans))
        traces = [a_trace(*scans[:cut]), a_trace(*scans[cut:], provider="two")]
        assert merge(traces) == _merged_by_hand(traces)
