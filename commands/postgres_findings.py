"""The findings of `doctor` about PostgreSQL, and the next command where something is missing."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from core.errors import DakuanError, DatabaseUnavailable, Misconfigured

if TYPE_CHECKING:
    from config import Settings
    from ledger.inspecting import Inspection

MIGRATE = "`python starter.py migrate`"
REPLICA = "read replica"


@dataclass(frozen=True)
class DoctorFinding:
    """One check. Not `ok` and `required`: nothing works before it is repaired."""

    name: str
    ok: bool
    found: str
    helps: str = ""
    required: bool = True


async def look_at_database(settings: Settings) -> list[DoctorFinding]:
    """The worker's role, the owner's where it is known, and whether every sealed number has its key."""
    has_owner = settings.database_owner_url is not None
    findings, seen = await _role("database", settings.database_url, "DATABASE_URL", required=True, has_owner=has_owner)
    if has_owner:
        more, _ = await _role("database owner", settings.database_owner_url, "DATABASE_OWNER_URL", required=False)
        findings += more
    if settings.database_url is not None and settings.database_read_url is not None:
        findings.append(await _replica(settings.database_url, settings.database_read_url))
    if seen is not None and (lost := [key for key in seen.sealed_with if key not in settings.account_keys]):
        found = f"numbers or secrets are sealed with {', '.join(lost)}, and DAKUAN_ACCOUNT_KEYS has no such key"
        helps = "add the key to DAKUAN_ACCOUNT_KEYS: without it nothing is paid or sent there"
        findings.append(DoctorFinding("keys of sealed numbers", False, found, helps))
    return findings


async def _replica(primary: str, replica: str) -> DoctorFinding:
    """Whether the reading address leads to a copy of the primary that follows it. Not required: the primary answers
    where it does not.
    """
    from ledger.replica import LAG_MOST, compare_replica  # loaded when it looks

    try:
        seen = await compare_replica(primary, replica)
    except DakuanError as error:
        helps = "start it, or unset DATABASE_READ_URL: the primary answers"
        return DoctorFinding(REPLICA, False, str(error), helps, required=False)
    if not seen.same_cluster:
        said = "DATABASE_READ_URL leads to another cluster than DATABASE_URL: it is not used"
        return DoctorFinding(REPLICA, False, said, "name a replica made from this server, or unset it", required=False)
    if seen.takes_writes:
        said = "DATABASE_READ_URL leads to a server that takes writes, not to a replica"
        return DoctorFinding(REPLICA, False, said, "name a replica, or unset it: it takes no load off", required=False)
    if seen.lag > LAG_MOST:
        behind = f"is {seen.lag:.0f} s behind" if seen.lag < inf else "has replayed nothing yet"
        said = f"the replica {behind}: the primary answers"
        return DoctorFinding(REPLICA, False, said, "look at its replication", required=False)
    return DoctorFinding(REPLICA, True, f"a standby of the primary, {seen.lag:.1f} s behind", required=False)


async def _role(
    name: str, dsn: str | None, variable: str, *, required: bool, has_owner: bool = True
) -> tuple[list[DoctorFinding], Inspection | None]:
    if dsn is None:
        helps = f"set {variable}, or run `python starter.py up`"
        return [DoctorFinding(name, False, f"{variable} is not set", helps, required)], None
    from ledger.inspecting import inspect_database  # loaded when it looks

    try:
        seen = await inspect_database(dsn)
    except DakuanError as error:
        return [DoctorFinding(name, False, str(error), _cure(error, variable), required)], None
    server = f"{seen.role} on PostgreSQL {seen.server_version}{' behind a pooler' if seen.pooled else ''}"
    wrong = _wrong(seen, has_owner) or (_wrong_for_worker(seen) if required else None)
    if wrong is not None:
        return [DoctorFinding(name, False, f"{server}; {wrong[0]}", wrong[1], required)], seen
    policies = f", policies {', '.join(seen.policies)}" if required else ""
    findings = [DoctorFinding(name, True, f"{server}, {seen.migrations_known} migrations{policies}", required=required)]
    return findings + (_remarks(seen, variable) if required else []), seen


def _cure(error: DakuanError, variable: str) -> str:
    """The next step after a connection that failed."""
    said = str(error)
    if isinstance(error, DatabaseUnavailable):
        return f"name the primary in {variable}, or all servers: postgresql://user@a,b/dakuan"
    if not isinstance(error, Misconfigured):
        return f"start it, or set {variable}"
    if said.startswith(variable):
        return f"write {variable} as it says"
    if "role " in said and "does not exist" in said:
        return f"{MIGRATE} with DATABASE_OWNER_URL makes the role; then an administrator gives it a password"
    if "database " in said and "does not exist" in said:
        return "make it: `createdb -E UTF8 -T template0 NAME`, owned by the role of DATABASE_OWNER_URL"
    if "grants it" in said:
        return f"run {MIGRATE} with DATABASE_OWNER_URL"
    return f"look at user, password and parameters in {variable}"


def _wrong(seen: Inspection, has_owner: bool) -> tuple[str, str] | None:
    """The first error, and how to repair it."""
    run = f"run {MIGRATE}" if has_owner else f"set DATABASE_OWNER_URL to the owner's address, then run {MIGRATE}"
    if seen.read_only:
        return "it is read-only, not the primary", "promote it, or name the primary"
    if seen.encoding != "UTF8":
        return f"it is encoded in {seen.encoding}, not UTF8", "make another: `createdb -E UTF8 -T template0 NAME`"
    # Before what is missing: `migrate` refuses these.
    if seen.edited_migrations:
        found = f"it was made by another build: its {', '.join(seen.edited_migrations)} are not this version's"
        return found, "run the build that made it, or make another database: this version cannot upgrade it"
    if seen.unknown_migrations:
        found = f"it is newer than this version: {', '.join(seen.unknown_migrations)}"
        return found, "run the version that applied them"
    if seen.migrations_missing and len(seen.migrations_missing) == seen.migrations_known:
        return "it is empty", run
    if seen.migrations_missing:
        return f"lacks {', '.join(seen.migrations_missing)}", run
    return None


def _wrong_for_worker(seen: Inspection) -> tuple[str, str] | None:
    if seen.superuser or seen.too_powerful:
        helps = "give DATABASE_URL a role of its own, such as the one that `migrate` makes"
        return "it may change the books past their functions", helps
    if seen.lacking_rights:
        more = f" and {len(seen.lacking_rights) - 3} more" if len(seen.lacking_rights) > 3 else ""
        return f"it may not use {', '.join(seen.lacking_rights[:3])}{more}", f"run {MIGRATE}, which grants it"
    if "default" not in seen.policies:
        return "no policy `default`", "a worker registers it when it starts: `python worker.py`"
    return None


def _remarks(seen: Inspection, variable: str) -> list[DoctorFinding]:
    """Facts worth knowing about a database that works."""
    found = []
    if seen.timezone not in ("UTC", "Etc/UTC"):
        said = f"the server's is {seen.timezone}; our sessions use UTC, and days in the books are UTC days"
        found.append(
            DoctorFinding("time zone", False, said, "nothing, unless other programs read the books", required=False)
        )
    for asked in seen.unkept:
        helps = "use sslmode=verify-full with sslrootcert=, which protects at least as well"
        found.append(DoctorFinding("address", False, f"{variable} asks for {asked}, which is not kept", helps, False))
    return found
