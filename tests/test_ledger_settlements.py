"""Settlements in the books: what a channel settles is booked once, and never more than it holds."""

from __future__ import annotations

import asyncio
from typing import Any

from databases import Database
from ledger_samples import (
    NOW,
    funded,
)

from core.movements import Leg, Movement, psp_settlement
from ledger.book import Book
from ledger.register import Register


async def test_a_settlement_booked_by_many_at_once_stands_once_and_otherwise_is_a_conflict(
    database: Database, book: Book, register: Register
) -> None:
    await funded(register, book, total=1_500)
    given: dict[str, Any] = {"rail": "sandbox", "fee_minor": 6, "currency": "CNY", "occurred_at": NOW}
    movement = psp_settlement("wechat", "S1", net_minor=994, **given)
    answers = await asyncio.gather(*(book.post(movement) for _ in range(8)))
    assert sorted(answer.outcome for answer in answers) == ["exists"] * 7 + ["posted"]
    assert (await book.post(psp_settlement("wechat", "S1", net_minor=993, **given))).outcome == "conflict"
    assert await database.balance("psp/wechat") == 500
    assert await database.balance("rail/sandbox/cash") == 994
    # What the channel holds is settled once, also where several ask at once.
    racing = [psp_settlement("wechat", f"R{number}", net_minor=294, **given) for number in range(4)]
    outcomes = [answer.outcome for answer in await asyncio.gather(*(book.post(one) for one in racing))]
    assert sorted(outcomes) == ["insufficient_funds"] * 3 + ["posted"]
    assert await database.balance("psp/wechat") == 200
    await book.post(psp_settlement("wechat", "R9", net_minor=194, **given))
    assert await database.balance("psp/wechat") == 0
    assert await database.balance("expense/psp_fee") == 18


async def test_an_array_of_settlements_takes_in_order_what_the_channel_holds(
    database: Database, book: Book, register: Register
) -> None:
    await funded(register, book, total=1_000)
    given: dict[str, Any] = {"rail": "sandbox", "fee_minor": 0, "currency": "CNY", "occurred_at": NOW}

    def one(number: int, amount: int, **fields: Any) -> Movement:
        return psp_settlement("wechat", f"S{number}", net_minor=amount, **{**given, **fields})

    first = [one(1, 400), one(2, 700), one(1, 400), one(1, 300), one(3, 100, currency="USD"), one(4, 600), one(5, 1)]
    answers = await book.post_all(first)
    assert [(answer.outcome, getattr(answer, "short_by_minor", None) or 0) for answer in answers] == [
        ("posted", 0),
        ("insufficient_funds", 100),
        ("exists", 0),
        ("conflict", 0),
        ("insufficient_funds", 100),
        ("posted", 0),
        ("insufficient_funds", 1),
    ]
    assert await database.balance("psp/wechat") == 0
    assert [answer.outcome for answer in await book.post_all([first[0], first[5]])] == ["exists", "exists"]


async def test_a_settlement_that_the_books_cannot_take_spoils_no_other(
    database: Database, book: Book, register: Register
) -> None:
    await funded(register, book, total=1_000)
    await funded(register, book, "C1", total=1_000)
    given: dict[str, Any] = {"rail": "sandbox", "fee_minor": 1, "currency": "CNY", "occurred_at": NOW}
    good = [psp_settlement("wechat", f"G{number:02}", net_minor=99, **given) for number in range(15)]
    no_rail = psp_settlement("wechat", "B1", net_minor=9, **{**given, "rail": "sand box"})
    foreign = psp_settlement("wechat", "B2", net_minor=9, **given)
    foreign = foreign.model_copy(update={"legs": (Leg("rail/sandbox/cash", "psp/other", 9),)})
    money = foreign.model_copy(update={"legs": (Leg("expense/psp_fee", "merchant/m-1/available", 9),)})
    for bad in (no_rail, foreign, money):
        answers = await book.post_all([*good[:7], bad, *good[7:]])
        assert [answer.moved for answer in answers] == [True] * 7 + [False] + [True] * 8
        assert answers[7].outcome == "not_posted"
    assert await database.balance("psp/wechat") == 500
    assert await database.balance("psp/other") == 0


async def test_arrays_of_settlements_that_meet_take_no_more_than_is_held(
    database: Database, book: Book, register: Register
) -> None:
    """Overlapping arrays in several orders: each settlement stands once, all of them within what is held."""
    await funded(register, book, total=1_000)
    given: dict[str, Any] = {"rail": "sandbox", "fee_minor": 1, "currency": "CNY", "occurred_at": NOW}
    all_of_them = [psp_settlement("wechat", f"S{number:02}", net_minor=69, **given) for number in range(20)]
    arrays = [all_of_them[:12], all_of_them[::-1], all_of_them[5:], all_of_them]
    answers = [answer for array in await asyncio.gather(*map(book.post_all, arrays)) for answer in array]
    assert sum(answer.outcome == "posted" for answer in answers) == 14
    assert {answer.outcome for answer in answers} <= {"posted", "exists", "insufficient_funds"}
    assert await database.balance("psp/wechat") == 20


async def test_an_array_adds_a_channels_account_up_once(database: Database, book: Book, register: Register) -> None:
    """Rows of transfers read: what one settlement reads, not that times their number."""
    orders = 60
    for number in range(orders):
        await funded(register, book, f"A{number}", total=1_000)
    given: dict[str, Any] = {"rail": "sandbox", "fee_minor": 0, "currency": "CNY", "occurred_at": NOW}
    many = [psp_settlement("wechat", f"S{number}", net_minor=10, **given) for number in range(50)]
    legs = [leg for one in many for leg in one.legs]
    read = (
        "SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables"
        " WHERE relname = 'transfers'"
    )
    async with database.owner.acquire() as session, session.transaction():
        before = await session.fetchval(read)
        answers = await session.fetch(
            "SELECT outcome FROM post_settlements('wechat', $1, $2, $3, $4, $5, $6, $7)",
            *([one.reference for one in many], ["CNY"] * len(many), [NOW] * len(many)),
            *([n for n, one in enumerate(many, 1) for _ in one.legs], [leg.debit for leg in legs]),
            *([leg.credit for leg in legs], [leg.amount_minor for leg in legs]),
        )
        assert {answer["outcome"] for answer in answers} == {"posted"}
        assert await session.fetchval(read) - before <= orders + 4 * len(many)
