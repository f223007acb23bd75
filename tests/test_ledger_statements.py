"""Statements and breaks as the register keeps them."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from databases import Database
from ledger_samples import (
    DAY,
    NOW,
    funded,
)
from statement_lines import ALL_TIME, line, loaded

from core.errors import BadInput
from core.messages import Actor
from core.reconciliation.breaks import breaks
from core.reconciliation.lines import Covered, Statement, TheirLine
from ledger.book import Book
from ledger.breaks import Breaks
from ledger.differing import differing
from ledger.register import Register
from ledger.safeguarding import safeguards


async def test_a_statement_is_stored_once_and_never_changed(database: Database, register: Register) -> None:
    lines = (line("payout", "k1", 5), line("return", "k1", 5))
    assert await loaded(register, "rail", "sandbox", *lines) == 2
    assert await loaded(register, "rail", "sandbox", *lines) == 0
    assert await loaded(register, "rail", "sandbox", *lines, line("payout", "k2", 1), line("return", "k2", 1)) == 2
    assert await loaded(register, "rail", "other", *lines) == 2
    with pytest.raises(BadInput, match="payout-k1: given otherwise before"):
        await loaded(register, "rail", "sandbox", line("payout", "k1", 6), line("payout", "k3", 1))
    assert len(await register.statements.lines("rail", "sandbox")) == 4
    assert [one.key for one in await register.statements.lines("rail", "sandbox", "k2")] == ["k2", "k2"]
    with pytest.raises(BadInput, match="twice"):
        await loaded(register, "rail", "sandbox", line("payout", "k4", 1, "l"), line("payout", "k4", 2, "l"))
    assert await register.statements.periods("rail", "sandbox") == [ALL_TIME]


async def test_one_statement_loaded_by_many_at_once_is_stored_once(database: Database, register: Register) -> None:
    lines = tuple(one for n in range(50) for one in (line("payout", f"k{n}", 5), line("return", f"k{n}", 5)))
    added = await asyncio.gather(*(loaded(register, "rail", "sandbox", *lines) for _ in range(6)))
    assert sorted(added) == [0, 0, 0, 0, 0, 100]


async def test_days_that_adjoin_are_compared_as_one_time(database: Database, register: Register) -> None:
    days = [NOW + timedelta(days=n) for n in range(40)]
    for day in (*days[:30], *days[31:]):
        period = Covered(since=day, until=day + timedelta(days=1))
        await register.statements.load("rail", "sandbox", Statement(lines=(), covered=period), NOW)
    sides = await differing(database.pool, "rail", "sandbox", NOW)
    assert sides.covered == [Covered(since=days[0], until=days[30]), Covered(since=days[31], until=days[-1] + DAY)]


async def test_what_a_statement_tells_of_the_cash_is_summed_when_it_is_loaded(
    database: Database, register: Register, book: Book
) -> None:
    """A page of figures reads as little of long statements as of short ones."""
    database.broken = True  # no one asked for what the channel tells
    await funded(register, book, total=1_000)
    moved = {"payment": 1_000, "refund": -20, "settlement": -300, "chargeback": -100, "chargeback_fee": -15}
    moved["chargeback_won"] = 5
    for number in range(3):
        lines = (line(kind, f"k{number}", abs(amount), f"{kind}-{number}") for kind, amount in moved.items())
        await loaded(register, "channel", "wechat", *lines)
    await loaded(register, "channel", "wechat", line("payment", "usd", 7, currency="USD"))
    assert await _stated(database) == 3 * sum(moved.values())
    last = (await register.statements.loads())[1]
    for person in ("one", "two"):
        await register.statements.withdraw(last.load_no, Actor(role="operator", id=person), "wrong", NOW)
    assert await _stated(database) == 2 * sum(moved.values())


_LINES_READ = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'statement_lines'"


async def _stated(database: Database) -> int | None:
    """By the statements of the channel; no line of them is read."""
    async with database.pool.acquire() as connection, connection.transaction():
        before = await connection.fetchval(_LINES_READ)
        [safe] = await safeguards(connection)
        assert await connection.fetchval(_LINES_READ) == before
    [place] = [one for one in safe.held if one.name == "wechat"]
    return place.stated_minor


async def test_breaks_have_a_history_and_a_notice_each(database: Database, register: Register) -> None:
    async def run(now: datetime, *lines: TheirLine) -> list[str]:
        hits = breaks("rail", "sandbox", [], lines, now, covered=[])
        return await register.breaks.record("rail", "sandbox", hits, ours=0, theirs=len(lines), now=now)

    first, second = line("payout", "k1", 5), line("payout", "k2", 6)
    at = [NOW + timedelta(days=n) for n in range(6)]
    assert await run(at[1], first) == ["rail/sandbox/payout/k1/extra"]
    assert await run(at[1], first) == []
    assert await run(at[2], first, second) == ["rail/sandbox/payout/k2/extra"]
    assert [known.found.key for known in await register.breaks.known()] == ["k1", "k2"]
    assert await run(at[3], second) == []
    assert [known.found.key for known in await register.breaks.known()] == ["k2"]
    assert await run(at[4], first, second) == ["rail/sandbox/payout/k1/extra"]
    assert await run(at[0]) == [], "an older run changes nothing"
    open_breaks = await register.breaks.known(scope="rail", name="sandbox")
    assert [(known.found.key, known.first_seen_at, known.last_seen_at) for known in open_breaks] == [
        ("k1", at[1], at[4]),
        ("k2", at[2], at[4]),
    ]
    await run(at[5])
    assert await register.breaks.known() == []
    assert [known.resolved_at for known in await register.breaks.known(resolved=True)] == [at[5], at[5]]
    notices = await register.notices.read(subject="reconciliation/rail/sandbox")
    assert [(one.name, one.to, one.facts["key"]) for one in notices] == [
        ("break_found", "operator", key) for key in ("k1", "k2", "k1")
    ]
    assert [(one.name, one.breaks) for one in await register.breaks.last_runs()] == [("sandbox", 0)]


async def test_very_many_breaks_are_kept_told_and_numbered_at_once(database: Database, register: Register) -> None:
    """One by one, each event makes another version of the row with the last number: of 3,000 breaks that took 10 s, and
    four times that of twice as many.
    """
    lines = [line("payout", f"k{number:03}", 5) for number in range(300)]

    async def run(now: datetime, *found: TheirLine) -> tuple[int, int]:
        """How many breaks are new, and how often an event was numbered."""
        hits = breaks("rail", "sandbox", [], found, now, covered=[])
        async with database.pool.acquire() as connection, connection.transaction():
            pool: Any = connection
            before = await connection.fetchval(_NUMBERED)
            new = await Breaks(pool).record("rail", "sandbox", hits, ours=0, theirs=0, now=now)
            return len(new), await connection.fetchval(_NUMBERED) - before

    assert await run(NOW, *lines) == (300, 2), "once as breaks, once as notices"
    assert await run(NOW + DAY, *lines) == (0, 0)
    assert await run(NOW + 2 * DAY, *lines[:100]) == (0, 1)
    assert await run(NOW + 3 * DAY, *lines) == (200, 2)
    events = await register.events.of_subject("reconciliation/rail/sandbox", limit=2_000)
    assert [one.seq for one in events] == list(range(1, 2 * 300 + 200 + 2 * 200 + 1))
    found = [one.data["break_id"] for one in events if one.type == "reconciliation.break_found"]
    gone = [one.data["break_id"] for one in events if one.type == "reconciliation.break_resolved"]
    assert found == [f"rail/sandbox/payout/{one.key}/extra" for one in (*lines, *lines[100:])]
    assert gone == found[300:]
    notices = await register.notices.read(subject="reconciliation/rail/sandbox", limit=1_000)
    assert [one.facts["key"] for one in notices] == [one.key for one in (*lines, *lines[100:])]
    assert len(await register.breaks.known()) == 300


_NUMBERED = "SELECT n_tup_ins + n_tup_upd FROM pg_stat_xact_user_tables WHERE relname = 'event_subjects'"
