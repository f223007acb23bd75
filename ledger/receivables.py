"""What merchants owe: how old it is, what they paid in, and what two people gave up."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from core.fields import Message
from core.movements import Movement
from core.steps import Posted
from ledger.columns import columns_of
from ledger.register_part import RegisterPart

WriteOffOutcome = Literal[
    "asked", "written_off", "same_person", "access_ended", "already", "different", "insufficient_funds", "disputed"
]


class Debt(Message):
    """What a merchant owes in one currency, by the age of its parts: what is repaid is the oldest first."""

    currency: str
    owed_minor: int
    days_30_minor: int
    days_90_minor: int
    older_minor: int
    oldest_at: datetime


class WrittenOff(Message):
    """The answer to one person who gives a debt up.

    `short_by_minor`: how much less is owed, or how much of it a channel may still give back.
    """

    outcome: WriteOffOutcome
    short_by_minor: int | None = None


class Receivables(RegisterPart):
    """The register's view of what is owed."""

    async def of_merchant(self, merchant_id: str, now: datetime) -> list[Debt]:
        """A merchant's debts, one line a currency in which something is owed."""
        return await self._all(
            Debt,
            "WITH debts AS (SELECT e.currency, e.occurred_at, e.delta_minor, sum(e.delta_minor) FILTER"
            "   (WHERE e.delta_minor > 0) OVER (PARTITION BY e.currency ORDER BY e.movement_id, e.leg) AS so_far,"
            "   coalesce(sum(-e.delta_minor) FILTER (WHERE e.delta_minor < 0)"
            "   OVER (PARTITION BY e.currency), 0) AS repaid"
            "   FROM entries e WHERE e.path = 'merchant/' || $1 || '/receivable'),"
            " parts AS (SELECT currency, occurred_at, least(delta_minor, so_far - repaid)::BIGINT AS part,"
            "   $2::TIMESTAMPTZ - occurred_at AS age FROM debts WHERE delta_minor > 0 AND so_far > repaid)"
            " SELECT currency, sum(part)::BIGINT AS owed_minor,"
            " coalesce(sum(part) FILTER (WHERE age < INTERVAL '31 days'), 0)::BIGINT AS days_30_minor,"
            " coalesce(sum(part) FILTER (WHERE age >= INTERVAL '31 days' AND age < INTERVAL '91 days'), 0)::BIGINT"
            "   AS days_90_minor,"
            " coalesce(sum(part) FILTER (WHERE age >= INTERVAL '91 days'), 0)::BIGINT AS older_minor,"
            " min(occurred_at) AS oldest_at FROM parts GROUP BY currency ORDER BY currency",
            merchant_id,
            now,
        )

    async def owing(self) -> list[str]:
        """The merchants that owe something."""
        ids = await self._call(
            "SELECT coalesce(array_agg(DISTINCT split_part(path, '/', 2)), '{}') FROM accounts"
            " WHERE path LIKE 'merchant/%/receivable' AND balance_minor > 0"
        )
        return sorted(ids)

    async def call(self, merchant_id: str, debt: Debt, now: datetime) -> bool:
        """Call merchant and operators for an overdue debt, once for the part that is its oldest. False: they were."""
        return bool(
            await self._call(
                "SELECT call_for_debt($1, $2, $3, $4, $5)",
                *(merchant_id, debt.currency, debt.owed_minor, debt.oldest_at, now),
            )
        )

    async def pay_in(self, movement: Movement) -> Posted:
        """Book what a merchant paid, at most what is owed. The same receipt again answers `exists`."""
        reference, currency, at, _, *legs = columns_of(movement)
        row = await self._row("SELECT * FROM post_paid_in($1, $2, $3, $4, $5, $6)", reference, currency, at, *legs)
        assert row is not None  # the function answers with one row
        return Posted(
            reference=movement.reference,
            outcome=row["outcome"],
            account=row["account"],
            short_by_minor=row["short_by"],
        )

    async def write_off(
        self,
        request_id: str,
        merchant_id: str,
        *,
        amount_minor: int,
        currency: str,
        person: str,
        reason: str,
        now: datetime,
    ) -> WrittenOff:
        """Give a debt up: the first person asks, a second one does it under the same request."""
        row = await self._row(
            "SELECT * FROM write_off($1, $2, $3, $4, $5, $6, $7)",
            *(request_id, merchant_id, currency, amount_minor, person, reason, now),
        )
        assert row is not None  # the function answers with one row
        return WrittenOff(outcome=row["outcome"], short_by_minor=row["short_by"])
