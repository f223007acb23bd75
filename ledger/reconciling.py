"""The lines of both sides of a comparison, as queries: what our books and register say, and what is compared with it.

`ours` and `theirs` give each scope's lines the same columns. `$1` is the scope and `$2` the name.
"""

from __future__ import annotations

from core.reconciliation.lines import Scope

# --- rails and channels -------------------------------------------------------------------------------------------

# What left the rail's cash for each withdrawal, what came back to it, and when we booked it. It is aggregated once and
# joined: with one look-up per payout the speed would depend on the planner's statistics.
_CASH = """
    WITH cash AS (
        SELECT split_part(m.reference, '/', 2) AS withdrawal_id, e.side,
               sum(e.amount_minor)::BIGINT AS amount_minor, max(m.recorded_at) AS recorded_at
        FROM (
            SELECT t.movement_id, 'out' AS side, t.amount_minor FROM transfers t
            JOIN accounts a ON a.id = t.credit_account WHERE a.path = 'rail/' || $2 || '/cash'
            UNION ALL
            SELECT t.movement_id, 'back', t.amount_minor FROM transfers t
            JOIN accounts a ON a.id = t.debit_account WHERE a.path = 'rail/' || $2 || '/cash'
        ) AS e
        JOIN movements m ON m.id = e.movement_id
        WHERE m.reference > 'withdrawal/' AND m.reference < 'withdrawal0'
        GROUP BY 1, 2
    )
"""
_PAYOUTS = f"""{_CASH}
    SELECT 'payout' AS kind, a.key, 'withdrawal/' || a.withdrawal_id AS subject,
           CASE WHEN a.state = 'paid' AND b.amount_minor IS NOT NULL THEN 'booked'
                WHEN a.state IN ('failed', 'unsent') THEN 'given_back' ELSE 'under_way' END AS stand,
           coalesce(b.amount_minor, a.amount_minor) AS amount_minor, a.currency, a.created_at AS begun_at,
           coalesce(b.recorded_at, a.updated_at) AS at
    FROM payout_attempts a
    LEFT JOIN cash b ON b.withdrawal_id = a.withdrawal_id AND b.side = 'out' AND a.state = 'paid'
    WHERE a.rail = $2
"""
_RETURNS = f"""{_CASH}
    SELECT 'return' AS kind, a.key, 'withdrawal/' || a.withdrawal_id AS subject, b.amount_minor, a.currency,
           a.created_at AS begun_at, b.recorded_at AS at
    FROM payout_attempts a
    JOIN cash b ON b.withdrawal_id = a.withdrawal_id AND b.side = 'back'
    WHERE a.rail = $2 AND a.state = 'paid'
"""

# Penny drops, each under its own key. A `lost` one may still be in a statement.
_DROPS = """
    SELECT 'payout' AS kind, d.key, 'account/' || d.account_id AS subject,
           CASE WHEN d.state = 'paid' THEN 'booked' WHEN d.state IN ('failed', 'unsent') THEN 'given_back'
                ELSE 'under_way' END AS stand,
           coalesce(t.amount_minor, d.amount_minor) AS amount_minor, d.currency, d.created_at AS begun_at,
           coalesce(m.recorded_at, d.updated_at) AS at
    FROM account_drops d
    LEFT JOIN movements m ON d.state = 'paid'
        AND m.reference = concat_ws('/', 'account', d.account_id, d.version, 'drop', d.drop_no)
    LEFT JOIN transfers t ON t.movement_id = m.id AND t.leg = 1
    WHERE d.rail = $2
"""

# What channels sent to the rail. It may take days: report it as stuck before it is missing.
_FUNDINGS = """
    SELECT 'funding' AS kind, s.settlement AS key, 'channel/' || s.channel AS subject, 'under_way' AS stand,
           s.net_minor AS amount_minor, s.currency, s.occurred_at AS at
    FROM booked_settlements s
    WHERE s.cash = 'rail/' || $2 || '/cash' AND s.net_minor > 0
"""

