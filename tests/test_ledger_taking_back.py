"""Money taken back from where it is: once, whole or not at all, and never more than there was."""

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
    NOW,
    OWES,
    a_record,
    a_withdrawal,
    bound,
    credit,
    funded,
    refund,
    refund_arrived,
    settle,
    settled_order,
)

from core import movements
from core.messages import Order
from core.movements import Leg, LinePart, Taken, adjustment
from core.steps import Posted
from core.withdrawal.policy import WithdrawalPolicy
from ledger.book import Book
from ledger.register import Register

DEPOSIT = "merchant/m-1/deposit"


async def spend(register: Register, amount: int, withdrawal_id: str = "W1") -> None:
    """The merchant withdraws so much."""
    wanted = a_withdrawal(withdrawal_id, amount)
    answer = await register.withdrawals.reserve(wanted, WithdrawalPolicy(minimum_minor=1), now=NOW)
    assert answer.outcome == "reserved"


async def _deposited(database: Database, amount: int) -> None:
    await Book(database.owner).post_all([adjustment("deposit/1", "CNY", NOW, [Leg(HAS, DEPOSIT, amount)])])


async def _back(book: Book, order: Order, taken: Taken = ALL_TAKEN, cause: str = "case-1", **fields: Any) -> Posted:
    return await refund(book, order, cause, taken=taken, **fields)


# --- where it comes from --------------------------------------------------------------------------------------


async def test_after_the_credit_proceeds_and_commission_pay_and_the_platform_gets_its_discount_back(
    database: Database, book: Book, register: Register
) -> None:
    order = await funded(register, book, discount_minor=0)
    await credit(book, order)
    taken = Taken(place="proceeds", merchant_minor=190, commission_minor=10)
    assert (await _back(book, order, taken)).outcome == "posted"
    assert await database.balances("order/A1/proceeds", "income/commission") == [760, 40]
    assert await database.balance("order/A1/refund_payable/case-1") == 200
    assert (await settle(book, order, 760)).outcome == "posted"


async def test_after_the_settlement_the_merchants_available_money_pays_first(
    database: Database, book: Book, register: Register
) -> None:
    order = await settled_order(register, book)
    assert (await _back(book, order, Taken(place="merchant", merchant_minor=475, commission_minor=25))).moved
    assert await database.balances(HAS, OWES, "order/A1/refund_payable/case-1") == [475, 0, 500]


async def test_then_the_deposit_and_only_the_rest_is_owed(database: Database, book: Book, register: Register) -> None:
    order = await settled_order(register, book)
    await _deposited(database, 300)
    await bound(register)
    await spend(register, 500)
    assert (await _back(book, order)).outcome == "posted"
    assert await database.balances(HAS, DEPOSIT, OWES) == [0, 0, 500]
    assert await database.balance("order/A1/refund_payable/case-1") == 1000


async def test_what_is_owed_is_repaid_by_the_next_settlement(
    database: Database, book: Book, register: Register
) -> None:
    order = await settled_order(register, book)
    await bound(register)
    await spend(register, 950)
    await _back(book, order)
    assert await database.balances(HAS, OWES) == [0, 950]
    await settled_order(register, book, "A2")
    assert await database.balances(HAS, OWES) == [0, 0]


async def test_the_platform_bears_it_and_the_merchant_keeps_the_money(
    database: Database, book: Book, register: Register
) -> None:
    order = await settled_order(register, book)
    assert (await _back(book, order, Taken(place="merchant", goodwill_minor=300))).moved
    assert await database.balances(HAS, "expense/goodwill", "income/commission") == [950, 300, 50]


# --- once -----------------------------------------------------------------------------------------------------


async def test_a_retry_gets_the_first_split_whatever_the_merchant_has_by_then(
    database: Database, book: Book, register: Register
) -> None:
    """The worker dies after the posting; when it asks again the merchant has earned something else."""
    order = await settled_order(register, book)
    await bound(register)
    await spend(register, 950)
    assert (await _back(book, order)).outcome == "posted"
    await settled_order(register, book, "A2", merchant_id="m-1")
    before = await database.balances(HAS, OWES)
    assert (await _back(book, order)).outcome == "exists"
    assert await database.balances(HAS, OWES) == before


async def test_two_who_take_back_at_once_take_no_more_than_was_paid(
    database: Database, book: Book, register: Register
) -> None:
    order = await settled_order(register, book)
    answers = await asyncio.gather(*(_back(book, order, cause=f"case-{n}") for n in range(6)), return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, asyncpg.InsufficientPrivilegeError)]
    assert len(refused) == 5
    assert "more than was paid" in str(refused[0])
    assert await database.balances(HAS, OWES) == [0, 0]


