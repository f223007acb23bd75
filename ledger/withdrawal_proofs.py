"""The queries of the proofs about withdrawals: what is reserved, in suspense, paid out, and to which account."""

from __future__ import annotations

RESERVED = """
    SELECT coalesce(w.withdrawal_id, split_part(a.path, '/', 2)) AS withdrawal_id, w.merchant_id,
           a.balance_minor AS reserved_minor, w.open_minor
    FROM (
        SELECT i.withdrawal_id, i.merchant_id, i.currency,
               CASE WHEN coalesce(m.id, s.id) IS NULL THEN i.amount_minor ELSE 0 END AS open_minor
        FROM withdrawals i
        LEFT JOIN movements m ON m.reference = 'withdrawal/' || i.withdrawal_id || '/close'
        LEFT JOIN movements s ON s.reference = 'withdrawal/' || i.withdrawal_id || '/suspense'
    ) AS w
    FULL JOIN (SELECT * FROM accounts WHERE path LIKE 'withdrawal/%/reserved') AS a
        ON a.path = 'withdrawal/' || w.withdrawal_id || '/reserved' AND a.currency = w.currency
    WHERE coalesce(a.balance_minor, 0) <> coalesce(w.open_minor, 0)
    ORDER BY 1
"""

SUSPENSE = """
    SELECT s.*, w.amount_minor, c.id IS NOT NULL AS closed
    FROM (
        SELECT split_part(reference, '/', 2) AS withdrawal_id,
               coalesce(sum(delta_minor) FILTER (WHERE delta_minor > 0), 0)::BIGINT AS in_minor,
               coalesce(-sum(delta_minor) FILTER (WHERE delta_minor < 0), 0)::BIGINT AS out_minor
        FROM entries WHERE path = 'suspense' AND reference LIKE 'withdrawal/%' GROUP BY 1
    ) AS s
    LEFT JOIN withdrawals w ON w.withdrawal_id = s.withdrawal_id
    LEFT JOIN movements c ON c.reference = 'withdrawal/' || s.withdrawal_id || '/close'
    WHERE s.in_minor IS DISTINCT FROM w.amount_minor
       OR s.out_minor <> CASE WHEN c.id IS NULL THEN 0 ELSE s.in_minor END
    ORDER BY s.withdrawal_id
"""

PAYOUTS = """
    SELECT x.*, w.state_name, w.closed
    FROM (
        SELECT split_part(reference, '/', 2) AS withdrawal_id,
               count(DISTINCT movement_id) FILTER (WHERE delta_minor < 0 AND (path = 'suspense'
                   OR path LIKE 'withdrawal/%' AND reference NOT LIKE 'withdrawal/%/suspense')) AS closes,
               coalesce(-sum(delta_minor) FILTER (WHERE reference LIKE 'withdrawal/%/close'
                   AND path LIKE 'rail/%/cash'), 0)::BIGINT AS paid_minor,
               coalesce(sum(delta_minor) FILTER (WHERE reference LIKE 'withdrawal/%/return/%'
                   AND path LIKE 'rail/%/cash'), 0)::BIGINT AS returned_minor,
               coalesce(sum(delta_minor) FILTER (WHERE path = 'income/withdrawal_fee'), 0)::BIGINT AS fee_minor
        FROM entries WHERE reference LIKE 'withdrawal/%' GROUP BY 1
    ) AS x
    FULL JOIN withdrawals w ON w.withdrawal_id = x.withdrawal_id
    WHERE x.closes > 1 OR x.returned_minor > x.paid_minor OR (w.closed AND coalesce(x.closes, 0) = 0)
       OR (w.state_name IN ('failed', 'rejected', 'cancelled') AND x.paid_minor > 0)
       OR (w.closed AND w.state_name IN ('paid', 'returned', 'final') AND coalesce(x.paid_minor, 0) = 0)
       OR x.fee_minor < 0
       OR (x.paid_minor > 0 AND x.paid_minor NOT IN (SELECT a.amount_minor FROM payout_attempts a
                                                     WHERE a.withdrawal_id = x.withdrawal_id)
           AND EXISTS (SELECT FROM payout_attempts a WHERE a.withdrawal_id = x.withdrawal_id))
    ORDER BY 1
"""

COOLED_OFF = """
    SELECT w.withdrawal_id, w.requested_at, v.cooling_until, w.account_id, w.account_version
    FROM withdrawals w
    JOIN payout_account_versions v ON v.account_id = w.account_id AND v.version = w.account_version
    WHERE v.cooling_until > w.requested_at
    ORDER BY w.withdrawal_id
"""
