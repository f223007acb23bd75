"""Movements of orders that are posted together: each whole with its record, each answered alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from databases import Database
from gathered_orders import MOVES, opened_orders, outcomes_of, record_of, transactions_of
from ledger_samples import (
    NOW,
    a_notice,
    a_record,
    credit,
    fund,
    funded,
    refund,
    refund_arrived,
    settle,
)

from core import movements
from core.messages import Actor, Order
from core.movements import Leg, Movement
from core.steps import Posted
from ledger.book import Book
from ledger.register import Register


@pytest.fixture
def book(database: Database) -> Book:
    """One that sends one array at a time: what a test asks for at once is one transaction."""
    return Book(database.pool, beside=1)


def _fund(order: Order, **changed: Any) -> Movement:
    movement = movements.fund(
        order.order_id, channel="wechat", amount_minor=order.total_minor, currency="CNY", occurred_at=NOW
    )
    return movement.model_copy(update=changed)


# --- happy, and twice ------------------------------------------------------------------------------------


async def test_movements_of_one_moment_are_one_transaction_each_with_its_record(
    database: Database, book: Book, register: Register
) -> None:
    orders = await opened_orders(register, range(30))

    for revision, (name, what) in enumerate(MOVES.items(), start=1):
        notices = (a_notice(revision, name),)
        calls = (what(book, o, record=record_of(o, name, revision, notices=notices)) for o in orders)
        answers = await asyncio.gather(*calls)
        assert [answer.reference for answer in answers] == [f"order/{o.order_id}/{name}" for o in orders]
        assert {(answer.outcome, answer.overtaken) for answer in answers} == {("posted", False)}
        assert await transactions_of(database, orders, name) == 1
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
    orders = await opened_orders(register, range(10))

    async def post_all(by: Book) -> list[tuple[str, bool]]:
        answers = await asyncio.gather(
            *(fund(by, o, record=record_of(o, "fund", notices=(a_notice(1),))) for o in orders)
        )
        return [(answer.outcome, answer.overtaken) for answer in answers]

    assert await post_all(book) == [("posted", False)] * 10
    assert await post_all(Book(database.pool)) == [("exists", False)] * 10
    assert len(await register.notices.read()) == 10
    assert await database.balance("psp/wechat") == 10_000


async def test_a_record_that_the_register_overtook_says_so_to_its_own_caller(
    database: Database, book: Book, register: Register
) -> None:
    first, second = await opened_orders(register, range(2))
    await register.orders.record(record_of(first, "fund", 5))
    behind = a_record(first.order_id, 3, state={"funded": True, "recorded_revision": 2})
    new = a_record(second.order_id, 1, state={"funded": True, "recorded_revision": -1})
    answers = await asyncio.gather(fund(book, first, record=behind), fund(book, second, record=new))
    assert [(answer.outcome, answer.overtaken) for answer in answers] == [("posted", True), ("posted", False)]
    assert await transactions_of(database, [first, second], "fund") == 1
    known = await register.orders.known(first.order_id)
    assert known is not None
    assert known.revision == 5


async def test_each_kind_of_answer_goes_to_its_own_caller(database: Database, book: Book, register: Register) -> None:
    orders = await opened_orders(register, range(5))
    await fund(book, orders[1])
    await fund(book, orders[3])
    await fund(book, orders[4])
    answers = await asyncio.gather(
        fund(book, orders[0], record=record_of(orders[0], "fund")),
        fund(book, orders[1], record=record_of(orders[1], "fund")),
        refund(book, orders[2], record=record_of(orders[2], "fund")),
        credit(book, orders[3], proceeds_minor=900, record=record_of(orders[3], "credit")),
        book.post(_fund(orders[4], currency="USD"), record_of(orders[4], "fund")),
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
    orders = await opened_orders(register, range(5))
    follows, closes, older, same, _ = orders
    await register.orders.record(record_of(older, "fund", 5))
    await register.orders.record(record_of(same, "fund", 1))
    await fund(book, closes)
    await credit(book, closes)
    await register.claims.claim(closes.order_id, "m-1", "b-1", "here", [("p-1", "sf", "SF1")], NOW)
    notices = (a_notice(1, "shipped"),)
    records = [
        record_of(follows, "fund", notices=notices),
        record_of(closes, "settle", notices=notices),
        a_record(older.order_id, 3, state={"funded": True, "recorded_revision": 2}),
        record_of(same, "fund"),
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
    orders = await opened_orders(register, range(9))
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
    orders = await opened_orders(register, range(5))
    calls = [fund(book, o, record=record_of(o, "fund", refunded_minor=2000 * (n == 2))) for n, o in enumerate(orders)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert "order_never_refunds_more_than_paid" in str(answers[2])
    assert await database.balance("psp/wechat") == 4_000
    assert await transactions_of(database, [orders[2]], "fund") == 0


async def test_one_persons_word_settles_no_refund_among_others(
    database: Database, book: Book, register: Register
) -> None:
    orders = await opened_orders(register, range(3))
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
    orders = await opened_orders(register, range(3))
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
    assert await transactions_of(database, [orders[1]], "claim_back/1") == 0


async def test_a_frozen_merchants_orders_are_held_and_the_others_go_on(
    database: Database, book: Book, register: Register
) -> None:
    orders = [await funded(register, book, f"A{n}", merchant_id=f"m-{n % 3}") for n in range(9)]
    await _freeze(register, "m-1")
    wanted = ["held" if n % 3 == 1 else "posted" for n in range(9)]
    assert await outcomes_of(*(credit(book, order, record=record_of(order, "credit")) for order in orders)) == wanted
    known = [await register.orders.known(order.order_id) for order in orders]
    assert [one.revision if one else None for one in known] == [-1 if outcome == "held" else 1 for outcome in wanted]
    assert await outcomes_of(*(credit(book, order) for order in orders)) == [
        "held" if outcome == "held" else "exists" for outcome in wanted
    ]


async def _freeze(register: Register, merchant: str) -> None:
    by = Actor(role="operator", id="ann")
    assert await register.merchants.stop(merchant, "frozen", on=True, by=by, why="looks odd", now=NOW)
