"""The part of the books that proofs read when all before a seal was proven: what is open, and what moved since.

`PART` names the tables that the proofs read and gives each of them fewer rows, so that one text of a proof serves the
whole and the part. Each subject (order, withdrawal, returned payment) in the part is there with all its rows.

Rows are looked up one by one through an index (`LATERAL … OFFSET 0`): a hash of a whole table would read all of it.
"""

from __future__ import annotations

from ledger.pool import SCHEMA

_SHORT = "split_part({0}, '/', 1) IN ('order', 'withdrawal', 'payment')"
"""Subjects whose history is short. Accounts of merchants, channels, rails and of our own are as long as the books."""


def _subject(path: str) -> str:
    return f"split_part({path}, '/', 1) || '/' || split_part({path}, '/', 2)"


def _range(noun: str) -> str:
    return f"a.path >= '{noun}/' AND a.path < '{noun}0'"


def _of_subject(path: str) -> str:
    """What lies below a subject, by its range in an index.

    The planner guesses half a percent of the table for such a range: of three million orders that is thirty thousand
    accounts for each, and from there on billions of movements, for which it cuts each hash into hundreds of thousands
    of parts. The equalities follow from the range, and bring the guess down to a few.
    """
    return (
        f"{path} >= s.subject || '/' AND {path} < s.subject || '0'"
        f" AND split_part({path}, '/', 1) = split_part(s.subject, '/', 1)"
        f" AND split_part({path}, '/', 2) = split_part(s.subject, '/', 2)"
    )


_STATE = (
    "(SELECT jsonb_object_agg(s.key, s.value) FROM jsonb_each(o.state) AS s"
    " WHERE s.key IN ('funded', 'freeze', 'cases'))"
)
"""What proofs ask of an order's state; the whole of it is kilobytes."""

