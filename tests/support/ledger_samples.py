"""Orders, records and withdrawals for tests of the ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from databases import Database

from core import movements
from core.chart import ACCOUNTS, ChartAccount, names_in
from core.messages import Actor, Address, Line, Order, Payment, Withdrawal
from core.movements import Taken
from core.reading import content_hash
from core.records import Notice, OrderRecord, WithdrawalRecord
from core.steps import Posted
from core.withdrawal.policy import WithdrawalPolicy
from core.withdrawal.steps import OpenAttempt
from ledger.book import Book
from ledger.long_reads import long_reads
from ledger.orders import OpenOutcome
from ledger.payout_accounts import Binding
from ledger.proving import Proven, last_proven
from ledger.register import Register

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
AT: dict[str, Any] = {"currency": "CNY", "occurred_at": NOW}
"""What every movement has."""
HAS, OWES = "merchant/m-1/available", "merchant/m-1/receivable"
"""What the merchant of these samples has, and what it owes."""
DAY = timedelta(days=1)
POLICY_HASH = "p" * 64
LIMITS = WithdrawalPolicy()


def an_order(order_id: str = "A1", total: int = 1000, **fields: Any) -> Order:
    """An order of one line; `paid`, `payment` and `channel` describe its payment."""
    paid = fields.pop("paid", total)
    reference = fields.pop("payment", f"pay-{order_id}")
    payment = Payment(reference=reference, channel=fields.pop("channel", "wechat"), paid_minor=paid, paid_at=NOW)
    line = Line(line_id="1", title="茶叶", category="food.tea", quantity=1, unit_price_minor=total)
    place = Address(country="CN", province="浙江省", city="杭州市")
    given = {"merchant_id": "m-1", "buyer_id": "b-1", "currency": "CNY", "total_minor": total, **fields}
    return Order(order_id=order_id, lines=(line,), payment=payment, ship_from=place, ship_to=place, **given)


async def opened(
    register: Register, order: Order, *, by: str = "run-1", paid: int | None = None, policy_hash: str = POLICY_HASH
) -> OpenOutcome:
    """Register an order under an existing policy."""
    await register.policies.keep("default", policy_hash, f"text of {policy_hash}")
    opening = await register.orders.open(
        order,
        content_hash(order),
        opened_by=by,
        paid_minor_confirmed=order.payment.paid_minor if paid is None else paid,
        policy_hash=policy_hash,
        now=NOW,
    )
    return opening.outcome


def a_record(order_id: str = "A1", revision: int = 1, **fields: Any) -> OrderRecord:
    """A record of an order that waits for its shipment."""
    given: dict[str, Any] = {"phase": "awaiting_shipment", "audit": "not_started", "receipt": "not_due", "state": {}}
    return OrderRecord(order_id=order_id, revision=revision, recorded_at=NOW, **{**given, **fields})


def a_notice(seq: int, name: str = "shipped", to: Any = "buyer", **facts: str) -> Notice:
    return Notice(seq=seq, to=to, name=name, at=NOW, facts=facts)


async def funded(register: Register, book: Book, order_id: str = "A1", total: int = 1000, **fields: Any) -> Order:
    """An order whose buyer's money is in escrow."""
    order = an_order(order_id, total, **fields)
    await opened(register, order)
    assert (await fund(book, order)).outcome == "posted"
    return order


async def fund(book: Book, order: Order, record: Any = None, **fields: Any) -> Posted:
    movement = movements.fund(
        order.order_id,
        channel=order.payment.channel,
        amount_minor=order.total_minor,
        currency=order.currency,
        occurred_at=NOW,
        **fields,
    )
    return await book.post(movement, record)


async def credit(
    book: Book, order: Order, commission: int = 50, discount: int = 0, record: Any = None, **fields: Any
) -> Posted:
    """Credit all that was paid, unless `proceeds_minor` says how much."""
    given = {"proceeds_minor": order.total_minor - commission, "discount_minor": discount, **fields}
    movement = movements.credit(
        order.order_id,
        commission_minor=commission,
        currency=order.currency,
        occurred_at=NOW,
        **given,
    )
    return await book.post(movement, record)


async def settle(book: Book, order: Order, amount: int = 950, record: Any = None, **fields: Any) -> Posted:
    movement = movements.settle(
        order.order_id,
        merchant_id=order.merchant_id,
        amount_minor=amount,
        currency=order.currency,
        occurred_at=NOW,
        **fields,
    )
    return await book.post(movement, record)


async def refund(
    book: Book, order: Order, cause: str = "cancel", amount: int = 1000, record: Any = None, **fields: Any
) -> Posted:
    movement = movements.refund(
        order.order_id,
        cause=cause,
        merchant_id=order.merchant_id,
        taken=fields.pop("taken", None) or Taken(place="escrow", merchant_minor=amount),
        currency=order.currency,
        occurred_at=NOW,
        **fields,
    )
    return await book.post(movement, record)


