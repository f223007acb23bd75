"""Migrations: SQL files, forward only, each applied once and never edited afterwards."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import Any, NamedTuple

import asyncpg

from core.chart import KINDS
from core.errors import Misconfigured
from ledger.pool import SCHEMA, Connected, connect, refuse_encoding, translate_errors

LOCK = 0x64616B75616E
"""The advisory lock under which migrations run: two starting workers apply each file once."""
WORKER = "dakuan_worker"
NAMED = 3
"""Migrations that a sentence names."""
_CHECKED = (
    "post",
    "open_accounts",
    "add_notices",
    "add_notices_of",
    "write_movements",
    "refuse_unlawful_of",
    "fault_beside_others",
    "fault_of_withdrawal",
    "add_refunded_lines",
    "record_orders",
    "end_orders",
    "note_claim_payments",
    "name_payment",
    "note_rest",
    "note_rest_at_end",
    "post_rest",
)
_OF_MERCHANTS = (
    *("move_merchant", "require_deposit", "tell_of_merchant"),
    *("is_kept_frozen", "is_held_by_merchant", "held_by_merchants", "stop_of_merchant"),
)
_OF_POLICIES = ("keep_policy", "name_policy")
_DECIDED = ("move_grade", "move_policy", "set_safeguard", "shorten_cooling", "reseal_account")
_OF_KEYS = ("add_api_key", "end_api_key", "rotate_api_key")
_OF_PEOPLE = ("add_person", "readmit_person", "end_person", "link_subject", "is_anothers_subject")
_OF_EVENTS = (
    *("add_events", "add_events_of", "add_merchant_event", "follow_event_clock"),
    *("set_event_clock", "leave_lost_numbers"),
    *("keep_verdicts", "keep_reviews", "keep_moves"),
)
_OF_ENDPOINTS = ("tell_of_disabled", "reseal_endpoint", "look_at_endpoint", "note_news", "forget_idle")
_OF_SEALS = ("close_merchant_days",)
OWNERS_ALONE = (
    *(*_CHECKED, *_OF_POLICIES, *_OF_MERCHANTS, *_DECIDED),
    *(*_OF_KEYS, *_OF_PEOPLE, *_OF_EVENTS, *_OF_ENDPOINTS, *_OF_SEALS),
)
"""Functions that the worker's role may not call. It reaches some through others, which check their arguments: `post`
accepts any legs, and a role that may call it can make money. The rest are an operator's decisions.
"""


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


async def migrate(owner_dsn: str, *, worker: str = WORKER, restored: bool = False) -> list[str]:
    """Apply the missing migrations as the owner and grant the worker's role its rights; returns the names applied.

    Args:
        restored: the database was restored to an earlier moment, and nothing else runs: events and notices go on under
            numbers that none had before.

    Raises:
        Unavailable: the database does not answer; a retry helps.
        Misconfigured: another version's migrations were applied, or the worker's role cannot be made, or is the
            owner's own; a retry does not help.
    """
    connection = await connect(owner_dsn, "DATABASE_OWNER_URL")
    try:
        refuse_encoding(connection)
        async with translate_errors(), connection.transaction():
            # A lock of the transaction, not of the session: a pooler may give each transaction another session.
            await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
            applied = await _apply(connection, worker)
            await _write_chart(connection)
            await connection.execute("SELECT follow_event_clock()")
            if restored:
                await connection.execute("SELECT leave_lost_numbers()")
            return applied
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


async def _write_chart(connection: asyncpg.Connection[Any]) -> None:
    """Write the kinds of movement into the tables that the posting functions read.

    A kind is never removed: the books may hold movements of it.
    """
    kinds = [(kind.name, kind.subject, kind.reference, kind.emptied) for kind in KINDS if kind.legs]
    legs = [(kind.name, number, *leg) for kind in KINDS for number, leg in enumerate(kind.legs, start=1)]
    await connection.executemany(
        "INSERT INTO movement_kinds (kind, subject, reference, emptied, shape) VALUES ($1, $2, $3, $4, shape_of($3))"
        " ON CONFLICT (kind) DO UPDATE SET subject = EXCLUDED.subject, reference = EXCLUDED.reference,"
        " emptied = EXCLUDED.emptied, shape = EXCLUDED.shape",
        kinds,
    )
    await connection.executemany(
        "INSERT INTO movement_legs (kind, leg, debit, credit, debit_shape, credit_shape)"
        " VALUES ($1, $2, $3, $4, shape_of($3), shape_of($4))"
        " ON CONFLICT (kind, leg) DO UPDATE SET debit = EXCLUDED.debit, credit = EXCLUDED.credit,"
        " debit_shape = EXCLUDED.debit_shape, credit_shape = EXCLUDED.credit_shape",
        legs,
    )
    await connection.execute(
        "DELETE FROM stored_legs s WHERE NOT EXISTS (SELECT FROM legs_of_chart l WHERE (l.kind, l.reference, l.debit,"
        " l.credit) = (s.kind, s.reference, s.debit, s.credit));"
        " INSERT INTO stored_legs (kind, reference, debit, credit, asked, emptied)"
        " SELECT kind, reference, debit, credit, bool_or(asked), emptied FROM legs_of_chart"
        " GROUP BY kind, reference, debit, credit, emptied"
        " ON CONFLICT (reference, debit, credit) DO UPDATE SET asked = EXCLUDED.asked, emptied = EXCLUDED.emptied"
    )


async def _missing(connection: asyncpg.Connection[Any]) -> list[Migration]:
    state = await schema_state(connection)
    if (why := state.of_another_version) is not None:
        raise Misconfigured(why)
    return [migration for migration in migrations() if migration.name in state.missing]


class SchemaState(NamedTuple):
    """A database's migrations compared with this version's: `missing` there, `unknown` here, `edited` since they were
    applied.
    """

    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()

    @property
    def of_another_version(self) -> str | None:
        """Why this version may not touch the database, and what helps; None where it may, or may once it is migrated.

        Said before what is missing: `migrate` mends that alone.
        """
        if self.edited:
            return (
                f"The database was made by another build of Dakuan, with another {_named(self.edited)}: this version"
                " cannot upgrade it. Run the build that made it, or make another database and migrate that"
            )
        if self.unknown:
            return (
                f"The database is newer than this version of Dakuan: {_named(self.unknown)} was applied to it. "
                "Run the version that brought it"
            )
        return None


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"


async def schema_state(connection: Connected) -> SchemaState:
    """Which migrations were applied, compared with those of this version. Reads only."""
    exists = await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", f"{SCHEMA}.schema_migrations")
    rows = await connection.fetch(f"SELECT name, checksum FROM {SCHEMA}.schema_migrations") if exists else []
    applied = {row["name"]: row["checksum"] for row in rows}
    ours = {migration.name: migration.checksum for migration in migrations()}
    return SchemaState(
        missing=tuple(name for name in ours if name not in applied),
        unknown=tuple(sorted(name for name in applied if name not in ours)),
        edited=tuple(name for name in ours if applied.get(name, ours[name]) != ours[name]),
    )


async def pending(connection: Connected) -> list[str]:
    """Names of migrations that were not applied yet."""
    return list((await schema_state(connection)).missing)


async def _grant(connection: asyncpg.Connection[Any], worker: str) -> None:
    """The worker may read, and writes only through the functions that enforce the rules."""
    await _make_role(connection, worker)
    name = await connection.fetchval("SELECT quote_ident($1)", worker)
    await connection.execute(
        f"REVOKE ALL ON ALL TABLES IN SCHEMA {SCHEMA} FROM PUBLIC, {name};"
        f" REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA {SCHEMA} FROM PUBLIC;"
        f" GRANT USAGE ON SCHEMA {SCHEMA} TO {name};"
        f" GRANT SELECT ON ALL TABLES IN SCHEMA {SCHEMA} TO {name};"
        f" GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {SCHEMA} TO {name};"
        f" REVOKE EXECUTE ON FUNCTION {', '.join(f'{SCHEMA}.{one}' for one in OWNERS_ALONE)} FROM {name}"
    )


async def _make_role(connection: asyncpg.Connection[Any], worker: str) -> None:
    """Create the role without a password: the server's administrator decides who may log in, and how."""
    if worker == await connection.fetchval("SELECT current_user"):
        raise Misconfigured(f"{worker} owns the tables and cannot be the worker's role, which must not change them")
    if await connection.fetchval("SELECT TRUE FROM pg_roles WHERE rolname = $1", worker):
        return
    name = await connection.fetchval("SELECT quote_ident($1)", worker)
    try:
        async with connection.transaction():
            await connection.execute(f"CREATE ROLE {name} LOGIN")
    except (asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
        pass  # roles belong to the server: another of its databases was migrated at the same moment
    except asyncpg.InsufficientPrivilegeError:
        raise Misconfigured(
            f"the owner may not create roles: let an administrator run CREATE ROLE {name} LOGIN"
        ) from None
