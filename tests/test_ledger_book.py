"""The movements on a real PostgreSQL: happy, twice, with other content, without the money, and many at once."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from databases import Database
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
from core.messages import Order
from core.movements import Leg, Movement, Taken, adjustment
from core.steps import Posted
from ledger.book import Book, NotPosted
from ledger.register import Register

# --- one order -------------------------------------------------------------------------------------------


async def test_an_order_goes_from_the_channel_to_the_merchant(
    database: Database, book: Book, register: Register
) -> None:
    order = await funded(register, book)
    assert await database.balance("psp/wechat") == 1000
    assert (await credit(book, order, commission=50)).outcome == "posted"
    assert await database.balance("order/A1/proceeds") == 950
    assert await database.balance("income/commission") == 50
    assert (await settle(book, order, 950)).outcome == "posted"
    assert await register.withdrawals.available("m-1", "CNY") == 950
    assert await database.balance("order/A1/escrow") == 0


async def test_a_platform_funded_discount_comes_on_top_of_what_the_buyer_paid(
    database: Database, book: Book, register: Register
) -> None:
    platforms: dict[str, Any] = {
        "discount_minor": 30,
        "discount_funded_by": "platform",
        "total_minor": 970,
        "paid": 970,
    }
    order = await funded(register, book, **platforms)
    await credit(book, order, commission=50, discount=30)
    assert await database.balance("order/A1/proceeds") == 950
    assert await database.balance("expense/discount") == 30


async def test_a_refund_reaches_the_buyer_through_what_is_owed(
    database: Database, book: Book, register: Register
) -> None:
    order = await funded(register, book)
    assert (await refund(book, order)).outcome == "posted"
    assert await database.balance("order/A1/refund_payable/cancel") == 1000
    assert (await refund_arrived(book, order)).outcome == "posted"
    assert await database.balance("order/A1/refund_payable/cancel") == 0
    assert await database.balance("psp/wechat") == 0


async def test_a_refund_between_credit_and_settlement_takes_the_commission_back(
    database: Database, book: Book, register: Register
) -> None:
    order = await funded(register, book)
    await credit(book, order, commission=50)
    took = movements.refund(
        "A1",
        cause="case-1",
        merchant_id="m-1",
        taken=Taken(place="proceeds", merchant_minor=190, commission_minor=10),
        currency="CNY",
        occurred_at=NOW,
    )
    assert (await book.post(took)).outcome == "posted"
    assert await database.balance("income/commission") == 40
    assert await database.balance("order/A1/refund_payable/case-1") == 200
    assert (await settle(book, order, 760)).outcome == "posted"


async def test_partial_refunds_have_a_reference_each_and_the_rest_is_credited(
    database: Database, book: Book, register: Register
) -> None:
    order = await funded(register, book)
    assert (await refund(book, order, "parcel-p1", 300)).moved
    assert (await refund(book, order, "parcel-p2", 200)).moved
    assert (await credit(book, order, commission=20, proceeds_minor=480)).moved
    assert await database.balance("order/A1/escrow") == 0


# --- twice, otherwise, without the money -----------------------------------------------------------------


async def _through(book: Book, order: Order) -> list[Posted]:
    """Every movement of an order that is partly refunded."""
    return [
        await fund(book, order),
        await refund(book, order, "parcel-p1", 400),
        await refund_arrived(book, order, "parcel-p1", 400),
        await credit(book, order, commission=30, proceeds_minor=570),
        await settle(book, order, 570),
    ]


async def test_a_movement_with_another_amount_under_its_reference_is_a_conflict(book: Book, register: Register) -> None:
    order = an_order()
    await opened(register, order)
    await _through(book, order)
    answers = [
        await book.post(movements.fund("A1", channel="wechat", amount_minor=999, currency="CNY", occurred_at=NOW)),
        await book.post(movements.fund("A1", channel="alipay", amount_minor=1000, currency="CNY", occurred_at=NOW)),
        await book.post(movements.fund("A1", channel="wechat", amount_minor=1000, currency="USD", occurred_at=NOW)),
        await refund(book, order, "parcel-p1", 401),
        await refund_arrived(book, order, "parcel-p1", 399),
        await credit(book, order, commission=31, proceeds_minor=569),
        await settle(book, order, 569),
    ]
    assert {answer.outcome for answer in answers} == {"conflict"}


async def test_a_retry_at_another_time_is_the_same_movement(book: Book, register: Register) -> None:
    await funded(register, book)
    later = NOW.replace(year=2027)
    again = movements.fund("A1", channel="wechat", amount_minor=1000, currency="CNY", occurred_at=later)
    assert (await book.post(again)).outcome == "exists"


async def test_a_movement_without_the_money_says_which_account_is_short_by_how_much(
    database: Database, book: Book, register: Register
) -> None:
    order = await funded(register, book)
    short = await refund(book, order, amount=1200)
    assert (short.outcome, short.account, short.short_by_minor) == ("insufficient_funds", "order/A1/escrow", 200)
    assert "short by 200" in short.detail
    assert (await credit(book, order, proceeds_minor=2000)).outcome == "insufficient_funds"
    assert (await settle(book, order)).outcome == "insufficient_funds"
    assert (await refund_arrived(book, order)).outcome == "insufficient_funds"
    assert await database.pool.fetchval("SELECT count(*) FROM movements") == 1


async def test_insufficient_funds_do_not_use_the_reference_up(book: Book, register: Register) -> None:
    order = an_order()
    await opened(register, order)
    assert (await refund(book, order)).outcome == "insufficient_funds"
    await fund(book, order)
    assert (await refund(book, order)).outcome == "posted"


async def test_a_credit_that_would_leave_something_in_escrow_is_a_conflict(book: Book, register: Register) -> None:
    order = await funded(register, book)
    left = await credit(book, order, commission=50, proceeds_minor=900)
    assert (left.outcome, left.account, left.short_by_minor) == ("conflict", "order/A1/escrow", 50)
    assert "stands against it by 50" in left.detail
    assert (await credit(book, order, commission=50)).outcome == "posted"


async def test_one_order_never_spends_anothers_money(book: Book, register: Register) -> None:
    await funded(register, book, "A1")
    poor = an_order("A2")
    await opened(register, poor)
    assert (await refund(book, poor)).outcome == "insufficient_funds"


async def test_money_of_another_currency_does_not_help(book: Book, register: Register) -> None:
    await funded(register, book, "A1", currency="USD")
    taken = Taken(place="escrow", merchant_minor=1)
    spent = movements.refund("A1", cause="cancel", merchant_id="m-1", taken=taken, currency="CNY", occurred_at=NOW)
    assert (await book.post(spent)).outcome == "insufficient_funds"


async def test_a_movement_without_legs_stands_under_its_reference(database: Database) -> None:
    book = Book(database.owner)
    empty = adjustment("adjust/1", "CNY", NOW, [Leg("psp/wechat", "suspense", 0)])
    assert [answer.outcome for answer in await book.post_all([empty])] == ["posted"]
    assert [answer.outcome for answer in await book.post_all([empty.model_copy(update={"legs": ()})])] == ["exists"]


async def test_a_path_that_no_rule_knows_opens_no_account(book: Book, database: Database) -> None:
    with pytest.raises(Exception, match="no account has the path order/A1/escroww"):
        await Book(database.owner).post(adjustment("x", "CNY", NOW, [Leg("psp/wechat", "order/A1/escroww", 5)]))
    assert await database.pool.fetchval("SELECT count(*) FROM accounts") == 0


async def test_a_negative_amount_is_refused_by_the_table(database: Database) -> None:
    with pytest.raises(Exception, match="amount_in_bounds"):
        await Book(database.owner).post(adjustment("x", "CNY", NOW, [Leg("psp/wechat", "suspense", -5)]))


# --- what a merchant owes --------------------------------------------------------------------------------


async def _owes(database: Database, merchant: str, amount: int) -> None:
    owed = adjustment(f"adjust/{merchant}", "CNY", NOW, [Leg(f"merchant/{merchant}/receivable", "suspense", amount)])
    assert (await Book(database.owner).post_all([owed]))[0].outcome == "posted"


@pytest.mark.parametrize(("owed", "left"), [(300, 650), (950, 0), (2000, 0)])
async def test_a_settlement_repays_first_what_the_merchant_owes(
    database: Database, book: Book, register: Register, owed: int, left: int
) -> None:
    await _owes(database, "m-1", owed)
    order = await funded(register, book)
    await credit(book, order, commission=50)
    assert (await settle(book, order, 950)).outcome == "posted"
    assert await register.withdrawals.available("m-1", "CNY") == left
    assert await database.balance("merchant/m-1/receivable") == max(owed - 950, 0)


async def test_a_split_is_computed_once_and_a_retry_gets_the_first(
    database: Database, book: Book, register: Register
) -> None:
    await _owes(database, "m-1", 300)
    order = await funded(register, book)
    await credit(book, order, commission=50)
    await settle(book, order, 950)
    before = await register.balances.of_order("A1")
    assert (await settle(book, order, 950)).outcome == "exists"
    assert await register.balances.of_order("A1") == before


# --- with a record ---------------------------------------------------------------------------------------


async def test_a_posting_and_its_record_are_one_transaction(book: Book, register: Register) -> None:
    order = an_order()
    await opened(register, order)
    record = a_record(revision=3, notices=(a_notice(1, amount="1000"),), state={"funded": True, "x": "a\0b"})
    assert (await fund(book, order, record=record)).outcome == "posted"
    row = await register.orders.row("A1")
    assert row is not None
    assert row.phase == "awaiting_shipment"
    known = await register.orders.known("A1")
    assert known is not None
    assert known.state == {"funded": True, "x": "a\N{REPLACEMENT CHARACTER}b"}
    assert [notice.facts for notice in await register.notices.read()] == [{"amount": "1000"}]


async def test_a_posting_that_exists_still_records(book: Book, register: Register) -> None:
    order = await funded(register, book)
    assert (await fund(book, order, record=a_record(revision=2))).outcome == "exists"
    known = await register.orders.known("A1")
    assert known is not None
    assert known.revision == 2


async def test_a_refused_posting_records_nothing(book: Book, register: Register) -> None:
    order = await funded(register, book)
    record = a_record(revision=2, notices=(a_notice(1),))
    assert (await refund(book, order, amount=2000, record=record)).outcome == "insufficient_funds"
    other = movements.fund("A1", channel="x", amount_minor=1, currency="CNY", occurred_at=NOW)
    assert (await book.post(other, record)).outcome == "conflict"
    known = await register.orders.known("A1")
    assert known is not None
    assert known.revision == -1
    assert await register.notices.read() == []


async def test_a_record_that_the_database_refuses_undoes_its_posting(
    database: Database, book: Book, register: Register
) -> None:
    order = an_order()
    await opened(register, order)
    with pytest.raises(Exception, match="order_never_refunds_more_than_paid"):
        await fund(book, order, record=a_record(refunded_minor=2000))
    assert await database.pool.fetchval("SELECT count(*) FROM movements") == 0


async def test_a_record_of_an_unknown_order_is_a_defect_and_loud(book: Book) -> None:
    with pytest.raises(Exception, match="order A9 is not registered"):
        await fund(book, an_order("A9"), record=a_record("A9"))


# --- arrays ----------------------------------------------------------------------------------------------


def _funds(numbers: range, total: int = 1000) -> list[Movement]:
    return [
        movements.fund(f"B{n:04}", channel="wechat", amount_minor=total, currency="CNY", occurred_at=NOW)
        for n in numbers
    ]


async def _register_all(register: Register, numbers: range) -> None:
    for n in numbers:
        await opened(register, an_order(f"B{n:04}"))


async def test_an_array_answers_each_movement_alone_in_the_order_given(book: Book, register: Register) -> None:
    await _register_all(register, range(4))
    wanted = _funds(range(4))
    await book.post_all(wanted[:1])
    other = wanted[1].model_copy(update={"legs": (Leg("psp/wechat", "order/B0001/escrow", 7),)})
    taken = Taken(place="escrow", merchant_minor=5000)
    short = movements.refund("B0003", cause="c", merchant_id="m-1", taken=taken, currency="CNY", occurred_at=NOW)
    answers = await book.post_all([wanted[3], wanted[2], short, wanted[0], wanted[1], other, wanted[1]])
    assert [(a.reference, a.outcome) for a in answers] == [
        ("order/B0003/fund", "posted"),
        ("order/B0002/fund", "posted"),
        ("order/B0003/refund/c", "insufficient_funds"),
        ("order/B0000/fund", "exists"),
        ("order/B0001/fund", "posted"),
        ("order/B0001/fund", "conflict"),
        ("order/B0001/fund", "exists"),
    ]


async def test_an_empty_array_is_answered_with_nothing(book: Book) -> None:
    assert await book.post_all([]) == []


async def test_one_movement_that_a_check_refuses_spoils_no_other(book: Book, register: Register) -> None:
    await _register_all(register, range(3))
    good = _funds(range(3))
    bad = good[1].model_copy(update={"legs": (Leg("psp/wechat", "order/B0001/escrow", 10**15 + 1),)})
    answers = await book.post_all([good[0], bad, good[2]])
    assert [a.outcome for a in answers] == ["posted", "not_posted", "posted"]
    assert "amount_in_bounds" in answers[1].detail
    assert [a.outcome for a in await book.post_all(good)] == ["exists", "posted", "exists"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"legs": (Leg("psp/wechat", "order/B0009/escroww", 1000),)}, "no account has the path"),
        ({"legs": (Leg("psp/wechat", "order/B0009/escrow", 2**70),)}, "value out of int64 range"),
        ({"legs": (Leg("psp/wechat", "order/B0009/escrow", 999),)}, "not what was paid"),
        ({"legs": (Leg("psp/wechat", "merchant/m-1/available", 1000),)}, "no kind of movement has these legs"),
        ({"currency": "RMBX"}, "currency_is_iso4217"),
        ({"reference": "order/B0009/" + "x" * 300}, "reference_in_bounds"),
        ({"linked_to": "order/B0009/unknown"}, "only the owner posts it"),
    ],
)
async def test_a_bad_movement_of_any_kind_spoils_no_other(
    database: Database, book: Book, register: Register, wrong: dict[str, object], said: str
) -> None:
    await _register_all(register, range(10))
    good = _funds(range(10))
    bad = good[9].model_copy(update=wrong)
    answers = await book.post_all([*good[:5], bad, *good[5:9]])
    assert [a.outcome for a in answers] == ["posted"] * 5 + ["not_posted"] + ["posted"] * 4
    assert answers[5].reference == bad.reference
    assert said in answers[5].detail


async def test_arrays_that_share_references_both_succeed(database: Database, book: Book, register: Register) -> None:
    """The one that came second is asked again, and finds what the first one posted."""
    await _register_all(register, range(40))
    both = await asyncio.gather(*(book.post_all(_funds(range(40))) for _ in range(6)))
    assert {a.outcome for answers in both for a in answers} == {"posted", "exists"}
    assert sum(a.outcome == "posted" for answers in both for a in answers) == 40


async def test_arrays_that_share_accounts_never_deadlock(database: Database, book: Book, register: Register) -> None:
    """One merchant, arrays in random order, each settlement in several arrays at once."""
    numbers = range(60)
    for n in numbers:
        await opened(register, an_order(f"B{n:04}", merchant_id=f"m-{n % 3}"))
    await book.post_all(_funds(numbers))
    credits = [
        movements.credit(
            f"B{n:04}", proceeds_minor=990, commission_minor=10, discount_minor=0, currency="CNY", occurred_at=NOW
        )
        for n in numbers
    ]
    settlements = [
        movements.settle(f"B{n:04}", merchant_id=f"m-{n % 3}", amount_minor=990, currency="CNY", occurred_at=NOW)
        for n in numbers
    ]
    chance = random.Random(1)

    async def some(of: list[Movement]) -> list[Posted | NotPosted]:
        return await book.post_all(chance.sample(of, k=20))

    for wave in (credits, settlements):
        answers = [a for batch in await asyncio.gather(*(some(wave) for _ in range(24))) for a in batch]
        posted = [a.reference for a in answers if a.outcome == "posted"]
        assert len(posted) == len(set(posted))
        assert {a.outcome for a in answers} == {"posted", "exists"}
        await book.post_all(wave)
    assert [await database.balance(f"merchant/m-{n}/available") for n in range(3)] == [990 * 20] * 3


# --- many at once ----------------------------------------------------------------------------------------


async def test_refunds_racing_for_one_escrow_never_take_more_than_there_is(
    database: Database, book: Book, register: Register
) -> None:
    order = await funded(register, book)
    answers = await asyncio.gather(*(refund(book, order, f"c{n}", 300) for n in range(10)))
    assert sorted(a.outcome for a in answers) == ["insufficient_funds"] * 7 + ["posted"] * 3
    assert await database.balance("order/A1/escrow") == 100


async def test_a_refund_racing_the_credit_leaves_one_winner(database: Database, book: Book, register: Register) -> None:
    for n in range(12):
        order = await funded(register, book, f"R{n}")
        first, second = await asyncio.gather(credit(book, order), refund(book, order))
        assert {first.outcome, second.outcome} == {"posted", "insufficient_funds"}


async def test_many_orders_at_once_on_hot_accounts_sum_up(database: Database, book: Book, register: Register) -> None:
    numbers = range(80)
    await _register_all(register, numbers)

    async def live(n: int) -> None:
        order = an_order(f"B{n:04}")
        for movement in (fund, credit, settle):
            assert (await movement(book, order)).outcome == "posted"

    await asyncio.gather(*(live(n) for n in numbers))
    assert await database.balance("psp/wechat") == 80_000
    assert await database.balance("income/commission") == 80 * 50
    assert await register.withdrawals.available("m-1", "CNY") == 80 * 950
