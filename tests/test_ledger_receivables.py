"""What a merchant owes: its age, what is paid in, and what two people give up."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest
from databases import Database
from ledger_samples import ALL_TAKEN, AT, DAY, HAS, NOW, OWES, a_record, credit, funded, refund, settle, settled_order
from planted_violations import broken, covered, planted

from core.messages import Order
from core.movements import (
    Leg,
    Taken,
    adjustment,
    chargeback,
    chargeback_above,
    chargeback_won,
    paid_in,
    refund_covered,
)
from ledger.book import Book
from ledger.register import Register

WRITTEN_OFF = (
    "SELECT * FROM post('{merchant/m-1/write_off/R9}', '{CNY}', ARRAY[now()], ARRAY[NULL::TEXT],"
    " ARRAY[NULL::TEXT], '{1}', '{expense/goodwill}', '{merchant/m-1/receivable}', '{1}')"
)
"""By a hand at the database."""


async def _owes(database: Database, amount: int, days_ago: int = 0, number: int = 1) -> None:
    at = NOW - days_ago * DAY
    await Book(database.owner).post_all([adjustment(f"adjust/{number}", "CNY", at, [Leg(OWES, "suspense", amount)])])


async def _give_up(register: Register, person: str, amount: int = 300, request: str = "R1") -> str:
    answer = await register.receivables.write_off(
        request, "m-1", amount_minor=amount, currency="CNY", person=person, reason="gone", now=NOW
    )
    return answer.outcome


async def test_a_debt_ages_and_the_oldest_part_is_repaid_first(database: Database, register: Register) -> None:
    for number, (amount, days_ago) in enumerate([(100, 120), (200, 60), (400, 3)]):
        await _owes(database, amount, days_ago, number)
    (debt,) = await register.receivables.of_merchant("m-1", NOW)
    assert (debt.owed_minor, debt.older_minor, debt.days_90_minor, debt.days_30_minor) == (700, 100, 200, 400)
    assert (await register.receivables.pay_in(paid_in("m-1", "P1", channel="wechat", amount_minor=150, **AT))).moved
    (debt,) = await register.receivables.of_merchant("m-1", NOW)
    assert (debt.owed_minor, debt.older_minor, debt.days_90_minor, debt.days_30_minor) == (550, 0, 150, 400)
    assert debt.oldest_at == NOW - 60 * DAY
    assert await register.receivables.of_merchant("m-2", NOW) == []


async def test_what_is_paid_in_counts_once_and_is_at_most_what_is_owed(database: Database, register: Register) -> None:
    await _owes(database, 500)
    given: dict[str, Any] = {"rail": "sandbox", **AT}
    pay = register.receivables.pay_in
    answers = await asyncio.gather(*(pay(paid_in("m-1", "P1", amount_minor=300, **given)) for _ in range(3)))
    assert sorted(answer.outcome for answer in answers) == ["exists", "exists", "posted"]
    over = await pay(paid_in("m-1", "P2", amount_minor=300, **given))
    assert (over.outcome, over.short_by_minor) == ("insufficient_funds", 100)
    assert (await pay(paid_in("m-1", "P1", amount_minor=200, **given))).outcome == "conflict"
    assert await database.balance(OWES) == 200


async def test_only_a_payment_goes_through_the_door_for_payments(database: Database) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="no payment of a merchant"):
        await database.pool.fetch(
            "SELECT * FROM post_paid_in('bonus/1', 'CNY', now(), ARRAY['psp/wechat'],"
            " ARRAY['merchant/m-1/available'], ARRAY[500::BIGINT])"
        )
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="refused"):
        await database.pool.fetch(
            "SELECT * FROM post_paid_in('merchant/m-1/paid_in/1', 'CNY', now(), ARRAY['psp/wechat'],"
            " ARRAY['merchant/m-1/available'], ARRAY[500::BIGINT])"
        )


async def test_two_people_give_a_debt_up_and_no_fewer(database: Database, register: Register) -> None:
    await _owes(database, 500)
    assert [await _give_up(register, person) for person in ("ann", "ann")] == ["asked", "same_person"]
    assert await database.balance(OWES) == 500
    assert await _give_up(register, "bob", amount=200) == "different"
    assert await _give_up(register, "bob") == "written_off"
    assert await _give_up(register, "eve") == "already"
    assert [await database.balance(path) for path in (OWES, "expense/goodwill")] == [200, 300]
    assert await _give_up(register, "ann", request="R2") == "insufficient_funds"


async def test_many_who_give_up_at_once_do_it_once(database: Database, register: Register) -> None:
    await _owes(database, 500)
    await _give_up(register, "ann")
    outcomes = await asyncio.gather(*(_give_up(register, person) for person in ("bob", "eve", "joe")))
    assert sorted(outcomes) == ["already", "already", "written_off"]
    assert await database.balance(OWES) == 200


async def test_two_who_ask_first_at_the_same_moment_do_it_together(database: Database, register: Register) -> None:
    await _owes(database, 5000)
    for number in range(8):
        request = f"R{number}"
        asked = await asyncio.gather(*(_give_up(register, person, request=request) for person in ("ann", "bob")))
        assert sorted(asked) == ["asked", "written_off"]
    again = await asyncio.gather(*(_give_up(register, "ann", request="R9") for _ in range(4)))
    assert sorted(again) == ["asked", *["same_person"] * 3]
    assert await database.balance(OWES) == 5000 - 8 * 300


async def test_racing_requests_give_up_no_more_than_is_owed(database: Database, register: Register) -> None:
    await _owes(database, 1000)
    requests = [f"R{number}" for number in range(6)]
    await asyncio.gather(*(_give_up(register, "ann", request=request) for request in requests))
    pay = paid_in("m-1", "P1", channel="wechat", amount_minor=300, **AT)
    paying = asyncio.create_task(register.receivables.pay_in(pay))
    outcomes = await asyncio.gather(*(_give_up(register, "bob", request=request) for request in requests))
    assert outcomes.count("written_off") + ((await paying).outcome == "posted") == 3
    assert outcomes.count("insufficient_funds") == 6 - outcomes.count("written_off")
    assert await database.balance(OWES) == 100


async def test_a_lost_reply_gives_a_debt_up_once(database: Database, register: Register) -> None:
    """The command died between the commit and its answer: the same person says it again, or another one does."""
    await _owes(database, 500)
    assert [await _give_up(register, person) for person in ("ann", "bob", "bob", "ann")] == [
        "asked",
        "written_off",
        "already",
        "already",
    ]
    pay = paid_in("m-1", "P1", rail="sandbox", amount_minor=200, **AT)
    assert [(await register.receivables.pay_in(pay)).outcome for _ in range(2)] == ["posted", "exists"]
    assert await database.balance(OWES) == 0


async def test_not_even_the_owner_lets_one_person_give_a_debt_up(database: Database, register: Register) -> None:
    await _owes(database, 500)
    await _give_up(register, "ann")
    with pytest.raises(asyncpg.CheckViolationError, match="a_debt_is_given_up_by_two_people"):
        await database.owner.execute("UPDATE write_offs SET done_by = 'ann', done_at = now()")


async def test_one_person_under_two_spellings_is_one_person(database: Database, register: Register) -> None:
    await _owes(database, 500)
    assert await _give_up(register, "ann") == "asked"
    for again in ("Ann", "operator:ann", " ann", "reviewer: ANN", "ａｎｎ"):
        assert await _give_up(register, again) == "same_person"
    with pytest.raises(asyncpg.CheckViolationError, match="a_debt_is_given_up_by_two_people"):
        await database.owner.execute("UPDATE write_offs SET done_by = 'reviewer:Ann', done_at = now()")
    assert await _give_up(register, "bob") == "written_off"


async def test_one_transaction_does_not_ask_and_agree(database: Database) -> None:
    await _owes(database, 500)
    say = "SELECT outcome FROM write_off('R1', 'm-1', 'CNY', 300, $1, 'gone', now())"
    async with database.pool.acquire() as thief, thief.transaction():
        assert await thief.fetchval(say, "ann") == "asked"
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="one transaction asks and agrees"):
            async with thief.transaction():
                await thief.fetchval(say, "bob")


async def _charged_back(database: Database, register: Register, book: Book) -> Order:
    """A settled order whose merchant has nothing left: the channel took its money back, and the merchant owes it."""
    order = await funded(register, book, "A1", 1000)
    await credit(book, order, commission=0)
    await settle(book, order, 1000)
    spent = adjustment("adjust/spent", "CNY", NOW, [Leg("merchant/m-1/available", "suspense", 1000)])
    await Book(database.owner).post_all([spent])
    taken = Taken(place="merchant", merchant_minor=1000)
    names: dict[str, Any] = {"k": 1, "channel": "wechat", "merchant_id": "m-1", "currency": "CNY", "occurred_at": NOW}
    assert (await book.post(chargeback("A1", taken=taken, **names))).moved
    return order


def _case(stage: str) -> dict[str, Any]:
    done = {"phase": "settled", "audit": "approved", "receipt": "confirmed", "refunded_minor": 1000}
    return {**done, "state": {"funded": True, "cases": [{"case_id": 1, "stage": stage}]}}


async def test_what_a_channel_may_still_give_back_is_not_written_off(
    database: Database, register: Register, book: Book
) -> None:
    await _charged_back(database, register, book)
    await register.orders.record(a_record("A1", **_case("disputed")))
    await _owes(database, 200)
    refused = await register.receivables.write_off(
        "R1", "m-1", amount_minor=700, currency="CNY", person="ann", reason="gone", now=NOW
    )
    assert (refused.outcome, refused.short_by_minor) == ("disputed", 500)
    assert [await _give_up(register, person, 200) for person in ("ann", "bob")] == ["asked", "written_off"]
    assert await _give_up(register, "ann", 1000, "R2") == "disputed"
    assert (await book.post(chargeback_won("A1", k=1, currency="CNY", occurred_at=NOW))).moved
    await register.orders.record(a_record("A1", 2, **{**_case("won"), "refunded_minor": 0}))
    assert [await database.balance(path) for path in (OWES, "merchant/m-1/available")] == [0, 0]
    assert await database.balance("expense/goodwill") == 200


async def _owed_still(register: Register, book: Book) -> None:
    """A settled order all of which is owed to the buyer, and whose merchant owes what a channel took above that."""
    order = await settled_order(register, book)
    await refund(book, order, "case-1", taken=ALL_TAKEN)
    names: dict[str, Any] = {"k": 1, "channel": "wechat", "merchant_id": "m-1", "merchant_minor": 1000, **AT}
    assert (await book.post(chargeback_above("A1", **names))).moved


async def test_a_debt_that_a_refused_refund_may_still_pay_is_not_written_off(
    database: Database, register: Register, book: Book
) -> None:
    """The dispute is lost, and it is not known yet whether the refund arrived."""
    await _owed_still(register, book)
    await register.orders.record(a_record("A1", **_case("lost")))
    await _owes(database, 200)
    assert await _give_up(register, "ann", 201) == "disputed"
    assert [await _give_up(register, person, 200) for person in ("ann", "bob")] == ["asked", "written_off"]
    assert (await book.post(refund_covered("A1", cause="case-1", merchant_id="m-1", merchant_minor=1000, **AT))).moved
    assert [await database.balance(path) for path in (OWES, HAS)] == [0, 0]
    assert await database.balance("expense/goodwill") == 200


async def test_a_debt_that_was_written_off_and_then_paid_by_a_refused_refund_is_found(
    database: Database, register: Register, book: Book
) -> None:
    await _owed_still(register, book)
    await register.orders.record(a_record("A1", **_case("lost")))
    async with database.owner.acquire() as owner, planted(owner, WRITTEN_OFF):
        before = await broken(owner)
        async with planted(owner, covered("case-1", 1000)):
            after = await broken(owner)
    assert "written_off" not in before
    assert "write_off/R9" in after["written_off"]


async def test_a_debt_that_was_asked_about_before_the_dispute_waits_for_its_end(
    database: Database, register: Register, book: Book
) -> None:
    await _owes(database, 300, number=2)
    assert await _give_up(register, "ann", 300) == "asked"
    await register.receivables.pay_in(paid_in("m-1", "P1", channel="wechat", amount_minor=300, **AT))
    await _charged_back(database, register, book)
    assert await _give_up(register, "bob", 300) == "disputed", "what is owed now came from the chargeback"
    await register.orders.record(a_record("A1", **_case("lost")))
    assert await _give_up(register, "bob", 300) == "written_off"


async def test_a_disputed_debt_written_off_is_found(database: Database, register: Register, book: Book) -> None:
    await _charged_back(database, register, book)
    await register.orders.record(a_record("A1", **_case("disputed")))
    async with database.owner.acquire() as owner, planted(owner, WRITTEN_OFF):
        after = await broken(owner)
    assert "write_off/R9" in after["written_off"]