# What buyers paid for the orders that the register knows.
_PAYMENTS = """
    SELECT 'payment' AS kind, p.payment AS key, 'order/' || min(o.order_id) AS subject, p.paid_minor AS amount_minor,
           p.currency, min(o.opened_at) AS at, min((o.body #>> '{payment,paid_at}')::TIMESTAMPTZ) AS begun_at
    FROM payments p JOIN orders o ON o.channel = p.channel AND o.payment = p.payment
    WHERE p.channel = $2
    GROUP BY p.payment, p.paid_minor, p.currency
"""

# What buyers paid again, by the channel's key (`core.ids.charge_key`).
_CHARGES = """
    SELECT 'payment' AS kind, left(encode(sha256(convert_to(c.reference, 'UTF8')), 'hex'), 32) AS key,
           'order/' || c.order_id AS subject, CASE WHEN m.id IS NULL THEN 'under_way' ELSE 'booked' END AS stand,
           c.amount_minor, c.currency, c.since AS begun_at, coalesce(m.recorded_at, c.since) AS at
    FROM (
        SELECT o.order_id, o.currency, 'order/' || o.order_id || '/claim_back/' || (k.value ->> 'case_id') AS reference,
               (k.value #>> '{claim,amount_minor}')::BIGINT AS amount_minor,
               (k.value ->> 'since')::TIMESTAMPTZ AS since
        FROM orders o CROSS JOIN LATERAL jsonb_array_elements(o.state -> 'cases') AS k
        WHERE o.channel = $2 AND jsonb_typeof(o.state -> 'cases') = 'array'
          AND k.value ->> 'stage' IN ('charging', 'paid_back')
    ) AS c
    LEFT JOIN movements m ON m.reference = c.reference
"""

# Refunds by the channel's key (`core.ids.refund_key`). One that is covered by a chargeback was never sent by it.
_REFUNDS = """
    WITH refunds AS (
        SELECT r.id, r.reference, r.currency, r.recorded_at, sum(t.amount_minor)::BIGINT AS amount_minor
        FROM movements r JOIN transfers t ON t.movement_id = r.id JOIN accounts c ON c.id = t.credit_account
        WHERE r.reference > 'order/' AND r.reference < 'order0' AND r.reference LIKE 'order/%/refund/%'
          AND c.path LIKE 'order/%/refund\\_payable/%'
        GROUP BY r.id, r.reference, r.currency, r.recorded_at
    )
    SELECT 'refund' AS kind, 'order/' || o.order_id AS subject,
           left(encode(sha256(convert_to(r.reference, 'UTF8')), 'hex'), 32) AS key,
           CASE WHEN p.id IS NOT NULL THEN 'booked'
                WHEN c.id IS NOT NULL THEN 'given_back' ELSE 'under_way' END AS stand,
           r.amount_minor, r.currency, r.recorded_at AS begun_at,
           coalesce(p.recorded_at, c.recorded_at, r.recorded_at) AS at
    FROM refunds r
    JOIN orders o ON o.order_id = split_part(r.reference, '/', 2)
    LEFT JOIN movements p ON p.reference = r.reference || '/paid'
    LEFT JOIN movements c ON c.reference = r.reference || '/covered'
    WHERE o.channel = $2
    UNION ALL
    SELECT 'refund', 'payment/' || r.return_id,
           left(encode(sha256(convert_to('payment/' || r.return_id || '/rest', 'UTF8')), 'hex'), 32),
           CASE r.state WHEN 'owed' THEN 'under_way' ELSE 'booked' END, r.amount_minor, r.currency, r.done_at,
           coalesce(r.closed_at, r.done_at)
    FROM rest_returns r WHERE r.channel = $2 AND r.state IN ('owed', 'arrived')
"""

# What the channel settled to a rail, with its fee.
_SETTLEMENTS = """
    SELECT 'settlement' AS kind, s.settlement AS key, 'channel/' || $2 AS subject, s.gross_minor AS amount_minor,
           s.currency, s.occurred_at AS at
    FROM booked_settlements s
    WHERE s.reference > 'psp/' || $2 || '/settlement/' AND s.reference < 'psp/' || $2 || '/settlement0'
      AND s.gross_minor > 0
"""

