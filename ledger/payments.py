"""Payments: the parts that orders claim, the unclaimed rest, and the returns of it by two people."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from core.fields import Message
from core.order.dividing import ChargedOrder
from ledger.pool import clean
from ledger.register_part import RegisterPart

ReturnOutcome = Literal[
    "asked", "owed", "already", "same_person", "access_ended", "different", "unknown_payment", "nothing_left", "claimed"
]


class StoredPayment(Message):
    """A payment: what was paid, what orders claim, what went back of the rest, since its first order."""

    channel: str
    payment: str
    currency: str
    paid_minor: int
    claimed_minor: int
    returned_minor: int
    orders: int
    since: datetime | None

    @property
    def rest_minor(self) -> int:
        """What no order claims, and what has not gone back."""
        return self.paid_minor - self.claimed_minor - self.returned_minor


class PaymentOrder(Message):
    """One order of a payment, with its money by place."""

    order_id: str
    merchant_id: str
    buyer_id: str
    phase: str
    closed: bool
    total_minor: int
    refunded_minor: int
    held_minor: int
    """In escrow."""
    proceeds_minor: int
    settled_minor: int
    owed_minor: int
    """To the buyer, until the refund has arrived."""


class RestReturn(Message):
    """A return of a payment's rest: see the table `rest_returns`."""

    return_id: str
    channel: str
    payment: str
    currency: str
    amount_minor: int
    reason: str
    asked_by: str
    asked_at: datetime
    done_by: str | None
    state: Literal["asked", "owed", "arrived", "refused", "claimed"]
    closed_at: datetime | None
    message: str


class Returned(Message):
    """The answer to one person of a return."""

    outcome: ReturnOutcome
    amount_minor: int | None = None
    currency: str | None = None


_PAYMENT = (
    "SELECT p.channel, p.payment, p.currency, p.paid_minor, p.claimed_minor, p.returned_minor, o.orders, o.since"
    # Joined, a few hundred payments with a rest would read every order there ever was: the planner takes a third of all
    # payments to have one.
    " FROM payments p CROSS JOIN LATERAL (SELECT count(*)::INT AS orders, min(o.opened_at) AS since FROM orders o"
    " WHERE o.channel = p.channel AND o.payment = p.payment) AS o"
)
_RETURN = f"SELECT {', '.join(RestReturn.model_fields)} FROM rest_returns"


