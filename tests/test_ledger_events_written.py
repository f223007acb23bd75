"""Who writes events when: in the transaction that makes them true, once, also where a record comes twice or late."""

from __future__ import annotations

from typing import Any, cast

import asyncpg
import pytest
from databases import Database
from ledger_samples import (
    LIMITS,
    NOW,
    a_notice,
    a_record,
    a_withdrawal,
    a_withdrawal_record,
    an_order,
    bound,
    earned,
    fund,
    funded,
    opened,
    pay,
)

from core.messages import Actor
from ledger.book import Book
from ledger.register import Register

ANN = Actor(role="operator", id="ann")


async def _told(register: Register, subject: str) -> list[tuple[int, str]]:
    return [(event.seq, event.type) for event in await register.events.of_subject(subject)]


async def test_a_record_that_comes_twice_or_late_tells_its_events_once(register: Register, book: Book) -> None:
    await funded(register, book)
    first = a_record(revision=1, notices=(a_notice(1, "ship", "merchant"),), state={"notice_seq": 1})
    for _ in range(2):
        await register.orders.record(first)
    shipped = a_record(revision=2, phase="shipped", state={"recorded_revision": 1})
    await register.orders.record(shipped)
    for late in (first, shipped, a_record(revision=3, phase="cancelled", state={"recorded_revision": 1})):
        await register.orders.record(late)
    told = [(1, "order.opened"), (2, "notice.ship"), (3, "order.shipped")]
    assert await _told(register, "order/A1") == told


async def test_a_rescued_order_goes_on_with_its_numbers(register: Register, book: Book) -> None:
    await funded(register, book)
    await register.orders.record(a_record(revision=1))
    rescued = await register.orders.rescue("A1", "run-2")
    assert rescued is not None
    await register.orders.record(a_record(revision=rescued.revision + 1, phase="cancelled"))
    assert await _told(register, "order/A1") == [(1, "order.opened"), (2, "order.cancelled")]


async def test_an_event_stands_exactly_where_its_posting_does(
    database: Database, register: Register, book: Book
) -> None:
    """The worker dies before the commit: neither the money nor the event is there; sent again, both are, once."""
    order = an_order()
    await opened(register, order)
    record = a_record(revision=1)
    async with database.pool.acquire() as dying:
        transaction = dying.transaction()
        await transaction.start()
        await fund(Book(cast(Any, dying)), order, record)
        assert await dying.fetchval("SELECT count(*) FROM events") == 1
        await transaction.rollback()
    assert await _told(register, "order/A1") == []
    for outcome in ("posted", "exists"):
        assert (await fund(book, order, record)).outcome == outcome
        assert await _told(register, "order/A1") == [(1, "order.opened")]


async def test_a_refused_posting_tells_nothing(register: Register, book: Book) -> None:
    order = await funded(register, book)
    posted = await fund(book, order.model_copy(update={"total_minor": 1}), a_record(revision=1))
    assert posted.outcome == "conflict"
    assert await _told(register, "order/A1") == []


async def test_an_event_says_how_its_order_stands(register: Register, book: Book) -> None:
    await funded(register, book)
    await register.orders.record(a_record(revision=1))
    line = {"seq": 1, "outcome": "accepted", "verb": "report_shipment", "actor": {"role": "merchant", "id": "m-1"}}
    state = {"inbox": {"seq": 1, "journal": [line]}}
    deadline = {"name": "ship_by", "at": "2026-11-25T08:00:00.500Z"}
    await register.orders.record(a_record(revision=2, phase="shipped", next_deadline=deadline, state=state))
    (_, event) = await register.events.of_subject("order/A1")
    assert event.body == {
        "id": "evt_order_A1_2",
        "type": "order.shipped",
        "timestamp": "2026-11-22T08:00:00Z",
        "data": {
            "subject": "order/A1",
            "order_id": "A1",
            "merchant_id": "m-1",
            "seq": 2,
            "phase": "shipped",
            "audit": "not_started",
            "receipt": "not_due",
            "amount_minor": 1000,
            "currency": "CNY",
            "because": "report_shipment",
            "by": "merchant",
            "next_deadline": "ship_by",
            "next_deadline_at": "2026-11-25T08:00:00.5Z",
            "previous": {"phase": "awaiting_shipment"},
        },
    }


async def test_a_merchant_sees_the_notices_to_merchants_only(register: Register, book: Book) -> None:
    await funded(register, book)
    notices = (a_notice(1, "ship", "merchant", ship_by="soon"), a_notice(2, "shipped"), a_notice(3, "slow", "operator"))
    await register.orders.record(a_record(revision=1, notices=notices))
    page = await register.events.after(merchant_id="m-1", types=["notice.*"])
    assert [event.data for event in page.events] == [{"to": "merchant", "facts": {"ship_by": "soon"}}]
    assert len((await register.events.after(types=["notice.*"])).events) == 3


async def test_a_withdrawal_and_its_account_tell_what_becomes_of_them(register: Register, book: Book) -> None:
    await earned(register, book, 1000)
    await bound(register)
    withdrawal = a_withdrawal()
    record = a_withdrawal_record(revision=1, state_name="approved")
    for _ in range(2):
        await register.withdrawals.reserve(withdrawal, LIMITS, now=NOW, record=record)
    attempt = {"number": 1, "key": "k1", "rail": "sandbox", "outcome": "paid"}
    paid = a_withdrawal_record(revision=2, state_name="paid", closed=True, state={"attempts": [attempt]})
    await pay(book, withdrawal, record=paid)
    assert [name for _, name in await _told(register, "withdrawal/W1")] == [
        *("withdrawal.requested", "withdrawal.approved"),
        *("payout.opened", "payout.paid", "withdrawal.paid", "withdrawal.closed"),
    ]
    accounts = await register.events.after(types=["account.*"])
    assert [(event.type, event.merchant_id) for event in accounts.events] == [("account.bound", "m-1")]
    assert "last4" not in accounts.events[0].data


async def test_what_the_platform_decides_about_a_merchant_is_told(owners: Register) -> None:
    for on in (True, True, False):
        await owners.merchants.stop("m-1", "frozen", on=on, by=ANN, why="a complaint", now=NOW)
    told = [(event.type, event.data.get("by")) for event in await owners.events.of_subject("merchant/m-1")]
    assert [one for one in told if not one[0].startswith("notice.")] == [
        ("merchant.frozen", "operator"),
        ("merchant.no_longer_frozen", "operator"),
    ]


@pytest.mark.parametrize("function", ["add_events", "add_merchant_event", "follow_event_clock"])
async def test_the_worker_can_add_no_event(database: Database, function: str) -> None:
    arguments: dict[str, tuple[Any, ...]] = {
        "add_events": ("order/A1", None, NOW, [{"type": "order.credited", "data": {}}]),
        "add_merchant_event": ("m-1", "frozen", "operator", NOW, {}),
        "follow_event_clock": (),
    }
    given = arguments[function]
    places = ", ".join(f"${n}" for n in range(1, len(given) + 1))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.pool.execute(f"SELECT {function}({places})", *given)
