"""Fences in the database: what the core never asks for is refused there too, and a proof beside each finds it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import asyncpg
import pytest
from databases import Database
from ledger_samples import (
    NOW,
    a_record,
    a_withdrawal,
    an_attempt,
    an_order,
    credit,
    earned,
    fund,
    funded,
    opened,
    pay,
    refund,
    refund_arrived,
)

from core.movements import Leg, adjustment
from core.withdrawal.payouts import RailTerms
from core.withdrawal.policy import WithdrawalPolicy
from ledger.book import Book
from ledger.proofs import prove
from ledger.register import Register

ESCROW, PAYABLE = "order/A1/escrow", "order/A1/refund_payable/c"
MERCHANT, CASH, FEE = "merchant/m-1/available", "rail/sandbox/cash", "income/withdrawal_fee"


class Fence(NamedTuple):
    """A movement that must not stand; `why` is what the refusal says, `proof` the one that finds it all the same."""

    name: str
    reference: str
    legs: Sequence[Leg]
    why: str
    proof: str
    emptied: str | None = None
    currency: str = "CNY"


FENCES = (
    Fence("another merchant", "order/C1/settle", [Leg("order/C1/proceeds", "merchant/m-2/available", 950)],
          "another subject's account", "chart", "order/C1/proceeds"),
    Fence("another currency", "order/N1/fund", [Leg("psp/wechat", "order/N1/escrow", 1000)],
          "another currency", "chart", currency="USD"),
    Fence("another channel", "order/N1/fund", [Leg("psp/other", "order/N1/escrow", 1000)],
          "another subject's account", "chart"),
    Fence("another merchant's withdrawal", "withdrawal/W1/close",
          [Leg("withdrawal/W1/reserved", "merchant/m-2/available", 500)],
          "another subject's account", "chart", "withdrawal/W1/reserved"),
    Fence("legs of zero", "order/A1/refund/none", [Leg(ESCROW, "order/A1/refund_payable/none", 0)],
          "it moves nothing", "moves_something"),
    Fence("no legs", "order/A1/refund/none", [], "it moves nothing", "moves_something"),
    Fence("a refund that arrives in part", "order/A1/refund/c/paid", [Leg(PAYABLE, "psp/wechat", 100)],
          "no kind of movement has these legs", "refunds_arrive_whole"),
    Fence("more than the discount", "order/D1/credit",
          [Leg("order/D1/escrow", "order/D1/proceeds", 1000), Leg("expense/discount", "order/D1/proceeds", 101)],
          "more than the discount", "chart", "order/D1/escrow"),
    Fence("more of the fee back than was taken", "withdrawal/P1/return/1",
          [Leg(CASH, MERCHANT, 1), Leg(FEE, MERCHANT, 11)], "more of the fee back", "payouts"),
    Fence("a payout of another amount than was sent", "withdrawal/S1/close",
          [Leg("withdrawal/S1/reserved", CASH, 100), Leg("withdrawal/S1/reserved", FEE, 200)],
          "not what was sent", "payouts", "withdrawal/S1/reserved"),
)  # fmt: skip


async def busy(register: Register, book: Book) -> None:
    """Orders and withdrawals as the fences need them."""
    await refund(book, await funded(register, book), cause="c", amount=1000)
    await credit(book, await funded(register, book, "C1"))
    await opened(register, an_order("N1"))
    line = an_order("D1", 1100).lines
    discounted = an_order("D1", 1000).model_copy(
        update={"lines": line, "discount_minor": 100, "discount_funded_by": "platform"}
    )
    await opened(register, discounted)
    await fund(book, discounted)
    await earned(register, book, 2000)
    limits = WithdrawalPolicy(minimum_minor=1)
    for name, amount in (("W1", 500), ("P1", 300), ("S1", 300)):
        await register.withdrawals.reserve(a_withdrawal(name, amount), limits, now=NOW)
    await pay(book, a_withdrawal("P1", 300), fee=10)
    await register.payouts.open(an_attempt(a_withdrawal("S1", 300)), RailTerms())


async def ask(database: Database, fence: Fence) -> Any:
    """As a thief would who has the worker's role."""
    legs = fence.legs
    subject, name, *_ = fence.reference.split("/")
    first = [name] if subject == "withdrawal" else []
    given: list[Any] = [*first, fence.reference, fence.currency, NOW, fence.emptied]
    given += [[leg.debit for leg in legs], [leg.credit for leg in legs], [leg.amount_minor for leg in legs], None]
    places = ", ".join(f"${number}" for number in range(1, len(given) + 1))
    return await database.pool.fetch(f"SELECT * FROM post_for_{subject}({places})", *given)


async def guarded(database: Database) -> list[Any]:
    rows = await database.pool.fetch("SELECT path, balance_minor FROM accounts WHERE guarded ORDER BY path, currency")
    return [tuple(row) for row in rows if row["balance_minor"]]


@pytest.mark.parametrize("fence", FENCES, ids=lambda fence: fence.name)
async def test_the_database_refuses_it_and_the_proof_finds_it(
    database: Database, register: Register, book: Book, fence: Fence
) -> None:
    await busy(register, book)
    before = await guarded(database)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match=fence.why):
        await ask(database, fence)
    assert await guarded(database) == before
    # Only the owner can post it, and then a proof finds it.
    database.broken = True
    sound = {proof.name for proof in await prove(database.pool) if proof.holds}
    assert fence.proof in sound
    movement = adjustment(fence.reference, fence.currency, NOW, fence.legs)
    (posted,) = await Book(database.owner).post_all([movement])
    assert posted.outcome == "posted"
    failed = {proof.name: str(proof.evidence) for proof in await prove(database.pool) if not proof.holds}
    assert fence.reference.split("/")[1] in failed[fence.proof]


