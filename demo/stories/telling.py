"""What a story is, and the words in which its end is told.

A story plays its order and returns (expected, got). What is expected is computed from the order alone; what was got
is read from register and ledger.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from core.messages import Order
from core.money import format_minor
from demo.stage import StagedOrder

Told = tuple[str, str]
Story = Callable[[StagedOrder], Awaitable[Told]]


class Chapter(dict[str, Story]):
    """Stories of one kind, by the name that the table shows, in the order in which they are told."""

    def story(self, name: str) -> Callable[[Story], Story]:
        """Add a story."""

        def add(tell: Story) -> Story:
            self[name] = tell
            return tell

        return add


def money(order: Order, amount_minor: int) -> str:
    return format_minor(amount_minor, order.currency)


def settled(play: StagedOrder) -> str:
    return f"settled; merchant has {money(play.order, play.merchants_share)}"


def given_back(play: StagedOrder, phase: str) -> str:
    return f"{phase}; buyer has {money(play.order, play.order.total_minor)} back"


async def ending(play: StagedOrder) -> str:
    """How the order ended, from the register and the ledger; waits a little for the last posting."""
    register, order = play.stage.register, play.order
    for _ in range(100):
        row = await register.orders.row(order.order_id)
        if row is not None and row.closed:
            break
        await asyncio.sleep(0.1)
    if row is None:
        return "never registered"
    if not row.closed:
        return f"open: {row.phase}, audit {row.audit}, receipt {row.receipt}"
    if row.phase == "settled":
        available = await register.withdrawals.available(order.merchant_id, order.currency)
        return f"settled; merchant has {money(order, available)}"
    arrived = await play.stage.world.refunded_minor(order.payment.reference)
    return f"{row.phase}; buyer has {money(order, arrived)} back"