PART = f"""
WITH fresh AS MATERIALIZED (
    SELECT m.id, m.reference, m.linked_to FROM {SCHEMA}.movements m WHERE m.id > $1
), fresh_transfers AS MATERIALIZED (
    SELECT t.debit_account, t.credit_account FROM {SCHEMA}.transfers t WHERE t.movement_id > $1
), seeds AS MATERIALIZED (
    SELECT {_subject("f.reference")} AS subject FROM fresh f
    UNION SELECT {_subject("f.linked_to")} FROM fresh f WHERE f.linked_to IS NOT NULL
    UNION SELECT {_subject("a.path")}
    FROM (SELECT debit_account AS id FROM fresh_transfers UNION SELECT credit_account FROM fresh_transfers) AS t
    CROSS JOIN LATERAL (SELECT a.path FROM {SCHEMA}.accounts a WHERE a.id = t.id OFFSET 0) AS a
    UNION SELECT e.subject FROM {SCHEMA}.events e WHERE e.position >= $2
    UNION SELECT 'order/' || o.order_id FROM {SCHEMA}.orders o WHERE NOT o.closed
    UNION SELECT 'withdrawal/' || w.withdrawal_id FROM {SCHEMA}.withdrawals w WHERE NOT w.closed
    UNION SELECT 'payment/' || r.return_id FROM {SCHEMA}.rest_returns r WHERE r.closed_at IS NULL
), paid AS MATERIALIZED (
    SELECT o.channel, o.payment FROM seeds s CROSS JOIN LATERAL (
        SELECT o.channel, o.payment FROM {SCHEMA}.orders o
        WHERE o.order_id = split_part(s.subject, '/', 2) COLLATE "default" OFFSET 0) AS o
    WHERE s.subject LIKE 'order/%'
    UNION SELECT r.channel, r.payment FROM {SCHEMA}.rest_returns r
    WHERE 'payment/' || r.return_id IN (SELECT s.subject FROM seeds s)
), payments AS MATERIALIZED (
    SELECT p.* FROM paid CROSS JOIN LATERAL (
        SELECT p.* FROM {SCHEMA}.payments p WHERE p.channel = paid.channel AND p.payment = paid.payment OFFSET 0) AS p
), orders AS MATERIALIZED (
    SELECT o.* FROM paid CROSS JOIN LATERAL (
        SELECT o.order_id, o.merchant_id, o.currency, o.total_minor, o.channel, o.payment, o.revision, o.phase,
               o.audit, o.receipt, o.refunded_minor, o.closed, {_STATE} AS state
        FROM {SCHEMA}.orders o WHERE o.payment = paid.payment AND o.channel = paid.channel OFFSET 0) AS o
), rest_returns AS MATERIALIZED (
    SELECT r.* FROM paid CROSS JOIN LATERAL (
        SELECT r.* FROM {SCHEMA}.rest_returns r
        WHERE r.channel = paid.channel AND r.payment = paid.payment OFFSET 0) AS r
), subjects AS MATERIALIZED (
    SELECT s.subject FROM seeds s
    UNION SELECT 'order/' || o.order_id FROM orders o
    UNION SELECT 'payment/' || r.return_id FROM rest_returns r
), short AS MATERIALIZED (
    SELECT s.subject FROM subjects s WHERE {_SHORT.format("s.subject")}
), withdrawals AS MATERIALIZED (
    SELECT w.* FROM short s CROSS JOIN LATERAL (
        SELECT w.withdrawal_id, w.merchant_id, w.amount_minor, w.currency, w.account_id, w.account_version,
               w.requested_at, w.revision, w.state_name, w.closed
        FROM {SCHEMA}.withdrawals w
        WHERE w.withdrawal_id = split_part(s.subject, '/', 2) COLLATE "default" OFFSET 0) AS w
    WHERE s.subject LIKE 'withdrawal/%'
), refunded_lines AS MATERIALIZED (
    SELECT l.* FROM orders o CROSS JOIN LATERAL (
        SELECT l.* FROM {SCHEMA}.refunded_lines l WHERE l.order_id = o.order_id OFFSET 0) AS l
), short_accounts AS MATERIALIZED (
    SELECT a.* FROM short s CROSS JOIN LATERAL (
        SELECT a.* FROM {SCHEMA}.accounts a
        WHERE {_of_subject("a.path")} OFFSET 0) AS a
), long_accounts AS MATERIALIZED (
    SELECT a.* FROM {SCHEMA}.accounts a WHERE {_range("merchant")}
    UNION ALL SELECT a.* FROM {SCHEMA}.accounts a WHERE NOT a.guarded
), accounts AS MATERIALIZED (
    SELECT * FROM short_accounts UNION ALL SELECT * FROM long_accounts
), movement_ids AS MATERIALIZED (
    SELECT f.id FROM fresh f
    UNION SELECT m.id FROM short s CROSS JOIN LATERAL (
        SELECT m.id FROM {SCHEMA}.movements m
        WHERE {_of_subject("m.reference")} OFFSET 0) AS m
    UNION SELECT t.movement_id FROM short_accounts a CROSS JOIN LATERAL (
        SELECT t.movement_id FROM {SCHEMA}.transfers t WHERE t.debit_account = a.id
        UNION ALL SELECT t.movement_id FROM {SCHEMA}.transfers t WHERE t.credit_account = a.id OFFSET 0) AS t
), movements AS MATERIALIZED (
    SELECT m.* FROM movement_ids i CROSS JOIN LATERAL (
        SELECT m.id, m.reference, m.currency, m.linked_to, m.occurred_at, m.recorded_at
        FROM {SCHEMA}.movements m WHERE m.id = i.id OFFSET 0) AS m
), transfers AS MATERIALIZED (
    SELECT t.* FROM movement_ids i CROSS JOIN LATERAL (
        SELECT t.* FROM {SCHEMA}.transfers t WHERE t.movement_id = i.id OFFSET 0) AS t
), sides AS (
    SELECT t.movement_id, t.leg, t.debit_account AS account_id, t.currency, -1 AS sign, t.amount_minor FROM transfers t
    UNION ALL SELECT t.movement_id, t.leg, t.credit_account, t.currency, 1, t.amount_minor FROM transfers t
), all_entries AS MATERIALIZED (
    SELECT s.movement_id, s.leg, m.reference, m.occurred_at, s.account_id, a.path, a.kind, s.currency,
           CASE WHEN a.kind IN ('liability', 'income') THEN s.sign ELSE -s.sign END * s.amount_minor AS delta_minor
    FROM sides s JOIN movements m ON m.id = s.movement_id
    CROSS JOIN LATERAL (SELECT a.path, a.kind FROM {SCHEMA}.accounts a WHERE a.id = s.account_id OFFSET 0) AS a
), entries AS MATERIALIZED (
    -- Of another subject's account only some entries are here: its sum would say nothing.
    SELECT e.* FROM all_entries e
    WHERE NOT {_SHORT.format("e.path")} OR {_subject("e.path")} IN (SELECT s.subject FROM short s)
), openings AS MATERIALIZED (
    SELECT c.balance_minor, a.id AS account_id, a.path, a.kind, a.currency FROM long_accounts a CROSS JOIN LATERAL (
        SELECT c.balance_minor FROM {SCHEMA}.closings c WHERE c.account_id = a.id AND c.number <= $3
        ORDER BY c.number DESC LIMIT 1) AS c
), account_entries AS MATERIALIZED (
    SELECT e.movement_id, e.leg, e.reference, e.occurred_at, e.account_id, e.path, e.kind, e.currency, e.delta_minor
    FROM entries e WHERE {_SHORT.format("e.path")} OR e.movement_id > $1
    UNION ALL
    SELECT 0, 0, 'seal', NULL, o.account_id, o.path, o.kind, o.currency, o.balance_minor FROM openings o
), events AS MATERIALIZED (
    SELECT e.* FROM subjects s CROSS JOIN LATERAL (
        SELECT e.* FROM {SCHEMA}.events e WHERE e.subject = s.subject OFFSET 0) AS e
), event_subjects AS MATERIALIZED (
    SELECT e.* FROM subjects s CROSS JOIN LATERAL (
        SELECT e.* FROM {SCHEMA}.event_subjects e WHERE e.subject = s.subject OFFSET 0) AS e
)
"""
"""$1: the last movement of the last seal whose books were proven. $2: the position of the first event that this proof
may not have seen. $3: that seal's number.
"""

