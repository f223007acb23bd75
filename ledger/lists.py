"""Lists: orders, withdrawals and money as people ask for them. Reads only."""

from __future__ import annotations

from datetime import datetime

from core.messages import Message
from ledger.reading import Reading, below


class OrderRow(Message):
    """An order as lists show it."""

    order_id: str
    merchant_id: str
    buyer_id: str
    currency: str
    total_minor: int
    phase: str
    audit: str
    receipt: str
    next_deadline_name: str | None
    next_deadline_at: datetime | None
    hold_reasons: tuple[str, ...]
    refunded_minor: int
    closed: bool
    content_hash: str
    opened_at: datetime
    recorded_at: datetime | None


class WithdrawalRow(Message):
    """A withdrawal as lists show it; `last4` are those of the account it was asked for."""

    withdrawal_id: str
    merchant_id: str
    amount_minor: int
    currency: str
    account_id: str
    last4: str
    state_name: str
    next_deadline_name: str | None
    next_deadline_at: datetime | None
    closed: bool
    requested_by: str
    requested_at: datetime
    recorded_at: datetime | None


class Balance(Message):
    """A merchant's money in one currency. `pending` is credited and not yet settled."""

    currency: str
    pending_minor: int
    available_minor: int
    reserved_minor: int
    receivable_minor: int
    deposit_minor: int


class AccountBalance(Message):
    """One account and what stands on it."""

    path: str
    currency: str
    balance_minor: int


class TransferRow(Message):
    """One transfer of a movement, with what it moved from where to where."""

    reference: str
    debit: str
    credit: str
    amount_minor: int
    currency: str
    occurred_at: datetime
    recorded_at: datetime


class Money(Message):
    """The money of one order or withdrawal: its accounts and its movements in the order they happened."""

    accounts: tuple[AccountBalance, ...]
    transfers: tuple[TransferRow, ...]


_ORDER = f"SELECT {', '.join(OrderRow.model_fields)} FROM orders"
_WITHDRAWAL = (
    "SELECT w.withdrawal_id, w.merchant_id, w.amount_minor, w.currency, w.account_id, v.last4, w.state_name,"
    " w.next_deadline_name, w.next_deadline_at, w.closed, w.requested_by, w.requested_at, w.recorded_at"
    " FROM withdrawals w JOIN payout_account_versions v"
    " ON v.account_id = w.account_id AND v.version = w.account_version"
)


