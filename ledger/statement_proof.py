"""The proof that cash at channels and rails agrees with their loaded statements, key by key.

It compares only what both sides should have by now. What only one side can know yet (an unreported return, an unbooked
settlement, a period without a statement) is left to the reconciliation, which has tolerances.
"""

from __future__ import annotations

from typing import Any

from ledger import stated_scope
from ledger.compared_scope import is_too_long, rows_of, table_part
from ledger.long_reads import LongReads
from ledger.pool import SCHEMA

# An hour on either side, for differing clocks and the other side's bookkeeping.
_AGAINST_LINES = f"""
    WITH covered AS (
        SELECT scope, name, range_agg(tstzrange(since, until)) AS times FROM statement_periods GROUP BY scope, name
    ), told AS (
        SELECT scope, name, CASE kind WHEN 'return' THEN 'payout' ELSE kind END AS kind,
               coalesce(key, 'line ' || line_id) AS key, currency,
               sum(CASE kind WHEN 'return' THEN -amount_minor ELSE amount_minor END)::BIGINT AS told_minor,
               coalesce(sum(amount_minor) FILTER (WHERE kind = 'return'), 0)::BIGINT AS told_back_minor
        FROM statement_lines WHERE kind IN ('payout', 'return', 'refund', 'settlement') GROUP BY 1, 2, 3, 4, 5
    ), stated AS (
        SELECT scope, name FROM covered UNION SELECT DISTINCT scope, name FROM statement_lines
    ), cash AS (
        SELECT split_part(m.reference, '/', 2) AS withdrawal_id, split_part(e.path, '/', 2) AS rail,
               coalesce(sum(e.amount_minor) FILTER (WHERE e.side = 'out'), 0)::BIGINT AS out_minor,
               coalesce(sum(e.amount_minor) FILTER (WHERE e.side = 'back'), 0)::BIGINT AS back_minor,
               max(m.recorded_at) AS recorded_at
        FROM (
            SELECT t.movement_id, a.path, 'out' AS side, t.amount_minor FROM transfers t
            JOIN accounts a ON a.id = t.credit_account WHERE a.path LIKE 'rail/%/cash'
            UNION ALL
            SELECT t.movement_id, a.path, 'back', t.amount_minor FROM transfers t
            JOIN accounts a ON a.id = t.debit_account WHERE a.path LIKE 'rail/%/cash'
        ) AS e
        JOIN movements m ON m.id = e.movement_id
        WHERE m.reference LIKE 'withdrawal/%' AND EXISTS (SELECT FROM stated WHERE scope = 'rail')
        GROUP BY 1, 2
    ), refunds AS (
        SELECT o.channel, r.reference, r.currency, r.recorded_at,
               p.id AS paid, p.recorded_at AS paid_at, c.id AS covered,
               (SELECT sum(t.amount_minor)::BIGINT FROM {SCHEMA}.transfers t WHERE t.movement_id = p.id) AS paid_minor
        FROM movements r
        -- One by one: there are many orders, and few refunds.
        CROSS JOIN LATERAL (SELECT o.channel FROM {SCHEMA}.orders o
                            WHERE o.order_id = split_part(r.reference, '/', 2) COLLATE "default" OFFSET 0) AS o
        JOIN stated s ON s.scope = 'channel' AND s.name = o.channel
        LEFT JOIN movements p ON p.reference = r.reference || '/paid'
        -- By a chargeback: the channel never has it under the refund's key.
        LEFT JOIN movements c ON c.reference = r.reference || '/covered'
        WHERE r.reference LIKE 'order/%/refund/%' AND r.reference NOT LIKE '%/paid' AND r.reference NOT LIKE '%/covered'
    ), booked AS (
        SELECT 'rail' AS scope, a.rail AS name, 'payout' AS kind, a.key, a.currency,
               CASE WHEN a.state = 'paid' THEN 'booked' WHEN a.state IN ('failed', 'unsent') THEN 'dead'
                    ELSE 'under_way' END AS stand,
               coalesce(b.out_minor - b.back_minor, 0) AS booked_minor, coalesce(b.back_minor, 0) AS booked_back_minor,
               tstzrange(least(a.created_at, b.recorded_at) - INTERVAL '1 hour', b.recorded_at + INTERVAL '1 hour')
                   AS times
        FROM payout_attempts a JOIN stated s ON s.scope = 'rail' AND s.name = a.rail
        LEFT JOIN cash b ON b.withdrawal_id = a.withdrawal_id AND b.rail = a.rail AND a.state = 'paid'
        UNION ALL
        SELECT 'rail', d.rail, 'payout', d.key, d.currency,
               CASE WHEN d.state = 'paid' THEN 'booked' WHEN d.state IN ('failed', 'unsent') THEN 'dead'
                    ELSE 'under_way' END,
               coalesce(t.amount_minor, 0), 0,
               tstzrange(least(d.created_at, m.recorded_at) - INTERVAL '1 hour', m.recorded_at + INTERVAL '1 hour')
        FROM account_drops d JOIN stated s ON s.scope = 'rail' AND s.name = d.rail
        LEFT JOIN movements m ON d.state = 'paid'
            AND m.reference = concat_ws('/', 'account', d.account_id, d.version, 'drop', d.drop_no)
        LEFT JOIN transfers t ON t.movement_id = m.id AND t.leg = 1
        UNION ALL
        SELECT 'channel', r.channel, 'refund', left(encode(sha256(convert_to(r.reference, 'UTF8')), 'hex'), 32),
               r.currency, CASE WHEN r.paid IS NOT NULL THEN 'booked'
                                WHEN r.covered IS NOT NULL THEN 'dead' ELSE 'under_way' END,
               coalesce(r.paid_minor, 0), 0,
               tstzrange(least(r.recorded_at, r.paid_at) - INTERVAL '1 hour', r.paid_at + INTERVAL '1 hour')
        FROM refunds r
        UNION ALL
        SELECT 'channel', r.channel, 'refund',
               left(encode(sha256(convert_to('payment/' || r.return_id || '/rest', 'UTF8')), 'hex'), 32), r.currency,
               CASE r.state WHEN 'owed' THEN 'under_way' WHEN 'refused' THEN 'dead' ELSE 'booked' END,
               CASE r.state WHEN 'arrived' THEN r.amount_minor ELSE 0 END, 0,
               tstzrange(r.done_at - INTERVAL '1 hour', coalesce(r.closed_at, r.done_at) + INTERVAL '1 hour')
        FROM rest_returns r JOIN stated s ON s.scope = 'channel' AND s.name = r.channel
        WHERE r.state <> 'asked'
        UNION ALL
        SELECT 'channel', s.name, 'settlement', b.settlement, b.currency, 'booked', b.gross_minor, 0,
               tstzrange(b.occurred_at - INTERVAL '1 hour', b.occurred_at + INTERVAL '1 hour')
        FROM stated s
        JOIN booked_settlements b ON b.reference > 'psp/' || s.name || '/settlement/'
            AND b.reference < 'psp/' || s.name || '/settlement0'
        WHERE s.scope = 'channel' AND b.gross_minor > 0
    )
    SELECT scope, name, kind, key, currency, t.told_minor, b.booked_minor, b.stand
    FROM told t
    FULL JOIN booked b USING (scope, name, kind, key, currency)
    LEFT JOIN covered c USING (scope, name)
    WHERE CASE
        -- No one asked for it, and they have not taken it back.
        WHEN b.key IS NULL THEN kind IN ('payout', 'refund') AND t.told_minor <> 0
        WHEN b.stand = 'dead' THEN t.told_minor <> 0
        WHEN b.stand = 'under_way' THEN FALSE
        -- Booked, and a statement that tells of all its time does not have it.
        WHEN t.key IS NULL THEN b.booked_minor + b.booked_back_minor <> 0 AND coalesce(c.times @> b.times, FALSE)
        -- The payout stands in an earlier statement, which was not loaded.
        WHEN t.told_minor + t.told_back_minor = 0 AND NOT coalesce(c.times @> b.times, FALSE) THEN FALSE
        WHEN t.told_back_minor > b.booked_back_minor THEN t.told_minor > b.booked_minor
        -- What came back will stand in a later one.
        WHEN t.told_back_minor < b.booked_back_minor AND NOT coalesce(c.times @> b.times, FALSE)
            THEN t.told_minor + t.told_back_minor <> b.booked_minor + b.booked_back_minor
        ELSE t.told_minor <> b.booked_minor
    END
"""


