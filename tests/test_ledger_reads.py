"""What is read of long books: the lists through their indexes, counted in buffers; the proofs in one pass each."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import combinations, product
from typing import Any

import pytest
import pytest_asyncio
from databases import Copies, Database
from explained import Explained, index_conditions, read_whole, rows_read
from order_samples import an_order
from waiting import WITHIN, until

from bench.settled import add_settled_orders
from core.errors import Unavailable
from ledger.differing import differing
from ledger.long_reads import long_reads
from ledger.orders import OrderRow
from ledger.pool import open_pool
from ledger.proofs import prove
from ledger.proving import prove_and_note
from ledger.register import Register
from ledger.register_part import Position
from ledger.safeguarding import safeguards

ORDERS = 3_000
"""Their rows alone fill more than FEW buffers, and their states many times that."""
FEW = 100
"""Buffers of 8 KB that a list of ten rows may read: index pages, rows, and what is stored beside them."""
NOW = datetime(2026, 3, 1, tzinfo=UTC)
LIKE = an_order(merchant_id="m-7", buyer_id="b-7", device_hash="d" * 64, place_hash="e" * 64)
LIKE_SINCE = NOW - timedelta(days=1)
"""A busy merchant's order, and the day that its signals look back."""
MIDDLE = Position(datetime(2026, 1, 1, 8, tzinfo=UTC), "S0001440")
"""Of the orders, about half are older."""

LISTS: dict[str, Callable[[Register], Awaitable[Any]]] = {
    "orders": lambda register: register.orders.rows(limit=10),
    "orders of a merchant": lambda register: register.orders.rows(merchant_id="m-7", limit=10),
    "orders of a buyer": lambda register: register.orders.rows(buyer_id="b-7", limit=10),
    "orders in a phase": lambda register: register.orders.rows(phase="refunded", limit=10),
    "orders in a phase that none is in": lambda register: register.orders.rows(phase="opening", limit=10),
    "orders by audit": lambda register: register.orders.rows(audit="in_review", limit=10),
    "orders that are held": lambda register: register.orders.rows(held=True, limit=10),
    "orders that are held for nothing known": lambda register: register.orders.rows(hold_reason="unknown", limit=10),
    "orders that wait for one reason": lambda register: register.orders.rows(hold_reason="audit_in_review", limit=10),
    "orders of a payment": lambda register: register.orders.rows(payment="pay-S0000098", limit=10),
    "orders with a waybill": lambda register: register.orders.rows(waybill="YT0000000000098", limit=10),
    "orders after a page": lambda register: register.orders.rows(after=MIDDLE, limit=10),
    "orders of a merchant after a page": lambda register: register.orders.rows(
        merchant_id="m-7", after=MIDDLE, limit=10
    ),
    "orders in a phase after a page": lambda register: register.orders.rows(phase="settled", after=MIDDLE, limit=10),
    "a merchant's orders in a phase": lambda register: register.orders.rows(
        merchant_id="m-7", phase="settled", limit=10
    ),
    "a merchant's open orders with their states": lambda register: register.orders.open_of("m-98", limit=10),
    "what becomes a merchant's": lambda register: register.balances.coming("m-98"),
    "what is like an order at intake": lambda register: register.orders.alike(LIKE, LIKE_SINCE),
    "the orders that a channel takes back": lambda register: register.payments.charged_orders(
        "pay-S0000098", "d-1", "wechat"
    ),
    "the claim of a payment that no order names": lambda register: register.payments.charged_claims("420042", "wechat"),
    "the orders of one payment": lambda register: register.orders.paid_with("pay-S0000098"),
    "open orders": lambda register: register.orders.rows(closed=False, limit=10),
    "orders that are overdue": lambda register: register.orders.rows(overdue=True, limit=10),
    "open orders of a merchant": lambda register: register.orders.rows(merchant_id="m-7", closed=False, limit=10),
    "withdrawals": lambda register: register.withdrawals.rows(limit=10),
    "withdrawals in a state": lambda register: register.withdrawals.rows(state_name="paid", limit=10),
    "withdrawals after a page": lambda register: register.withdrawals.rows(after=MIDDLE, limit=10),
    "a merchant's withdrawals after a page": lambda register: register.withdrawals.rows(
        merchant_id="m-7", after=MIDDLE, limit=10
    ),
    "open withdrawals": lambda register: register.withdrawals.rows(closed=False, limit=10),
    "withdrawals that are overdue": lambda register: register.withdrawals.rows(overdue=True, limit=10),
    "reviews": lambda register: register.reviews.waiting(limit=10),
    "the review of one order": lambda register: register.reviews.waiting(order_id="S0000098", limit=10),
    "notices": lambda register: register.notices.read(after_id=6_000, limit=10),
    "notices to operators": lambda register: register.notices.read(to="operator", limit=10),
    "notices of an order": lambda register: register.notices.read(subject="order/S0000007", limit=10),
    "a merchant's money": lambda register: register.balances.of_merchant("m-7"),
    "an order's money": lambda register: register.balances.of_order("S0000007"),
    "payouts of a withdrawal": lambda register: register.payouts.of_withdrawal("Wm-7"),
    "events of a withdrawal": lambda register: register.payouts.events("Wm-7"),
    "who uses a number": lambda register: register.claims.claimants("YT0000000000098"),
    "what there is to compare": lambda register: register.breaks.comparisons(),
    "open breaks": lambda register: register.breaks.known(),
}