IDS = "SELECT id FROM movement_ids"
FAULTS = "SELECT to_jsonb(f) AS evidence FROM movement_faults f WHERE f.movement_id = ANY($1)"
"""Apart, for the ids: behind an array the planner knows how many there are, and finds each through an index."""

ENTRIES_OF_ACCOUNTS = "WITH entries AS (SELECT * FROM account_entries)"
"""Before a proof that sums accounts: what a long account had at the seal counts as one entry."""

BALANCE_OF_THE_PART = """
    SELECT currency, sum(amount) FILTER (WHERE kind = 'asset') AS assets_minor,
           sum(amount) FILTER (WHERE kind = 'liability') AS liabilities_minor,
           sum(amount) FILTER (WHERE kind = 'income') AS income_minor,
           sum(amount) FILTER (WHERE kind = 'expense') AS expense_minor
    FROM (
        SELECT a.currency, a.kind, coalesce(a.balance_minor, s.sum_minor, 0) AS amount
        FROM accounts a
        LEFT JOIN (SELECT account_id, sum(delta_minor) AS sum_minor FROM entries GROUP BY account_id) AS s
            ON s.account_id = a.id
        UNION ALL
        -- All other accounts: what was sealed, less what of it is of these.
        SELECT split_part(s.key, ' ', 2), split_part(s.key, ' ', 1), sum(s.value::NUMERIC)
        FROM seals CROSS JOIN LATERAL jsonb_each_text(seals.sums) AS s WHERE seals.number <= $3 GROUP BY 1, 2
        UNION ALL
        SELECT e.currency, e.kind, -sum(e.delta_minor) FROM entries e WHERE e.movement_id <= $1 GROUP BY 1, 2
    ) AS b
    GROUP BY currency
    HAVING sum(CASE WHEN kind IN ('asset', 'expense') THEN amount ELSE -amount END) <> 0
    ORDER BY currency
"""
"""The form of `books_balance` for a part."""

LEGS_OF_SEVERAL_KINDS = """
    SELECT m.reference, NULL::INT AS leg, NULL AS debit, NULL AS credit, NULL::BIGINT AS amount_minor, m.currency,
           'legs of several kinds' AS fault
    FROM movements m JOIN transfers t ON t.movement_id = m.id
    JOIN accounts d ON d.id = t.debit_account JOIN accounts c ON c.id = t.credit_account
    LEFT JOIN stored_legs l ON l.reference = shape_of(m.reference) AND l.debit = shape_of(d.path)
        AND l.credit = shape_of(c.path)
    WHERE m.reference LIKE 'withdrawal/%/close'
    GROUP BY m.id, m.reference, m.currency HAVING count(DISTINCT l.kind) > 1
"""
"""A part of `chart`; another is `FAULTS`."""

_UNKNOWN_ENDS = """
    SELECT m.reference, t.leg, d.path AS debit, c.path AS credit, t.amount_minor, t.currency,
           'not of a movement and accounts that are there, in their currency' AS fault
    FROM transfers t
    LEFT JOIN {0} m ON m.id = t.movement_id
    LEFT JOIN {1} d ON d.id = t.debit_account AND d.currency = t.currency
    LEFT JOIN {2} c ON c.id = t.credit_account AND c.currency = t.currency
    WHERE m.id IS NULL OR d.id IS NULL OR c.id IS NULL
"""
UNKNOWN_ENDS = _UNKNOWN_ENDS.format("movements", "accounts", "accounts")
"""A part of `chart`: transfers that the trigger `transfers_are_known` would have refused."""

UNKNOWN_ENDS_OF_THE_PART = _UNKNOWN_ENDS.format(
    f"LATERAL (SELECT * FROM {SCHEMA}.movements f WHERE f.id = t.movement_id OFFSET 0)",
    f"LATERAL (SELECT * FROM {SCHEMA}.accounts f WHERE f.id = t.debit_account OFFSET 0)",
    f"LATERAL (SELECT * FROM {SCHEMA}.accounts f WHERE f.id = t.credit_account OFFSET 0)",
)
"""All accounts: the part has not each that its transfers name."""
