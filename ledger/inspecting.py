"""What a database looks like from outside, for `doctor`: roles, migrations, rights, policies. Reads only."""

from __future__ import annotations

from core.messages import Message
from ledger.migrate import migrations, pending
from ledger.pool import SCHEMA, open_pool, troubles


class Inspection(Message):
    """One connection's view. `too_powerful`: tables of the books that this role may change past the functions."""

    role: str
    server_version: str
    superuser: bool
    migrations_known: int
    migrations_missing: tuple[str, ...]
    too_powerful: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()


async def inspect_database(dsn: str) -> Inspection:
    """Look at a database through one connection.

    Raises:
        Unavailable: it does not answer; the message names the address, without its password.
    """
    pool = await open_pool(dsn, size=1)
    try:
        async with troubles():
            seen = await pool.fetchrow(
                "SELECT current_user AS role, current_setting('server_version') AS version,"
                " (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser"
            )
            assert seen is not None
            missing = await pending(pool)
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
