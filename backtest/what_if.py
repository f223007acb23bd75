"""Past orders under two policies, side by side: how long money was held, how orders ended, where a person looked."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rich.console import Console

from backtest.building import unfit
from backtest.lives import Lived
from backtest.past import PastOrder, past_orders
from backtest.replaying import Pair
from backtest.report import at_share
from backtest.rows import read_folder
from core.errors import BadInput
from core.policy import parse_policy
from screens import table

A_PIECE = 20_000
"""Orders of one process, which learns the paths of their lives: for fewer another one would not be quicker."""
DAY = timedelta(days=1)
BUCKETS = (5, 10, 15, 20, 25, 30, 40, 60, 90)
"""Days: the upper ends of the chart's bars; the last bar has the rest."""
WIDEST = 40
"""Characters of the longest bar."""


@dataclass(frozen=True)
class Side:
    """What became of the past orders under one policy."""

    name: str
    content_hash: str
    lived: tuple[Lived, ...]

    @property
    def figures(self) -> dict[str, float]:
        """Counts, and days that money was held."""
        endings = Counter(one.ending for one in self.lived)
        days = sorted(one.held / DAY for one in self.lived if one.held is not None)
        waited = sorted(one.waited / DAY for one in self.lived if one.waited is not None)
        return {
            "orders": len(self.lived),
            **{ending: endings[ending] for ending in ("credited", "cancelled", "refunded", "waiting")},
            "auto_confirmed": sum(one.confirmed_by == "timeout" for one in self.lived),
            "reviewed": sum(one.reviewed for one in self.lived),
            "false_holds": sum(one.falsely_held for one in self.lived),
            "false_refunds": sum(one.falsely_refunded for one in self.lived),
            "cases": sum(one.case is not None for one in self.lived),
            "waited_days_median": at_share(waited, 0.5),
            "waited_days_p90": at_share(waited, 0.9),
            "held_days_mean": round(sum(days) / len(days), 2) if days else 0.0,
            "held_days_median": at_share(days, 0.5),
            "held_days_p90": at_share(days, 0.9),
            "held_days_p99": at_share(days, 0.99),
        }

    @property
    def chart(self) -> list[int]:
        """Orders by days held, a bar for each of BUCKETS and one for the rest; what still waits is in no bar."""
        counts = [0] * (len(BUCKETS) + 1)
        for one in self.lived:
            if one.held is not None:
                days = one.held / DAY
                counts[next((place for place, end in enumerate(BUCKETS) if days < end), len(BUCKETS))] += 1
        return counts


@dataclass(frozen=True)
class WhatIf:
    """The same past under two policies."""

    old: Side
    new: Side
    changed: tuple[tuple[Lived, Lived], ...]
    """Orders that end otherwise."""
    unusable: int
    seconds: float

    @property
    def orders_per_second(self) -> float:
        """Lives a second, of both policies."""
        return round(2 * len(self.new.lived) / self.seconds, 1) if self.seconds else 0.0

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "old": {"policy": self.old.name, "content_hash": self.old.content_hash, **self.old.figures},
            "new": {"policy": self.new.name, "content_hash": self.new.content_hash, **self.new.figures},
            "changed": [
                {"order_id": old.order_id, "old": old.ending, "new": new.ending, "expected": new.expected}
                for old, new in self.changed
            ],
            "chart": {"days": list(BUCKETS), "old": self.old.chart, "new": self.new.chart},
            "unusable_rows": self.unusable,
            "orders_per_second": self.orders_per_second,
        }


def compare(new_text: str, old_text: str, folder: Path, limit: int | None = None) -> WhatIf:
    """Live the paid orders of a folder under both policies.

    Raises:
        BadInput: a policy or the folder cannot be read, or has no paid order.
    """
    new, old = parse_policy(new_text), parse_policy(old_text)
    tables = read_folder(folder)
    orders, unusable = past_orders(tables)
    paid = [past for past in orders if past.paid_at is not None and unfit(past, "orders") is None][:limit]
    if not paid:
        raise BadInput(f"{folder}: there is no paid order in it")
    began = time.perf_counter()
    lives = list(_lived((old_text, new_text), paid))
    seconds = time.perf_counter() - began
    before, after = tuple(pair[0] for pair in lives), tuple(pair[1] for pair in lives)
    return WhatIf(
        old=Side(old.name, old.content_hash, before),
        new=Side(new.name, new.content_hash, after),
        changed=tuple((a, b) for a, b in lives if a.ending != b.ending),
        unusable=len(unusable),
        seconds=seconds,
    )


