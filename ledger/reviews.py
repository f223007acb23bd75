"""The review queue: parcels and goods that wait for a person, the longest first, and who reviews them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal

from core.durations import Duration
from core.fields import Message
from ledger.register_part import Conditions, Position, RegisterPart


class Review(Message):
    """One thing that waits for a person. `parcel_id` is "" where the goods are screened.

    `verdict` is the audit's last one, as JSON; `evidence` holds what its reasons are based on, by rule, and of a
    screening its `hits`. `sla` is how long a person may take, from `since`.
    """

    kind: Literal["audit", "screening", "arbitration"]
    order_id: str
    parcel_id: str
    merchant_id: str
    currency: str
    total_minor: int
    reasons: tuple[str, ...]
    verdict: dict[str, Any] | None
    evidence: dict[str, Any] | None
    since: datetime
    sla: Duration
    reviewer: str | None
    claimed_at: datetime | None


CLAIMED_FOR = timedelta(minutes=30)
"""After that another reviewer may take a review; the database has the same bound."""


class Reviews(RegisterPart):
    """The register's review queue."""

    async def waiting(
        self, *, order_id: str | None = None, kind: str | None = None, after: Position | None = None, limit: int = 100
    ) -> list[Review]:
        """What waits for a person, the longest wait first.

        Args:
            after: the last row of the page before: its `since`, and its order and parcel as `order/parcel`.
        """
        wanted = Conditions()
        wanted.add("q.order_id = {}", order_id)
        wanted.add("q.kind = {}", kind)
        wanted.after("q.since, q.order_id || '/' || q.parcel_id", after, ascending=True)
        return await self._all(
            Review,
            "SELECT q.*, c.reviewer, c.claimed_at FROM review_queue q"
            " LEFT JOIN review_claims c ON c.order_id = q.order_id AND c.parcel_id = q.parcel_id"
            f"{wanted.text} ORDER BY q.since, q.order_id || '/' || q.parcel_id{wanted.limit(limit)}",
            *wanted.arguments,
        )

    async def claim(self, order_id: str, parcel_id: str, reviewer: str, now: datetime) -> str:
        """Take a review; returns who has it: another reviewer if they were first."""
        return str(await self._call("SELECT claim_review($1, $2, $3, $4)", order_id, parcel_id, reviewer, now))

    async def release(self, order_id: str, parcel_id: str, reviewer: str) -> bool:
        """Give a review back; False if this reviewer did not have it."""
        return bool(await self._call("SELECT release_review($1, $2, $3)", order_id, parcel_id, reviewer))
