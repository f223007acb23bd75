"""Findings against the proofs about chargebacks: what was won back, and what channels keep."""

from __future__ import annotations

OTHERWISE_THAN_TAKEN = """
    SELECT w.reference, w.linked_to, d.place, d.left_minor
    FROM movements w
    LEFT JOIN LATERAL (
        SELECT CASE WHEN e.path LIKE 'merchant/%' OR e.path LIKE 'order/%/frozen' THEN 'merchant' ELSE e.path END
                   AS place,
               sum(CASE WHEN e.path LIKE 'merchant/%/receivable' THEN -e.delta_minor ELSE e.delta_minor END)
                   AS left_minor
        FROM entries e WHERE e.reference IN (w.reference, w.linked_to) GROUP BY 1
    ) AS d ON d.left_minor <> 0
    WHERE w.reference LIKE 'order/%/chargeback/%/won'
      AND (w.linked_to IS DISTINCT FROM left(w.reference, -4) OR d.place IS NOT NULL)
    ORDER BY w.reference, d.place
"""

CHARGED_MORE_THAN_PAID = """
    SELECT c.order_id, c.charged_minor, o.total_minor, k.claimed_minor, c.above_minor, c.covered_minor
    FROM (
        SELECT split_part(reference, '/', 2) AS order_id,
               coalesce(-sum(delta_minor) FILTER (WHERE path LIKE 'psp/%'), 0)::BIGINT AS charged_minor,
               coalesce(-sum(delta_minor) FILTER (
                   WHERE path LIKE 'psp/%' AND split_part(reference, '/', 5) = 'above'), 0)::BIGINT AS above_minor,
               coalesce(-sum(delta_minor) FILTER (WHERE path LIKE 'order/%'), 0)::BIGINT AS covered_minor
        FROM entries
        WHERE (path LIKE 'psp/%' AND reference LIKE 'order/%/chargeback/%' AND split_part(reference, '/', 5) <> 'fee')
           OR (path LIKE 'order/%/refund_payable/%' AND reference LIKE 'order/%/refund/%/covered')
        GROUP BY 1
    ) AS c
    LEFT JOIN orders o ON o.order_id = c.order_id
    LEFT JOIN LATERAL (
        SELECT coalesce(sum(e.delta_minor), 0)::BIGINT AS claimed_minor FROM entries e
        WHERE e.path LIKE 'psp/%' AND e.reference >= 'order/' || c.order_id || '/claim_back/'
          AND e.reference < 'order/' || c.order_id || '/claim_back0'
    ) AS k ON TRUE
    WHERE c.charged_minor > coalesce(o.total_minor, 0) + k.claimed_minor OR c.charged_minor < 0
       OR c.covered_minor > c.above_minor
    ORDER BY c.order_id
"""
"""Also what they took above what was left of it, which the refunds of the order do not count."""
