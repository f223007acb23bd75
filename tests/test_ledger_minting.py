"""The worker's role makes no money: what it may post is what the chart and the register allow, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest
from databases import Database
from ledger_samples import (
    NOW,
    a_withdrawal,
    an_order,
    bound,
    credit,
    earned,
    funded,
    opened,
    pay,
)

from core.chart import KINDS
from core.withdrawal.policy import WithdrawalPolicy
from ledger.book import Book
from ledger.migrate import OWNERS_ALONE
from ledger.proofs import prove
from ledger.register import Register

Legs = Sequence[tuple[str, str, int]]
REFUSED = asyncpg.InsufficientPrivilegeError
MERCHANT = "merchant/m-1/available"


async def _post(database: Database, reference: str, legs: Legs, function: str = "post", **fields: Any) -> Any:
    """As a thief would who has the worker's role: any function, any legs."""
    given = {"currency": "CNY", "emptied": None, **fields}
    return await database.pool.fetch(
        f"SELECT * FROM {function}($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        *([reference], [given["currency"]], [NOW], [None], [given["emptied"]], [1] * len(legs)),
        *([debit for debit, _, _ in legs], [credit for _, credit, _ in legs], [amount for _, _, amount in legs]),
    )


async def _for_order(database: Database, reference: str, legs: Legs, **fields: Any) -> Any:
    given = {"currency": "CNY", "emptied": None, **fields}
    return await database.pool.fetch(
        "SELECT * FROM post_for_order($1, $2, $3, $4, $5, $6, $7, NULL)",
        *(reference, given["currency"], NOW, given["emptied"]),
        *([debit for debit, _, _ in legs], [credit for _, credit, _ in legs], [amount for _, _, amount in legs]),
    )


async def _for_orders(database: Database, reference: str, legs: Legs, **fields: Any) -> Any:
    """In an array with nothing else."""
    given = {"currency": "CNY", "emptied": None, **fields}
    return await database.pool.fetch(
        "SELECT * FROM post_for_orders($1, $2, $3, $4, $5, $6, $7, $8, ARRAY[NULL::JSONB])",
        *([reference], [given["currency"]], [NOW], [given["emptied"]], [1] * len(legs)),
        *([debit for debit, _, _ in legs], [credit for _, credit, _ in legs], [amount for _, _, amount in legs]),
    )


async def _for_withdrawal(database: Database, reference: str, legs: Legs, **fields: Any) -> Any:
    given = {"currency": "CNY", "emptied": None, "id": "W1", **fields}
    return await database.pool.fetch(
        "SELECT * FROM post_for_withdrawal($1, $2, $3, $4, $5, $6, $7, $8, NULL)",
        *(given["id"], reference, given["currency"], NOW, given["emptied"]),
        *([debit for debit, _, _ in legs], [credit for _, credit, _ in legs], [amount for _, _, amount in legs]),
    )


async def _balances(database: Database) -> dict[str, int]:
    rows = await database.pool.fetch("SELECT path, currency, balance_minor FROM accounts WHERE guarded")
    return {f"{row['path']} {row['currency']}": row["balance_minor"] for row in rows if row["balance_minor"]}


async def test_the_chart_in_the_database_is_the_one_in_the_core(database: Database) -> None:
    kinds = await database.pool.fetch("SELECT kind, subject, reference, emptied FROM movement_kinds")
    legs = await database.pool.fetch("SELECT kind, leg, debit, credit FROM movement_legs ORDER BY kind, leg")
    assert {tuple(row.values()) for row in kinds} == {
        (kind.name, kind.subject, kind.reference, kind.emptied) for kind in KINDS if kind.legs
    }
    assert {tuple(row.values()) for row in legs} == {
        (kind.name, n, leg.debit, leg.credit) for kind in KINDS for n, leg in enumerate(kind.legs, 1)
    }


@pytest.mark.parametrize("function", OWNERS_ALONE)
async def test_the_worker_may_not_call_what_only_other_functions_call(database: Database, function: str) -> None:
    assert not await database.pool.fetchval(
        "SELECT bool_or(has_function_privilege(oid, 'EXECUTE')) FROM pg_proc WHERE proname = $1", function
    )


async def test_a_general_posting_is_the_owners_alone(database: Database) -> None:
    with pytest.raises(REFUSED, match="permission denied for function post"):
        await _post(database, "bonus/1", [("psp/wechat", MERCHANT, 1_900_000)])


