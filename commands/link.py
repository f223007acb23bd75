"""Where commands reach Temporal and PostgreSQL, each only when it needs it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio.client import Client

import client as door
from config import load
from core.errors import Misconfigured
from ledger.migrate import pending
from ledger.pool import Pool, open_pool
from ledger.register import Register

READERS = 2
"""Connections of one command."""


@asynccontextmanager
async def temporal() -> AsyncIterator[Client]:
    """A client of the configured Temporal.

    Raises:
        Unavailable: it does not answer; the message names the address.
    """
    yield await door.connect(load())


@asynccontextmanager
async def database() -> AsyncIterator[Pool]:
    """A small pool on the configured database, migrated.

    Raises:
        Unavailable: it does not answer; the message names the address.
        Misconfigured: there is no address, or the database lacks migrations.
    """
    pool = await open_pool(load().needed("database_url"), size=READERS)
    try:
        if missing := await pending(pool):
            raise Misconfigured(f"The database lacks migrations, {missing[0]} first: run `python starter.py migrate`")
        yield pool
    finally:
        await pool.close()


@asynccontextmanager
async def books() -> AsyncIterator[Register]:
    """The register on the configured database; see `database`."""
    async with database() as pool:
        yield Register(pool)
