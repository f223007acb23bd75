"""The reply to COMMIT is lost: the caller learns `Unavailable`, asks again, and the money moved once.

A line on this machine stands between us and PostgreSQL. Once armed it cuts the connection instead of passing on the
first reply that comes after the database shows the effect. `test_ledger_money_paths` does so for each movement; here it
is an array, and what moves no money.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable

import pytest
import pytest_asyncio
from databases import Database, line_to
from ledger_samples import (
    a_record,
    an_order,
    fund,
    opened,
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