def _against_sums(lines: str, loads: str) -> str:
    """Loads whose kept sum is not that of their lines; safeguarding reads the sums alone."""
    return f"""
    SELECT scope, name, 'load' AS kind, load_no::TEXT AS key, currency, t.told_minor, k.kept_minor AS booked_minor,
           NULL AS stand
    FROM (SELECT l.scope, l.name, l.load_no, l.currency, sum(stated_cash(l.kind, l.amount_minor))::BIGINT AS told_minor
          FROM {lines} AS l GROUP BY 1, 2, 3, 4) AS t
    FULL JOIN (SELECT l.scope, l.name, l.load_no, m.key COLLATE "C" AS currency, m.value::BIGINT AS kept_minor
               FROM {loads} AS l CROSS JOIN LATERAL jsonb_each_text(l.moved) AS m WHERE l.withdrawn_at IS NULL) AS k
        USING (scope, name, load_no, currency)
    WHERE t.told_minor IS DISTINCT FROM k.kept_minor"""


_ORDER = "ORDER BY scope, name, kind, key"
AGAINST = f"{_AGAINST_LINES} UNION ALL {_against_sums('statement_lines', 'statement_loads')} {_ORDER}"

_NEW_LOADS = f"""
    WITH new AS MATERIALIZED (
        SELECT DISTINCT l.load_no FROM {SCHEMA}.statement_lines l
        WHERE l.scope = $1 AND l.name = $2 AND l.position >= $3
    ), {rows_of("statement_lines", "new", "r.load_no = s.load_no")}
    , {rows_of("statement_loads", "new", "r.load_no = s.load_no")}
    {_against_sums("statement_lines", "statement_loads")} {_ORDER}
"""