class Lists(Reading):
    """Lists over register and ledger."""

    async def order_row(self, order_id: str) -> OrderRow | None:
        """One order as lists show it."""
        return await self._one(OrderRow, f"{_ORDER} WHERE order_id = $1", order_id)

    async def orders(
        self,
        *,
        merchant_id: str | None = None,
        buyer_id: str | None = None,
        phase: str | None = None,
        audit: str | None = None,
        held: bool | None = None,
        hold_reason: str | None = None,
        closed: bool | None = None,
        limit: int = 100,
    ) -> list[OrderRow]:
        """Orders by filter, the newest first; a filter of None lets all through."""
        return await self._all(
            OrderRow,
            f"{_ORDER} WHERE ($1::TEXT IS NULL OR merchant_id = $1) AND ($2::TEXT IS NULL OR buyer_id = $2)"
            " AND ($3::TEXT IS NULL OR phase = $3) AND ($4::TEXT IS NULL OR audit = $4)"
            " AND ($5::BOOLEAN IS NULL OR (cardinality(hold_reasons) > 0) = $5)"
            " AND ($6::TEXT IS NULL OR $6 = ANY (hold_reasons)) AND ($7::BOOLEAN IS NULL OR closed = $7)"
            " ORDER BY opened_at DESC, order_id LIMIT $8",
            merchant_id,
            buyer_id,
            phase,
            audit,
            held,
            hold_reason,
            closed,
            limit,
        )

    async def withdrawal_row(self, withdrawal_id: str) -> WithdrawalRow | None:
        """One withdrawal as lists show it."""
        return await self._one(WithdrawalRow, f"{_WITHDRAWAL} WHERE w.withdrawal_id = $1", withdrawal_id)

    async def withdrawals(
        self,
        *,
        merchant_id: str | None = None,
        state_name: str | None = None,
        closed: bool | None = None,
        limit: int = 100,
    ) -> list[WithdrawalRow]:
        """Withdrawals by filter, the newest first; a filter of None lets all through."""
        return await self._all(
            WithdrawalRow,
            f"{_WITHDRAWAL} WHERE ($1::TEXT IS NULL OR w.merchant_id = $1)"
            " AND ($2::TEXT IS NULL OR w.state_name = $2) AND ($3::BOOLEAN IS NULL OR w.closed = $3)"
            " ORDER BY w.requested_at DESC, w.withdrawal_id LIMIT $4",
            merchant_id,
            state_name,
            closed,
            limit,
        )

    async def balance(self, merchant_id: str) -> list[Balance]:
        """A merchant's money, one line a currency; empty where the merchant never had any."""
        return await self._all(
            Balance,
            "SELECT currency,"
            " coalesce(sum(balance_minor) FILTER (WHERE what = 'proceeds'), 0)::BIGINT AS pending_minor,"
            " coalesce(sum(balance_minor) FILTER (WHERE what = 'available'), 0)::BIGINT AS available_minor,"
            " coalesce(sum(balance_minor) FILTER (WHERE what = 'reserved'), 0)::BIGINT AS reserved_minor,"
            " coalesce(sum(balance_minor) FILTER (WHERE what = 'receivable'), 0)::BIGINT AS receivable_minor,"
            " coalesce(sum(balance_minor) FILTER (WHERE what = 'deposit'), 0)::BIGINT AS deposit_minor"
            " FROM (SELECT currency, balance_minor, split_part(path, '/', 3) AS what FROM accounts"
            " WHERE path IN"
            " ('merchant/' || $1 || '/available', 'merchant/' || $1 || '/receivable', 'merchant/' || $1 || '/deposit')"
            " UNION ALL SELECT a.currency, a.balance_minor, 'proceeds' FROM orders o"
            " JOIN accounts a ON a.path = 'order/' || o.order_id || '/proceeds' WHERE o.merchant_id = $1"
            " UNION ALL SELECT a.currency, a.balance_minor, 'reserved' FROM withdrawals w"
            " JOIN accounts a ON a.path = 'withdrawal/' || w.withdrawal_id || '/reserved' WHERE w.merchant_id = $1"
            ") AS money GROUP BY currency ORDER BY currency",
            merchant_id,
        )

    async def balances(self) -> list[AccountBalance]:
        """All accounts summed up by purpose: `order/*/escrow` is what is held for all orders."""
        return await self._all(
            AccountBalance,
            "SELECT CASE WHEN a.guarded THEN regexp_replace(a.path, '^([a-z]+)/[^/]+/([a-z_]+).*$', '\\1/*/\\2')"
            " ELSE a.path END AS path, a.currency,"
            " sum(coalesce(a.balance_minor, e.sum_minor, 0))::BIGINT AS balance_minor"
            " FROM accounts a LEFT JOIN (SELECT account_id, sum(delta_minor) AS sum_minor FROM entries"
            " GROUP BY account_id) AS e ON e.account_id = a.id GROUP BY 1, 2 ORDER BY 1, 2",
        )

    async def order_money(self, order_id: str) -> Money:
        """The accounts and movements of one order."""
        return await self._money(f"order/{order_id}")

    async def withdrawal_money(self, withdrawal_id: str) -> Money:
        """The accounts and movements of one withdrawal."""
        return await self._money(f"withdrawal/{withdrawal_id}")

    async def _money(self, prefix: str) -> Money:
        accounts = await self._all(
            AccountBalance,
            "SELECT path, currency, balance_minor FROM accounts WHERE path >= $1 AND path < $2 ORDER BY path, currency",
            *below(prefix),
        )
        transfers = await self._all(
            TransferRow,
            "SELECT m.reference, d.path AS debit, c.path AS credit, t.amount_minor, t.currency, m.occurred_at,"
            " m.recorded_at FROM movements m JOIN transfers t ON t.movement_id = m.id"
            " JOIN accounts d ON d.id = t.debit_account JOIN accounts c ON c.id = t.credit_account"
            " WHERE m.reference >= $1 AND m.reference < $2 ORDER BY m.id, t.leg",
            *below(prefix),
        )
        return Money(accounts=tuple(accounts), transfers=tuple(transfers))
