"""Books with one of everything, and the violations that a hand at the database plants in them.

The owner of the tables plants them with the guards taken off.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from asyncpg.pool import PoolConnectionProxy
from databases import Database
from ledger_samples import (
    LIMITS,
    NOW,
    a_record,
    a_withdrawal,
    an_order,
    bank_return,
    credit,
    earned,
    fund,
    funded,
    move_to_suspense,
    opened,
    pay,
    refund,
    refund_arrived,
    settle,
    void,
)

from core.movements import Leg, adjustment
from ledger.book import Book
from ledger.pool import Connected
from ledger.proofs import prove
from ledger.register import Register

FENCES = "; ".join(f"ALTER TABLE {table} {{}} TRIGGER USER" for table in ("movements", "transfers", "accounts"))
PLANTED = {
    "a balance changed by hand": (
        "UPDATE accounts SET balance_minor = balance_minor + 1 WHERE path = 'merchant/m-1/available'",
        {"balances", "books_balance", "merchant_days"},
        "merchant/m-1/available",
    ),
    "a balance below zero": (
        "ALTER DOMAIN guarded_balance DROP CONSTRAINT guarded_balance_never_negative;"
        "UPDATE accounts SET balance_minor = -5 WHERE path = 'order/A1/escrow'",
        {"balances", "books_balance"},
        "order/A1/escrow",
    ),
    "a transfer taken out": (
        "DELETE FROM transfers WHERE movement_id = (SELECT id FROM movements WHERE reference = 'order/A3/fund')",
        {"balances", "books_balance", "moves_something"},
        "order/A3/escrow",
    ),
    "a transfer made larger": (
        "UPDATE transfers SET amount_minor = 2000"
        " WHERE movement_id = (SELECT id FROM movements WHERE reference = 'order/A3/fund')",
        {"balances", "escrow", "books_balance", "chart"},
        "order/A3/escrow",
    ),
    "another merchant's proceeds emptied into the rail": (
        "UPDATE movements SET reference = 'order/A3/fund-by-hand' WHERE reference = 'order/A3/fund'",
        {"escrow", "register_agrees", "chart"},
        "order/A3/escrow",
    ),
    "a part of what stands in suspense gone": (
        "UPDATE transfers SET amount_minor = 60"
        " WHERE movement_id = (SELECT id FROM movements WHERE reference = 'withdrawal/W4/suspense')",
        {"balances", "suspense", "books_balance"},
        "W4",
    ),
    "escrow left after the end": (
        "UPDATE orders SET closed = TRUE WHERE order_id = 'A3'",
        {"escrow", "orphaned_escrow"},
        "order/A3/escrow",
    ),
    "an order forgotten while money is held": (
        "DELETE FROM orders WHERE order_id = 'A3'; UPDATE payments SET claimed_minor = 0 WHERE payment = 'pay-A3'",
        {"orphaned_escrow", "chart"},
        "order/A3/escrow",
    ),
    "a chargeback won back that was never taken": (
        "UPDATE movements SET reference = 'order/A3/chargeback/1/won' WHERE reference = 'order/A2/refund/cancel/paid'",
        {"won_back", "chart", "refunds"},
        "chargeback/1/won",
    ),
    "a channel that keeps more of an order than was paid": (
        "UPDATE movements SET reference = 'order/A9/chargeback/1/above'"
        " WHERE reference = 'order/A2/refund/cancel/paid'",
        {"charged_back", "chart"},
        "A9",
    ),
    "a buyer who paid again more than had gone back": (
        "UPDATE movements SET reference = 'order/A3/claim_back/1' WHERE reference = 'order/A3/fund'",
        {"escrow", "register_agrees", "claimed_back", "chart"},
        "order/A3/claim_back/1",
    ),
    "money frozen for an order without a dispute": (
        "UPDATE accounts SET path = 'order/A3/frozen' WHERE path = 'order/A3/escrow'",
        {"frozen", "chart", "merchant_days", "merchant_transfers"},
        "order/A3/frozen",
    ),
    "a payout that nobody asked for, in the rail's statement": (
        "INSERT INTO statement_lines (scope, name, line_id, kind, key, amount_minor, currency, at, loaded_at)"
        " VALUES ('rail', 'sandbox', 'L1', 'payout', 'foreign', 5, 'CNY', now(), now())",
        {"statements"},
        "foreign",
    ),
    "a reservation without its withdrawal": (
        "DELETE FROM withdrawals WHERE withdrawal_id = 'W3'",
        {"reserved", "chart"},
        "W3",
    ),
    "a withdrawal whose amount was changed": (
        "UPDATE withdrawals SET amount_minor = 900 WHERE withdrawal_id = 'W3'",
        {"reserved"},
        "W3",
    ),
    "a refund that the register does not know": (
        "UPDATE orders SET refunded_minor = 0 WHERE order_id = 'A2'",
        {"refunds", "register_agrees"},
        "A2",
    ),
    "a refund beyond what was paid": (
        "ALTER TABLE orders DROP CONSTRAINT order_never_refunds_more_than_paid;"
        "UPDATE orders SET total_minor = 900 WHERE order_id = 'A2';"
        "UPDATE payments SET claimed_minor = 900 WHERE payment = 'pay-A2'",
        {"refunds", "register_agrees", "escrow", "chart"},
        "A2",
    ),
    "a closed order whose buyer waits for the money": (
        "UPDATE movements SET reference = 'suspended' WHERE reference = 'order/A2/refund/cancel/paid';"
        "UPDATE transfers SET debit_account = (SELECT id FROM accounts WHERE path = 'suspense')"
        " WHERE movement_id = (SELECT id FROM movements WHERE reference = 'suspended');"
        "UPDATE accounts SET balance_minor = 1000 WHERE path = 'order/A2/refund_payable/cancel'",
        {"refunds"},
        "A2",
    ),
    "a credit without an approved audit": (
        "UPDATE orders SET audit = 'in_review' WHERE order_id = 'A1'",
        {"last_events", "credit_earned"},
        "A1",
    ),
    "a credit without a receipt": (
        "UPDATE orders SET receipt = 'awaited' WHERE order_id = 'A1'",
        {"last_events", "credit_earned"},
        "A1",
    ),
    "a register that says credited": (
        "UPDATE orders SET phase = 'credited' WHERE order_id = 'A3'",
        {"last_events", "register_agrees"},
        "A3",
    ),
    "a register that forgot the settlement": (
        "UPDATE orders SET phase = 'credited' WHERE order_id = 'A1'",
        {"last_events", "register_agrees"},
        "A1",
    ),
    "a register that says not funded": (
        "UPDATE orders SET state = '{\"funded\": false}' WHERE order_id = 'A3'",
        {"register_agrees"},
        "A3",
    ),
    "a payment claimed twice": (
        "ALTER TABLE payments DROP CONSTRAINT payment_not_over_claimed;"
        "UPDATE payments SET paid_minor = 500 WHERE payment = 'pay-A3'",
        {"payments"},
        "pay-A3",
    ),
    "a claim that no order makes": (
        "UPDATE payments SET claimed_minor = 0 WHERE payment = 'pay-A3'",
        {"payments"},
        "pay-A3",
    ),
    "a withdrawal that is over and was never closed": (
        "UPDATE withdrawals SET closed = TRUE, state_name = 'cancelled' WHERE withdrawal_id = 'W3'",
        {"payouts"},
        "W3",
    ),
    "a withdrawal given back and paid": (
        "UPDATE withdrawals SET state_name = 'cancelled' WHERE withdrawal_id = 'W2'",
        {"payouts"},
        "W2",
    ),
    "a settlement to another merchant": (
        "UPDATE orders SET merchant_id = 'm-9' WHERE order_id = 'A1'",
        {"chart", "merchant_transfers"},
        "order/A1/settle",
    ),
    "money made under the reference of a settlement": (
        "UPDATE transfers SET debit_account = (SELECT id FROM accounts WHERE path = 'suspense')"
        " WHERE movement_id = (SELECT id FROM movements WHERE reference = 'order/A1/fund')",
        {"chart"},
        "suspense",
    ),
    "a transfer of a currency that its accounts do not have": (
        "UPDATE transfers SET currency = 'JPY'"
        " WHERE movement_id = (SELECT id FROM movements WHERE reference = 'order/A1/fund')",
        {"balances", "escrow", "chart"},
        "order/A1/fund",
    ),
    "a transfer of an account that is gone": (
        "DELETE FROM accounts WHERE path = 'order/A3/escrow'",
        {"chart", "books_balance"},
        "order/A3/fund",
    ),
    "a movement that moves nothing": (
        "INSERT INTO movements (reference, currency, request_hash, occurred_at)"
        " VALUES ('order/A3/refund/none', 'CNY', '', now())",
        {"moves_something"},
        "order/A3/refund/none",
    ),
    "a line that gave back more than was paid": (
        "ALTER TABLE refunded_lines DROP CONSTRAINT a_line_gives_back_no_more_than_was_paid;"
        "INSERT INTO refunded_lines VALUES ('A2', '1', 900, 1000)",
        {"given_back"},
        "A2",
    ),
    "a line that gave back what no refund moved": (
        "INSERT INTO refunded_lines VALUES ('A3', '1', 1000, 1)",
        {"given_back"},
        "A3",
    ),
    "more commission given back than was taken": (
        "INSERT INTO movements (id, reference, currency, request_hash, occurred_at)"
        " VALUES (-1, 'order/A3/refund/c', 'CNY', '', now());"
        "INSERT INTO transfers SELECT -1, 1, d.id, c.id, 'CNY', 1 FROM accounts d, accounts c"
        " WHERE d.path = 'income/commission' AND c.path = 'psp/wechat'",
        {"given_back", "chart"},
        "A3",
    ),
    "a policy's name that was moved without a word": (
        "UPDATE policy_names SET content_hash = 'q'",
        {"policies"},
        "'q'",
    ),
    "a policy's name that has no history": (
        "INSERT INTO policy_names VALUES ('gift', 'q')",
        {"policies"},
        "gift",
    ),
    "a move that began where no other ended": (
        "INSERT INTO policy_moves (name, from_hash, to_hash, who, why) VALUES ('default', 'q', 'r', 'eve', 'hers');"
        "UPDATE policy_names SET content_hash = 'r'",
        {"policies"},
        "eve",
    ),
    "a refund that arrived and is owed all the same": (
        "UPDATE accounts SET balance_minor = 5 WHERE path = 'order/A2/refund_payable/cancel'",
        {"balances", "books_balance", "refunds_arrive_whole"},
        "order/A2/refund/cancel/paid",
    ),
    "a correction that nobody asked for": (
        "INSERT INTO movements (id, reference, currency, request_hash, linked_to, occurred_at)"
        " VALUES (-1, 'correction/K1', 'CNY', '', 'order/A1/settle', now())",
        {"corrections"},
        "correction/K1",
    ),
    "a part of a payment that went back by one person's word": (
        "ALTER TABLE rest_returns DROP CONSTRAINT a_rest_is_returned_by_two_people;"
        "INSERT INTO rest_returns (return_id, channel, payment, currency, amount_minor, reason, asked_by, asked_at,"
        " done_by, done_at, state)"
        " VALUES ('R1', 'wechat', 'pay-A1', 'CNY', 5, 'x', 'eve', now(), 'eve', now(), 'refused')",
        {"rests"},
        "eve",
    ),
    "a withdrawal to an account that had not cooled off": (
        "UPDATE payout_account_versions SET cooling_until = created_at + INTERVAL '72 hours'",
        {"cooling"},
        "W1",
    ),
    "a settlement while its merchant was frozen": (
        "INSERT INTO merchant_moves (merchant_id, what, value, role, who, why, at, recorded_at)"
        " VALUES ('m-1', 'frozen', 'yes', 'operator', 'eve', 'odd', now(), '2000-01-01')",
        {"frozen_merchants"},
        "order/A1/settle",
    ),
    "money that passed a deposit by": (
        "INSERT INTO deposit_moves (merchant_id, currency, required_minor, role, who, why, at, recorded_at)"
        " VALUES ('m-1', 'CNY', 90000, 'operator', 'eve', 'new', now(), '2000-01-01')",
        {"deposits"},
        "order/A1/settle",
    ),
    "an event of an order gone": (
        "DELETE FROM events WHERE subject = 'order/A3'; DELETE FROM event_subjects WHERE subject = 'order/A3'",
        {"last_events"},
        "order/A3",
    ),
    "an event taken out of the middle": (
        'SELECT add_events(\'order/A3\', \'m-1\', now(), \'[{"type": "notice.a"}, {"type": "notice.b"}]\');'
        "DELETE FROM events WHERE subject = 'order/A3' AND seq = 2",
        {"events"},
        "order/A3",
    ),
    "a bank that returned more than it was paid": (
        "UPDATE movements SET reference = 'withdrawal/W2/return/1' WHERE reference = 'withdrawal/W1/return/1'",
        {"payouts", "merchant_transfers"},
        "W2",
    ),
}
"""What is planted: the statement, the proofs that fail, and what their evidence names."""


async def a_busy_book(register: Register, book: Book) -> None:
    """One of everything, done rightly: a settled, a refunded and a held order, a paid and a returned withdrawal."""
    settled = an_order("A1")
    await opened(register, settled)
    await fund(book, settled)
    await credit(book, settled)
    done: dict[str, Any] = {
        "phase": "settled",
        "audit": "approved",
        "receipt": "confirmed",
        "closed": True,
        "state": {"funded": True},
    }
    await settle(book, settled, record=a_record("A1", **done))
    back = await funded(register, book, "A2")
    await refund(book, back)
    await refund_arrived(
        book, back, record=a_record("A2", phase="cancelled", closed=True, refunded_minor=1000, state={"funded": True})
    )
    held = an_order("A3")
    await opened(register, held)
    await fund(book, held, record=a_record("A3", state={"funded": True}))
    await earned(register, book, 5000)
    for name, amount in (("W1", 400), ("W2", 300), ("W3", 200), ("W4", 100), ("W5", 100)):
        answer = await register.withdrawals.reserve(a_withdrawal(name, amount), LIMITS, now=NOW)
        assert answer.outcome == "reserved"
    await pay(book, a_withdrawal("W1", 400), fee=10)
    await bank_return(book, a_withdrawal("W1", 400), 390)
    await pay(book, a_withdrawal("W2", 300))
    for name in ("W4", "W5"):
        await move_to_suspense(book, a_withdrawal(name, 100))
    await void(book, a_withdrawal("W5", 100))


async def ready_for_planting(database: Database, register: Register, book: Book) -> None:
    """A busy book, and what some statements of PLANTED need."""
    await a_busy_book(register, book)
    await Book(database.owner).post_all([adjustment("adjust/1", "CNY", NOW, [Leg("psp/wechat", "suspense", 7)])])
    for name in "qr":
        await database.owner.execute("INSERT INTO policies (content_hash, name, text) VALUES ($1, 'x', $1)", name)


@asynccontextmanager
async def without_fences(database: Database) -> AsyncIterator[PoolConnectionProxy[Any]]:
    """The owner's connection, with the guards of movements, transfers and accounts taken off for the block."""
    async with database.owner.acquire() as owner:
        # Once for all that is planted: a table that is altered has all its plans made again.
        await owner.execute(FENCES.format(*["DISABLE"] * 3))
        try:
            yield owner
        finally:
            await owner.execute(FENCES.format(*["ENABLE"] * 3))


@asynccontextmanager
async def planted(owner: PoolConnectionProxy[Any], statement: str) -> AsyncIterator[None]:
    """What this statement does, for the block."""
    planting = owner.transaction()
    await planting.start()
    try:
        await owner.execute(statement)
        yield
    finally:
        await planting.rollback()


def covered(cause: str, amount_minor: int) -> str:
    """A refund of order A1 that stands as covered, past all fences."""
    return (
        f"SELECT * FROM post('{{order/A1/refund/{cause}/covered}}', '{{CNY}}', ARRAY[now()], ARRAY[NULL::TEXT],"
        f" ARRAY[NULL::TEXT], '{{1}}', '{{order/A1/refund_payable/{cause}}}', '{{merchant/m-1/available}}',"
        f" '{{{amount_minor}}}')"
    )


async def broken(connection: Connected) -> dict[str, str]:
    """The evidence of each proof that does not hold."""
    return {proof.name: str(proof.evidence) for proof in await prove(connection) if not proof.holds}
