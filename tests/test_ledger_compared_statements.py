"""A comparison with statements begins where the last one ended, and finds what one from the beginning would find."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from databases import Database
from ledger_samples import NOW
from random_books import NAMES, RandomBooks
from sizes import on_servers
from statement_lines import LATER, line

from bench.settled import SINCE, add_settled_orders
from core.messages import Actor
from core.movements import Leg, adjustment, psp_settlement
from core.reconciliation.breaks import breaks
from core.reconciliation.lines import Break, Covered, Scope, Statement, TheirLine
from ledger import stated_scope
from ledger.book import Book
from ledger.compared_scope import is_too_long
from ledger.differing import Sides, differing
from ledger.reconciling import ours
from ledger.register import Register

STEPS = 160


async def _found(register: Register, scope: Scope, now: datetime, *, whole: bool) -> tuple[list[Break], Sides]:
    name = NAMES[scope]
    sides = await differing(register.pool, scope, name, now, whole=whole)
    return breaks(scope, name, sides.ours, sides.theirs, now, covered=sides.covered), sides


async def _compared(register: Register, scope: Scope, now: datetime) -> tuple[bool, list[Break], list[Break]]:
    """As the activity does. Whether it went on, what it found, and what one from the beginning finds."""
    found, sides = await _found(register, scope, now, whole=False)
    from_the_beginning, _ = await _found(register, scope, now, whole=True)
    counts = {"ours": sides.our_count, "theirs": sides.their_count}
    await register.breaks.record(scope, NAMES[scope], found, **counts, now=datetime.now(UTC))
    assert sides.standing is not None
    await register.breaks.note_compared(scope, NAMES[scope], sides.standing)
    return sides.since is not None, found, from_the_beginning


async def _first_difference(
    scope: Scope, seed: int, database: Database, register: Register, book: Book
) -> tuple[object, int]:
    """What the two disagree about first, after which steps, if anything; and how often a comparison went on."""
    database.broken = True  # anything may happen here
    books = RandomBooks(scope, seed, database, register, book)
    await books.begin()
    went_on = 0
    for step in range(STEPS):
        await books.step()
        if step % 2:
            later, found, whole = await _compared(register, scope, books.now)
            went_on += later
            if found != whole:
                return (books.done[-6:], {(one.reason, one.kind, one.key) for one in {*found} ^ {*whole}}), went_on
    return None, went_on


@pytest.mark.parametrize("scope", NAMES)
@pytest.mark.parametrize("seed", range(on_servers(2)))
async def test_it_finds_what_one_from_the_beginning_finds(
    database: Database, register: Register, book: Book, scope: Scope, seed: int
) -> None:
    difference, went_on = await _first_difference(scope, seed, database, register, book)
    assert difference is None
    assert went_on > STEPS / 3


async def test_a_settlement_that_is_put_back_is_missed_by_one_that_goes_on(
    database: Database, register: Register, book: Book
) -> None:
    """Taken back, it was no difference, and only the correction of the correction has moved since."""
    movement = psp_settlement(
        "wechat", "S1", rail="sandbox", net_minor=990, fee_minor=10, currency="CNY", occurred_at=NOW
    )
    held = [Leg("psp/wechat", "suspense", 1_000)]
    await Book(database.owner).post_all([adjustment("adjust/1", "CNY", NOW, held)])
    assert (await book.post(movement)).moved
    covered = Covered(since=NOW - timedelta(days=4000), until=LATER)
    await register.statements.load("channel", "wechat", Statement(lines=(), covered=covered), NOW)
    reference = movement.reference
    for request, missed in (("K1", []), ("K2", ["missing"])):
        for person in ("ann", "bob"):
            await register.corrections.correct(request, reference, person=person, reason="wrong", now=NOW)
        reference = f"correction/{request}"
        await register.seals.seal()
        _, found, whole = await _compared(register, "channel", LATER)
        assert [one.reason for one in found] == [one.reason for one in whole] == missed
    database.broken = True  # the proof of the statements says so, too


TOUCHED_BY: dict[str, tuple[Scope, int, str, str]] = {
    "their new lines": ("rail", 0, "l.position >= $7", "$7::BIGINT IS NULL"),
    "what was open": ("channel", 0, "jsonb_array_elements(c.open)", "jsonb_array_elements('[]'::JSONB)"),
    "movements": ("rail", 0, "m.id > $6", "$6::BIGINT IS NULL"),
    "refunds of a line": ("channel", 1, "UNION ALL SELECT reference FROM refunds_named", ""),
    "disputes": ("channel", 0, "LIKE 'order/%/chargeback/%'", "LIKE 'none'"),
    "payouts of a line": (
        "rail",
        0,
        "attempted AS MATERIALIZED (\n    SELECT key FROM named\n    UNION",
        "attempted AS (",
    ),
}
"""What leads a comparison to what it must read: its scope, a seed whose books need it, and how it is taken away."""


@pytest.mark.parametrize("source", TOUCHED_BY)
async def test_what_it_reads_is_needed(
    database: Database, register: Register, book: Book, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    scope, seed, there, gone = TOUCHED_BY[source]
    part = stated_scope.PARTS[scope]
    assert there in part.ours
    less = {**stated_scope.PARTS, scope: part._replace(ours=part.ours.replace(there, gone))}
    monkeypatch.setattr(stated_scope, "PARTS", less)
    difference, _ = await _first_difference(scope, seed, database, register, book)
    assert difference is not None


# --- long books ------------------------------------------------------------------------------------------

ORDERS = 400


@pytest_asyncio.fixture
async def long_books(database: Database, register: Register) -> AsyncIterator[Register]:
    """Sealed books, of which both statements tell the whole, and which were compared."""
    database.broken = True  # the deadlines of the bench's reviews, and the tests
    async with database.owner.acquire() as connection:
        await add_settled_orders(connection, ORDERS)
    await register.seals.seal()
    for scope, name in NAMES.items():
        lines = tuple(await _all_of_ours(register, scope))
        covered = Covered(since=SINCE - timedelta(days=1), until=SINCE + timedelta(days=60))
        await register.statements.load(scope, name, Statement(lines=lines, covered=covered), NOW)
        await database.owner.execute("ANALYZE statement_lines")
        _, found, _ = await _compared(register, scope, LATER)
        assert found == []
    yield register


async def _all_of_ours(register: Register, scope: Scope) -> list[TheirLine]:
    """Every line of ours, as their statement should tell it."""
    query = f"SELECT kind, key, amount_minor, at FROM ({ours(scope)}) AS q WHERE $1 <> $2"
    rows = await register.pool.fetch(query, scope, NAMES[scope])
    return [line(row["kind"], row["key"], row["amount_minor"], at=row["at"]) for row in rows]


_READ = """
    SELECT relname, seq_tup_read + coalesce(idx_tup_fetch, 0) AS n FROM pg_stat_xact_user_tables
    WHERE relname IN ('orders', 'payments', 'payout_attempts', 'movements', 'transfers', 'accounts', 'statement_lines')
