"""Merchants: what stops their money at once, and deposits that are filled first and given back last."""

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
    refund_arrived,
    settle,
    void,
)

from core.merchants import MerchantTerms, Stop
from core.messages import Actor
from core.movements import Leg, Taken, adjustment, freeze, paid_in, release
from core.steps import Posted
from ledger.book import Book
from ledger.proofs import prove
from ledger.register import Register
from ledger.upkeep import Upkeep, look_after_merchants

ANN = Actor(role="operator", id="ann")
DEPOSIT, AVAILABLE, OWES = (f"merchant/m-1/{part}" for part in ("deposit", "available", "receivable"))


async def _stop(register: Register, what: Stop = "frozen", *, on: bool = True) -> bool:
    return await register.merchants.stop("m-1", what, on=on, by=ANN, why="looks odd", now=NOW)


async def _require(database: Database, amount: int | None, **fields: Any) -> bool:
    given = {"merchant_id": "m-1", "currency": "CNY", "by": ANN, "why": "new here", "now": NOW, **fields}
    return await Register(database.owner).merchants.require_deposit(required_minor=amount, **given)


async def _settled(register: Register, book: Book, name: str, amount: int = 1000) -> None:
    """An order that brought its merchant this much; it is closed."""
    order = await funded(register, book, name, amount)
    await credit(book, order, commission=0)
    done: dict[str, Any] = {
        "phase": "settled",
        "audit": "approved",
        "receipt": "confirmed",
        "closed": True,
        "state": {"funded": True},
    }
    assert (await settle(book, order, amount, record=a_record(name, **done))).moved


async def _failing(database: Database) -> set[str]:
    return {proof.name for proof in await prove(database.pool) if not proof.holds}


# --- frozen --------------------------------------------------------------------------------------------------


async def test_a_freeze_stops_credit_settlement_and_withdrawals_until_it_is_lifted(
    register: Register, book: Book
) -> None:
    await earned(register, book, 5000)
    first, second = await funded(register, book, "A1"), await funded(register, book, "A2")
    assert (await credit(book, first)).moved
    assert await _stop(register)
    assert [(await settle(book, first)).outcome, (await credit(book, second)).outcome] == ["held", "held"]
    answer = await register.withdrawals.reserve(a_withdrawal("W1", 400), LIMITS, now=NOW)
    assert answer.refusal is not None
    assert answer.refusal.code == "merchant_frozen"
    assert (await credit(book, first)).outcome == "exists", "what stands is answered as it is"
    assert await _stop(register, on=False)
    assert [(await settle(book, first)).outcome, (await credit(book, second)).outcome] == ["posted", "posted"]
    assert (await register.withdrawals.reserve(a_withdrawal("W1", 400), LIMITS, now=NOW)).outcome == "reserved"


async def test_a_freeze_lets_the_buyers_money_go_back(register: Register, book: Book) -> None:
    order = await funded(register, book, "A1")
    await _stop(register)
    assert (await refund(book, order)).moved


async def test_a_freeze_is_noted_once_and_both_are_told_once(register: Register) -> None:
    assert sum(await asyncio.gather(*(_stop(register) for _ in range(5)))) == 1
    assert sum(await asyncio.gather(*(_stop(register, on=False) for _ in range(5)))) == 1
    notices = await register.notices.read(subject="merchant/m-1")
    rows = [(one.to, one.name, one.facts["what"], one.facts["value"], one.merchant_id) for one in notices]
    assert rows == [
        (to, "merchant_changed", "frozen", value, "m-1") for value in ("yes", "") for to in ("merchant", "operator")
    ]
    assert [(one.value, one.who) for one in await register.merchants.moves("m-1")].count(("yes", "ann")) == 1


async def test_no_array_of_movements_passes_a_freeze(register: Register, book: Book, database: Database) -> None:
    await funded(register, book, "A1")
    await _stop(register)
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
        await _stop(register)
        return await credit(book, orders[0])

    *credited, last = await asyncio.gather(*(credit(book, order) for order in orders), freeze_between())
    assert {posted.outcome for posted in credited} <= {"posted", "held"}
    assert last.outcome in {"held", "exists"}


async def test_a_frozen_or_suspended_merchant_has_no_payout_opened(register: Register, book: Book) -> None:
    await earned(register, book, 5000)
    await _stop(register, "suspended")
    assert (await register.merchants.standing("m-1")).stop == "merchant_suspended"
    await _stop(register)
    assert (await register.merchants.standing("m-1")).stop == "merchant_frozen"
    refusal = await register.withdrawals.obstacle("m-1", "acc-1", "CNY")
    assert refusal is not None
    assert refusal.code == "merchant_frozen"


async def test_a_credit_beside_a_freeze_is_found_by_the_proof(
    register: Register, book: Book, database: Database
) -> None:
    database.broken = True
    order = await funded(register, book, "A1")
    await _stop(register)
    await database.owner.execute("ALTER FUNCTION merchant_value(TEXT, TEXT) RENAME TO kept_value")
    await database.owner.execute(
        "CREATE FUNCTION merchant_value(TEXT, TEXT) RETURNS TEXT LANGUAGE sql AS 'SELECT NULL::TEXT'"
    )
    try:
        assert (await credit(Book(database.owner), order)).moved
    finally:
        await database.owner.execute("DROP FUNCTION merchant_value(TEXT, TEXT)")
        await database.owner.execute("ALTER FUNCTION kept_value(TEXT, TEXT) RENAME TO merchant_value")
    assert "frozen_merchants" in await _failing(database)


