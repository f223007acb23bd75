"""What merchants are shown is what the books say, in any order of booking and sealing."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from databases import Database
from explained import Explained, index_conditions
from ledger_samples import DAY, NOW, credit, funded, settle
from waiting import until

from core.merchant_statement import Held
from core.movements import Leg, Movement, adjustment
from ledger.book import Book
from ledger.long_reads import long_reads
from ledger.merchant_day_proofs import OTHER_DAYS_THAN_BALANCES
from ledger.merchant_statements import OPENING, StatementPosition, merchant_statement_page, merchant_statements
from ledger.proofs import prove
from ledger.proving import Proven, prove_part
from ledger.register import Register
from ledger.seals import Seal

MIDNIGHT = datetime(2026, 11, 1, tzinfo=UTC)
PARTS = {"available": "available", "deposit": "deposit", "receivable": "owed", "proceeds": "pending"}
_ENTRIES = """
    SELECT e.path, e.currency, e.delta_minor, e.occurred_at FROM entries e
    WHERE e.path LIKE 'merchant/m-1/%' OR e.path IN (
        SELECT 'order/' || o.order_id || '/proceeds' FROM orders o WHERE o.merchant_id = 'm-1')
"""


def _some_movements(seed: random.Random, first: int, count: int) -> list[Movement]:
    """Adjustments at any time of twenty days, in two currencies; some move from one merchant to the other."""
    made = []
    for number in range(first, first + count):
        merchant, other = seed.sample(["m-1", "m-2"], 2)
        legs = [Leg("psp/bench", f"merchant/{merchant}/{seed.choice(['available', 'deposit'])}", seed.randint(5, 900))]
        if seed.random() < 0.4:
            legs.append(Leg(legs[0].credit, f"merchant/{other}/available", seed.randint(1, 5)))
        if seed.random() < 0.3:
            legs.append(Leg(f"merchant/{merchant}/receivable", "expense/goodwill", seed.randint(1, 50)))
        at = MIDNIGHT + timedelta(minutes=seed.choice([seed.randint(0, 28_800), 1_440 * seed.randint(0, 20)]))
        made.append(adjustment(f"adjustment/{number}", seed.choice(["CNY", "JPY"]), at, legs))
    return made


async def _summed(database: Database, until: datetime) -> dict[str, Held]:
    """What m-1 had, from the whole history."""
    held: dict[str, Held] = {}
    for row in await database.owner.fetch(_ENTRIES):
        if row["occurred_at"] < until:
            part = PARTS[row["path"].split("/")[2]]
            held[row["currency"]] = held.get(row["currency"], Held()).plus(
                Held(**{f"{part}_minor": row["delta_minor"]})
            )
    return held


async def _found_against(database: Database, sealed: Seal | None) -> set[str]:
    """What the proofs of all books, and of what came since the last seal, say of what merchants see."""
    proofs = await prove(database.pool)
    if sealed is not None:
        since = Proven(seal=sealed.number, movement=sealed.last_movement, position=0, proven_at=NOW)
        async with long_reads(database.pool) as reads:
            proofs += await prove_part(reads, since)
    return {proof.name for proof in proofs if not proof.holds and proof.name.startswith("merchant_")}


@pytest.mark.parametrize("seed", range(4))
async def test_a_statement_of_any_time_is_the_sum_of_the_whole_history(
    database: Database, register: Register, book: Book, seed: int
) -> None:
    by, sealed = random.Random(seed), None
    database.broken = True  # orders without records, and merchants that owe and have
    for number in range(4):
        order = await funded(register, book, f"A{number}", 1_000)
        await credit(book, order)
        if number % 2:
            await settle(book, order)
        await Book(database.owner).post_all(_some_movements(by, 20 * number, 20))
        if by.random() < 0.7:
            await register.seals.seal()
            sealed = await register.seals.last()
        assert await _found_against(database, sealed) == set()
    for _ in range(12):
        since = MIDNIGHT + timedelta(minutes=by.choice([1_440 * by.randint(-1, 24), by.randint(0, 36_000)]))
        until = since + timedelta(minutes=by.randint(0, 20_000))
        found = {one.currency: one for one in await merchant_statements(database.pool, "m-1", since, until)}
        before, after = await _summed(database, since), await _summed(database, until)
        assert {name: one.opening for name, one in found.items() if name in before} == before
        assert {name: one.closing for name, one in found.items() if name in after} == after
        rows = [row for one in found.values() for row in one.rows]
        assert all(since <= row.at < until for row in rows)
    now = await _summed(database, NOW + 365 * DAY)
    balances = {one.currency: one for one in await register.balances.of_merchant("m-1")}
    assert {name: (one.pending_minor, one.available_minor) for name, one in balances.items()} == {
        name: (one.pending_minor, one.available_minor) for name, one in now.items()
    }


@pytest.mark.parametrize("table", ["merchant_days", "merchant_transfers"])
async def test_the_proof_of_a_part_finds_each_merchant_through_an_index(database: Database, table: str) -> None:
    """Compared in another collation than the index's, all days of all merchants were read for each merchant."""
    async with long_reads(database.pool) as reads:
        await reads.connection.execute("SET LOCAL enable_seqscan = off")
        [row] = await reads.fetch(f"EXPLAIN (FORMAT JSON) {OTHER_DAYS_THAN_BALANCES}")
    conditions = index_conditions(json.loads(row[0])[0], table)
    assert any("merchant_id" in condition for condition in conditions), conditions


