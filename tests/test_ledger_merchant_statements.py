"""A merchant's statement from real books: every kind of row, and from any day to any other it adds up."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from databases import Database
from hypothesis import given
from hypothesis import strategies as st
from ledger_samples import (
    DAY,
    LIMITS,
    NOW,
    a_withdrawal,
    bound,
    credit,
    funded,
    refund,
    settle,
)

from core import movements
from core.chart import KINDS
from core.merchant_statement import (
    Held,
    MerchantStatement,
    MerchantTransfer,
    StatementCsv,
    StatementRow,
    statement,
    type_of,
)
from core.movements import Leg, adjustment
from ledger.book import Book
from ledger.merchant_statements import merchant_statement_page, merchant_statements, newest_rows, statement_csv
from ledger.register import Register

FAR = NOW + timedelta(days=100)


async def _a_whole_life(database: Database, register: Register, book: Book) -> None:
    """One of everything, each on a day of its own."""
    await bound(register)
    first = await funded(register, book, "A1", 10_000)
    await credit(book, first, commission=500)
    await book.post(
        movements.refund(
            "A1",
            cause="p",
            merchant_id="m-1",
            taken=movements.Taken(place="proceeds", merchant_minor=95, commission_minor=5),
            currency="CNY",
            occurred_at=NOW + DAY,
        )
    )
    await book.post(
        movements.settle("A1", merchant_id="m-1", amount_minor=9_405, currency="CNY", occurred_at=NOW + 2 * DAY)
    )
    other = await funded(register, book, "A2", 3_000, merchant_id="m-2")
    await credit(book, other, commission=0)
    pending = await funded(register, book, "A3", 700)
    await credit(book, pending, commission=0)
    returned = await funded(register, book, "A4", 100)
    await refund(book, returned, amount=100)
    for n, name in enumerate(("W1", "W2", "W3", "W4"), start=3):
        answer = await register.withdrawals.reserve(a_withdrawal(name, 1_000), LIMITS, now=NOW + n * DAY)
        assert answer.outcome == "reserved"
    at: dict[str, Any] = {"currency": "CNY", "occurred_at": NOW + 7 * DAY}
    await book.post(movements.pay("W1", rail="sandbox", amount_minor=990, fee_minor=10, **at))
    await book.post(movements.void("W2", merchant_id="m-1", amount_minor=1_000, **at))
    for name in ("W3", "W4"):
        await book.post(movements.move_to_suspense(name, amount_minor=1_000, currency="CNY", occurred_at=NOW + 8 * DAY))
    await book.post(
        movements.void("W3", merchant_id="m-1", amount_minor=1_000, currency="CNY", occurred_at=NOW + 9 * DAY)
    )
    await book.post(
        movements.pay("W4", rail="sandbox", amount_minor=1_000, fee_minor=0, currency="CNY", occurred_at=NOW + 9 * DAY)
    )
    owed = [Leg("merchant/m-1/receivable", "expense/goodwill", 300)]
    taken = [Leg("merchant/m-1/available", "expense/goodwill", 7_405)]
    for reference, legs in (("adjustment/a", taken), ("adjustment/b", owed)):
        assert (await Book(database.owner).post_all([adjustment(reference, "CNY", NOW + 10 * DAY, legs)]))[
            0
        ].outcome == "posted"
    fees: dict[str, Any] = {"fee_back_minor": 10, "shortfall_minor": 90}
    back = a_withdrawal("W1", 1_000)
    await book.post(
        movements.bank_return(back, k=1, rail="sandbox", amount_minor=900, occurred_at=NOW + 11 * DAY, **fees)
    )


async def _one(database: Database, since: datetime = NOW - DAY, until: datetime = FAR) -> MerchantStatement:
    (found,) = await merchant_statements(database.pool, "m-1", since, until)
    return found


async def test_each_kind_of_movement_is_a_row_of_its_type(database: Database, book: Book, register: Register) -> None:
    await _a_whole_life(database, register, book)
    found = await _one(database)
    assert [(row.type, row.about, row.amount_minor) for row in found.rows] == [
        ("credit", "order/A1", 9_500),
        ("credit", "order/A3", 700),
        ("refund", "order/A1", -95),
        ("settle", "order/A1", 0),
        *(("reserve", f"withdrawal/{name}", 0) for name in ("W1", "W2", "W3", "W4")),
        ("payout", "withdrawal/W1", -990),
        ("fee", "withdrawal/W1", -10),
        ("given_back", "withdrawal/W2", 0),
        ("suspense", "withdrawal/W3", 0),
        ("suspense", "withdrawal/W4", 0),
        ("given_back", "withdrawal/W3", 0),
        ("payout", "withdrawal/W4", -1_000),
        ("adjustment", "adjustment/a", -7_405),
        ("adjustment", "adjustment/b", -300),
        ("return", "withdrawal/W1", 900),
        ("fee_back", "withdrawal/W1", 10),
        ("made_good", "withdrawal/W1", 90),
    ]
    assert found.rows[3].changed == Held(pending_minor=-9_405, available_minor=9_405)
    assert found.rows[-3].changed == Held(available_minor=600, owed_minor=-300), "what is owed is repaid first"


async def test_from_any_day_to_any_other_it_adds_up(database: Database, book: Book, register: Register) -> None:
    await _a_whole_life(database, register, book)
    whole = await _one(database)
    days = [NOW - DAY + n * DAY for n in range(14)]
    parts = [await merchant_statements(database.pool, "m-1", since, until) for since, until in pairwise([*days, FAR])]
    held = Held()
    rows: list[StatementRow] = []
    for part in (one for day in parts for one in day):
        assert part.opening == held
        assert part.opening.total_minor + sum(row.amount_minor for row in part.rows) == part.closing.total_minor
        held = part.closing
        rows += part.rows
    assert (held, tuple(rows)) == (whole.closing, whole.rows)
    (balance,) = await register.balances.of_merchant("m-1")
    assert held == Held(
        pending_minor=balance.pending_minor,
        available_minor=balance.available_minor,
        deposit_minor=balance.deposit_minor,
        reserved_minor=balance.reserved_minor,
        owed_minor=balance.receivable_minor,
    )


async def test_of_a_long_statement_the_newest_rows_are_kept_and_the_file_has_all(
    database: Database, book: Book, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of two hundred rows holds no more of them in memory, and a file holds a row as its text."""
    await _a_whole_life(database, register, book)
    days = (database.pool, "m-1", NOW, FAR)
    [whole] = await merchant_statements(*days)
    in_one = StatementCsv()
    in_one.add([whole])
    monkeypatch.setitem(merchant_statement_page.__kwdefaults__ or {}, "limit", 2)
    [newest] = await newest_rows(*days, most=3)
    assert newest.of_all == len(whole.rows) > 10
    assert newest.statement == whole.model_copy(update={"rows": whole.rows[-3:]})
    assert await merchant_statements(*days) == [whole]
    assert await statement_csv(*days) == in_one.text()
    assert in_one.text().count("\r\n") == len(whole.rows) + len(("columns", "opening", "closing"))