_BEGINNINGS = """
    WITH RECURSIVE with_lines AS (
        (SELECT l.scope, l.name FROM statement_lines l ORDER BY l.scope, l.name LIMIT 1)
        UNION ALL
        SELECT n.scope, n.name FROM with_lines w CROSS JOIN LATERAL (
            SELECT l.scope, l.name FROM statement_lines l WHERE (l.scope, l.name) > (w.scope, w.name)
            ORDER BY l.scope, l.name LIMIT 1) AS n
    ), names AS (
        SELECT scope, name FROM with_lines UNION SELECT scope, name FROM statement_periods
    )
    SELECT n.scope, n.name, p.since AS covered_since,
           -- A seal's movements were recorded before it.
           least($1, CASE WHEN p.since IS NOT NULL THEN coalesce(
               (SELECT max(s.last_movement) FROM seals s WHERE s.sealed_at < p.since), 0) END) AS movement,
           EXISTS (SELECT FROM statement_loads l
                   WHERE l.scope = n.scope AND l.name = n.name AND l.position >= $2) AS withdrawn
    FROM names n CROSS JOIN LATERAL (
        SELECT min(p.since) - INTERVAL '1 hour' AS since FROM statement_periods p
        WHERE p.scope = n.scope AND p.name = n.name AND p.position >= $2) AS p
    ORDER BY n.scope, n.name
"""
"""Where the proof of each channel and rail may begin. What a period that was loaded since may newly cover comes after
`covered_since`; where that is before the first seal, `movement` is 0."""

