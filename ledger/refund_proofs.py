"""Findings against the proofs about refunds: what went back of an order, and what stands of its shares after that."""

from __future__ import annotations

from ledger.pool import SCHEMA

REFUNDED_OTHERWISE = """
    SELECT o.order_id, o.refunded_minor, coalesce(r.moved_minor, 0)::BIGINT AS moved_minor, o.total_minor,
           coalesce(r.owed_minor, 0)::BIGINT AS owed_minor, o.closed
    FROM orders o
    LEFT JOIN (
        SELECT split_part(CASE WHEN path LIKE 'order/%' THEN path ELSE reference END, '/', 2) AS order_id,
               coalesce(sum(delta_minor) FILTER (WHERE path LIKE 'order/%'), 0) AS owed_minor,
               sum(CASE WHEN path LIKE 'psp/%' THEN -delta_minor WHEN delta_minor > 0 THEN delta_minor END)
                   AS moved_minor
        FROM entries
        WHERE path LIKE 'order/%/refund_payable/%'
           OR (path LIKE 'psp/%' AND reference LIKE 'order/%/chargeback/%'
               AND split_part(reference, '/', 5) NOT IN ('fee', 'above'))
        GROUP BY 1
    ) AS r ON r.order_id = o.order_id
    WHERE (o.revision >= 0 AND o.refunded_minor <> coalesce(r.moved_minor, 0))
       OR r.moved_minor > o.total_minor OR (o.closed AND r.owed_minor <> 0)
    ORDER BY o.order_id
"""

OWED_AFTER_ARRIVAL = """
    SELECT m.reference, a.path, a.balance_minor
    FROM movements m
    JOIN accounts a ON a.currency = m.currency AND a.path = concat_ws(
        '/', 'order', split_part(m.reference, '/', 2), 'refund_payable', split_part(m.reference, '/', 4))
    WHERE m.reference LIKE 'order/%/refund/%/paid' AND a.balance_minor <> 0
    ORDER BY m.reference
"""

GIVEN_BACK_MORE = f"""
    SELECT order_id, m.commission_minor, m.discount_minor, o.discount_minor AS own_discount_minor, m.back_minor,
           l.lines_minor
    FROM (
        SELECT split_part(reference, '/', 2) AS order_id,
               coalesce(sum(delta_minor) FILTER (WHERE path = 'income/commission'), 0)::BIGINT AS commission_minor,
               coalesce(sum(delta_minor) FILTER (WHERE path = 'expense/discount'), 0)::BIGINT AS discount_minor,
               coalesce(sum(CASE WHEN path LIKE 'psp/%' THEN -delta_minor WHEN delta_minor < 0 THEN 0
                                 WHEN path LIKE 'order/%' THEN delta_minor END), 0)::BIGINT AS back_minor
        FROM entries
        WHERE reference LIKE 'order/%'
          AND (path IN ('income/commission', 'expense/discount') OR path LIKE 'order/%/refund_payable/%'
               OR (path LIKE 'psp/%' AND reference LIKE 'order/%/chargeback/%'
               AND split_part(reference, '/', 5) NOT IN ('fee', 'above')))
        GROUP BY 1
    ) AS m
    FULL JOIN (
        SELECT order_id, sum(refunded_minor)::BIGINT AS lines_minor, bool_or(refunded_minor > paid_minor) AS over
        FROM refunded_lines GROUP BY 1
    ) AS l USING (order_id)
    -- Looked up one by one, and only for an order that gave some: all bodies are gigabytes, and few are asked for.
    LEFT JOIN LATERAL (
        SELECT (o.body ->> 'discount_minor')::BIGINT AS discount_minor FROM {SCHEMA}.orders o
        WHERE m.discount_minor > 0 AND o.order_id = m.order_id COLLATE "default"
          AND o.body ->> 'discount_funded_by' = 'platform' OFFSET 0
    ) AS o ON TRUE
    WHERE m.commission_minor < 0 OR m.discount_minor < 0 OR m.discount_minor > coalesce(o.discount_minor, 0)
       OR l.over OR l.lines_minor > coalesce(m.back_minor, 0)
    ORDER BY order_id
"""
"""Of a part of the books, too, an order's discount is read from the whole register: the part has no bodies."""
