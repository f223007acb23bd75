"""What a buyer pays again for goods and money that both came back: the merchant's once, and never more than arrived."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest
from databases import Database
from ledger_samples import (
    AT,
    HAS,
    a_record,
    an_order,
    fund,
    opened,
    refund,
    refund_arrived,
)

from core import movements
from core.messages import Order
from core.movements import Taken
from core.records import OrderRecord
from core.steps import Posted
from ledger.book import Book
from ledger.register import Register


async def _back_with_the_buyer(register: Register, book: Book, *, most: int = 1000) -> Order:
    """Refunded before the credit, and the buyer has it."""
    order = an_order()
    await opened(register, order)
    await fund(book, order)
    await refund(book, order, "cancel", taken=Taken(place="escrow", merchant_minor=most))
    await refund_arrived(book, order, "cancel", most)
    return order


def _again(order: Order, k: int = 1, amount_minor: int = 1000, **fields: Any) -> movements.Movement:
    given: dict[str, Any] = {"k": k, "channel": "wechat", "merchant_id": "m-1", "amount_minor": amount_minor, **AT}
    return movements.claim_back(order.order_id, **{**given, **fields})


def _claims(
    *people: str, votes: Sequence[str] = (), case_id: int = 1, revision: int = 1, amount_minor: int = 1000
) -> OrderRecord:
    claim = {"amount_minor": amount_minor, "ruled_by": people, "votes": [[who, "arrived"] for who in votes]}
    over: dict[str, Any] = {"phase": "cancelled", "refunded_minor": amount_minor}
    state = {"funded": True, "cases": [{"case_id": case_id, "claim": claim}]}
    return a_record(revision=revision, **over, state=state)


async def test_what_a_buyer_pays_again_is_the_merchants_once(
    database: Database, book: Book, register: Register
) -> None:
    order = await _back_with_the_buyer(register, book)
    again, record = _again(order, commission_minor=50), _claims()
    assert [(await book.post(again, record)).outcome for _ in range(2)] == ["posted", "exists"]
    assert await database.balances("psp/wechat", HAS, "income/commission") == [1000, 950, 50]


async def test_no_more_is_claimed_back_than_arrived_with_the_buyer(
    database: Database, book: Book, register: Register
) -> None:
    order = await _back_with_the_buyer(register, book, most=600)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="more is claimed than arrived"):
        await book.post(_again(order, amount_minor=601))
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="more than the discount"):
        await book.post(_again(order, amount_minor=600, discount_minor=1))
    assert (await book.post(_again(order, amount_minor=600), _claims(amount_minor=600))).moved
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="more is claimed than arrived"):
        await book.post(_again(order, 2, amount_minor=1))


async def test_nothing_is_claimed_back_of_a_refund_that_has_not_arrived(
    database: Database, book: Book, register: Register
) -> None:
    order = an_order()
    await opened(register, order)
    await fund(book, order)
    await refund(book, order, "cancel")
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="more is claimed than arrived"):
        await book.post(_again(order))


@pytest.mark.parametrize("record", [_claims("r-1", "R-1"), _claims(votes=("o-1", "O-1")), _claims("r-1")])
async def test_what_two_people_must_decide_is_not_one_persons(
    book: Book, register: Register, record: OrderRecord
) -> None:
    order = await _back_with_the_buyer(register, book)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="one person decided it"):
        await book.post(_again(order), record)
    assert (await book.post(_again(order), _claims("r-1", "r-2", votes=("o-1", "o-2")))).moved


async def test_two_claims_at_one_moment_bring_no_more_together_either(book: Book, register: Register) -> None:
    order = await _back_with_the_buyer(register, book)
    await register.orders.record(_claims())
    both = (book.post(_again(order, k, amount_minor=1000)) for k in (1, 2))
    answers = await asyncio.gather(*both, return_exceptions=True)
    assert sum(isinstance(one, asyncpg.InsufficientPrivilegeError) for one in answers) == 1
    # What the register says of the claim that stands; the other has no case.
    await register.orders.record(_claims(case_id=1 if isinstance(answers[0], Posted) else 2, revision=2))
