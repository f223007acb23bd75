"""Movements of orders that are posted together: each whole with its record, each answered alone."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from databases import Database, until_a_lock_is_waited_for
from ledger_samples import (
    NOW,
    a_notice,
    a_record,
    an_order,
    credit,
    fund,
    funded,
    opened,
    refund,
    refund_arrived,
    settle,
)

from core import movements
from core.errors import DatabaseUnavailable, Unavailable
from core.messages import Actor, Order
from core.movements import Leg, Movement
from core.records import OrderRecord
from core.steps import Posted
from ledger.book import Book
from ledger.register import Register

MOVES: dict[str, Callable[..., Awaitable[Posted]]] = {"fund": fund, "credit": credit, "settle": settle}
LIVED: dict[str, dict[str, Any]] = {
    "fund": {"phase": "awaiting_shipment"},
    "credit": {"phase": "credited", "audit": "approved", "receipt": "confirmed"},
    "settle": {"phase": "settled", "audit": "approved", "receipt": "confirmed", "closed": True},
}
"""What an order says of itself after each movement."""
CREDITED = {"fund": 0, "credit": 950, "settle": 950}

TOGETHER = "SELECT count(DISTINCT xmin::TEXT) FROM movements WHERE reference = ANY ($1)"
"""In how many transactions these movements were written."""


@pytest.fixture
def book(database: Database) -> Book:
    """One that sends one array at a time: what a test asks for at once is one transaction."""
    return Book(database.pool, beside=1)


async def _all(register: Register, numbers: range, **fields: Any) -> list[Order]:
    orders = [an_order(f"B{n:04}", **fields) for n in numbers]
    for order in orders:
        await opened(register, order)
    return orders


def _fund(order: Order, **changed: Any) -> Movement:
    movement = movements.fund(
        order.order_id, channel="wechat", amount_minor=order.total_minor, currency="CNY", occurred_at=NOW
    )
    return movement.model_copy(update=changed)


def _record(order: Order, what: str, revision: int = 1, **fields: Any) -> OrderRecord:
    """What is true of an order once this movement of it stands."""
    state = {"funded": True, "credited_minor": CREDITED[what], "mine": f"{order.order_id} {what}"}
    return a_record(order.order_id, revision, state=state, **LIVED[what], **fields)


async def _outcomes(*calls: Awaitable[Posted]) -> list[str]:
    return [posted.outcome for posted in await asyncio.gather(*calls)]


async def _transactions(database: Database, orders: Sequence[Order], what: str) -> int:
    references = [f"order/{order.order_id}/{what}" for order in orders]
    return int(await database.pool.fetchval(TOGETHER, references))


# --- happy, and twice ------------------------------------------------------------------------------------


async def test_movements_of_one_moment_are_one_transaction_each_with_its_record(
    database: Database, book: Book, register: Register
) -> None:
    orders = await _all(register, range(30))

    for revision, (name, what) in enumerate(MOVES.items(), start=1):
        notices = (a_notice(revision, name),)
        calls = (what(book, o, record=_record(o, name, revision, notices=notices)) for o in orders)
        answers = await asyncio.gather(*calls)
        assert [answer.reference for answer in answers] == [f"order/{o.order_id}/{name}" for o in orders]
        assert {(answer.outcome, answer.overtaken) for answer in answers} == {("posted", False)}
        assert await _transactions(database, orders, name) == 1
    assert await register.withdrawals.available("m-1", "CNY") == 30 * 950
    for order in orders:
        known = await register.orders.known(order.order_id)
        assert known is not None
        assert known.state is not None
        assert known.state["mine"] == f"{order.order_id} settle"
        stored = await register.notices.read(subject=f"order/{order.order_id}")
        assert [notice.name for notice in stored] == ["fund", "credit", "settle"]


async def test_a_worker_that_died_before_it_reported_asks_again_and_finds_it_all(
    database: Database, book: Book, register: Register
) -> None:
    orders = await _all(register, range(10))

    async def post_all(by: Book) -> list[tuple[str, bool]]:
        answers = await asyncio.gather(
            *(fund(by, o, record=_record(o, "fund", notices=(a_notice(1),))) for o in orders)
        )
        return [(answer.outcome, answer.overtaken) for answer in answers]

    assert await post_all(book) == [("posted", False)] * 10
    assert await post_all(Book(database.pool)) == [("exists", False)] * 10
    assert len(await register.notices.read()) == 10
    assert await database.balance("psp/wechat") == 10_000


async def test_a_record_that_the_register_overtook_says_so_to_its_own_caller(
    database: Database, book: Book, register: Register
) -> None:
    first, second = await _all(register, range(2))
    await register.orders.record(_record(first, "fund", 5))
    behind = a_record(first.order_id, 3, state={"funded": True, "recorded_revision": 2})
    new = a_record(second.order_id, 1, state={"funded": True, "recorded_revision": -1})
    answers = await asyncio.gather(fund(book, first, record=behind), fund(book, second, record=new))
    assert [(answer.outcome, answer.overtaken) for answer in answers] == [("posted", True), ("posted", False)]
    assert await _transactions(database, [first, second], "fund") == 1
    known = await register.orders.known(first.order_id)
    assert known is not None
    assert known.revision == 5


async def test_each_kind_of_answer_goes_to_its_own_caller(database: Database, book: Book, register: Register) -> None:
    orders = await _all(register, range(5))
    await fund(book, orders[1])
    await fund(book, orders[3])
    await fund(book, orders[4])
    answers = await asyncio.gather(
        fund(book, orders[0], record=_record(orders[0], "fund")),
        fund(book, orders[1], record=_record(orders[1], "fund")),
        refund(book, orders[2], record=_record(orders[2], "fund")),
        credit(book, orders[3], proceeds_minor=900, record=_record(orders[3], "credit")),
        book.post(_fund(orders[4], currency="USD"), _record(orders[4], "fund")),
    )
    assert [(answer.outcome, answer.account, answer.short_by_minor) for answer in answers] == [
        ("posted", None, None),
        ("exists", None, None),
        ("insufficient_funds", "order/B0002/escrow", 1000),
        ("conflict", "order/B0003/escrow", 50),
        ("conflict", None, None),
    ]
    known = [await register.orders.known(order.order_id) for order in orders]
    assert [one.revision if one else None for one in known] == [1, 1, -1, -1, -1], "only with its movement"


async def test_the_records_of_an_array_are_one_statement_and_each_meets_its_own_row(
    database: Database, book: Book, register: Register
) -> None:
    """One follows the register, one closes its order, one is older, one was kept before, one is none."""
    orders = await _all(register, range(5))
    follows, closes, older, same, _ = orders
    await register.orders.record(_record(older, "fund", 5))
    await register.orders.record(_record(same, "fund", 1))
    await fund(book, closes)
    await credit(book, closes)
    await register.claims.claim(closes.order_id, "m-1", "b-1", "here", [("p-1", "sf", "SF1")], NOW)
    notices = (a_notice(1, "shipped"),)
    records = [
        _record(follows, "fund", notices=notices),
        _record(closes, "settle", notices=notices),
        a_record(older.order_id, 3, state={"funded": True, "recorded_revision": 2}),
        _record(same, "fund"),
        None,
    ]
    moves: list[Callable[..., Awaitable[Posted]]] = [fund, settle, fund, fund, fund]
    answers = await asyncio.gather(*(m(book, o, record=r) for m, o, r in zip(moves, orders, records, strict=True)))
    assert [(answer.outcome, answer.overtaken) for answer in answers] == [
        ("posted", False),
        ("posted", False),
        ("posted", True),
        ("posted", False),
        ("posted", False),
    ]
    rows = await database.owner.fetch("SELECT revision, closed, cmin::TEXT AS statement FROM orders ORDER BY order_id")
    assert [(row["revision"], row["closed"]) for row in rows] == [
        (1, False),
        (1, True),
        (5, False),
        (1, False),
        (-1, False),
    ]
    assert rows[0]["statement"] == rows[1]["statement"]
    assert await database.owner.fetchval("SELECT count(*) FROM waybill_claims WHERE released_at IS NULL") == 0
    assert sorted(notice.subject for notice in await register.notices.read()) == [
        f"order/{follows.order_id}",
        f"order/{closes.order_id}",
    ]


# --- one spoils it ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"legs": (Leg("psp/wechat", "order/B0004/escroww", 1000),)}, "no account has the path"),
        ({"legs": (Leg("psp/wechat", "order/B0004/escrow", 2**70),)}, "value out of int64 range"),
        ({"legs": (Leg("psp/wechat", "order/B0004/escrow", 999),)}, "not what was paid"),
        ({"legs": (Leg("psp/wechat", "merchant/m-1/available", 1000),)}, "no kind of movement has these legs"),
        ({"reference": "order/B9999/fund"}, "not registered"),
        ({"reference": "order/B0004/chargeback/1/won"}, "only the database makes it"),
    ],
)
async def test_a_movement_that_is_refused_spoils_no_other(
    database: Database, book: Book, register: Register, wrong: dict[str, Any], said: str
) -> None:
    orders = await _all(register, range(9))
    calls = [book.post(_fund(order, **(wrong if n == 4 else {}))) for n, order in enumerate(orders)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    refused = answers.pop(4)
    assert isinstance(refused, Exception)
    assert said in str(refused)
    assert [answer.outcome for answer in answers if isinstance(answer, Posted)] == ["posted"] * 8
    assert await database.balance("psp/wechat") == 8_000


async def test_a_record_that_is_refused_undoes_its_own_posting_alone(
    database: Database, book: Book, register: Register
) -> None:
    orders = await _all(register, range(5))
    calls = [fund(book, o, record=_record(o, "fund", refunded_minor=2000 * (n == 2))) for n, o in enumerate(orders)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert "order_never_refunds_more_than_paid" in str(answers[2])
    assert await database.balance("psp/wechat") == 4_000
    assert await _transactions(database, [orders[2]], "fund") == 0


async def test_one_persons_word_settles_no_refund_among_others(
    database: Database, book: Book, register: Register
) -> None:
    orders = await _all(register, range(3))
    await asyncio.gather(*(fund(book, order) for order in orders))
    await asyncio.gather(*(refund(book, order) for order in orders))
    people = (["ann", "bob"], ["ann", "Ann"], ["cat", "dan"])

    def record(order: Order, votes: list[str]) -> Any:
        refunds = [{"cause": "cancel", "votes": [[person, "arrived"] for person in votes]}]
        state = {"funded": True, "refunds": refunds}
        return a_record(order.order_id, phase="cancelled", refunded_minor=1000, state=state)

    calls = [
        refund_arrived(book, order, record=record(order, votes)) for order, votes in zip(orders, people, strict=True)
    ]
    first, lone, third = await asyncio.gather(*calls, return_exceptions=True)
    assert "one person says that it arrived" in str(lone)
    assert isinstance(first, Posted)
    assert isinstance(third, Posted)
    assert (first.outcome, third.outcome) == ("posted", "posted")


@pytest.mark.parametrize("wrong", [{"ruled_by": ["r-1", "R-1"]}, {"votes": [["o-1", "arrived"], ["O-1", "arrived"]]}])
async def test_one_person_claims_nothing_back_among_others(
    database: Database, book: Book, register: Register, wrong: dict[str, Any]
) -> None:
    orders = await _all(register, range(3))
    for step in (fund, refund, refund_arrived):
        await asyncio.gather(*(step(book, order) for order in orders))
    two = {"ruled_by": ["r-1", "r-2"], "votes": [["o-1", "arrived"], ["o-2", "arrived"]]}

    def claim(order: Order, said: dict[str, Any]) -> Awaitable[Posted]:
        names: dict[str, Any] = {"channel": "wechat", "merchant_id": "m-1", "currency": "CNY", "occurred_at": NOW}
        cases = [{"case_id": 1, "claim": {"amount_minor": 1000, **said}}]
        state = {"funded": True, "cases": cases}
        record = a_record(order.order_id, phase="cancelled", refunded_minor=1000, state=state)
        return book.post(movements.claim_back(order.order_id, k=1, amount_minor=1000, **names), record)

    calls = [claim(order, said) for order, said in zip(orders, (two, wrong, {}), strict=True)]
    first, lone, third = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(lone, asyncpg.InsufficientPrivilegeError)
    assert "one person decided it" in str(lone)
    assert [one.outcome for one in (first, third) if isinstance(one, Posted)] == ["posted", "posted"]
    assert await _transactions(database, [orders[1]], "claim_back/1") == 0


async def test_a_frozen_merchants_orders_are_held_and_the_others_go_on(
    database: Database, book: Book, register: Register
) -> None:
    orders = [await funded(register, book, f"A{n}", merchant_id=f"m-{n % 3}") for n in range(9)]
    await _freeze(register, "m-1")
    wanted = ["held" if n % 3 == 1 else "posted" for n in range(9)]
    assert await _outcomes(*(credit(book, order, record=_record(order, "credit")) for order in orders)) == wanted
    known = [await register.orders.known(order.order_id) for order in orders]
    assert [one.revision if one else None for one in known] == [-1 if outcome == "held" else 1 for outcome in wanted]
    assert await _outcomes(*(credit(book, order) for order in orders)) == [
        "held" if outcome == "held" else "exists" for outcome in wanted
    ]


async def _freeze(register: Register, merchant: str) -> None:
    by = Actor(role="operator", id="ann")
    assert await register.merchants.stop(merchant, "frozen", on=True, by=by, why="looks odd", now=NOW)


# --- cancelled, locked, at once --------------------------------------------------------------------------


async def _until_sent(database: Database) -> None:
    """Return once a session of the worker is in use."""
    for _ in range(1000):
        if database.pool.get_size() > database.pool.get_idle_size():
            return
        await asyncio.sleep(0)


async def test_a_cancelled_caller_loses_its_own_answer_and_no_other(
    database: Database, book: Book, register: Register
) -> None:
    orders = await _all(register, range(6))
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
    orders = await _all(register, range(5))
    await asyncio.gather(*(fund(book, order) for order in orders))
    await credit(book, orders.pop())  # the first credit of all opens the account of the commissions
    async with database.owner.acquire() as blocker, _waiting_for_locks(database, "10ms"):
        async with blocker.transaction():
            await blocker.execute("SELECT FROM accounts WHERE path = 'order/B0001/escrow' FOR UPDATE")
            first, blocked, *others = [asyncio.create_task(credit(book, order)) for order in orders]
            assert await _outcomes(first, *others) == ["posted"] * 3
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
    orders = await _all(register, range(4))
    book = Book(pool, beside=1)
    assert (await fund(book, orders[0])).outcome == "posted"
    assert await _outcomes(*(fund(book, order) for order in orders)) == ["exists", *["posted"] * 3]
    assert await _transactions(database, orders, "fund") == 4


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
    book, orders = Book(pool, beside=1), await _all(register, range(4))
    answers = await asyncio.gather(*(fund(book, order) for order in orders), return_exceptions=True)
    assert [type(answer) for answer in answers] == [said] * 4
    assert len({id(answer) for answer in answers}) == 4, "an error of its own for each"
    assert await _outcomes(*(fund(book, order) for order in orders)) == ["posted"] * 4


async def test_two_workers_that_post_the_same_movements_both_succeed(
    database: Database, book: Book, register: Register
) -> None:
    orders = await _all(register, range(40))
    workers = [book, *(Book(database.pool) for _ in range(4))]
    chance = random.Random(1)
    for revision, (name, what) in enumerate(MOVES.items(), start=1):
        calls = [(one, order) for one in workers for order in orders]
        chance.shuffle(calls)
        outcomes = await _outcomes(*(what(by, order, record=_record(order, name, revision)) for by, order in calls))
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
        calls = (what(workers[n % 4], order, record=_record(order, name, revision)) for n, order in enumerate(orders))
        assert set(await _outcomes(*calls)) == {"posted"}
    assert [await database.balance(f"merchant/m-{n}/available") for n in range(3)] == [950 * 20] * 3


async def test_a_refund_and_a_credit_of_one_order_in_one_moment_leave_one_winner(
    database: Database, book: Book, register: Register
) -> None:
    orders = await _all(register, range(8))
    await asyncio.gather(*(fund(book, order) for order in orders))
    calls = [what(book, order) for order in orders for what in (credit, refund)]
    outcomes = await _outcomes(*calls)
    assert outcomes == ["posted", "insufficient_funds"] * 8, "in the order of their arrival"


async def test_workers_lock_orders_in_one_order_however_their_refunds_arrive(
    database: Database, book: Book, register: Register
) -> None:
    orders = await _all(register, range(3))
    for order in orders:
        await fund(book, order)
        for cause in ("one", "other"):
            await refund(book, order, cause, 500)
    other = Book(database.pool, beside=1)
    async with _waiting_for_locks(database, "5s"), database.owner.acquire() as blocker:
        async with blocker.transaction():
            await blocker.execute("SELECT FROM orders WHERE order_id = 'B0001' FOR UPDATE")
            calls = [asyncio.create_task(refund_arrived(book, order, "one", 500)) for order in orders]
            await until_a_lock_is_waited_for(database)
            calls += [asyncio.create_task(refund_arrived(other, order, "other", 500)) for order in reversed(orders)]
            await until_a_lock_is_waited_for(database, sessions=2)
        assert await _outcomes(*calls) == ["posted"] * 6
    for cause in ("one", "other"):
        assert await _transactions(database, orders, f"refund/{cause}/paid") == 1, "not one by one after a deadlock"


async def test_workers_lock_orders_in_one_order_where_one_is_checked_and_another_recorded(
    database: Database, book: Book, register: Register
) -> None:
    """A refund's check locks its order before the records are kept, which lock theirs."""
    orders = await _all(register, range(3))
    for order in orders:
        await fund(book, order)
        await refund(book, order, "one", 500)
    first, second, opener = orders

    def left_is_credited(by: Book, order: Order) -> Awaitable[Posted]:
        return credit(by, order, proceeds_minor=450, record=_record(order, "credit", refunded_minor=500))

    assert (await left_is_credited(book, opener)).moved, "the first credit of all opens the account of the commissions"
    other = Book(database.pool, beside=1)
    async with _waiting_for_locks(database, "5s"), database.owner.acquire() as blocker:
        async with blocker.transaction():
            await blocker.execute("SELECT FROM orders WHERE order_id IN ('B0000', 'B0001') FOR UPDATE")
            calls = [refund_arrived(book, first, "one", 500), left_is_credited(book, second)]
            tasks = [asyncio.ensure_future(call) for call in calls]
            await until_a_lock_is_waited_for(database)
            calls = [refund_arrived(other, second, "one", 500), left_is_credited(other, first)]
            tasks += [asyncio.ensure_future(call) for call in calls]
            await until_a_lock_is_waited_for(database, sessions=2)
        assert await _outcomes(*tasks) == ["posted"] * 4
    for refunded, credited in ((first, second), (second, first)):
        references = [f"order/{refunded.order_id}/refund/one/paid", f"order/{credited.order_id}/credit"]
        assert await database.pool.fetchval(TOGETHER, references) == 1, "not one by one after a deadlock"
