"""PostgreSQL for tests: one real server a session, one migrated template, a clone of it for each test.

When a test ends, every proof must hold. A test that breaks the books on purpose sets `database.broken = True`. A clone
is emptied and used again, which takes a quarter of the time of a new one.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from ledger.book import Book
from ledger.migrate import migrate
from ledger.pool import SCHEMA, Connected, open_pool
from ledger.proofs import prove
from ledger.register import Register
from local.postgres import Postgres

_numbers = itertools.count(1)
_spare: dict[str, Database] = {}
"""Clones that were emptied, by name."""

_KEPT = (
    *("transfers", "movements", "accounts", "payout_account_changes", "policy_moves"),
    *("licence_moves", "grade_moves", "merchant_moves", "deposit_moves"),
)
"""Tables whose triggers forbid removal."""
_CLIENTS = "FROM pg_stat_activity WHERE datname = $1 AND usename IS NOT NULL"
"""Sessions of both roles. Of another role's sessions the server shows no more than this."""
_END_OWN = f"SELECT pg_terminate_backend(pid, 5000) {_CLIENTS} AND usename = current_user"
_TOUCHED = """
SELECT t.relname FROM pg_class t
WHERE t.relnamespace = $1::TEXT::regnamespace AND t.relkind = 'r'
  AND t.relname NOT IN ('schema_migrations', 'movement_kinds', 'movement_legs', 'safeguards')
  AND (pg_relation_size(t.oid) > 0 OR EXISTS (
      SELECT FROM pg_depend d JOIN pg_class s ON s.oid = d.objid
      WHERE d.refobjid = t.oid AND CASE WHEN s.relkind = 'S' THEN pg_sequence_last_value(s.oid) END IS NOT NULL))
"""
"""Tables that have or had rows, or whose identity counters were used."""

LIFTED = (
    "SELECT set_safeguard('cooling', INTERVAL '0', 'tests', 'accounts are paid at once'),"
    " set_safeguard('clock_skew', INTERVAL '100 years', 'tests', 'tests have a time of their own'),"
    " set_safeguard('kept', INTERVAL '7 days', 'tests', 'as shipped')"
)
"""Gives each safeguard its value for tests, where it has another."""


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
        """A balance, stored or computed; 0 where there is no such account."""
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
async def outside(postgres_server: Postgres) -> AsyncIterator[asyncpg.Pool[Any]]:
    """The owner, connected to a database that no test uses."""
    async with asyncpg.create_pool(postgres_server.owner_dsn, min_size=1, max_size=1) as pool:
        yield pool


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def template(postgres_server: Postgres, outside: asyncpg.Pool[Any]) -> str:
    """The name of a migrated database that no test connects to."""
    await outside.execute("CREATE DATABASE dakuan_template")
    await migrate(_at(postgres_server.owner_dsn, "dakuan_template"))
    await lift_safeguards(_at(postgres_server.owner_dsn, "dakuan_template"))
    return "dakuan_template"


@pytest_asyncio.fixture(loop_scope="session")
async def database(postgres_server: Postgres, template: str, outside: asyncpg.Pool[Any]) -> AsyncIterator[Database]:
    """A database of the test's own, and empty. When the test ends, the proofs hold."""
    name = next(iter(_spare), None) or await _clone(outside, template)
    found = _spare.pop(name, None) or await _connected(postgres_server, name)
    try:
        yield found
        if not found.broken:
            violated = [proof for proof in await prove(found.pool) if not proof.holds]
            assert not violated, violated
    finally:
        _spare[name] = await emptied(postgres_server, found, outside)


async def _clone(outside: asyncpg.Pool[Any], template: str) -> str:
    name = f"dakuan_test_{next(_numbers)}"
    await outside.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return name


async def _connected(server: Postgres, name: str) -> Database:
    owner_dsn, worker_dsn = _at(server.owner_dsn, name), _at(server.worker_dsn, name)
    return Database(
        name, owner_dsn, worker_dsn, await open_pool(worker_dsn, size=16), await open_pool(owner_dsn, size=4)
    )


async def emptied(server: Postgres, used: Database, outside: asyncpg.Pool[Any]) -> Database:
    """The database without rows, and without other connections than ours. Pools in use are opened again."""
    pools = (used.pool, used.owner)
    idle = all(pool.get_size() == pool.get_idle_size() for pool in pools)
    there = await outside.fetchval(f"SELECT count(*) {_CLIENTS}", used.name)
    if not idle or there != sum(pool.get_size() for pool in pools):
        for pool in pools:
            pool.terminate()
        await outside.execute(_END_OWN, used.name)
        worker = await asyncpg.connect(server.worker_dsn)
        await worker.execute(_END_OWN, used.name)
        await worker.close()
        used = await _connected(server, used.name)
    async with used.owner.acquire() as connection, connection.transaction():
        await _empty(connection)
        await connection.execute(LIFTED)
    return replace(used, broken=False)


async def _empty(connection: Connected) -> None:
    """Remove all rows, and count from 1 again. Most tables were not touched and are skipped."""
    touched = [row["relname"] for row in await connection.fetch(_TOUCHED, SCHEMA)]
    if not touched:
        return
    for table in _KEPT:
        await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    await connection.execute(f"TRUNCATE {', '.join(touched)} RESTART IDENTITY CASCADE")
    for table in _KEPT:
        await connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


async def lift_safeguards(owner_dsn: str) -> None:
    """Allow payouts to new accounts at once, and any clock: most tests are about something else."""
    async with asyncpg.create_pool(owner_dsn, min_size=1, max_size=1, server_settings={"search_path": SCHEMA}) as pool:
        await pool.execute(LIFTED)


@pytest.fixture
def book(database: Database) -> Book:
    return Book(database.pool)


@pytest.fixture
def register(database: Database) -> Register:
    return Register(database.pool)


@pytest.fixture
def owners(database: Database) -> Register:
    """The register as the owner, for changes that a worker's role may not make."""
    return Register(database.owner)


WAITING = "FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname = current_database()"
"""Sessions of this database that wait for a lock."""


async def until_a_lock_is_waited_for(database: Database) -> None:
    """Return once a session waits for a lock that another one holds."""
    async with asyncio.timeout(30):
        while True:
            if await database.owner.fetchval(f"SELECT count(*) {WAITING}"):
                return
            await asyncio.sleep(0.01)
