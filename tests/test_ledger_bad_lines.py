"""A bad line between us and PostgreSQL: slow, one byte a segment, dark, parted and healed. Nothing happens twice.

Each test does everything that moves money at once. What gets no answer is unknown: asked again once the line has
healed, it stands in the books once, whether or when the first try arrived.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
import pytest_asyncio
from databases import Database, line_to
from ledger_samples import (
    LIMITS,
    NOW,
    a_record,
    a_withdrawal,
    an_attempt,
    an_order,
    bank_return,
    bound,
    credit,
    earned,
    fund,
    funded,
    opened,
    pay,
    refund,
    refund_arrived,
    settle,
    void,
)
from waiting import WITHIN, until

from bench.line import Line
from core.errors import Unavailable
from core.withdrawal.payouts import RailTerms
from ledger import pool as pools
from ledger.book import Book
from ledger.pool import open_pool
from ledger.register import Register

TERMS = RailTerms(dedup_window=timedelta(days=6))
GIVES_UP_AFTER = 0.8
"""Seconds; 30 in production."""
Call = Callable[[Book, Register], Awaitable[object]]


class Far(NamedTuple):
    """A line, and what is at our end of it."""

    line: Line
    book: Book
    register: Register


@pytest_asyncio.fixture(loop_scope="session")
async def far(database: Database) -> AsyncIterator[Far]:
    async with _behind(database) as far:
        yield far


@pytest_asyncio.fixture(loop_scope="session")
async def impatient(database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Far]:
    monkeypatch.setattr(pools, "ANSWER_WITHIN", GIVES_UP_AFTER)
    async with _behind(database) as far:
        yield far


@asynccontextmanager
async def _behind(database: Database) -> AsyncIterator[Far]:
    async with line_to(database) as (line, address):
        pool = await until(lambda: open_pool(address, size=12), despite=(Unavailable,))  # within a short limit, too
        yield Far(line, Book(pool), Register(pool))
        pool.terminate()


def _calls() -> Mapping[str, Call]:
    """Everything that moves money or claims a number, by what it is about."""
    withdrawals = {
        name: a_withdrawal(name, merchant=f"m-{name}") for name in ("reserve", "attempt", "pay", "void", "ret")
    }
    parcel = ("p1", "sandbox", "SBX1")
    return {
        "open": lambda b, r: opened(r, an_order("open")),
        "fund": lambda b, r: fund(b, an_order("fund"), record=a_record("fund", 7)),
        "refund": lambda b, r: refund(b, an_order("refund")),
        "arrived": lambda b, r: refund_arrived(b, an_order("arrived")),
        "credit": lambda b, r: credit(b, an_order("credit")),
        "settle": lambda b, r: settle(b, an_order("settle")),
        "claim": lambda b, r: r.claims.claim("claim", "m-1", "b-1", "d", [parcel], NOW),
        "reserve": lambda b, r: r.withdrawals.reserve(withdrawals["reserve"], LIMITS, now=NOW),
        "attempt": lambda b, r: r.payouts.open(an_attempt(withdrawals["attempt"], key="ka"), TERMS),
        "pay": lambda b, r: pay(b, withdrawals["pay"]),
        "void": lambda b, r: void(b, withdrawals["void"]),
        "ret": lambda b, r: bank_return(b, withdrawals["ret"], 500),
    }


EFFECTS = Counter(
    {
        **dict.fromkeys(
            (f"order/{name}/fund" for name in ("fund", "refund", "arrived", "credit", "settle", "claim")), 1
        ),
        **dict.fromkeys(
            ("order/refund/refund/cancel", "order/arrived/refund/cancel", "order/arrived/refund/cancel/paid"), 1
        ),
        **dict.fromkeys(("order/credit/credit", "order/settle/credit", "order/settle/settle"), 1),
        **dict.fromkeys((f"withdrawal/{name}/reserve" for name in ("reserve", "attempt", "pay", "void", "ret")), 1),
        **dict.fromkeys((f"withdrawal/{name}/close" for name in ("pay", "void", "ret")), 1),
        "withdrawal/ret/return/1": 1,
    }
)
"""What stands in the books once everything was done, without what the merchants earned."""


async def _prepare(book: Book, register: Register) -> None:
    """Everything up to the call in question."""
    await opened(register, an_order("fund"))
    for name in ("refund", "arrived", "credit", "settle", "claim"):
        await funded(register, book, name)
    await refund(book, an_order("arrived"))
    await credit(book, an_order("settle"))
    for name in ("reserve", "attempt", "pay", "void", "ret"):
        merchant = f"m-{name}"
        await earned(register, book, 1000, merchant, f"E-{name}")
        await bound(register, merchant)
        if name != "reserve":
            await register.withdrawals.reserve(a_withdrawal(name, merchant=merchant), LIMITS, now=NOW)
    await pay(book, a_withdrawal("ret", merchant="m-ret"))


async def _all(far: Far) -> dict[str, object]:
    """Every call at once, and its answer or its error."""
    calls = _calls()
    answers = await asyncio.gather(*(call(far.book, far.register) for call in calls.values()), return_exceptions=True)
    return dict(zip(calls, answers, strict=True))


def _unknown(answers: Mapping[str, object]) -> set[str]:
    """Those without an answer. Any other error is a fault of ours."""
    errors = {name: answer for name, answer in answers.items() if isinstance(answer, BaseException)}
    assert all(isinstance(error, Unavailable) for error in errors.values()), errors
    return set(errors)


async def _stands_once(database: Database) -> None:
    rows = await database.pool.fetch("SELECT reference FROM movements WHERE reference NOT LIKE 'order/E-%'")
    assert Counter(row["reference"] for row in rows) == EFFECTS
    counts = await database.pool.fetchrow(
        "SELECT (SELECT count(*) FROM orders WHERE order_id = 'open') AS orders,"
        " (SELECT count(*) FROM waybill_claims) AS claims, (SELECT count(*) FROM payout_attempts) AS attempts"
    )
    assert counts is not None
    assert tuple(counts) == (1, 1, 1)


async def test_a_slow_line_of_single_bytes_changes_no_answer(
    database: Database, book: Book, register: Register, far: Far
) -> None:
    await _prepare(book, register)
    far.line.latency, far.line.trickles = 0.002, 200
    assert _unknown(await _all(far)) == set()
    await _stands_once(database)


async def test_what_a_partition_held_back_arrives_late_and_happens_once(
    database: Database, book: Book, register: Register, impatient: Far
) -> None:
    await _prepare(book, register)
    await _all_connected(impatient)
    before = await _movements(database)
    impatient.line.part()
    assert _unknown(await _all(impatient)) == set(_calls())
    assert await _movements(database) == before  # they are on their way, and may arrive when no one waits for them
    impatient.line.heal()
    assert _unknown(await _all(Far(impatient.line, book, register))) == set()
    await _stands_once(database)


async def test_a_partition_that_heals_in_time_is_only_slow(
    database: Database, book: Book, register: Register, far: Far
) -> None:
    await _prepare(book, register)
    await _all_connected(far)
    far.line.part()
    asyncio.get_running_loop().call_later(0.05, far.line.heal)
    assert _unknown(await _all(far)) == set()
    await _stands_once(database)


async def test_what_happened_behind_a_dark_line_is_unknown_and_not_failed(
    database: Database, book: Book, register: Register, impatient: Far
) -> None:
    """The line goes dark between an effect and its answer."""
    await _prepare(book, register)
    await _all_connected(impatient)

    before = await _movements(database)

    async def happened() -> bool:
        return await _movements(database) > before

    impatient.line.part_when = happened
    while not await happened():  # on a busy machine the limit may pass before anything does
        assert _unknown(await _all(impatient))
    impatient.line.heal()
    again = await _all(Far(impatient.line, book, register))
    assert _unknown(again) == set()
    assert "exists" in {getattr(answer, "outcome", None) for answer in again.values()}
    await _stands_once(database)


async def _movements(database: Database) -> int:
    return int(await database.pool.fetchval("SELECT count(*) FROM movements"))


async def test_a_line_that_is_cut_at_each_reply_ends_right(
    database: Database, book: Book, register: Register, far: Far
) -> None:
    """Every connection is cut once at a reply: the effect is there, the answer is not."""
    await _prepare(book, register)
    await _all_connected(far)

    async def always() -> bool:
        return True

    for _ in range(3):
        far.line.cut_when = always
        _unknown(await _all(far))
    assert far.line.cuts == 3
    far.line.heal()
    assert _unknown(await _all(far)) == set()
    await _stands_once(database)


async def _all_connected(far: Far) -> None:
    """As many connections as there are calls: a dark line lets no new one in. Each is opened within a short limit."""
    pool: Any = far.book._pool

    async def failed() -> list[object]:
        asked = (pool.fetchval("SELECT pg_sleep(0.02)", timeout=WITHIN) for _ in _calls())
        return [one for one in await asyncio.gather(*asked, return_exceptions=True) if isinstance(one, Exception)]

    await until(failed, lambda found: not found)
