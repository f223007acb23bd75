"""Migrations on a real PostgreSQL: once, together, never edited, and the roles they leave."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio

from core.errors import Misconfigured, Unavailable
from ledger import migrate as module
from ledger.migrate import Migration, migrate, migrations, pending
from ledger.pool import open_pool
from local.postgres import OWNER, Postgres

NAMES = [migration.name for migration in migrations()]
_numbers = itertools.count(1)


@pytest_asyncio.fixture(loop_scope="session")
async def empty(postgres_server: Postgres) -> AsyncIterator[str]:
    """The owner's URL of a database with nothing in it."""
    name = f"empty_{next(_numbers)}"
    outside = await asyncpg.connect(postgres_server.owner_dsn)
    await outside.execute(f"CREATE DATABASE {name}")
    yield f"{postgres_server.owner_dsn.rpartition('/')[0]}/{name}"
    await outside.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await outside.close()


async def _pending(dsn: str) -> list[str]:
    connection = await asyncpg.connect(dsn)
    try:
        return await pending(connection)
    finally:
        await connection.close()


def test_names_are_numbered_in_order() -> None:
    numbers = [name[:4] for name in NAMES]
    assert all(number.isdecimal() for number in numbers)
    assert sorted(set(numbers)) == numbers


async def test_an_empty_database_gets_every_migration_once(empty: str) -> None:
    assert await _pending(empty) == NAMES
    assert await migrate(empty) == NAMES
    assert await _pending(empty) == []
    assert await migrate(empty) == []


async def test_migrating_many_times_at_once_applies_each_file_once(empty: str) -> None:
    applied = await asyncio.gather(*(migrate(empty) for _ in range(6)))
    assert sorted(applied) == [[]] * 5 + [NAMES]


async def test_an_edited_migration_is_refused(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await migrate(empty)
    edited = [Migration(migration.name, migration.sql + "\n-- better") for migration in migrations()]
    monkeypatch.setattr(module, "migrations", lambda: edited)
    with pytest.raises(
        Misconfigured,
        match=rf"by another build .*{NAMES[0]}, {NAMES[1]}, {NAMES[2]} and \d+ more: .* cannot",
    ):
        await migrate(empty)


async def test_a_migration_that_fails_leaves_nothing_behind(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = [*migrations(), Migration("9999_broken.sql", "CREATE TABLE half (x INT); SELECT 1 / 0")]
    monkeypatch.setattr(module, "migrations", lambda: broken)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(empty)
    monkeypatch.undo()
    assert await _pending(empty) == NAMES


async def test_a_later_migration_is_applied_alone(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await migrate(empty)
    later = [*migrations(), Migration("9999_later.sql", "CREATE TABLE later (x INT)")]
    monkeypatch.setattr(module, "migrations", lambda: later)
    assert await _pending(empty) == ["9999_later.sql"]
    assert await migrate(empty) == ["9999_later.sql"]


async def test_the_owner_cannot_be_the_worker(empty: str) -> None:
    with pytest.raises(Misconfigured, match="cannot be the worker"):
        await migrate(empty, worker=OWNER)


async def test_an_owner_who_may_not_make_roles_is_told_what_to_do(empty: str) -> None:
    with pytest.raises(Misconfigured, match='CREATE ROLE "worker of another" LOGIN'):
        await migrate(empty, worker="worker of another")
    assert await _pending(empty) == NAMES


async def test_a_database_that_does_not_answer_is_named_without_its_password() -> None:
    dsn = "postgresql://someone:secret@127.0.0.1:1/books"
    for call in (migrate(dsn), open_pool(dsn)):
        with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1/books") as refused:
            await call
        assert "secret" not in str(refused.value)
