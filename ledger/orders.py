"""Orders in the register: opened once, recorded as they go on, rescued from what is known of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from core.errors import Misconfigured
from core.messages import Message, Order
from core.records import OrderRecord, Standing
from ledger.reading import Reading, below

OpenOutcome = Literal[
    "registered", "same_run", "taken_over", "money_moved", "over", "different_content", "payment_over_claimed"
]


class StoredOrder(Message):
    """What a rescue starts from: the order, its last recorded state, and its movements in the ledger."""

    order: Order
    opened_by: str
    policy_hash: str
    revision: int
    closed: bool
    state: dict[str, Any] | None
    references: tuple[str, ...]


class Orders(Reading):
    """The register's orders, and the parts of payments that they claim."""

    async def open_order(
        self,
        order: Order,
        content_hash: str,
        *,
        opened_by: str,
        paid_minor_confirmed: int,
        policy_hash: str,
        now: datetime,
    ) -> OpenOutcome:
        """Register the order and its part of the payment, once.

        Args:
            opened_by: the run that opens it; tells a retry (`same_run`) from another start. A run that was lost before
                money moved is `taken_over`; after that the answer is `money_moved`, and once it is closed `over`.
            paid_minor_confirmed: what the channel says was paid, in all.
        """
        return await self._call(  # type: ignore[no-any-return]  # the function's closed list of answers
            "SELECT open_order($1, $2, $3, $4, $5, $6)",
            order,
            content_hash,
            opened_by,
            paid_minor_confirmed,
            policy_hash,
            now,
        )

    async def record_order(self, record: OrderRecord) -> Standing:
        """Keep the order's row and its notices, unless a record as new or newer stands already; say what stood."""
        # One statement: its snapshot is older than what the function writes, so that `revision` is the row's before.
        standing = await self._one(
            Standing,
            "SELECT record_order($1) AS kept, o.revision,"
            " ARRAY(SELECT m.reference FROM movements m WHERE m.reference >= $3 AND m.reference < $4 ORDER BY m.id)"
            " AS references FROM orders o WHERE o.order_id = $2",
            record,
            record.order_id,
            *below(f"order/{record.order_id}"),
        )
        if standing is None:
            raise Misconfigured(f"order {record.order_id} is not registered: another database?")
        return standing

    async def known_order(self, order_id: str) -> StoredOrder | None:
        """What is known of an order; None where no such order was registered."""
        row = await self._row(
            "SELECT body, opened_by, policy_hash, revision, closed, state,"
            " ARRAY(SELECT m.reference FROM movements m WHERE m.reference >= $2 AND m.reference < $3 ORDER BY m.id)"
            " AS references FROM orders WHERE order_id = $1",
            order_id,
            *below(f"order/{order_id}"),
        )
        if row is None:
            return None
        return StoredOrder(**{**row, "order": Order.model_validate(row["body"])})

    async def rescue_order(self, order_id: str, opened_by: str) -> StoredOrder | None:
        """Take an order over for another run, where it is not closed, and return what is known of it."""
        await self._call("SELECT take_over_order($1, $2)", order_id, opened_by)
        return await self.known_order(order_id)

    async def stored_order(self, order_id: str) -> Order | None:
        """The order as it was registered."""
        found = await self._call("SELECT body FROM orders WHERE order_id = $1", order_id)
        return Order.model_validate(found) if found is not None else None
