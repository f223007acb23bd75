"""The part of a rail's or channel's comparison that may differ from the last one: what was written since on either
side, what was open then, and what a period that was loaded since may cover.

As in `ledger.compared_scope`, the tables have fewer rows under the same names. Our lines come first; of theirs, all are
read that are about a key of those, or about one that is touched.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ledger.compared_scope import rows_of, table_part
from ledger.pool import SCHEMA


class StatedPart(NamedTuple):
    """Common table expressions: those that stand before our lines, and those between our lines and theirs."""

    ours: str
    theirs: str

    def numbered_from(self, first: int) -> StatedPart:
        """The same with `$6` to `$8` as the parameters from this one on."""
        return StatedPart(*(re.sub(r"\$([678])", lambda at: f"${int(at[1]) - 6 + first}", text) for text in self))


COMPARED = f"""
    SELECT c.seal, c.position,
           -- The last movement before a period that was loaded since. A seal's movements were recorded before it; the
           -- hour is for clocks.
           least(s.last_movement, CASE WHEN p.since IS NOT NULL THEN coalesce(
               (SELECT max(e.last_movement) FROM {SCHEMA}.seals e WHERE e.sealed_at < p.since - INTERVAL '1 hour'), 0)
           END) AS movement, p.since AS covered_since
    FROM {SCHEMA}.reconciled c
    JOIN {SCHEMA}.seals s ON s.number = c.seal
    CROSS JOIN (SELECT min(n.since) AS since FROM {SCHEMA}.statement_periods n, {SCHEMA}.reconciled r
                WHERE (n.scope, n.name, r.scope, r.name) = ($1, $2, $1, $2) AND n.position >= r.position) AS p
    WHERE c.scope = $1 AND c.name = $2 AND c.ran_at > clock_timestamp() - INTERVAL '25 days'
      AND NOT EXISTS (SELECT FROM {SCHEMA}.statement_loads l
                      WHERE l.scope = $1 AND l.name = $2 AND l.position >= c.position)
