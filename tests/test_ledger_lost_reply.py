"""The reply to COMMIT is lost: the caller learns `Unavailable`, asks again, and the money moved once.

A line on this machine stands between us and PostgreSQL. Once armed it cuts the connection instead of passing on the
first reply that comes after the database shows the effect.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from databases import WAITING, Database, line_to, until_a_lock_is_waited_for
from ledger_samples import (
    LIMITS,
    NOW,
    a_record,
    a_withdrawal,
    a_withdrawal_record,
    an_order,
    bank_return,
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

from bench.line import Line
from core.errors import Unavailable
from core.steps import Posted
from ledger.book import Book
from ledger.pool import open_pool
from ledger.register import Register


@pytest_asyncio.fixture(loop_scope="session")
async def far(database: Database) -> AsyncIterator[tuple[Line, Book, Register]]:
    """A line, and book and register at the other end of it."""
    async with line_to(database) as (line, address):
        pool = await open_pool(address, size=1)
        yield line, Book(pool, beside=1), Register(pool)
        pool.terminate()


MOVES = ["fund", "refund", "refund_arrived", "credit", "settle", "reserve", "pay", "void", "bank_return"]


@pytest.mark.parametrize("what", MOVES)
async def test_a_reply_that_is_lost_moves_the_money_once(
    database: Database, book: Book, register: Register, far: tuple[Line, Book, Register], what: str
) -> None:
    line, far_book, far_register = far
    order, withdrawal = an_order(), a_withdrawal()
    await _prepare(what, book, register)
    calls: dict[str, tuple[str, Callable[[Book, Register], Awaitable[object]]]] = {
        "fund": ("order/A1/fund", lambda b, r: fund(b, order, record=a_record(revision=7))),
        "refund": ("order/A1/refund/cancel", lambda b, r: refund(b, order)),
        "refund_arrived": ("order/A1/refund/cancel/paid", lambda b, r: refund_arrived(b, order)),
        "credit": ("order/A1/credit", lambda b, r: credit(b, order)),
        "settle": ("order/A1/settle", lambda b, r: settle(b, order)),
        "reserve": ("withdrawal/W1/reserve", lambda b, r: r.withdrawals.reserve(withdrawal, LIMITS, now=NOW)),
        "pay": ("withdrawal/W1/close", lambda b, r: pay(b, withdrawal, record=a_withdrawal_record(revision=7))),
        "void": ("withdrawal/W1/close", lambda b, r: void(b, withdrawal)),
        "bank_return": ("withdrawal/W1/return/1", lambda b, r: bank_return(b, withdrawal, 500)),
    }
    reference, call = calls[what]

    async def committed() -> bool:
        found = await database.pool.fetchval("SELECT count(*) FROM movements WHERE reference = $1", reference)
        return bool(found)

    await far_register.withdrawals.available("m-1", "CNY")  # connect, before the line is cut
    line.cut_when = committed
    with pytest.raises(Unavailable):
        await call(far_book, far_register)
    before = await register.balances.by_purpose()
    again = await call(far_book, far_register)
    assert getattr(again, "outcome", None) == "exists"
    assert await register.balances.by_purpose() == before
    assert await database.pool.fetchval("SELECT count(*) FROM movements WHERE reference = $1", reference) == 1


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_reply_to_an_array_that_is_lost_moves_each_money_once(
    database: Database, book: Book, register: Register, far: tuple[Line, Book, Register], when: str
) -> None:
    """`before`: the line is cut at the first reply, while the statement is prepared."""
    line, far_book, far_register = far
    orders = [an_order(f"A{n}") for n in range(6)]
    for order in orders:
        await opened(register, order)
    count = "SELECT count(*) FROM movements WHERE reference LIKE 'order/%/fund'"

    async def cut() -> bool:
        return when == "before" or bool(await database.pool.fetchval(count))

    def posting(by: Book) -> list[Awaitable[Posted]]:
        return [fund(by, order, record=a_record(order.order_id, 7)) for order in orders]

    await far_register.withdrawals.available("m-1", "CNY")  # connect, before the line is cut
    line.cut_when = cut
    answers = await asyncio.gather(*posting(far_book), return_exceptions=True)
    assert [type(answer) for answer in answers] == [Unavailable] * 6
    assert await database.pool.fetchval(count) == (0 if when == "before" else 6)
    again = await asyncio.gather(*posting(far_book))
    assert {(answer.outcome, answer.overtaken) for answer in again} == {
        ("posted" if when == "before" else "exists", False)
    }
    assert await database.balance("psp/wechat") == 6000


async def _prepare(what: str, book: Book, register: Register) -> None:
    """Everything up to the movement in question."""
    if what in {"reserve", "pay", "void", "bank_return"}:
        await earned(register, book, 1000)
        if what != "reserve":
            await register.withdrawals.reserve(a_withdrawal(), LIMITS, now=NOW)
        if what == "bank_return":
            await pay(book, a_withdrawal())
        return
    if what == "fund":
        await opened(register, an_order())
        return
    order = await funded(register, book)
    if what == "refund_arrived":
        await refund(book, order)
    if what == "settle":
        await credit(book, order)


async def test_an_order_whose_registration_lost_its_reply_is_registered_once(
    database: Database, register: Register, far: tuple[Line, Book, Register]
) -> None:
    line, _, far_register = far
    await opened(register, an_order("A0"))  # the policy is there
    await far_register.withdrawals.available("m-1", "CNY")

    async def committed() -> bool:
        return await register.orders.stored("A1") is not None

    line.cut_when = committed
    with pytest.raises(Unavailable):
        await opened(far_register, an_order())
    assert await opened(far_register, an_order()) == "same_run"
    assert await register.orders.stored("A1") == an_order()


async def test_a_backend_that_is_ended_in_the_middle_is_unavailable_and_nothing_moved(
    database: Database, book: Book, register: Register
) -> None:
    order = await funded(register, book)
    async with database.owner.acquire() as blocker:
        began = blocker.transaction()
        await began.start()
        await blocker.execute("SELECT FROM accounts WHERE path = 'order/A1/escrow' FOR UPDATE")
        waiting = asyncio.create_task(credit(book, order))
        await until_a_lock_is_waited_for(database)
        async with database.owner.acquire() as operator:
            await operator.execute(f"SELECT pg_terminate_backend(pid) {WAITING}")
        with pytest.raises(Unavailable):
            await waiting
        await began.rollback()
    assert (await credit(book, order)).outcome == "posted"