@pytest.mark.parametrize(
    ("reference", "legs"),
    [
        ("bonus/1", [("psp/wechat", MERCHANT, 1_900_000)]),
        ("account/acc-m-1/1/drop/1", [("expense/rail_fee", "rail/sandbox/cash", 90)]),
        ("withdrawal/W1/return/1", [("rail/sandbox/cash", MERCHANT, 500)]),
        ("psp/wechat/settlement/S1", [("expense/psp_fee", MERCHANT, 500)]),
        ("psp/wechat/settlement/S1", [("rail/sandbox/cash", "psp/other", 500)]),
        ("psp/wechat/bonus/S1", [("rail/sandbox/cash", "psp/wechat", 500)]),
        ("order/A1/bonus", [("psp/wechat", "order/A1/escrow", 500)]),
        ("order/A9/fund", [("psp/wechat", "order/A9/escrow", 500)]),
    ],
)
async def test_an_array_holds_what_orders_and_channels_do(
    database: Database, book: Book, register: Register, reference: str, legs: Legs
) -> None:
    await funded(register, book)
    before = await _balances(database)
    with pytest.raises((REFUSED, asyncpg.ForeignKeyViolationError), match=r"refused|not registered"):
        await _post(database, reference, legs, "post_movements")
    assert await _balances(database) == before


@pytest.mark.parametrize(
    ("reference", "legs", "fields"),
    [
        ("order/N1/fund", [("psp/wechat", "order/N1/escrow", 1_900_000)], {}),
        ("order/N1/fund", [("psp/wechat", "order/N1/escrow", 500), ("psp/wechat", "order/N1/escrow", 500)], {}),
        ("order/N1/fund", [("psp/other", "order/N1/escrow", 1000)], {}),
        ("order/N1/fund", [("psp/wechat", "order/N1/escrow", 1000)], {"currency": "USD"}),
        ("order/N1/fund", [("psp/wechat", "order/A1/escrow", 1000)], {}),
        ("order/N1/fund", [("psp/wechat", "order/N1/proceeds", 1000)], {}),
        ("order/N1/fund", [("psp/wechat", MERCHANT, 1000)], {}),
        ("order/A1/credit", [("order/A1/escrow", "order/A1/proceeds", 1000),
                             ("expense/discount", "order/A1/proceeds", 1)], {"emptied": "order/A1/escrow"}),
        ("order/A1/credit", [("order/A1/escrow", "order/A1/proceeds", 400)], {}),
        ("order/A1/credit", [("order/A1/escrow", "order/C1/proceeds", 1000)], {"emptied": "order/A1/escrow"}),
        ("order/C1/settle", [("order/C1/proceeds", "merchant/m-2/available", 950)], {"emptied": "order/C1/proceeds"}),
        ("order/C1/settle", [("order/C1/proceeds", MERCHANT, 400)], {}),
        ("order/C1/settle", [("order/C1/proceeds", MERCHANT, 950), ("suspense", MERCHANT, 5)],
         {"emptied": "order/C1/proceeds"}),
        ("order/A1/refund/c", [("order/C1/proceeds", "order/A1/refund_payable/c", 950)], {}),
        ("order/A1/refund/c", [("order/A1/escrow", "order/A1/refund_payable/other", 10)], {}),
        ("order/A1/refund/c", [("order/A1/escrow", "order/A1/refund_payable/c", 1000),
                               ("income/commission", "order/A1/refund_payable/c", 50)], {}),
        ("order/A1/refund/c/paid", [("suspense", "psp/wechat", 10)], {}),
        ("withdrawal/W1/close", [("withdrawal/W1/reserved", MERCHANT, 500)], {"emptied": "withdrawal/W1/reserved"}),
        ("bonus/1", [("psp/wechat", MERCHANT, 1_900_000)], {}),
        ("order/C1/chargeback/1/won", [("psp/wechat", MERCHANT, 1_900_000)], {}),
        ("order/C1/chargeback/1/won", [("psp/wechat", "order/C1/proceeds", 1)], {}),
        ("order/C1/refund/c", [("expense/goodwill", "order/C1/refund_payable/c", 1001)], {}),
        ("order/C1/release/1", [("suspense", MERCHANT, 500)], {"emptied": "order/C1/frozen"}),
        ("merchant/m-1/paid_in/r1", [("psp/wechat", "merchant/m-1/receivable", 500)], {}),
        ("merchant/m-1/write_off/w1", [("expense/goodwill", "merchant/m-1/receivable", 500)], {}),
    ],
)  # fmt: skip
async def test_an_orders_movement_is_of_its_kind_and_of_its_own(
    database: Database, book: Book, register: Register, reference: str, legs: Legs, fields: dict[str, Any]
) -> None:
    await funded(register, book)
    await credit(book, await funded(register, book, "C1"))
    await opened(register, an_order("N1"))
    before = await _balances(database)
    with pytest.raises(REFUSED, match="refused"):
        await _for_order(database, reference, legs, **fields)
    with pytest.raises(REFUSED, match="refused"):
        await _for_orders(database, reference, legs, **fields)
    with pytest.raises(REFUSED, match="refused"):
        await _post(database, reference, legs, "post_movements", **fields)
    assert await _balances(database) == before


