"""The book: one method a movement, one reference each, posted whole or not at all.

The same reference with the same legs answers `exists`, with others `conflict`. Nothing here retries: every call may be
made again. A method that is given a record writes it, with its notices, in the same database transaction.

Every method raises `Unavailable` where the database does not answer; a retry helps and posts nothing twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import asyncpg

from core.messages import Message
from core.records import OrderRecord, WithdrawalRecord
from ledger import movements
from ledger.movements import Movement, columns_of
from ledger.pool import translate_errors

Outcome = Literal["posted", "exists", "conflict", "insufficient_funds"]


class Posted(Message):
    """The answer to one movement. `posted` and `exists` mean that the money moved, now or before.

    With `insufficient_funds`, `account` would be `short_by_minor` below zero. A `conflict` with an account says that
    the account, which the movement should have emptied or leave alone, stands against it by that much. `overtaken`: the
    register had a record as new or newer, and did not keep the one that came with the movement.
    """

    reference: str
    outcome: Outcome
    account: str | None = None
    short_by_minor: int | None = None
    overtaken: bool = False

    @property
    def moved(self) -> bool:
        """Whether the movement stands in the books."""
        return self.outcome in {"posted", "exists"}

    @property
    def detail(self) -> str:
        """For people."""
        if self.outcome == "insufficient_funds":
            return f"{self.account} is short by {self.short_by_minor}"
        if self.account:
            return f"{self.account} stands against it by {self.short_by_minor}"
        return self.reference


class Book:
    """Posts movements. Locks, balances and guards live in the database."""

    def __init__(self, pool: asyncpg.Pool[Any]) -> None:
        self._pool = pool

    # --- of an order -----------------------------------------------------------------------------------

    async def fund(
        self,
        order_id: str,
        *,
        channel: str,
        amount_minor: int,
        currency: str,
        occurred_at: datetime,
        record: OrderRecord | None = None,
    ) -> Posted:
        """The buyer's money, at the channel, is held for the order."""
        movement = movements.fund(
            order_id, channel=channel, amount_minor=amount_minor, currency=currency, occurred_at=occurred_at
        )
        return await self._for_order(movement, record)

    async def credit(
        self,
        order_id: str,
        *,
        merchant_id: str,
        proceeds_minor: int,
        commission_minor: int,
        discount_minor: int,
        currency: str,
        occurred_at: datetime,
        record: OrderRecord | None = None,
    ) -> Posted:
        """What is left in escrow, all of it, becomes proceeds and commission; the platform adds its discount."""
        movement = movements.credit(
            order_id,
            proceeds_minor=proceeds_minor,
            commission_minor=commission_minor,
            discount_minor=discount_minor,
            currency=currency,
            occurred_at=occurred_at,
        )
        return await self._for_order(movement, record)

    async def settle(
        self,
        order_id: str,
        *,
        merchant_id: str,
        amount_minor: int,
        currency: str,
        occurred_at: datetime,
        record: OrderRecord | None = None,
    ) -> Posted:
        """The order's proceeds, all of them, become available; what the merchant owes is repaid first."""
        movement = movements.settle(
            order_id, merchant_id=merchant_id, amount_minor=amount_minor, currency=currency, occurred_at=occurred_at
        )
        return await self._for_order(movement, record)

    async def refund(
        self,
        order_id: str,
        *,
        cause: str,
        currency: str,
        occurred_at: datetime,
        from_escrow_minor: int = 0,
        from_proceeds_minor: int = 0,
        from_commission_minor: int = 0,
        record: OrderRecord | None = None,
    ) -> Posted:
        """What the buyer is owed: from escrow, or between credit and settlement from proceeds and commission."""
        movement = movements.refund(
            order_id,
            cause=cause,
            currency=currency,
            occurred_at=occurred_at,
            from_escrow_minor=from_escrow_minor,
            from_proceeds_minor=from_proceeds_minor,
            from_commission_minor=from_commission_minor,
        )
        return await self._for_order(movement, record)

    async def refund_arrived(
        self,
        order_id: str,
        *,
        cause: str,
        channel: str,
        amount_minor: int,
        currency: str,
        occurred_at: datetime,
        record: OrderRecord | None = None,
    ) -> Posted:
        """The buyer has it."""
        movement = movements.refund_arrived(
            order_id,
            cause=cause,
            channel=channel,
            amount_minor=amount_minor,
            currency=currency,
            occurred_at=occurred_at,
        )
        return await self._for_order(movement, record)

    # --- of a channel ----------------------------------------------------------------------------------

    async def psp_settlement(
        self,
        channel: str,
        settlement_id: str,
        *,
        rail: str,
        net_minor: int,
        fee_minor: int,
        currency: str,
        occurred_at: datetime,
    ) -> Posted:
        """What the channel held is with the rail now, less its fee. The id is the channel's own."""
        movement = movements.psp_settlement(
            channel,
            settlement_id,
            rail=rail,
            net_minor=net_minor,
            fee_minor=fee_minor,
            currency=currency,
            occurred_at=occurred_at,
        )
        (posted,) = await self.post([movement])
        return posted

    # --- of a withdrawal; `Register.reserve` begins it -------------------------------------------------

    async def pay(
        self,
        withdrawal_id: str,
        *,
        rail: str,
        amount_minor: int,
        fee_minor: int,
        currency: str,
        occurred_at: datetime,
        record: WithdrawalRecord | None = None,
    ) -> Posted:
        """The payee has `amount_minor`, the platform its fee."""
        movement = movements.pay(
            withdrawal_id,
            rail=rail,
            amount_minor=amount_minor,
            fee_minor=fee_minor,
            currency=currency,
            occurred_at=occurred_at,
        )
        return await self._for_withdrawal(withdrawal_id, movement, record)

    async def void(
        self,
        withdrawal_id: str,
        *,
        merchant_id: str,
        amount_minor: int,
        currency: str,
        occurred_at: datetime,
        record: WithdrawalRecord | None = None,
    ) -> Posted:
        """What was set aside is given back. A `conflict` while a payout may still arrive."""
        movement = movements.void(
            withdrawal_id,
            merchant_id=merchant_id,
            amount_minor=amount_minor,
            currency=currency,
            occurred_at=occurred_at,
        )
        return await self._for_withdrawal(withdrawal_id, movement, record)

    async def move_to_suspense(
        self,
        withdrawal_id: str,
        *,
        amount_minor: int,
        currency: str,
        occurred_at: datetime,
        record: WithdrawalRecord | None = None,
    ) -> Posted:
        """What was set aside waits for some days, since two people said that its payout failed."""
        movement = movements.move_to_suspense(
            withdrawal_id, amount_minor=amount_minor, currency=currency, occurred_at=occurred_at
        )
        return await self._for_withdrawal(withdrawal_id, movement, record)

    async def bank_return(
        self,
        withdrawal_id: str,
        *,
        k: int,
        merchant_id: str,
        rail: str,
        amount_minor: int,
        currency: str,
        occurred_at: datetime,
        fee_back_minor: int = 0,
        shortfall_minor: int = 0,
        record: WithdrawalRecord | None = None,
    ) -> Posted:
        """What the bank sent back, for the `k`-th time. A `conflict` where that is more than was paid."""
        movement = movements.bank_return(
            withdrawal_id,
            k=k,
            merchant_id=merchant_id,
            rail=rail,
            amount_minor=amount_minor,
            currency=currency,
            occurred_at=occurred_at,
            fee_back_minor=fee_back_minor,
            shortfall_minor=shortfall_minor,
        )
        return await self._for_withdrawal(withdrawal_id, movement, record)

    # --- any -------------------------------------------------------------------------------------------

    async def post(self, batch: Sequence[Movement]) -> list[Posted]:
        """Post many movements in one transaction; each is answered alone, in the order given.

        They are decided in the order of their references: what depends on another movement comes in a later call.
        A batch that a CHECK aborts is posted one by one, so that one bad movement spoils no other.
        """
        try:
            return await self._post(batch)
        except asyncpg.CheckViolationError:
            if len(batch) == 1:
                raise
            return [answer for movement in batch for answer in await self._post([movement])]

    async def _post(self, batch: Sequence[Movement]) -> list[Posted]:
        legs = [(index, leg) for index, movement in enumerate(batch, start=1) for leg in movement.legs]
        async with translate_errors():
            rows = await self._pool.fetch(
                "SELECT * FROM post($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                [movement.reference for movement in batch],
                [movement.currency for movement in batch],
                [movement.occurred_at for movement in batch],
                [movement.linked_to for movement in batch],
                [movement.emptied for movement in batch],
                [index for index, _ in legs],
                [leg.debit for _, leg in legs],
                [leg.credit for _, leg in legs],
                [leg.amount_minor for _, leg in legs],
            )
        return [_posted(movement, row) for movement, row in zip(batch, rows, strict=True)]

    async def _for_order(self, movement: Movement, record: OrderRecord | None) -> Posted:
        async with translate_errors():
            row = await self._pool.fetchrow(
                "SELECT p.*, (SELECT o.revision >= $9 FROM orders o WHERE o.order_id = $10) AS overtaken"
                " FROM post_for_order($1, $2, $3, $4, $5, $6, $7, $8) AS p",
                *columns_of(movement),
                record,
                record.revision if record else None,
                record.order_id if record else None,
            )
        assert row is not None  # the function answers with one row
        return _posted(movement, row).model_copy(update={"overtaken": bool(row and row["overtaken"])})

    async def _for_withdrawal(self, withdrawal_id: str, movement: Movement, record: WithdrawalRecord | None) -> Posted:
        async with translate_errors():
            row = await self._pool.fetchrow(
                "SELECT * FROM post_for_withdrawal($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                withdrawal_id,
                *columns_of(movement),
                record,
            )
        return _posted(movement, row)


def _posted(movement: Movement, row: Any) -> Posted:
    return Posted(
        reference=movement.reference, outcome=row["outcome"], account=row["account"], short_by_minor=row["short_by"]
    )