"""
"""Where a comparison may begin. Events are purged after 30 days at the earliest; a withdrawn load leaves nothing."""

# Keys of their new lines, of what was open and of what differed. A line without a key is known by its own id.
_NAMED = f"""named AS MATERIALIZED (
    SELECT n.key COLLATE "C" AS key, n.subject COLLATE "default" AS subject FROM (
        SELECT coalesce(l.key, 'line:' || l.line_id) AS key, NULL AS subject FROM {SCHEMA}.statement_lines l
        WHERE l.scope = $1 AND l.name = $2 AND l.position >= $7
        UNION ALL SELECT o.body ->> 'key', o.body ->> 'subject'
        FROM {SCHEMA}.reconciled c CROSS JOIN LATERAL jsonb_array_elements(c.open) AS o (body)
        WHERE c.scope = $1 AND c.name = $2
        UNION ALL SELECT b.body ->> 'key', b.body ->> 'subject' FROM {SCHEMA}.reconciliation_breaks b
        WHERE b.scope = $1 AND b.name = $2 AND b.resolved_at IS NULL) AS n
    GROUP BY 1, 2
), moved AS MATERIALIZED (
    SELECT m.reference, m.linked_to FROM {SCHEMA}.movements m WHERE m.id > $6
)"""


def settlements(channels: str, more: str = "") -> str:
    """Settlements that moved, were corrected, also where that was corrected again, or are named.

    Args:
        channels: a query of the names of the channels that they may be of.
        more: a query of further references.
    """
    return f"""booked_settlements AS MATERIALIZED (
    SELECT b.* FROM {SCHEMA}.settlements_of(ARRAY(
        SELECT reference COLLATE "default" FROM moved WHERE reference >= 'psp/' AND reference < 'psp0'
        UNION SELECT linked_to COLLATE "default" FROM moved WHERE linked_to >= 'psp/' AND linked_to < 'psp0'
        UNION SELECT c.linked_to COLLATE "default" FROM moved v JOIN {SCHEMA}.movements c ON c.reference = v.linked_to
        WHERE v.linked_to LIKE 'correction/%' AND c.linked_to >= 'psp/' AND c.linked_to < 'psp0'
        UNION SELECT 'psp/' || c.channel || '/settlement/' || n.key COLLATE "default"
        FROM named n CROSS JOIN ({channels}) AS c (channel)
        {more})) AS b
)"""


SETTLED_SINCE = f"""UNION SELECT m.reference COLLATE "default" FROM {SCHEMA}.movements m
        WHERE $8::TIMESTAMPTZ IS NOT NULL AND m.occurred_at >= $8
          AND m.reference > 'psp/' || $2 || '/settlement/' AND m.reference < 'psp/' || $2 || '/settlement0'"""
_ALL_CHANNELS = (
    f"SELECT DISTINCT split_part(a.path, '/', 2) COLLATE \"default\" FROM {SCHEMA}.accounts a"
    " WHERE a.path >= 'psp/' AND a.path < 'psp0'"
)

_RAIL = f"""{_NAMED}, withdrawn AS MATERIALIZED (
    SELECT split_part(w.subject, '/', 2) COLLATE "default" AS id FROM (
        SELECT reference AS subject FROM moved WHERE reference >= 'withdrawal/' AND reference < 'withdrawal0'
        UNION ALL SELECT subject FROM named WHERE subject LIKE 'withdrawal/%') AS w
    GROUP BY 1
), attempted AS MATERIALIZED (
    SELECT key FROM named
    UNION SELECT r.key FROM withdrawn s CROSS JOIN LATERAL (
        SELECT r.key FROM {SCHEMA}.payout_attempts r WHERE r.withdrawal_id = s.id OFFSET 0) AS r
    UNION SELECT a.key FROM {SCHEMA}.payout_attempts a WHERE a.rail = $2 AND a.position >= $7
), {rows_of("payout_attempts", "attempted", "r.key = s.key")}
, dropped AS MATERIALIZED (
    SELECT key FROM named
    UNION SELECT r.key FROM moved s CROSS JOIN LATERAL (
        SELECT r.key FROM {SCHEMA}.account_drops r
        WHERE r.account_id = split_part(s.reference, '/', 2) COLLATE "default"
          AND s.reference = concat_ws('/', 'account', r.account_id, r.version, 'drop', r.drop_no) OFFSET 0) AS r
    WHERE s.reference LIKE 'account/%/drop/%'
    UNION SELECT d.key FROM {SCHEMA}.account_drops d WHERE d.rail = $2 AND d.position >= $7
    -- One that is paid may be booked later.
    UNION SELECT d.key FROM {SCHEMA}.account_drops d
    WHERE $8::TIMESTAMPTZ IS NOT NULL AND d.rail = $2 AND d.updated_at >= $8
), {rows_of("account_drops", "dropped", "r.key = s.key")}
, bases AS MATERIALIZED (
    SELECT 'withdrawal/' || withdrawal_id || '/' AS first, 'withdrawal/' || withdrawal_id || '0' AS beyond
    FROM payout_attempts
    UNION SELECT d.reference, d.reference || '!' FROM (
        SELECT concat_ws('/', 'account', account_id, version, 'drop', drop_no) AS reference FROM account_drops) AS d
), {rows_of("movements", "bases", "r.reference >= s.first AND r.reference < s.beyond")}
, {table_part("transfers")}, {table_part("accounts")}, {settlements(_ALL_CHANNELS)}"""

_LINE = f"""SELECT r.* FROM {SCHEMA}.statement_lines r WHERE r.scope = $1 AND r.name = $2"""

# A payment's line may name another payment of ours under its other number, and so on.
_NUMBERS = f"""numbers AS MATERIALIZED (
    WITH RECURSIVE reached AS (
        SELECT key FROM named
        UNION SELECT payment COLLATE "C" FROM touched
        UNION SELECT n.number FROM reached s CROSS JOIN LATERAL (
            SELECT unnest(ARRAY[r.key, r.reference COLLATE "C"]) AS number FROM (
                ({_LINE} AND r.key = s.key AND r.kind = 'payment')
                UNION ALL ({_LINE} AND r.reference = s.key COLLATE "default" AND r.kind = 'payment')) AS r
            OFFSET 0) AS n WHERE n.number IS NOT NULL
    ) SELECT key FROM reached
)"""


def refunds_named(*patterns: str) -> str:
    """The movements of these patterns with a key of `named`, through the index; both compare keys by "C"."""
    liked = " OR ".join(f"r.reference LIKE '{pattern}'" for pattern in patterns)
    return f"""SELECT r.reference FROM named s CROSS JOIN LATERAL (
        SELECT r.reference FROM {SCHEMA}.movements r
        WHERE {SCHEMA}.channel_key(r.reference) = s.key AND ({liked}) OFFSET 0) AS r"""


_CHANNEL = f"""{_NAMED}, refunds_named AS MATERIALIZED (
    {refunds_named("order/%/refund/%", "order/%/claim_back/%")}
), touched_ids AS MATERIALIZED (
    SELECT split_part(t.subject, '/', 2) COLLATE "default" AS id FROM (
        SELECT reference AS subject FROM moved WHERE reference >= 'order/' AND reference < 'order0'
        UNION ALL SELECT e.subject FROM {SCHEMA}.events e WHERE e.position >= $7 AND e.subject LIKE 'order/%'
        UNION ALL SELECT 'order/' || o.order_id FROM {SCHEMA}.orders o WHERE NOT o.closed AND o.channel = $2
        UNION ALL SELECT 'order/' || o.order_id FROM {SCHEMA}.orders o WHERE o.opened_at >= $8
        UNION ALL SELECT subject FROM named WHERE subject LIKE 'order/%'
        UNION ALL SELECT reference FROM refunds_named
        -- One dispute may be over several orders, which are added up. They are few.
        UNION ALL SELECT m.reference FROM {SCHEMA}.movements m WHERE m.reference LIKE 'order/%/chargeback/%') AS t
    GROUP BY 1
), touched AS MATERIALIZED (
    SELECT r.order_id, r.payment FROM touched_ids AS s CROSS JOIN LATERAL (
        SELECT r.order_id, r.payment FROM {SCHEMA}.orders r WHERE r.order_id = s.id AND r.channel = $2 OFFSET 0) AS r
), {_NUMBERS}, order_ids AS MATERIALIZED (
    SELECT order_id AS id FROM touched
    UNION SELECT r.order_id FROM numbers s CROSS JOIN LATERAL (
        SELECT r.order_id FROM {SCHEMA}.orders r
        WHERE r.payment = s.key COLLATE "default" AND r.channel = $2 OFFSET 0) AS r
), {rows_of("orders", "order_ids", "r.order_id = s.id")}
, {rows_of("payments", "numbers", 'r.channel = $2 AND r.payment = s.key COLLATE "default"')}
, {
    rows_of(
        "movements",
        "orders",
        "r.reference >= 'order/' || s.order_id || '/' AND r.reference < 'order/' || s.order_id || '0'",
    )
}
, {table_part("transfers")}, {table_part("accounts")}, {
    settlements(
        "SELECT $2",
        SETTLED_SINCE,
    )
}"""


def _their_lines(numbers: str = "") -> str:
    return f"""asked AS MATERIALIZED (SELECT key COLLATE "C" AS key FROM ours UNION SELECT key FROM named{numbers}),
    statement_lines AS MATERIALIZED (
        SELECT r.* FROM asked s CROSS JOIN LATERAL ({_LINE} AND r.key = s.key OFFSET 0) AS r
        UNION SELECT r.* FROM asked s CROSS JOIN LATERAL (
            {_LINE} AND r.line_id = substr(s.key, 6) AND r.key IS NULL OFFSET 0) AS r
        WHERE starts_with(s.key, 'line:')
        UNION SELECT r.* FROM asked s CROSS JOIN LATERAL (
            {_LINE} AND r.reference = s.key COLLATE "default" AND r.kind = 'payment' OFFSET 0) AS r
    )"""


PARTS = {
    "rail": StatedPart(_RAIL, _their_lines()),
    "channel": StatedPart(_CHANNEL, _their_lines(" UNION SELECT key FROM numbers")),
}
"""$6: the last movement that need not be read. $7: the first position that may not have been compared. $8: the
beginning of the first period that was loaded since, or none."""
