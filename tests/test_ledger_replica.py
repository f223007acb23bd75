"""Lists are read from a replica: a real one, made by `pg_basebackup`, that follows, is cut off, and comes back."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from databases import Database
from http_in_process import in_process
from replicas import Standby
from waiting import WITHIN, until

from bench.drills.archived import Archived
from bench.line import Line
from commands.postgres_findings import REPLICA, DoctorFinding, look_at_database
from config import Settings
from core.errors import Misconfigured, Unavailable
from ledger import replica as replicas
from ledger import sessions
from ledger.long_reads import long_reads
from ledger.migrate import migrate
from ledger.pool import Pool, open_pool, translate_errors
from ledger.register import Register
from ledger.replica import Followed, ReadPool, compare_replica, follow
from ledger.safeguarding import safeguards
from local.ports import LOOPBACK
from wiring.watching import measure


@pytest.fixture(scope="module")
def primary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archived]:
    server = Archived(tmp_path_factory.mktemp("primary"), durable=False)
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="module")
def standby(primary: Archived, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standby]:
    asyncio.run(migrate(primary.owner_dsn))
    server = Standby(tmp_path_factory.mktemp("standby"), primary)
    server.start()
    yield server
    server.remove()


@pytest_asyncio.fixture
async def pool(primary: Archived) -> AsyncIterator[Pool]:
    found = await open_pool(primary.worker_dsn, size=2)
    yield found
    await found.close()


@asynccontextmanager
async def reading(pool: Pool, address: str | None) -> AsyncIterator[ReadPool]:
    reads = ReadPool(pool, address)
    try:
        yield reads
    finally:
        await reads.close()


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica on a busy machine may take its time: only tests about limits have short ones."""
    for name in ("PRIMARY_ANSWERS_WITHIN", "LOOKS_WITHIN", "ANSWERS_WITHIN", "LAG_MOST"):
        monkeypatch.setattr(replicas, name, WITHIN)


async def _is_standby(reads: ReadPool) -> bool:
    return bool(await reads.fetchval("SELECT pg_is_in_recovery()"))


async def _follows(reads: ReadPool) -> None:
    """Return once the replica answers. One that begins takes readers before it has a receiver, and what the test before
    wrote last may reach it late; then it would be left alone for AWAY_FOR.
    """

    async def answers() -> bool:
        reads._away_until = reads._look_at = 0.0
        return await _is_standby(reads)

    await until(answers)


async def test_reads_go_to_the_replica_that_follows(primary: Archived, standby: Standby, pool: Pool) -> None:
    async with reading(pool, standby.worker_dsn) as reads:
        await _follows(reads)
        register = Register(reads.as_pool)
        await Register(pool).policies.keep("default", "h1", "text")
        stored = await until(lambda: register.policies.newest("default"))
        assert stored is not None
        assert stored.text == "text"
        assert await register.orders.rows(limit=1) == []
        async with long_reads(reads.as_pool) as snapshot:
            assert [row["standby"] for row in await snapshot.fetch("SELECT pg_is_in_recovery() AS standby")] == [True]
        assert await safeguards(reads.as_pool) == []
        gauges = {name: value for name, _, value in await measure(Register(pool), _AWAY, reads)}
        assert gauges["replica_used"] == 1.0
        assert gauges["replica_lag_seconds"] < replicas.LAG_MOST


class _Away:
    """A Temporal that is not there."""

    def __getattr__(self, name: str) -> object:
        raise RuntimeError(name)


_AWAY: Any = _Away()


async def test_what_only_the_primary_can_do_is_asked_of_it(standby: Standby, pool: Pool) -> None:
    async with reading(pool, standby.worker_dsn) as reads:
        await _follows(reads)
        assert await reads.fetchval("SELECT pg_current_xact_id() IS NOT NULL")
        assert not reads.is_away


async def test_a_snapshot_that_the_replica_cannot_answer_is_asked_of_the_primary_next(
    standby: Standby, pool: Pool
) -> None:
    async with reading(pool, standby.worker_dsn) as reads:
        await _follows(reads)
        with pytest.raises(Unavailable, match="The same again asks the primary"):
            async with translate_errors(), reads.acquire() as connection:
                await connection.fetchval("SELECT count(*) FROM what_a_migration_adds")
        async with reads.acquire() as connection:
            assert not await connection.fetchval("SELECT pg_is_in_recovery()")


