"""Orders whose movements are posted at one moment, and what became of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from databases import Database
from ledger_samples import a_record, an_order, credit, fund, opened, settle

from core.messages import Order
from core.records import OrderRecord
from core.steps import Posted
from ledger.register import Register

MOVES: dict[str, Callable[..., Awaitable[Posted]]] = {"fund": fund, "credit": credit, "settle": settle}
LIVED: dict[str, dict[str, Any]] = {
    "fund": {"phase": "awaiting_shipment"},
    "credit": {"phase": "credited", "audit": "approved", "receipt": "confirmed"},
    "settle": {"phase": "settled", "audit": "approved", "receipt": "confirmed", "closed": True},
}
"""What an order says of itself after each movement."""
CREDITED = {"fund": 0, "credit": 950, "settle": 950}

TOGETHER = "SELECT count(DISTINCT xmin::TEXT) FROM movements WHERE reference = ANY ($1)"
"""In how many transactions these movements were written."""


async def opened_orders(register: Register, numbers: range, **fields: Any) -> list[Order]:
    """Orders that are paid for and registered, `B0000` and on."""
    orders = [an_order(f"B{n:04}", **fields) for n in numbers]
    for order in orders:
        await opened(register, order)
    return orders


def record_of(order: Order, what: str, revision: int = 1, **fields: Any) -> OrderRecord:
    """What is true of an order once this movement of it stands."""
    state = {"funded": True, "credited_minor": CREDITED[what], "mine": f"{order.order_id} {what}"}
    return a_record(order.order_id, revision, state=state, **LIVED[what], **fields)


async def outcomes_of(*calls: Awaitable[Posted]) -> list[str]:
    """What became of each, asked for at one moment."""
    return [posted.outcome for posted in await asyncio.gather(*calls)]


async def transactions_of(database: Database, orders: Sequence[Order], what: str) -> int:
    """In how many transactions this movement of each order was written."""
    references = [f"order/{order.order_id}/{what}" for order in orders]
    return int(await database.pool.fetchval(TOGETHER, references))