"""


async def _rows_read(database: Database, scope: Scope, *, whole: bool) -> dict[str, int]:
    """How many rows of each table one comparison reads."""
    async with database.pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
        await connection.execute("SET LOCAL enable_seqscan = off")  # of so few rows a scan would be the cheapest
        before = {row["relname"]: row["n"] for row in await connection.fetch(_READ)}
        await differing(connection, scope, NAMES[scope], LATER, whole=whole)
        return {row["relname"]: row["n"] - before.get(row["relname"], 0) for row in await connection.fetch(_READ)}


@pytest.mark.usefixtures("long_books")
async def test_over_unchanged_books_it_reads_what_is_open_alone(database: Database) -> None:
    for scope in NAMES:
        part = await _rows_read(database, scope, whole=False)
        all_of_it = await _rows_read(database, scope, whole=True)
        still_open = ORDERS * 3 // 100 if scope == "channel" else 0
        assert max(part.values()) <= 3 * still_open + 20, sorted(part.items())
        assert sum(part.values()) < sum(all_of_it.values()) / 10, (part, all_of_it)


async def test_a_break_stays_until_it_is_gone(long_books: Register) -> None:
    for scope in NAMES:
        await _stays_until_it_is_gone(long_books, scope)


async def _stays_until_it_is_gone(long_books: Register, scope: Scope) -> None:
    [told] = (await _all_of_ours(long_books, scope))[:1]
    name, again = NAMES[scope], told.model_copy(update={"line_id": "again"})
    await long_books.statements.load(scope, name, Statement(lines=(again,)), NOW)
    first = None
    for _ in range(3):
        went_on, found, whole = await _compared(long_books, scope, LATER)
        assert went_on
        assert [one.reason for one in found] == ["duplicate"]
        assert found == whole
        [known] = await long_books.breaks.known(scope=scope)
        first = first or known.first_seen_at
        assert known.first_seen_at == first
    [load, *_] = await long_books.statements.loads()
    for person in ("one", "other"):
        await long_books.statements.withdraw(load.load_no, Actor(role="operator", id=person), "twice", NOW)
    went_on, found, _ = await _compared(long_books, scope, LATER)
    assert (went_on, found) == (False, []), "a load was withdrawn: everything is read"


async def test_a_late_period_reads_what_was_booked_since_it_began(
    database: Database, long_books: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with database.owner.acquire() as connection:
        await connection.execute("UPDATE seals SET sealed_at = $1", SINCE + timedelta(days=90))
        await add_settled_orders(connection, 20, first=ORDERS + 1)
    await long_books.seals.seal()
    await _compared(long_books, "rail", LATER)
    async with database.owner.acquire() as connection:
        last = await connection.fetchval("SELECT last_movement FROM seals ORDER BY number LIMIT 1")
    for since, covers in ((SINCE + timedelta(days=91), last), (SINCE - timedelta(days=2), 0)):
        covered = Covered(since=since, until=LATER + timedelta(days=2))
        await long_books.statements.load("rail", "sandbox", Statement(lines=(), covered=covered), NOW)
        sides = await differing(long_books.pool, "rail", "sandbox", LATER + timedelta(days=2), whole=False)
        assert sides.since is not None
        assert sides.since.movement == covers
    # Of long books it is most of them, which one pass reads with less work than a search for each.
    monkeypatch.setattr("ledger.compared_scope.PART_MOST", 100)
    sides = await differing(long_books.pool, "rail", "sandbox", LATER + timedelta(days=2), whole=False)
    assert sides.since is None


@pytest.mark.parametrize(
    ("first", "last", "all_is_read"),
    [(0, 100_000, False), (0, 100_001, True), (400_000, 1_000_000, True), (900_000, 1_000_001, False)],
)
def test_more_than_half_of_long_books_is_not_a_part(first: int, last: int, all_is_read: bool) -> None:
    assert is_too_long(first, last) == all_is_read


async def test_one_that_began_before_a_withdrawal_of_lines_does_not_hide_it(long_books: Register) -> None:
    _, before = await _found(long_books, "rail", LATER, whole=False)
    [load] = [one for one in await long_books.statements.loads() if one.scope == "rail"]
    for person in ("one", "other"):
        await long_books.statements.withdraw(load.load_no, Actor(role="operator", id=person), "wrong", NOW)
    assert before.standing is not None
    await long_books.breaks.note_compared("rail", "sandbox", before.standing)
    _, after = await _found(long_books, "rail", LATER, whole=False)
    assert after.since is None
