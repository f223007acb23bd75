"""PostgreSQL for tests: one real server a session, one migrated template, a clone of it for each test.

When a test ends, every proof must hold; a test that breaks the books on purpose says so (`database.broken = True`).
A clone is emptied and used again, which takes a quarter of the time of another.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from ledger.book import Book
from ledger.migrate import migrate
from ledger.pool import SCHEMA, open_pool
from ledger.proofs import prove
from ledger.register import Register
from local.postgres import Postgres

_numbers = itertools.count(1)
_spare: list[str] = []
"""Clones that were emptied."""

_KEPT = ("transfers", "movements", "accounts", "payout_account_changes")
"""Tables whose triggers let nothing be removed."""


@dataclass
class Database:
    """A migrated database of one test's own: a pool as the worker, and a connection as the owner."""

    name: str
    owner_dsn: str
    worker_dsn: str
    pool: asyncpg.Pool[Any]
    owner: asyncpg.Pool[Any]
    broken: bool = False

    async def balance(self, path: str, currency: str = "CNY") -> int:
        """A balance, stored or summed up; 0 where there is no such account."""
        return int(
            await self.pool.fetchval(
                "SELECT coalesce(sum(CASE WHEN a.id = t.credit_account THEN t.amount_minor ELSE -t.amount_minor END"
                " * CASE WHEN a.kind IN ('liability', 'income') THEN 1 ELSE -1 END), 0) FROM accounts a"
                " JOIN transfers t ON a.id IN (t.debit_account, t.credit_account)"
                " WHERE a.path = $1 AND a.currency = $2",
                path,
                currency,
            )
        )


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """The server of the session, from the wheel's own binaries."""
    server = Postgres(tmp_path_factory.mktemp("postgres"), durable=False)
    server.start()
    yield server
    server.remove()


def _at(dsn: str, database: str) -> str:
    return f"{dsn.rpartition('/')[0]}/{database}"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def template(postgres_server: Postgres) -> str:
    """The name of a migrated database that nobody connects to."""
    connection = await asyncpg.connect(postgres_server.owner_dsn)
    await connection.execute("CREATE DATABASE dakuan_template")
    await connection.close()
    await migrate(_at(postgres_server.owner_dsn, "dakuan_template"))
    return "dakuan_template"


@pytest_asyncio.fixture(loop_scope="session")
async def database(postgres_server: Postgres, template: str) -> AsyncIterator[Database]:
    """A database of the test's own, and empty. When the test ends, the proofs hold."""
    outside = await asyncpg.connect(postgres_server.owner_dsn)
    name = _spare.pop() if _spare else await _clone(outside, template)
    owner_dsn, worker_dsn = _at(postgres_server.owner_dsn, name), _at(postgres_server.worker_dsn, name)
    pool, owner = await open_pool(worker_dsn, size=16), await open_pool(owner_dsn, size=4)
    found = Database(name, owner_dsn, worker_dsn, pool, owner)
    try:
        yield found
        if not found.broken:
            violated = [proof for proof in await prove(pool) if not proof.holds]
            assert not violated, violated
    finally:
        pool.terminate()
        owner.terminate()
        await outside.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = $1 AND backend_type = 'client backend'",
            name,
        )
        await outside.close()
        await _empty(owner_dsn)
        _spare.append(name)


async def _clone(connection: asyncpg.Connection[Any], template: str) -> str:
    name = f"dakuan_test_{next(_numbers)}"
    await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return name


async def _empty(owner_dsn: str) -> None:
    connection = await asyncpg.connect(owner_dsn, server_settings={"search_path": SCHEMA})
    try:
        async with connection.transaction():
            tables = await connection.fetch(
                "SELECT tablename FROM pg_tables WHERE schemaname = $1 AND tablename <> 'schema_migrations'", SCHEMA
            )
            for table in _KEPT:
                await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            await connection.execute(f"TRUNCATE {', '.join(row['tablename'] for row in tables)} RESTART IDENTITY")
            for table in _KEPT:
                await connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    finally:
        await connection.close()


@pytest.fixture
def book(database: Database) -> Book:
    return Book(database.pool)


@pytest.fixture
def register(database: Database) -> Register:
    return Register(database.pool)
