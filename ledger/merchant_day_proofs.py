"""Findings against the proofs about what merchants are shown: their transfers, and what they had after each day."""

from __future__ import annotations

_CHANGES = "merchant_changes(t.movement_id, t.leg, t.debit_account, t.credit_account, t.currency, t.amount_minor) AS v"
OTHER_TRANSFERS = f"""
    SELECT coalesce(b.merchant_id, s.merchant_id) AS merchant_id, coalesce(b.reference, s.reference) AS reference, leg
    FROM (SELECT v.* FROM transfers t CROSS JOIN LATERAL {_CHANGES}) AS b
    FULL JOIN merchant_transfers s USING (movement_id, leg, merchant_id)
    WHERE ROW(b.*) IS DISTINCT FROM ROW(s.*)
    ORDER BY movement_id, leg
"""
OTHER_TRANSFERS_OF_THE_PART = f"""
    SELECT b.merchant_id, b.reference, b.leg
    FROM transfers t CROSS JOIN LATERAL (SELECT v.* FROM {_CHANGES} OFFSET 0) AS b
    LEFT JOIN LATERAL (
        SELECT s.* FROM merchant_transfers s
        WHERE s.merchant_id = b.merchant_id AND s.occurred_at = b.occurred_at AND s.movement_id = b.movement_id
          AND s.leg = b.leg OFFSET 0) AS s ON TRUE
    WHERE ROW(b.*) IS DISTINCT FROM ROW(s.*)
    ORDER BY b.movement_id, b.leg
"""
"""A row that no transfer has is found in the whole books, and where it changes a sum."""

_PARTS = ("pending", "available", "deposit", "reserved", "owed", "frozen")
_SO_FAR = ", ".join(
    f"(sum(sum({part}_minor)) OVER (PARTITION BY merchant_id, currency ORDER BY utc_day(occurred_at)))::BIGINT"
    f" AS {part}_minor"
    for part in _PARTS
)
_OTHER_SUMS = f"""
    SELECT merchant_id, currency, day::TEXT AS what, NULL::BIGINT AS balance_minor, NULL::BIGINT AS shown_minor FROM (
        SELECT merchant_id, currency, utc_day(occurred_at) AS day, {_SO_FAR} FROM merchant_transfers
        WHERE movement_id <= (SELECT max(s.last_movement) FROM seals s)
        GROUP BY merchant_id, currency, utc_day(occurred_at)
    ) AS b
    FULL JOIN merchant_days d USING (merchant_id, currency, day)
    WHERE ROW({", ".join(f"b.{part}_minor" for part in _PARTS)})
          IS DISTINCT FROM ROW({", ".join(f"d.{part}_minor" for part in _PARTS)})
"""
OTHER_DAYS_THAN_BALANCES = """
    SELECT b.merchant_id, b.currency, b.part AS what, b.balance_minor,
           coalesce(d.shown_minor, 0) + n.shown_minor AS shown_minor
    FROM (
        SELECT m.merchant_id, m.currency, m.part, sum(m.balance_minor)::BIGINT AS balance_minor
        FROM (
            -- A path is compared by bytes. A merchant's id is found through an index in the collation of its column.
            SELECT CASE WHEN a.path LIKE 'merchant/%' THEN split_part(a.path, '/', 2) COLLATE "default"
                        ELSE o.merchant_id END AS merchant_id,
                   a.currency, split_part(a.path, '/', 3) AS part, a.balance_minor
            FROM accounts a LEFT JOIN orders o ON o.order_id = split_part(a.path, '/', 2)
            WHERE a.path LIKE 'merchant/%' OR a.path LIKE 'order/%/proceeds' OR a.path LIKE 'order/%/frozen'
        ) AS m
        WHERE m.merchant_id IS NOT NULL GROUP BY m.merchant_id, m.currency, m.part
    ) AS b
    LEFT JOIN LATERAL (
        SELECT CASE b.part WHEN 'proceeds' THEN d.pending_minor WHEN 'available' THEN d.available_minor
                           WHEN 'deposit' THEN d.deposit_minor WHEN 'receivable' THEN d.owed_minor
                           ELSE d.frozen_minor END AS shown_minor
        FROM merchant_days d WHERE d.merchant_id = b.merchant_id AND d.currency = b.currency
        ORDER BY d.day DESC LIMIT 1) AS d ON TRUE
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(CASE b.part WHEN 'proceeds' THEN t.pending_minor WHEN 'available' THEN t.available_minor
                                        WHEN 'deposit' THEN t.deposit_minor WHEN 'receivable' THEN t.owed_minor
                                        ELSE t.frozen_minor END), 0)::BIGINT AS shown_minor
        FROM merchant_transfers t
        WHERE t.merchant_id = b.merchant_id AND t.currency = b.currency
          AND t.movement_id > coalesce((SELECT s.last_movement FROM seals s ORDER BY s.number DESC LIMIT 1), 0)) AS n
    WHERE b.balance_minor <> coalesce(d.shown_minor, 0) + n.shown_minor
"""
"""A part of the books has every order with pending money, but only the last of the days. Reserved money is left to the
whole: what stands in suspense has no account of its own."""
OTHER_DAYS = f"{_OTHER_SUMS} UNION ALL {OTHER_DAYS_THAN_BALANCES} ORDER BY merchant_id, currency, what"
