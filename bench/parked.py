"""`python -m bench parked`: a worker's memory while ever more orders wait for their shipment."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from bench.crowd import crowd
from bench.figures import FigureFile, Figures, show, write

CACHED = 1_000
"""Workflows that a worker keeps in memory: the SDK's `max_cached_workflows`."""
STEPS = 10
"""How often memory is read on the way."""


def parked(
    orders: Annotated[int, typer.Option(min=20, help="Orders that wait in the end.")] = 20_000,
    json: FigureFile = None,
) -> None:
    """Memory of a worker by parked orders: flat beyond those that it keeps in memory."""
    asyncio.run(_measure(orders, json))


async def _measure(orders: int, file: Path | None) -> None:
    marks = sorted({min(CACHED, orders), *(orders * step // STEPS for step in range(1, STEPS + 1))})
    memory: dict[int, float] = {}
    rates: dict[int, float] = {}
    async with crowd() as people, people.worker() as worker:
        empty, done = worker.memory_mb, 0
        for mark in marks:
            names = [f"P{number:06}" for number in range(done, mark)]
            rates[mark] = len(names) / await people.each(people.product.start, names)
            memory[mark], done = worker.memory_mb, mark
    at_cache, at_end = memory[min(CACHED, orders)], memory[orders]
    beyond = max(1, orders - CACHED)
    figures: Figures = {
        "parked_orders": float(orders),
        "parked_memory_mb": at_end,
        "parked_memory_at_cache_mb": at_cache,
        "parked_memory_ratio_cache": at_end / at_cache,
        "parked_kb_a_cached_order": (at_cache - empty) * 1024 / min(CACHED, orders),
        "parked_kb_a_further_order": (at_end - at_cache) * 1024 / beyond if orders > CACHED else 0.0,
    }
    rows = [("0", f"{empty:.0f}", "")]
    rows += [(f"{mark:,}", f"{memory[mark]:.0f}", f"{rates[mark]:.1f}") for mark in marks]
    show(f"Parked orders, of which a worker keeps {CACHED:,}", ("parked", "worker MB", "started/s"), rows, figures)
    write(figures, file)
