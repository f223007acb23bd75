"""A posting reads what it is about, and no more when the books are long: counted in rows, not in seconds."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

from asyncpg.pool import PoolConnectionProxy
from databases import Database
from ledger_samples import a_record, an_order, fund, opened

from bench.settled import add_settled_orders
from core.events import Cursor
from core.movements import Leg, Movement, adjustment
from ledger.book import Book
from ledger.register import Register

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LONG = 2_000
"""Movements after which a plan that reads all of them shows."""
MERCHANTS = 400
"""So many that a scan of all accounts shows."""
NEW = 100_000
"""Movements from this number on are each of a merchant of its own, who has no account yet."""
FEW = 40
"""Rows that one movement of two legs may read: its accounts, its reference, its foreign keys, what a merchant sees."""

POST = "SELECT outcome FROM post($1, $2, $3, $4, $5, $6, $7, $8, $9)"
ROWS_READ = (
    "SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables"
    " WHERE relname IN ('movements', 'transfers', 'accounts')"
)


def _movement(number: int) -> Movement:
    merchant = number % MERCHANTS if number < NEW else number
    legs = [Leg("psp/bench", f"merchant/{merchant}/available", 95), Leg("psp/bench", "income/commission", 5)]
    return adjustment(f"bench/{number}", "CNY", NOW, legs)


def _columns(number: int) -> tuple[object, ...]:
    legs = _movement(number).legs
    return (
        [f"bench/{number}"],
        ["CNY"],
        [NOW],
        [None],
        [None],
        [1] * len(legs),
        [leg.debit for leg in legs],
        [leg.credit for leg in legs],
        [leg.amount_minor for leg in legs],
    )


async def _rows_read_for(session: PoolConnectionProxy[Any], number: int) -> int:
    """Rows that one posting reads in this session, with the plans that it has."""
    async with session.transaction():
        before = await session.fetchval(ROWS_READ)
        assert await session.fetchval(POST, *_columns(number)) == "posted"
        return int(await session.fetchval(ROWS_READ) - before)


async def test_a_session_reads_as_little_when_the_books_have_become_long(database: Database) -> None:
    book = Book(database.owner)
    await database.owner.execute(
        "ANALYZE"
    )  # on empty books: the session plans for tables of no rows, and keeps its plans
    async with database.owner.acquire() as session:
        assert await _rows_read_for(session, 10_000) <= FEW
        await database.owner.execute("ANALYZE")  # as autovacuum may at any time: now the plans are for three accounts
        assert await _rows_read_for(session, 10_000 - 1) <= FEW
        for begin in range(0, LONG, 500):
            await book.post_all([_movement(number) for number in range(begin, begin + 500)])
            assert await _rows_read_for(session, 10_001 + begin) <= FEW
            await database.owner.execute("ANALYZE")
            assert await _rows_read_for(session, 20_001 + begin) <= FEW


async def test_opening_an_account_reads_no_other(database: Database) -> None:
    await database.owner.execute("ANALYZE")  # on empty books, and nothing makes the session plan again
    async with database.owner.acquire() as session:
        assert await _rows_read_for(session, NEW) <= FEW
        for begin in range(0, LONG, 500):
            await Book(database.owner).post_all([_movement(number) for number in range(begin, begin + 500)])
        assert await _rows_read_for(session, NEW + 1) <= FEW


async def test_an_orders_movement_reads_as_little_when_the_books_have_become_long(
    database: Database, register: Register
) -> None:
    """What checks the movement of an order, a channel, an array of orders looks at its own subject alone."""
    await database.owner.execute("ANALYZE")
    for number in range(9):
        await opened(register, an_order(f"A{number}", channel="other"))
    rows_read = ROWS_READ.replace(
        "'accounts'", "'accounts', 'orders', 'withdrawals', 'movement_kinds', 'movement_legs', 'stored_legs'"
    )
    given = "$1, 'CNY', $2, NULL, ARRAY['psp/other'], ARRAY[$3], ARRAY[1000::BIGINT], NULL"
    refund = "$1, 'CNY', $2, NULL, ARRAY[$3], ARRAY[$4], ARRAY[100::BIGINT], NULL"
    array = "ARRAY[$1], ARRAY['CNY'], ARRAY[$2::TIMESTAMPTZ], ARRAY[NULL], ARRAY[NULL], ARRAY[1]"
    array += ", ARRAY['psp/other'], ARRAY[$3], ARRAY[1000::BIGINT]"
    together = "ARRAY[$1], ARRAY['CNY'], ARRAY[$2::TIMESTAMPTZ], ARRAY[NULL], ARRAY[1]"
    together += ", ARRAY['psp/other'], ARRAY[$3], ARRAY[1000::BIGINT], ARRAY[NULL::JSONB]"
    settled = "split_part($1, '/', 2), ARRAY[$1], ARRAY['CNY'], ARRAY[$2::TIMESTAMPTZ], ARRAY[1]"
    settled += ", ARRAY['rail/other/cash'], ARRAY[$3], ARRAY[500::BIGINT]"

    async def read(session: PoolConnectionProxy[Any], function: str, *values: object) -> int:
        async with session.transaction():
            before = await session.fetchval(rows_read)
            assert await session.fetchval(f"SELECT outcome FROM {function}", *values) == "posted"
            return int(await session.fetchval(rows_read) - before)

    async def read_all(session: PoolConnectionProxy[Any], first: int) -> list[int]:
        orders = [(f"order/A{number}/fund", NOW, f"order/A{number}/escrow") for number in range(first, first + 3)]
        subject = f"order/A{first}"
        refunds = (f"{subject}/refund/1", NOW, f"{subject}/escrow", f"{subject}/refund_payable/1")
        return [
            await read(session, f"post_for_order({given})", *orders[0]),
            await read(session, f"post_movements({array})", *orders[1]),
            await read(session, f"post_for_orders({together})", *orders[2]),
            await read(session, f"post_for_order({refund})", *refunds),
            await read(session, f"post_settlements({settled})", f"psp/other/settlement/S{first}", NOW, "psp/other"),
        ]

    async with database.owner.acquire() as session:
        assert max(await read_all(session, 0)) <= 2 * FEW
        await database.owner.execute("ANALYZE")
        assert max(await read_all(session, 3)) <= 2 * FEW
        async with database.owner.acquire() as other:
            await add_settled_orders(other, LONG, analyze=False)
        await register.seals.seal()
        again = await read_all(session, 6)
        # What a channel holds is what it held at the last seal, and what moved since: each payment is a transfer of it.
        again.append(await read(session, f"post_settlements({settled})", "psp/wechat/settlement/S", NOW, "psp/wechat"))
        assert max(again) <= 2 * FEW, again


WORKERS = "SELECT parallel_workers_launched FROM pg_stat_database WHERE datname = current_database()"
HELD = {"name": "screening", "subject": "", "scope": "credit"}


async def test_a_record_is_kept_without_further_processes(database: Database, register: Register) -> None:
    """The planner expects a thousand holds of every state: for so many it starts processes, which cost more than all
    else that a record does."""
    async with database.owner.acquire() as session:
        if await session.fetchval("SHOW server_version_num") < "180000":
            return  # an older server does not count them
        before = await session.fetchval(WORKERS)
        one: Any = session
        kept, book = Register(one), Book(one)
        order = an_order("A1")
        await opened(kept, order)
        assert (await fund(book, order, a_record(state={"holds": []}))).outcome == "posted"
        for revision, holds in enumerate(([HELD], []), start=2):
            state = {"holds": holds, "recorded_revision": revision - 1}
            assert (await kept.orders.record(a_record(revision=revision, state=state))).kept
        await session.execute("SELECT pg_stat_force_next_flush()")
        assert await session.fetchval(WORKERS) == before


BUFFERS = 300
"""Pages of 8 KB that one page of a list may read."""
MANY_EVENTS = 20_000


async def test_a_page_of_events_reads_as_little_when_there_are_many(database: Database, register: Register) -> None:
    await database.owner.execute(
        "INSERT INTO events (position, subject, seq, merchant_id, type, at, data)"
        " SELECT i / 100, 'order/A' || i / 20, i % 20, 'm-' || i % 200, CASE i % 1000 WHEN 0 THEN 'order.settled'"
        " ELSE 'order.held' END, now(), '{\"phase\": \"shipped\"}' FROM generate_series(1, $1::INT) AS s (i)",
        MANY_EVENTS,
    )
    await database.owner.execute("ANALYZE events")
    # These rows have no subjects of their own.
    database.broken = True
    begin = "SELECT * FROM events WHERE position >= 98 AND (position, id) > (98, 9800)"
    order = " AND position < events_end() ORDER BY position, id LIMIT"
    for query in (
        f"{begin}{order} 100",
        f"{begin}{order} 1000",
        f"{begin} AND merchant_id = 'm-7'{order} 100",
        f"{begin} AND subject = 'order/A600'{order} 100",
        "SELECT min(recorded_at) FROM events WHERE recorded_at >= now() - INTERVAL '1 second'",
    ):
        (plan,) = json.loads(await database.owner.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}"))
        read = plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]
        assert read <= BUFFERS, (query, read)
    assert len((await register.events.after(Cursor(98, 9800), types=["order.settled"])).events) == 1


async def test_no_condition_of_a_posting_starts_a_query_that_its_first_half_makes_needless(database: Database) -> None:
    """PL/pgSQL starts the query of a condition before it looks at any part of it."""
    bodies = await database.owner.fetch(
        "SELECT p.proname, p.prosrc FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
        " WHERE n.nspname = 'dakuan' AND p.proname ~ '^(post|write|refuse|record)' AND p.prosrc LIKE '%BEGIN%'"
    )
    assert {"write_movements", "post_for_orders", "refuse_one_persons_word"} <= {body["proname"] for body in bodies}
    before_then = r"(?:(?!\bTHEN\b)[^;])*?"
    wasteful = rf"\b(IF|ELSIF) (?!(NOT )?EXISTS){before_then}\bAND (NOT )?EXISTS\b|coalesce\(v_\w+, EXISTS"
    assert [body["proname"] for body in bodies if re.search(wasteful, body["prosrc"])] == []
