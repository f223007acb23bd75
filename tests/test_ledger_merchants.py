"""Merchants: what stops their money at once, and what happens to it by itself."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest
from databases import Database, until_a_lock_is_waited_for
from ledger_samples import (
    DAY,
    LIMITS,
    NOW,
    a_record,
    a_withdrawal,
    credit,
    earned,
    funded,
    pay,
    refund,
    settle,
    void,
)
from merchant_samples import ANN, AVAILABLE, OWES, failing, stop

from core.merchants import MerchantTerms
from core.movements import Leg, adjustment, freeze, paid_in, release
from core.steps import Posted
from ledger.book import Book
from ledger.register import Register
from ledger.upkeep import Upkeep, look_after_merchants

# --- frozen --------------------------------------------------------------------------------------------------


async def test_a_freeze_stops_credit_settlement_and_withdrawals_until_it_is_lifted(
    register: Register, book: Book
) -> None:
    await earned(register, book, 5000)
    first, second = await funded(register, book, "A1"), await funded(register, book, "A2")
    assert (await credit(book, first)).moved
    assert await stop(register)
    assert [(await settle(book, first)).outcome, (await credit(book, second)).outcome] == ["held", "held"]
    answer = await register.withdrawals.reserve(a_withdrawal("W1", 400), LIMITS, now=NOW)
    assert answer.refusal is not None
    assert answer.refusal.code == "merchant_frozen"
    assert (await credit(book, first)).outcome == "exists", "what stands is answered as it is"
    assert await stop(register, on=False)
    assert [(await settle(book, first)).outcome, (await credit(book, second)).outcome] == ["posted", "posted"]
    assert (await register.withdrawals.reserve(a_withdrawal("W1", 400), LIMITS, now=NOW)).outcome == "reserved"


async def test_a_freeze_lets_the_buyers_money_go_back(register: Register, book: Book) -> None:
    order = await funded(register, book, "A1")
    await stop(register)
    assert (await refund(book, order)).moved


async def test_a_freeze_is_noted_once_and_both_are_told_once(register: Register) -> None:
    assert sum(await asyncio.gather(*(stop(register) for _ in range(5)))) == 1
    assert sum(await asyncio.gather(*(stop(register, on=False) for _ in range(5)))) == 1
    notices = await register.notices.read(subject="merchant/m-1")
    rows = [(one.to, one.name, one.facts["what"], one.facts["value"], one.merchant_id) for one in notices]
    assert rows == [
        (to, "merchant_changed", "frozen", value, "m-1") for value in ("yes", "") for to in ("merchant", "operator")
    ]
    assert [(one.value, one.who) for one in await register.merchants.moves("m-1")].count(("yes", "ann")) == 1


async def test_no_array_of_movements_passes_a_freeze(register: Register, book: Book, database: Database) -> None:
    await funded(register, book, "A1")
    await stop(register)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="its merchant is frozen"):
        await database.pool.fetch(
            "SELECT * FROM post_movements(ARRAY['order/A1/credit'], ARRAY['CNY'], ARRAY[now()], ARRAY[NULL::TEXT],"
            " ARRAY['order/A1/escrow'], ARRAY[1], ARRAY['order/A1/escrow'], ARRAY['order/A1/proceeds'],"
            " ARRAY[1000::BIGINT])"
        )


async def test_once_a_freeze_has_returned_nothing_is_credited(register: Register, book: Book) -> None:
    """The proof `frozen_merchants` compares the moments at the end of this test."""
    orders = [await funded(register, book, f"A{number}") for number in range(12)]

    async def freeze_between() -> Posted:
        await asyncio.sleep(0.01)
        await stop(register)
        return await credit(book, orders[0])

    *credited, last = await asyncio.gather(*(credit(book, order) for order in orders), freeze_between())
    assert {posted.outcome for posted in credited} <= {"posted", "held"}
    assert last.outcome in {"held", "exists"}


async def test_a_frozen_or_suspended_merchant_has_no_payout_opened(register: Register, book: Book) -> None:
    await earned(register, book, 5000)
    await stop(register, "suspended")
    assert (await register.merchants.standing("m-1")).stop == "merchant_suspended"
    await stop(register)
    assert (await register.merchants.standing("m-1")).stop == "merchant_frozen"
    refusal = await register.withdrawals.obstacle("m-1", "acc-1", "CNY")
    assert refusal is not None
    assert refusal.code == "merchant_frozen"


async def test_a_credit_beside_a_freeze_is_found_by_the_proof(
    register: Register, book: Book, database: Database
) -> None:
    database.broken = True
    order = await funded(register, book, "A1")
    await stop(register)
    await database.owner.execute("ALTER FUNCTION merchant_value(TEXT, TEXT) RENAME TO kept_value")
    await database.owner.execute(
        "CREATE FUNCTION merchant_value(TEXT, TEXT) RETURNS TEXT LANGUAGE sql AS 'SELECT NULL::TEXT'"
    )
    try:
        assert (await credit(Book(database.owner), order)).moved
    finally:
        await database.owner.execute("DROP FUNCTION merchant_value(TEXT, TEXT)")
        await database.owner.execute("ALTER FUNCTION kept_value(TEXT, TEXT) RENAME TO merchant_value")
    assert "frozen_merchants" in await failing(database)


async def test_the_workers_role_sets_no_terms(register: Register) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await register.merchants.set_term("m-1", MerchantTerms(commission_bps=0), ANN, "as a worker", NOW)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await register.merchants._call(
            "SELECT stop_merchant('m-1', 'commission_bps', '0', 'operator', 'ann', 'as a worker', now())"
        )
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await register.merchants.require_deposit("m-1", 0, "CNY", by=ANN, why="as a worker", now=NOW)


# --- by itself -----------------------------------------------------------------------------------------------


async def _owes(database: Database, amount: int, days_ago: int, number: int) -> None:
    legs = [Leg(OWES, "suspense", amount)]
    await Book(database.owner).post_all([adjustment(f"adjust/{number}", "CNY", NOW - days_ago * DAY, legs)])


async def test_an_overdue_debt_calls_merchant_and_operator_once_for_its_oldest_part(
    register: Register, database: Database
) -> None:
    await _owes(database, 100, 30, 1)
    assert await look_after_merchants(register, NOW, 31 * DAY) == Upkeep()
    await _owes(database, 200, 10, 2)
    done = await asyncio.gather(*(look_after_merchants(register, NOW + DAY, 31 * DAY) for _ in range(3)))
    assert sum(one.called for one in done) == 1
    (first, second) = await register.notices.read(subject="merchant/m-1")
    assert {first.to, second.to} == {"merchant", "operator"}
    assert (first.name, first.facts["amount_minor"]) == ("receivable_overdue", "300")
    pay = paid_in("m-1", "P1", channel="wechat", amount_minor=100, currency="CNY", occurred_at=NOW)
    assert (await register.receivables.pay_in(pay)).moved
    assert (await look_after_merchants(register, NOW + 5 * DAY, 31 * DAY)).called == 0, "the rest is younger"
    assert (await look_after_merchants(register, NOW + 25 * DAY, 31 * DAY)).called == 1


# --- every road ----------------------------------------------------------------------------------------------


_SETTLE = (
    "SELECT outcome FROM post_movements(ARRAY['order/A1/settle'], ARRAY['CNY'], ARRAY[now()], ARRAY[NULL::TEXT],"
    " ARRAY['order/A1/proceeds'], ARRAY[1], ARRAY['order/A1/proceeds'], ARRAY['merchant/m-1/available'],"
    " ARRAY[950::BIGINT])"
)


async def test_an_array_that_began_before_a_freeze_is_over_before_it(
    register: Register, book: Book, database: Database
) -> None:
    orders = [await funded(register, book, name) for name in ("A1", "A2")]
    for order in orders:
        await credit(book, order)
    async with database.pool.acquire() as worker:
        async with worker.transaction():
            assert await worker.fetchval(_SETTLE) == "posted"
            freezing = asyncio.create_task(stop(register))
            await until_a_lock_is_waited_for(database)
            assert not freezing.done()
        assert await freezing
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="its merchant is frozen"):
            await worker.fetchval(_SETTLE.replace("A1", "A2"))


async def test_what_was_frozen_for_a_dispute_is_not_released_to_a_frozen_merchant(
    register: Register, book: Book, database: Database
) -> None:
    order = await funded(register, book, "A1")
    await credit(book, order, commission=0)
    await settle(book, order, 1000)
    names: dict[str, Any] = {"k": 1, "merchant_id": "m-1", "amount_minor": 600, "currency": "CNY", "occurred_at": NOW}
    assert (await book.post(freeze("A1", **names))).moved
    await stop(register)
    assert (await book.post(release("A1", **names))).outcome == "held"
    assert (await book.post_all([release("A1", **names)]))[0].outcome == "not_posted"
    assert (await database.balance("order/A1/frozen"), await database.balance(AVAILABLE)) == (600, 400)
    await stop(register, on=False)
    assert (await book.post(release("A1", **names))).moved


async def test_a_correction_makes_nothing_available_to_a_frozen_merchant(
    register: Register, database: Database
) -> None:
    for number, legs in enumerate([Leg("suspense", AVAILABLE, 500), Leg(AVAILABLE, "suspense", 500)]):
        await Book(database.owner).post_all([adjustment(f"adjust/{number}", "CNY", NOW, [legs])])
    await stop(register)

    async def say(person: str) -> str:
        answer = await register.corrections.correct("K1", "adjust/1", person=person, reason="wrong", now=NOW)
        return answer.outcome

    assert [await say(person) for person in ("ann", "bob")] == ["asked", "merchant_frozen"]
    await stop(register, on=False)
    assert await say("bob") == "corrected"


async def test_a_payout_that_nobody_sent_is_not_booked_for_a_frozen_merchant(register: Register, book: Book) -> None:
    await earned(register, book, 1000)
    withdrawal = a_withdrawal("W1", 400)
    await register.withdrawals.reserve(withdrawal, LIMITS, now=NOW)
    await stop(register)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="its merchant is frozen"):
        await pay(book, withdrawal)
    assert (await void(book, withdrawal)).moved, "it stays within the merchant's money"


async def test_a_freeze_whose_command_died_is_known_and_the_next_one_reaches_its_orders(
    register: Register, book: Book
) -> None:
    """The decision is stored before any order is told: the database holds their money meanwhile."""
    order = await funded(register, book, "A1")
    assert await stop(register)
    assert (await credit(book, order)).outcome == "held"
    assert not await stop(register), "the same command again changes nothing"
    assert await register.merchants.to_hold("m-1") == ["A1"]
    held = {"holds": [{"name": "merchant_frozen"}], "funded": True}
    await register.orders.record(a_record("A1", state=held))
    assert await register.merchants.to_hold("m-1") == []
    assert await register.merchants.to_let_go("m-1", "merchant_frozen") == ["A1"]


async def test_a_hold_is_answered_as_let_go_where_its_merchant_was_before_the_record(
    register: Register, book: Book
) -> None:
    await funded(register, book, "A1")
    stopped = [{"name": name} for name in ("merchant_frozen", "merchant_suspended", "risk")]
    await stop(register)

    async def answer(revision: int) -> tuple[str, ...]:
        state = {"holds": stopped, "funded": True}
        return (await register.orders.record(a_record("A1", revision=revision, state=state))).let_go

    assert await answer(1) == ("merchant_suspended",)
    await stop(register, on=False)
    assert await answer(2) == ("merchant_frozen", "merchant_suspended")


async def test_a_record_of_a_hold_and_its_merchants_release_do_not_miss_each_other(
    register: Register, book: Book, database: Database
) -> None:
    await funded(register, book, "A1")
    await stop(register)
    record = a_record("A1", state={"holds": [{"name": "merchant_frozen"}], "funded": True})
    async with database.owner.acquire() as recording:
        async with recording.transaction():
            await recording.fetchval("SELECT record_order($1)", record)
            assert await recording.fetchval("SELECT holds_to_let_go($1)", record) == []
            release = asyncio.create_task(stop(register, on=False))
            await until_a_lock_is_waited_for(database)
        assert await release
    assert await register.merchants.to_let_go("m-1", "merchant_frozen") == ["A1"]
