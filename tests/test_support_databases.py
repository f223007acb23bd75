"""A test's database is used again, with its sessions: opening others costs more than most tests do."""

from __future__ import annotations

import asyncpg
from databases import Database, Prover, emptied
from ledger_samples import funded

from ledger.book import Book
from ledger.register import Register
from local.postgres import Postgres


async def test_the_next_test_gets_an_empty_database_and_its_sessions(
    database: Database, postgres_server: Postgres, outside: asyncpg.Pool
) -> None:
    for _ in range(2):
        await funded(Register(database.pool), Book(database.pool))
        (movement,) = await database.pool.fetch("SELECT id FROM movements")
        assert movement["id"] == 1
        again = await emptied(postgres_server, database, outside)
        assert (again.pool, again.owner) == (database.pool, database.owner)
        for table in ("orders", "accounts", "movements", "transfers"):
            assert await again.owner.fetchval(f"SELECT count(*) FROM {table}") == 0


async def test_a_database_is_swept_of_many_rows_as_well(database: Database) -> None:
    await database.owner.execute(
        "INSERT INTO movements (reference, currency, request_hash, occurred_at)"
        " SELECT 'adjustment/' || n, 'CNY', '', now() FROM generate_series(1, 3001) n"
    )
    await database.sweeper.sweep()
    assert await database.owner.fetchval("SELECT count(*) FROM movements") == 0
    assert await database.owner.fetchval("SELECT pg_relation_size('movements')") == 0


async def test_a_prover_that_waits_to_prove_holds_no_lock(database: Database) -> None:
    """A test that breaks the books proves nothing, and the sweeper empties long tables under a lock of its own."""
    prover = await Prover.connect(database.worker_dsn)
    try:
        held = await database.owner.fetchval(
            "SELECT count(*) FROM pg_locks WHERE pid = $1", prover.session.get_server_pid()
        )
        assert held == 0
    finally:
        await prover.session.close()


async def test_a_session_that_a_test_left_open_is_ended(
    database: Database, postgres_server: Postgres, outside: asyncpg.Pool
) -> None:
    left = [await asyncpg.connect(dsn) for dsn in (database.worker_dsn, database.owner_dsn)]
    again = await emptied(postgres_server, database, outside)
    vars(database).update(vars(again))  # what the fixture empties next
    for session in left:
        assert session.is_closed() or await _is_dead(session)


async def _is_dead(session: asyncpg.Connection) -> bool:
    try:
        await session.execute("SELECT 1")
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        return True
    return False