# Chargebacks by the channel's own name for the dispute, over all orders of the payment.
_CHARGEBACKS = """
    WITH disputed AS (
        SELECT o.order_id, c.value #>> '{dispute,reference}' AS key,
               'order/' || o.order_id || '/chargeback/' || (c.value ->> 'case_id') AS base
        FROM orders o CROSS JOIN LATERAL jsonb_array_elements(o.state -> 'cases') AS c
        WHERE o.channel = $2 AND jsonb_typeof(o.state -> 'cases') = 'array' AND c.value -> 'dispute' IS NOT NULL
    )
    SELECT k.kind, d.key, 'order/' || min(d.order_id) AS subject, sum(t.amount_minor)::BIGINT AS amount_minor,
           m.currency, min(m.recorded_at) AS at
    FROM disputed d
    CROSS JOIN (VALUES ('chargeback', ''), ('chargeback', '/above'), ('chargeback_fee', '/fee'),
                       ('chargeback_won', '/won'), ('chargeback_won', '/above/won')) AS k (kind, tail)
    JOIN movements m ON m.reference = d.base || k.tail
    JOIN transfers t ON t.movement_id = m.id
    JOIN accounts p ON p.id = CASE k.kind WHEN 'chargeback_won' THEN t.debit_account ELSE t.credit_account END
        AND p.path = 'psp/' || $2
    GROUP BY k.kind, d.key, m.currency
"""

_STATEMENT = """
    SELECT line_id, kind, key, amount_minor, fee_minor, currency, at, reference, event_id
    FROM statement_lines WHERE scope = $1 AND name = $2
"""

_STATED = {
    "rail": (_PAYOUTS, _DROPS, _RETURNS, _FUNDINGS),
    "channel": (_PAYMENTS, _CHARGES, _REFUNDS, _SETTLEMENTS, _CHARGEBACKS),
}

# --- our books and the register -------------------------------------------------------------------------------------

# What a withdrawal records: booked as paid or given back, what came back, and when it is due to go on.
_WITHDRAWALS_SAY = """
    WITH said AS (
        SELECT w.*, w.state ->> 'booked' AS booked,
               coalesce(w.recorded_at, w.requested_at) AS said_at,
               (SELECT a.amount_minor FROM payout_attempts a
                WHERE a.withdrawal_id = w.withdrawal_id AND a.state = 'paid') AS net_minor,
               (SELECT sum(r.amount::BIGINT)::BIGINT
                FROM jsonb_array_elements_text(coalesce(w.state -> 'returns_minor', '[]')) AS r (amount))
                   AS back_minor
        FROM withdrawals w WHERE w.revision >= 0
    )
    SELECT CASE WHEN booked = 'void' OR state_name IN ('failed', 'rejected', 'cancelled') THEN 'given_back'
                ELSE 'paid' END AS kind,
           withdrawal_id AS key, 'withdrawal/' || withdrawal_id AS subject,
           CASE WHEN booked IS NULL THEN 'under_way' ELSE 'booked' END AS stand,
           CASE WHEN booked = 'void' OR state_name IN ('failed', 'rejected', 'cancelled') THEN amount_minor
                ELSE net_minor END AS amount_minor,
           currency, said_at AS at
    FROM said
    WHERE booked IS NOT NULL OR state_name IN ('failed', 'rejected', 'cancelled', 'paid', 'returned', 'final')
    UNION ALL
    SELECT 'came_back', withdrawal_id, 'withdrawal/' || withdrawal_id, 'booked', back_minor, currency, said_at
    FROM said WHERE back_minor > 0
    UNION ALL
    SELECT 'deadline', withdrawal_id, 'withdrawal/' || withdrawal_id, 'under_way', NULL, currency, next_deadline_at
    FROM said WHERE NOT closed AND next_deadline_at IS NOT NULL
"""

