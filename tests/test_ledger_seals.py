"""Seals: the chain over what was booked, and each way in which a change shows."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from unittest.mock import patch

import pytest
from databases import Database

from core.movements import Leg, adjustment
from ledger import seals
from ledger.book import Book
from ledger.register import Register
from ledger.safeguarding import safeguards
from ledger.seals import CheckedSeal

NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)


async def book(database: Database, first: int, last: int) -> None:
    """One movement of two legs for each number."""
    legs = [Leg("psp/bench", "merchant/m-1/available", 95), Leg("psp/bench", "income/commission", 5)]
    movements = [adjustment(f"seals/{number}", "CNY", NOW, legs) for number in range(first, last + 1)]
    await Book(database.owner).post_all(movements)


async def checked(register: Register) -> list[CheckedSeal]:
    return [one async for one in register.seals.verify()]


async def first_fault(register: Register) -> tuple[int, str, int | None]:
    fault = next(one.fault for one in await checked(register) if one.fault is not None)
    return (fault.number, fault.what, fault.movement)


@pytest.fixture(autouse=True)
def small_blocks() -> object:
    with patch.object(seals, "BLOCK", 4):
        yield


async def test_what_was_booked_since_the_last_seal_is_sealed_once(database: Database, register: Register) -> None:
    assert await register.seals.seal() is None
    await book(database, 1, 10)
    first = await register.seals.seal()
    assert first is not None
    assert (first.number, first.movements, first.previous) == (1, 10, None)
    assert first.sums == {"asset CNY": 1000, "liability CNY": 950, "income CNY": 50}
    assert await register.seals.seal() is None
    await book(database, 11, 12)
    both = await asyncio.gather(register.seals.seal(), register.seals.seal())
    [second] = [seal for seal in both if seal is not None]
    assert (second.number, second.movements, second.previous) == (2, 2, first.hash)
    assert [one.fault for one in await checked(register)] == [None, None]
    assert await register.seals.last() == second


async def movement(database: Database, reference: str) -> int:
    return int(await database.owner.fetchval("SELECT id FROM movements WHERE reference = $1", reference))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("UPDATE transfers SET amount_minor = 96 WHERE movement_id = $1 AND leg = 1", "changed"),
        ("UPDATE movements SET occurred_at = occurred_at + INTERVAL '1 s' WHERE id = $1", "changed"),
        ("DELETE FROM transfers WHERE movement_id = $1 AND leg = 2", "changed"),
    ],
)
async def test_a_change_by_the_owner_names_the_first_movement(
    database: Database, register: Register, change: str, what: str
) -> None:
    await book(database, 1, 10)
    await register.seals.seal()
    await book(database, 11, 20)
    await register.seals.seal()
    async with database.owner.acquire() as owner:
        database.broken = True
        await owner.execute("SET session_replication_role = replica")  # an owner who takes every fence away
        for number in (17, 14):
            await owner.execute(change, await movement(database, f"seals/{number}"))
        await owner.execute("RESET session_replication_role")
    assert await first_fault(register) == (2, what, await movement(database, "seals/14"))


async def test_a_movement_that_is_gone_or_added_is_found(database: Database, register: Register) -> None:
    await book(database, 1, 10)
    await register.seals.seal()
    third = await movement(database, "seals/3")
    async with database.owner.acquire() as owner:
        database.broken = True
        await owner.execute("SET session_replication_role = replica")
        await owner.execute("DELETE FROM transfers WHERE movement_id = $1", third)
        await owner.execute("DELETE FROM movements WHERE id = $1", third)
        assert await first_fault(register) == (1, "missing", None)
        await owner.execute("DELETE FROM seal_blocks; DELETE FROM closings; DELETE FROM purposes; DELETE FROM seals")
        await register.seals.seal()
        await owner.execute(
            "INSERT INTO movements (id, reference, currency, request_hash, occurred_at)"
            " VALUES ($1, 'x', 'CNY', '', now())",
            third,
        )
        await owner.execute("RESET session_replication_role")
    assert await first_fault(register) == (1, "added", third)


@pytest.mark.parametrize("gone", [(9, 10), (5, 6), (1, 2, 3, 4), range(5, 11)])
async def test_several_movements_that_are_gone_are_one_fault(
    database: Database, register: Register, gone: list[int]
) -> None:
    await book(database, 1, 10)
    seal = await register.seals.seal()
    assert seal is not None
    async with database.owner.acquire() as owner:
        database.broken = True
        await owner.execute("SET session_replication_role = replica")
        numbers = [seal.first_movement + number - 1 for number in gone]
        await owner.execute("DELETE FROM transfers WHERE movement_id = ANY($1)", numbers)
        await owner.execute("DELETE FROM movements WHERE id = ANY($1)", numbers)
        await owner.execute("RESET session_replication_role")
    assert await first_fault(register) == (1, "missing", None)


async def test_a_movement_before_all_others_is_found(database: Database, register: Register) -> None:
    await book(database, 1, 3)
    await register.seals.seal()
    await database.owner.execute(
        "INSERT INTO movements (id, reference, currency, request_hash, occurred_at) VALUES (-5, 'x', 'CNY', '', now())"
    )
    database.broken = True
    assert await first_fault(register) == (1, "added", -5)


async def test_a_change_whose_mark_is_changed_with_it_is_found(database: Database, register: Register) -> None:
    await book(database, 1, 3)
    seal = await register.seals.seal()
    assert seal is not None
    async with database.owner.acquire() as owner:
        database.broken = True
        await owner.execute("SET session_replication_role = replica")
        await owner.execute(
            "UPDATE transfers SET amount_minor = 96 WHERE movement_id = $1 AND leg = 1", seal.last_movement
        )
        await owner.execute("RESET session_replication_role")
        await owner.execute(
            "UPDATE seal_blocks SET marks = (SELECT string_agg(substr(hash, 1, 8), '' ORDER BY movement_id)"
            " FROM movement_hashes(first_movement, last_movement))"
        )
    assert await first_fault(register) == (1, "rewritten", None)


async def test_a_seal_that_is_written_anew_breaks_the_chain(database: Database, register: Register) -> None:
    for number in (1, 2, 3):
        await book(database, number, number)
        await register.seals.seal()
    await database.owner.execute("UPDATE seals SET sums = '{}' WHERE number = 2")
    assert await first_fault(register) == (2, "rewritten", None)
    await database.owner.execute("UPDATE seals s SET hash = seal_hash(s) WHERE number = 2")
    assert await first_fault(register) == (3, "rewritten", None)
    for table in ("seal_blocks", "closings", "purposes"):
        await database.owner.execute(f"DELETE FROM {table} WHERE number = 2")
    await database.owner.execute("DELETE FROM seals WHERE number = 2")
    assert await first_fault(register) == (3, "missing", None)


async def test_a_closing_that_is_changed_is_found(database: Database, register: Register) -> None:
    await book(database, 1, 3)
    await register.seals.seal()
    await database.owner.execute("UPDATE closings SET balance_minor = balance_minor + 1")
    assert await first_fault(register) == (1, "rewritten", None)


async def test_balances_from_closings_are_those_from_the_whole_history(database: Database, register: Register) -> None:
    await book(database, 1, 5)
    before = await register.balances.by_purpose()
    await register.seals.seal()
    assert await register.balances.by_purpose() == before
    await book(database, 6, 9)
    await register.seals.seal()
    await book(database, 10, 10)
    found = {one.path: one.balance_minor for one in await register.balances.by_purpose()}
    assert (found["psp/bench"], found["income/commission"]) == (1000, 50)
    [safeguard] = await safeguards(register.pool)
    assert (safeguard.owed_minor, safeguard.held_minor, safeguard.own_minor) == (950, 1000, 50)


async def test_a_posting_under_way_is_not_skipped(database: Database, register: Register) -> None:
    """Its number is lower than one that has ended: a bound without a lock would leave it out for good."""
    async with database.owner.acquire() as slow:
        under_way = slow.transaction()
        await under_way.start()
        await slow.execute(
            "INSERT INTO movements (reference, currency, request_hash, occurred_at) VALUES ('slow', 'CNY', '', now())"
        )
        await book(database, 1, 2)
        sealing = asyncio.create_task(register.seals.seal())
        await asyncio.sleep(0)
        await under_way.commit()
        seal = await sealing
    database.broken = True  # a movement without legs
    assert seal is not None
    assert seal.movements == 3


async def test_a_posting_draws_its_number_under_the_lock_of_writers(database: Database, register: Register) -> None:
    """A seal whose bound is found between the number and the row leaves that movement out of seals and balances."""
    await book(database, 1, 1)
    async with database.owner.acquire() as sealer, database.owner.acquire() as look, asyncio.TaskGroup() as tasks:
        under_way = sealer.transaction()
        await under_way.start()
        await sealer.execute("LOCK TABLE movements IN SHARE MODE")
        before = await look.fetchval("SELECT last_value FROM movements_id_seq")
        tasks.create_task(book(database, 2, 2))
        waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'movements'::regclass AND NOT granted"
        while not await look.fetchval(waiting):
            pass
        assert await look.fetchval("SELECT last_value FROM movements_id_seq") == before
        await under_way.rollback()
