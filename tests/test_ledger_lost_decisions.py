"""A command of people that dies between its COMMIT and its answer: said again, it is known, and money moved once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from databases import Database, line_to
from ledger_samples import AT, NOW, OWES, a_record, credit, funded, settle

from bench.line import Line
from core.errors import Unavailable
from core.messages import Actor
from core.movements import Leg, adjustment, paid_in
from ledger.book import Book
from ledger.pool import open_pool
from ledger.register import Register

ANN = Actor(role="operator", id="ann")
DEPOSIT = "merchant/m-1/deposit"
Ask = Callable[[Register, str], Awaitable[str]]


async def _paid_in(register: Register, person: str) -> str:
    paid = paid_in("m-1", "P1", channel="wechat", amount_minor=300, **AT)
    return (await register.receivables.pay_in(paid)).outcome


async def _written_off(register: Register, person: str) -> str:
    asked: dict[str, Any] = {"amount_minor": 300, "currency": "CNY", "person": person, "reason": "gone", "now": NOW}
    return (await register.receivables.write_off("R1", "m-1", **asked)).outcome


async def _corrected(register: Register, person: str) -> str:
    return (await register.corrections.correct("K1", "adjust/1", person=person, reason="booked twice", now=NOW)).outcome


async def _rest_returned(register: Register, person: str) -> str:
    asked: dict[str, Any] = {"person": person, "reason": "no order claims it", "now": NOW}
    return (await register.payments.return_rest("B1", "wechat", "pay-1", **asked)).outcome


async def _deposit_back(register: Register, person: str) -> str:
    return (await register.merchants.pay_deposit_back("m-1", "CNY", NOW + timedelta(days=30))).outcome


def _stop(what: Any, *, on: bool) -> Ask:
    async def stop(register: Register, person: str) -> str:
        changed = await register.merchants.stop("m-1", what, on=on, by=ANN, why="looks odd", now=NOW)
        return "changed" if changed else "as it was"

    return stop


MOVEMENT = "SELECT count(*) FROM movements WHERE reference LIKE $1"
MOVED = "SELECT count(*) FROM merchant_moves WHERE what || coalesce(value, '') LIKE $1"
DECISIONS: dict[str, tuple[Ask, str, str, str]] = {
    "paid in": (_paid_in, MOVEMENT, "merchant/m-1/paid_in/P1", "exists"),
    "written off": (_written_off, MOVEMENT, "merchant/m-1/write_off/R1", "already"),
    "corrected": (_corrected, MOVEMENT, "correction/K1", "already"),
    "rest returned": (_rest_returned, MOVEMENT, "payment/B1/rest", "already"),
    "deposit back": (_deposit_back, MOVEMENT, "merchant/m-1/deposit_back/%", "nothing"),
    "frozen": (_stop("frozen", on=True), MOVED, "frozenyes", "as it was"),
    "unfrozen": (_stop("frozen", on=False), MOVED, "frozen", "as it was"),
    "suspended": (_stop("suspended", on=True), MOVED, "suspendedyes", "as it was"),
    "leaving": (_stop("leaving", on=True), MOVED, "leavingyes", "as it was"),
}
"""By decision: how it is said, what shows that it is there, and the answer to the same once more."""


@pytest_asyncio.fixture(loop_scope="session")
async def far(database: Database) -> AsyncIterator[tuple[Line, Register]]:
    """A line, and a register at the other end of it."""
    async with line_to(database) as (line, address):
        pool = await open_pool(address, size=1)
        yield line, Register(pool)
        pool.terminate()


@pytest.mark.parametrize("what", DECISIONS)
async def test_a_decision_whose_answer_is_lost_is_made_once(
    database: Database, register: Register, book: Book, far: tuple[Line, Register], what: str
) -> None:
    line, far_register = far
    say, shown, pattern, again = DECISIONS[what]
    await _prepare(what, database, register, book)
    if what in {"written off", "corrected", "rest returned"}:
        assert await say(register, "ann") == "asked"

    async def committed() -> bool:
        return bool(await database.pool.fetchval(shown, pattern))

    await far_register.withdrawals.available("m-1", "CNY")  # connect, before the line is cut
    assert not await committed()
    line.cut_when = committed
    with pytest.raises(Unavailable):
        await say(far_register, "bob")
    before = await register.balances.by_purpose()
    assert await say(far_register, "bob") == again
    assert await register.balances.by_purpose() == before
    assert await database.pool.fetchval(shown, pattern) == 1


async def _prepare(what: str, database: Database, register: Register, book: Book) -> None:
    """Everything up to the decision in question."""
    if what in {"paid in", "written off", "corrected"}:
        leg = Leg("psp/wechat", "suspense", 500) if what == "corrected" else Leg(OWES, "suspense", 500)
        await Book(database.owner).post_all([adjustment("adjust/1", "CNY", NOW, [leg])])
    elif what == "rest returned":
        await funded(register, book, "A1", 1000, paid=3000, payment="pay-1")
    elif what == "deposit back":
        await Register(database.owner).merchants.require_deposit("m-1", 800, "CNY", by=ANN, why="new here", now=NOW)
        order = await funded(register, book, "A1")
        await credit(book, order, commission=0)
        done: dict[str, Any] = {"audit": "approved", "receipt": "confirmed", "closed": True, "state": {"funded": True}}
        assert (await settle(book, order, 1000, record=a_record("A1", phase="settled", **done))).moved
        await _stop("leaving", on=True)(register, "ann")
        assert await database.balance(DEPOSIT) == 800
    elif what == "unfrozen":
        await _stop("frozen", on=True)(register, "ann")
