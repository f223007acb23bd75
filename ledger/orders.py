"""Orders in the register: opened once, recorded with each change, rescued from their last record."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from core.errors import Misconfigured
from core.fields import Message
from core.intake import Alike
from core.messages import Order
from core.movements import Movement
from core.parcels import Parcel
from core.records import LedgerFacts, OrderRecord
from ledger.columns import columns_of
from ledger.pool import clean
from ledger.register_part import Conditions, Position, RegisterPart, below

OpenOutcome = Literal[
    "registered",
    "same_run",
    "taken_over",
    "money_moved",
    "over",
    "different_content",
    "payment_over_claimed",
    "claimed_otherwise",
    "merchant_frozen",
    "merchant_suspended",
    "merchant_leaving",
]


NEVER_RECORDED = -1
"""The revision of an order that is only registered."""


class StoredOrder(Message):
    """What a rescue starts from: the order, its last recorded state, and its movements in the ledger."""

    order: Order
    opened_by: str
    policy_hash: str
    revision: int
    closed: bool
    state: dict[str, Any] | None
    references: tuple[str, ...]


class OrderInHand(Message):
    """An open order with its last recorded state; None where it is only registered."""

    order_id: str
    body: dict[str, Any]
    currency: str
    total_minor: int
    phase: str
    state: dict[str, Any] | None
    opened_at: datetime


class OrderRow(Message):
    """An order as lists show it."""

    order_id: str
    merchant_id: str
    buyer_id: str
    currency: str
    total_minor: int
    phase: str
    audit: str
    receipt: str
    next_deadline_name: str | None
    next_deadline_at: datetime | None
    hold_reasons: tuple[str, ...]
    holds: tuple[str, ...]
    """The reasons for which a person of the platform must act; the others only need time."""
    refunded_minor: int
    closed: bool
    content_hash: str
    opened_at: datetime
    recorded_at: datetime | None


STORED_BY_A_LOST_TRY = (
    "CASE WHEN r.kept IS NOT FALSE THEN '[]'::JSONB ELSE (SELECT coalesce(jsonb_agg(jsonb_build_object('seq', n.seq,"
    " 'to', n.recipient, 'name', n.name, 'at', n.at, 'facts', n.facts) ORDER BY n.seq), '[]'::JSONB) FROM notices n"
    " WHERE n.subject = 'order/' || {order} AND n.seq >= {first}) END"
)
"""The notices that stand under the numbers of a record that was not kept (`r.kept`)."""
LET_GO = "CASE WHEN {kept} THEN holds_to_let_go({record}) ELSE '{{}}' END AS let_go"
"""The holds of a record, once it is kept, whose merchant is not stopped any more."""

_ORDER = f"SELECT {', '.join(OrderRow.model_fields)} FROM orders"


FEW = 80
"""Fewer orders of which several things are so are found by all of them and sorted; of as many, the newest come soon.
"""


class Opening(Message):
    """The outcome of opening an order. `recorded`: the register has a state of it, from this opening or from before.

    `references` are all its movements. `let_go` are holds of the record whose merchant is not stopped any more.
    """

    outcome: OpenOutcome
    recorded: bool
    references: tuple[str, ...]
    let_go: tuple[str, ...] = ()


class Orders(RegisterPart):
    """The register's orders, and the parts of payments that they claim."""

    async def open(
        self,
        order: Order,
        content_hash: str,
        *,
        opened_by: str,
        paid_minor_confirmed: int,
        policy_hash: str,
        now: datetime,
        fund: Movement | None = None,
        record: OrderRecord | None = None,
        payment_number: str | None = None,
    ) -> Opening:
        """Register the order and its part of the payment, once; a new order is also funded and recorded.

        Args:
            opened_by: the run that opens it. The same run again is a retry (`same_run`). Another run takes the order
                over if no money has moved (`taken_over`); otherwise the answer is `money_moved`, or `over` once the
                order is closed.
            paid_minor_confirmed: what the channel says was paid, in all.
            fund: posted in the same transaction where the order is `registered` by this call; without it the order is
                only registered.
            record: the order's record once `fund` is posted. If `fund` cannot be posted, nothing is recorded.
            payment_number: the channel's own number of the payment, where it has several names. `claimed_otherwise`:
                orders claim it under another one.
        """
        opened = await self._one(
            Opening,
            f"SELECT outcome, recorded, refs AS references, {LET_GO.format(kept='recorded', record='$14')}"
            " FROM open_and_fund_order($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
            order,
            content_hash,
            opened_by,
            paid_minor_confirmed,
            policy_hash,
            now,
            *(columns_of(fund) if fund else (None,) * 7),
            record,
            clean(payment_number) if payment_number is not None else None,
        )
        assert opened is not None  # the function answers with one row
        return opened

    async def record(self, record: OrderRecord) -> LedgerFacts:
        """Keep the order's row and notices unless the register has as new a revision; returns what it had."""
        # One statement: its snapshot is older than what the function writes, so that `revision` is the row's before.
        standing = await self._one(
            LedgerFacts,
            "SELECT r.kept, o.revision,"
            " ARRAY(SELECT m.reference FROM movements m WHERE m.reference >= $3 AND m.reference < $4 ORDER BY m.id)"
            f" AS references, {STORED_BY_A_LOST_TRY.format(order='$2', first='$5')} AS notices,"
            f" {LET_GO.format(kept='r.kept', record='$1')}"
            " FROM record_order($1) AS r (kept) JOIN orders o ON o.order_id = $2",
            record,
            record.order_id,
            *below(f"order/{record.order_id}"),
            record.first_notice_seq,
        )
        if standing is None:
            raise Misconfigured(f"order {record.order_id} is not registered: another database?")
        return standing

    async def known(self, order_id: str) -> StoredOrder | None:
        """An order's last record; None if no such order is registered."""
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

    async def open_of(self, merchant_id: str, *, after: Position | None = None, limit: int = 100) -> list[OrderInHand]:
        """A merchant's open orders with their states, the newest first."""
        wanted = Conditions()
        wanted.add("merchant_id = {}", merchant_id)
        wanted.either("closed", wanted=False)
        wanted.after("opened_at, order_id", after)
        return await self._all(
            OrderInHand,
            "SELECT order_id, body, currency, total_minor, phase, state, opened_at FROM orders"
            f"{wanted.text} ORDER BY opened_at DESC, order_id DESC{wanted.limit(limit)}",
            *wanted.arguments,
        )

    async def rescue(self, order_id: str, opened_by: str) -> StoredOrder | None:
        """Let another run take an order over unless it is closed, and return its last record."""
        await self._call("SELECT take_over_order($1, $2)", order_id, opened_by)
        return await self.known(order_id)

    async def stored(self, order_id: str) -> Order | None:
        """The order as it was registered."""
        found = await self._call("SELECT body FROM orders WHERE order_id = $1", order_id)
        return Order.model_validate(found) if found is not None else None

    async def paid_with(self, payment: str) -> list[str]:
        """The ids of the orders that were paid with a payment of this reference, through any channel."""
        return list(
            await self._call(
                "SELECT ARRAY(SELECT order_id::TEXT FROM orders WHERE payment = $1 ORDER BY order_id LIMIT 100)",
                payment,
            )
        )

    async def alike(self, order: Order, since: datetime) -> Alike:
        """How many other orders since then share buyer and merchant, and how many other buyers device or place."""
        found = await self._one(
            Alike,
            "SELECT (SELECT count(*) FROM orders WHERE buyer_id = $1 AND merchant_id = $2 AND opened_at > $3"
            "        AND order_id <> $4) AS pair,"
            " (SELECT count(DISTINCT buyer_id) FROM orders"
            "  WHERE merchant_id = $2 AND device_hash = $5 AND opened_at > $3 AND buyer_id <> $1) AS device,"
            " (SELECT count(DISTINCT buyer_id) FROM orders"
            "  WHERE merchant_id = $2 AND place_hash = $6 AND opened_at > $3 AND buyer_id <> $1) AS place",
            *(order.buyer_id, order.merchant_id, since, order.order_id, order.device_hash, order.place_hash),
        )
        assert found is not None  # a SELECT of counts has one row
        return found

    async def parcel(self, order_id: str, parcel_id: str) -> Parcel | None:
        """One of the order's own parcels as it was last recorded."""
        found = await self._call(
            "SELECT p.parcel FROM orders, jsonb_path_query(state, '$.parcels[*]') AS p (parcel)"
            " WHERE order_id = $1 AND p.parcel ->> 'parcel_id' = $2",
            *(order_id, parcel_id),
        )
        return Parcel.model_validate(found) if found is not None else None

    async def row(self, order_id: str) -> OrderRow | None:
        """One order as lists show it."""
        return await self._one(OrderRow, f"{_ORDER} WHERE order_id = $1", order_id)

    async def rows(
        self,
        *,
        merchant_id: str | None = None,
        buyer_id: str | None = None,
        phase: str | None = None,
        audit: str | None = None,
        held: bool | None = None,
        hold_reason: str | None = None,
        closed: bool | None = None,
        overdue: bool | None = None,
        waybill: str | None = None,
        payment: str | None = None,
        after: Position | None = None,
        limit: int = 100,
    ) -> list[OrderRow]:
        """Orders by filter, the newest first; a filter of None lets all through.

        Args:
            held: until a person of the platform acts. Every open order waits for something, and is not held for that.
            hold_reason: what it waits for, or what holds it.
            overdue: what is open and more than five minutes past its next deadline, or all else.
            waybill: a number that the order uses or did before, in its one form (`normalised`).
            payment: the reference of its payment, through any channel.
            after: the last row of the page before.
        """
        wanted = Conditions()
        wanted.add("merchant_id = {}", merchant_id)
        wanted.add("buyer_id = {}", buyer_id)
        wanted.add("phase = {}", phase)
        wanted.add("audit = {}", audit)
        wanted.either("cardinality(holds) > 0", wanted=held)
        wanted.either("cardinality(hold_reasons) > 0", wanted=True if hold_reason is not None else None)
        wanted.add("hold_reasons @> ARRAY[{}::TEXT]", hold_reason)
        wanted.either("closed", wanted=closed)
        wanted.overdue("orders", wanted=overdue)
        wanted.add("order_id IN (SELECT c.order_id FROM waybill_claims c WHERE c.waybill = {})", waybill)
        wanted.add("payment = {}", payment)
        wanted.after("opened_at, order_id", after)
        source = _ORDER
        several = (merchant_id, buyer_id, phase, audit, held, closed, hold_reason)
        if hold_reason is not None or len([one for one in several if one is not None]) > 1:
            given = ", ".join(f"${n}" for n in range(1, 9))
            there = await self._call(f"SELECT count(*) FROM few_orders({given})", *several, FEW)
            if there == 0:
                return []
            if there < FEW:
                first = len(wanted.arguments) + 1
                wanted.arguments.extend((*several, FEW))
                given = ", ".join(f"${n}" for n in range(first, first + 8))
                source = _ORDER.replace(" FROM orders", f" FROM few_orders({given})")
        query = f"{source}{wanted.text} ORDER BY opened_at DESC, order_id DESC{wanted.limit(limit)}"
        return await self._all(OrderRow, query, *wanted.arguments)