async def test_each_merchant_sees_their_own(database: Database, book: Book, register: Register) -> None:
    await _a_whole_life(database, register, book)
    (other,) = await merchant_statements(database.pool, "m-2", NOW - DAY, FAR)
    assert [(row.type, row.about) for row in other.rows] == [("credit", "order/A2")]
    assert await merchant_statements(database.pool, "m-3", NOW - DAY, FAR) == []


async def test_currencies_are_statements_of_their_own(database: Database, book: Book, register: Register) -> None:
    for order_id, currency in (("A1", "CNY"), ("A2", "JPY")):
        order = await funded(register, book, order_id, 1_000, currency=currency)
        await credit(book, order)
        await settle(book, order)
    found = await merchant_statements(database.pool, "m-1", NOW - DAY, FAR)
    assert [(one.currency, one.closing.available_minor) for one in found] == [("CNY", 950), ("JPY", 950)]


# --- pure ------------------------------------------------------------------------------------------------

CHANGES = st.fixed_dictionaries(
    {
        f"{part}_minor": st.integers(-(10**15), 10**15)
        for part in ("pending", "available", "deposit", "reserved", "owed")
    }
)
REFERENCES = st.sampled_from(
    [
        "order/A/credit",
        "order/A/refund/x",
        "withdrawal/W/close",
        "withdrawal/W/return/1",
        "adjustment/1",
        "x",
        "order//",
        "",
    ]
)
ACCOUNTS = st.sampled_from(
    ["rail/r/cash", "income/withdrawal_fee", "expense/rail_fee", "merchant/m/available", "suspense"]
)


