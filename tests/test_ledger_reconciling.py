"""Both sides from a real PostgreSQL: what the books did, against statements and against what the register says."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from databases import Database
from ledger_samples import (
    LIMITS,
    NOW,
    a_record,
    a_withdrawal,
    a_withdrawal_record,
    an_attempt,
    an_order,
    bank_return,
    credit,
    earned,
    fund,
    opened,
    pay,
    refund,
    refund_arrived,
    settle,
    void,
)
from statement_lines import ALL_TIME, found, line, loaded, reasons

from core.ids import charge_key, refund_key
from core.movements import (
    Leg,
    Taken,
    adjustment,
    chargeback,
    chargeback_above,
    chargeback_above_won,
    chargeback_fee,
    chargeback_won,
    claim_back,
    psp_settlement,
)
from core.reconciliation.lines import Statement, TheirLine
from core.withdrawal.payouts import RailTerms
from ledger.book import Book
from ledger.proofs import prove
from ledger.register import Register


async def _paid(register: Register, book: Book, name: str = "W1", amount: int = 500, back: int = 0) -> str:
    """A withdrawal that was paid under the key, and of which so much came back."""
    withdrawal = a_withdrawal(name, amount)
    assert (await register.withdrawals.reserve(withdrawal, LIMITS, now=NOW)).outcome == "reserved"
    key = f"key{name}"
    await register.payouts.open(an_attempt(withdrawal, key=key), RailTerms())
    state: dict[str, Any] = {"booked": "paid", "attempts": [{"key": key, "outcome": "paid", "events": []}]}
    record = a_withdrawal_record(name, state_name="paid", closed=True, state=state)
    assert (await pay(book, withdrawal, record=record)).outcome == "posted"
    if back:
        record = a_withdrawal_record(
            name, 2, state_name="returned", closed=True, state={**state, "returns_minor": [back]}
        )
        assert (await bank_return(book, withdrawal, back, record=record)).outcome == "posted"
    return key


# --- rails -----------------------------------------------------------------------------------------------


async def test_payouts_and_returns_agree_with_their_statement(
    database: Database, book: Book, register: Register
) -> None:
    await earned(register, book, 5000)
    await _paid(register, book, "W1", 500)
    await _paid(register, book, "W2", 400, back=400)
    await loaded(
        register,
        "rail",
        "sandbox",
        line("payout", "keyW1", 500),
        line("payout", "keyW2", 400),
        line("return", "keyW2", 400),
    )
    assert await found(database, "rail", "sandbox") == []
    assert await found(database, "withdrawals", "books") == []


async def test_each_kind_of_difference_with_a_rail_is_found(database: Database, book: Book, register: Register) -> None:
    await earned(register, book, 5000)
    for number, back in enumerate((0, 0, 0, 0, 100), start=1):
        await _paid(register, book, f"W{number}", 100 * number, back=back)
    await loaded(
        register,
        "rail",
        "sandbox",
        line("payout", "keyW2", 201),
        line("payout", "keyW3", 300),
        line("payout", "keyW3", 300, "again"),
        line("payout", "keyW4", 400),
        line("return", "keyW4", 400),
        line("payout", "keyW5", 500),
        line("payout", "foreign", 7),
    )
    database.broken = True  # as it should be: the proof of the statements speaks against it, too
    assert await reasons(database, "rail", "sandbox") == [
        ("extra", "payout", "foreign"),
        ("missing", "payout", "keyW1"),
        ("amount", "payout", "keyW2"),
        ("duplicate", "payout", "keyW3"),
        ("returned", "return", "keyW4"),
        ("missing", "return", "keyW5"),
    ]


async def test_what_is_under_way_is_no_break_and_stuck_after_days(
    database: Database, book: Book, register: Register
) -> None:
    await earned(register, book, 5000)
    await register.withdrawals.reserve(a_withdrawal("W1", 500), LIMITS, now=NOW)
    await register.payouts.open(an_attempt(a_withdrawal("W1", 500), key="keyW1"), RailTerms())
    await loaded(register, "rail", "sandbox")
    soon = NOW + timedelta(hours=3)
    assert await found(database, "rail", "sandbox", soon) == []
    assert await reasons(database, "rail", "sandbox", NOW + timedelta(days=4)) == [("stuck", "payout", "keyW1")]
    await loaded(register, "rail", "sandbox", line("payout", "keyW1", 500))
    assert await reasons(database, "rail", "sandbox", soon) == [("late", "payout", "keyW1")]
    assert await found(database, "rail", "sandbox", NOW + timedelta(minutes=30)) == []


async def test_another_rails_money_is_nobodys_business(database: Database, book: Book, register: Register) -> None:
    await earned(register, book, 5000)
    await _paid(register, book)
    await loaded(register, "rail", "other")
    assert await found(database, "rail", "other") == []


# --- channels --------------------------------------------------------------------------------------------


async def _an_order_refunded(register: Register, book: Book, order_id: str = "A1", *, arrived: bool = True) -> None:
    order = an_order(order_id)
    await opened(register, order)
    state: dict[str, Any] = {"funded": True, "refunds": [{"cause": "cancel", "amount_minor": 1000, "status": "booked"}]}
    await fund(book, order, record=a_record(order_id, state={"funded": True}))
    record = a_record(order_id, 2, phase="cancelled", refunded_minor=1000, state=state)
    await refund(book, order, record=record)
    if arrived:
        state = {**state, "refunds": [{"cause": "cancel", "amount_minor": 1000, "status": "arrived"}]}
        record = a_record(order_id, 3, phase="cancelled", closed=True, refunded_minor=1000, state=state)
        await refund_arrived(book, order, record=record)


async def test_payments_refunds_and_settlements_agree_with_the_channels_statement(
    database: Database, book: Book, register: Register
) -> None:
    await _an_order_refunded(register, book)
    order = an_order("A2", 9000)
    await opened(register, order)
    await fund(book, order, record=a_record("A2", state={"funded": True}))
    legs = [Leg("rail/sandbox/cash", "psp/wechat", 8900), Leg("expense/psp_fee", "psp/wechat", 100)]
    await Book(database.owner).post_all([adjustment("psp/wechat/settlement/S1", "CNY", NOW, legs)])
    await loaded(
        register,
        "channel",
        "wechat",
        line("payment", "pay-A1", 1000),
        line("payment", "pay-A2", 9000),
        line("refund", refund_key("A1", "cancel"), 1000),
        line("settlement", "S1", 9000, fee_minor=100),
    )
    await loaded(register, "rail", "sandbox", line("funding", "S1", 8900))
    assert await found(database, "channel", "wechat") == []
    assert await found(database, "rail", "sandbox") == []
    assert await found(database, "orders", "books") == []


async def test_what_a_buyer_paid_again_is_compared_with_the_channels_statement(
    database: Database, book: Book, register: Register
) -> None:
    await _an_order_refunded(register, book)
    given: dict[str, Any] = {"phase": "cancelled", "refunded_minor": 1000, "closed": True}
    case = {"case_id": 1, "stage": "paid_back", "since": NOW.isoformat(), "claim": {"amount_minor": 1000}}
    again = claim_back(
        "A1", k=1, channel="wechat", merchant_id="m-1", amount_minor=1000, currency="CNY", occurred_at=NOW
    )
    await book.post(again, a_record("A1", 9, **given, state={"funded": True, "cases": [case]}))
    lines = [line("payment", "pay-A1", 1000), line("refund", refund_key("A1", "cancel"), 1000)]
    await loaded(register, "channel", "wechat", *lines)
    assert await reasons(database, "channel", "wechat") == [("missing", "payment", charge_key("A1", 1))]
    await loaded(register, "channel", "wechat", *lines, line("payment", charge_key("A1", 1), 1000))
    assert await found(database, "channel", "wechat") == []


async def test_each_kind_of_difference_with_a_channel_is_found(
    database: Database, book: Book, register: Register
) -> None:
    await _an_order_refunded(register, book, "A1")
    await _an_order_refunded(register, book, "A2")
    await _an_order_refunded(register, book, "A3", arrived=False)
    await loaded(
        register,
        "channel",
        "wechat",
        line("payment", "pay-A1", 999),
        line("payment", "pay-A2", 1000),
        line("payment", "pay-A3", 1000),
        line("payment", "nobodys", 5),
        line("refund", refund_key("A2", "cancel"), 1000),
        line("refund", refund_key("A3", "cancel"), 1000),
        line("settlement", "S9", 100),
    )
    database.broken = True
    assert sorted(await reasons(database, "channel", "wechat")) == sorted(
        [
            ("amount", "payment", "pay-A1"),
            ("extra", "payment", "nobodys"),
            ("missing", "refund", refund_key("A1", "cancel")),
            ("late", "refund", refund_key("A3", "cancel")),
            ("extra", "settlement", "S9"),
        ]
    )


# --- our own books ---------------------------------------------------------------------------------------


async def test_a_whole_life_of_an_order_agrees_with_the_ledger(
    database: Database, book: Book, register: Register
) -> None:
    order = an_order()
    await opened(register, order)
    done: dict[str, Any] = {"audit": "approved", "receipt": "confirmed"}
    state = {"funded": True, "credited_minor": 950}
    await fund(book, order, record=a_record(state={"funded": True}))
    assert await found(database, "orders", "books") == []
    await credit(book, order, record=a_record("A1", 2, phase="credited", state=state, **done))
    assert await found(database, "orders", "books") == []
    await settle(book, order, record=a_record("A1", 3, phase="settled", closed=True, state=state, **done))
    assert await found(database, "orders", "books") == []


async def test_chargebacks_agree_with_the_ledger_lost_won_and_above_what_was_left(
    database: Database, book: Book, register: Register
) -> None:
    order = an_order()
    await opened(register, order)
    await fund(book, order, record=a_record(state={"funded": True}))
    at: dict[str, Any] = {"currency": "CNY", "occurred_at": NOW}
    names: dict[str, Any] = {"channel": "wechat", "merchant_id": "m-1", **at}
    given = {"cause": "case-1", "amount_minor": 300, "status": "booked"}
    back = {"cause": "chargeback-1", "amount_minor": 400, "status": "arrived", "chargeback": 1}
    above = {"amount_minor": 300, "bearer": "platform", "status": "booked"}
    cases = [{"case_id": 1, "dispute": {"reference": "d", "fee_minor": 5, "above": above}}]
    kept = {"funded": True, "refunds": [given, back], "cases": cases}
    await refund(book, order, "case-1", taken=Taken(place="escrow", merchant_minor=300))
    await book.post(chargeback("A1", k=1, taken=Taken(place="escrow", merchant_minor=400), **names))
    await book.post(chargeback_fee("A1", k=1, platform_minor=5, **names))
    await book.post(chargeback_above("A1", k=1, platform_minor=300, **names))
    assert len(await found(database, "orders", "books")) == 3, "the register does not know of it"
    await register.orders.record(a_record("A1", 2, refunded_minor=700, state=kept))
    assert await found(database, "orders", "books") == []
    for won in (chargeback_won("A1", k=1, **at), chargeback_above_won("A1", k=1, **at)):
        await book.post(won)
    assert len(await found(database, "orders", "books")) == 2, "the register does not know that it was won"
    cases[0]["dispute"] = {"reference": "d", "fee_minor": 5, "above": {**above, "status": "returned"}}
    await register.orders.record(a_record("A1", 3, refunded_minor=300, state={**kept, "refunds": [given]}))
    assert await found(database, "orders", "books") == []


@pytest.mark.parametrize(
    ("by_hand", "expected"),
    [
        ("UPDATE orders SET phase = 'credited'", [("missing", "credit", "A1")]),
        ("UPDATE orders SET phase = 'settled'", [("missing", "credit", "A1"), ("missing", "settle", "A1")]),
        ("UPDATE orders SET state = jsonb_set(state, '{funded}', 'false')", [("extra", "fund", "A1")]),
        ("UPDATE orders SET total_minor = 999", [("amount", "fund", "A1")]),
        (
            'UPDATE orders SET state = state || \'{"refunds": [{"cause": "x", "amount_minor": 5, "status":'
            ' "booked"}]}\'',
            [("missing", "refund_booked", "A1/x")],
        ),
        (
            "UPDATE orders SET next_deadline_at = now() - INTERVAL '1 day', next_deadline_name = 'ship_by'",
            [("stuck", "deadline", "A1")],
        ),
    ],
)
async def test_a_register_that_was_changed_by_hand_is_found(
    database: Database, book: Book, register: Register, by_hand: str, expected: list[tuple[str, str, str]]
) -> None:
    order = an_order()
    await opened(register, order)
    await fund(book, order, record=a_record(state={"funded": True}))
    await database.owner.execute(by_hand)
    database.broken = True
    assert await reasons(database, "orders", "books") == expected


async def test_withdrawals_agree_with_the_ledger_however_they_end(
    database: Database, book: Book, register: Register
) -> None:
    await earned(register, book, 5000)
    await _paid(register, book, "W1", 500, back=200)
    await register.withdrawals.reserve(a_withdrawal("W2", 300), LIMITS, now=NOW)
    record = a_withdrawal_record("W2", state_name="rejected", closed=True, state={"booked": "void", "attempts": []})
    await void(book, a_withdrawal("W2", 300), record=record)
    assert await found(database, "withdrawals", "books") == []


@pytest.mark.parametrize(
    ("by_hand", "expected"),
    [
        (
            "UPDATE withdrawals SET state = state || '{\"booked\": \"void\"}', state_name = 'failed'",
            [("missing", "given_back", "W1"), ("extra", "paid", "W1")],
        ),
        ("UPDATE withdrawals SET state = state || '{\"returns_minor\": [70]}'", [("amount", "came_back", "W1")]),
        ("UPDATE withdrawals SET state = state - 'returns_minor'", [("extra", "came_back", "W1")]),
        ("UPDATE payout_attempts SET amount_minor = 499", [("amount", "paid", "W1")]),
    ],
)
async def test_a_withdrawal_that_was_changed_by_hand_is_found(
    database: Database, book: Book, register: Register, by_hand: str, expected: list[tuple[str, str, str]]
) -> None:
    await earned(register, book, 5000)
    await _paid(register, book, "W1", 500, back=200)
    await database.owner.execute(by_hand)
    database.broken = True
    assert sorted(await reasons(database, "withdrawals", "books")) == sorted(expected)


# --- what is compared -------------------------------------------------------------------------------------


async def test_a_rail_that_only_drops_or_settlements_came_to_is_compared(
    database: Database, book: Book, register: Register
) -> None:
    await earned(register, book, 5000)
    await database.owner.execute(
        "INSERT INTO account_drops (key, account_id, version, drop_no, amount_minor, currency, rail, tries_left,"
        " valid_until, created_at, updated_at, state) VALUES ('d1', 'acc-m-1', 1, 1, 7, 'CNY', 'drops', 0, $1, $1, $1,"
        " 'unknown')",
        NOW,
    )
    held = [Leg("psp/card", "suspense", 100)]
    await Book(database.owner).post_all([adjustment("adjust/1", "CNY", NOW, held)])
    settled = psp_settlement("card", "S1", rail="far", net_minor=99, fee_minor=1, currency="CNY", occurred_at=NOW)
    assert (await book.post(settled)).moved
    assert [name for scope, name in await register.breaks.comparisons() if scope == "rail"] == ["drops", "far"]


async def test_what_there_is_to_compare_is_known(database: Database, book: Book, register: Register) -> None:
    assert await register.breaks.comparisons() == [("orders", "books"), ("withdrawals", "books")]
    await earned(register, book, 5000)
    await _paid(register, book)
    await loaded(register, "rail", "other")
    assert await register.breaks.comparisons() == [
        ("channel", "wechat"),
        ("orders", "books"),
        ("rail", "other"),
        ("rail", "sandbox"),
        ("withdrawals", "books"),
    ]


# --- the proof -------------------------------------------------------------------------------------------


async def disproved(database: Database) -> list[str]:
    """The keys that speak against the proof of the statements."""
    (proof,) = [one for one in await prove(database.pool) if one.name == "statements"]
    return [str(row["key"]) for row in proof.evidence]


@pytest.mark.parametrize(
    ("lines", "whole", "wrong"),
    [
        ([line("payout", "keyW1", 500)], True, False),
        ([line("payout", "keyW1", 501)], False, True),
        ([line("payout", "keyW1", 500), line("payout", "keyW1", 500, "again")], False, True),
        (
            [line("payout", "keyW1", 500), line("payout", "keyW1", 500, "again"), line("return", "keyW1", 500)],
            True,
            False,
        ),
        ([line("payout", "keyW1", 500), line("return", "keyW1", 500)], True, False),
        ([], False, False),
        ([], True, True),
        ([line("payout", "foreign", 5)], False, True),
        ([line("payout", "foreign", 5), line("return", "foreign", 5)], False, False),
    ],
    ids=[
        "same",
        "more",
        "twice",
        "twice, mended",
        "back, not heard",
        "untold",
        "missing",
        "foreign",
        "foreign, mended",
    ],
)
async def test_the_proof_of_statements_holds_of_what_both_sides_should_have(
    database: Database, book: Book, register: Register, lines: list[TheirLine], whole: bool, wrong: bool
) -> None:
    await earned(register, book, 5000)
    await _paid(register, book)
    covered = ALL_TIME if whole else None
    await register.statements.load("rail", "sandbox", Statement(lines=tuple(lines), covered=covered), NOW)
    database.broken = wrong
    assert bool(await disproved(database)) == wrong


@pytest.mark.parametrize(
    ("lines", "whole", "wrong"),
    [
        ([line("payout", "keyW1", 500), line("return", "keyW1", 300)], True, False),
        ([line("payout", "keyW1", 500)], False, False),
        ([line("payout", "keyW1", 500)], True, True),
        ([line("return", "keyW1", 300)], False, False),
        ([line("payout", "keyW1", 499)], False, True),
        ([line("payout", "keyW1", 500), line("return", "keyW1", 200)], True, True),
    ],
)
async def test_the_proof_of_statements_knows_what_came_back(
    database: Database, book: Book, register: Register, lines: list[TheirLine], whole: bool, wrong: bool
) -> None:
    await earned(register, book, 5000)
    await _paid(register, book, back=300)
    covered = ALL_TIME if whole else None
    await register.statements.load("rail", "sandbox", Statement(lines=tuple(lines), covered=covered), NOW)
    database.broken = wrong
    assert bool(await disproved(database)) == wrong


async def test_the_proof_of_statements_knows_refunds_and_settlements(
    database: Database, book: Book, register: Register
) -> None:
    for order_id in ("A1", "A2", "A3"):
        await _an_order_refunded(register, book, order_id, arrived=order_id != "A3")
    legs = [Leg("rail/sandbox/cash", "psp/wechat", 890), Leg("expense/psp_fee", "psp/wechat", 10)]
    await Book(database.owner).post_all([adjustment("psp/wechat/settlement/S1", "CNY", NOW, legs)])
    keys = {order_id: refund_key(order_id, "cancel") for order_id in ("A1", "A2", "A3")}
    right = [line("refund", keys["A1"], 1000), line("refund", keys["A3"], 1000), line("settlement", "S1", 900, "S1")]
    await register.statements.load("channel", "wechat", Statement(lines=tuple(right)), NOW)
    assert await disproved(database) == []
    wrong = [line("refund", keys["A2"], 7), line("refund", "foreign", 1), line("settlement", "S1", 1, "S1b")]
    await register.statements.load("channel", "wechat", Statement(lines=tuple(wrong)), NOW)
    database.broken = True
    assert sorted(await disproved(database)) == sorted([keys["A2"], "foreign", "S1"])
