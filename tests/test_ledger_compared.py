"""A comparison of our own books begins where the last one ended, and finds what one from the beginning would find."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from databases import Copies, Database
from ledger_samples import a_record, funded, refund
from statement_lines import LATER

from bench.settled import add_settled_orders
from core.reconciliation.breaks import breaks
from core.reconciliation.lines import Break, Scope
from ledger.book import Book
from ledger.differing import Sides, differing
from ledger.register import Register

ORDERS = 400
AHEAD = 10**9
OURS: tuple[Scope, ...] = ("orders", "withdrawals")


async def _compared(register: Register, scope: Scope) -> tuple[list[Break], Sides]:
    """As the activity does: compare, keep the breaks, and let the next one begin here."""
    sides = await differing(register.pool, scope, "books", LATER, whole=False)
    found = breaks(scope, "books", sides.ours, sides.theirs, LATER)
    assert found == await _from_the_beginning(register, scope)
    counts = {"ours": sides.our_count, "theirs": sides.their_count}
    await register.breaks.record(scope, "books", found, **counts, now=datetime.now(UTC))
    if sides.standing is not None:
        await register.breaks.note_compared(scope, "books", sides.standing)
    return found, sides


async def _from_the_beginning(register: Register, scope: Scope) -> list[Break]:
    sides = await differing(register.pool, scope, "books", LATER)
    assert sides.since is None
    return breaks(scope, "books", sides.ours, sides.theirs, LATER)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def agreed(copies: Copies) -> str:
    """The name of a database with sealed books of closed orders, which agreed when they were compared."""
    async with copies.original() as database:
        async with database.owner.acquire() as connection:
            await add_settled_orders(connection, ORDERS)
        register = Register(database.pool)
        await register.seals.seal()
        for scope in OURS:
            _, sides = await _compared(register, scope)
            assert sides.since is None, "the first one reads everything"
    return database.name


@pytest_asyncio.fixture(loop_scope="session")
async def database(copies: Copies, agreed: str) -> AsyncIterator[Database]:
    """Such books of a test's own."""
    async with copies.of(agreed) as database:
        yield database


@pytest.fixture
def long_books(database: Database) -> Register:
    return Register(database.pool)


def _new(found: Sequence[Break]) -> list[tuple[str, str]]:
    """Without those of the long books: their reviews are long overdue."""
    return [(one.reason, one.key) for one in found if not one.key.startswith("S")]


async def _order(register: Register, book: Book, order_id: str = "A1", **state: Any) -> None:
    await funded(register, book, order_id)
    await register.orders.record(a_record(order_id, state={"funded": True, **state}))


async def test_what_agreed_and_is_closed_is_not_read_again(long_books: Register) -> None:
    for scope in OURS:
        whole = await differing(long_books.pool, scope, "books", LATER)
        found, sides = await _compared(long_books, scope)
        still_open = ORDERS * 3 // 100 if scope == "orders" else 0
        assert sides.since is not None
        assert sides.their_count == still_open < whole.their_count
        assert found == await _from_the_beginning(long_books, scope)


async def test_the_rows_that_it_reads_depend_on_what_is_new_and_not_on_how_long_the_books_are(
    database: Database, long_books: Register, book: Book
) -> None:
    await _order(long_books, book)
    part = await _rows_read(database, long_books, whole=False)
    all_of_it = await _rows_read(database, long_books, whole=True)
    still_open = ORDERS * 3 // 100 + 1
    assert max(part["orders"], part["movements"], part["transfers"]) <= 2 * still_open, part
    assert part["accounts"] <= 2 * part["transfers"]
    assert all(part[table] < all_of_it[table] / 4 for table in part), (part, all_of_it)