_WITHDRAWALS_IN_THE_LEDGER = """
    SELECT 'withdrawal/' || id || '/' || kind AS line_id, kind, id AS key, sum(amount_minor)::BIGINT AS amount_minor,
           currency, max(recorded_at) AS at
    FROM (
        SELECT split_part(m.reference, '/', 2) AS id, m.currency, m.recorded_at, t.amount_minor,
               CASE WHEN m.reference LIKE '%/return/%' THEN CASE WHEN d.path LIKE 'rail/%' THEN 'came_back' END
                    WHEN c.path LIKE 'rail/%' THEN 'paid'
                    WHEN c.path LIKE 'merchant/%' THEN 'given_back' END AS kind
        FROM movements m JOIN transfers t ON t.movement_id = m.id
        JOIN accounts d ON d.id = t.debit_account JOIN accounts c ON c.id = t.credit_account
        WHERE m.reference > 'withdrawal/' AND m.reference < 'withdrawal0'
          AND (m.reference LIKE '%/close' OR m.reference LIKE '%/return/%')
    ) AS moved
    WHERE kind IS NOT NULL
    GROUP BY id, kind, currency
"""

# What an order records, refund by refund, and by chargeback what a channel took and has not given back.
_ORDERS_SAY = """
    WITH said AS (
        SELECT o.*, 'order/' || order_id AS subject, coalesce(recorded_at, opened_at) AS said_at
        FROM orders o WHERE revision >= 0
    )
    SELECT 'fund' AS kind, order_id AS key, subject, 'booked' AS stand, total_minor AS amount_minor, currency,
           said_at AS at
    FROM said WHERE (state ->> 'funded')::BOOLEAN
    UNION ALL
    SELECT k.kind, order_id, subject, 'booked', coalesce(k.amount, state ->> 'credited_minor')::BIGINT, currency,
           said_at
    FROM said CROSS JOIN LATERAL (VALUES
        ('credit', state ->> 'credited_minor'), ('settle', state ->> 'settled_minor')) AS k (kind, amount)
    WHERE phase = 'settled' OR (k.kind = 'credit' AND (phase = 'credited' OR state ->> 'credited_at' IS NOT NULL))
    UNION ALL
    SELECT k.kind, order_id || '/' || r.cause, subject, 'booked', r.amount_minor, currency, said_at
    FROM said
    CROSS JOIN LATERAL jsonb_to_recordset(coalesce(state -> 'refunds', '[]'))
        AS r (cause TEXT, amount_minor BIGINT, status TEXT, chargeback INT)
    CROSS JOIN (VALUES ('refund_booked'), ('refund_arrived')) AS k (kind)
    WHERE r.chargeback IS NULL AND (r.status = 'arrived' OR (k.kind = 'refund_booked' AND r.status <> 'owed'))
    UNION ALL
    SELECT 'chargeback', order_id || '/' || r.chargeback, subject, 'booked', r.amount_minor, currency, said_at
    FROM said
    CROSS JOIN LATERAL jsonb_to_recordset(coalesce(state -> 'refunds', '[]'))
        AS r (amount_minor BIGINT, status TEXT, chargeback INT)
    WHERE r.chargeback IS NOT NULL AND r.status = 'arrived'
    UNION ALL
    SELECT 'chargeback', order_id || '/' || c.case_id || '/above', subject, 'booked',
           (c.dispute #>> '{above,amount_minor}')::BIGINT, currency, said_at
    FROM said
    CROSS JOIN LATERAL jsonb_to_recordset(coalesce(state -> 'cases', '[]')) AS c (case_id INT, dispute JSONB)
    WHERE c.dispute #>> '{above,status}' = 'booked'
    UNION ALL
    SELECT 'claim_back', order_id || '/' || c.case_id, subject, 'booked', (c.claim ->> 'amount_minor')::BIGINT,
           currency, said_at
    FROM said
    CROSS JOIN LATERAL jsonb_to_recordset(coalesce(state -> 'cases', '[]')) AS c (case_id INT, claim JSONB)
    WHERE c.claim ->> 'status' = 'booked'
    UNION ALL
    SELECT 'deadline', order_id, subject, 'under_way', NULL, currency, next_deadline_at
    FROM said WHERE NOT closed AND next_deadline_at IS NOT NULL
"""