async def test_a_refund_that_arrives_in_part_is_a_conflict_also_where_it_says_that_nothing_is_left(
    database: Database, register: Register, book: Book
) -> None:
    await busy(register, book)
    fence = Fence("", "order/A1/refund/c/paid", [Leg(PAYABLE, "psp/wechat", 100)], "", "", PAYABLE)
    (row,) = await ask(database, fence)
    assert (row["outcome"], row["account"], row["short_by"]) == ("conflict", PAYABLE, 900)


async def test_a_payout_is_sent_for_the_withdrawals_own_amount(register: Register, book: Book) -> None:
    await busy(register, book)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="its payout of 501 is refused"):
        await register.payouts.open(an_attempt(a_withdrawal("W1", 500), key="w1", amount_minor=501), RailTerms())
    assert (await pay(book, a_withdrawal("S1", 300))).moved


@pytest.mark.parametrize(("votes", "people"), [(["ann", "Ann"], 1), (["ann", "bob"], 2), ([], 0)])
async def test_one_person_does_not_settle_a_refund_that_is_stuck(
    register: Register, book: Book, votes: list[str], people: int
) -> None:
    order = await funded(register, book)
    await refund(book, order)
    refunds = [{"cause": "cancel", "votes": [[person, "arrived"] for person in votes]}]
    record = a_record(phase="cancelled", refunded_minor=1000, state={"funded": True, "refunds": refunds})
    if people == 1:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="one person says that it arrived"):
            await refund_arrived(book, order, record=record)
    else:
        assert (await refund_arrived(book, order, record=record)).moved


ACCOUNT = "(SELECT id FROM accounts WHERE path = 'order/A1/escrow')"
CHANNEL = "(SELECT id FROM accounts WHERE path = 'psp/wechat')"
YEN = "(SELECT id FROM accounts WHERE path = 'psp/yen')"
FUND = "(SELECT id FROM movements WHERE reference = 'order/A1/fund')"


@pytest.mark.parametrize(
    "row",
    [
        f"-1, 9, {CHANNEL}, {ACCOUNT}, 'CNY', 1",
        f"{FUND}, 9, -1, {ACCOUNT}, 'CNY', 1",
        f"{FUND}, 9, {CHANNEL}, -1, 'CNY', 1",
        f"{FUND}, 9, {CHANNEL}, {ACCOUNT}, 'JPY', 1",
        f"{FUND}, 9, {YEN}, {ACCOUNT}, 'JPY', 1",
        f"{FUND}, 9, {CHANNEL}, {YEN}, 'CNY', 1",
    ],
)
async def test_a_transfer_needs_its_movement_and_two_accounts_of_its_currency(
    database: Database, register: Register, book: Book, row: str
) -> None:
    """Also where the owner adds it, beside one that may stand."""
    await funded(register, book, "A1", 1_000)
    yen = adjustment("a/yen", "JPY", NOW, [Leg("psp/yen", "suspense", 1)])
    await Book(database.owner).post_all([yen])
    with pytest.raises(asyncpg.ForeignKeyViolationError, match="not all of them are there, in this currency"):
        await database.owner.execute(
            f"INSERT INTO transfers SELECT {FUND}, 8, {CHANNEL}, {ACCOUNT}, 'CNY', 1 UNION ALL SELECT {row}"
        )


@pytest.mark.parametrize("change", ["path = 'order/A1/frozen'", "currency = 'JPY'", "kind = 'asset'"])
async def test_an_account_keeps_its_name_and_its_currency(
    database: Database, register: Register, book: Book, change: str
) -> None:
    await funded(register, book, "A1", 1_000)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="the books are only added to"):
        await database.owner.execute(f"UPDATE accounts SET {change} WHERE path = 'order/A1/escrow'")


_LEGS = """
    SELECT * FROM post(ARRAY['adjustment/nulls'], ARRAY['CNY'], ARRAY[now()], ARRAY[NULL::TEXT], ARRAY[NULL::TEXT],
                       ARRAY[1, 1], ARRAY['psp/wechat', $1], ARRAY['suspense', $2], ARRAY[5::BIGINT, $3])
"""


@pytest.mark.parametrize(
    "leg",
    [(None, "suspense", 1), ("psp/wechat", None, 1), ("psp/wechat", "suspense", None)],
    ids=["debit", "credit", "amount"],
)
async def test_a_leg_without_an_account_or_an_amount_is_refused_whole(database: Database, leg: tuple[Any, ...]) -> None:
    with pytest.raises(asyncpg.InvalidParameterValueError, match="leg 2 lacks an account or an amount"):
        await database.owner.fetch(_LEGS, *leg)
    assert await database.owner.fetchval("SELECT count(*) FROM movements WHERE reference = 'adjustment/nulls'") == 0
    [posted] = await database.owner.fetch(_LEGS, "psp/wechat", "suspense", 1)
    assert posted["outcome"] == "posted"