async def test_the_workers_role_sets_no_terms(register: Register) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await register.merchants.set_term("m-1", MerchantTerms(commission_bps=0), ANN, "as a worker", NOW)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await register.merchants._call(
            "SELECT stop_merchant('m-1', 'commission_bps', '0', 'operator', 'ann', 'as a worker', now())"
        )
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await register.merchants.require_deposit("m-1", 0, "CNY", by=ANN, why="as a worker", now=NOW)


# --- deposits ------------------------------------------------------------------------------------------------


async def test_a_settlement_fills_the_deposit_before_anything_is_available(
    register: Register, book: Book, database: Database
) -> None:
    assert await _require(database, 1500)
    assert not await _require(database, 1500)
    await _settled(register, book, "A1")
    assert [await database.balance(path) for path in (DEPOSIT, AVAILABLE)] == [1000, 0]
    await _settled(register, book, "A2")
    assert [await database.balance(path) for path in (DEPOSIT, AVAILABLE)] == [1500, 500]
    await _settled(register, book, "A3")
    assert [await database.balance(path) for path in (DEPOSIT, AVAILABLE)] == [1500, 1500]
    (deposit,) = await register.merchants.deposits("m-1")
    assert (deposit.required_minor, deposit.held_minor) == (1500, 1500)


async def test_a_settlement_that_is_repeated_fills_the_deposit_once(
    register: Register, book: Book, database: Database
) -> None:
    await _require(database, 5000)
    order = await funded(register, book, "A1")
    await credit(book, order, commission=0)
    answers = await asyncio.gather(*(settle(book, order, 1000) for _ in range(4)))
    assert sorted(one.outcome for one in answers) == ["exists", "exists", "exists", "posted"]
    assert await database.balance(DEPOSIT) == 1000


async def test_settlements_at_once_fill_the_deposit_to_the_cent(
    register: Register, book: Book, database: Database
) -> None:
    await _require(database, 2500)
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
    await _require(database, 700, merchant_id=None, grade="bronze")
    assert [one.required_minor for one in await register.merchants.deposits("m-1")] == [700]
    await _require(database, 300)
    assert [one.required_minor for one in await register.merchants.deposits("m-1")] == [300]
    await _require(database, None)
    assert [one.required_minor for one in await register.merchants.deposits("m-1")] == [700]
    assert await register.merchants.deposits("m-2") == []


async def test_what_is_owed_is_repaid_before_the_deposit_is_filled(
    register: Register, book: Book, database: Database
) -> None:
    await _settled(register, book, "A1")
    order = await funded(register, book, "A2", 1000)
    await credit(book, order, commission=0)
    await settle(book, order, 1000)
    taken = Taken(place="merchant", merchant_minor=1000)
    assert (await refund(book, order, "back", taken=taken)).moved
    await _require(database, 400)
    await _settled(register, book, "A3", 600)
    assert [await database.balance(path) for path in (DEPOSIT, AVAILABLE, OWES)] == [400, 1200, 0]


async def test_a_refund_takes_the_deposit_after_what_is_available_and_it_is_filled_again(
    register: Register, book: Book, database: Database
) -> None:
    await _require(database, 800)
    order = await funded(register, book, "A1")
    await credit(book, order, commission=0)
    await settle(book, order, 1000)
    taken = Taken(place="merchant", merchant_minor=600)
    assert (await refund(book, order, "back", taken=taken)).moved
    assert [await database.balance(path) for path in (DEPOSIT, AVAILABLE, OWES)] == [400, 0, 0]
    await _settled(register, book, "A2")
    assert [await database.balance(path) for path in (DEPOSIT, AVAILABLE)] == [800, 600]


async def test_a_merchant_that_leaves_gets_the_deposit_back_after_its_last_order(
    register: Register, book: Book, database: Database
) -> None:
    await _require(database, 800)
    await _settled(register, book, "A1")
    back = register.merchants.pay_deposit_back
    assert (await back("m-1", "CNY", NOW)).outcome == "nothing"
    order = await funded(register, book, "A2")
    assert await _stop(register, "leaving")
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
    await _require(database, 800)
    await _settled(register, book, "A1")
    await _stop(register, "leaving")
    await _stop(register)
    assert (await register.merchants.pay_deposit_back("m-1", "CNY", NOW + 60 * DAY)).outcome == "merchant_frozen"
    assert await database.balance(DEPOSIT) == 800


async def test_less_that_is_required_gives_back_the_rest(register: Register, book: Book, database: Database) -> None:
    await _require(database, 800)
    await _settled(register, book, "A1")
    await _require(database, 300)
    paid = await register.merchants.pay_deposit_back("m-1", "CNY", NOW)
    assert (paid.outcome, paid.amount_minor) == ("paid_back", 500)
    assert [await database.balance(path) for path in (DEPOSIT, AVAILABLE)] == [300, 700]


