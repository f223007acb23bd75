"""Deposits of merchants: filled first, taken after what is available, given back last."""

from __future__ import annotations

import asyncio
from typing import Any

from databases import Database, until_a_lock_is_waited_for
from ledger_samples import (
    DAY,
    NOW,
    a_record,
    credit,
    funded,
    refund,
    refund_arrived,
    settle,
)
from merchant_samples import ANN, AVAILABLE, DEPOSIT, OWES, failing, require_deposit, settled, stop

from core.movements import Taken
from ledger.book import Book
from ledger.register import Register
from ledger.upkeep import look_after_merchants


async def test_a_settlement_fills_the_deposit_before_anything_is_available(
    register: Register, book: Book, database: Database
) -> None:
    assert await require_deposit(database, 1500)
    assert not await require_deposit(database, 1500)
    await settled(register, book, "A1")
    assert [await database.balance(path) for path in (DEPOSIT, AVAILABLE)] == [1000, 0]
    await settled(register, book, "A2")
    assert [await database.balance(path) for path in (DEPOSIT, AVAILABLE)] == [1500, 500]
    await settled(register, book, "A3")
    assert [await database.balance(path) for path in (DEPOSIT, AVAILABLE)] == [1500, 1500]
    (deposit,) = await register.merchants.deposits("m-1")
    assert (deposit.required_minor, deposit.held_minor) == (1500, 1500)


async def test_a_settlement_that_is_repeated_fills_the_deposit_once(
    register: Register, book: Book, database: Database
) -> None:
    await require_deposit(database, 5000)
    order = await funded(register, book, "A1")
    await credit(book, order, commission=0)
    answers = await asyncio.gather(*(settle(book, order, 1000) for _ in range(4)))
    assert sorted(one.outcome for one in answers) == ["exists", "exists", "exists", "posted"]
    assert await database.balance(DEPOSIT) == 1000


async def test_settlements_at_once_fill_the_deposit_to_the_cent(
    register: Register, book: Book, database: Database
) -> None:
    await require_deposit(database, 2500)
    orders = [await funded(register, book, f"A{number}") for number in range(6)]
    for order in orders:
        await credit(book, order, commission=0)
    await asyncio.gather(*(settle(book, order, 1000) for order in orders))
    assert [await database.balance(path) for path in (DEPOSIT, AVAILABLE)] == [2500, 3500]


async def test_a_grade_asks_for_a_deposit_and_a_merchants_own_word_comes_first(
    register: Register, database: Database
) -> None:
    owner = Register(database.owner)
    await owner.grades.move("m-1", "bronze", ANN, "new", NOW)
    await require_deposit(database, 700, merchant_id=None, grade="bronze")
    assert [one.required_minor for one in await register.merchants.deposits("m-1")] == [700]
    await require_deposit(database, 300)
    assert [one.required_minor for one in await register.merchants.deposits("m-1")] == [300]
    await require_deposit(database, None)
    assert [one.required_minor for one in await register.merchants.deposits("m-1")] == [700]
    assert await register.merchants.deposits("m-2") == []


async def test_what_is_owed_is_repaid_before_the_deposit_is_filled(
    register: Register, book: Book, database: Database
) -> None:
    await settled(register, book, "A1")
    order = await funded(register, book, "A2", 1000)
    await credit(book, order, commission=0)
    await settle(book, order, 1000)
    taken = Taken(place="merchant", merchant_minor=1000)
    assert (await refund(book, order, "back", taken=taken)).moved
    await require_deposit(database, 400)
    await settled(register, book, "A3", 600)
    assert [await database.balance(path) for path in (DEPOSIT, AVAILABLE, OWES)] == [400, 1200, 0]


async def test_a_refund_takes_the_deposit_after_what_is_available_and_it_is_filled_again(
    register: Register, book: Book, database: Database
) -> None:
    await require_deposit(database, 800)
    order = await funded(register, book, "A1")
    await credit(book, order, commission=0)
    await settle(book, order, 1000)
    taken = Taken(place="merchant", merchant_minor=600)
    assert (await refund(book, order, "back", taken=taken)).moved
    assert [await database.balance(path) for path in (DEPOSIT, AVAILABLE, OWES)] == [400, 0, 0]
    await settled(register, book, "A2")
    assert [await database.balance(path) for path in (DEPOSIT, AVAILABLE)] == [800, 600]


