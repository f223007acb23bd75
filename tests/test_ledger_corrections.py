"""Corrections: two people take back what should not have been booked so, at most what was moved, and once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import asyncpg
import pytest
from databases import Database
from ledger_samples import HAS, NOW, OWES

from core.movements import Leg, adjustment, paid_in, psp_settlement
from ledger.book import Book
from ledger.corrections import Corrected
from ledger.proofs import prove
from ledger.register import Register

PAID = "merchant/m-1/paid_in/P1"
SETTLED = "psp/wechat/settlement/S1"


async def adjusted(database: Database, *legs: Leg, number: int = 1) -> str:
    reference = f"adjust/{number}"
    await Book(database.owner).post_all([adjustment(reference, "CNY", NOW, legs)])
    return reference


async def paid(database: Database, register: Register, amount: int = 300, owed: int = 500) -> None:
    await adjusted(database, Leg(OWES, "suspense", owed), number=9)
    movement = paid_in("m-1", "P1", channel="wechat", amount_minor=amount, currency="CNY", occurred_at=NOW)
    assert (await register.receivables.pay_in(movement)).moved


async def settled(database: Database) -> None:
    await adjusted(database, Leg("psp/wechat", "suspense", 1_000), number=8)
    movement = psp_settlement(
        "wechat", "S1", rail="sandbox", net_minor=990, fee_minor=10, currency="CNY", occurred_at=NOW
    )
    (posted,) = await Book(database.pool).post_all([movement])
    assert posted.moved


async def say(
    register: Register, person: str, reference: str, request: str = "K1", legs: Mapping[int, int] | None = None
) -> Corrected:
    return await register.corrections.correct(
        request, reference, person=person, reason="booked twice", now=NOW, legs=legs
    )


async def said(register: Register, person: str, reference: str, request: str = "K1", **more: object) -> str:
    return (await say(register, person, reference, request, **more)).outcome  # type: ignore[arg-type]  # `legs` alone


async def test_two_people_take_a_movement_back_whole(database: Database, register: Register) -> None:
    await settled(database)
    assert await said(register, "ann", SETTLED) == "asked"
    assert await database.balance("rail/sandbox/cash") == 990
    assert await said(register, "ann", SETTLED) == "same_person"
    assert await said(register, "bob", SETTLED) == "corrected"
    assert await said(register, "bob", SETTLED) == "already"
    for path, amount in (("rail/sandbox/cash", 0), ("psp/wechat", 1_000), ("expense/psp_fee", 0)):
        assert await database.balance(path) == amount
    assert [(leg.amount_minor, leg.corrected_minor) for leg in await register.corrections.legs(SETTLED)] == [
        (990, 990),
        (10, 10),
    ]
    linked = await database.pool.fetchval("SELECT linked_to FROM movements WHERE reference = 'correction/K1'")
    assert linked == SETTLED
    (correction,) = await register.corrections.of(SETTLED)
    assert (correction.asked_by, correction.done_by) == ("ann", "bob")


async def test_a_movement_is_taken_back_once(database: Database, register: Register) -> None:
    await settled(database)
    for person in ("ann", "bob"):
        await say(register, person, SETTLED)
    assert await said(register, "ann", SETTLED, "K2") == "above_movement"
    over = await say(register, "ann", SETTLED, "K2", {2: 1})
    assert (over.outcome, over.where, over.short_by_minor) == ("above_movement", "2", 1)


async def test_named_amounts_add_up_to_no_more_than_the_leg(database: Database, register: Register) -> None:
    await settled(database)
    for request, fee in (("K1", 4), ("K2", 6)):
        assert await said(register, "ann", SETTLED, request, legs={2: fee}) == "asked"
        assert await said(register, "bob", SETTLED, request) == "corrected"
    assert await said(register, "ann", SETTLED, "K3", legs={2: 1}) == "above_movement"
    assert await database.balance("expense/psp_fee") == 0
    assert await said(register, "ann", SETTLED, "K4", legs={3: 1}) == "no_such_leg"
    assert await said(register, "ann", SETTLED, "K1", legs={1: 4}) == "different"


async def test_many_at_once_take_it_back_once(database: Database, register: Register) -> None:
    await settled(database)
    for request in ("K1", "K2"):
        assert await said(register, "ann", SETTLED, request, legs={1: 600}) == "asked"
    answers = await asyncio.gather(
        *(said(register, person, SETTLED, request) for person in ("bob", "eve", "joe") for request in ("K1", "K2"))
    )
    assert sorted(answers) == ["above_movement"] * 3 + ["already"] * 2 + ["corrected"]
    assert await database.balance("rail/sandbox/cash") == 390


async def test_what_a_merchant_paid_in_by_mistake_is_owed_again(database: Database, register: Register) -> None:
    await paid(database, register)
    for person in ("ann", "bob"):
        await say(register, person, PAID)
    assert await database.balance(OWES) == 500
    assert await database.balance("psp/wechat") == 0


async def test_a_debt_that_comes_back_takes_what_the_merchant_has_first(database: Database, register: Register) -> None:
    await paid(database, register, amount=500)
    await adjusted(database, Leg("suspense", HAS, 200))
    for person in ("ann", "bob"):
        await say(register, person, PAID)
    assert (await database.balance(HAS), await database.balance(OWES)) == (0, 300)


async def test_a_correction_leaves_nobody_below_zero_and_nothing_half_done(
    database: Database, register: Register
) -> None:
    gift = await adjusted(database, Leg("expense/goodwill", HAS, 500), Leg("psp/wechat", "suspense", 100))
    await adjusted(database, Leg(HAS, "suspense", 400), number=2)
    await say(register, "ann", gift)
    answer = await say(register, "bob", gift)
    assert (answer.outcome, answer.where, answer.short_by_minor) == ("insufficient_funds", HAS, 400)
    assert await database.balance("psp/wechat") == 100
    await adjusted(database, Leg("suspense", HAS, 400), number=3)
    assert await said(register, "bob", gift) == "corrected"


async def test_a_correction_may_be_corrected_and_the_first_stays_used_up(
    database: Database, register: Register
) -> None:
    await settled(database)
    for reference, request in ((SETTLED, "K1"), ("correction/K1", "K2")):
        for person in ("ann", "bob"):
            last = await said(register, person, reference, request)
        assert last == "corrected"
    assert await database.balance("rail/sandbox/cash") == 990
    (booked,) = await database.pool.fetch("SELECT gross_minor, net_minor FROM booked_settlements")
    assert tuple(booked) == (1_000, 990), "the comparisons see it again"
    assert [one.request_id for one in await register.corrections.of(SETTLED)] == ["K1", "K2"]
    assert await said(register, "ann", SETTLED, "K3") == "above_movement"
    assert await said(register, "ann", "correction/K2", "K3") == "not_correctable", "that is final"


async def test_the_proof_finds_a_correction_that_goes_on(database: Database, register: Register) -> None:
    await settled(database)
    for reference, request in ((SETTLED, "K1"), ("correction/K1", "K2")):
        for person in ("ann", "bob"):
            await say(register, person, reference, request)
    database.broken = True
    again = adjustment("correction/K3", "CNY", NOW, [Leg("rail/sandbox/cash", "psp/wechat", 1)])
    await Book(database.owner).post_all([again.model_copy(update={"linked_to": "correction/K2"})])
    await database.owner.execute(
        "INSERT INTO corrections (request_id, reference, legs, reason, asked_by, asked_at, done_by, done_at)"
        " VALUES ('K3', 'correction/K2', '[]', 'again', 'ann', now(), 'bob', now())"
    )
    found = {proof.name: proof for proof in await prove(database.pool)}["corrections"]
    assert "correction/K3" in {row["reference"] for row in found.evidence}


async def test_one_person_under_two_spellings_corrects_nothing(database: Database, register: Register) -> None:
    await settled(database)
    assert [await said(register, person, SETTLED) for person in ("ann", "ANN", "operator:ann")] == [
        "asked",
        "same_person",
        "same_person",
    ]


async def test_what_the_register_answers_for_is_not_corrected_behind_its_back(
    database: Database, register: Register
) -> None:
    database.broken = True
    leg = Leg("expense/goodwill", "suspense", 5)
    for reference in ("order/A1/credit", "withdrawal/W1/close", "account/a/1/drop/1"):
        await Book(database.owner).post_all([adjustment(reference, "CNY", NOW, [leg])])
        assert await said(register, "ann", reference) == "not_correctable"
    assert await said(register, "ann", "order/A2/fund") == "unknown_movement"


async def test_a_correction_by_one_person_or_of_too_much_breaks_the_proof(
    database: Database, register: Register
) -> None:
    await settled(database)
    for person in ("ann", "bob"):
        await say(register, person, SETTLED, legs={2: 10})
    with pytest.raises(asyncpg.CheckViolationError, match="corrected_by_two_people"):
        await database.owner.execute("UPDATE corrections SET done_by = asked_by")
    database.broken = True
    again = adjustment("correction/K9", "CNY", NOW, [Leg("psp/wechat", "expense/psp_fee", 1)])
    await Book(database.owner).post_all([again.model_copy(update={"linked_to": SETTLED})])
    found = {proof.name: proof for proof in await prove(database.pool)}["corrections"]
    assert not found.holds
    assert {row["reference"] for row in found.evidence} == {"correction/K9", "correction/…"}


async def test_the_proof_finds_a_correction_that_is_not_in_the_books(database: Database, register: Register) -> None:
    await settled(database)
    await say(register, "ann", SETTLED)
    database.broken = True
    await database.owner.execute("UPDATE corrections SET done_by = 'bob', done_at = now()")
    found = {proof.name: proof for proof in await prove(database.pool)}["corrections"]
    assert [row["reference"] for row in found.evidence] == ["correction/K1"]


async def test_a_settlement_that_was_taken_back_is_not_looked_for_in_statements(
    database: Database, register: Register
) -> None:
    from statement_lines import both_sides

    await settled(database)
    assert [line.amount_minor for line in (await both_sides(database.pool, "channel", "wechat")).ours] == [1_000]
    await say(register, "ann", SETTLED, legs={2: 10})
    await say(register, "bob", SETTLED)
    assert [line.amount_minor for line in (await both_sides(database.pool, "channel", "wechat")).ours] == [990]
    for person in ("ann", "bob"):
        await say(register, person, SETTLED, "K2")
    for scope, name in (("channel", "wechat"), ("rail", "sandbox")):
        assert (await both_sides(database.pool, scope, name)).ours == []  # type: ignore[arg-type]  # a known scope


async def test_a_leg_that_is_named_twice_counts_twice(database: Database) -> None:
    """Each alone would fit; together they would take back more than was moved."""
    await settled(database)
    twice = [{"leg": 1, "amount_minor": 990}, {"leg": 1, "amount_minor": 990}]
    for person in ("ann", "bob"):
        outcome = await database.pool.fetchval(
            "SELECT outcome FROM correct_movement('K2', $1, $2, $3, 'booked twice', $4)", SETTLED, twice, person, NOW
        )
        assert outcome == "above_movement"
    assert await database.balance("rail/sandbox/cash") == 990