async def test_money_that_passed_a_deposit_by_is_found_by_the_proof(
    register: Register, book: Book, database: Database
) -> None:
    database.broken = True
    await _require(database, 800)
    await database.owner.execute("ALTER FUNCTION deposit_required(TEXT, TEXT) RENAME TO kept_required")
    await database.owner.execute(
        "CREATE FUNCTION deposit_required(TEXT, TEXT) RETURNS BIGINT LANGUAGE sql AS 'SELECT 0::BIGINT'"
    )
    try:
        await _settled(register, Book(database.owner), "A1")
    finally:
        await database.owner.execute("DROP FUNCTION deposit_required(TEXT, TEXT)")
        await database.owner.execute("ALTER FUNCTION kept_required(TEXT, TEXT) RENAME TO deposit_required")
    assert "deposits" in await _failing(database)


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


async def test_a_deposit_comes_back_by_itself_when_its_time_has_come(
    register: Register, book: Book, database: Database
) -> None:
    await _require(database, 800)
    await _settled(register, book, "A1")
    await _stop(register, "leaving")
    assert (await look_after_merchants(register, NOW + 29 * DAY, DAY)).paid_back == 0
    assert (await look_after_merchants(register, NOW + 30 * DAY, DAY)).paid_back == 1
    assert (await look_after_merchants(register, NOW + 30 * DAY, DAY)).paid_back == 0
    assert [await database.balance(path) for path in (DEPOSIT, AVAILABLE)] == [0, 1000]


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
            freezing = asyncio.create_task(_stop(register))
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
    await _stop(register)
    assert (await book.post(release("A1", **names))).outcome == "held"
    assert (await book.post_all([release("A1", **names)]))[0].outcome == "not_posted"
    assert (await database.balance("order/A1/frozen"), await database.balance(AVAILABLE)) == (600, 400)
    await _stop(register, on=False)
    assert (await book.post(release("A1", **names))).moved


async def test_a_correction_makes_nothing_available_to_a_frozen_merchant(
    register: Register, database: Database
) -> None:
    for number, legs in enumerate([Leg("suspense", AVAILABLE, 500), Leg(AVAILABLE, "suspense", 500)]):
        await Book(database.owner).post_all([adjustment(f"adjust/{number}", "CNY", NOW, [legs])])
    await _stop(register)

    async def say(person: str) -> str:
        answer = await register.corrections.correct("K1", "adjust/1", person=person, reason="wrong", now=NOW)
        return answer.outcome

    assert [await say(person) for person in ("ann", "bob")] == ["asked", "merchant_frozen"]
    await _stop(register, on=False)
    assert await say("bob") == "corrected"


async def test_a_deposit_that_a_refund_takes_meanwhile_is_not_given_back_too(
    register: Register, book: Book, database: Database
) -> None:
    await _require(database, 1000)
    order = await funded(register, book, "A1")
    await credit(book, order, commission=0)
    await settle(book, order, 1000)
    await _require(database, 0)
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


async def test_a_payout_that_nobody_sent_is_not_booked_for_a_frozen_merchant(register: Register, book: Book) -> None:
    await earned(register, book, 1000)
    withdrawal = a_withdrawal("W1", 400)
    await register.withdrawals.reserve(withdrawal, LIMITS, now=NOW)
    await _stop(register)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="its merchant is frozen"):
        await pay(book, withdrawal)
    assert (await void(book, withdrawal)).moved, "it stays within the merchant's money"


async def test_a_freeze_whose_command_died_is_known_and_the_next_one_reaches_its_orders(
    register: Register, book: Book
) -> None:
    """The decision is stored before any order is told: the database holds their money meanwhile."""
    order = await funded(register, book, "A1")
    assert await _stop(register)
    assert (await credit(book, order)).outcome == "held"
    assert not await _stop(register), "the same command again changes nothing"
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
    await _stop(register)

    async def answer(revision: int) -> tuple[str, ...]:
        state = {"holds": stopped, "funded": True}
        return (await register.orders.record(a_record("A1", revision=revision, state=state))).let_go

    assert await answer(1) == ("merchant_suspended",)
    await _stop(register, on=False)
    assert await answer(2) == ("merchant_frozen", "merchant_suspended")


async def test_a_record_of_a_hold_and_its_merchants_release_do_not_miss_each_other(
    register: Register, book: Book, database: Database
) -> None:
    await funded(register, book, "A1")
    await _stop(register)
    record = a_record("A1", state={"holds": [{"name": "merchant_frozen"}], "funded": True})
    async with database.owner.acquire() as recording:
        async with recording.transaction():
            await recording.fetchval("SELECT record_order($1)", record)
            assert await recording.fetchval("SELECT holds_to_let_go($1)", record) == []
            release = asyncio.create_task(_stop(register, on=False))
            await until_a_lock_is_waited_for(database)
        assert await release
    assert await register.merchants.to_let_go("m-1", "merchant_frozen") == ["A1"]