async def test_one_whose_receiver_runs_and_gets_nothing_is_not_asked(
    primary: Archived, standby: Standby, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As behind a dead line: PostgreSQL itself counts no lag until the receiver gives up, a minute later."""
    monkeypatch.setattr(replicas, "LOOK_EVERY", 0.0)
    monkeypatch.setattr(replicas, "LAG_MOST", 0.0)
    monkeypatch.setattr(replicas, "AWAY_FOR", 0.05)
    monkeypatch.setattr(replicas, "ARRIVES_WITHIN", 0.02)
    async with reading(pool, standby.worker_dsn) as reads:
        # While it catches up the primary is asked, which has no receiver.
        while (receiver := await reads.fetchval("SELECT pid FROM pg_stat_wal_receiver")) is None:
            pass
        os.kill(receiver, signal.SIGSTOP)
        try:
            await Register(pool).policies.keep("default", "h2", "text")
            assert not await _is_standby(reads)
            assert 0.0 < reads.lag < 60.0
            gauges = {name: value for name, _, value in await measure(Register(pool), _AWAY, reads)}
            assert gauges["replica_lag_seconds"] == reads.lag
            compared = await compare_replica(primary.worker_dsn, standby.worker_dsn)
            assert (compared.same_cluster, compared.lag) == (True, math.inf)
        finally:
            os.kill(receiver, signal.SIGCONT)
        while not await _is_standby(reads):
            pass


async def test_a_replica_that_goes_away_is_not_missed(
    standby: Standby, pool: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    async with reading(pool, standby.worker_dsn) as reads:
        await _follows(reads)
        await asyncio.to_thread(standby.stop)
        try:
            with caplog.at_level(logging.WARNING, logger="dakuan.replica"):
                assert not await _is_standby(reads)
            assert "the primary answers" in caplog.text
            gauges = {name: value for name, _, value in await measure(Register(pool), _AWAY, reads)}
            assert gauges["replica_used"] == 0.0
        finally:
            await asyncio.to_thread(standby.start)
        await _follows(reads)
        assert not reads.is_away


async def test_one_behind_a_dead_line_delays_a_list_for_its_limit_alone(
    standby: Standby, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = standby.ports["port"]
    async with Line.to(LOOPBACK, port) as line:
        address = standby.worker_dsn.replace(f":{port}/", f":{line.listens_at}/")
        async with reading(pool, address) as reads:
            await _follows(reads)
            for name in ("LOOKS_WITHIN", "ANSWERS_WITHIN"):
                monkeypatch.setattr(replicas, name, 0.2)
            monkeypatch.setattr(sessions, "CANCELS_WITHIN", 0.1)
            line.part()
            assert not await _is_standby(reads)
            assert reads.is_away
            async with reads.acquire() as connection:
                assert not await connection.fetchval("SELECT pg_is_in_recovery()")
            line.heal()


async def test_one_that_is_far_behind_is_not_asked(
    standby: Standby, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def behind(*_: Pool) -> Followed:
        return Followed(99.0, has_all=True)

    monkeypatch.setattr(replicas, "follow", behind)
    async with reading(pool, standby.worker_dsn) as reads:
        assert not await _is_standby(reads)
        assert (reads.is_away, reads.lag) == (True, 99.0)


async def test_a_replica_is_asked_while_the_primary_cannot_say_what_it_wrote(
    standby: Standby, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with reading(pool, standby.worker_dsn) as reads:
        monkeypatch.setattr(replicas, "_WRITTEN", "SELECT pg_sleep(9)")
        monkeypatch.setattr(replicas, "PRIMARY_ANSWERS_WITHIN", 0.01)
        await _follows(reads)


async def test_one_of_another_cluster_is_never_asked(
    database: Database, pool: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    async with reading(pool, database.worker_dsn) as reads:
        await reads.fetchval("SELECT 1")
        assert reads.is_away
    assert "DATABASE_READ_URL is not used: it is of another cluster" in caplog.text


async def test_without_a_replica_the_primary_answers(pool: Pool) -> None:
    async with reading(pool, None) as reads:
        assert await reads.fetchval("SELECT 1") == 1
        assert (reads.is_set, await measure(Register(pool), _AWAY, reads) != []) == (False, True)
    assert await follow(pool, pool) == Followed(0.0, has_all=None)


async def test_who_changed_something_reads_where_it_was_written(database: Database) -> None:
    copies = Register(database.pool)
    async with in_process(database) as gateway:
        object.__setattr__(gateway.service, "copies", copies)
        key = await gateway.key()
        sender = f"key:{key}"
        assert gateway.service.lists(sender) is copies
        gateway.service.recent.note(sender)
        assert gateway.service.lists(sender) is gateway.service.register
        assert (await gateway.ask("GET", "/v1/orders", key)).status_code == 200
        before = len(gateway.service.recent._until)
        await gateway.ask("POST", "/v1/withdrawals", key, {})
        assert len(gateway.service.recent._until) == before + 1


# --- doctor ----------------------------------------------------------------------------------------------


async def _found(primary: str, replica: str) -> DoctorFinding:
    rows = await look_at_database(Settings(database_url=primary, database_read_url=replica))
    return next(row for row in rows if row.name == REPLICA)


async def test_the_doctor_says_how_far_it_is_behind(primary: Archived, standby: Standby) -> None:
    row = await until(lambda: _found(primary.worker_dsn, standby.worker_dsn), lambda row: row.ok)
    assert not row.required
    assert row.found.startswith("a standby of the primary, ")


async def test_the_doctor_names_what_is_no_replica(primary: Archived, database: Database) -> None:
    same = await _found(primary.worker_dsn, primary.worker_dsn)
    assert (same.ok, "takes writes, not to a replica" in same.found) == (False, True)
    other = await _found(primary.worker_dsn, database.worker_dsn)
    assert (other.ok, "another cluster" in other.found) == (False, True)
    away = await _found(primary.worker_dsn, f"postgresql://x@{LOOPBACK}:1/x")
    assert (away.ok, away.required, "does not answer" in away.found) == (False, False, True)


def test_an_address_that_cannot_be_read_is_named() -> None:
    with pytest.raises(Misconfigured, match="DATABASE_READ_URL"):
        Settings.from_env({"DATABASE_READ_URL": "mysql://x", "DAKUAN_HOME": str(Path("/nowhere"))})
