"""A posting reads what it is about, however long the books have become: counted in rows, not in seconds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from asyncpg.pool import PoolConnectionProxy
from databases import Database

from core.movements import Leg, Movement, adjustment
from ledger.book import Book

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LONG = 2_000
"""Movements after which a plan that reads all of them shows."""
FEW = 30
"""Rows that one movement of two legs may read: its accounts, its reference, its foreign keys."""

POST = "SELECT outcome FROM post($1, $2, $3, $4, $5, $6, $7, $8, $9)"
ROWS_READ = (
    "SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables"
    " WHERE relname IN ('movements', 'transfers', 'accounts')"
)


def _movement(number: int) -> Movement:
    legs = [Leg("psp/bench", f"merchant/{number % 32}/available", 95), Leg("psp/bench", "income/commission", 5)]
    return adjustment(f"bench/{number}", "CNY", NOW, legs)


def _columns(number: int) -> tuple[object, ...]:
    legs = _movement(number).legs
    return (
        [f"bench/{number}"],
        ["CNY"],
        [NOW],
        [None],
        [None],
        [1] * len(legs),
        [leg.debit for leg in legs],
        [leg.credit for leg in legs],
        [leg.amount_minor for leg in legs],
    )


async def _rows_read_for(session: PoolConnectionProxy[Any], number: int) -> int:
    """Rows that one posting reads in this session, with the plans that it has."""
    async with session.transaction():
        before = await session.fetchval(ROWS_READ)
        assert await session.fetchval(POST, *_columns(number)) == "posted"
        return int(await session.fetchval(ROWS_READ) - before)


async def test_a_session_reads_as_little_when_the_books_have_become_long(database: Database) -> None:
    book = Book(database.owner)
    async with database.owner.acquire() as session:
        assert await _rows_read_for(session, 10_000) <= FEW
        for begin in range(0, LONG, 500):
            await book.post_all([_movement(number) for number in range(begin, begin + 500)])
            assert await _rows_read_for(session, 10_001 + begin) <= FEW
            await database.owner.execute("ANALYZE")
            assert await _rows_read_for(session, 20_001 + begin) <= FEW
