"""Channels take back what was paid for an order and what was paid again for a claim, each at most whole."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest
from ledger_samples import NOW, a_record, funded, refund, refund_arrived

from core.movements import Movement, Taken, chargeback_above, claim_back
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
