"""`ledger/schema.sql` is what the migrations come to, and makes the same schema by itself."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import AsyncIterator

import asyncpg
import pytest_asyncio

from ledger.migrate import migrate, migrations
from ledger.schema import schema_of, written
from local.postgres import WORKER, Postgres

_numbers = itertools.count(1)


@pytest_asyncio.fixture(loop_scope="session")
async def empty(postgres_server: Postgres) -> AsyncIterator[str]:
    """The owner's URL of a database with nothing in it."""
    name = f"schema_{next(_numbers)}"
    outside = await asyncpg.connect(postgres_server.owner_dsn)
    await outside.execute(f"CREATE DATABASE {name}")
    yield f"{postgres_server.owner_dsn.rpartition('/')[0]}/{name}"
    await outside.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await outside.close()


async def test_the_file_is_what_the_migrations_come_to(empty: str) -> None:
    await migrate(empty, worker=WORKER)
    assert await schema_of(empty, WORKER) == written(), "run make schema"


async def test_the_file_alone_makes_the_same_schema(empty: str, template: str) -> None:
    connection = await asyncpg.connect(empty)
    await connection.execute(
        "CREATE SCHEMA dakuan; SET search_path = dakuan; CREATE TABLE schema_migrations (name TEXT);"
        " ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC"
    )
    await connection.execute(written())
    await connection.execute("ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC")
    await connection.close()
    assert await schema_of(empty, WORKER) == written()


async def test_a_change_of_the_schema_is_seen(empty: str) -> None:
    await migrate(empty, worker=WORKER)
    for change, seen in (
        ("ALTER TABLE orders ADD COLUMN colour TEXT", "colour text"),
        ("ALTER TABLE orders DROP CONSTRAINT order_never_refunds_more_than_paid", ""),
        ("ALTER DOMAIN currency_code DROP CONSTRAINT currency_is_iso4217", "CREATE DOMAIN currency_code"),
        ("CREATE INDEX orders_by_colour ON orders (phase)", "orders_by_colour ON orders"),
        ("DROP TRIGGER movements_are_only_added ON movements", ""),
        ("ALTER FUNCTION post SET enable_hashjoin = on", "enable_hashjoin TO 'on'"),
        ("GRANT INSERT ON orders TO PUBLIC", "GRANT INSERT ON TABLE orders TO PUBLIC"),
    ):
        connection = await asyncpg.connect(empty, server_settings={"search_path": "dakuan"})
        before = await schema_of(empty, WORKER)
        await connection.execute(change)
        await connection.close()
        after = await schema_of(empty, WORKER)
        assert after != before
        assert seen in after


def test_each_function_is_defined_once() -> None:
    made = Counter(name for migration in migrations() for name in re.findall(r"CREATE FUNCTION (\w+)", migration.sql))
    assert {name: count for name, count in made.items() if count > 1} == {}