async def _filled(database: Database, count: int) -> None:
    async with database.owner.acquire() as owner:
        await add_settled_orders(owner, count)
    await _warmed(database)


async def _warmed(database: Database) -> None:
    """A session's first plan reads the catalogue."""
    await Register(database.pool).orders.rows(hold_reason="unknown", phase="opening")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def written(copies: Copies) -> str:
    """The name of a database with long books."""
    async with copies.original() as database, database.owner.acquire() as owner:
        await add_settled_orders(owner, ORDERS)
    return database.name


@pytest_asyncio.fixture(loop_scope="session")
async def long_books(copies: Copies, written: str) -> AsyncIterator[Database]:
    """Long books of a test's own."""
    async with copies.of(written) as database:
        await _warmed(database)
        yield database


async def test_each_list_reads_little_of_long_books(long_books: Database) -> None:
    read = {}
    for name, asked in LISTS.items():
        pool: Any = Explained(long_books.pool)
        await asked(Register(pool))
        read[name] = pool.buffers
    assert {name: buffers for name, buffers in read.items() if buffers > FEW} == {}


BESIDE = (
    "INSERT INTO notices (subject, seq, recipient, merchant_id, name, facts, at, position)"
    " SELECT 'merchant/f-' || n, 1, 'merchant', 'f-' || n, 'x', '{}', now(), n / 10"
    " FROM generate_series(1, 4000) AS s (n)",
    "INSERT INTO merchant_moves (merchant_id, what, value, role, who, why, at, recorded_at)"
    " SELECT 'f-' || n, 'frozen', 'yes', 'operator', 'x', 'x', now(), now() FROM generate_series(1, 4000) AS s (n)",
    "INSERT INTO deposit_moves (merchant_id, currency, required_minor, role, who, why, at, recorded_at)"
    " SELECT 'f-' || n, 'CNY', 100, 'operator', 'x', 'x', now(), now() FROM generate_series(1, 4000) AS s (n)",
    "INSERT INTO endpoints (endpoint_id, merchant_id, url, description, types, signing, state, disabled_for, position,"
    " event, created_by, created_at, digest) SELECT 'f-' || n, 'f-' || n, 'https://example.com', '', '{}', 'v1',"
    " 'disabled', 'challenge', 0, 0, 'x', now(), 'x' FROM generate_series(1, 4000) AS s (n)",
)
"""What other merchants have."""
OF_ONE: dict[str, Callable[[Register], Awaitable[Any]]] = {
    "notices to a merchant": lambda register: register.notices.read(to="merchant", merchant_id="m-7"),
    "newer notices to a merchant": lambda register: register.notices.read(after_id=1, merchant_id="m-7"),
    "a merchant's deposits": lambda register: register.merchants.deposits("f-7"),
    "a merchant's changes": lambda register: register.merchants.moves("f-7"),
    "the merchants that leave": lambda register: register.merchants.leaving(),
    "a merchant's endpoints": lambda register: register.endpoints.rows("f-7"),
    "the newest endpoints": lambda register: register.endpoints.rows(limit=10),
}


