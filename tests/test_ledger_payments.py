"""The unclaimed rest of a payment: known, notified, and given back by two people, once, while no order takes it."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest
from databases import Database
from ledger_samples import DAY, NOW, a_record, an_order, funded, opened, refund, refund_arrived

from commands.unclaimed import id_of_return
from core.movements import Leg, adjustment
from ledger.book import Book
from ledger.proofs import prove
from ledger.register import Register

OWED = "payment/R1/owed"


async def basket(register: Register, book: Book, paid: int = 10_000) -> None:
    """A payment of 100.00 whose orders' parts sum to 80.00."""
    for order_id, total in (("A1", 5_000), ("A2", 3_000)):
        await funded(register, book, order_id, total, paid=paid, payment="pay-1", merchant_id=f"m-{order_id}")


async def give_back(register: Register, person: str, return_id: str = "R1", payment: str = "pay-1") -> str:
    answer = await register.payments.return_rest(
        return_id, "wechat", payment, person=person, reason="the third shop closed", now=NOW
    )
    return answer.outcome


async def rest(register: Register) -> int:
    (payment,) = await register.payments.of_reference("pay-1")
    return payment.rest_minor


async def close(register: Register, *, arrived: bool = True) -> bool:
    return await register.payments.close_return("R1", arrived=arrived, reference="x", message="no card", now=NOW)


async def test_the_rest_is_known_with_its_orders(register: Register, book: Book) -> None:
    await basket(register, book)
    (payment,) = await register.payments.unclaimed()
    assert (payment.payment, payment.rest_minor, payment.orders, payment.since) == ("pay-1", 2_000, 2, NOW)
    assert await register.payments.unclaimed(merchant_id="m-A2") == [payment]
    assert await register.payments.unclaimed(merchant_id="m-9") == []
    orders = await register.payments.orders_of("wechat", "pay-1")
    assert [(one.order_id, one.held_minor, one.owed_minor) for one in orders] == [("A1", 5_000, 0), ("A2", 3_000, 0)]


async def test_two_people_give_it_back_and_no_order_claims_it_any_more(
    database: Database, register: Register, book: Book
) -> None:
    await basket(register, book)
    assert await give_back(register, "ann") == "asked"
    assert await give_back(register, "ann") == "same_person"
    assert await database.balance(OWED) == 0
    assert await give_back(register, "bob") == "owed"
    assert await give_back(register, "bob") == "already"
    assert (await database.balance(OWED), await rest(register)) == (2_000, 0)
    assert await opened(register, an_order("A3", 1_000, paid=10_000, payment="pay-1")) == "payment_over_claimed"
    assert [await close(register), await close(register)] == [True, False]
    assert (await database.balance(OWED), await database.balance("psp/wechat")) == (0, 8_000)
    returned = await register.payments.returned("R1")
    assert returned is not None
    assert (returned.state, returned.asked_by, returned.done_by) == ("arrived", "ann", "bob")
    assert await give_back(register, "ann", "R2") == "nothing_left"


async def test_an_order_that_takes_a_part_first_wins(database: Database, register: Register, book: Book) -> None:
    await basket(register, book)
    assert await give_back(register, "ann") == "asked"
    assert await opened(register, an_order("A3", 1_000, paid=10_000, payment="pay-1")) == "registered"
    assert await give_back(register, "bob") == "claimed"
    assert await database.balance(OWED) == 0
    assert [await give_back(register, person, "R2") for person in ("ann", "bob")] == ["asked", "owed"]
    assert await database.balance("payment/R2/owed") == 1_000


async def test_returns_and_orders_at_once_never_take_more_than_was_paid(register: Register, book: Book) -> None:
    await basket(register, book)
    for return_id in ("R1", "R2"):
        await give_back(register, "ann", return_id)
    answers = await asyncio.gather(
        *(give_back(register, person, name) for person in ("bob", "eve") for name in ("R1", "R2")),
        *(opened(register, an_order(f"B{n}", 2_000, paid=10_000, payment="pay-1")) for n in range(3)),
    )
    assert sum(answer in {"owed", "registered"} for answer in answers) == 1
    assert await rest(register) == 0


async def test_a_return_that_the_channel_refused_is_unclaimed_again_and_told(
    database: Database, register: Register, book: Book
) -> None:
    await basket(register, book)
    for person in ("ann", "bob"):
        await give_back(register, person)
    assert await close(register, arrived=False)
    assert (await database.balance(OWED), await rest(register)) == (0, 2_000)
    (notice,) = await register.notices.read(subject="payment/R1")
    assert (notice.to, notice.name, notice.facts["message"]) == ("operator", "rest_refused", "no card")
    assert [await give_back(register, person, "R2") for person in ("ann", "bob")] == ["asked", "owed"]


async def test_operators_are_told_once_after_a_time(register: Register, book: Book) -> None:
    await basket(register, book)
    note = register.payments.note_rests
    assert await note("wechat", NOW - DAY, NOW) == 0
    assert [await note("wechat", NOW + DAY, NOW + DAY) for _ in range(2)] == [1, 0]
    assert await note("other", NOW + DAY, NOW + DAY) == 0
    (notice,) = [one for one in await register.notices.read() if one.name == "payment_unclaimed"]
    assert (notice.to, notice.facts["payment"], notice.facts["amount_minor"]) == ("operator", "pay-1", "2000")


async def test_what_is_not_there_is_answered_by_name(register: Register, book: Book) -> None:
    await basket(register, book, paid=8_000)
    assert await give_back(register, "ann") == "nothing_left"
    assert await give_back(register, "ann", payment="pay-9") == "unknown_payment"


