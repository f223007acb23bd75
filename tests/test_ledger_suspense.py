"""Suspense: money whose payout two people called failed stands there, and leaves it once, whole, to one of two."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta

import pytest
from databases import Database
from ledger_samples import (
    LIMITS,
    NOW,
    a_withdrawal,
    a_withdrawal_record,
    an_attempt,
    bank_return,
    earned,
    move_to_suspense,
    pay,
    void,
)

from core.movements import Leg, adjustment
from core.withdrawal.payouts import RailTerms
from ledger.book import Book
from ledger.register import Register

TERMS = RailTerms(dedup_window=timedelta(days=6))


async def _reserved(book: Book, register: Register, amount: int = 500, name: str = "W1") -> None:
    if await register.withdrawals.available("m-1", "CNY") == 0:
        await earned(register, book, 5_000)
    answer = await register.withdrawals.reserve(a_withdrawal(name, amount), LIMITS, now=NOW)
    assert answer.outcome == "reserved"


async def test_what_two_people_call_failed_stands_in_suspense_and_then_goes_back(
    database: Database, book: Book, register: Register
) -> None:
    await _reserved(book, register)
    record = a_withdrawal_record(revision=2, state_name="in_suspense")
    assert (await move_to_suspense(book, a_withdrawal(), record=record)).outcome == "posted"
    assert await database.balance("withdrawal/W1/reserved") == 0
    assert await database.balance("suspense") == 500
    row = await register.withdrawals.row("W1")
    assert row is not None
    assert row.state_name == "in_suspense"
    assert (await void(book, a_withdrawal())).outcome == "posted"
    assert await database.balance("suspense") == 0
    assert await register.withdrawals.available("m-1", "CNY") == 5_000


async def test_a_bank_that_paid_after_all_is_booked_out_of_suspense(
    database: Database, book: Book, register: Register
) -> None:
    await _reserved(book, register)
    await move_to_suspense(book, a_withdrawal())
    assert (await pay(book, a_withdrawal(), fee=20)).outcome == "posted"
    assert (await pay(book, a_withdrawal(), fee=20)).outcome == "exists"
    assert await database.balance("suspense") == 0
    assert await database.balance("rail/sandbox/cash") == -480
    assert await database.balance("income/withdrawal_fee") == 20
    assert (await bank_return(book, a_withdrawal(), 480)).outcome == "posted"


async def test_to_suspense_twice_is_once_and_never_after_the_close(
    database: Database, book: Book, register: Register
) -> None:
    await _reserved(book, register)
    assert (await move_to_suspense(book, a_withdrawal())).outcome == "posted"
    assert (await move_to_suspense(book, a_withdrawal())).outcome == "exists"
    await void(book, a_withdrawal())
    assert (await move_to_suspense(book, a_withdrawal())).outcome == "exists"
    await _reserved(book, register, name="W2")
    await pay(book, a_withdrawal("W2"))
    late = await move_to_suspense(book, a_withdrawal("W2"))
    assert (late.outcome, late.account) == ("insufficient_funds", "withdrawal/W2/reserved")
    assert await database.balance("suspense") == 0


async def test_a_part_never_goes_to_suspense_and_never_leaves_it(book: Book, register: Register) -> None:
    await _reserved(book, register)
    assert (await move_to_suspense(book, a_withdrawal(amount=400))).outcome == "conflict"
    assert (await move_to_suspense(book, a_withdrawal(amount=600))).outcome == "insufficient_funds"
    await move_to_suspense(book, a_withdrawal())
    await _reserved(book, register, name="W2")
    await move_to_suspense(book, a_withdrawal("W2"))  # another's money, which must not be spent
    for amount in (400, 600):
        for close in (pay, void):
            refused = await close(book, a_withdrawal(amount=amount))
            assert (refused.outcome, refused.account, refused.short_by_minor) == ("conflict", "suspense", 100)


async def test_pay_and_void_racing_out_of_suspense_leave_one_of_them(book: Book, register: Register) -> None:
    for n in range(8):
        name = f"W{n}"
        await _reserved(book, register, 100, name)
        await move_to_suspense(book, a_withdrawal(name, 100))
        calls = [pay(book, a_withdrawal(name, 100)), void(book, a_withdrawal(name, 100))]
        answers = await asyncio.gather(*calls)
        assert sorted(answer.outcome for answer in answers) == ["conflict", "posted"]


async def test_to_suspense_racing_a_close_ends_closed_once(database: Database, book: Book, register: Register) -> None:
    """The caller closes as if the money were reserved, and need not know where it is."""
    seen: Counter[str] = Counter()
    for n in range(8):
        name = f"W{n}"
        await _reserved(book, register, 100, name)
        moved, paid = await asyncio.gather(
            move_to_suspense(book, a_withdrawal(name, 100)), pay(book, a_withdrawal(name, 100))
        )
        assert paid.outcome == "posted"
        seen[moved.outcome] += 1
        assert await database.balance(f"withdrawal/{name}/reserved") == 0
    assert set(seen) <= {"posted", "insufficient_funds"}
    assert await database.balance("suspense") == 0
    assert await database.balance("rail/sandbox/cash") == -800


async def test_nothing_leaves_suspense_while_its_payout_may_still_arrive(book: Book, register: Register) -> None:
    await _reserved(book, register)
    await register.payouts.open(an_attempt(a_withdrawal()), TERMS)
    await move_to_suspense(book, a_withdrawal())
    assert (await void(book, a_withdrawal())).outcome == "conflict"
    dead = a_withdrawal_record(revision=2, state={"attempts": [{"key": "k1", "outcome": "failed", "events": []}]})
    assert (await void(book, a_withdrawal(), record=dead)).outcome == "posted"


async def test_what_leaves_suspense_repays_first_what_the_merchant_owes(
    database: Database, book: Book, register: Register
) -> None:
    await _reserved(book, register, 5_000)
    await move_to_suspense(book, a_withdrawal(amount=5_000))
    await Book(database.owner).post_all(
        [adjustment("adjust/1", "CNY", NOW, [Leg("merchant/m-1/receivable", "psp/wechat", 200)])]
    )
    assert (await void(book, a_withdrawal(amount=5_000))).outcome == "posted"
    assert await register.withdrawals.available("m-1", "CNY") == 4_800
    assert await database.balance("merchant/m-1/receivable") == 0


async def test_a_withdrawal_that_nobody_reserved_cannot_go_to_suspense(book: Book) -> None:
    with pytest.raises(Exception, match="withdrawal W1 is not registered"):
        await move_to_suspense(book, a_withdrawal())
