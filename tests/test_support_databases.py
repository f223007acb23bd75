"""A test's database is used again, with its sessions: opening others costs more than most tests do."""

from __future__ import annotations

import asyncpg
from databases import Database, emptied
from ledger_samples import an_order, opened

from ledger.register import Register
from local.postgres import Postgres


async def test_the_next_test_gets_an_empty_database_and_its_sessions(
    database: Database, postgres_server: Postgres, outside: asyncpg.Pool
) -> None:
    await opened(Register(database.pool), an_order("A1"))
    again = await emptied(postgres_server, database, outside)
    assert (again.pool, again.owner) == (database.pool, database.owner)
    assert await again.owner.fetchval("SELECT count(*) FROM orders") == 0


async def test_a_session_that_a_test_left_open_is_ended(
    database: Database, postgres_server: Postgres, outside: asyncpg.Pool
) -> None:
    left = [await asyncpg.connect(dsn) for dsn in (database.worker_dsn, database.owner_dsn)]
    again = await emptied(postgres_server, database, outside)
    database.pool, database.owner = again.pool, again.owner  # what the fixture empties next
    for session in left:
        assert session.is_closed() or await _is_dead(session)


async def _is_dead(session: asyncpg.Connection) -> bool:
    try:
        await session.execute("SELECT 1")
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        return True
    return False
