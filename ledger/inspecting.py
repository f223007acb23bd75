"""What `doctor` asks a database: roles, migrations, rights, policies. Reads only."""

from __future__ import annotations

import asyncpg

from core.addresses import parse_database_address
from core.errors import Misconfigured
from core.fields import Message
from ledger.migrate import OWNERS_ALONE, SchemaState, migrations, schema_state
from ledger.pool import ENCODING, SCHEMA, Pool, open_pool, translate_errors
from ledger.sessions import shares_sessions


class Inspection(Message):
    """What one connection sees. `too_powerful`: tables of the books that this role may change without the posting
    functions.
    """

    role: str
    server_version: str
    superuser: bool
    migrations_known: int
    migrations_missing: tuple[str, ...]
    too_powerful: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    encoding: str = ENCODING
    timezone: str = "UTC"
    """The server's own; our sessions set theirs."""
    read_only: bool = False
    """A standby, or a demoted primary."""
    pooled: bool = False
    """A pooler stands before it."""
    sealed_with: tuple[str, ...] = ()
    """Ids of the keys that account numbers and secrets of webhooks are sealed with."""
    unkept: tuple[str, ...] = ()
    """Options of the address that the driver does not support."""
    unknown_migrations: tuple[str, ...] = ()
    """Applied, but unknown to this version: a newer one migrated the database."""
    edited_migrations: tuple[str, ...] = ()
    """Applied with other content than this version's."""
    lacking_rights: tuple[str, ...] = ()
    """Tables that this role may not read, or functions that it may not call."""


async def _state(pool: Pool) -> SchemaState:
    """The schema compared with this version.

    Raises:
        Unavailable: the database does not answer; a retry helps.
        Misconfigured: this role may not even look.
    """
    try:
        async with translate_errors():
            return await schema_state(pool)
    except asyncpg.InsufficientPrivilegeError as error:
        raise Misconfigured(f"PostgreSQL: {error}: run `python starter.py migrate`, which grants it") from None


async def refuse_unready(pool: Pool) -> None:
    """Raise unless the database has this version's schema and may be used.

    Raises:
        Unavailable: it does not answer; a retry helps.
        Misconfigured: it lacks migrations or has those of another version, or this role lacks its rights.
    """
    state = await _state(pool)
    if (why := state.of_another_version) is not None:
        raise Misconfigured(why)
    if state.missing:
        raise Misconfigured(
            f"The database lacks {len(state.missing)} migrations, {state.missing[0]} first: "
            "run `python starter.py migrate` with DATABASE_OWNER_URL"
        )


async def cluster_of(pool: Pool) -> str:
    """`SYSTEM/TIMELINE`: a copy of the files keeps the first number, a dump that was read in has another one. A standby
    that was promoted, and a restore from a base backup, begin another timeline.

    Raises:
        Unavailable: the database does not answer; a retry helps.
    """
    query = "SELECT s.system_identifier || '/' || c.timeline_id FROM pg_control_system() s, pg_control_checkpoint() c"
    async with translate_errors():
        return str(await pool.fetchval(query))


_POWERS = """
SELECT t.name AS name FROM unnest($1::TEXT[]) AS t (name)
 WHERE has_table_privilege(t.name, 'UPDATE') OR has_table_privilege(t.name, 'DELETE')
    OR has_table_privilege(t.name, 'TRUNCATE')
 UNION ALL
SELECT format('%s (call)', p.proname) FROM pg_proc p
 WHERE p.pronamespace = $2::REGNAMESPACE AND p.proname = ANY ($3::TEXT[]) AND has_function_privilege(p.oid, 'EXECUTE')
 ORDER BY name
"""
_LACKS = """
SELECT format('%s (read)', c.relname) AS name FROM pg_class c
 WHERE c.relnamespace = $1::REGNAMESPACE AND c.relkind IN ('r', 'v', 'p') AND NOT has_table_privilege(c.oid, 'SELECT')
 UNION ALL
SELECT format('%s (call)', p.proname) FROM pg_proc p
 WHERE p.pronamespace = $1::REGNAMESPACE AND p.proname <> ALL ($2::TEXT[])
   AND NOT has_function_privilege(p.oid, 'EXECUTE')
 ORDER BY name
"""


async def inspect_database(dsn: str) -> Inspection:
    """Inspect a database through one connection; it may be one that takes no writes.

    Raises:
        Unavailable: it does not answer; the message names the address, without its password.
        Misconfigured: the address cannot be read, or this role may not even look.
    """
    pool = await open_pool(dsn, size=1, writable=False)
    try:
        async with translate_errors(), pool.acquire() as connection:
            seen = await connection.fetchrow(
                "SELECT current_user AS role, current_setting('server_version') AS server_version,"
                " (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser,"
                " pg_is_in_recovery() OR current_setting('default_transaction_read_only')::BOOLEAN AS read_only,"
                " (SELECT reset_val FROM pg_settings WHERE name = 'TimeZone') AS timezone,"
                " pg_encoding_to_char(encoding) AS encoding FROM pg_database WHERE datname = current_database()"
            )
            assert seen is not None
            pooled = await shares_sessions(connection)
        state = await _state(pool)
        async with translate_errors():
            policies, powers, lacks, sealed = [], [], [], []
            if not state.missing:
                tables = [f"{SCHEMA}.{table}" for table in ("transfers", "movements", "accounts")]
                lacks = await pool.fetch(_LACKS, SCHEMA, list(OWNERS_ALONE))
                powers = await pool.fetch(_POWERS, tables, SCHEMA, list(OWNERS_ALONE))
                if not lacks:
                    policies = await pool.fetch(f"SELECT name FROM {SCHEMA}.policy_names ORDER BY name")
                    sealed = await pool.fetch(
                        f"SELECT key_id FROM {SCHEMA}.payout_account_numbers"
                        f" UNION SELECT key_id FROM {SCHEMA}.endpoint_secrets ORDER BY key_id"
                    )
    finally:
        await pool.close()
    return Inspection(
        **dict(seen),
        migrations_known=len(migrations()),
        migrations_missing=state.missing,
        unknown_migrations=state.unknown,
        edited_migrations=state.edited,
        too_powerful=tuple(row["name"] for row in powers),
        lacking_rights=tuple(row["name"] for row in lacks),
        policies=tuple(row["name"] for row in policies),
        sealed_with=tuple(row["key_id"] for row in sealed),
        pooled=pooled,
        unkept=parse_database_address(dsn).unkept,
    )
