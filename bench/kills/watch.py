"""Reads the register for many that wait: one query a look, where each alone would ask a hundred times a second."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import asyncpg

LOOK_EVERY = 0.03
"""Seconds."""
_LOOK = """
SELECT order_id AS id, phase, audit FROM orders WHERE order_id = ANY($1)
UNION ALL
SELECT withdrawal_id, state_name, NULL FROM withdrawals WHERE withdrawal_id = ANY($1)
"""
Row: TypeAlias = Mapping[str, Any]
"""`id`, `phase` of an order or a withdrawal, and an order's `audit`."""


class Watch:
    """Looks on behalf of all who wait for an order or a withdrawal; see `watching`."""

    def __init__(self, pool: asyncpg.Pool[Any]) -> None:
        self._pool = pool
        self._waiting: dict[str, tuple[Callable[[Row], bool], asyncio.Future[None]]] = {}

    async def until(self, subject: str, holds: Callable[[Row], bool]) -> None:
        """Return once this holds of an order's or a withdrawal's row. One waits for a subject at a time."""
        seen = asyncio.get_running_loop().create_future()
        self._waiting[subject] = holds, seen
        try:
            await seen
        finally:
            del self._waiting[subject]

    async def look(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            for row in await self._pool.fetch(_LOOK, list(self._waiting)) if self._waiting else ():
                holds, seen = self._waiting.get(row["id"], (None, None))
                if holds is not None and seen is not None and not seen.done() and holds(row):
                    seen.set_result(None)


@asynccontextmanager
async def watching(pool: asyncpg.Pool[Any]) -> AsyncIterator[Watch]:
    """A watch that looks while the block runs. What stops it from looking cancels the block."""
    watch = Watch(pool)
    async with asyncio.TaskGroup() as looking:
        task = looking.create_task(watch.look())
        try:
            yield watch
        finally:
            task.cancel()
