"""Movements of orders that are posted together: a caller is cancelled, an order is locked, others post, too."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from databases import Database, until_a_lock_is_waited_for
from gathered_orders import MOVES, TOGETHER, opened_orders, outcomes_of, record_of, transactions_of
from ledger_samples import (
    an_order,
    credit,
    fund,
    opened,
    refund,
    refund_arrived,
)

from core.errors import DatabaseUnavailable, Unavailable
from core.messages import Order
from core.steps import Posted
from ledger.book import Book
from ledger.register import Register


@pytest.fixture
def book(database: Database) -> Book:
    """One that sends one array at a time: what a test asks for at once is one transaction."""
    return Book(database.pool, beside=1)


async def _until_sent(database: Database) -> None:
    """Return once a session of the worker is in use."""
    for _ in range(1000):
        if database.pool.get_size() > database.pool.get_idle_size():
            return
        await asyncio.sleep(0)


async def test_a_cancelled_caller_loses_its_own_answer_and_no_other(
    database: Database, book: Book, register: Register
) -> None:
    orders = await opened_orders(register, range(6))
    calls = [asyncio.create_task(fund(book, order)) for order in orders]
    await _until_sent(database)
    calls[2].cancel()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(answers.pop(2), asyncio.CancelledError)
    assert {answer.outcome for answer in answers if isinstance(answer, Posted)} == {"posted"}
    assert (await fund(book, orders[2])).outcome == "exists", "it was sent: what became of it is asked for"
    assert await database.balance("psp/wechat") == 6_000


@asynccontextmanager
async def _waiting_for_locks(database: Database, time: str) -> AsyncIterator[None]:
    """Arrays wait this long for a lock, and not as long as they do otherwise."""
    usual = await database.owner.fetchval(
        "SELECT split_part(s, '=', 2) FROM pg_proc, unnest(proconfig) AS s"
        " WHERE proname = 'post_for_orders' AND s LIKE 'lock_timeout=%'"
    )
    change = "ALTER FUNCTION post_for_orders SET lock_timeout = "
    await database.owner.execute(f"{change}'{time}'")
    try:
        yield
    finally:
        await database.owner.execute(f"{change}'{usual}'")


async def test_an_order_that_another_session_holds_does_not_stop_the_others(
    database: Database, book: Book, register: Register
) -> None:
    orders = await opened_orders(register, range(5))
    await asyncio.gather(*(fund(book, order) for order in orders))
    await credit(book, orders.pop())  # the first credit of all opens the account of the commissions
    async with database.owner.acquire() as blocker, _waiting_for_locks(database, "10ms"):
        async with blocker.transaction():
            await blocker.execute("SELECT FROM accounts WHERE path = 'order/B0001/escrow' FOR UPDATE")
            first, blocked, *others = [asyncio.create_task(credit(book, order)) for order in orders]
            assert await outcomes_of(first, *others) == ["posted"] * 3
            assert not blocked.done()
        assert (await blocked).outcome == "posted"


class _FailingPool:
    """Fails the first array with this error, and passes everything else on."""

    def __init__(self, pool: Any, error: Exception) -> None:
        self._pool, self._errors = pool, [error]

    async def fetch(self, query: str, *given: object) -> Any:
        if "post_for_orders" in query and self._errors:
            raise self._errors.pop()
        return await self._pool.fetch(query, *given)

    async def fetchrow(self, query: str, *given: object) -> Any:
        return await self._pool.fetchrow(query, *given)


@pytest.mark.parametrize(
    "error", [asyncpg.SerializationError, asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError]
)
async def test_where_another_session_is_in_the_way_each_is_posted_alone(
    database: Database, register: Register, error: type[Exception]
) -> None:
    pool: Any = _FailingPool(database.pool, error("in the way"))
    orders = await opened_orders(register, range(4))
    book = Book(pool, beside=1)
    assert (await fund(book, orders[0])).outcome == "posted"
    assert await outcomes_of(*(fund(book, order) for order in orders)) == ["exists", *["posted"] * 3]
    assert await transactions_of(database, orders, "fund") == 4


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConnectionResetError("cut"), Unavailable),
        (TimeoutError(), Unavailable),
        (asyncpg.AdminShutdownError("ended"), Unavailable),
        (asyncpg.ReadOnlySQLTransactionError("a standby"), DatabaseUnavailable),
    ],
)
async def test_where_the_connection_is_lost_all_are_unavailable_and_may_ask_again(
    database: Database, register: Register, error: Exception, said: type[Unavailable]
) -> None:
    pool: Any = _FailingPool(database.pool, error)
    book, orders = Book(pool, beside=1), await opened_orders(register, range(4))
    answers = await asyncio.gather(*(fund(book, order) for order in orders), return_exceptions=True)
    assert [type(answer) for answer in answers] == [said] * 4
    assert len({id(answer) for answer in answers}) == 4, "an error of its own for each"
    assert await outcomes_of(*(fund(book, order) for order in orders)) == ["posted"] * 4


async def test_two_workers_that_post_the_same_movements_both_succeed(
    database: Database, book: Book, register: Register
) -> None:
    orders = await opened_orders(register, range(40))
    workers = [book, *(Book(database.pool) for _ in range(4))]
    chance = random.Random(1)
    for revision, (name, what) in enumerate(MOVES.items(), start=1):
        calls = [(one, order) for one in workers for order in orders]
        chance.shuffle(calls)
        outcomes = await outcomes_of(*(what(by, order, record=record_of(order, name, revision)) for by, order in calls))
        assert sorted(outcomes) == ["exists"] * 160 + ["posted"] * 40
    assert await register.withdrawals.available("m-1", "CNY") == 40 * 950


async def test_workers_that_share_merchants_never_wait_for_each_other(
    database: Database, book: Book, register: Register
) -> None:
    orders = [an_order(f"B{n:04}", merchant_id=f"m-{n % 3}") for n in range(60)]
    for order in orders:
        await opened(register, order)
    workers = [book, *(Book(database.pool) for _ in range(3))]
    random.Random(2).shuffle(orders)
    for revision, (name, what) in enumerate(MOVES.items(), start=1):
        calls = (what(workers[n % 4], order, record=record_of(order, name, revision)) for n, order in enumerate(orders))
        assert set(await outcomes_of(*calls)) == {"posted"}
    assert [await database.balance(f"merchant/m-{n}/available") for n in range(3)] == [950 * 20] * 3


async def test_a_refund_and_a_credit_of_one_order_in_one_moment_leave_one_winner(
    database: Database, book: Book, register: Register
) -> None:
    orders = await opened_orders(register, range(8))
    await asyncio.gather(*(fund(book, order) for order in orders))
    calls = [what(book, order) for order in orders for what in (credit, refund)]
    outcomes = await outcomes_of(*calls)
    assert outcomes == ["posted", "insufficient_funds"] * 8, "in the order of their arrival"


async def test_workers_lock_orders_in_one_order_however_their_refunds_arrive(
    database: Database, book: Book, register: Register
) -> None:
    orders = await opened_orders(register, range(3))
    for order in orders:
        await fund(book, order)
        for cause in ("one", "other"):
            await refund(book, order, cause, 500)
    other = Book(database.pool, beside=1)
    async with _waiting_for_locks(database, "60s"), database.owner.acquire() as blocker:
        async with blocker.transaction():
            await blocker.execute("SELECT FROM orders WHERE order_id = 'B0001' FOR UPDATE")
            calls = [asyncio.create_task(refund_arrived(book, order, "one", 500)) for order in orders]
            await until_a_lock_is_waited_for(database)
            calls += [asyncio.create_task(refund_arrived(other, order, "other", 500)) for order in reversed(orders)]
            await until_a_lock_is_waited_for(database, sessions=2)
        assert await outcomes_of(*calls) == ["posted"] * 6
    for cause in ("one", "other"):
        assert await transactions_of(database, orders, f"refund/{cause}/paid") == 1, "not one by one after a deadlock"


async def test_workers_lock_orders_in_one_order_where_one_is_checked_and_another_recorded(
    database: Database, book: Book, register: Register
) -> None:
    """A refund's check locks its order before the records are kept, which lock theirs."""
    orders = await opened_orders(register, range(3))
    for order in orders:
        await fund(book, order)
        await refund(book, order, "one", 500)
    first, second, opener = orders

    def left_is_credited(by: Book, order: Order) -> Awaitable[Posted]:
        return credit(by, order, proceeds_minor=450, record=record_of(order, "credit", refunded_minor=500))

    assert (await left_is_credited(book, opener)).moved, "the first credit of all opens the account of the commissions"
    other = Book(database.pool, beside=1)
    async with _waiting_for_locks(database, "60s"), database.owner.acquire() as blocker:
        async with blocker.transaction():
            await blocker.execute("SELECT FROM orders WHERE order_id IN ('B0000', 'B0001') FOR UPDATE")
            calls = [refund_arrived(book, first, "one", 500), left_is_credited(book, second)]
            tasks = [asyncio.ensure_future(call) for call in calls]
            await until_a_lock_is_waited_for(database)
            calls = [refund_arrived(other, second, "one", 500), left_is_credited(other, first)]
            tasks += [asyncio.ensure_future(call) for call in calls]
            await until_a_lock_is_waited_for(database, sessions=2)
        assert await outcomes_of(*tasks) == ["posted"] * 4
    for refunded, credited in ((first, second), (second, first)):
        references = [f"order/{refunded.order_id}/refund/one/paid", f"order/{credited.order_id}/credit"]
        assert await database.pool.fetchval(TOGETHER, references) == 1, "not one by one after a deadlock"