@pytest.mark.parametrize("limit", [1, 3, 50])
async def test_pages_follow_each_other_without_a_gap(database: Database, register: Register, limit: int) -> None:
    database.broken = True  # merchants that owe and have
    book, by = Book(database.owner), random.Random(7)
    await book.post_all(_some_movements(by, 0, 15))
    await register.seals.seal()
    await book.post_all(_some_movements(by, 15, 15))
    since, until = MIDNIGHT + 5 * DAY, MIDNIGHT + 30 * DAY
    whole = await merchant_statements(database.pool, "m-1", since, until)
    after: StatementPosition | None = None
    rows: dict[str, list[object]] = {one.currency: [] for one in whole}
    held = {one.currency: one.opening for one in whole}
    while True:
        page = await merchant_statement_page(database.pool, "m-1", since, until, after=after, limit=limit)
        assert len({row.reference for one in page.statements for row in one.rows}) <= limit
        for one in page.statements:
            assert one.opening == held.get(one.currency, Held())
            rows.setdefault(one.currency, []).extend(one.rows)
            held[one.currency] = one.closing
        if (after := page.after) is None:
            break
    assert held == {one.currency: one.closing for one in whole}
    assert rows == {one.currency: list(one.rows) for one in whole}


@pytest.mark.parametrize(
    ("change", "proof"),
    [
        ("UPDATE merchant_days SET available_minor = available_minor + 1", "merchant_days"),
        ("DELETE FROM merchant_days", "merchant_days"),
        ("UPDATE merchant_transfers SET available_minor = available_minor + 1", "merchant_transfers"),
        ("DELETE FROM merchant_transfers", "merchant_transfers"),
        (
            "INSERT INTO merchant_transfers SELECT (t).* FROM (SELECT jsonb_populate_record(t, '{\"leg\": 9}') AS t"
            " FROM merchant_transfers t LIMIT 1) AS t",
            "merchant_transfers",
        ),
    ],
)
async def test_an_owners_change_of_what_merchants_see_is_found(
    database: Database, register: Register, change: str, proof: str
) -> None:
    await Book(database.owner).post_all(_some_movements(random.Random(1), 0, 10))
    assert await _found_against(database, await register.seals.seal()) == set()
    database.broken = True
    async with database.owner.acquire() as owner:
        await owner.execute("SET session_replication_role = replica")  # an owner who takes every fence away
        await owner.execute(change)
        await owner.execute("RESET session_replication_role")
    assert proof in await _found_against(database, None)


# --- long books ------------------------------------------------------------------------------------------

LONG = 1_500
"""Movements of one merchant: to look them up takes ten thousand buffers."""
FEW = 100
"""Buffers of 8 KB for a day of forty rows, or for a balance."""