async def test_one_id_stands_for_one_payment(register: Register, book: Book) -> None:
    await basket(register, book)
    await funded(register, book, "A9", 100, paid=200, payment="pay-9")
    await give_back(register, "ann")
    assert await give_back(register, "bob", payment="pay-9") == "different"


async def test_the_fences_of_a_return_hold_and_the_proof_finds_what_they_miss(
    database: Database, register: Register, book: Book
) -> None:
    await basket(register, book)
    for person in ("ann", "bob"):
        await give_back(register, person)
    with pytest.raises(asyncpg.CheckViolationError, match="a_rest_is_returned_by_two_people"):
        await database.owner.execute("UPDATE rest_returns SET done_by = asked_by")
    with pytest.raises(asyncpg.CheckViolationError, match="payment_not_over_claimed"):
        await database.owner.execute("UPDATE payments SET returned_minor = returned_minor + 1")
    database.broken = True
    await database.owner.execute("UPDATE payments SET returned_minor = returned_minor - 1")
    stolen = adjustment("payment/R9/rest", "CNY", NOW, [Leg("psp/wechat", "payment/R9/owed", 5)])
    await Book(database.owner).post_all([stolen])
    found = {proof.name: proof for proof in await prove(database.pool)}["rests"]
    assert {row["return_id"] for row in found.evidence} == {"R9", "wechat pay-1"}


async def test_one_person_under_two_spellings_returns_nothing(register: Register, book: Book) -> None:
    await basket(register, book)
    assert [await give_back(register, person) for person in ("ann", "Ann", "reviewer:ann")] == [
        "asked",
        "same_person",
        "same_person",
    ]


async def test_what_an_order_has_overtaken_is_closed_when_the_rest_is_asked_for_anew(
    register: Register, book: Book
) -> None:
    await basket(register, book)
    assert await give_back(register, "ann") == "asked"
    assert await opened(register, an_order("A3", 500, paid=10_000, payment="pay-1")) == "registered"
    assert await give_back(register, "bob", "R2") == "asked"
    assert [one.return_id for one in await register.payments.returns()] == ["R2"]
    assert await give_back(register, "bob") == "claimed"
    assert await give_back(register, "eve", "R2") == "owed"
    assert await register.payments.owed("wechat") == ["R2"]


async def _ended(register: Register, book: Book, order_id: str, total: int) -> None:
    order = an_order(order_id, total, paid=10_000, payment="pay-1", merchant_id=f"m-{order_id}")
    await refund(book, order, amount=total)
    await refund_arrived(book, order, amount=total)
    done: dict[str, Any] = {"phase": "cancelled", "closed": True, "refunded_minor": total, "state": {"funded": True}}
    await register.orders.record(a_record(order_id, **done))


async def _told(register: Register) -> list[str]:
    return [one.facts["amount_minor"] for one in await register.notices.read() if one.name == "payment_unclaimed"]


async def test_the_last_order_that_ends_tells_of_the_rest_at_once(register: Register, book: Book) -> None:
    await basket(register, book)
    await _ended(register, book, "A1", 5_000)
    assert await _told(register) == [], "another order of the payment is open"
    await _ended(register, book, "A2", 3_000)
    assert await _told(register) == ["2000"]
    assert await register.payments.note_rests("wechat", NOW + DAY, NOW + DAY) == 0


async def test_orders_that_end_at_the_same_moment_tell_of_the_rest_once(register: Register, book: Book) -> None:
    await basket(register, book)
    await asyncio.gather(_ended(register, book, "A1", 5_000), _ended(register, book, "A2", 3_000))
    assert await _told(register) == ["2000"]


async def test_a_payment_without_a_rest_needs_no_operator(register: Register, book: Book) -> None:
    await basket(register, book, paid=8_000)
    for order_id, total in (("A1", 5_000), ("A2", 3_000)):
        await _ended(register, book, order_id, total)
    assert await _told(register) == []


async def test_the_id_of_a_return_follows_what_goes_back(register: Register, book: Book) -> None:
    async def name() -> str:
        (payment,) = await register.payments.of_reference("pay-1")
        return await id_of_return(register, payment)

    await basket(register, book)
    first = await name()
    assert [await give_back(register, "ann", first), await name()] == ["asked", first]
    await opened(register, an_order("A3", 500, paid=10_000, payment="pay-1"))
    second = await name()
    assert second != first, "an order took a part of it: the first would be refused without end"
    assert [await give_back(register, person, await name()) for person in ("bob", "ann")] == ["asked", "owed"]
    assert [await name(), await give_back(register, "ann", await name())] == [second, "already"]
    await register.payments.close_return(second, arrived=False, reference=None, message="no", now=NOW)
    third = await name()
    assert third not in {first, second}
    assert [await give_back(register, person, third) for person in ("ann", "bob")] == ["asked", "owed"]


async def test_a_return_that_the_books_refuse_is_not_owed(database: Database, register: Register, book: Book) -> None:
    await basket(register, book)
    await give_back(register, "ann")
    database.broken = True
    await Book(database.owner).post_all([adjustment("payment/R1/rest", "CNY", NOW, [Leg("psp/wechat", OWED, 5)])])
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="the books answer conflict"):
        await give_back(register, "bob")
    returned = await register.payments.returned("R1")
    assert returned is not None
    assert (returned.state, await rest(register)) == ("asked", 2_000)
