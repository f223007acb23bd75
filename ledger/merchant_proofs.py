"""Findings against the proofs about merchants: frozen money that moved, and deposits that were not filled first."""

from __future__ import annotations

MOVED_WHILE_FROZEN = """
    SELECT f.merchant_id, m.reference, m.recorded_at, f.frozen_at, f.until
    FROM (
        SELECT merchant_id, value, recorded_at AS frozen_at,
               lead(recorded_at) OVER (PARTITION BY merchant_id ORDER BY id) AS until
        FROM merchant_moves WHERE what = 'frozen'
    ) AS f
    CROSS JOIN LATERAL (
        SELECT m.reference, m.recorded_at FROM orders o CROSS JOIN (VALUES ('credit'), ('settle')) AS s (step)
        JOIN movements m ON m.reference = 'order/' || o.order_id || '/' || s.step
        WHERE o.merchant_id = f.merchant_id
        UNION ALL
        SELECT m.reference, m.recorded_at FROM orders o
        JOIN movements m ON m.reference >= 'order/' || o.order_id || '/claim_back/'
            AND m.reference < 'order/' || o.order_id || '/claim_back0'
        WHERE o.merchant_id = f.merchant_id AND o.state @? '$.cases[*].claim' AND EXISTS (
            SELECT FROM transfers t JOIN accounts a ON a.id = t.credit_account
            WHERE t.movement_id = m.id AND a.path LIKE 'merchant/%/available')
        UNION ALL
        SELECT m.reference, m.recorded_at FROM withdrawals w
        JOIN movements m ON m.reference = 'withdrawal/' || w.withdrawal_id || '/reserve'
        WHERE w.merchant_id = f.merchant_id
        UNION ALL
        SELECT m.reference, m.recorded_at
        FROM (SELECT 'order/' || o.order_id || '/release/' FROM orders o
              WHERE o.merchant_id = f.merchant_id AND o.state ? 'freeze'
              UNION ALL SELECT 'merchant/' || f.merchant_id || '/deposit_back/') AS b (base)
        JOIN movements m ON m.reference >= b.base AND m.reference < left(b.base, -1) || '0'
    ) AS m
    WHERE f.value IS NOT NULL AND m.recorded_at >= f.frozen_at AND (f.until IS NULL OR m.recorded_at < f.until)
    ORDER BY m.reference
"""
"""A transaction with the merchant's lock is recorded wholly before a freeze, or after it is lifted."""

DISPUTED_DEBT_WRITTEN_OFF = """
    SELECT w.reference, w.amount_minor, b.owed_minor, d.disputed_minor
    FROM (
        SELECT m.id, m.reference, a.id AS account_id, t.amount_minor
        FROM movements m JOIN transfers t ON t.movement_id = m.id
        JOIN accounts a ON a.id = t.credit_account AND a.path LIKE 'merchant/%/receivable'
        WHERE m.reference LIKE 'merchant/%/write_off/%'
    ) AS w
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(CASE WHEN t.debit_account = w.account_id THEN t.amount_minor ELSE -t.amount_minor END), 0)
                   ::BIGINT AS owed_minor
        FROM transfers t WHERE w.account_id IN (t.debit_account, t.credit_account) AND t.movement_id < w.id
    ) AS b
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(CASE WHEN l.is_lost THEN least(t.amount_minor, r.covered_minor) ELSE t.amount_minor END), 0)
                   ::BIGINT AS disputed_minor
        FROM transfers t JOIN movements c ON c.id = t.movement_id
        LEFT JOIN orders o ON o.order_id = split_part(c.reference, '/', 2)
        CROSS JOIN LATERAL (
            SELECT EXISTS (SELECT FROM jsonb_path_query(o.state, '$.cases[*]') AS k (body)
                           WHERE k.body ->> 'case_id' = split_part(c.reference, '/', 4)
                             AND k.body ->> 'stage' = 'lost') AS is_lost
        ) AS l
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(x.amount_minor), 0) AS covered_minor
            FROM movements v JOIN transfers x ON x.movement_id = v.id
            WHERE v.reference >= 'order/' || split_part(c.reference, '/', 2) || '/refund/'
              AND v.reference < 'order/' || split_part(c.reference, '/', 2) || '/refund0'
              AND v.reference LIKE '%/covered' AND v.id > w.id AND split_part(c.reference, '/', 5) = 'above'
        ) AS r
        WHERE t.debit_account = w.account_id AND c.id < w.id
          AND c.reference LIKE 'order/%/chargeback/%' AND split_part(c.reference, '/', 5) <> 'fee'
          AND NOT EXISTS (SELECT FROM movements v WHERE v.reference = c.reference || '/won' AND v.id < w.id)
    ) AS d
    WHERE w.amount_minor > b.owed_minor - d.disputed_minor
    ORDER BY w.reference
"""
"""One that was lost since counts as lost, apart from refunds that it paid since: the books do not say when."""

AVAILABLE_BEFORE_THE_DEPOSIT = """
    SELECT s.merchant_id, s.currency, s.reference, s.required_minor, s.held_minor
    FROM (
        SELECT a.merchant_id, a.currency, a.required_minor, a.since, e.reference, e.movement_id, e.what, e.delta_minor,
               coalesce(sum(e.delta_minor) FILTER (WHERE e.what = 'deposit')
                   OVER (PARTITION BY a.merchant_id, a.currency ORDER BY e.movement_id), 0)::BIGINT AS held_minor
        FROM (
            SELECT q.merchant_id, q.currency, deposit_required(q.merchant_id, q.currency) AS required_minor,
                   greatest(
                       (SELECT max(d.recorded_at) FROM deposit_moves d
                        WHERE d.currency = q.currency AND (d.grade IS NOT NULL OR d.merchant_id = q.merchant_id)),
                       (SELECT max(g.recorded_at) FROM grade_moves g WHERE g.merchant_id = q.merchant_id),
                       (SELECT max(m.recorded_at) FROM merchant_moves m
                        WHERE m.merchant_id = q.merchant_id AND m.what = 'leaving')) AS since
            FROM (
                SELECT merchant_id, currency FROM deposit_moves WHERE merchant_id IS NOT NULL
                UNION
                SELECT g.merchant_id, d.currency FROM grade_moves g JOIN deposit_moves d ON d.grade = g.grade
            ) AS q
        ) AS a
        JOIN (
            SELECT *, split_part(path, '/', 2) AS merchant, split_part(path, '/', 3) AS what FROM entries
            WHERE path LIKE 'merchant/%/available' OR path LIKE 'merchant/%/deposit'
        ) AS e ON e.merchant = a.merchant_id AND e.currency = a.currency
        WHERE a.required_minor > 0
    ) AS s
    JOIN movements m ON m.id = s.movement_id
    WHERE s.what = 'available' AND s.delta_minor > 0 AND s.reference LIKE 'order/%/settle' AND m.recorded_at > s.since
      AND s.held_minor < s.required_minor
    ORDER BY s.reference
"""
"""Only settlements since the last change of the requirement: the earlier requirement is no longer known."""