async def test_a_statement_and_a_balance_read_no_history(database: Database, register: Register) -> None:
    """The merchant has credited orders that are open, one movement each, and a day that is not sealed."""
    database.broken = True  # orders without a life
    await database.owner.execute(
        "INSERT INTO policies (content_hash, name, text) VALUES (repeat('p', 64), 'p', 'p');"
        "INSERT INTO payments (channel, payment, currency, paid_minor) VALUES ('wechat', 'p', 'CNY', 1);"
        " INSERT INTO orders (order_id, merchant_id, buyer_id, currency, total_minor, channel, payment, body,"
        " content_hash, opened_by, policy_hash, opened_at) SELECT 'A' || n, 'm-1', 'b-1', 'CNY', 1, 'wechat', 'p',"
        f" '{{}}', 'c', 'run', repeat('p', 64), now() FROM generate_series(1, {LONG}) AS s (n)"
    )

    def credited(number: int) -> Movement:
        at = MIDNIGHT + number * timedelta(minutes=36)
        return adjustment(f"a/{number}", "CNY", at, [Leg("psp/bench", f"order/A{number}/proceeds", 2)])

    book = Book(database.owner)
    await book.post_all([credited(number) for number in range(1, LONG - 39)])
    await register.seals.seal()
    await book.post_all([credited(number) for number in range(LONG - 39, LONG + 1)])
    await database.owner.execute("ANALYZE")
    day = MIDNIGHT + 36 * DAY
    of_balance: Any = Explained(database.pool)
    of_statement: Any = Explained(database.pool)
    (balance,) = await Register(of_balance).balances.of_merchant("m-1")
    assert balance.pending_minor == 2 * LONG
    (found,) = await merchant_statements(of_statement, "m-1", day, day + DAY)
    assert (len(found.rows), found.opening.pending_minor) == (40, 2 * (LONG - 40 - 21))
    of_afternoon: Any = Explained(database.pool)
    noon = day - DAY / 2
    (found,) = await merchant_statements(of_afternoon, "m-1", noon, day)
    assert (len(found.rows), found.opening.pending_minor) == (20, 2 * (LONG - 40 - 41))
    read = (of_balance.buffers, of_statement.buffers, of_afternoon.buffers)
    assert max(read) <= FEW, read


BY_TIME_LOST = "ALTER TABLE merchant_transfers DROP CONSTRAINT merchant_transfers_pkey;"
BY_NUMBER_LOST = "DROP INDEX merchant_transfers_by_movement;"


@pytest.mark.parametrize("lost", ["", BY_TIME_LOST, BY_NUMBER_LOST])
async def test_no_statistics_let_a_statement_begin_with_the_whole_history(database: Database, lost: str) -> None:
    """An upper bound alone, of time or of number, is all that came before. Which index the planner takes hangs on the
    size of the books; without one of them it must not take the other from its beginning either.
    """
    async with database.owner.acquire() as owner:
        change = owner.transaction()
        await change.start()
        try:
            await owner.execute(f"{lost} SET LOCAL enable_seqscan = off")
            text = await owner.fetchval(f"EXPLAIN (FORMAT JSON) {OPENING}", "m-1", MIDNIGHT + DAY / 2)
        finally:
            await change.rollback()
    conditions = index_conditions(json.loads(text)[0], "merchant_transfers")
    assert len(conditions) == 2, conditions
    for condition in conditions:
        assert "movement_id <=" not in condition
        assert "occurred_at >=" in condition or "occurred_at <" not in condition


BUSY = 5_000
"""Postings of one merchant on a busy day."""
OTHERS = 3
"""Merchants whose postings lie between."""
PAGE_MAX = 300
"""Buffers that a page may read, of short books and of long ones."""


async def _begin(database: Database, register: Register, merchants: int) -> None:
    """Sealed books in which these merchants have 0.02 each."""
    database.broken = True  # balances that no posting made
    book = Book(database.owner)
    for number in range(1, merchants + 1):
        leg = Leg("psp/bench", f"merchant/m-{number}/available", 2)
        await book.post_all([adjustment(f"a/{number}", "CNY", MIDNIGHT, [leg])])
    await register.seals.seal()


