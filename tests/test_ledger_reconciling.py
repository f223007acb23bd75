"""Both sides from a real PostgreSQL: what the books did, against statements and against what the register says."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
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
    funded,
    opened,
    pay,
    refund,
    refund_arrived,
    settle,
    void,
)

from core.errors import BadInput
from core.ids import refund_key
from core.movements import Leg, Movement, adjustment, psp_settlement
from core.reconciliation.breaks import breaks
from core.reconciliation.lines import Break, Covered, Scope, Statement, TheirLine
from core.withdrawal.payouts import RailTerms
from ledger.book import Book
from ledger.proofs import prove
from ledger.reconciling import both_sides
from ledger.register import Register

LATER = datetime.now(UTC) + timedelta(days=2)
"""When it is looked at: everything that the tests do is older than any tolerance but that of what is stuck."""
ALL_TIME = Covered(since=NOW - timedelta(days=4000), until=LATER)


async def found(database: Database, scope: Scope, name: str, now: datetime = LATER) -> list[Break]:
    sides = await both_sides(database.pool, scope, name)
    return breaks(scope, name, sides.ours, sides.theirs, now, covered=sides.covered)


async def reasons(database: Database, scope: Scope, name: str, now: datetime = LATER) -> list[tuple[str, str, str]]:
    return [(one.reason, one.kind, one.key) for one in await found(database, scope, name, now)]


def line(kind: str, key: str, amount: int, line_id: str | None = None, **more: Any) -> TheirLine:
    given = {"line_id": line_id or f"{kind}-{key}", "kind": kind, "key": key, "amount_minor": amount}
    return TheirLine.model_validate({"currency": "CNY", "at": NOW, **given, **more})


async def told(register: Register, scope: Scope, name: str, *lines: TheirLine) -> int:
    return await register.statements.load(scope, name, Statement(lines=lines, covered=ALL_TIME), NOW)


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
    await told(
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
    await told(
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
    await told(register, "rail", "sandbox")
    soon = NOW + timedelta(hours=3)
    assert await found(database, "rail", "sandbox", soon) == []
    assert await reasons(database, "rail", "sandbox", NOW + timedelta(days=4)) == [("stuck", "payout", "keyW1")]
    await told(register, "rail", "sandbox", line("payout", "keyW1", 500))
    assert await reasons(database, "rail", "sandbox", soon) == [("late", "payout", "keyW1")]
    assert await found(database, "rail", "sandbox", NOW + timedelta(minutes=30)) == []


async def test_another_rails_money_is_nobodys_business(database: Database, book: Book, register: Register) -> None:
    await earned(register, book, 5000)
    await _paid(register, book)
    await told(register, "rail", "other")
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
    await told(
        register,
        "channel",
        "wechat",
        line("payment", "pay-A1", 1000),
        line("payment", "pay-A2", 9000),
        line("refund", refund_key("A1", "cancel"), 1000),
        line("settlement", "S1", 9000, fee_minor=100),
    )
    await told(register, "rail", "sandbox", line("funding", "S1", 8900))
    assert await found(database, "channel", "wechat") == []
    assert await found(database, "rail", "sandbox") == []
    assert await found(database, "orders", "books") == []


async def test_each_kind_of_difference_with_a_channel_is_found(
    database: Database, book: Book, register: Register
) -> None:
    await _an_order_refunded(register, book, "A1")
    await _an_order_refunded(register, book, "A2")
    await _an_order_refunded(register, book, "A3", arrived=False)
    await told(
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


# --- statements and breaks are kept ----------------------------------------------------------------------


async def test_a_statement_is_stored_once_and_never_changed(database: Database, register: Register) -> None:
    lines = (line("payout", "k1", 5), line("return", "k1", 5))
    assert await told(register, "rail", "sandbox", *lines) == 2
    assert await told(register, "rail", "sandbox", *lines) == 0
    assert await told(register, "rail", "sandbox", *lines, line("payout", "k2", 1), line("return", "k2", 1)) == 2
    assert await told(register, "rail", "other", *lines) == 2
    with pytest.raises(BadInput, match="payout-k1: told otherwise before"):
        await told(register, "rail", "sandbox", line("payout", "k1", 6), line("payout", "k3", 1))
    assert len(await register.statements.lines("rail", "sandbox")) == 4
    assert [one.key for one in await register.statements.lines("rail", "sandbox", "k2")] == ["k2", "k2"]
    with pytest.raises(BadInput, match="twice"):
        await told(register, "rail", "sandbox", line("payout", "k4", 1, "l"), line("payout", "k4", 2, "l"))
    assert await register.statements.periods("rail", "sandbox") == [ALL_TIME]


async def test_one_statement_loaded_by_many_at_once_is_stored_once(database: Database, register: Register) -> None:
    lines = tuple(one for n in range(50) for one in (line("payout", f"k{n}", 5), line("return", f"k{n}", 5)))
    added = await asyncio.gather(*(told(register, "rail", "sandbox", *lines) for _ in range(6)))
    assert sorted(added) == [0, 0, 0, 0, 0, 100]


async def test_breaks_have_a_history_and_a_notice_each(database: Database, register: Register) -> None:
    async def run(now: datetime, *lines: TheirLine) -> list[str]:
        hits = breaks("rail", "sandbox", [], lines, now, covered=[])
        return await register.breaks.record("rail", "sandbox", hits, ours=0, theirs=len(lines), now=now)

    first, second = line("payout", "k1", 5), line("payout", "k2", 6)
    at = [NOW + timedelta(days=n) for n in range(6)]
    assert await run(at[1], first) == ["rail/sandbox/payout/k1/extra"]
    assert await run(at[1], first) == []
    assert await run(at[2], first, second) == ["rail/sandbox/payout/k2/extra"]
    assert [known.found.key for known in await register.breaks.known()] == ["k1", "k2"]
    assert await run(at[3], second) == []
    assert [known.found.key for known in await register.breaks.known()] == ["k2"]
    assert await run(at[4], first, second) == ["rail/sandbox/payout/k1/extra"]
    assert await run(at[0]) == [], "an older run changes nothing"
    open_breaks = await register.breaks.known(scope="rail", name="sandbox")
    assert [(known.found.key, known.first_seen_at, known.last_seen_at) for known in open_breaks] == [
        ("k1", at[1], at[4]),
        ("k2", at[2], at[4]),
    ]
    await run(at[5])
    assert await register.breaks.known() == []
    assert [known.resolved_at for known in await register.breaks.known(resolved=True)] == [at[5], at[5]]
    notices = await register.notices.read(subject="reconciliation/rail/sandbox")
    assert [(one.name, one.to, one.facts["key"]) for one in notices] == [
        ("break_found", "operator", key) for key in ("k1", "k2", "k1")
    ]
    assert [(one.name, one.breaks) for one in await register.breaks.last_runs()] == [("sandbox", 0)]


async def test_what_there_is_to_compare_is_known(database: Database, book: Book, register: Register) -> None:
    assert await register.breaks.comparisons() == [("orders", "books"), ("withdrawals", "books")]
    await earned(register, book, 5000)
    await _paid(register, book)
    await told(register, "rail", "other")
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


async def test_a_settlement_booked_by_many_at_once_stands_once_and_otherwise_is_a_conflict(
    database: Database, book: Book, register: Register
) -> None:
    await funded(register, book, total=1_500)
    given: dict[str, Any] = {"rail": "sandbox", "fee_minor": 6, "currency": "CNY", "occurred_at": NOW}
    movement = psp_settlement("wechat", "S1", net_minor=994, **given)
    answers = await asyncio.gather(*(book.post(movement) for _ in range(8)))
    assert sorted(answer.outcome for answer in answers) == ["exists"] * 7 + ["posted"]
    assert (await book.post(psp_settlement("wechat", "S1", net_minor=993, **given))).outcome == "conflict"
    assert await database.balance("psp/wechat") == 500
    assert await database.balance("rail/sandbox/cash") == 994
    # What the channel holds is settled once, however many ask at once.
    racing = [psp_settlement("wechat", f"R{number}", net_minor=294, **given) for number in range(4)]
    outcomes = [answer.outcome for answer in await asyncio.gather(*(book.post(one) for one in racing))]
    assert sorted(outcomes) == ["insufficient_funds"] * 3 + ["posted"]
    assert await database.balance("psp/wechat") == 200
    await book.post(psp_settlement("wechat", "R9", net_minor=194, **given))
    assert await database.balance("psp/wechat") == 0
    assert await database.balance("expense/psp_fee") == 18


async def test_an_array_of_settlements_takes_in_order_what_the_channel_holds(
    database: Database, book: Book, register: Register
) -> None:
    await funded(register, book, total=1_000)
    given: dict[str, Any] = {"rail": "sandbox", "fee_minor": 0, "currency": "CNY", "occurred_at": NOW}

    def one(number: int, amount: int, **fields: Any) -> Movement:
        return psp_settlement("wechat", f"S{number}", net_minor=amount, **{**given, **fields})

    first = [one(1, 400), one(2, 700), one(1, 400), one(1, 300), one(3, 100, currency="USD"), one(4, 600), one(5, 1)]
    answers = await book.post_all(first)
    assert [(answer.outcome, getattr(answer, "short_by_minor", None) or 0) for answer in answers] == [
        ("posted", 0),
        ("insufficient_funds", 100),
        ("exists", 0),
        ("conflict", 0),
        ("insufficient_funds", 100),
        ("posted", 0),
        ("insufficient_funds", 1),
    ]
    assert await database.balance("psp/wechat") == 0
    assert [answer.outcome for answer in await book.post_all([first[0], first[5]])] == ["exists", "exists"]


async def test_a_settlement_that_the_books_cannot_take_spoils_no_other(
    database: Database, book: Book, register: Register
) -> None:
    await funded(register, book, total=1_000)
    await funded(register, book, "C1", total=1_000)
    given: dict[str, Any] = {"rail": "sandbox", "fee_minor": 1, "currency": "CNY", "occurred_at": NOW}
    good = [psp_settlement("wechat", f"G{number:02}", net_minor=99, **given) for number in range(15)]
    no_rail = psp_settlement("wechat", "B1", net_minor=9, **{**given, "rail": "sand box"})
    foreign = psp_settlement("wechat", "B2", net_minor=9, **given)
    foreign = foreign.model_copy(update={"legs": (Leg("rail/sandbox/cash", "psp/other", 9),)})
    money = foreign.model_copy(update={"legs": (Leg("expense/psp_fee", "merchant/m-1/available", 9),)})
    for bad in (no_rail, foreign, money):
        answers = await book.post_all([*good[:7], bad, *good[7:]])
        assert [answer.moved for answer in answers] == [True] * 7 + [False] + [True] * 8
        assert answers[7].outcome == "not_posted"
    assert await database.balance("psp/wechat") == 500
    assert await database.balance("psp/other") == 0


async def test_arrays_of_settlements_that_meet_take_no_more_than_is_held(
    database: Database, book: Book, register: Register
) -> None:
    """Overlapping arrays in several orders: each settlement stands once, all of them within what is held."""
    await funded(register, book, total=1_000)
    given: dict[str, Any] = {"rail": "sandbox", "fee_minor": 1, "currency": "CNY", "occurred_at": NOW}
    all_of_them = [psp_settlement("wechat", f"S{number:02}", net_minor=69, **given) for number in range(20)]
    arrays = [all_of_them[:12], all_of_them[::-1], all_of_them[5:], all_of_them]
    answers = [answer for array in await asyncio.gather(*map(book.post_all, arrays)) for answer in array]
    assert sum(answer.outcome == "posted" for answer in answers) == 14
    assert {answer.outcome for answer in answers} <= {"posted", "exists", "insufficient_funds"}
    assert await database.balance("psp/wechat") == 20


async def test_an_array_adds_a_channels_account_up_once(database: Database, book: Book, register: Register) -> None:
    """Rows of transfers read: what one settlement reads, not that times their number."""
    orders = 60
    for number in range(orders):
        await funded(register, book, f"A{number}", total=1_000)
    given: dict[str, Any] = {"rail": "sandbox", "fee_minor": 0, "currency": "CNY", "occurred_at": NOW}
    many = [psp_settlement("wechat", f"S{number}", net_minor=10, **given) for number in range(50)]
    legs = [leg for one in many for leg in one.legs]
    read = (
        "SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables"
        " WHERE relname = 'transfers'"
    )
    async with database.owner.acquire() as session, session.transaction():
        before = await session.fetchval(read)
        answers = await session.fetch(
            "SELECT outcome FROM post_settlements('wechat', $1, $2, $3, $4, $5, $6, $7)",
            *([one.reference for one in many], ["CNY"] * len(many), [NOW] * len(many)),
            *([n for n, one in enumerate(many, 1) for _ in one.legs], [leg.debit for leg in legs]),
            *([leg.credit for leg in legs], [leg.amount_minor for leg in legs]),
        )
        assert {answer["outcome"] for answer in answers} == {"posted"}
        assert await session.fetchval(read) - before <= orders + 4 * len(many)
