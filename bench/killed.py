"""`python -m bench killed`: a worker is killed with many orders in flight, and started again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from bench.crowd import Crowd, crowd
from bench.engines import happy
from bench.figures import FigureFile, Figures, show, write
from ledger.proofs import prove

FIRST_MAX_S = 3.0
ALL_MAX = 1.5
"""Of the time that as many orders take at the steady rate."""
BEFORE = 0.05
"""The share that is credited when the worker is killed."""
GIVES_UP_AFTER = 1800.0


def killed(
    orders: Annotated[int, typer.Option(min=20, help="Orders in flight.")] = 1_000,
    json: FigureFile = None,
) -> None:
    """kill -9 with orders in flight: the first credit and all credits after the restart, against the steady rate."""
    asyncio.run(_measure(orders, json))


async def _measure(orders: int, file: Path | None) -> None:
    async with crowd() as people, people.worker() as worker:
        steady = await _steady_rate(people, max(24, orders // 10))
        begun = await people.moved("credit")
        names = [f"K{number:06}" for number in range(orders)]
        await people.each(people.deliver, names)
        # The worker dies while buyers confirm: were all to confirm first, a slow client would leave few in flight.
        confirming = asyncio.create_task(people.each(people.confirm, names))
        await people.until_moved("credit", begun + max(1, int(orders * BEFORE)), GIVES_UP_AFTER)
        await worker.kill()
        await confirming
        before = await people.moved("credit")
        await worker.start()
        first = await people.until_moved("credit", before + 1, GIVES_UP_AFTER)
        rest = await people.until_moved("credit", begun + orders, GIVES_UP_AFTER)
        await people.until_moved("settle", begun + orders, GIVES_UP_AFTER)
        broken = [proof.name for proof in await prove(people.pool) if not proof.holds]
    figures: Figures = {
        "killed_in_flight": float(begun + orders - before),
        "killed_first_credit_s": first,
        "killed_all_credited_s": first + rest,
        "killed_all_ratio_steady": (first + rest) / (orders / steady),
        "killed_steady_per_s": steady,
        "killed_proofs_broken": float(len(broken)),
    }
    rows = [
        ("first credit", f"{first:.1f} s", f"≤ {FIRST_MAX_S:.0f} s"),
        ("all credited", f"{first + rest:.1f} s", f"≤ {ALL_MAX * orders / steady:.1f} s"),
        ("proofs that fail", ", ".join(broken) or "none", "none"),
    ]
    show(
        f"A worker killed with {begun + orders - before:,} orders in flight",
        ("after the restart", "measured", "goal"),
        rows,
        figures,
    )
    write(figures, file)


async def _steady_rate(people: Crowd, orders: int) -> float:
    """Whole orders a second, of clients that wait for each step."""
    names = [f"R{number:06}" for number in range(orders)]
    return orders / await people.each(lambda order_id: happy(people.product, people.pool, order_id), names)
