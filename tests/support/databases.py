"""PostgreSQL for tests: one real server a session, one migrated template, a clone of it for each test.

When a test ends, every proof must hold. A test that breaks the books on purpose sets `database.broken = True`. A clone
is emptied and used again, with its sessions. Its rows are deleted, because TRUNCATE and ALTER TABLE change the
catalogue: each session would then plan all of its statements anew.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
import pytest_asyncio
from asyncpg.prepared_stmt import PreparedStatement
from waiting import until

from bench.line import Line
from ledger.book import Book
from ledger.migrate import migrate
from ledger.pool import SCHEMA, open_pool
from ledger.proofs import CLAIMS, Proof, prove
from ledger.register import Register
from ledger.sessions import SETTINGS
from local.postgres import OWNER, Postgres

_numbers = itertools.count(1)
_spare: dict[str, Database] = {}
"""Clones that were emptied, by name."""

_CLIENTS = "FROM pg_stat_activity WHERE datname = $1 AND usename IS NOT NULL"
"""Sessions of both roles. Of another role's sessions the server shows no more than this."""
_END_OWN = f"SELECT pg_terminate_backend(pid, 5000) {_CLIENTS} AND usename = current_user AND pid <> ALL($2)"
_TABLES = """
SELECT oid, relname FROM pg_class
WHERE relnamespace = $1::TEXT::regnamespace AND relkind = 'r'
  AND relname NOT IN ('schema_migrations', 'movement_kinds', 'movement_legs', 'safeguards', 'stored_legs')
"""
_COUNTERS = """
SELECT s.oid FROM pg_class s JOIN pg_depend d ON d.objid = s.oid AND d.classid = 'pg_class'::regclass
WHERE s.relkind = 'S' AND d.refobjid = ANY($1::OID[])
"""
"""The identity counters of tables."""
_WITHOUT_TRIGGERS = """
SELECT string_agg(DISTINCT tgrelid::REGCLASS::TEXT, ', ') FROM pg_trigger WHERE tgenabled <> 'O' AND NOT tgisinternal
"""
"""Tables whose triggers a test has left disabled."""
_AGAINST = " UNION ALL ".join(f"(SELECT FROM ({claim.against}) AS against LIMIT 1)" for claim in CLAIMS)
"""What speaks against any proof: a row, and nothing about it."""
_DEAD_ROWS_MAX = 3_000
"""Deleted rows still cost those who read past them. Beyond this number the tables are truncated."""

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
    sweeper: Sweeper
    prover: Prover
    broken: bool = False

    async def check(self) -> None:
        """That the proofs hold, unless the test broke the books on purpose."""
        if not self.broken:
            assert not (violated := await self.prover.violated()), violated

    async def close(self) -> None:
        """End all sessions. The server has let go of them when this returns."""
        for sessions in (self.pool, self.owner, self.sweeper.session, self.prover.session):
            await sessions.close()

    def end(self) -> None:
        """Give all sessions up."""
        for sessions in (self.pool, self.owner, self.sweeper.session, self.prover.session):
            sessions.terminate()

    async def balances(self, *paths: str) -> list[int]:
        """The balance of each of these accounts."""
        return [await self.balance(path) for path in paths]

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


class _Server(Postgres):
    """One whose owner may skip triggers and foreign keys, to remove what the product never removes."""

    def prepare(self) -> None:
        """Create data folder, roles and database, and grant that right, once."""
        fresh = not self.data.exists()
        super().prepare()
        if fresh:
            grant = f"GRANT SET ON PARAMETER session_replication_role TO {OWNER};\n"
            self._run("postgres", "--single", "-D", str(self.data), "-F", "postgres", stdin=grant)

    def command(self, ports: Mapping[str, int]) -> Sequence[str]:
        """Without vacuum in the background, which would change plans at random moments."""
        return [*super().command(ports), "-c", "autovacuum=off"]


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """The server of the session, from the wheel's own binaries."""
    server = _Server(tmp_path_factory.mktemp("postgres"), durable=False)
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
        for spare in _spare.values():
            spare.end()


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
        await found.check()
        # The next test has this database, too: without them its fences would be down.
        assert await found.sweeper.session.fetchval(_WITHOUT_TRIGGERS) is None
    finally:
        _spare[name] = await emptied(postgres_server, found, outside)


@dataclass
class Copies:
    """Databases that begin with the rows of another one: long books take many times longer to write than to copy."""

    server: Postgres
    template: str
    outside: asyncpg.Pool[Any]

    @asynccontextmanager
    async def original(self) -> AsyncIterator[Database]:
        """An empty database, to be filled and then copied by its name."""
        made = await _connected(self.server, await _clone(self.outside, self.template))
        yield made
        await made.close()  # no database is copied while a session uses it

    @asynccontextmanager
    async def of(self, original: str) -> AsyncIterator[Database]:
        """A copy of one test's own. When the test ends, the proofs hold."""
        made = await _connected(self.server, await _clone(self.outside, original))
        try:
            yield made
            await made.check()
        finally:
            made.end()
            await self.outside.execute(f"DROP DATABASE {made.name} WITH (FORCE)")


@pytest.fixture(scope="session")
def copies(postgres_server: Postgres, template: str, outside: asyncpg.Pool[Any]) -> Copies:
    return Copies(postgres_server, template, outside)


async def _clone(outside: asyncpg.Pool[Any], template: str) -> str:
    name = f"dakuan_test_{next(_numbers)}"
    await outside.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return name