async def _busy_day(database: Database, merchants: int, first: int, last: int) -> None:
    """A posting of each merchant in turn, from time to time of the day after."""
    await database.owner.execute(
        "INSERT INTO movements (reference, currency, request_hash, occurred_at)"
        " SELECT 'b/' || n || '/' || k, 'CNY', '', $1::TIMESTAMPTZ + n * INTERVAL '10 seconds'"
        " FROM generate_series($2::INT, $3) AS s (n), generate_series(1, $4) AS m (k) ORDER BY n, k",
        *(MIDNIGHT + DAY, first, last, merchants),
    )
    await database.owner.execute(
        "INSERT INTO transfers SELECT m.id, 1, t.debit_account, t.credit_account, 'CNY', 2 FROM movements m"
        " JOIN movements f ON f.reference = 'a/' || split_part(m.reference, '/', 3)"
        " JOIN transfers t ON t.movement_id = f.id"
        " WHERE m.reference LIKE 'b/%' AND m.occurred_at >= $1::TIMESTAMPTZ + $2::INT * INTERVAL '10 seconds'"
        " ORDER BY m.id",
        *(MIDNIGHT + DAY, first),
    )


async def _read(database: Database, since: datetime) -> tuple[int, int]:
    """Buffers of m-1's balance, and of the page that begins then."""
    of_balance: Any = Explained(database.pool)
    of_page: Any = Explained(database.pool)
    (balance,) = await Register(of_balance).balances.of_merchant("m-1")
    assert balance.available_minor == 2
    page = await merchant_statement_page(of_page, "m-1", since, MIDNIGHT + 2 * DAY)
    (found,) = page.statements
    late = sum(since <= MIDNIGHT + DAY + number * timedelta(seconds=10) for number in range(1, BUSY + 1))
    assert (len(found.rows), found.opening.available_minor) == (late, 2 + 2 * (BUSY - late))
    return of_balance.buffers, of_page.buffers


EVENING = MIDNIGHT + DAY + BUSY * timedelta(seconds=10) - timedelta(minutes=10)


async def test_a_merchants_busy_day_that_is_not_sealed_is_read_in_pages(database: Database, register: Register) -> None:
    """A balance sums the day, and an evening's statement opens with what the day brought until then."""
    await _begin(database, register, 1)
    await _busy_day(database, 1, 1, BUSY)
    await database.owner.execute("ANALYZE")
    read = await _read(database, EVENING)
    assert max(read) <= PAGE_MAX, read


async def _vacuum(database: Database) -> None:
    """As autovacuum does after some thousand rows. A session of another test that only begins holds rows back."""

    async def hidden_pages() -> int:
        await database.owner.execute("VACUUM ANALYZE merchant_transfers")
        return int(
            await database.owner.fetchval(
                "SELECT relpages - relallvisible FROM pg_class WHERE oid = 'merchant_transfers'::regclass"
            )
        )

    await until(hidden_pages, lambda pages: pages == 0)


@pytest.mark.parametrize("sealed", [0, BUSY // 2, BUSY])
async def test_other_merchants_postings_make_no_page_of_a_busy_day_longer(
    database: Database, register: Register, sealed: int
) -> None:
    """Whether nothing of the day is sealed, or half of it, or all."""
    await _begin(database, register, 1 + OTHERS)
    if sealed:
        await _busy_day(database, 1 + OTHERS, 1, sealed)
        await register.seals.seal()
    await _busy_day(database, 1 + OTHERS, sealed + 1, BUSY)
    await _vacuum(database)
    read = await _read(database, EVENING)
    assert max(read) <= PAGE_MAX, read


async def test_what_merchants_are_shown_is_vacuumed_however_long_the_books_are(database: Database) -> None:
    """What was never vacuumed costs an index-only scan a look at each row."""
    options = await database.owner.fetchval("SELECT reloptions FROM pg_class WHERE relname = 'merchant_transfers'")
    assert "autovacuum_vacuum_insert_scale_factor=0" in (options or ())
