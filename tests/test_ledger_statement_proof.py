"""The proof of statements goes on from the last one, and finds all that speaks against it since."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
import pytest_asyncio
from databases import Database
from explained import index_conditions
from ledger_samples import NOW, proven_so_far
from random_books import NAMES, RandomBooks
from sizes import on_servers
from statement_lines import LATER, line

from bench.growing import SINCE, grow
from core.messages import Actor
from core.reconciliation.lines import Covered, Scope, Statement
from ledger import stated_scope, statement_proof
from ledger.book import Book
from ledger.long_reads import long_reads
from ledger.migrate import migrations
from ledger.proving import prove_and_note
from ledger.register import Register
from ledger.statement_proof import AGAINST, against_since

STEPS = 160
MANY = 10_000
_STANDING = "SELECT s.last_movement, events_end() AS position FROM seals s ORDER BY s.number DESC LIMIT 1"


class _Look(NamedTuple):
    """What speaks against the proof in one snapshot, and where the next look may begin."""

    whole: set[str]
    part: set[str]
    standing: tuple[int, int]


def _told(rows: list[Any]) -> set[str]:
    return {json.dumps(dict(row), sort_keys=True) for row in rows}


async def _look(database: Database, since: tuple[int, int]) -> _Look:
    async with long_reads(database.pool) as reads:
        [standing] = await reads.fetch(_STANDING)
        whole = _told(await reads.fetch(AGAINST))
        part = _told(await against_since(reads, *since, MANY))
    return _Look(whole, part, (standing["last_movement"], standing["position"]))


async def _first_difference(
    scope: Scope, seed: int, database: Database, register: Register, book: Book
) -> tuple[object, int]:
    """What came to speak against the proof unseen, after which steps, if anything; and how much was found anew."""
    database.broken = True  # anything may happen here
    books = RandomBooks(scope, seed, database, register, book)
    await books.begin()
    known = await _look(database, (0, 0))
    found = 0
    for step in range(STEPS):
        await books.step()
        if step % 2:
            now = await _look(database, known.standing)
            anew = now.whole - known.whole
            if not anew <= now.part <= now.whole:
                return (books.done[-6:], anew - now.part, now.part - now.whole), found
            found, known = found + len(anew), now
    return None, found


@pytest.mark.parametrize("scope", NAMES)
@pytest.mark.parametrize("seed", range(on_servers(2)))
async def test_what_came_since_is_found(
    database: Database, register: Register, book: Book, scope: Scope, seed: int
) -> None:
    difference, found = await _first_difference(scope, seed, database, register, book)
    assert difference is None
    assert found > STEPS / 20


NEEDED: dict[str, tuple[Scope, str, str]] = {
    "their new lines": ("rail", "l.position >= $7", "$7::BIGINT IS NULL"),
    "movements": ("rail", "m.id > $6", "$6::BIGINT IS NULL"),
    "refunds of a line": ("channel", "l.kind IN ('refund', 'settlement')", "l.kind = 'settlement'"),
    "payouts of a line": (
        "rail",
        "SELECT key FROM named\n    UNION SELECT r.key FROM withdrawn",
        "SELECT r.key FROM withdrawn",
    ),
}
"""What leads the proof to what it must read: its scope, and how it is taken away."""


@pytest.mark.parametrize("source", NEEDED)
async def test_what_it_reads_is_needed(
    database: Database, register: Register, book: Book, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    scope, there, gone = NEEDED[source]
    part = statement_proof.PARTS[scope]
    assert there in part.ours
    less = {**statement_proof.PARTS, scope: part._replace(ours=part.ours.replace(there, gone))}
    monkeypatch.setattr(statement_proof, "PARTS", less)
    difference, _ = await _first_difference(scope, 0, database, register, book)
    assert difference is not None


# --- long books ------------------------------------------------------------------------------------------

ORDERS = 300
_PAYOUTS = "SELECT array_agg(key ORDER BY key) FROM payout_attempts"
_READ = """
    SELECT relname, seq_tup_read + coalesce(idx_tup_fetch, 0) AS n FROM pg_stat_xact_user_tables
    WHERE relname IN ('orders', 'payout_attempts', 'movements', 'transfers', 'accounts', 'statement_lines')
"""


@pytest_asyncio.fixture
async def standing(database: Database, register: Register) -> tuple[int, int]:
    """Sealed and proven books, of which both statements tell the whole."""
    async with database.owner.acquire() as owner:
        await grow(owner, 1, ORDERS, lambda there: None)
    return await _proven(database, register)


async def _proven(database: Database, register: Register) -> tuple[int, int]:
    await register.seals.seal()
    assert (await prove_and_note(database.pool)).hold
    proven = await proven_so_far(database)
    return proven.movement, proven.position


def _keys(found: set[str]) -> list[str]:
    return sorted(json.loads(one)["key"] for one in found)


async def _rows_read(database: Database, since: tuple[int, int]) -> dict[str, int]:
    """How many rows of each table the proof reads."""
    async with database.pool.acquire() as connection, long_reads(connection) as reads:
        await connection.execute("SET LOCAL enable_seqscan = off")  # of so few rows a scan would be the cheapest
        before = {row["relname"]: row["n"] for row in await reads.fetch(_READ)}
        assert await against_since(reads, *since, MANY) == []
        return {row["relname"]: row["n"] - before.get(row["relname"], 0) for row in await reads.fetch(_READ)}


async def test_over_unchanged_books_it_reads_what_is_open_alone(database: Database, standing: tuple[int, int]) -> None:
    part = await _rows_read(database, standing)
    all_of_it = await _rows_read(database, (0, 0))
    assert all_of_it["transfers"] >= 3 * ORDERS
    assert max(part.values()) <= 3 * (ORDERS * 3 // 100) + 20, sorted(part.items())


@pytest.mark.parametrize(
    ("part", "refunds"),
    [(statement_proof.PARTS["channel"], "refunded"), (stated_scope.PARTS["channel"], "refunds_named")],
    ids=["proof", "comparison"],
)
async def test_the_refund_of_each_new_line_is_found_by_its_key(
    database: Database, part: stated_scope.StatedPart, refunds: str
) -> None:
    """With a collation that is not the index's, all refunds are read for each line."""
    query = f"EXPLAIN (FORMAT JSON) WITH {part.numbered_from(3).ours} SELECT * FROM {refunds}"
    async with long_reads(database.pool) as reads:
        await reads.connection.execute("SET LOCAL enable_seqscan = off")
        [row] = await reads.fetch(query, "channel", "wechat", 0, 0, NOW)
    conditions = index_conditions(json.loads(row[0])[0], "movements")
    assert any("channel_key" in condition for condition in conditions), conditions


