"""Orders that are credited and wait for their settlement: copies of one that the product brought there.

The rows are copied set by set, with another id and another time. `rescue` then begins their workflows from the
register, as after a loss of Temporal: one workflow task an order, instead of the six of its life until then.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, TypeAlias

import asyncpg

Connection: TypeAlias = "asyncpg.Connection[Any]"

_REGISTER = """
    INSERT INTO payments SELECT (jsonb_populate_record(NULL::payments,
        replace(to_jsonb(p)::TEXT, $1, c.name)::JSONB)).*
    FROM payments p JOIN orders o ON o.channel = p.channel AND o.payment = p.payment CROSS JOIN clones c
    WHERE o.order_id = $1;
    INSERT INTO orders SELECT (jsonb_populate_record(NULL::orders, replace(to_jsonb(o)::TEXT, $1, c.name)::JSONB)).*
    FROM orders o CROSS JOIN clones c WHERE o.order_id = $1;
"""
_BOOKS = """
    CREATE TEMPORARY TABLE copied AS
    SELECT a.id, c.name, replace(a.path, $1, c.name) AS path, a.currency, a.kind, a.guarded, a.balance_minor
    FROM accounts a CROSS JOIN clones c WHERE position($1 IN a.path) > 0;
    INSERT INTO accounts (path, currency, kind, guarded, balance_minor)
    SELECT path, currency, kind, guarded, balance_minor FROM copied ORDER BY path COLLATE "C";
    CREATE TEMPORARY TABLE placed AS
    SELECT o.id AS old, o.name, a.id AS new FROM copied o JOIN accounts a USING (path, currency);
    INSERT INTO movements (reference, currency, request_hash, occurred_at, recorded_at)
    SELECT replace(m.reference, $1, c.name), m.currency, m.request_hash, m.occurred_at, m.recorded_at
    FROM movements m CROSS JOIN clones c WHERE m.reference LIKE 'order/' || $1 || '/%' ORDER BY c.name, m.id;
    INSERT INTO transfers (movement_id, leg, debit_account, credit_account, currency, amount_minor)
    SELECT n.id, t.leg, coalesce(d.new, t.debit_account), coalesce(k.new, t.credit_account), t.currency, t.amount_minor
    FROM movements m JOIN transfers t ON t.movement_id = m.id CROSS JOIN clones c
    JOIN movements n ON n.reference = replace(m.reference, $1, c.name)
    LEFT JOIN placed d ON d.old = t.debit_account AND d.name = c.name
    LEFT JOIN placed k ON k.old = t.credit_account AND k.name = c.name
    WHERE m.reference LIKE 'order/' || $1 || '/%' ORDER BY n.id, t.leg;
    DROP TABLE clones, copied, placed
"""


_CREDITED_AT = """
    UPDATE dakuan.orders
    SET next_deadline_at = $2::TIMESTAMPTZ, state = state || jsonb_build_object('credited_at', $3::TEXT)
    WHERE order_id >= $1 AND order_id < $1 || '~' AND phase = 'credited'
"""


async def add_credited_orders(owner: Connection, template: str, names: str, count: int) -> list[str]:
    """Copy an order that is credited so many times, as the owner; returns the ids: `names` and six digits."""
    ids = [f"{names}{number:06}" for number in range(count)]
    async with owner.transaction():
        await owner.execute("SET LOCAL search_path = dakuan")
        await owner.execute("CREATE TEMPORARY TABLE clones (name TEXT)")
        await owner.execute("INSERT INTO clones SELECT unnest($1::TEXT[])", ids)
        # Several statements at once take no arguments; the id has no quotes.
        await owner.execute((_REGISTER + _BOOKS).replace("$1", f"'{template}'"))
    await owner.execute("ANALYZE")
    return ids


async def let_settle_at(owner: Connection, names: str, due: datetime, delay: timedelta) -> None:
    """Let these copies settle at this time, which is their policy's `delay` after their credit."""
    await owner.execute(_CREDITED_AT, names, due, (due - delay).isoformat())
