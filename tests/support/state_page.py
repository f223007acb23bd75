"""`docs/state-machine.md`: the arrows and tables that it shows, and the arrows that orders take."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from core.order.state import OrderState

PAGE = (Path(__file__).parents[2] / "docs" / "state-machine.md").read_text(encoding="utf-8")
SECTIONS = {section.partition("\n")[0]: section for section in PAGE.split("\n## ")}
REGIONS = {
    "Phase": "phase",
    "Audit, by parcel": "audit",
    "Receipt": "receipt",
    "A refund": "refund",
    "After-sale": "case",
}
"""Section → the region that its diagram draws."""
Edge = tuple[str, str]


def drawn(section: str) -> set[Edge]:
    """The arrows of a section's diagram, without its beginning and its ends."""
    arrows = re.findall(r"^ +(\S+) --> ([\w*\[\]]+)", SECTIONS[section], re.MULTILINE)
    return {(one, other) for one, other in arrows if "[*]" not in (one, other)}


def rows(section: str) -> list[list[str]]:
    """A section's table without its head: cells by row."""
    lines = [line.strip("| ") for line in SECTIONS[section].splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.split(" | ")] for line in lines]


def names(cell: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", cell))


def own_holds() -> dict[str, tuple[str, str]]:
    """The holds of our own that the page names: name → scope and owner."""
    return {next(iter(names(row[0]))): (row[1], row[2]) for row in rows("Holds of our own")}


class Watcher:
    """Sees every change of a state: the core makes them all with `changed`."""

    def __init__(self) -> None:
        self.edges: dict[str, set[Edge]] = {region: set() for region in REGIONS.values()}
        self.holds: dict[str, tuple[str, str]] = {}

    def see(self, before: OrderState, after: OrderState) -> None:
        self._edge("phase", before.phase, after.phase)
        self._edge("receipt", before.receipt.status, after.receipt.status)
        parcels = {parcel.parcel_id: parcel.audit for parcel in before.parcels}
        for parcel in after.parcels:
            self._edge("audit", parcels.get(parcel.parcel_id, parcel.audit), parcel.audit)
        refunds = {refund.cause: refund.status for refund in before.refunds}
        for refund in after.refunds:
            self._edge("refund", refunds.get(refund.cause, refund.status), refund.status)
        stages = {case.case_id: case.stage for case in before.cases}
        for case in after.cases:
            self._edge("case", stages.get(case.case_id, case.stage), case.stage)
        for hold in after.holds:
            if not hold.owner.startswith("operator "):
                self.holds[hold.name] = (hold.scope, hold.owner)

    def _edge(self, region: str, before: str, after: str) -> None:
        if before != after:
            self.edges[region].add((before, after))

    def not_drawn(self) -> dict[str, object]:
        """What was seen and stands not on the page: arrows by region, and holds."""
        wrong: dict[str, object] = {
            region: more for section, region in REGIONS.items() if (more := self.edges[region] - drawn(section))
        }
        if strange := self.holds.items() - own_holds().items():
            wrong["holds"] = strange
        return wrong


@contextmanager
def watching() -> Iterator[Watcher]:
    """Watch every order of this process meanwhile."""
    watcher, change = Watcher(), OrderState.changed

    def watched(self: OrderState, **fields: Any) -> OrderState:
        copied = change(self, **fields)
        watcher.see(self, copied)
        return copied

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OrderState, "changed", watched)
        yield watcher