async def test_many_at_once_never_leave_a_merchant_with_money_and_a_debt(
    database: Database, book: Book, register: Register
) -> None:
    orders = [await settled_order(register, book, f"A{n}") for n in range(8)]
    await bound(register)
    await spend(register, 4000)
    more = [await funded(register, book, f"B{n}") for n in range(4)]
    for order in more:
        await credit(book, order)
    await asyncio.gather(*(_back(book, order) for order in orders), *(settle(book, order) for order in more))
    owed = await database.balance(OWES)
    assert await database.balances(HAS, OWES) == [0, owed]
    assert owed == 8 * 950 - (8 * 950 - 4000) - 4 * 950


async def test_nothing_of_a_refund_stands_where_its_record_cannot(
    database: Database, book: Book, register: Register
) -> None:
    order = await settled_order(register, book)
    lines = (LinePart(line_id="9", paid_minor=1000, amount_minor=1000),)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="no such lines"):
        await _back(book, order, lines=lines)
    assert await database.balances(HAS, OWES) == [950, 0]


# --- by line --------------------------------------------------------------------------------------------------


def _line(amount: int, paid: int = 1000) -> tuple[LinePart, ...]:
    return (LinePart(line_id="1", paid_minor=paid, amount_minor=amount),)


async def test_what_was_paid_for_a_line_is_known_since_its_first_refund(
    database: Database, book: Book, register: Register
) -> None:
    order = await funded(register, book, freight_minor=0)
    assert (await refund(book, order, "case-1", 700, lines=_line(700))).outcome == "posted"
    over = await refund(book, order, "case-2", 300, lines=_line(300, paid=900))
    assert (over.outcome, over.account) == ("posted", None)
    assert await database.balance("order/A1/escrow") == 0


async def test_two_refunds_of_one_line_decided_at_once_are_refused_together(
    database: Database, book: Book, register: Register
) -> None:
    order = await funded(register, book)
    paid = 600  # the rest of the order is freight and other lines
    answers = await asyncio.gather(*(refund(book, order, f"case-{n}", 400, lines=_line(400, paid)) for n in range(2)))
    assert sorted(answer.outcome for answer in answers) == ["conflict", "posted"]
    (lost,) = [answer for answer in answers if answer.outcome == "conflict"]
    assert (lost.account, lost.short_by_minor) == ("order/A1/lines", 200)
    assert await database.balance("order/A1/escrow") == 600


# --- fences ---------------------------------------------------------------------------------------------------


async def test_the_buyers_refund_arrives_whole(database: Database, book: Book, register: Register) -> None:
    order = await funded(register, book)
    await refund(book, order, "case-1", 400)
    short = await refund_arrived(book, order, "case-1", 300)
    assert (short.outcome, short.account, short.short_by_minor) == ("conflict", "order/A1/refund_payable/case-1", 100)
    assert (await refund_arrived(book, order, "case-1", 400)).outcome == "posted"


@pytest.mark.parametrize(
    ("taken", "why"),
    [
        (Taken(place="merchant", merchant_minor=100), "before the settlement"),
        (Taken(place="proceeds", merchant_minor=900, commission_minor=51), "more commission back"),
        (Taken(place="proceeds", merchant_minor=900, discount_minor=1), "more discount back"),
        (Taken(place="proceeds", goodwill_minor=1001), "more than was paid"),
        (Taken(place="proceeds"), "moves nothing"),
    ],
)
async def test_a_refund_takes_only_what_the_order_gave(
    database: Database, book: Book, register: Register, taken: Taken, why: str
) -> None:
    order = await funded(register, book)
    await credit(book, order)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match=why):
        await _back(book, order, taken)
    assert await database.balances("order/A1/proceeds", "income/commission") == [950, 50]


# --- frozen ---------------------------------------------------------------------------------------------------


def _freeze(amount: int, k: int = 1) -> movements.Movement:
    return movements.freeze("A1", k=k, merchant_id="m-1", amount_minor=amount, **AT)


async def test_a_dispute_freezes_at_most_what_is_available(database: Database, book: Book, register: Register) -> None:
    await settled_order(register, book)
    await bound(register)
    await spend(register, 600)
    assert (await book.post(_freeze(950))).outcome == "posted"
    assert await database.balances(HAS, "order/A1/frozen") == [0, 350]
    assert (await book.post(_freeze(950))).outcome == "exists"
    nothing = await book.post(_freeze(950, k=2))
    assert (nothing.outcome, nothing.account, nothing.short_by_minor) == ("insufficient_funds", HAS, 950)


async def test_frozen_money_is_used_before_any_other(database: Database, book: Book, register: Register) -> None:
    order = await settled_order(register, book)
    await settled_order(register, book, "A2")
    await book.post(_freeze(600))
    await _back(book, order, Taken(place="merchant", merchant_minor=950, commission_minor=50))
    assert await database.balances("order/A1/frozen", HAS, OWES) == [0, 950, 0]


