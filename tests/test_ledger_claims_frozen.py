"""What a buyer pays again for an order whose merchant is frozen: booked at once, kept for the order, released later."""

from __future__ import annotations

import asyncio
from typing import Any

from databases import Database
from ledger_samples import NOW, a_record, an_order, funded, opened, refund, refund_arrived

from core.messages import Actor
from core.movements import Movement, Taken, claim_back, fund, release
from core.records import OrderRecord
from ledger.book import Book
from ledger.proofs import prove
from ledger.register import Register

ANN = Actor(role="operator", id="ann")
KEPT, AVAILABLE = "order/A1/frozen", "merchant/m-1/available"
AT: dict[str, Any] = {"k": 1, "merchant_id": "m-1", "amount_minor": 1000, "currency": "CNY", "occurred_at": NOW}


async def _freeze(register: Register, *, on: bool = True) -> None:
    assert await register.merchants.stop("m-1", "frozen", on=on, by=ANN, why="looks odd", now=NOW)


async def _refunded(register: Register, book: Book) -> None:
    order = await funded(register, book, "A1")
    await refund(book, order, "cancel", taken=Taken(place="escrow", merchant_minor=1000))
    await refund_arrived(book, order, "cancel", 1000)


def _claims(*, frozen: bool) -> Movement:
    return claim_back("A1", channel="wechat", frozen=frozen, **AT)


async def _opened(register: Register, order_id: str) -> Movement:
    """The first movement of an order of another merchant."""
    order = an_order(order_id, merchant_id="m-2")
    await opened(register, order)
    return fund(order_id, channel=order.payment.channel, amount_minor=1000, currency="CNY", occurred_at=NOW)


def _record(frozen_minor: int, *, revision: int = 1) -> OrderRecord:
    freeze = {"number": 1, "asked_minor": frozen_minor}
    state = {"funded": True, "freeze": freeze, "cases": [{"case_id": 1, "claim": {"amount_minor": 1000}}]}
    over: dict[str, Any] = {"phase": "refunded", "refunded_minor": 1000, "closed": not frozen_minor}
    return a_record("A1", **over, revision=revision, state=state)


async def _balances(database: Database) -> tuple[int, int]:
    return await database.balance(KEPT), await database.balance(AVAILABLE)


async def test_it_is_kept_for_the_order_until_the_merchant_is_let_go(
    database: Database, register: Register, book: Book
) -> None:
    await _refunded(register, book)
    await _freeze(register)
    assert (await book.post(_claims(frozen=False))).outcome == "held"
    assert (await book.post_all([_claims(frozen=False)]))[0].outcome == "not_posted"
    assert (await book.post(_claims(frozen=True), _record(1000))).outcome == "posted"
    assert await _balances(database) == (1000, 0)
    assert (await book.post(release("A1", **AT))).outcome == "held"
    await _freeze(register, on=False)
    # A worker that died before its report asks as the first time, and learns where the money is.
    assert (await book.post(_claims(frozen=False))).outcome == "held"
    assert (await book.post(_claims(frozen=True), _record(1000))).outcome == "exists"
    assert (await book.post(release("A1", **AT), _record(0, revision=2))).moved
    assert await _balances(database) == (0, 1000)


async def test_an_array_answers_as_a_single_movement_does(register: Register, book: Book) -> None:
    """A worker that died after the booking may ask again while others are posting."""
    await _refunded(register, book)
    await _freeze(register)
    assert (await book.post(_claims(frozen=True), _record(1000))).moved
    for frozen in (True, False):
        if not frozen:
            await _freeze(register, on=False)
        beside = [await _opened(register, f"{name}-{frozen}") for name in ("B", "C")]
        gathered = Book(register.pool, beside=1)
        posted = await asyncio.gather(*(gathered.post(one) for one in (beside[0], _claims(frozen=False), beside[1])))
        assert [one.outcome for one in posted] == ["posted", "held", "posted"], f"frozen: {frozen}"
        assert (await book.post_all([_claims(frozen=False)]))[0].outcome == "not_posted"


async def test_of_many_at_one_moment_one_is_booked_and_none_is_made_available(
    database: Database, register: Register, book: Book
) -> None:
    await _refunded(register, book)
    await _freeze(register)
    posted = await asyncio.gather(*(book.post(_claims(frozen=n % 2 == 1), _record(1000)) for n in range(10)))
    assert sorted(one.outcome for one in posted[1::2]) == [*["exists"] * 4, "posted"]
    assert {one.outcome for one in posted[::2]} == {"held"}
    assert await _balances(database) == (1000, 0)


async def test_a_proof_finds_one_that_was_made_available_to_a_frozen_merchant(
    database: Database, register: Register, book: Book
) -> None:
    await _refunded(register, book)
    assert (await book.post(_claims(frozen=False), _record(0))).moved
    backdated = (
        "INSERT INTO merchant_moves (merchant_id, what, value, role, who, why, at, recorded_at)"
        " VALUES ('m-1', 'frozen', 'yes', 'operator', 'eve', 'odd', now(), '2000-01-01')"
    )
    await database.owner.execute(backdated)
    found = {proof.name: proof.evidence for proof in await prove(database.pool) if not proof.holds}
    assert set(found) == {"frozen_merchants"}
    assert "order/A1/claim_back/1" in str(found)
    await _freeze(register, on=False)
    await database.owner.execute("ALTER TABLE merchant_moves DISABLE TRIGGER USER")
    await database.owner.execute("DELETE FROM merchant_moves WHERE who = 'eve'")
    await database.owner.execute("ALTER TABLE merchant_moves ENABLE TRIGGER USER")
