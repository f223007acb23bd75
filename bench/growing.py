"""Books of any length in minutes: written set by set, past triggers and foreign keys, with what stands beside:
the events, reviews, what merchants are shown, and statements of the channel and the rail.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bench.settled import add_settled_orders, vacuum
from ledger.pool import Connected
from local.postgres import OWNER, Postgres

SINCE = datetime(2024, 1, 1, tzinfo=UTC)
"""Three million orders end in the past, twenty seconds apart."""
HELD_TO = 30_000
"""Orders after this one are not held: as many stay open in books of any length, so that a slope tells of the books."""
CHUNK = 25_000
EVENTS = 8
"""Events of one order."""

_PADDINGS = """
    SELECT n, left(repeat(md5(n::TEXT), 157), 5000)
              || (SELECT string_agg(md5((n * 100 + k)::TEXT), '') FROM generate_series(1, 80) AS t (k)) AS text
    FROM generate_series(0, 499) AS s (n)
"""
"""7.5 KB, of which a third does not become smaller, as in the states that the product writes."""

_SHOWN = """
    INSERT INTO merchant_transfers
    SELECT l.merchant, l.at, m.id, l.leg, 'CNY', l.reference, NULL, l.debit, l.credit,
           CASE WHEN l.credit LIKE '%/proceeds' THEN l.amount WHEN l.debit LIKE '%/proceeds' THEN -l.amount ELSE 0 END,
           CASE WHEN l.credit LIKE '%/available' THEN l.amount WHEN l.debit LIKE '%/available' THEN -l.amount
                ELSE 0 END,
           0,
           CASE WHEN l.credit LIKE '%/reserved' THEN l.amount WHEN l.debit LIKE '%/reserved' THEN -l.amount ELSE 0 END,
           0, 0, TRUE
    FROM (
        SELECT l.*, p.merchant FROM legs l JOIN plan p USING (i) WHERE l.n IN (2, 3)
        UNION ALL SELECT l.*, w.merchant FROM legs l JOIN wanted w ON w.n = l.i WHERE l.n = 4
    ) AS l JOIN movements m ON m.reference = l.reference
    WHERE l.n = 4 OR l.credit LIKE '%/proceeds' OR l.debit LIKE '%/proceeds'
    ORDER BY m.id, l.leg
"""
_EVENTS = f"""
    INSERT INTO events (position, subject, seq, merchant_id, type, at, data)
    SELECT (SELECT event_position()), p.path, n, p.merchant,
           CASE n WHEN 8 THEN 'order.' || p.kind ELSE 'order.step_' || n END,
           p.at + n * INTERVAL '9 hours',
           jsonb_build_object('phase', CASE p.kind WHEN 'held' THEN 'shipped' ELSE p.kind END,
                              'previous', jsonb_build_object('phase', 'shipped', 'audit', 'in_review'),
                              'amount_minor', p.total, 'currency', 'CNY', 'parcel_id', 'p1')
    FROM plan p CROSS JOIN generate_series(1, {EVENTS}) AS s (n) ORDER BY p.i, n;
    INSERT INTO event_subjects (subject, seq, position) SELECT path, {EVENTS}, (SELECT event_position()) FROM plan;
    INSERT INTO events (position, subject, seq, merchant_id, type, at, data)
    SELECT (SELECT event_position()), 'withdrawal/' || id, 1, merchant, 'withdrawal.final', at, '{{"phase": "final"}}'
    FROM wanted;
    INSERT INTO event_subjects (subject, seq, position)
    SELECT 'withdrawal/' || id, 1, (SELECT event_position()) FROM wanted
"""
_REVIEWS = """
    INSERT INTO review_queue
    SELECT r.* FROM plan p JOIN orders o ON o.order_id = p.id CROSS JOIN LATERAL reviews_of(o) AS r
    WHERE p.kind = 'held'
