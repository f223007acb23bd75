"""Lists and sums as people ask for them."""

from __future__ import annotations

from ledger_samples import LIMITS, NOW, a_record, a_withdrawal, an_order, credit, earned, fund, funded, opened, settle

from core import movements
from ledger.book import Book
from ledger.register import Register


async def test_orders_are_listed_by_filter(book: Book, register: Register) -> None:
    for order_id, merchant, buyer in (("A1", "m-1", "b-1"), ("A2", "m-1", "b-2"), ("A3", "m-2", "b-1")):
        await opened(register, an_order(order_id, merchant_id=merchant, buyer_id=buyer))
    await register.orders.record(
        a_record("A1", hold_reasons=("shipment", "refund_booked"))
    )  # it waits, and is not held
    await register.orders.record(a_record("A2", phase="shipped", audit="in_review", hold_reasons=("audit_in_review",)))
    await register.orders.record(a_record("A3", phase="refused", closed=True))

    async def ids(**filters: object) -> set[str]:
        return {row.order_id for row in await register.orders.rows(**filters)}  # type: ignore[arg-type]

    assert await ids() == {"A1", "A2", "A3"}
    assert await ids(merchant_id="m-1") == {"A1", "A2"}
    assert await ids(buyer_id="b-1") == {"A1", "A3"}
    assert await ids(phase="shipped") == {"A2"}
    assert await ids(audit="in_review") == {"A2"}
    assert await ids(held=True) == {"A2"}
    assert await ids(held=False, closed=False) == {"A1"}
    assert await ids(hold_reason="audit_in_review") == {"A2"}
    assert await ids(closed=True) == {"A3"}
    assert len(await register.orders.rows(limit=2)) == 2


async def test_withdrawals_are_listed_by_filter(book: Book, register: Register) -> None:
    await earned(register, book, 1000, "m-1", "E1")
    await earned(register, book, 1000, "m-2", "E2")
    for withdrawal in (a_withdrawal("W1", 100), a_withdrawal("W2", 200), a_withdrawal("W3", 300, "m-2")):
        await register.withdrawals.reserve(withdrawal, LIMITS, now=NOW)
    assert {row.withdrawal_id for row in await register.withdrawals.rows()} == {"W1", "W2", "W3"}
    assert {row.withdrawal_id for row in await register.withdrawals.rows(merchant_id="m-1")} == {"W1", "W2"}
    assert await register.withdrawals.rows(state_name="paid") == []
    assert await register.withdrawals.rows(closed=True) == []
    money = await register.balances.of_withdrawal("W1")
    assert [(account.path, account.balance_minor) for account in money.accounts] == [("withdrawal/W1/reserved", 100)]


async def test_a_balance_shows_what_is_pending_available_and_reserved(book: Book, register: Register) -> None:
    await earned(register, book, 1000)
    await register.withdrawals.reserve(a_withdrawal("W1", 300), LIMITS, now=NOW)
    pending = await funded(register, book, "A1", 500)
    await credit(book, pending, commission=25)
    dollars = await funded(register, book, "A2", 70, currency="USD")
    await credit(book, dollars, commission=0)
    await settle(book, dollars, 70)
    cny, usd = await register.balances.of_merchant("m-1")
    assert (cny.currency, cny.pending_minor, cny.available_minor, cny.reserved_minor) == ("CNY", 475, 700, 300)
    assert (cny.receivable_minor, cny.deposit_minor) == (0, 0)
    assert (usd.currency, usd.available_minor) == ("USD", 70)
    assert await register.balances.of_merchant("m-9") == []
    assert await register.withdrawals.available("m-9", "CNY") == 0


async def test_a_refused_movement_makes_no_line_of_a_balance(book: Book, register: Register) -> None:
    """It leaves its accounts open; a merchant that had money once keeps the line, also when nothing is left."""
    refused = await register.withdrawals.reserve(a_withdrawal("W1", 100, "m-9"), LIMITS, now=NOW)
    assert refused.outcome == "refused"
    assert await register.balances.of_merchant("m-9") == []
    await earned(register, book, 100, "m-9")
    await register.withdrawals.reserve(a_withdrawal("W2", 100, "m-9"), LIMITS, now=NOW)
    paid = movements.pay("W2", rail="sandbox", amount_minor=100, fee_minor=0, currency="CNY", occurred_at=NOW)
    assert (await book.post(paid)).outcome == "posted"
    (empty,) = await register.balances.of_merchant("m-9")
    assert (empty.currency, empty.available_minor, empty.reserved_minor) == ("CNY", 0, 0)


async def test_balances_sum_up_by_purpose(book: Book, register: Register) -> None:
    await earned(register, book, 1000)
    await funded(register, book, "A1", 300)
    await funded(register, book, "A2", 200)
    sums = {account.path: account.balance_minor for account in await register.balances.by_purpose()}
    assert sums["psp/wechat"] == 1500
    assert sums["order/*/escrow"] == 500
    assert sums["merchant/*/available"] == 1000


async def test_an_orders_money_is_its_own_accounts_and_movements_only(book: Book, register: Register) -> None:
    await funded(register, book, "A1", 300)
    await funded(register, book, "A10", 200)
    await opened(register, an_order("A_1", 100))
    await fund(book, an_order("A_1", 100))
    money = await register.balances.of_order("A1")
    assert [account.path for account in money.accounts] == ["order/A1/escrow"]
    assert [(t.reference, t.debit, t.credit, t.amount_minor) for t in money.transfers] == [
        ("order/A1/fund", "psp/wechat", "order/A1/escrow", 300)
    ]
    assert money.transfers[0].occurred_at == NOW
