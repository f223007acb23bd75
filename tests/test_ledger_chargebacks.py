"""What a channel takes after the refund: booked once, never more than was paid, and it comes back whole."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest
from databases import Database
from ledger_samples import (
    ALL_TAKEN,
    AT,
    HAS,
    OWES,
    a_record,
    refund,
    refund_arrived,
    settled_order,
)
from planted_violations import broken, covered, planted
from statement_lines import ALL_TIME, LATER, found, line

from core import movements
from core.ids import refund_key
from core.messages import Order
from core.movements import LinePart, Taken
from core.reconciliation.lines import Statement
from ledger.book import Book
from ledger.register import Register


async def _refunded(register: Register, book: Book) -> Order:
    """Settled, and all of it back with the buyer; the merchant has nothing."""
    order = await settled_order(register, book)
    await refund(book, order, "case-1", taken=ALL_TAKEN)
    await refund_arrived(book, order, "case-1")
    done: dict[str, Any] = {"phase": "settled", "audit": "approved", "receipt": "confirmed", "refunded_minor": 1000}
    await register.orders.record(a_record(**done))
    return order


def _above(order: Order, k: int = 1, **amounts: int) -> movements.Movement:
    given: dict[str, Any] = {"platform_minor": 1000, **amounts, **AT}
    return movements.chargeback_above(order.order_id, k=k, channel="wechat", merchant_id="m-1", **given)


@pytest.mark.parametrize("bearer", ["platform_minor", "merchant_minor"])
async def test_what_a_channel_takes_after_the_refund_is_booked_once_and_comes_back_whole(
    database: Database, book: Book, register: Register, bearer: str
) -> None:
    order = await _refunded(register, book)
    above = _above(order, **{"platform_minor": 0, bearer: 1000})
    assert [(await book.post(above)).outcome for _ in range(2)] == ["posted", "exists"]
    place = "expense/goodwill" if bearer == "platform_minor" else OWES
    assert await database.balances("psp/wechat", place) == [-1000, 1000]
    won = movements.chargeback_above_won(order.order_id, k=1, **AT)
    assert [(await book.post(won)).outcome for _ in range(2)] == ["posted", "exists"]
    assert await database.balances("psp/wechat", place, HAS) == [0, 0, 0]


async def test_channels_take_no_more_of_an_order_than_was_paid(
    database: Database, book: Book, register: Register
) -> None:
    order = await _refunded(register, book)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="chargebacks of more than was paid"):
        await book.post(_above(order, platform_minor=1001))
    assert (await book.post(_above(order, platform_minor=600))).moved
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="chargebacks of more than was paid"):
        await book.post(_above(order, 2, platform_minor=401))
    assert (await book.post(movements.chargeback_above_won(order.order_id, k=1, **AT))).moved
    assert (await book.post(_above(order, 2, platform_minor=1000))).moved


async def test_no_more_is_taken_above_what_was_left_than_went_back(
    database: Database, book: Book, register: Register
) -> None:
    order = await settled_order(register, book)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="more than was refunded"):
        await book.post(_above(order, platform_minor=0, merchant_minor=1))
    assert await database.balances("psp/wechat", HAS) == [1000, 950]


async def test_two_at_one_moment_take_no_more_together_either(
    database: Database, book: Book, register: Register
) -> None:
    order = await _refunded(register, book)
    assert (await book.post(_above(order, platform_minor=100))).moved
    async with database.pool.acquire() as first:
        under_way = first.transaction()
        await under_way.start()
        await first.fetch(
            "SELECT * FROM post_for_order($1, 'CNY', now(), NULL, $2, $3, $4, NULL)",
            *("order/A1/chargeback/2/above", ["expense/goodwill"], ["psp/wechat"], [500]),
        )
        second = asyncio.create_task(book.post(_above(order, 3, platform_minor=500)))
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        while not await database.owner.fetchval(waiting) and not second.done():
            pass
        await under_way.commit()
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="chargebacks of more than was paid"):
            await second


async def test_the_reverse_of_what_is_above_is_only_the_databases(
    database: Database, book: Book, register: Register
) -> None:
    order = await _refunded(register, book)
    await book.post(_above(order))
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="only the database makes it"):
        await database.pool.fetch(
            "SELECT * FROM post_for_order($1, 'CNY', now(), NULL, $2, $3, $4, NULL)",
            *("order/A1/chargeback/1/above/won", ["psp/wechat"], [HAS], [1000]),
        )


async def test_what_was_above_gives_no_line_back(book: Book, register: Register) -> None:
    order = await _refunded(register, book)
    assert (await book.post(_above(order))).moved
    won = movements.chargeback_above_won(order.order_id, k=1, **AT)
    line = LinePart(line_id="1", paid_minor=1000, amount_minor=1)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="gives no line back"):
        await book.post(won.model_copy(update={"lines": (line,)}))
    assert (await book.post(won)).moved


# --- the buyer has a refused refund by it ------------------------------------------------------------------------


async def _refused(register: Register, book: Book, above_minor: int) -> Order:
    """Settled; two refunds of 500 were refused, and a channel took so much above what was left."""
    order = await settled_order(register, book)
    half = Taken(place="merchant", merchant_minor=475, commission_minor=25)
    for cause in ("one", "two"):
        await refund(book, order, cause, taken=half)
    assert (await book.post(_above(order, platform_minor=above_minor))).moved
    return order


def _covered(cause: str, amount: int = 500) -> movements.Movement:
    return movements.refund_covered("A1", cause=cause, merchant_id="m-1", platform_minor=amount, **AT)


async def test_no_more_refunds_are_covered_than_was_taken_above_and_none_in_part(
    database: Database, book: Book, register: Register
) -> None:
    await _refused(register, book, 999)
    assert (await book.post(_covered("one", 499))).outcome == "conflict", "a part would be owed still"
    assert [(await book.post(_covered("one"))).outcome for _ in range(2)] == ["posted", "exists"]
    assert await database.balances("expense/goodwill", "order/A1/refund_payable/one") == [499, 0]
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="more refunds are covered"):
        await book.post(_covered("two"))
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="more refunds are covered"):
        await book.post(movements.chargeback_above_won("A1", k=1, **AT))


async def test_more_refunds_covered_than_was_taken_above_are_found(
    database: Database, book: Book, register: Register
) -> None:
    await _refused(register, book, 999)
    assert (await book.post(_covered("one"))).moved
    async with database.owner.acquire() as owner:
        before = await broken(owner)
        async with planted(owner, covered("two", 500)):
            after = await broken(owner)
    assert "charged_back" not in before
    assert "'covered_minor': 1000" in after["charged_back"]


async def test_a_refund_that_one_person_calls_arrived_is_not_covered(book: Book, register: Register) -> None:
    await _refused(register, book, 1000)
    record = a_record("A1", 9, state={"refunds": [{"cause": "two", "votes": [["ann", "arrived"]]}]})
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="one person says that it arrived"):
        await book.post(_covered("two"), record)


async def test_two_refunds_at_one_moment_are_covered_by_no_more_than_was_taken(
    database: Database, book: Book, register: Register
) -> None:
    await _refused(register, book, 500)
    answers = await asyncio.gather(*(book.post(_covered(cause)) for cause in ("one", "two")), return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, asyncpg.InsufficientPrivilegeError)]
    assert len(refused) == 1
    assert await database.balances("expense/goodwill", "psp/wechat") == [0, 500]


async def test_the_comparisons_look_for_a_covered_refund_with_no_channel(
    database: Database, book: Book, register: Register
) -> None:
    await _refused(register, book, 1000)
    for cause in ("one", "two"):
        assert (await book.post(_covered(cause))).moved
    above = {"amount_minor": 1000, "bearer": "platform", "status": "booked"}
    given = [{"cause": cause, "amount_minor": 500, "status": "arrived", "covered_by": 1} for cause in ("one", "two")]
    done: dict[str, Any] = {"phase": "settled", "audit": "approved", "receipt": "confirmed", "refunded_minor": 1000}
    kept = {"funded": True, "refunds": given, "cases": [{"case_id": 1, "dispute": {"reference": "d", "above": above}}]}
    kept |= {"credited_minor": 950, "settled_minor": 950, "credited_at": AT["occurred_at"].isoformat()}
    await register.orders.record(a_record("A1", 2, closed=True, state=kept, **done))
    assert await found(database, "orders", "books") == []
    lines = (line("chargeback", "d", 1000), line("payment", "wx-1", 1000))
    await register.statements.load("channel", "wechat", Statement(lines=lines, covered=ALL_TIME), LATER)
    assert [one.kind for one in await found(database, "channel", "wechat") if one.kind == "refund"] == []
    paid_too = (line("refund", refund_key("A1", "one"), 500),)
    await register.statements.load("channel", "wechat", Statement(lines=paid_too, covered=ALL_TIME), LATER)
    assert [(one.reason, one.kind) for one in await found(database, "channel", "wechat") if one.kind == "refund"] == [
        ("paid_after_failed", "refund")
    ]
    database.broken = True  # the proof of the statements says so, too


@pytest.mark.parametrize(("fee_minor", "taken"), [(100_000, True), (100_001, False)])
async def test_no_fee_is_more_than_a_channel_takes(book: Book, register: Register, fee_minor: int, taken: bool) -> None:
    order = await settled_order(register, book)
    fee = movements.chargeback_fee(
        order.order_id, k=1, channel="wechat", merchant_id="m-1", platform_minor=fee_minor, **AT
    )
    if taken:
        assert (await book.post(fee)).moved
        return
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="a fee of more than a channel takes"):
        await book.post(fee)
