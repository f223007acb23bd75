"""Channels take back what was paid for an order and what was paid again for a claim, each at most whole."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest
from databases import Database
from explained import Explained
from ledger_samples import NOW, a_record, funded, refund, refund_arrived

from core.movements import Movement, Taken, chargeback_above, claim_back
from core.records import OrderRecord
from ledger.book import Book
from ledger.register import Register

AT: dict[str, Any] = {"channel": "wechat", "merchant_id": "m-1", "currency": "CNY", "occurred_at": NOW}


def _taken(k: int, amount_minor: int) -> Movement:
    return chargeback_above("A1", k=k, merchant_minor=amount_minor, **AT)


async def test_both_payments_of_an_order_are_charged_back_at_most_whole(register: Register, book: Book) -> None:
    order = await funded(register, book, "A1")
    await refund(book, order, "cancel", taken=Taken(place="escrow", merchant_minor=1000))
    await refund_arrived(book, order, "cancel", 1000)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="chargebacks of more than was paid"):
        await book.post(_taken(2, 1001))
    assert (await book.post(claim_back("A1", k=1, amount_minor=600, **AT))).moved
    assert (await book.post(_taken(2, 600))).moved
    assert (await book.post(_taken(3, 1000))).moved
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="chargebacks of more than was paid"):
        await book.post(_taken(4, 1))
    cases = [{"case_id": 1, "claim": {"amount_minor": 600}}]
    over: dict[str, Any] = {"phase": "refunded", "refunded_minor": 1000, "state": {"funded": True, "cases": cases}}
    await register.orders.record(a_record("A1", **over))


PAID = "4200000042"
"""The channel's number of what the buyer paid for the claim."""


def _claimed(order_id: str, reference: str | None) -> OrderRecord:
    cases = [
        {"case_id": 2},
        {"case_id": 1, "claim": {"amount_minor": 600, "status": "confirmed", "reference": reference}},
    ]
    over: dict[str, Any] = {"phase": "refunded", "refunded_minor": 1000, "state": {"funded": True, "cases": cases}}
    return a_record(order_id, **over)


@pytest.mark.parametrize("together", [False, True], ids=["alone", "in an array"])
async def test_the_order_of_a_claim_is_known_by_its_payment_once_it_is_in_the_books(
    register: Register, book: Book, database: Database, together: bool
) -> None:
    orders = {"A1": PAID, "A2": "4200000043", "A3": None}
    posts = []
    for order_id, reference in orders.items():
        order = await funded(register, book, order_id)
        await refund(book, order, "cancel", taken=Taken(place="escrow", merchant_minor=1000))
        await refund_arrived(book, order, "cancel", 1000)
        posts.append((claim_back(order_id, k=1, amount_minor=600, **AT), _claimed(order_id, reference)))
    assert await register.payments.charged_claims(PAID, "wechat") == []
    for _again in range(2):
        if together:
            await asyncio.gather(*(book.post(movement, record) for movement, record in posts))
        else:
            for movement, record in posts:
                await book.post(movement, record)
    pool: Any = Explained(database.pool)
    (found,) = await Register(pool).payments.charged_claims(PAID, "wechat")
    assert (found.order_id, found.total_minor, found.claimed_with) == ("A1", 1000, PAID)
    assert "Index Scan" in str(pool.plans)
    assert await register.payments.charged_claims(PAID, None) == [found]
    assert await register.payments.charged_claims(PAID, "alipay") == []
    assert await database.owner.fetchval("SELECT count(*) FROM claim_payments") == 2


async def test_the_order_is_known_as_soon_as_it_has_learned_of_the_payment(register: Register, book: Book) -> None:
    order = await funded(register, book)
    await refund(book, order, "cancel", taken=Taken(place="escrow", merchant_minor=1000))
    await refund_arrived(book, order, "cancel", 1000)
    await register.orders.record(_claimed("A1", PAID))
    assert [one.order_id for one in await register.payments.charged_claims(PAID, "wechat")] == ["A1"]


async def test_a_number_that_did_not_pay_the_claim_finds_no_order(register: Register, book: Book) -> None:
    await funded(register, book)
    unpaid = {"case_id": 1, "stage": "unpaid", "claim": {"amount_minor": 600, "status": "asked", "reference": PAID}}
    await register.orders.record(a_record("A1", state={"funded": True, "cases": [unpaid]}))
    assert await register.payments.charged_claims(PAID, "wechat") == []
