"""Reads over whole tables (proofs, reconciliation, safeguarding): one snapshot, and a time limit of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from ledger.pool import Connected, translate_errors

LONG_READ_WITHIN = 300.0
"""Seconds for one query of a part of the books; an ordinary call has `ledger.pool.ANSWER_WITHIN`."""
WHOLE_READ_WITHIN = 1_500.0
"""Seconds for one query over all of them: millions of orders take minutes, and no try goes on where one ended."""


class LongReads:
    """A connection inside one read-only snapshot: a movement posted during the read is seen whole or not at all."""

    def __init__(self, connection: Any, within: float = LONG_READ_WITHIN) -> None:
        self.connection = connection
        self._within = within

    async def fetch(self, query: str, *arguments: object) -> list[Any]:
        """All rows."""
        return list(await self.connection.fetch(query, *arguments, timeout=self._within))

    def of_all(self) -> LongReads:
        """The same snapshot, for queries over the whole books."""
        return LongReads(self.connection, WHOLE_READ_WITHIN)

    @asynccontextmanager
    async def with_nested_loops(self) -> AsyncIterator[None]:
        """For a query that is known to find each row through an index."""
        await self.connection.execute("SET LOCAL enable_nestloop = on")
        yield
        await self.connection.execute("SET LOCAL enable_nestloop = off")


@asynccontextmanager
async def long_reads(source: Connected) -> AsyncIterator[LongReads]:
    """A snapshot over a pool or a connection. Inside an open transaction, it is that transaction's view.

    Raises:
        Unavailable: the database does not answer; a retry helps.
    """
    async with translate_errors():
        if isinstance(source, (asyncpg.Connection, PoolConnectionProxy)):
            async with _snapshot(source) as reads:
                yield reads
        else:
            async with source.acquire() as connection, _snapshot(connection) as reads:
                yield reads


@asynccontextmanager
async def _snapshot(connection: Any) -> AsyncIterator[LongReads]:
    whole = {} if connection.is_in_transaction() else {"isolation": "repeatable_read", "readonly": True}
    async with connection.transaction(**whole):
        # These queries join whole tables. The planner may guess that one side has a few rows: after a large import, or
        # behind a condition that hides the number. Then a nested loop reads the other side once for each row: minutes
        # instead of a second. A hash join is never much worse here.
        await connection.execute("SET LOCAL enable_nestloop = off")
        yield LongReads(connection)