async def test_a_freeze_and_withdrawals_at_once_share_what_there_is(
    database: Database, book: Book, register: Register
) -> None:
    await settled_order(register, book)
    await bound(register)

    policy = WithdrawalPolicy(minimum_minor=1)
    wanted = [a_withdrawal(f"W{number}", 400) for number in range(3)]
    freezing = asyncio.create_task(book.post(_freeze(950)))
    await asyncio.gather(*(register.withdrawals.reserve(one, policy, now=NOW) for one in wanted))
    posted = await freezing
    reserved = await database.balances(*(f"withdrawal/{one.withdrawal_id}/reserved" for one in wanted))
    frozen, has = await database.balances("order/A1/frozen", HAS)
    assert (posted.outcome, frozen + sum(reserved), has) == ("posted", 950, 0)


async def test_what_a_dispute_took_of_frozen_money_and_gave_back_is_frozen_again_at_most_once(
    database: Database, book: Book, register: Register
) -> None:
    """The same freeze many times at once, beside a withdrawal: what was there is frozen or reserved, and no more."""
    await settled_order(register, book)
    await bound(register)
    await book.post(_freeze(950))
    taken = Taken(place="merchant", merchant_minor=285, commission_minor=15)
    dispute: dict[str, Any] = {"k": 1, "channel": "wechat", "merchant_id": "m-1", **AT}
    assert (await book.post(movements.chargeback("A1", taken=taken, **dispute))).outcome == "posted"
    assert await database.balances("order/A1/frozen", HAS, OWES) == [665, 0, 0]
    won = movements.chargeback_won("A1", k=1, **AT)
    assert [(await book.post(won)).outcome for _ in range(2)] == ["posted", "exists"]
    assert await database.balances("order/A1/frozen", HAS, OWES) == [665, 285, 0]
    withdrawing = asyncio.create_task(
        register.withdrawals.reserve(a_withdrawal("W1", 100), WithdrawalPolicy(minimum_minor=1), now=NOW)
    )
    answers = await asyncio.gather(*(book.post(_freeze(285, k=2)) for _ in range(8)))
    await withdrawing
    assert sorted(one.outcome for one in answers) == ["exists"] * 7 + ["posted"]
    frozen, has = await database.balances("order/A1/frozen", HAS)
    reserved = await database.balance("withdrawal/W1/reserved")
    assert (frozen + reserved, has) == (950, 0)


async def test_released_money_is_available_again_and_repays_first(
    database: Database, book: Book, register: Register
) -> None:
    await settled_order(register, book)
    other = await settled_order(register, book, "A2")
    await book.post(_freeze(1900))
    await _back(book, other)  # nothing is available, and this order has nothing frozen
    assert await database.balances("order/A1/frozen", OWES) == [1900, 950]
    release = movements.release("A1", k=1, merchant_id="m-1", amount_minor=10_000, **AT)
    assert (await book.post(release)).outcome == "posted"
    assert await database.balances("order/A1/frozen", HAS, OWES) == [0, 950, 0]
    assert (await book.post(release)).outcome == "exists"


async def test_a_record_that_came_too_late_is_said_to_be_overtaken_whatever_was_won(
    book: Book, register: Register
) -> None:
    """A lost try recorded something else meanwhile: the workflow must not believe that its record was kept."""
    order = await settled_order(register, book)
    taken: dict[str, Any] = {"k": 1, "channel": "wechat", "merchant_id": "m-1", "taken": ALL_TAKEN, **AT}
    done: dict[str, Any] = {"phase": "settled", "audit": "approved", "receipt": "confirmed"}
    back, none = {**done, "refunded_minor": 1000}, {**done, "refunded_minor": 0}
    await book.post(movements.chargeback(order.order_id, **taken), a_record(revision=1, **back))
    await register.orders.record(a_record(revision=2, **{**back, "state": {"recorded_revision": 1}}))
    won = movements.chargeback_won(order.order_id, k=1, **AT)
    late = a_record(revision=3, **{**none, "state": {"recorded_revision": 1}})
    posted = await book.post(won, late)
    assert (posted.outcome, posted.overtaken) == ("posted", True)
    kept = a_record(revision=4, **{**none, "state": {"recorded_revision": 2}})
    again = [await book.post(won, kept) for _ in range(2)]
    assert [(one.outcome, one.overtaken) for one in again] == [("exists", False)] * 2


@pytest.mark.parametrize("holds", [[None], [7], ["odd"], [{"scope": "all"}], {"name": "x"}, None])
async def test_odd_holds_stop_no_record(book: Book, register: Register, holds: Any) -> None:
    await funded(register, book)
    await register.orders.record(a_record(state={"funded": True, "holds": holds}))
    row = await register.orders.row("A1")
    assert row is not None
    assert row.holds in {(), ("x",)}