async def test_a_merchant_that_leaves_gets_the_deposit_back_after_its_last_order(
    register: Register, book: Book, database: Database
) -> None:
    await require_deposit(database, 800)
    await settled(register, book, "A1")
    back = register.merchants.pay_deposit_back
    assert (await back("m-1", "CNY", NOW)).outcome == "nothing"
    order = await funded(register, book, "A2")
    assert await stop(register, "leaving")
    assert (await back("m-1", "CNY", NOW)).outcome == "orders_open"
    await refund(book, order)
    await refund_arrived(book, order)
    done: dict[str, Any] = {"phase": "cancelled", "closed": True, "refunded_minor": 1000, "state": {"funded": True}}
    await register.orders.record(a_record("A2", **done))
    early = await back("m-1", "CNY", NOW + 29 * DAY)
    assert (early.outcome, early.ready_at) == ("too_early", NOW + 30 * DAY)
    answers = await asyncio.gather(*(back("m-1", "CNY", NOW + 30 * DAY) for _ in range(4)))
    assert sorted(one.outcome for one in answers) == ["nothing", "nothing", "nothing", "paid_back"]
    assert [await database.balance(path) for path in (DEPOSIT, AVAILABLE)] == [0, 1000]
    notices = [one.to for one in await register.notices.read(subject="merchant/m-1") if one.name == "deposit_paid_back"]
    assert notices == ["merchant", "operator"]


async def test_a_frozen_merchant_gets_no_deposit_back(register: Register, book: Book, database: Database) -> None:
    await require_deposit(database, 800)
    await settled(register, book, "A1")
    await stop(register, "leaving")
    await stop(register)
    assert (await register.merchants.pay_deposit_back("m-1", "CNY", NOW + 60 * DAY)).outcome == "merchant_frozen"
    assert await database.balance(DEPOSIT) == 800


async def test_less_that_is_required_gives_back_the_rest(register: Register, book: Book, database: Database) -> None:
    await require_deposit(database, 800)
    await settled(register, book, "A1")
    await require_deposit(database, 300)
    paid = await register.merchants.pay_deposit_back("m-1", "CNY", NOW)
    assert (paid.outcome, paid.amount_minor) == ("paid_back", 500)
    assert [await database.balance(path) for path in (DEPOSIT, AVAILABLE)] == [300, 700]


async def test_money_that_passed_a_deposit_by_is_found_by_the_proof(
    register: Register, book: Book, database: Database
) -> None:
    database.broken = True
    await require_deposit(database, 800)
    await database.owner.execute("ALTER FUNCTION deposit_required(TEXT, TEXT) RENAME TO kept_required")
    await database.owner.execute(
        "CREATE FUNCTION deposit_required(TEXT, TEXT) RETURNS BIGINT LANGUAGE sql AS 'SELECT 0::BIGINT'"
    )
    try:
        await settled(register, Book(database.owner), "A1")
    finally:
        await database.owner.execute("DROP FUNCTION deposit_required(TEXT, TEXT)")
        await database.owner.execute("ALTER FUNCTION kept_required(TEXT, TEXT) RENAME TO deposit_required")
    assert "deposits" in await failing(database)


async def test_a_deposit_comes_back_by_itself_when_its_time_has_come(
    register: Register, book: Book, database: Database
) -> None:
    await require_deposit(database, 800)
    await settled(register, book, "A1")
    await stop(register, "leaving")
    assert (await look_after_merchants(register, NOW + 29 * DAY, DAY)).paid_back == 0
    assert (await look_after_merchants(register, NOW + 30 * DAY, DAY)).paid_back == 1
    assert (await look_after_merchants(register, NOW + 30 * DAY, DAY)).paid_back == 0
    assert [await database.balance(path) for path in (DEPOSIT, AVAILABLE)] == [0, 1000]


async def test_a_deposit_that_a_refund_takes_meanwhile_is_not_given_back_too(
    register: Register, book: Book, database: Database
) -> None:
    await require_deposit(database, 1000)
    order = await funded(register, book, "A1")
    await credit(book, order, commission=0)
    await settle(book, order, 1000)
    await require_deposit(database, 0)
    async with database.owner.acquire() as refunding:
        async with refunding.transaction():
            await refunding.fetch(
                "SELECT * FROM post(ARRAY['order/A1/refund/back'], ARRAY['CNY'], ARRAY[now()], ARRAY[NULL::TEXT],"
                " ARRAY[NULL::TEXT], ARRAY[1], ARRAY['merchant/m-1/receivable'],"
                " ARRAY['order/A1/refund_payable/back'], ARRAY[700::BIGINT])"
            )
            paying = asyncio.create_task(register.merchants.pay_deposit_back("m-1", "CNY", NOW))
            await until_a_lock_is_waited_for(database)
        paid = await paying
    assert (paid.outcome, paid.amount_minor) == ("paid_back", 300)
    told = [one for one in await register.notices.read(subject="merchant/m-1") if one.name == "deposit_paid_back"]
    assert {one.facts["amount_minor"] for one in told} == {"300"}
    assert [await database.balance(path) for path in (DEPOSIT, AVAILABLE)] == [0, 300]
