"""The numbers for a system that watches: what is open, held, overdue and waiting for people."""

from __future__ import annotations

import json

from databases import Database
from explained import read_whole
from ledger_samples import an_order, opened

from bench.settled import add_settled_orders
from ledger.gauges import GAUGES
from ledger.pool import Connected
from ledger.register import Register

DAY = 24 * 3600
BUFFERS = 400
"""Pages of PostgreSQL that one reading may touch beside 2,000 closed orders."""


async def values(register: Register) -> dict[str, float]:
    """Each gauge by its name and labels."""
    return {
        " ".join([gauge.name, *(f"{name}={value}" for name, value in sorted(gauge.labels.items()))]): gauge.value
        for gauge in await register.gauges.read()
    }


async def test_an_empty_register_has_nothing_overdue(register: Register) -> None:
    found = await values(register)
    assert {name: found[name] for name in ("overdue_reviews", "oldest_review_seconds")} == {
        "overdue_reviews": 0,
        "oldest_review_seconds": 0,
    }
    assert found["overdue_deadlines of=orders"] == found["overdue_deadlines of=withdrawals"] == 0
    assert not any(name.startswith("open_orders") for name in found)


async def test_open_orders_are_counted_by_phase_and_held_money_by_reason(
    database: Database, register: Register
) -> None:
    await opened(register, an_order())
    await database.owner.execute(
        "UPDATE orders SET phase = 'in_transit', hold_reasons = '{awaiting_receipt,review}', audit = 'in_review',"
        " next_deadline_at = now() - INTERVAL '1 hour', opened_at = now() - INTERVAL '10 days'"
    )
    found = await values(register)
    assert found["open_orders phase=in_transit"] == 1
    assert found["held_minor age=month currency=CNY reason=review"] == an_order().total_minor
    assert found["held_minor age=month currency=CNY reason=awaiting_receipt"] == an_order().total_minor
    assert found["overdue_deadlines of=orders"] == 1
    assert 3_599 <= found["oldest_overdue_deadline_seconds"] <= 3_700


async def test_what_is_overdue_is_listed_as_it_is_counted(database: Database, register: Register) -> None:
    async with database.owner.acquire() as owner:
        await add_settled_orders(owner, 300)
        for table in ("orders", "withdrawals"):
            await owner.execute(f"UPDATE {table} SET next_deadline_at = now() + INTERVAL '1 hour'")
            await owner.execute(
                f"UPDATE {table} SET next_deadline_at = now() - INTERVAL '4 minutes' WHERE merchant_id = 'm-98'"
            )
        await owner.execute("UPDATE withdrawals SET closed = FALSE WHERE merchant_id IN ('m-7', 'm-98')")
        late = "next_deadline_at = now() - INTERVAL '6 minutes'"
        order = await owner.fetchval("SELECT min(order_id) FROM orders WHERE NOT closed AND merchant_id <> 'm-98'")
        await owner.execute(f"UPDATE orders SET {late} WHERE closed OR order_id = $1", order)
        await owner.execute(f"UPDATE withdrawals SET {late} WHERE merchant_id = 'm-7' OR closed")
    found = await values(register)
    orders = await register.orders.rows(overdue=True, limit=500)
    withdrawals = await register.withdrawals.rows(overdue=True, limit=500)
    assert [row.order_id for row in orders] == [order]
    assert {row.merchant_id for row in withdrawals} == {"m-7"}
    assert found["overdue_deadlines of=orders"] == len(orders)
    assert found["overdue_deadlines of=withdrawals"] == len(withdrawals) > 0


async def test_what_is_not_overdue_is_listed_also_without_a_deadline(database: Database, register: Register) -> None:
    async with database.owner.acquire() as owner:
        await add_settled_orders(owner, 20)
        for table, name in (("orders", "order_id"), ("withdrawals", "withdrawal_id")):
            await owner.execute(f"UPDATE {table} SET closed = FALSE, next_deadline_at = NULL")
            await owner.execute(
                f"UPDATE {table} SET next_deadline_at = now() - INTERVAL '6 minutes'"
                f" WHERE {name} IN (SELECT {name} FROM {table} ORDER BY {name} LIMIT 3)"
            )
    for part in (register.orders, register.withdrawals):
        late, others = await part.rows(overdue=True, limit=500), await part.rows(overdue=False, limit=500)
        assert (len(late), len(late) + len(others)) == (3, len(await part.rows(limit=500)))


async def test_a_transaction_of_another_role_is_as_old_as_what_waits_behind_it(
    database: Database, register: Register
) -> None:
    """The worker's role does not see when it began, and it stops notices and events all the same."""
    async with database.owner.acquire() as owner:
        transaction = owner.transaction()
        await transaction.start()
        await owner.fetchval("SELECT pg_current_xact_id()")
        event = {"type": "order.opened", "data": {}}
        await database.owner.execute("SELECT add_events('order/A1', 'm-1', now(), $1)", [event])
        first, second = [(await values(register))["oldest_transaction_seconds"] for _ in range(2)]
        assert 0 < first < second
        await transaction.rollback()
    async with database.pool.acquire() as worker:
        assert await worker.fetchval("SELECT count(*) FROM events WHERE position >= events_end()") == 0


NEVER_DONE = {
    "seconds_since_seal {}",
    "seconds_since_proof {}",
    'seconds_since_reconciliation {"of": "books", "scope": "orders"}',
    'seconds_since_reconciliation {"of": "books", "scope": "withdrawals"}',
}
"""The ages whose alerts are for what nobody does, also where nobody ever did it."""


async def test_what_was_never_done_is_as_old_as_the_books(database: Database) -> None:
    async def ages(owner: Connected) -> dict[str, float]:
        rows = [tuple(row) for row in await owner.fetch(GAUGES)]
        return {f"{name} {json.dumps(labels)}": value for name, labels, value in rows if name.startswith("seconds_")}

    async with database.owner.acquire() as owner:
        assert await ages(owner) == {}, "books without a movement miss nothing"
        transaction = owner.transaction()
        await transaction.start()
        await owner.execute(
            "INSERT INTO movements (reference, currency, request_hash, occurred_at, recorded_at)"
            " VALUES ('x', 'CNY', '', now(), now() - INTERVAL '4 days'), ('y', 'CNY', '', now(), now())"
        )
        assert {name: age // DAY for name, age in (await ages(owner)).items()} == dict.fromkeys(NEVER_DONE, 4)
        await owner.execute(
            "INSERT INTO reconciliation_runs VALUES ('orders', 'books', now() - INTERVAL '1 day', 0, 0, 0)"
        )
        found = await ages(owner)
        assert [found[name] // DAY for name in sorted(NEVER_DONE)[1:3]] == [1, 4]
        await transaction.rollback()


async def test_reading_them_costs_nothing_for_what_is_closed(database: Database, register: Register) -> None:
    async with database.owner.acquire() as owner:
        await add_settled_orders(owner, 2_000, held_to=300)
        plan = json.loads(await owner.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {GAUGES}"))
        waits = await owner.fetchval("EXPLAIN (FORMAT JSON) SELECT FROM orders WHERE cardinality(hold_reasons) > 0")
    assert json.loads(waits)[0]["Plan"]["Plan Rows"] < 20, "where a third is expected, long books are read whole"
    top = plan[0]["Plan"]
    assert read_whole(top) & {"orders", "withdrawals", "payments", "events", "notices"} == set()
    assert top["Shared Hit Blocks"] + top["Shared Read Blocks"] <= BUFFERS
