"""Connections: a demoted primary, several hosts, a pooler in transaction mode, wrong encodings, refused addresses."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from databases import Database
from waiting import WITHIN, until, until_so

from bench.line import Line
from core.errors import DatabaseUnavailable, Misconfigured, Unavailable
from ledger import sessions
from ledger.book import Book
from ledger.inspecting import inspect_database
from ledger.migrate import migrate
from ledger.pool import Pool, connect, open_pool, translate_errors
from ledger.register import Register
from local.ports import accepts, free_port
from local.postgres import Postgres

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")


@pytest.fixture(scope="module")
def other_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A server of this module's own, which may be demoted."""
    server = Postgres(tmp_path_factory.mktemp("other"), durable=False)
    server.start()
    yield server
    server.remove()


def demote(server: Postgres, demoted: bool) -> None:
    server.take_writes(not demoted)


async def settled(server: Postgres, demoted: bool) -> None:
    """Wait until a new session sees it."""

    async def read_only() -> bool:
        connection = await asyncpg.connect(server.owner_dsn)
        setting = await connection.fetchval("SHOW default_transaction_read_only")
        await connection.close()
        return bool(setting == "on")

    await until(read_only, lambda found: found is demoted)


async def test_sessions_of_a_demoted_primary_are_given_up_and_the_next_try_finds_the_primary(
    database: Database, other_server: Postgres
) -> None:
    await migrate(other_server.owner_dsn)
    await _same_password(database, other_server)
    old, new = urlsplit(other_server.owner_dsn), urlsplit(database.owner_dsn)
    both = f"postgresql://{old.username}:{old.password}@127.0.0.1:{old.port},127.0.0.1:{new.port}/{database.name}"
    connection = await asyncpg.connect(other_server.owner_dsn)
    await connection.execute(f"CREATE DATABASE {database.name}")
    await connection.close()
    pool = await open_pool(both, size=2)
    try:
        ports = "SELECT current_setting('port')"
        assert await pool.fetchval(ports) == str(old.port)
        demote(other_server, True)
        await settled(other_server, True)
        with pytest.raises(DatabaseUnavailable, match="not the primary"):
            async with translate_errors():
                await pool.execute("CREATE TABLE public.t (x INT)")
        assert await pool.fetchval(ports) == str(new.port)
    finally:
        pool.terminate()
        demote(other_server, False)
        await settled(other_server, False)


