"""Where commands reach PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from core.errors import Refused
from core.reasons import SENTENCES

if TYPE_CHECKING:
    from core.messages import Order
    from ledger.pool import Pool
    from ledger.register import Register

READERS = 2
"""Connections of one command."""


@asynccontextmanager
async def database(address: str = "database_url") -> AsyncIterator[Pool]:
    """A small pool on the configured database, migrated.

    Args:
        address: the setting whose role is used.

    Raises:
        Unavailable: it does not answer; the message names the address.
        Misconfigured: there is no address, or the database lacks migrations.
    """
    from config import load  # loaded when it is needed: no help text needs the database
    from ledger.inspecting import refuse_unready
    from ledger.pool import open_pool

    pool = await open_pool(load().needed(address), size=READERS)
    try:
        await refuse_unready(pool)
        yield pool
    finally:
        await pool.close()


@asynccontextmanager
async def books() -> AsyncIterator[Register]:
    """The register on the configured database; see `database`."""
    from ledger.register import Register

    async with database() as pool:
        yield Register(pool)


@asynccontextmanager
async def copies() -> AsyncIterator[Register]:
    """The register for a list or a statement, which may be a moment old: on the replica, where DATABASE_READ_URL names
    one that is of use; see `database`.
    """
    from config import load
    from ledger.register import Register
    from ledger.replica import ReadPool

    async with database() as pool:
        reads = ReadPool(pool, load().database_read_url)
        try:
            yield Register(reads.as_pool)
        finally:
            await reads.close()


@asynccontextmanager
async def owners_books() -> AsyncIterator[Register]:
    """The register as the database's owner, for changes that a worker's role may not make; see `database`."""
    from ledger.register import Register

    async with database("database_owner_url") as pool:
        yield Register(pool)


async def known_order(order_id: str) -> Order:
    """The order as the storefront gave it.

    Raises:
        Refused: `unknown_order`: the register has none of this id.
    """
    async with books() as register:
        found = await register.orders.stored(order_id)
    if found is None:
        raise Refused("unknown_order", f"{SENTENCES['unknown_order']} {order_id}", "order_id")
    return found