async def _rows_read(database: Database, register: Register, *, whole: bool) -> dict[str, int]:
    """How many rows of each table one comparison of orders reads."""
    query = (
        "SELECT relname, seq_tup_read + coalesce(idx_tup_fetch, 0) AS n FROM pg_stat_xact_user_tables"
        " WHERE relname IN ('orders', 'movements', 'transfers', 'accounts')"
    )
    async with database.pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
        await connection.execute("SET LOCAL enable_seqscan = off")  # of so few rows a scan would be the cheapest
        before = {row["relname"]: row["n"] for row in await connection.fetch(query)}
        await differing(connection, "orders", "books", LATER, whole=whole)
        return {row["relname"]: row["n"] - before.get(row["relname"], 0) for row in await connection.fetch(query)}


async def test_a_difference_is_found_again_until_it_is_gone(
    database: Database, long_books: Register, book: Book
) -> None:
    database.broken = True
    await _order(long_books, book, credited_minor=950, credited_at="2026-11-22T08:00:00Z")
    await database.owner.execute("UPDATE orders SET phase = 'credited', closed = TRUE WHERE order_id = 'A1'")
    await long_books.seals.seal()
    for _ in range(3):
        found, sides = await _compared(long_books, "orders")
        assert _new(found) == [("missing", "A1")]
    assert sides.since is not None
    assert sides.since.position > 0
    await database.owner.execute("UPDATE orders SET phase = 'cancelled', state = '{}' WHERE order_id = 'A1'")
    found, _ = await _compared(long_books, "orders")
    assert "missing" not in {reason for reason, _ in _new(found)}


async def test_a_refund_of_an_order_that_agreed_long_ago_is_compared(
    database: Database, long_books: Register, book: Book
) -> None:
    database.broken = True  # nothing of it is in the register
    order = await funded(long_books, book)
    await long_books.orders.record(a_record("A1", closed=True, state={"funded": True}))
    await long_books.seals.seal()
    await _compared(long_books, "orders")
    assert (await refund(book, order)).outcome == "posted"
    found, _ = await _compared(long_books, "orders")
    assert [key for _, key in _new(found)] == ["A1/cancel"]


async def test_a_position_that_does_not_exist_yet_skips_nothing(
    database: Database, long_books: Register, book: Book
) -> None:
    number = await database.pool.fetchval("SELECT max(number) FROM seals")
    await database.pool.execute("SELECT note_compared('orders', 'books', $1, $2, '[]')", number, 2**62)
    await _order(long_books, book)
    _, sides = await _compared(long_books, "orders")
    assert any(line.key == "A1" for line in sides.ours) or sides.our_count > ORDERS * 3 // 100
    assert (await database.pool.fetchval("SELECT max(position) FROM events")) < 2**62


async def test_after_a_restore_into_another_server_nothing_is_missed(
    database: Database, long_books: Register, book: Book
) -> None:
    """Transactions without events moved its position further than that of the last event; the other server counts from
    a lower number.
    """
    database.broken = True
    await funded(long_books, book)
    await long_books.orders.record(a_record("A1", closed=True, state={"funded": True}))
    await long_books.seals.seal()
    found, _ = await _compared(long_books, "orders")
    assert _new(found) == []
    await database.owner.execute("UPDATE reconciled SET position = position + $1", AHEAD)
    assert await database.owner.fetchval("SELECT follow_event_clock()") is True
    assert await database.owner.fetchval("SELECT follow_event_clock()") is False
    credited = {"funded": True, "credited_minor": 950, "credited_at": "2026-11-22T08:00:00Z"}
    changed = "UPDATE orders SET revision = 2, phase = 'credited', state = $1 WHERE order_id = 'A1'"
    await database.owner.execute(changed, credited)
    found, sides = await _compared(long_books, "orders")
    assert _new(found) == [("missing", "A1")]
    assert sides.since is not None
    standing = await database.owner.fetchval("SELECT position FROM reconciled WHERE scope = 'orders'")
    assert standing > sides.since.position, "the next one begins where this one ended"


async def test_one_that_was_not_run_for_long_begins_at_the_beginning(database: Database, long_books: Register) -> None:
    await database.owner.execute("UPDATE reconciled SET ran_at = ran_at - INTERVAL '26 days'")
    _, sides = await _compared(long_books, "orders")
    assert sides.since is None, "events that it needs may be purged"
