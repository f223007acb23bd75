"""Legs that a check could read otherwise than the posting: twice the same, numbered from elsewhere, by another name."""

from __future__ import annotations

import asyncpg
import pytest
from databases import Database
from ledger_samples import NOW, an_order, earned, funded, move_to_suspense, opened
from ledger_samples import a_withdrawal as withdrawal

from core.withdrawal.policy import WithdrawalPolicy
from ledger.book import Book
from ledger.register import Register

MALFORMED = asyncpg.InvalidParameterValueError
REFUSED = asyncpg.InsufficientPrivilegeError
AVAILABLE = "merchant/m-1/available"
FOR_ORDER = "SELECT * FROM post_for_order($1, 'CNY', $2, $3, $4, $5, {amounts}::BIGINT[], NULL)"


async def test_the_same_leg_twice_moves_nothing(database: Database, register: Register) -> None:
    """Each transfer of the paid total is lawful by itself."""
    await opened(register, an_order("A1", 1000))
    query = FOR_ORDER.format(amounts="ARRAY[1000, 1000]")
    with pytest.raises(REFUSED, match="has a leg twice"):
        await database.pool.fetch(query, "order/A1/fund", NOW, None, ["psp/wechat"] * 2, ["order/A1/escrow"] * 2)


async def test_the_same_leg_twice_beside_a_movement_without_legs(database: Database, register: Register) -> None:
    await opened(register, an_order("A1", 1000))
    with pytest.raises(REFUSED, match="order/A1/fund is refused: it has a leg twice"):
        await database.pool.fetch(
            "SELECT * FROM post_for_orders($1, ARRAY['CNY', 'CNY'], ARRAY[$2, $2]::TIMESTAMPTZ[],"
            " ARRAY[NULL, NULL]::TEXT[], ARRAY[1, 1], $3, $4, ARRAY[1000, 1000], ARRAY[NULL, NULL]::JSONB[])",
            ["order/A1/fund", "order/A1/settle"],
            NOW,
            ["psp/wechat"] * 2,
            ["order/A1/escrow"] * 2,
        )


@pytest.mark.parametrize("amounts", ["'[0:1]={1,99999999}'", "'{1,2}'", "'{}'"])
async def test_amounts_that_stand_elsewhere_than_their_legs_are_refused(
    database: Database, register: Register, book: Book, amounts: str
) -> None:
    """A check that reads them as rows would see the first one, and the posting write the other."""
    await funded(register, book, "A1", 1000)
    with pytest.raises(MALFORMED, match="not of one length"):
        await database.pool.fetch(
            FOR_ORDER.format(amounts=amounts),
            *("order/A1/chargeback/k/fee", NOW, None, ["expense/psp_fee"], ["psp/wechat"]),
        )


async def test_a_withdrawal_takes_no_more_from_suspense_by_shifted_amounts(
    database: Database, register: Register, book: Book
) -> None:
    await earned(register, book, 5000)
    for name in ("W1", "W2"):
        await register.withdrawals.reserve(withdrawal(name, 500), WithdrawalPolicy(), now=NOW)
        await move_to_suspense(book, withdrawal(name, 500))
    with pytest.raises(MALFORMED, match="not of one length"):
        await database.pool.fetch(
            "SELECT * FROM post_for_withdrawal('W1', 'withdrawal/W1/close', 'CNY', $1, 'withdrawal/W1/reserved',"
            " $2, $3, '[0:1]={-400,900}'::BIGINT[], NULL)",
            *(NOW, ["withdrawal/W1/reserved"], [AVAILABLE]),
        )


async def test_an_account_has_no_second_name(database: Database, register: Register, book: Book) -> None:
    """`… CNY` would be the same account, with a balance of its own during the posting."""
    await funded(register, book, "A1", 1000)
    payable = "order/A1/refund_payable/c"
    with pytest.raises(MALFORMED, match="has a space"):
        await database.pool.fetch(
            FOR_ORDER.format(amounts="ARRAY[1000, 1000]"),
            *("order/A1/refund/c/paid", NOW, payable, [payable, f"{payable} CNY"], ["psp/wechat"] * 2),
        )


@pytest.mark.parametrize("function", ["post_for_orders", "post_movements"])
async def test_an_empty_array_gets_no_answers(database: Database, function: str) -> None:
    nothing = ", ".join(["'{}'"] * 9)
    assert not await database.pool.fetch(f"SELECT * FROM {function}({nothing})")


@pytest.mark.parametrize(
    "other", ["psp/wechat/settlement/1", "order", "order0/fund", "Order/A1/fund", "withdrawal/W1/close"]
)
async def test_an_array_of_orders_takes_no_other_reference(database: Database, other: str) -> None:
    """Also between two that are orders', and though it moves nothing."""
    with pytest.raises(REFUSED, match=f"{other} is refused: it is no order's"):
        await database.pool.fetch(
            "SELECT * FROM post_for_orders($1, $2, $3, $4, '{}', '{}', '{}', '{}', $5)",
            *(["order/A1/fund", other, "order/A2/fund"], ["CNY"] * 3, [NOW] * 3, [None] * 3, [None] * 3),
        )
