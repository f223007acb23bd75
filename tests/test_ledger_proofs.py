"""Each proof fails where its sentence is violated, names what speaks against it, and no other test could see that.

`planted_violations` has them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, cast

import asyncpg
from databases import Database
from ledger_samples import (
    NOW,
    credit,
    earned,
    funded,
    proven_so_far,
    settle,
)
from planted_violations import PLANTED, a_busy_book, planted, ready_for_planting, without_fences

from core.movements import Leg, Movement, adjustment
from core.records import OrderRecord, WithdrawalRecord
from core.steps import Posted
from ledger.book import Book
from ledger.long_reads import long_reads
from ledger.proofs import CLAIMS, EVIDENCE_MAX, Proof, prove
from ledger.proving import Proven, prove_and_note, prove_part
from ledger.register import Register
from ledger.seals import Seals


async def _failing(database: Database) -> dict[str, tuple[dict[str, object], ...]]:
    return {proof.name: proof.evidence for proof in await prove(database.pool) if not proof.holds}


async def test_all_proofs_hold_of_books_that_are_right(database: Database, book: Book, register: Register) -> None:
    await a_busy_book(register, book)
    proofs = await prove(database.pool)
    assert {proof.name for proof in proofs if proof.holds} == {claim.name for claim in CLAIMS}
    assert all(proof.sentence.endswith(".") for proof in proofs)


async def test_a_single_connection_can_be_asked_too(database: Database) -> None:
    async with database.owner.acquire() as connection:
        assert all(proof.holds for proof in await prove(connection))


def _against(proofs: Sequence[Proof]) -> dict[str, str]:
    return {proof.name: str(proof.evidence) for proof in proofs if not proof.holds}


async def _proven_now(database: Database, register: Register) -> Proven:
    """All up to here is sealed and proven."""
    await register.seals.seal()
    assert (await prove_and_note(database.pool)).hold
    return await proven_so_far(database)


class _ProvenAtEachThird(Book):
    """Books that are sealed and proven between any movements of one subject."""

    posted = 0

    async def post(self, movement: Movement, record: OrderRecord | WithdrawalRecord | None = None) -> Posted:
        answer = await super().post(movement, record)
        self.posted += 1
        if self.posted % 3 == 0:
            await Seals(self._pool).seal()
            assert _against((await prove_and_note(self._pool)).proofs) == {}
        return answer


async def test_the_proofs_of_a_part_hold_wherever_the_part_begins(database: Database, register: Register) -> None:
    await a_busy_book(register, _ProvenAtEachThird(database.pool))
    assert (await proven_so_far(database)).seal >= 5


async def test_each_planted_violation_is_found_and_named(database: Database, book: Book, register: Register) -> None:
    """By the proofs over all, and in the same words by those over what moved since the last proof."""
    await Book(database.owner).post_all([adjustment("adjust/0", "CNY", NOW, [Leg("psp/wechat", "suspense", 7)])])
    since = await _proven_now(database, register)
    await ready_for_planting(database, register, book)
    found = {}
    async with without_fences(database) as owner:
        for what, (statement, _, culprit) in PLANTED.items():
            async with planted(owner, statement):
                failing = _against(await prove(owner))
                async with long_reads(owner) as reads:
                    of_part = _against(await prove_part(reads, since))
            assert any(culprit in evidence for evidence in failing.values()), (what, failing)
            # A movement under a number below the seal is `verify-chain`'s to find.
            assert of_part.keys() == failing.keys() or "-1" in statement, (what, of_part, failing)
            found[what] = set(failing)
    assert found == {what: expected for what, (_, expected, _) in PLANTED.items()}
    assert set().union(*found.values()) >= {claim.name for claim in CLAIMS} - {"proceeds", "has_or_owes", "written_off"}


async def test_a_hand_at_sealed_books_is_found_by_the_chain(database: Database, book: Book, register: Register) -> None:
    await ready_for_planting(database, register, book)
    await _proven_now(database, register)
    async with without_fences(database) as owner:
        for what, (statement, _, _) in PLANTED.items():
            # Of these, one adds a movement after the seal.
            if not re.search(r"(UPDATE|DELETE FROM|INSERT INTO) (movements|transfers) (?!\(ref)", statement):
                continue
            async with planted(owner, statement):
                seals = [one async for one in Seals(cast("asyncpg.Pool[Any]", owner)).verify()]
            assert any(one.fault for one in seals), what


async def test_proceeds_left_after_the_settlement_are_found(database: Database, book: Book, register: Register) -> None:
    order = await funded(register, book)
    await credit(book, order)
    await settle(book, order)
    await Book(database.owner).post_all(
        [adjustment("adjust/1", "CNY", NOW, [Leg("psp/wechat", "order/A1/proceeds", 1)])]
    )
    database.broken = True
    assert (await _failing(database)).keys() == {"proceeds", "credit_earned"}


async def test_a_second_credit_is_found(database: Database, book: Book, register: Register) -> None:
    order = await funded(register, book)
    await credit(book, order)
    await Book(database.owner).post_all(
        [adjustment("adjust/1", "CNY", NOW, [Leg("psp/wechat", "order/A1/proceeds", 1)])]
    )
    database.broken = True
    assert (await _failing(database)).keys() == {"credit_earned"}


async def test_a_merchant_who_has_and_owes_is_found(database: Database, book: Book, register: Register) -> None:
    await earned(register, book, 700)
    await Book(database.owner).post_all(
        [adjustment("adjust/1", "CNY", NOW, [Leg("merchant/m-1/receivable", "suspense", 1)])]
    )
    database.broken = True
    failing = await _failing(database)
    assert failing == {
        "has_or_owes": (
            {"path": "merchant/m-1/available", "currency": "CNY", "available_minor": 700, "receivable_minor": 1},
        )
    }


async def test_more_discount_than_the_order_names_is_found(database: Database, book: Book, register: Register) -> None:
    """Also where each movement alone gives no more than that: no other proof sees it."""
    discount: dict[str, Any] = {"discount_minor": 30, "discount_funded_by": "platform", "total_minor": 970}
    order = await funded(register, book, paid=970, **discount)
    await credit(book, order, discount=30)
    await settle(book, order)
    since = await _proven_now(database, register)
    again = [Leg("expense/discount", "merchant/m-1/available", 30)]
    await Book(database.owner).post_all([adjustment("order/A1/claim_back/1", "CNY", NOW, again)])
    database.broken = True
    failing = await _failing(database)
    assert failing.keys() == {"given_back"}
    assert [(row["discount_minor"], row["own_discount_minor"]) for row in failing["given_back"]] == [(60, 30)]
    async with long_reads(database.pool) as reads:
        assert _against(await prove_part(reads, since)).keys() == {"given_back"}


async def test_evidence_is_the_first_rows_only(database: Database, book: Book, register: Register) -> None:
    for n in range(EVIDENCE_MAX + 3):
        legs = [Leg("psp/wechat", f"order/X{n:02}/escrow", 1)]
        await Book(database.owner).post(adjustment(f"order/X{n:02}/fund", "CNY", NOW, legs))
    database.broken = True
    assert len((await _failing(database))["orphaned_escrow"]) == EVIDENCE_MAX
