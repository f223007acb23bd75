"""Licences of merchants: noted once, withdrawn, ended by their day; every move is kept with who and why."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from databases import Database

from core.messages import Actor
from ledger.register import Register

ANN = Actor(role="operator", id="ann")
NOW = datetime.now(UTC)


async def test_a_licence_is_noted_once_and_withdrawn(register: Register, database: Database) -> None:
    note = register.licences.note
    assert await note("m-1", "liquor", "JY1", None, ANN, "seen", NOW)
    assert not await note("m-1", "liquor", "JY1", None, ANN, "seen again", NOW)
    assert await note("m-1", "liquor", "JY2", None, ANN, "renewed", NOW)
    assert await register.licences.valid_of("m-1") == {"liquor"}
    assert [one.number for one in await register.licences.list("m-1")] == ["JY2"]
    assert await register.licences.withdraw("m-1", "liquor", ANN, "revoked", NOW)
    assert not await register.licences.withdraw("m-1", "liquor", ANN, "revoked", NOW)
    assert await register.licences.valid_of("m-1") == frozenset()
    moves = await database.pool.fetch("SELECT what, number, who, why FROM licence_moves ORDER BY id")
    assert [tuple(move) for move in moves] == [
        ("noted", "JY1", "ann", "seen"),
        ("noted", "JY2", "ann", "renewed"),
        ("withdrawn", None, "ann", "revoked"),
    ]


async def test_a_licence_ends_with_its_day_and_is_still_listed(register: Register) -> None:
    await register.licences.note("m-1", "liquor", "JY1", NOW - timedelta(days=1), ANN, "seen", NOW)
    assert await register.licences.valid_of("m-1") == frozenset()
    assert len(await register.licences.list(None)) == 1


async def test_the_same_noted_ten_times_at_once_is_one_move(register: Register, database: Database) -> None:
    noted = [register.licences.note("m-1", "liquor", "JY1", None, ANN, "seen", NOW) for _ in range(10)]
    assert sum(await asyncio.gather(*noted)) == 1
    assert await database.pool.fetchval("SELECT count(*) FROM licence_moves") == 1


async def test_merchants_note_nothing_and_moves_are_only_added_to(register: Register, database: Database) -> None:
    merchant = Actor(role="merchant", id="m-1")
    with pytest.raises(asyncpg.CheckViolationError):
        await register.licences.note("m-1", "liquor", "JY1", None, merchant, "mine", NOW)
    await register.licences.note("m-1", "liquor", "JY1", None, ANN, "seen", NOW)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.owner.execute("UPDATE licence_moves SET number = 'JY9'")