@given(CHANGES, st.lists(st.tuples(st.integers(1, 5), REFERENCES, ACCOUNTS, ACCOUNTS, CHANGES), max_size=20))
def test_any_transfers_add_up_row_by_row(
    opening: dict[str, int], moved: list[tuple[int, str, str, str, dict[str, int]]]
) -> None:
    transfers = [
        MerchantTransfer(
            movement_id=number, reference=reference, occurred_at=NOW, currency="CNY", debit=debit, credit=to, **changes
        )
        for number, reference, debit, to, changes in sorted(moved, key=lambda one: one[0])
    ]
    found = statement("m", "CNY", NOW, FAR, Held(**opening), transfers)
    balance = found.opening.total_minor
    for row in found.rows:
        balance += row.amount_minor
        assert (row.balance_minor, row.amount_minor) == (balance, row.changed.total_minor)
    assert balance == found.closing.total_minor
    whole = found.opening
    for one in transfers:
        whole = whole.plus(one)
        assert type_of(one)
    assert whole == found.closing


@pytest.mark.parametrize(
    ("reference", "row"),
    [
        ("order/A1/refund/cancel", "refund"),
        ("order/A1/chargeback/1", "chargeback"),
        ("order/A1/chargeback/1/above", "chargeback"),
        ("order/A1/chargeback/1/fee", "chargeback_fee"),
        ("order/A1/chargeback/1/won", "chargeback_given_back"),
        ("order/A1/chargeback/1/above/won", "chargeback_given_back"),
        ("order/A1/refund/cancel/covered", "chargeback_given_back"),
        ("order/fee/refund/won", "refund"),
        ("order/A1/claim_back/1", "claim_back"),
        ("order/A1/freeze/1", "freeze"),
        ("order/A1/release/1", "release"),
        ("merchant/m-1/paid_in/R1", "paid_in"),
        ("merchant/m-1/write_off/W1", "write_off"),
        ("merchant/m-1/deposit_back/1", "deposit_back"),
        ("adjust/1", "adjustment"),
    ],
)
def test_a_row_says_what_happened_to_the_merchant(reference: str, row: str) -> None:
    moved = {"movement_id": 1, "occurred_at": NOW, "currency": "CNY", "debit": "x", "credit": "merchant/m-1/available"}
    assert type_of(MerchantTransfer.model_validate({**moved, "reference": reference})) == row


def test_every_movement_of_a_merchants_money_has_a_row_of_its_own_but_those_by_people() -> None:
    """A chargeback, its fee and a debt that was paid were adjustments."""
    moved = {"movement_id": 1, "occurred_at": NOW, "currency": "CNY", "debit": "x", "credit": "merchant/m-1/available"}
    names = dict.fromkeys(("order", "withdrawal", "merchant", "cause", "k", "receipt", "request"), "1")
    of_merchants = [kind for kind in KINDS if any("merchant" in path for leg in kind.legs for path in leg)]
    assert len(of_merchants) > 12
    for kind in of_merchants:
        row = MerchantTransfer.model_validate({**moved, "reference": kind.reference.format(**names)})
        assert (type_of(row) == "adjustment") == (kind.name == "adjustment"), kind.name
