"""The book: movements are posted here, each under its own reference, whole or not at all.

The same reference with the same legs answers `exists`, with others `conflict`. Nothing here retries: every call may be
made again, and raises `Unavailable` where the database does not answer; a retry helps and posts nothing twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg

from core.movements import Movement
from core.records import OrderRecord, WithdrawalRecord
from core.steps import Posted
from ledger.columns import columns_of
from ledger.pool import translate_errors


class Book:
    """Posts movements. Locks, balances and guards live in the database."""

    def __init__(self, pool: asyncpg.Pool[Any]) -> None:
        self._pool = pool

    async def post(self, movement: Movement, record: OrderRecord | WithdrawalRecord | None = None) -> Posted:
        """Post one movement, and keep the record of what it makes true: both or neither.

        An order's or a withdrawal's movement goes through the function that knows its subject, since that holds the
        subject's own rules: a withdrawal gets back no more than was paid, and nothing while a payout may still arrive.
        """
        subject, _, rest = movement.reference.partition("/")
        if movement.kind == "psp_settlement":
            assert record is None, "a record belongs to a movement of an order or a withdrawal"
            return await self._of_channel(rest.partition("/")[0], movement)
        if movement.kind == "adjustment" or subject not in {"order", "withdrawal"}:
            assert record is None, "a record belongs to a movement of an order or a withdrawal"
            (posted,) = await self.post_all([movement])
            return posted
        if subject == "withdrawal":
            return await self._for_withdrawal(rest.partition("/")[0], movement, record)
        return await self._for_order(movement, record)

    async def post_all(self, batch: Sequence[Movement]) -> list[Posted]:
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

    async def _for_order(self, movement: Movement, record: OrderRecord | WithdrawalRecord | None) -> Posted:
        assert not isinstance(record, WithdrawalRecord)
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
        return _posted(movement, row, overtaken=bool(row["overtaken"]))

    async def _for_withdrawal(
        self, withdrawal_id: str, movement: Movement, record: OrderRecord | WithdrawalRecord | None
    ) -> Posted:
        assert not isinstance(record, OrderRecord)
        async with translate_errors():
            row = await self._pool.fetchrow(
                "SELECT * FROM post_for_withdrawal($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                withdrawal_id,
                *columns_of(movement),
                record,
            )
        return _posted(movement, row)

    async def _of_channel(self, channel: str, movement: Movement) -> Posted:
        """A channel's settlement: at most what the channel holds by the books."""
        async with translate_errors():
            row = await self._pool.fetchrow(
                "SELECT * FROM post_settlement($1, $2, $3, $4, $5, $6, $7)",
                movement.reference,
                channel,
                movement.currency,
                movement.occurred_at,
                [leg.debit for leg in movement.legs],
                [leg.credit for leg in movement.legs],
                [leg.amount_minor for leg in movement.legs],
            )
        return _posted(movement, row)


def _posted(movement: Movement, row: Any, *, overtaken: bool = False) -> Posted:
    return Posted(
        reference=movement.reference,
        outcome=row["outcome"],
        account=row["account"],
        short_by_minor=row["short_by"],
        overtaken=overtaken,
    )