class Payments(RegisterPart):
    """The register's payments."""

    async def of_reference(self, payment: str, channel: str | None = None) -> list[StoredPayment]:
        """The payments of this reference, one a channel."""
        return await self._all(
            StoredPayment,
            f"{_PAYMENT} WHERE p.payment = $1 AND ($2::TEXT IS NULL OR p.channel = $2) ORDER BY p.channel",
            clean(payment),
            channel,
        )

    async def named(self, channel: str, number: str) -> str | None:
        """The reference under which orders claim the payment of a channel's own number; None where none does."""
        query = "SELECT payment FROM payment_numbers WHERE channel = $1 AND number = $2"
        name: str | None = await self._call(query, channel, clean(number))
        return name

    async def unclaimed(self, *, merchant_id: str | None = None, limit: int = 100) -> list[StoredPayment]:
        """Payments with a rest, the oldest first; those of one merchant's orders, or all."""
        return await self._all(
            StoredPayment,
            f"{_PAYMENT} WHERE p.paid_minor > p.claimed_minor + p.returned_minor"
            " AND ($1::TEXT IS NULL OR EXISTS (SELECT FROM orders m WHERE m.channel = p.channel"
            "      AND m.payment = p.payment AND m.merchant_id = $1))"
            " ORDER BY o.since NULLS FIRST, p.channel, p.payment LIMIT $2",
            merchant_id,
            limit,
        )

    async def rest_beside(self, order_id: str) -> StoredPayment | None:
        """The payment of an order where a part of it is no order's; None where all of it is claimed."""
        return await self._one(
            StoredPayment,
            f"{_PAYMENT} WHERE p.paid_minor > p.claimed_minor + p.returned_minor AND (p.channel, p.payment) ="
            " (SELECT m.channel, m.payment FROM orders m WHERE m.order_id = $1)",
            order_id,
        )

    async def orders_of(self, channel: str, payment: str) -> list[PaymentOrder]:
        """The orders of a payment in the order of their ids, each with where its money is."""
        return await self._all(
            PaymentOrder,
            "SELECT o.order_id, o.merchant_id, o.buyer_id, o.phase, o.closed, o.total_minor, o.refunded_minor,"
            " coalesce(sum(a.balance_minor) FILTER (WHERE a.path LIKE '%/escrow'), 0)::BIGINT AS held_minor,"
            " coalesce(sum(a.balance_minor) FILTER (WHERE a.path LIKE '%/proceeds'), 0)::BIGINT AS proceeds_minor,"
            " coalesce((o.state ->> 'settled_minor')::BIGINT, 0) AS settled_minor,"
            " coalesce(sum(a.balance_minor) FILTER (WHERE a.path LIKE '%/refund\\_payable/%'), 0)::BIGINT AS owed_minor"
            " FROM orders o LEFT JOIN accounts a ON a.path COLLATE \"C\" >= 'order/' || o.order_id || '/'"
            "  AND a.path COLLATE \"C\" < 'order/' || o.order_id || '0'"
            " WHERE o.channel = $1 AND o.payment = $2 GROUP BY o.order_id ORDER BY o.order_id",
            channel,
            clean(payment),
        )

    async def charged_orders(self, payment: str, case_reference: str, channel: str | None) -> list[ChargedOrder]:
        """The orders of a payment in the order of their ids, with what this chargeback has taken of each.

        Args:
            channel: None finds the payment at any channel.
        """
        return await self._all(
            ChargedOrder,
            "SELECT o.order_id, o.channel, o.currency, o.total_minor, o.total_minor - r.back_minor AS left_minor,"
            " k.charged_minor, c.taken_minor, coalesce(c.fee_minor, 0) AS fee_minor FROM orders o"
            " CROSS JOIN LATERAL (SELECT coalesce(sum((e ->> 'amount_minor')::BIGINT), 0)::BIGINT AS back_minor"
            "   FROM jsonb_path_query(o.state, '$.refunds[*]') AS e) AS r"
            " CROSS JOIN LATERAL (SELECT coalesce(sum((e ->> 'amount_minor')::BIGINT), 0)::BIGINT AS charged_minor"
            "   FROM jsonb_path_query(o.state, '$.cases[*]') AS e"
            "   WHERE e ? 'dispute' AND e ->> 'stage' <> 'won' AND e #>> '{dispute,reference}' <> $2"
            "     AND NOT (e -> 'dispute') ? 'claim') AS k"
            " LEFT JOIN LATERAL (SELECT (e ->> 'amount_minor')::BIGINT AS taken_minor,"
            "     (e #>> '{dispute,fee_minor}')::BIGINT AS fee_minor"
            "   FROM jsonb_path_query(o.state, '$.cases[*]') AS e"
            "   WHERE e #>> '{dispute,reference}' = $2) AS c ON TRUE"
            " WHERE o.payment = $1 AND ($3::TEXT IS NULL OR o.channel = $3) ORDER BY o.order_id",
            clean(payment),
            clean(case_reference),
            channel,
        )

    async def charged_claims(self, payment: str, channel: str | None) -> list[ChargedOrder]:
        """The order whose buyer made this payment for a claim; two where people gave two claims one number.

        Args:
            channel: None finds the payment at any channel.
        """
        return await self._all(
            ChargedOrder,
            "SELECT o.order_id, o.channel, o.currency, o.total_minor, 0::BIGINT AS left_minor,"
            " c.payment AS claimed_with FROM claim_payments c JOIN orders o ON o.order_id = c.order_id"
            " WHERE c.payment = $1 AND ($2::TEXT IS NULL OR c.channel = $2) ORDER BY o.order_id LIMIT 2",
            clean(payment),
            channel,
        )

    async def return_rest(
        self, return_id: str, channel: str, payment: str, *, person: str, reason: str, now: datetime
    ) -> Returned:
        """Give back what no order claims: the first person asks, a second one does it under the same id."""
        row = await self._row(
            "SELECT * FROM return_rest($1, $2, $3, $4, $5, $6)",
            *(return_id, channel, clean(payment), person, reason, now),
        )
        assert row is not None  # the function answers with one row
        return Returned(outcome=row["outcome"], amount_minor=row["amount_minor"], currency=row["currency"])

    async def returned(self, return_id: str) -> RestReturn | None:
        """One return; None where there is none of this id."""
        return await self._one(RestReturn, f"{_RETURN} WHERE return_id = $1", return_id)

    async def returns(self, *, open_only: bool = True) -> list[RestReturn]:
        """Returns, the earliest first; those that are closed too unless `open_only`."""
        return await self._all(
            RestReturn, f"{_RETURN} WHERE state IN ('asked', 'owed') OR NOT $1 ORDER BY asked_at, return_id", open_only
        )

    async def owed(self, channel: str) -> list[str]:
        """The ids of returns through a channel that two people agreed on and that the channel has not answered."""
        ids = await self._call(
            "SELECT coalesce(array_agg(return_id ORDER BY done_at, return_id), '{}') FROM rest_returns"
            " WHERE channel = $1 AND state = 'owed'",
            channel,
        )
        return list(ids)

    async def close_return(
        self, return_id: str, *, arrived: bool, reference: str | None, message: str | None, now: datetime
    ) -> bool:
        """Close a return with the channel's final word; False where it was closed before."""
        return bool(
            await self._call(
                "SELECT close_rest_return($1, $2, $3, $4, $5)", return_id, arrived, reference, clean(message or ""), now
            )
        )

    async def note_rests(self, channel: str, before: datetime, now: datetime) -> int:
        """Notify operators, once a payment, of what no order has claimed of it since before this time."""
        return int(await self._call("SELECT note_rests($1, $2, $3)", channel, before, now))
