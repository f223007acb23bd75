"""A worker behind a bad line to PostgreSQL: replies to COMMIT that are cut off or swallowed, and one byte a segment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio
from databases import Database, line_to
from waiting import WITHIN
from withdrawal_stage import WithdrawalStage

import workflows.running
from bench.line import Line
from ledger.book import Book
from ledger.pool import open_pool
from ledger.register import Register

DARK_S = 0.4
"""Longer than a step waits for its answer below, so that it is tried again while the line is dark."""
TRICKLES = 200
"""Bytes at the head of each piece."""
STEPS = ("reserve", "close")
"""What a paid withdrawal posts."""


@pytest_asyncio.fixture
async def far(
    money_stage: WithdrawalStage, database: Database, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Line, WithdrawalStage]]:
    """A line, and a stage whose worker is at the other end of it. A step without an answer is given up soon."""
    for name in ("QUICK", "PATIENT"):
        monkeypatch.setattr(workflows.running, name, timedelta(seconds=DARK_S / 2))
    await money_stage.furnish()
    async with line_to(database) as (line, address):
        pool = await open_pool(address, size=4)
        yield line, replace(money_stage, book=Book(pool), register=Register(pool))
        line.heal()
        pool.terminate()


def _committed(database: Database, reference: str, struck: asyncio.Event) -> Callable[[], Awaitable[bool]]:
    """Whether this movement is in the books, asked past the line; `struck` once it is."""

    async def committed() -> bool:
        found = await database.pool.fetchval("SELECT count(*) FROM movements WHERE reference = $1", reference)
        if found:
            struck.set()
        return bool(found)

    return committed


async def _strike(line: Line, database: Database, withdrawal_id: str, fault: str) -> None:
    """Strike the reply to the commit of each step, one after the other. A dark line is lit again."""
    for step in STEPS:
        struck = asyncio.Event()
        reached = _committed(database, f"withdrawal/{withdrawal_id}/{step}", struck)
        if fault == "cut":
            line.cut_when = reached
            await struck.wait()
        else:
            line.part_when = reached
            await struck.wait()
            await asyncio.sleep(DARK_S)
            line.heal()


@pytest.mark.parametrize("fault", ["cut", "dark", "trickle"])
async def test_a_withdrawal_behind_a_bad_line_is_paid_once(
    far: tuple[Line, WithdrawalStage], database: Database, fault: str
) -> None:
    line, stage = far
    withdrawal_id = f"w-{stage.number}-1"
    line.trickles = TRICKLES if fault == "trickle" else 0
    async with stage.worker():
        faults = asyncio.create_task(_strike(line, database, withdrawal_id, fault)) if fault != "trickle" else None
        handle = await stage.start()
        state = await stage.phase(handle, "paid")
        if faults is not None:
            await asyncio.wait_for(faults, WITHIN)
    assert await stage.effects() == 1
    assert len(state["attempts"]) == 1
    booked = await database.pool.fetch(
        "SELECT reference FROM movements WHERE reference LIKE 'withdrawal/%' ORDER BY id"
    )
    assert [row["reference"] for row in booked] == [f"withdrawal/{withdrawal_id}/{step}" for step in STEPS]