async def _connected(server: Postgres, name: str) -> Database:
    owner_dsn, worker_dsn = _at(server.owner_dsn, name), _at(server.worker_dsn, name)
    sweeper, prover = await Sweeper.connect(owner_dsn), await Prover.connect(worker_dsn)
    return Database(name, owner_dsn, worker_dsn, *await _pools(server, name), sweeper, prover)


async def _pools(server: Postgres, name: str) -> tuple[asyncpg.Pool[Any], asyncpg.Pool[Any]]:
    """The worker's and the owner's."""
    return await open_pool(_at(server.worker_dsn, name), size=16), await open_pool(_at(server.owner_dsn, name), size=4)


@dataclass
class Prover:
    """A session of the worker's role that looks for violated proofs. It keeps their plan: planning costs 20 looks."""

    session: asyncpg.Connection[Any]
    against: PreparedStatement[Any]

    @classmethod
    async def connect(cls, worker_dsn: str) -> Prover:
        """To this database, with the settings of long reads; see `ledger.long_reads`."""
        session = await asyncpg.connect(worker_dsn, server_settings={**SETTINGS, "enable_nestloop": "off"})
        prepared = await session.prepare(_AGAINST)
        # Preparing alone ends no transaction, so its locks would stay: a test that breaks the books proves nothing, and
        # the sweeper would wait for them without end.
        await session.execute("SELECT 1")
        return cls(session, prepared)

    async def violated(self) -> list[Proof]:
        """The proofs that do not hold."""
        against = await self.against.fetch()
        return [proof for proof in await prove(self.session) if not proof.holds] if against else []


@dataclass
class Sweeper:
    """A session that removes all rows of a database."""

    session: asyncpg.Connection[Any]
    tables: Sequence[str]
    counters: Sequence[int]
    dead_rows: int = 0

    @classmethod
    async def connect(cls, owner_dsn: str) -> Sweeper:
        """To this database, past its triggers and foreign keys."""
        settings = {"search_path": SCHEMA, "session_replication_role": "replica"}
        session = await asyncpg.connect(owner_dsn, server_settings=settings)
        tables = await session.fetch(_TABLES, SCHEMA)
        counters = await session.fetch(_COUNTERS, [table["oid"] for table in tables])
        return cls(session, [table["relname"] for table in tables], [counter["oid"] for counter in counters])

    async def sweep(self) -> None:
        """Remove all rows, and count from 1 again."""
        deletes = ", ".join(f"d{n} AS (DELETE FROM {table} RETURNING 1)" for n, table in enumerate(self.tables))
        counts = " + ".join(f"(SELECT count(*) FROM d{n})" for n in range(len(self.tables)))
        restarts = ", ".join(f"setval({counter}, 1, FALSE)" for counter in self.counters)
        self.dead_rows += await self.session.fetchval(f"WITH {deletes} SELECT {counts}, {restarts}")
        if self.dead_rows > _DEAD_ROWS_MAX:
            await self.session.execute(f"TRUNCATE {', '.join(self.tables)}")
            self.dead_rows = 0


async def emptied(server: Postgres, used: Database, outside: asyncpg.Pool[Any]) -> Database:
    """The database without rows, and without other connections than ours. Pools in use are opened again."""
    pools, kept = (used.pool, used.owner), (used.sweeper.session, used.prover.session)
    idle = all(pool.get_size() == pool.get_idle_size() for pool in pools)
    there = await outside.fetchval(f"SELECT count(*) {_CLIENTS}", used.name)
    if not idle or there != len(kept) + sum(pool.get_size() for pool in pools):
        used = await _with_pools_anew(server, used, outside)
    await used.sweeper.sweep()
    await used.owner.execute(LIFTED)
    return replace(used, broken=False)


async def _with_pools_anew(server: Postgres, used: Database, outside: asyncpg.Pool[Any]) -> Database:
    """End all sessions but the two that keep their plans, and open new pools."""
    worker, owner = used.prover.session, used.sweeper.session
    kept = [worker.get_server_pid(), owner.get_server_pid()]
    used.pool.terminate()
    used.owner.terminate()
    for role in (worker, outside):  # each may end those of its own
        await role.execute(_END_OWN, used.name, kept)
    pools = await _pools(server, used.name)
    return replace(used, pool=pools[0], owner=pools[1])


async def lift_safeguards(owner_dsn: str) -> None:
    """Allow payouts to new accounts at once, and any clock: most tests are about something else."""
    async with asyncpg.create_pool(owner_dsn, min_size=1, max_size=1, server_settings={"search_path": SCHEMA}) as pool:
        await pool.execute(LIFTED)


@asynccontextmanager
async def line_to(database: Database, *, owner: bool = False) -> AsyncIterator[tuple[Line, str]]:
    """A line to the server of this database, and the database's address behind it, for the worker's role or the
    owner's.
    """
    dsn = database.owner_dsn if owner else database.worker_dsn
    address = urlsplit(dsn)
    assert address.hostname is not None
    assert address.port is not None
    async with Line.to(address.hostname, address.port) as line:
        yield line, dsn.replace(f":{address.port}/", f":{line.listens_at}/")


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


async def until_a_lock_is_waited_for(database: Database, *, sessions: int = 1) -> None:
    """Return once so many sessions wait for locks that others hold."""
    await until(
        lambda: database.owner.fetchval(f"SELECT count(DISTINCT pid) {WAITING}"), lambda found: found >= sessions
    )