async def test_a_payout_that_failed_since_is_found_in_a_line_of_before(
    database: Database, standing: tuple[int, int]
) -> None:
    database.broken = True
    [key, *_] = await database.owner.fetchval(_PAYOUTS)
    await database.owner.execute("UPDATE payout_attempts SET state = 'failed' WHERE key = $1", key)
    now = await _look(database, standing)
    assert _keys(now.part) == _keys(now.whole) == [key]


async def test_a_period_that_was_loaded_since_is_held_against_what_was_booked_in_it(
    database: Database, register: Register, standing: tuple[int, int]
) -> None:
    database.broken = True
    before = await database.owner.fetchval(_PAYOUTS)
    async with database.owner.acquire() as owner:
        # As if those of before had been sealed before the period.
        await owner.execute("UPDATE seals SET sealed_at = $1", SINCE - timedelta(days=3))
        await grow(owner, ORDERS + 1, 20, lambda there: None)
        for table in ("statement_lines", "statement_periods", "statement_loads"):
            await owner.execute(f"DELETE FROM {table} WHERE scope = 'rail'")
    standing = await _proven(database, register)
    covered = Covered(since=SINCE - timedelta(days=2), until=LATER)
    await register.statements.load("rail", "sandbox", Statement(lines=(), covered=covered), NOW)
    now = await _look(database, standing)
    assert _keys(now.whole) == await database.owner.fetchval(_PAYOUTS)
    assert _keys(now.part) == sorted({*_keys(now.whole)} - {*before})
    await register.statements.load(
        "rail",
        "sandbox",
        Statement(lines=(), covered=covered.model_copy(update={"since": SINCE - timedelta(days=9)})),
        NOW,
    )
    now = await _look(database, standing)
    assert now.part == now.whole, "it begins before the first seal"


async def test_a_load_whose_sum_is_not_that_of_its_lines_is_found(
    database: Database, register: Register, standing: tuple[int, int]
) -> None:
    database.broken = True
    [key] = await database.owner.fetchval("SELECT array_agg(key) FROM (SELECT key FROM payout_attempts LIMIT 1) AS k")
    await register.statements.load("rail", "sandbox", Statement(lines=(line("return", key, 5),), covered=None), NOW)
    before = await _look(database, standing)
    assert before.part == before.whole
    [load, *_] = await register.statements.loads()
    update = "UPDATE statement_loads SET moved = $1::TEXT::JSONB WHERE load_no = $2"
    for moved in ("{}", '{"CNY": -6}', '{"CNY": -5, "USD": 1}'):
        await database.owner.execute(update, moved, load.load_no)
        now = await _look(database, standing)
        assert now.part == now.whole
        assert _keys(now.part - before.part) == [str(load.load_no)] * len({"CNY", *json.loads(moved)})


async def test_a_load_that_was_withdrawn_since_leaves_nothing_untold(
    database: Database, register: Register, standing: tuple[int, int]
) -> None:
    database.broken = True
    rows = await database.owner.fetch(
        "DELETE FROM statement_lines WHERE scope = 'rail' RETURNING key, amount_minor, at"
    )
    await database.owner.execute("DELETE FROM statement_loads WHERE scope = 'rail'")
    lines = tuple(line("payout", row["key"], row["amount_minor"], at=row["at"]) for row in rows)
    await register.statements.load("rail", "sandbox", Statement(lines=lines), NOW)
    standing = await _proven(database, register)
    load, _ = await register.statements.loads()
    for person in ("one", "other"):
        await register.statements.withdraw(load.load_no, Actor(role="operator", id=person), "wrong", NOW)
    now = await _look(database, standing)
    assert _keys(now.part) == _keys(now.whole) == await database.owner.fetchval(_PAYOUTS)


_LATEST = {
    "statement_lines": "loaded_at",
    "statement_periods": "loaded_at",
    "payout_attempts": "updated_at",
}


@pytest.mark.parametrize("table", [None, *_LATEST])
async def test_what_was_written_before_there_were_positions_is_read_once_more(
    database: Database, standing: tuple[int, int], table: str | None
) -> None:
    """By the migration: the next proof reads everything where anything was written after the last one."""
    [text] = [one.sql for one in migrations() if one.name == "0049_stated_since.sql"]
    for name, column in _LATEST.items():
        hours = 0 if name == table else 2
        await database.owner.execute(f"UPDATE {name} SET {column} = now() - $1 * INTERVAL '1 hour'", hours)
    await database.owner.execute(text)
    assert await database.owner.fetchval("SELECT count(*) FROM proven") == (table is None)