_OF_A_REFUND = "r.reference IN (s.reference, s.reference || '/paid', s.reference || '/covered')"

_CHANNEL = f"""named AS MATERIALIZED (
        SELECT coalesce(l.key, 'line:' || l.line_id) COLLATE "C" AS key FROM {SCHEMA}.statement_lines l
        WHERE l.scope = $1 AND l.name = $2 AND l.position >= $7 AND l.kind IN ('refund', 'settlement') GROUP BY 1
    ), moved AS MATERIALIZED (
        SELECT m.reference, m.linked_to FROM {SCHEMA}.movements m WHERE m.id > $6
    ), refunded AS MATERIALIZED (
        {stated_scope.refunds_named("order/%/refund/%")}
        UNION SELECT regexp_replace(reference, '/(paid|covered)$', '')
              FROM moved WHERE reference LIKE 'order/%/refund/%'
    ), {rows_of("movements", "refunded", _OF_A_REFUND)}
    , {table_part("transfers")}, {table_part("accounts")}
    , payout_attempts AS (SELECT * FROM {SCHEMA}.payout_attempts WHERE FALSE)
    , account_drops AS (SELECT * FROM {SCHEMA}.account_drops WHERE FALSE)
    , {stated_scope.settlements("SELECT $2", stated_scope.SETTLED_SINCE)}"""
"""Of a channel only refunds and settlements are proven: a comparison also looks at each order and payment."""

PARTS = {
    "rail": stated_scope.PARTS["rail"],
    "channel": stated_scope.StatedPart(_CHANNEL, stated_scope.PARTS["rail"].theirs),
}
_OUR_KEYS = {
    "rail": "SELECT key FROM payout_attempts UNION ALL SELECT key FROM account_drops",
    "channel": f"""
        SELECT {SCHEMA}.channel_key(m.reference) AS key FROM movements m
        WHERE m.reference LIKE 'order/%/refund/%' AND m.reference NOT LIKE '%/paid' AND m.reference NOT LIKE '%/covered'
        UNION ALL SELECT b.settlement FROM booked_settlements b
        UNION ALL SELECT {SCHEMA}.channel_key('payment/' || r.return_id || '/rest') FROM rest_returns r
        WHERE r.channel = $2""",
}


def _of_part(scope: str) -> str:
    """The proof over what speaks of new lines, periods, movements and payouts."""
    part = PARTS[scope].numbered_from(3)
    return f"""
        WITH {part.ours}, ours AS MATERIALIZED ({_OUR_KEYS[scope]}), {part.theirs}
        SELECT * FROM ({_AGAINST_LINES}) AS against WHERE scope = $1 AND name = $2 {_ORDER}"""


async def against_since(reads: LongReads, movement: int, position: int, most: int) -> list[dict[str, Any]]:
    """At most so many counterexamples in what statements tell, or we booked, since all held.

    Args:
        movement: the last one of the seal whose books were proven.
        position: of the first event that the proof may not have seen.
    """
    beginnings = await reads.fetch(_BEGINNINGS, movement, position)
    if any(one["withdrawn"] or not one["movement"] or is_too_long(one["movement"], movement) for one in beginnings):
        whole = reads.of_all()
        return [dict(row) for row in await whole.fetch(f"SELECT * FROM ({AGAINST}) AS against LIMIT {most}")]
    found: list[dict[str, Any]] = []
    for one in beginnings:
        bounds = (one["movement"], position, one["covered_since"])
        rows = await reads.fetch(f"{_of_part(one['scope'])} LIMIT {most}", one["scope"], one["name"], *bounds)
        rows += await reads.fetch(f"{_NEW_LOADS} LIMIT {most}", one["scope"], one["name"], position)
        found += [dict(row) for row in rows]
    return found[:most]
