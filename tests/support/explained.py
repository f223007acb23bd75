"""A pool that counts what each query read: in buffers of 8 KB, not in seconds."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg


def index_conditions(plan: Any, table: str) -> list[str]:
    """What bounds each scan of an index of this table, from a plan or a part of one."""
    named = plan.get("Plan", plan)
    own = [named.get("Index Cond", "")] if named.get("Index Name", "").startswith(f"{table}_") else []
    return own + [found for part in named.get("Plans", ()) for found in index_conditions(part, table)]


def read_whole(plan: Any) -> set[str]:
    """The tables of which a plan, or a part of one, reads every row."""
    named = plan.get("Plan", plan)
    own = {named["Relation Name"]} if named["Node Type"] == "Seq Scan" else set()
    return own.union(*(read_whole(part) for part in named.get("Plans", ())))


def rows_read(plan: Any) -> float:
    """How many rows the scans of a plan, or of a part of one, looked at, also those that they left out."""
    named = plan.get("Plan", plan)
    looked_at = named["Actual Rows"] + named.get("Rows Removed by Filter", 0)
    own = looked_at * named["Actual Loops"] if "Scan" in named["Node Type"] else 0
    return own + sum(rows_read(part) for part in named.get("Plans", ()))


class Explained:
    """A pool that keeps the buffers which each query touched."""

    def __init__(self, pool: asyncpg.Pool[Any]) -> None:
        self._pool = pool
        self.buffers = 0
        self.plans: list[Any] = []

    async def _explain(self, query: str, arguments: tuple[object, ...]) -> None:
        text = await self._pool.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}", *arguments)
        (plan,) = json.loads(text)
        self.plans.append(plan)
        self.buffers += plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Explained]:
        """A connection that counts, too."""
        yield self

    @asynccontextmanager
    async def transaction(self, **_how: object) -> AsyncIterator[None]:
        """A reader's: what is counted here changes nothing meanwhile."""
        yield

    async def fetch(self, query: str, *arguments: object) -> list[Any]:
        await self._explain(query, arguments)
        return list(await self._pool.fetch(query, *arguments))

    async def fetchrow(self, query: str, *arguments: object) -> Any:
        await self._explain(query, arguments)
        return await self._pool.fetchrow(query, *arguments)

    async def fetchval(self, query: str, *arguments: object) -> Any:
        await self._explain(query, arguments)
        return await self._pool.fetchval(query, *arguments)
