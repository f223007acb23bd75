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

from core import movements
from core.messages import Order
from core.movements import LinePart
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