async def test_what_is_one_merchants_is_found_beside_what_all_others_have(database: Database) -> None:
    database.broken = True  # written past the triggers
    async with database.owner.acquire() as owner, owner.transaction():
        await owner.execute("SET LOCAL session_replication_role = replica")
        for one in BESIDE:
            await owner.execute(one)
        await owner.execute("ANALYZE notices, merchant_moves, deposit_moves, endpoints")
    read = {}
    for name, asked in OF_ONE.items():
        pool: Any = Explained(database.pool)
        await asked(Register(pool))
        read[name] = sum(rows_read(plan) for plan in pool.plans)
        if "leave" in name:
            assert pool.buffers <= 2, "no index of all changes is read"
    assert {name: rows for name, rows in read.items() if rows > 30} == {}


async def test_an_order_is_compared_with_those_that_share_something_and_not_with_a_merchants_whole_day(
    long_books: Database,
) -> None:
    long_books.broken = True  # their money is other merchants'
    await long_books.owner.execute(
        "UPDATE orders SET merchant_id = $1, opened_at = $2, device_hash = CASE WHEN closed THEN repeat('b', 64) END",
        LIKE.merchant_id,
        NOW,
    )
    same = "UPDATE orders SET device_hash = $1, place_hash = $2 WHERE order_id IN ('S0000001', 'S0000002')"
    await long_books.owner.execute(same, LIKE.device_hash, LIKE.place_hash)
    await long_books.owner.execute("VACUUM ANALYZE orders")
    pool: Any = Explained(long_books.pool)
    found = await Register(pool).orders.alike(LIKE, LIKE_SINCE)
    assert (found.device, found.place) == (2, 2)
    assert pool.buffers < FEW


async def test_payments_with_a_rest_are_found_without_reading_all_orders(long_books: Database) -> None:
    await long_books.owner.execute("UPDATE payments SET paid_minor = paid_minor + 1 WHERE payment LIKE '%00'")
    await long_books.owner.execute("ANALYZE payments")
    pool: Any = Explained(long_books.pool)
    rests = await Register(pool).payments.unclaimed(limit=10)
    assert [(one.rest_minor, one.orders) for one in rests] == [(1, 1)] * 10
    assert read_whole(pool.plans[-1]) == set()
    long_books.broken = True  # no payment stands behind it


FILTERS: dict[str, tuple[Any, ...]] = {
    "merchant_id": ("m-7", "m-98"),
    "buyer_id": ("b-7",),
    "phase": ("settled", "refunded", "shipped", "opening"),
    "audit": ("approved", "in_review", "rejected"),
    "held": (True,),
    "hold_reason": ("audit_in_review", "unknown"),
    "closed": (True, False),
}


async def test_two_filters_that_have_little_in_common_read_little(long_books: Database) -> None:
    rows = await long_books.owner.fetch(
        f"SELECT {', '.join(OrderRow.model_fields)} FROM orders ORDER BY opened_at DESC, order_id DESC"
    )
    every = [OrderRow.model_validate(dict(row)) for row in rows]
    read = {}
    for (one, values), (other, others) in combinations(FILTERS.items(), 2):
        for value, another in product(values, others):
            pool: Any = Explained(long_books.pool)
            found = await Register(pool).orders.rows(**{one: value, other: another}, limit=10)
            assert found == _by_hand(every, {one: value, other: another})
            read[f"{one}={value} {other}={another}"] = pool.buffers
    assert {name: buffers for name, buffers in read.items() if buffers > FEW} == {}


def _by_hand(every: list[OrderRow], wanted: dict[str, Any]) -> list[OrderRow]:
    """The same, from every order."""
    matches: dict[str, Callable[[OrderRow, Any], bool]] = {
        "held": lambda row, _: bool(row.holds),
        "hold_reason": lambda row, value: value in row.hold_reasons,
    }
    return [
        row
        for row in every
        if all(
            matches[name](row, value) if name in matches else getattr(row, name) == value
            for name, value in wanted.items()
        )
    ][:10]