"""
_STATEMENTS = """
    CREATE TEMPORARY TABLE stated AS
    SELECT 'channel' AS scope, 'wechat' AS name, 'pay-' || id AS line_id, 'payment' AS kind, 'pay-' || id AS key,
           total AS amount, at FROM plan
    UNION ALL
    SELECT 'channel', 'wechat', 'back-' || id, 'refund',
           left(encode(sha256(convert_to(path || '/refund/cancel', 'UTF8')), 'hex'), 32), total, at + INTERVAL '3 days'
    FROM plan WHERE kind = 'refunded'
    UNION ALL
    SELECT 'rail', 'sandbox', 'out-' || id, 'payout', md5(id), amount, at FROM wanted;
    WITH loads AS (
        INSERT INTO statement_loads (scope, name, loaded_at, lines, moved)
        SELECT scope, name, max(at), count(*), jsonb_build_object('CNY', sum(stated_cash(kind, amount::BIGINT)))
        FROM stated GROUP BY scope, name RETURNING scope, name, load_no
    )
    INSERT INTO statement_lines (scope, name, line_id, kind, key, amount_minor, currency, at, loaded_at, load_no)
    SELECT t.scope, t.name, t.line_id, t.kind, t.key, t.amount, 'CNY', t.at, t.at, l.load_no
    FROM stated t JOIN loads l USING (scope, name);
    -- One period from the first chunk on: one of each chunk would be compared anew, with all that was booked in it.
    INSERT INTO statement_periods (scope, name, since, until, loaded_at)
    SELECT t.scope, t.name, min(t.at) - INTERVAL '30 days', min(t.at) + INTERVAL '1000 days', min(t.at)
    FROM stated t WHERE NOT EXISTS (SELECT FROM statement_periods) GROUP BY t.scope, t.name;
    DROP TABLE stated
"""


_BESIDE = (_SHOWN, _EVENTS, _REVIEWS, _STATEMENTS)
_FORM: Mapping[str, Any] = {
    "since": SINCE,
    "held_to": HELD_TO,
    "analyze": False,
    "paddings": _PADDINGS,
    "beside": _BESIDE,
}


class GrowingPostgres(Postgres):
    """A server whose owner may write rows past triggers and foreign keys: each row costs a tenth."""

    def prepare(self) -> None:
        """Create data folder, roles and database, and grant that right, once."""
        fresh = not self.data.exists()
        super().prepare()
        if fresh:
            grant = f"GRANT SET ON PARAMETER session_replication_role TO {OWNER};\n"
            self._run("postgres", "--single", "-D", str(self.data), "-F", "postgres", stdin=grant)

    def command(self, ports: Mapping[str, int]) -> Sequence[str]:
        """With memory as a server of such books has it, and few checkpoints: each writes all changed pages."""
        options = ("shared_buffers=1GB", "max_wal_size=4GB", "checkpoint_timeout=30min")
        return [*super().command(ports), *(word for option in options for word in ("-c", option))]


async def grow(
    owner: Connected, first: int, count: int, report: Callable[[int], None], helper: Connected | None = None
) -> None:
    """Add `count` orders, numbered from `first`; `report` hears how many there are.

    Args:
        helper: a second session. One session waits for the other only where both write the merchants' accounts.
    """
    begins = iter(range(first, first + count, CHUNK))
    sessions = [owner] if helper is None else [owner, helper]
    for session in sessions:
        await session.execute("SET session_replication_role = replica; SET synchronous_commit = off")

    async def add(session: Connected, chunks: Iterable[int]) -> None:
        for begin in chunks:
            size = min(CHUNK, first + count - begin)
            await add_settled_orders(session, size, first=begin, **_FORM)
            report(begin + size - 1)

    # The first chunk names all merchants: alone, so that no session waits for the other's.
    await add(owner, itertools.islice(begins, 1))
    await asyncio.gather(*(add(session, begins) for session in sessions))
    for session in sessions:
        await session.execute("RESET session_replication_role")
    await vacuum(owner)
