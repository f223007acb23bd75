"""Stories of the demonstration: their form, the steps that many share, and the sentences about their end.

A story plays its order and returns (expected, got). The expectation is computed from the order alone; the result is
read from register and ledger.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from core.messages import Order
from core.money import format_minor
from demo.stage import StagedOrder
from demo.waiting import until

Outcome = tuple[str, str]
Story = Callable[[StagedOrder], Awaitable[Outcome]]


class Chapter(dict[str, Story]):
    """Stories of one kind, by the name that the table shows, in the order in which they are played."""

    def story(self, name: str) -> Callable[[Story], Story]:
        """Add a story."""

        def add(play: Story) -> Story:
            self[name] = play
            return play

        return add


def money(order: Order, amount_minor: int) -> str:
    return format_minor(amount_minor, order.currency)


def settled(play: StagedOrder) -> str:
    return f"settled; merchant has {money(play.order, play.merchants_share)}"


def given_back(play: StagedOrder, phase: str) -> str:
    return f"{phase}; buyer has {money(play.order, play.order.total_minor)} back"


async def start_and_ship(play: StagedOrder) -> None:
    """Start the order and report its parcel."""
    await play.start()
    await play.ship()


async def deliver_and_settle(play: StagedOrder) -> None:
    """The parcel travels, the buyer confirms, and the days until the settlement pass."""
    await play.travel()
    await confirm_and_settle(play)


async def confirm_and_settle(play: StagedOrder) -> None:
    """The buyer confirms, and the days until the settlement pass."""
    await play.send("confirm_receipt", "buyer")
    await play.days(8)


async def ending(play: StagedOrder) -> str:
    """How the order ended, from the register and the ledger. It waits for the last posting."""
    register, order = play.stage.register, play.order
    row = await until(lambda: register.orders.row(order.order_id), lambda row: row is not None and row.closed)
    assert row is not None
    if row.phase == "settled":
        available = await register.withdrawals.available(order.merchant_id, order.currency)
        return f"settled; merchant has {money(order, available)}"
    arrived = await play.stage.world.refunded_minor(order.payment.reference)
    return f"{row.phase}; buyer has {money(order, arrived)} back"
