"""Findings against the proof about what buyers paid again."""

from __future__ import annotations

CLAIMED_MORE_THAN_ARRIVED = """
    SELECT c.order_id, c.reference, c.claimed_minor, s.claimed_minor AS said_minor, o.arrived_minor, o.all_minor
    FROM (
        SELECT split_part(reference, '/', 2) AS order_id, reference, sum(delta_minor)::BIGINT AS claimed_minor
        FROM entries WHERE path LIKE 'psp/%' AND reference LIKE 'order/%/claim_back/%' GROUP BY 2
    ) AS c
    LEFT JOIN LATERAL (
        SELECT (k.body #>> '{claim,amount_minor}')::BIGINT AS claimed_minor
        FROM orders r CROSS JOIN LATERAL jsonb_path_query(r.state, '$.cases[*]') AS k (body)
        WHERE r.order_id = c.order_id AND k.body ->> 'case_id' = split_part(c.reference, '/', 4)
    ) AS s ON TRUE
    LEFT JOIN LATERAL (
        SELECT coalesce(-sum(e.delta_minor) FILTER (WHERE e.reference LIKE 'order/%/refund/%/paid'), 0)::BIGINT
                   AS arrived_minor,
               coalesce(sum(e.delta_minor) FILTER (WHERE e.reference LIKE 'order/%/claim_back/%'), 0)::BIGINT
                   AS all_minor
        FROM entries e WHERE e.path LIKE 'psp/%' AND e.reference >= 'order/' || c.order_id || '/'
          AND e.reference < 'order/' || c.order_id || '0'
    ) AS o ON TRUE
    WHERE o.all_minor > o.arrived_minor OR c.claimed_minor IS DISTINCT FROM s.claimed_minor
    ORDER BY c.reference
"""