async def test_a_dead_line_holds_a_statement_for_its_limit_and_no_longer(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver has a late statement cancelled, and would wait for that before a ROLLBACK and before the release."""
    monkeypatch.setattr(sessions, "CANCELS_WITHIN", WITHIN)
    address = urlsplit(database.worker_dsn)
    assert address.hostname is not None
    assert address.port is not None
    async with Line.to(address.hostname, address.port) as line:
        pool = await open_pool(database.worker_dsn.replace(f":{address.port}/", f":{line.listens_at}/"), size=1)
        async with pool.acquire() as connection:
            with pytest.raises(TimeoutError):
                await connection.fetchval("SELECT pg_sleep(9)", timeout=0.05)
            assert await connection.fetchval("SELECT 1") == 1  # a slow statement ends no session
        monkeypatch.setattr(sessions, "CANCELS_WITHIN", 0.1)
        async with asyncio.timeout(WITHIN):
            line.part()
            with pytest.raises(TimeoutError):
                await pool.fetchval("SELECT 1", timeout=0.05)
            line.heal()
            with pytest.raises((TimeoutError, asyncpg.InterfaceError)):
                await _parted_in_a_transaction(pool, line)
        line.heal()
        assert await pool.fetchval("SELECT 1") == 1
        pool.terminate()


async def _parted_in_a_transaction(pool: Pool, line: Line) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await connection.fetchval("SELECT 1")
        line.part()
        await connection.fetchval("SELECT 1", timeout=0.05)


async def test_every_try_while_there_is_no_primary_says_so(other_server: Postgres) -> None:
    pool = await open_pool(other_server.owner_dsn, size=1)
    try:
        demote(other_server, True)
        await settled(other_server, True)
        for _ in range(3):
            with pytest.raises(DatabaseUnavailable, match="not the primary"):
                async with translate_errors():
                    await pool.execute("CREATE TABLE public.t (x INT)")
    finally:
        pool.terminate()
        demote(other_server, False)
        await settled(other_server, False)


async def _same_password(database: Database, other: Postgres) -> None:
    mine, theirs = urlsplit(database.owner_dsn), urlsplit(other.owner_dsn)
    connection = await asyncpg.connect(other.owner_dsn)
    await connection.execute(f"ALTER ROLE {theirs.username} PASSWORD '{mine.password}'")
    await connection.close()
    keys = other.home / "postgres.keys"
    keys.write_text(keys.read_text().replace(str(theirs.password), str(mine.password)))


async def test_a_server_that_takes_no_writes_is_called_that_and_looked_at_all_the_same(other_server: Postgres) -> None:
    await migrate(other_server.owner_dsn)
    demote(other_server, True)
    try:
        await settled(other_server, True)
        for attempt in (open_pool(other_server.worker_dsn), connect(other_server.worker_dsn)):
            with pytest.raises(DatabaseUnavailable, match="is read-only, not the primary") as caught:
                await attempt
            assert str(urlsplit(other_server.worker_dsn).password) not in str(caught.value)
        assert (await inspect_database(other_server.worker_dsn)).read_only
    finally:
        demote(other_server, False)
        await settled(other_server, False)


async def test_several_hosts_are_tried_in_their_order(database: Database) -> None:
    where = urlsplit(database.worker_dsn)
    several = database.worker_dsn.replace(f"127.0.0.1:{where.port}", f"127.0.0.1:9,127.0.0.1:{where.port}")
    pool = await open_pool(several)
    assert await pool.fetchval("SELECT 1") == 1
    pool.terminate()


@pytest.mark.parametrize("query", ["connect_timeout=10", "channel_binding=prefer", "keepalives=1", "pgbouncer=true"])
async def test_parameters_of_other_drivers_are_taken(database: Database, query: str) -> None:
    pool = await open_pool(f"{database.worker_dsn}?{query}")
    assert await Register(pool).breaks.comparisons()
    pool.terminate()


async def test_what_the_server_refuses_is_misconfigured_and_shows_no_password(database: Database) -> None:
    where = urlsplit(database.worker_dsn)
    wrong = [
        database.worker_dsn.replace(str(where.password), "unmistakable"),
        database.worker_dsn.replace(str(where.username), "no_such_role"),
        f"{database.worker_dsn}_missing",
        f"{database.worker_dsn}?sslmode=allow".replace(str(where.password), "unmistakable"),
        f"{database.worker_dsn}?sslmode=perhaps",
        f"{database.worker_dsn}?sslmode=require",
        f"{database.worker_dsn}?sslmode=verify-full&sslrootcert=system",
        f"{database.worker_dsn}?sslmode=prefer&sslrootcert=/nowhere/ca.pem",
        f"{database.worker_dsn}?sslmode=prefer&sslcert=/nowhere/cert.pem&sslkey=/nowhere/key.pem",
        f"{database.worker_dsn}?target_session_attrs=standby",
    ]
    for dsn in wrong:
        with pytest.raises((Misconfigured, Unavailable)) as caught:
            await open_pool(dsn)
        assert isinstance(caught.value, Misconfigured), dsn
        assert "unmistakable" not in str(caught.value)
        assert str(where.password) not in str(caught.value)


async def test_another_program_at_its_port_is_waited_for_as_no_answer_is() -> None:
    """A port that a restarting server leaves is another's for a moment; a worker that gave up would stay away."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(8)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as other:
        port = other.sockets[0].getsockname()[1]
        for query in ("", "?sslmode=prefer", "?sslmode=allow", "?sslmode=disable"):
            with pytest.raises(Unavailable, match=f"does not answer at 127.0.0.1:{port}"):
                await open_pool(f"postgresql://u:p@127.0.0.1:{port}/d{query}")


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
async def test_a_database_that_cannot_store_every_text_is_refused(postgres_server: Postgres, encoding: str) -> None:
    name = f"dakuan_{encoding.lower()}"
    outside = await asyncpg.connect(postgres_server.owner_dsn)
    try:
        await outside.execute(
            f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0"
        )
        dsn = f"{postgres_server.owner_dsn.rpartition('/')[0]}/{name}"
        with pytest.raises(Misconfigured, match=f"encoded in {encoding}.*UTF8"):
            await migrate(dsn)
        assert (await inspect_database(dsn)).encoding == encoding
    finally:
        await outside.execute(f"DROP DATABASE {name}")
        await outside.close()


# --- poolers ---------------------------------------------------------------------------------------------


async def test_behind_a_pooler_every_statement_brings_its_settings_along(database: Database) -> None:
    """As an address says it, on a server of one's own: nothing is prepared, nothing of a session is relied on."""
    pool = await open_pool(f"{database.worker_dsn}?pgbouncer=true", size=1)
    try:
        async with pool.acquire() as connection:
            assert await connection.fetchval("SHOW search_path") == "dakuan"
            assert await connection.fetchval("SHOW timezone") == "UTC"
            async with connection.transaction():
                assert await connection.fetchval("SHOW search_path") == "dakuan"
            assert await connection.fetch("SELECT * FROM pg_prepared_statements") == []
            assert (await connection.execute("SELECT 1")) == "SELECT 1"
            assert not connection.is_in_transaction()
    finally:
        pool.terminate()


@pytest.fixture
def bouncer(database: Database, tmp_path: Path) -> Iterator[int]:
    """PgBouncer before the test's database, in transaction mode, with one session of the server for all clients."""
    if PGBOUNCER is None:
        pytest.skip("PgBouncer is not installed")
    port, where = free_port(), urlsplit(database.owner_dsn)
    worker = urlsplit(database.worker_dsn)
    (tmp_path / "users.txt").write_text(
        f'"{where.username}" "{where.password}"\n"{worker.username}" "{worker.password}"\n'
    )
    (tmp_path / "pgbouncer.ini").write_text(
        f"[databases]\n* = host=127.0.0.1 port={where.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nauth_type = plain\nauth_file = {tmp_path}/users.txt\npool_mode = transaction\n"
        "default_pool_size = 2\nunix_socket_dir =\n"
    )
    command = [PGBOUNCER, str(tmp_path / "pgbouncer.ini")]
    options: dict[str, Any] = {}
    if os.geteuid() == 0:  # it does not run as root
        user = pwd.getpwnam("nobody")
        options = {"user": user.pw_uid, "group": user.pw_gid}
        for folder in (tmp_path, *tmp_path.parents):
            if folder.name.startswith(("pytest-", "popen-")):
                folder.chmod(0o755)
        tmp_path.chmod(0o755)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", **options)
    until_so(lambda: accepts(port))
    yield port
    process.terminate()
    process.wait()


async def test_pgbouncer_in_transaction_mode_is_noticed_and_works(database: Database, bouncer: int) -> None:
    port = urlsplit(database.worker_dsn).port
    worker = database.worker_dsn.replace(f":{port}/", f":{bouncer}/")
    owner = database.owner_dsn.replace(f":{port}/", f":{bouncer}/")
    assert await migrate(owner) == []
    pools = [await open_pool(worker, size=4) for _ in range(2)]
    try:
        for pool in pools * 5:
            register, book = Register(pool), Book(pool)
            assert await register.breaks.comparisons()
            assert await register.orders.known("none") is None
            assert book is not None
        seen = await inspect_database(worker)
        assert (seen.pooled, seen.read_only, seen.migrations_missing) == (True, False, ())
    finally:
        for pool in pools:
            pool.terminate()