def _lived(texts: tuple[str, str], paid: Sequence[PastOrder]) -> Iterator[tuple[Lived, Lived]]:
    """Each order's two lives, in the order of the file; on every core where there are many."""
    pieces = [paid[start : start + A_PIECE] for start in range(0, len(paid), A_PIECE)]
    if len(pieces) == 1 or (os.cpu_count() or 1) == 1:
        for piece in pieces:
            yield from live_piece(texts, piece)
        return
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for lived in pool.map(live_piece, [texts] * len(pieces), pieces):
            yield from lived


def live_piece(texts: tuple[str, str], paid: Sequence[PastOrder]) -> list[tuple[Lived, Lived]]:
    """A piece of the past under both policies."""
    pair = Pair(*(parse_policy(text) for text in texts))
    return [pair.live(past) for past in paid]


# --- for people ------------------------------------------------------------------------------------------

NAMES = {
    "auto_confirmed": "confirmed by timeout",
    "reviewed": "a person looked",
    "false_holds": "false holds",
    "false_refunds": "false refunds",
    "cases": "after-sale cases",
    "waited_days_median": "days waited for a refund, median",
    "waited_days_p90": "days waited for a refund, 90 %",
    "held_days_mean": "days held, mean",
    "held_days_median": "days held, median",
    "held_days_p90": "days held, 90 %",
    "held_days_p99": "days held, 99 %",
    "waiting": "still waiting",
}


def show_comparison(console: Console, found: WhatIf) -> None:
    """The figures side by side, the chart, and the first orders that end otherwise."""
    old, new = found.old.figures, found.new.figures
    rows = [
        (NAMES.get(name, name), _number(before), _number(new[name]), _change(before, new[name]))
        for name, before in old.items()
    ]
    sides = tuple(f"{which}: {side.name} {side.content_hash[:8]}" for which, side in _sides(found))
    console.print(table("What if", ("figure", *sides, "change"), rows, numbers=(*sides, "change")))
    console.print(table("Orders by days held", ("days", "", "orders", "bar"), _bars(found), numbers=("orders",)))
    if found.changed:
        rows = [(a.order_id, a.ending, b.ending, b.expected) for a, b in found.changed[:10]]
        title = f"{len(found.changed)} orders end otherwise; the first of them"
        console.print(table(title, ("order", "old", "new", "by the record"), rows))
    console.print(f"{found.orders_per_second:,.0f} lives a second; {found.unusable} rows could not be used.")
    console.print(
        "A reviewer is taken to need the whole review_sla (of a case decide_within), and to decide as the record says."
        " The channel is taken to refund at once."
    )


def _sides(found: WhatIf) -> tuple[tuple[str, Side], tuple[str, Side]]:
    return ("old", found.old), ("new", found.new)


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def _change(old: float, new: float) -> str:
    difference = new - old
    return "" if not difference else f"{'+' if difference > 0 else ''}{_number(round(difference, 2))}"


def _bars(found: WhatIf) -> list[tuple[str, str, str, str]]:
    most = max(*found.old.chart, *found.new.chart, 1)
    starts = (0, *BUCKETS)
    rows = []
    for place, start in enumerate(starts):
        label = f"{start} to {BUCKETS[place]}" if place < len(BUCKETS) else f"{start} and more"
        for which, side in _sides(found):
            count = side.chart[place]
            bar = ("█" if which == "new" else "░") * max(round(count * WIDEST / most), 1 if count else 0)
            rows.append((label if which == "old" else "", which, f"{count:,}", bar))
    return rows
