"""What a database looks like from outside, for `doctor`: roles, migrations, rights, policies. Reads only."""

from __future__ import annotations

import asyncpg

from core.errors import Misconfigured
from core.messages import Message
from ledger.migrate import migrations, pending
from ledger.pool import SCHEMA, Pool, open_pool, troubles


class Inspection(Message):
    """One connection's view. `too_powerful`: tables of the books that this role may change past the functions."""

    role: str
    server_version: str
    superuser: bool
    migrations_known: int
    migrations_missing: tuple[str, ...]
    too_powerful: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()


async def missing_migrations(pool: Pool) -> list[str]:
    """Names of migrations that were not applied yet.

    Raises:
        Unavailable: the database does not answer; a retry helps.
        Misconfigured: this role may not even look.
    """
    try:
        async with troubles():
            return await pending(pool)
    except asyncpg.InsufficientPrivilegeError as error:
        raise Misconfigured(f"PostgreSQL: {error}: run `python starter.py migrate`, which grants it") from None


async def refuse_unready(pool: Pool) -> None:
    """Nothing, where the database is of this version and may be used.

    Raises:
        Unavailable: it does not answer; a retry helps.
        Misconfigured: it lacks migrations, or this role its rights.
    """
    if missing := await missing_migrations(pool):
        raise Misconfigured(
            f"The database lacks {len(missing)} migrations, {missing[0]} first: "
            "run `python starter.py migrate` with DATABASE_OWNER_URL"
        )


async def inspect_database(dsn: str) -> Inspection:
    """Look at a database through one connection.

    Raises:
        Unavailable: it does not answer; the message names the address, without its password.
        Misconfigured: this role may not even look.
    """
    pool = await open_pool(dsn, size=1)
    try:
        async with troubles():
            seen = await pool.fetchrow(
                "SELECT current_user AS role, current_setting('server_version') AS version,"
                " (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser"
            )
            assert seen is not None
        missing = await missing_migrations(pool)
        async with troubles():
            policies, powers = [], []
            if not missing:
                policies = await pool.fetch(f"SELECT name FROM {SCHEMA}.policy_names ORDER BY name")
                powers = await pool.fetch(
                    "SELECT t.name FROM unnest($1::TEXT[]) AS t (name)"
                    " WHERE has_table_privilege(t.name, 'UPDATE') OR has_table_privilege(t.name, 'DELETE')"
                    " OR has_table_privilege(t.name, 'TRUNCATE') ORDER BY t.name",
                    [f"{SCHEMA}.{table}" for table in ("transfers", "movements", "accounts")],
                )
    finally:
        await pool.close()
    return Inspection(
        role=seen["role"],
        server_version=seen["version"],
        superuser=seen["superuser"],
        migrations_known=len(migrations()),
        migrations_missing=tuple(missing),
        too_powerful=tuple(row["name"] for row in powers),
        policies=tuple(row["name"] for row in policies),
    )