async def refund_arrived(
    book: Book, order: Order, cause: str = "cancel", amount: int = 1000, record: Any = None, **fields: Any
) -> Posted:
    movement = movements.refund_arrived(
        order.order_id,
        cause=cause,
        channel=order.payment.channel,
        amount_minor=amount,
        currency=order.currency,
        occurred_at=NOW,
        **fields,
    )
    return await book.post(movement, record)


async def earned(register: Register, book: Book, amount: int, merchant: str = "m-1", order_id: str = "E1") -> None:
    """The merchant has this much available, and a payout account."""
    order = await funded(register, book, order_id, amount, merchant_id=merchant)
    assert (await credit(book, order, commission=0)).moved
    assert (await settle(book, order, amount)).moved
    await bound(register, merchant)


async def bound(register: Register, merchant: str = "m-1", account_id: str | None = None, **fields: Any) -> int:
    given: dict[str, Any] = {
        "kind": "bank_card",
        "currency": "CNY",
        "holder": "茶店",
        "last4": "4242",
        "rail": "sandbox",
        "rail_token": "tok",
    }
    how = {name: fields.pop(name) for name in ("number", "vault", "must_be", "by", "why") if name in fields}
    now = fields.pop("now", NOW)
    account = Binding(account_id=account_id or f"acc-{merchant}", merchant_id=merchant, **{**given, **fields})
    return await register.accounts.bind(account, **how, now=now)


def a_withdrawal(withdrawal_id: str = "W1", amount: int = 500, merchant: str = "m-1", **fields: Any) -> Withdrawal:
    given: dict[str, Any] = {
        "currency": "CNY",
        "account_id": f"acc-{merchant}",
        "requested_by": Actor(role="merchant", id=merchant),
    }
    return Withdrawal(withdrawal_id=withdrawal_id, merchant_id=merchant, amount_minor=amount, **{**given, **fields})


def an_attempt(withdrawal: Withdrawal, number: int = 1, key: str = "k1", **fields: Any) -> OpenAttempt:
    """An attempt to open, for the whole withdrawal. Its record is older than any in the register."""
    record = a_withdrawal_record(withdrawal.withdrawal_id, -1)
    given = {"at": NOW, "record": record, "amount_minor": withdrawal.amount_minor, **fields}
    return OpenAttempt(withdrawal=withdrawal, number=number, key=key, **given)


def a_withdrawal_record(withdrawal_id: str = "W1", revision: int = 1, **fields: Any) -> WithdrawalRecord:
    given: dict[str, Any] = {"state_name": "requested", "state": {"attempts": []}}
    return WithdrawalRecord(withdrawal_id=withdrawal_id, revision=revision, recorded_at=NOW, **{**given, **fields})


async def pay(book: Book, withdrawal: Withdrawal, fee: int = 0, record: Any = None, **fields: Any) -> Posted:
    movement = movements.pay(
        withdrawal.withdrawal_id,
        rail="sandbox",
        amount_minor=withdrawal.amount_minor - fee,
        fee_minor=fee,
        currency=withdrawal.currency,
        occurred_at=NOW,
        **fields,
    )
    return await book.post(movement, record)


async def void(book: Book, withdrawal: Withdrawal, record: Any = None, **fields: Any) -> Posted:
    movement = movements.void(
        withdrawal.withdrawal_id,
        merchant_id=withdrawal.merchant_id,
        amount_minor=withdrawal.amount_minor,
        currency=withdrawal.currency,
        occurred_at=NOW,
        **fields,
    )
    return await book.post(movement, record)


async def move_to_suspense(book: Book, withdrawal: Withdrawal, record: Any = None, **fields: Any) -> Posted:
    movement = movements.move_to_suspense(
        withdrawal.withdrawal_id,
        amount_minor=withdrawal.amount_minor,
        currency=withdrawal.currency,
        occurred_at=NOW,
        **fields,
    )
    return await book.post(movement, record)


async def bank_return(
    book: Book, withdrawal: Withdrawal, amount: int, k: int = 1, record: Any = None, **fields: Any
) -> Posted:
    movement = movements.bank_return(withdrawal, k=k, rail="sandbox", amount_minor=amount, occurred_at=NOW, **fields)
    return await book.post(movement, record)


ALL_TAKEN = Taken(place="merchant", merchant_minor=950, commission_minor=50)
"""The whole of an order of 1000 that was credited less 50."""


async def settled_order(register: Register, book: Book, order_id: str = "A1", **fields: Any) -> Order:
    """An order of 1000 whose merchant has 950 available."""
    order = await funded(register, book, order_id, **fields)
    assert (await credit(book, order)).moved
    assert (await settle(book, order)).moved
    return order


def account_of(path: str) -> ChartAccount | None:
    """The chart's line for this account; None where no line has such a path."""
    return next((account for account in ACCOUNTS if names_in(account.path, path) is not None), None)


async def proven_so_far(database: Database) -> Proven:
    """What the next proof stands on."""
    async with long_reads(database.pool) as reads:
        proven = await last_proven(reads)
    assert proven is not None
    return proven
