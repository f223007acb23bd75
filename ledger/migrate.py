"""Migrations: SQL files, forward only, each applied once and never edited after it was."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import Any, NamedTuple

import asyncpg

from core.errors import Misconfigured, Unavailable
from ledger.pool import CONNECT_WITHIN, SCHEMA, TROUBLE, address_of

LOCK = 0x64616B75616E
"""The advisory lock under which migrations run: two starting workers apply each file once."""
WORKER = "dakuan_worker"


class Migration(NamedTuple):
    """One file: its name and its SQL."""

    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations() -> list[Migration]:
    """All migrations in order."""
    folder = files("ledger") / "migrations"
    found = [entry for entry in folder.iterdir() if entry.name.endswith(".sql")]
    return [Migration(entry.name, entry.read_text(encoding="utf-8")) for entry in sorted(found, key=lambda e: e.name)]


async def migrate(owner_dsn: str, *, worker: str = WORKER) -> list[str]:
    """Apply what is missing, as the owner, and let the worker's role do what it needs; returns the names applied.

    Raises:
        Unavailable: the database does not answer; a retry helps.
        Misconfigured: a migration that was applied has been edited since; a retry does not help.
    """
    try:
        connection = await asyncpg.connect(owner_dsn, timeout=CONNECT_WITHIN)
    except (*TROUBLE, asyncpg.PostgresError) as error:
        raise Unavailable(f"PostgreSQL does not answer at {address_of(owner_dsn)}: {error}") from None
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
        async with connection.transaction():
            return await _apply(connection, worker)
    finally:
        await connection.close()


async def _apply(connection: asyncpg.Connection[Any], worker: str) -> list[str]:
    await connection.execute(
        f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}; SET LOCAL search_path = {SCHEMA};"
        " CREATE TABLE IF NOT EXISTS schema_migrations (name TEXT PRIMARY KEY, checksum TEXT NOT NULL,"
        " applied_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp())"
    )
    applied = await _missing(connection)
    for migration in applied:
        await connection.execute(migration.sql)
        await connection.execute(
            "INSERT INTO schema_migrations (name, checksum) VALUES ($1, $2)", migration.name, migration.checksum
        )
    await _grant(connection, worker)
    return [migration.name for migration in applied]


async def _missing(connection: asyncpg.Connection[Any]) -> list[Migration]:
    known = {
        row["name"]: row["checksum"] for row in await connection.fetch(f"SELECT * FROM {SCHEMA}.schema_migrations")
    }
    for migration in migrations():
        if known.get(migration.name, migration.checksum) != migration.checksum:
            raise Misconfigured(f"migration {migration.name} was edited after it was applied")
    return [migration for migration in migrations() if migration.name not in known]


async def pending(connection: asyncpg.Connection[Any] | asyncpg.Pool[Any]) -> list[str]:
    """Names of migrations that were not applied yet."""
    exists = await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", f"{SCHEMA}.schema_migrations")
    rows = await connection.fetch(f"SELECT name FROM {SCHEMA}.schema_migrations") if exists else []
    known = {row["name"] for row in rows}
    return [migration.name for migration in migrations() if migration.name not in known]


async def _grant(connection: asyncpg.Connection[Any], worker: str) -> None:
    """The worker reads, and writes only through the functions that keep the rules."""
    exists = await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", worker)
    if not exists:
        await connection.execute(f'CREATE ROLE "{worker}" LOGIN')
    await connection.execute(
        f'REVOKE ALL ON ALL TABLES IN SCHEMA {SCHEMA} FROM PUBLIC, "{worker}";'
        f" REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA {SCHEMA} FROM PUBLIC;"
        f' GRANT USAGE ON SCHEMA {SCHEMA} TO "{worker}";'
        f' GRANT SELECT ON ALL TABLES IN SCHEMA {SCHEMA} TO "{worker}";'
        f' GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {SCHEMA} TO "{worker}"'
    )
