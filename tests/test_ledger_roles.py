"""The worker's role calls functions and reads. Nobody edits the books."""

from __future__ import annotations

import asyncpg
import pytest
from databases import Database
from ledger_samples import funded

from ledger.book import Book
from ledger.register import Register

TABLES = (
    "accounts",
    "movements",
    "transfers",
    "orders",
    "payments",
    "refunded_lines",
    "policies",
    "policy_names",
    "waybill_claims",
    "notices",
    "licence_moves",
    "merchants",
    "payout_accounts",
    "payout_account_versions",
    "payout_account_numbers",
    "payout_account_changes",
    "account_drops",
    "withdrawals",
    "withdrawal_approvals",
    "payout_attempts",
    "payout_events",
    "review_claims",
    "carrier_looks",
    "polled_traces",
    "carrier_answers",
    "carrier_subscriptions",
    "pushes",
    "pushed_traces",
    "callbacks",
    "statement_lines",
    "statement_loads",
    "statement_periods",
    "reconciliation_breaks",
    "reconciliation_runs",
    "movement_kinds",
    "movement_legs",
    "schema_migrations",
)


async def test_these_are_all_tables(database: Database) -> None:
    found = await database.owner.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'dakuan'")
    assert {row["tablename"] for row in found} == set(TABLES)


async def test_the_worker_reads_every_table_and_writes_none(database: Database) -> None:
    for table in TABLES:
        await database.pool.fetch(f"SELECT * FROM {table} LIMIT 1")
        for statement in (f"DELETE FROM {table}", f"INSERT INTO {table} DEFAULT VALUES", f"TRUNCATE {table}"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await database.pool.execute(statement)
    columns = await database.pool.fetch(
        "SELECT table_name, min(column_name) AS name FROM information_schema.columns"
        " WHERE table_schema = 'dakuan' AND table_name = ANY ($1) GROUP BY table_name",
        list(TABLES),
    )
    for column in columns:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await database.pool.execute(f"UPDATE {column['table_name']} SET {column['name']} = NULL")


async def test_the_worker_creates_nothing_in_the_schema(database: Database) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.pool.execute("CREATE TABLE dakuan.mine (x INT)")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.pool.execute(
            "CREATE OR REPLACE FUNCTION dakuan.account_kind(p TEXT) RETURNS TEXT LANGUAGE sql AS 'SELECT 1::TEXT'"
        )
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.pool.execute("ALTER TABLE transfers DISABLE TRIGGER USER")


async def test_a_temporary_table_does_not_stand_in_for_a_real_one(
    database: Database, book: Book, register: Register
) -> None:
    """The functions look for their tables in their own schema first, whatever the caller made."""
    async with database.pool.acquire() as caller:
        await caller.execute("CREATE TEMPORARY TABLE orders (order_id TEXT); SET search_path = pg_temp, dakuan")
        assert await caller.fetchval("SELECT dakuan.take_over_order('A1', 'run-2')") is False
        await caller.execute("DROP TABLE pg_temp.orders; SET search_path = dakuan")


@pytest.mark.parametrize("table", ["transfers", "movements"])
async def test_not_even_the_owner_edits_the_books(
    database: Database, book: Book, register: Register, table: str
) -> None:
    await funded(register, book)
    column = {"transfers": "amount_minor", "movements": "occurred_at"}[table]
    for statement in (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="only added to"):
            await database.owner.execute(statement)


async def test_every_function_that_writes_fixes_where_it_looks(database: Database) -> None:
    loose = await database.owner.fetch(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'dakuan'::REGNAMESPACE AND prosecdef"
        " AND NOT coalesce(array_to_string(proconfig, ' ') LIKE '%search_path=pg_catalog, dakuan, pg_temp%', FALSE)"
    )
    assert [row["proname"] for row in loose] == []


async def test_strangers_may_call_nothing(database: Database) -> None:
    open_to_all = await database.owner.fetch(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'dakuan'::REGNAMESPACE"
        " AND EXISTS (SELECT FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) WHERE grantee = 0)"
    )
    assert [row["proname"] for row in open_to_all] == []
