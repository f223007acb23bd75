"""The database of a worker: migrated if that is allowed, with the policies of the folder."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from config import Settings
from core.addresses import parse_database_address
from core.errors import BadInput, Misconfigured
from core.policy import Policy, parse_policy
from gateway.tracing import tracing_of
from ledger.inspecting import refuse_unready
from ledger.migrate import WORKER as WORKER_ROLE
from ledger.migrate import migrate
from ledger.pool import Pool, open_pool
from ledger.register import Register

log = logging.getLogger("dakuan.worker")


@asynccontextmanager
async def ready_database(settings: Settings) -> AsyncIterator[Pool]:
    """A pool on a migrated database that has the folder's policies.

    Migrations are applied if the owner's address is set, too; with only its own address a worker names what is missing.
    """
    if settings.database_owner_url is not None:
        await migrate(settings.database_owner_url, worker=role_in(settings.needed("database_url")))
    tracing = tracing_of(settings)
    pool = await open_pool(settings.needed("database_url"), note=None if tracing is None else tracing.note_query)
    try:
        await refuse_unready(pool)
        await register_policies(Register(pool), settings)
        yield pool
    finally:
        await pool.close()


def role_in(dsn: str) -> str:
    """The role that a database address logs in as."""
    return parse_database_address(dsn).user or WORKER_ROLE


async def register_policies(register: Register, settings: Settings) -> None:
    """Register every policy file of the folder. A name that points to another text is not moved, and that is logged:
    a worker that starts with old files must not undo what an operator registered.

    Raises:
        Misconfigured: a file cannot be read; the sentence names it.
    """
    for policy, text in policies_in(settings):
        if not await register.policies.keep(policy.name, policy.content_hash, text):
            log.info(
                "policy %s is registered otherwise than its file says, and stays; `policy register FILE` moves it",
                policy.name,
            )


def policies_in(settings: Settings) -> list[tuple[Policy, str]]:
    """The policies of the folder with their texts, except the screening rules and drafts (`name.draft.toml`).

    Raises:
        Misconfigured: a file cannot be read; the sentence names it.
    """
    found = []
    for file in sorted(settings.policies.glob("*.toml")):
        if file == settings.screening or "." in file.stem:
            continue
        try:
            text = file.read_text(encoding="utf-8")
            found.append((parse_policy(text), text))
        except (BadInput, OSError, UnicodeDecodeError) as error:
            raise Misconfigured(f"{file}: {error}") from None
    return found