async def test_the_synthetic_books_hold_and_are_what_they_say(database: Database) -> None:
    await _filled(database, 300)
    assert [proof for proof in await prove(database.pool) if not proof.holds] == []
    register = Register(database.pool)
    assert len(await register.orders.rows(closed=False, limit=500)) == 9
    assert len(await register.reviews.waiting()) == 9
    (safe,) = await safeguards(database.pool)
    assert safe.short_minor == 0


@pytest.mark.parametrize("wrong_by", ["stored", "summed"])
async def test_a_wrong_balance_is_found_among_many(database: Database, wrong_by: str) -> None:
    database.broken = True
    await _filled(database, 300)
    if wrong_by == "stored":
        await database.owner.execute(
            "UPDATE accounts SET balance_minor = balance_minor + 1 WHERE path = 'merchant/m-7/available'"
        )
    else:
        await database.owner.execute(
            "INSERT INTO transfers (movement_id, leg, debit_account, credit_account, currency, amount_minor)"
            " SELECT m.id, 9, d.id, c.id, 'CNY', 1 FROM movements m, accounts d, accounts c"
            " WHERE m.reference = 'order/S0000007/fund' AND d.path = 'psp/wechat' AND c.path = 'merchant/m-7/available'"
        )
    failed = {proof.name: proof.evidence for proof in await prove(database.pool) if not proof.holds}
    assert [row["path"] for row in failed["balances"]] == ["merchant/m-7/available"]


async def test_long_reads_have_a_limit_of_their_own_and_join_whole_tables_by_hash(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The short limit is that of all else that a session does, its opening included: a busy machine may pass it."""
    monkeypatch.setattr("ledger.pool.ANSWER_WITHIN", 0.1)
    pool = await until(lambda: open_pool(database.worker_dsn), despite=(Unavailable,))

    async def read() -> str:
        async with long_reads(pool) as reads:
            await reads.fetch("SELECT pg_sleep(0.3)")
            [planned] = await reads.fetch("SELECT current_setting('enable_nestloop') AS joined")
            return str(planned["joined"])

    try:
        with pytest.raises(TimeoutError):
            await pool.fetch("SELECT pg_sleep(0.3)")
        planned = await until(read, despite=(Unavailable,))
        shown = await until(lambda: pool.fetchval("SHOW enable_nestloop", timeout=WITHIN), despite=(TimeoutError,))
        assert (planned, shown) == ("off", "on")
    finally:
        pool.terminate()


async def test_what_reads_the_whole_books_has_more_time_than_a_part_of_them(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await prove_and_note(database.pool)
    monkeypatch.setattr("ledger.long_reads.WHOLE_READ_WITHIN", 0)
    async with long_reads(database.pool) as reads:
        await reads.fetch("SELECT 1")
    for whole in (prove(database.pool), differing(database.pool, "orders", "books", MIDDLE.at)):
        with pytest.raises(Unavailable):
            await whole


PURGES = {
    "events": ("purge_events", 1),
    "requests": ("purge_requests", 1),
    "attempts": ("purge_attempts", 1),
    "verdicts": ("purge_verdict_traces", 1),
    "callbacks": ("purge_callbacks", 2),
}


@pytest.mark.parametrize("table", PURGES)
async def test_a_purge_finds_what_is_old_through_an_index(database: Database, table: str) -> None:
    """Compared with a clock that goes on during the query, no index serves: all that was ever kept is read each day."""
    name, statements = PURGES[table]
    source = await database.owner.fetchval("SELECT prosrc FROM pg_proc WHERE proname = $1", name)
    [query] = re.findall(r"(?:DELETE|UPDATE|WITH) [^;]*", source, re.DOTALL)
    async with database.owner.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off")  # of no rows a scan would be the cheapest
        text = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {query.replace('p_before', '$1::TIMESTAMPTZ')}", NOW)
    conditions = index_conditions(json.loads(text)[0], table)
    assert sum("_at <" in one or "(at <" in one for one in conditions) == statements, conditions
