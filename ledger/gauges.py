"""What a system that watches wants to know of the register: a few numbers, each about what is open now.

Every query has a partial index of open rows behind it, so that reading them costs the same in the tenth year.
"""

from __future__ import annotations

from core.fields import Message
from ledger.register_part import OVERDUE, RegisterPart


class Gauge(Message):
    """One number by name; `labels` divide it."""

    name: str
    labels: dict[str, str] = {}
    value: float


GAUGES = (
    """
    SELECT 'open_orders' AS name, jsonb_build_object('phase', phase) AS labels, count(*)::FLOAT8 AS value
    FROM orders WHERE NOT closed GROUP BY phase
    UNION ALL
    -- An order with two reasons counts under each: a sum over the reasons is no sum of money.
    SELECT 'held_minor', jsonb_build_object('reason', r.reason, 'currency', o.currency, 'age', CASE
               WHEN o.opened_at > now() - INTERVAL '7 days' THEN 'week'
               WHEN o.opened_at > now() - INTERVAL '30 days' THEN 'month' ELSE 'older' END),
           sum(o.total_minor)
    FROM orders o CROSS JOIN LATERAL unnest(o.hold_reasons) AS r (reason)
    WHERE cardinality(o.hold_reasons) > 0 GROUP BY 2
    UNION ALL
    SELECT 'overdue_deadlines', jsonb_build_object('of', 'orders'), count(*)
    FROM orders o WHERE """
    + OVERDUE.format(row="o")
    + """
    UNION ALL
    SELECT 'overdue_deadlines', jsonb_build_object('of', 'withdrawals'), count(*)
    FROM withdrawals w WHERE """
    + OVERDUE.format(row="w")
    + """
    UNION ALL
    SELECT 'oldest_overdue_deadline_seconds', '{}', coalesce(max(extract(EPOCH FROM now() - d.due)), 0)
    FROM (SELECT next_deadline_at FROM orders WHERE NOT closed
          UNION ALL SELECT next_deadline_at FROM withdrawals WHERE NOT closed) AS d (due)
    WHERE d.due < now()
    UNION ALL
    SELECT 'reviews', jsonb_build_object('kind', q.kind), count(*) FROM review_queue q GROUP BY q.kind
    UNION ALL
    SELECT 'overdue_reviews', '{}', count(*) FROM review_queue q WHERE q.since + coalesce(q.sla, '0')::INTERVAL < now()
    UNION ALL
    SELECT 'oldest_review_seconds', '{}', coalesce(max(extract(EPOCH FROM now() - q.since)), 0) FROM review_queue q
    UNION ALL
    SELECT 'open_withdrawals', jsonb_build_object('state', state_name), count(*)
    FROM withdrawals WHERE NOT closed GROUP BY state_name
    UNION ALL
    SELECT 'oldest_unknown_payout_seconds', '{}', coalesce(max(extract(EPOCH FROM now() - recorded_at)), 0)
    FROM withdrawals WHERE NOT closed AND state_name = 'unknown'
    UNION ALL
    SELECT 'open_breaks', jsonb_build_object('scope', scope, 'reason', reason), count(*)
    FROM reconciliation_breaks WHERE resolved_at IS NULL GROUP BY scope, reason
    UNION ALL
    -- The oldest event that an endpoint waits for; not of one that someone disabled. The latest ones are few: each
    -- label is a series of its own.
    SELECT 'webhook_lag_seconds', jsonb_build_object('endpoint', w.endpoint_id), extract(EPOCH FROM now() - w.since)
    FROM (SELECT n.endpoint_id, least(
              CASE WHEN n.merchant_id IS NULL
              THEN (SELECT e.recorded_at FROM events e WHERE (e.position, e.id) > (n.position, n.event)
                    AND e.position < events_end() ORDER BY e.position, e.id LIMIT 1)
              ELSE (SELECT e.recorded_at FROM events e WHERE e.merchant_id = n.merchant_id
                    AND (e.position, e.id) > (n.position, n.event)
                    AND e.position < events_end() ORDER BY e.position, e.id LIMIT 1) END,
              (SELECT min(e.recorded_at) FROM parked p JOIN events e USING (subject, seq)
               WHERE p.endpoint_id = n.endpoint_id)) AS since
          FROM endpoints n WHERE n.state <> 'disabled') AS w
    WHERE w.since < now() - INTERVAL '1 minute' AND w.endpoint_id IN (
        SELECT l.endpoint_id FROM endpoints l WHERE l.state <> 'disabled' ORDER BY l.advanced_at NULLS FIRST LIMIT 100)
    UNION ALL
    SELECT 'seconds_since_reconciliation', jsonb_build_object('scope', scope, 'of', name),
           extract(EPOCH FROM now() - ran_at)
    FROM reconciliation_runs
    UNION ALL
    -- What was never compared, sealed or proven is as old as the books: an alert on an age says nothing where none is.
    SELECT 'seconds_since_reconciliation', jsonb_build_object('scope', b.scope, 'of', 'books'),
           extract(EPOCH FROM now() - (SELECT m.recorded_at FROM movements m ORDER BY m.id LIMIT 1))
    FROM unnest(ARRAY['orders', 'withdrawals']) AS b (scope)
    WHERE EXISTS (SELECT FROM movements)
      AND NOT EXISTS (SELECT FROM reconciliation_runs r WHERE (r.scope, r.name) = (b.scope, 'books'))
    UNION ALL
    -- What has something open keeps its state, however old it is.
    SELECT 'oldest_whole_state_seconds', '{}', extract(EPOCH FROM now() - min(w.recorded_at))
    FROM ((SELECT recorded_at FROM orders WHERE closed AND emptied_at IS NULL ORDER BY recorded_at LIMIT 1)
          UNION ALL (SELECT recorded_at FROM withdrawals WHERE closed AND emptied_at IS NULL
                     ORDER BY recorded_at LIMIT 1)) AS w
    HAVING count(*) > 0
    UNION ALL
    SELECT d.name, '{}', extract(EPOCH FROM now() - coalesce(d.at, (
        SELECT m.recorded_at FROM movements m ORDER BY m.id LIMIT 1)))
    FROM (VALUES ('seconds_since_seal', (SELECT max(sealed_at) FROM seals)),
                 ('seconds_since_proof', (SELECT proven_at FROM proven))) AS d (name, at)
    WHERE d.at IS NOT NULL OR EXISTS (SELECT FROM movements)
    UNION ALL
    SELECT 'last_proof_holds', '{}', (cardinality(broken) = 0)::INT FROM proof_runs
    UNION ALL
    SELECT 'broken_proofs', jsonb_build_object('proof', b.name), 1 FROM proof_runs CROSS JOIN unnest(broken) AS b (name)
    UNION ALL
    -- While a transaction stays open, notices and events that were written after its beginning are not read.
    SELECT 'unreadable_transactions', '{}',
           (pg_snapshot_xmax(s.now)::TEXT::NUMERIC - pg_snapshot_xmin(s.now)::TEXT::NUMERIC)::FLOAT8
    FROM (SELECT pg_current_snapshot()) AS s (now)
    UNION ALL
    -- PostgreSQL hides from a role when the transactions of others began, and one in another database of the server
    -- counts, too. So the first event that waits behind one says how old it is at the least.
    SELECT 'oldest_transaction_seconds', '{}', coalesce(greatest(
        (SELECT max(extract(EPOCH FROM now() - a.xact_start)) FROM pg_stat_activity a
         WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()),
        (SELECT extract(EPOCH FROM now() - e.recorded_at) FROM events e WHERE e.position >= events_end()
         ORDER BY e.position, e.id LIMIT 1)), 0)
"""
)


class Gauges(RegisterPart):
    """Numbers about what is open, for alerts and charts."""

    async def read(self) -> list[Gauge]:
        """All of them, now."""
        return await self._all(Gauge, GAUGES)