_ORDERS_IN_THE_LEDGER = """
    SELECT reference AS line_id, kind, key, sum(amount_minor)::BIGINT AS amount_minor, currency, max(recorded_at) AS at
    FROM (
        SELECT m.reference, m.currency, m.recorded_at, t.amount_minor, k.kind,
               split_part(m.reference, '/', 2)
                   || CASE WHEN k.kind LIKE 'refund%' OR k.kind IN ('chargeback', 'claim_back')
                           THEN '/' || split_part(m.reference, '/', 4) ELSE '' END
                   || CASE WHEN m.reference LIKE 'order/%/chargeback/%/above' THEN '/above' ELSE '' END AS key,
               d.path AS debit, c.path AS credit
        FROM movements m JOIN transfers t ON t.movement_id = m.id
        JOIN accounts d ON d.id = t.debit_account JOIN accounts c ON c.id = t.credit_account
        CROSS JOIN LATERAL (VALUES (CASE
            WHEN m.reference LIKE 'order/%/refund/%/paid' OR m.reference LIKE 'order/%/refund/%/covered'
                THEN 'refund_arrived'
            WHEN m.reference LIKE 'order/%/refund/%' THEN 'refund_booked'
            WHEN m.reference LIKE 'order/%/chargeback/%' THEN
                CASE WHEN split_part(m.reference, '/', 5) IN ('', 'above') AND split_part(m.reference, '/', 6) = ''
                          AND NOT EXISTS (SELECT FROM movements w WHERE w.reference = m.reference || '/won')
                     THEN 'chargeback' END
            ELSE split_part(m.reference, '/', 3) END)) AS k (kind)
        WHERE m.reference > 'order/' AND m.reference < 'order0'
    ) AS moved
    WHERE CASE kind WHEN 'fund' THEN credit LIKE 'order/%/escrow' WHEN 'credit' THEN credit LIKE 'order/%/proceeds'
                    WHEN 'settle' THEN debit LIKE 'order/%/proceeds'
                    WHEN 'refund_arrived' THEN debit LIKE 'order/%/refund\\_payable/%'
                    WHEN 'refund_booked' THEN credit LIKE 'order/%/refund\\_payable/%'
                    WHEN 'chargeback' THEN credit LIKE 'psp/%' WHEN 'claim_back' THEN debit LIKE 'psp/%' END
    GROUP BY reference, kind, key, currency
"""

_BOOKS = {
    "withdrawals": (_WITHDRAWALS_SAY, _WITHDRAWALS_IN_THE_LEDGER),
    "orders": (_ORDERS_SAY, _ORDERS_IN_THE_LEDGER),
}


def ours(scope: Scope) -> str:
    """Our lines: `kind key subject stand amount_minor currency at begun_at`."""
    queries = _STATED[scope] if scope in _STATED else _BOOKS[scope][:1]
    return " UNION ALL ".join(f"SELECT {_columns(query)} FROM ({query}) AS q" for query in queries)


def _columns(query: str) -> str:
    stand = "stand" if "AS stand" in query else "'booked' AS stand"
    begun = "begun_at" if "AS begun_at" in query else "NULL::TIMESTAMPTZ AS begun_at"
    return f"kind, key, subject, {stand}, amount_minor, currency, at, {begun}"


def theirs(scope: Scope) -> str:
    """Their lines: `line_id kind key amount_minor fee_minor currency at reference event_id`."""
    if scope in _STATED:
        return _STATEMENT
    return (
        "SELECT line_id, kind, key, amount_minor, 0::BIGINT AS fee_minor, currency, at, NULL::TEXT AS reference,"
        f" NULL::TEXT AS event_id FROM ({_BOOKS[scope][1]}) AS q"
    )
