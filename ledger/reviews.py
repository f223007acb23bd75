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

QUEUE = """
    SELECT 'audit' AS kind, o.order_id, p.parcel ->> 'parcel_id' AS parcel_id, o.merchant_id, o.currency, o.total_minor,
           ARRAY(SELECT jsonb_array_elements_text(p.parcel -> 'findings_of_review')) AS reasons,
           p.parcel -> 'verdict' AS verdict, p.parcel -> 'evidence_of_review' AS evidence,
           (p.parcel ->> 'audit_since')::TIMESTAMPTZ AS since,
           o.state #>> '{policy,review_sla}' AS sla
    FROM orders o CROSS JOIN LATERAL jsonb_array_elements(o.state -> 'parcels') AS p (parcel)
    -- An order's audit is its worst parcel's; the index of orders in review knows these two.
    WHERE NOT o.closed AND o.audit IN ('rejected', 'in_review')
      AND p.parcel ->> 'audit' = 'in_review' AND NOT (p.parcel ->> 'ended')::BOOLEAN
    UNION ALL
    SELECT 'screening', o.order_id, '', o.merchant_id, o.currency, o.total_minor,
           ARRAY[coalesce(o.state ->> 'screening_reason', 'screening')], NULL,
           jsonb_build_object('hits', o.state -> 'screening_hits'),
           (o.state ->> 'screening_since')::TIMESTAMPTZ, o.state #>> '{policy,screening_sla}'
    FROM orders o WHERE o.phase = 'screening_held'
    UNION ALL
    SELECT 'arbitration', o.order_id, 'case-' || (c.newest ->> 'case_id'), o.merchant_id, o.currency, o.total_minor,
           ARRAY[c.newest ->> 'kind', c.newest ->> 'reason'], NULL, c.newest, (c.newest ->> 'since')::TIMESTAMPTZ,
           -- Until the end of the stage that runs; one that has none any more is overdue.
           coalesce(extract(EPOCH FROM (c.newest #>> '{due,at}')::TIMESTAMPTZ - (c.newest ->> 'since')::TIMESTAMPTZ), 0)
               ::BIGINT || 's'
    FROM orders o CROSS JOIN LATERAL (SELECT o.state #> '{cases,-1}' AS newest) AS c
    WHERE cardinality(o.hold_reasons) > 0 AND o.hold_reasons @> ARRAY['after_sale_arbitration']
"""


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
            f"SELECT q.*, c.reviewer, c.claimed_at FROM ({QUEUE}) AS q"
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