@pytest.mark.parametrize(
    ("reference", "debit", "credit"),
    [
        ("psp/wechat/settlement/S1", "suspense", MERCHANT),
        ("psp/wechat/settlement/S1", "rail/sandbox/cash", "psp/other"),
        ("psp/other/settlement/S1", "rail/sandbox/cash", "psp/other"),
        ("bonus/1", "psp/wechat", MERCHANT),
    ],
)
async def test_a_channels_settlement_is_of_its_kind_and_of_its_own(
    database: Database, book: Book, register: Register, reference: str, debit: str, credit: str
) -> None:
    await funded(register, book)
    with pytest.raises(REFUSED, match="refused"):
        await database.pool.fetch(
            "SELECT * FROM post_settlements('wechat', $1, ARRAY['CNY'], $2, ARRAY[1], $3, $4, $5)",
            *([reference], [NOW], [debit], [credit], [500]),
        )


CLOSES: dict[str, Any] = {"emptied": "withdrawal/W1/reserved"}


@pytest.mark.parametrize(
    ("reference", "legs", "fields"),
    [
        ("withdrawal/W1/close", [("withdrawal/W1/reserved", "merchant/m-2/available", 500)], CLOSES),
        ("withdrawal/W1/close", [("withdrawal/W1/reserved", "rail/sandbox/cash", 1),
                                 ("withdrawal/W1/reserved", MERCHANT, 499)], CLOSES),
        ("withdrawal/W1/close", [("withdrawal/W1/reserved", "rail/elsewhere/cash", 500)], CLOSES),
        ("withdrawal/W1/close", [("withdrawal/W1/reserved", "rail/sandbox/cash", 100)], {}),
        ("withdrawal/W1/bonus", [("suspense", MERCHANT, 500)], {}),
        ("withdrawal/W1/suspense", [("psp/wechat", "suspense", 500)], CLOSES),
        ("withdrawal/W1/reserve", [(MERCHANT, "withdrawal/W1/reserved", 500)], {}),
        ("withdrawal/W2/close", [("withdrawal/W2/reserved", "rail/sandbox/cash", 100)], {}),
        ("bonus/1", [("psp/wechat", MERCHANT, 1_900_000)], {}),
        ("order/E1/fund", [("psp/wechat", MERCHANT, 1_900_000)], {}),
        ("withdrawal/P1/return/1", [("expense/rail_fee", MERCHANT, 1_900_000)], {"id": "P1"}),
        ("withdrawal/P1/return/1", [("income/withdrawal_fee", MERCHANT, 301)], {"id": "P1"}),
        ("withdrawal/P1/return/1", [("rail/sandbox/cash", "merchant/m-2/available", 300)], {"id": "P1"}),
    ],
)  # fmt: skip
async def test_a_withdrawals_movement_is_of_its_kind_and_of_its_own(
    database: Database, book: Book, register: Register, reference: str, legs: Legs, fields: dict[str, Any]
) -> None:
    await earned(register, book, 1000)
    for withdrawal in (a_withdrawal("W1", 500), a_withdrawal("P1", 300)):
        await register.withdrawals.reserve(withdrawal, WithdrawalPolicy(minimum_minor=1), now=NOW)
    await pay(book, a_withdrawal("P1", 300))
    before = await _balances(database)
    with pytest.raises(REFUSED, match="refused"):
        await _for_withdrawal(database, reference, legs, **fields)
    assert await _balances(database) == before


async def test_what_was_minted_before_is_found_by_the_proofs(
    database: Database, book: Book, register: Register
) -> None:
    """Nineteen thousand under the reference of a settlement: every balance agrees, and it is found all the same."""
    await bound(register)
    database.broken = True
    await database.owner.fetch(
        "SELECT * FROM post(ARRAY['psp/wechat/settlement/9'], ARRAY['CNY'], ARRAY[now()], ARRAY[NULL], ARRAY[NULL],"
        " ARRAY[1], ARRAY['psp/wechat'], ARRAY['merchant/m-1/available'], ARRAY[1900000::BIGINT])"
    )
    failed = {proof.name: proof.evidence for proof in await prove(database.pool) if not proof.holds}
    assert list(failed) == ["chart"]
    assert failed["chart"][0]["amount_minor"] == 1_900_000
