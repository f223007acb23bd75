"""What an order must do on every engine: three postings, a waybill claim, an audit, marks that the client reads.

The postings go through the product's own `Book`, so that engines differ by themselves alone. Each duty may run twice: a
posting has its reference, a claim and a mark have their keys, and `occurred_at` is the order's own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx2

from bench.engines import waybill_of
from config import Settings
from core import movements
from ledger.book import Book
from ledger.pool import open_pool

AMOUNT, FEE = 10_000, 500
SETTLE_AFTER = timedelta(milliseconds=200)
SHIP_BY = timedelta(hours=48)
CONFIRM_BY = timedelta(days=10)
SCHEMA = """
CREATE SCHEMA bench;
CREATE TABLE bench.marks (order_id TEXT NOT NULL, what TEXT NOT NULL, PRIMARY KEY (order_id, what));
CREATE TABLE bench.claims (waybill TEXT PRIMARY KEY, order_id TEXT NOT NULL);
CREATE FUNCTION dakuan.bench_mark(p_order_id TEXT, p_what TEXT) RETURNS VOID LANGUAGE sql SECURITY DEFINER AS $$
    INSERT INTO bench.marks VALUES (p_order_id, p_what) ON CONFLICT DO NOTHING
$$;
CREATE FUNCTION dakuan.bench_claim(p_waybill TEXT, p_order_id TEXT) RETURNS BOOLEAN LANGUAGE sql SECURITY DEFINER AS $$
    INSERT INTO bench.claims VALUES (p_waybill, p_order_id)
    ON CONFLICT (waybill) DO UPDATE SET order_id = claims.order_id
    RETURNING order_id = p_order_id
$$;
GRANT USAGE ON SCHEMA bench TO PUBLIC;
GRANT SELECT ON bench.marks TO PUBLIC;
"""


class Duties:
    """The same work for each engine."""

    def __init__(self, book: Book, pool: asyncpg.Pool[Any], http: httpx2.AsyncClient) -> None:
        self._book, self._pool, self._http = book, pool, http

    async def mark(self, order_id: str, what: str) -> None:
        """Note how far the order is."""
        await self._pool.execute("SELECT bench_mark($1, $2)", order_id, what)

    async def marked(self, order_id: str, what: str) -> bool:
        """Whether the order came that far."""
        found = "SELECT TRUE FROM bench.marks WHERE order_id = $1 AND what = $2"
        return await self._pool.fetchval(found, order_id, what) is not None

    async def fund(self, order_id: str, occurred_at: datetime) -> None:
        """The buyer's money comes in."""
        await self._post(
            movements.fund(order_id, channel="bench", amount_minor=AMOUNT, currency="CNY", occurred_at=occurred_at)
        )

    async def claim(self, order_id: str) -> bool:
        """Claim the order's waybill; False: another order has it."""
        return bool(await self._pool.fetchval("SELECT bench_claim($1, $2)", waybill_of(order_id), order_id))

    async def audit(self, order_id: str) -> str:
        """Ask the carrier once: `approved` if the parcel has arrived, else `in_review`."""
        asked = {"carrier": "sandbox", "waybill": waybill_of(order_id)}
        reply = await self._http.post("/track", json=asked)
        reply.raise_for_status()
        arrived = any(scan["stage"] == "delivered" for scan in reply.json().get("scans", ()))
        return "approved" if arrived else "in_review"

    async def credit(self, order_id: str, occurred_at: datetime) -> None:
        """The escrow becomes the merchant's proceeds, less commission."""
        movement = movements.credit(
            order_id,
            proceeds_minor=AMOUNT - FEE,
            commission_minor=FEE,
            discount_minor=0,
            currency="CNY",
            occurred_at=occurred_at,
        )
        await self._post(movement)

    async def settle(self, order_id: str, occurred_at: datetime) -> None:
        """The proceeds become available."""
        movement = movements.settle(
            order_id, merchant_id=f"m-{order_id}", amount_minor=AMOUNT - FEE, currency="CNY", occurred_at=occurred_at
        )
        await self._post(movement)

    async def _post(self, movement: movements.Movement) -> None:
        await self._book.post(movement.model_copy(update={"kind": "adjustment"}))


@asynccontextmanager
async def open_duties(settings: Settings) -> AsyncIterator[Duties]:
    """Connected to the stack of the settings.

    Raises:
        Unavailable: the database does not answer; a retry may help.
        Misconfigured: an address is missing.
    """
    pool = await open_pool(settings.needed("database_url"))
    # The peers keep no register, so their movements are adjustments, which only the owner may post.
    owner = await open_pool(settings.needed("database_owner_url"))
    async with httpx2.AsyncClient(base_url=settings.needed("carrier_url"), timeout=10) as http:
        yield Duties(Book(owner), pool, http)
    await pool.close()
    await owner.close()


def database_of(settings: Settings, engine: str) -> str:
    """The address of the database that an engine has for itself, on the same server."""
    return urlsplit(settings.needed("database_owner_url"))._replace(path=f"/bench_{engine}").geturl()
