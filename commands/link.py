"""Where commands reach PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from config import load
from ledger.inspecting import refuse_unready
from ledger.pool import Pool, open_pool
from ledger.register import Register

READERS = 2
"""Connections of one command."""


@asynccontextmanager
async def database() -> AsyncIterator[Pool]:
    """A small pool on the configured database, migrated.

    Raises:
        Unavailable: it does not answer; the message names the address.
        Misconfigured: there is no address, or the database lacks migrations.
    """
    pool = await open_pool(load().needed("database_url"), size=READERS)
    try:
        await refuse_unready(pool)
        yield pool
    finally:
        await pool.close()


@asynccontextmanager
async def books() -> AsyncIterator[Register]:
    """The register on the configured database; see `database`."""
    async with database() as pool:
        yield Register(pool)
