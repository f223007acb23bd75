"""Balances: what merchants, orders and withdrawals have in the books. Reads only."""

from __future__ import annotations

from datetime import datetime

from core.fields import Message
from core.merchant_calendar import Coming
from ledger.merchant_statements import CURRENCIES_OF_DAYS, SEALED
from ledger.register_part import RegisterPart, below


class Balance(Message):
    """A merchant's money in one currency. `pending` is credited and not yet settled, `frozen` is disputed."""

    currency: str
    pending_minor: int
    available_minor: int
    reserved_minor: int
    receivable_minor: int
    deposit_minor: int
    frozen_minor: int = 0


class AccountBalance(Message):
    """One account and its balance."""

    path: str
    currency: str
    balance_minor: int


class TransferRow(Message):
    """One transfer of a movement: its amount, and the accounts it moved between."""

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


_OF_MERCHANT = f"""{CURRENCIES_OF_DAYS}
    SELECT m.currency, coalesce(sum(m.minor) FILTER (WHERE m.what = 'pending'), 0)::BIGINT AS pending_minor,
           coalesce(sum(m.minor) FILTER (WHERE m.what = 'available'), 0)::BIGINT AS available_minor,
           coalesce(sum(m.minor) FILTER (WHERE m.what = 'reserved'), 0)::BIGINT AS reserved_minor,
           coalesce(sum(m.minor) FILTER (WHERE m.what = 'receivable'), 0)::BIGINT AS receivable_minor,
           coalesce(sum(m.minor) FILTER (WHERE m.what = 'deposit'), 0)::BIGINT AS deposit_minor,
           coalesce(sum(m.minor) FILTER (WHERE m.what = 'frozen'), 0)::BIGINT AS frozen_minor
    FROM (
        SELECT a.currency, split_part(a.path, '/', 3) AS what, a.balance_minor AS minor FROM accounts a
        WHERE a.path IN ('merchant/' || $1 || '/available', 'merchant/' || $1 || '/receivable',
                         'merchant/' || $1 || '/deposit')
        UNION ALL
        SELECT a.currency, 'reserved', a.balance_minor FROM withdrawals w
        JOIN accounts a ON a.path = 'withdrawal/' || w.withdrawal_id || '/reserved'
        WHERE w.merchant_id = $1 AND NOT w.closed
        UNION ALL
        SELECT p.currency, v.what, v.minor FROM (
            SELECT t.currency, t.pending_minor, t.frozen_minor FROM currencies c CROSS JOIN LATERAL (
                SELECT d.* FROM merchant_days d WHERE d.merchant_id = $1 AND d.currency = c.currency
                ORDER BY d.day DESC LIMIT 1) AS t
            UNION ALL
            SELECT t.currency, t.pending_minor, t.frozen_minor FROM merchant_transfers t
            WHERE t.merchant_id = $1 AND t.movement_id > coalesce({SEALED}, 0)
        ) AS p CROSS JOIN LATERAL (VALUES ('pending', p.pending_minor), ('frozen', p.frozen_minor)) AS v (what, minor)
    ) AS m GROUP BY m.currency
    -- A refused movement leaves its accounts open; what is pending comes from what moved, and from nothing else.
    HAVING bool_or(m.what = 'pending') OR bool_or(m.minor <> 0)
    ORDER BY m.currency
"""


class Balances(RegisterPart):
    """The register's view of the books."""

    async def of_merchant(self, merchant_id: str) -> list[Balance]:
        """A merchant's money, one line a currency; empty where the merchant never had any.

        What is pending and frozen is what the last sealed day ended with and what moved since: as much work for a
        merchant of ten thousand open orders as for one of ten.
        """
        return await self._all(Balance, _OF_MERCHANT, merchant_id)

    async def coming(self, merchant_id: str) -> list[Coming]:
        """A merchant's credited money that is not available yet: summed up by day where the orders' rows say it."""
        return await self._all(
            Coming,
            "SELECT a.currency, sum(a.balance_minor)::BIGINT AS amount_minor, count(*)::INT AS orders, k.held,"
            " min(o.next_deadline_at) FILTER (WHERE k.day IS NOT NULL) AS settle_at,"
            # A whole state is long, and seldom needed.
            " (array_agg(o.body) FILTER (WHERE k.alone IS NOT NULL))[1] AS body,"
            " (array_agg(o.state) FILTER (WHERE k.alone IS NOT NULL))[1] AS state"
            " FROM orders o JOIN accounts a ON a.path = 'order/' || o.order_id || '/proceeds'"
            " CROSS JOIN LATERAL (SELECT o.holds <> '{}' AS held, CASE WHEN o.holds = '{}'"
            "   AND o.next_deadline_name = 'settle_at' THEN utc_day(o.next_deadline_at) END AS day) AS d"
            " CROSS JOIN LATERAL (SELECT d.held, d.day, CASE WHEN NOT d.held AND d.day IS NULL THEN o.order_id END"
            "   AS alone) AS k"
            " WHERE o.merchant_id = $1 AND NOT o.closed AND o.phase = 'credited' AND a.balance_minor > 0"
            " GROUP BY a.currency, k.held, k.day, k.alone",
            merchant_id,
        )

    async def by_purpose(self) -> list[AccountBalance]:
        """All accounts summed up by purpose: `order/*/escrow` is what is held for all orders.

        By what was booked: what was sealed, and what moved since. The proof `balances` compares it with what is stored.
        """
        return await self._all(
            AccountBalance,
            "SELECT purpose AS path, currency, balance_minor FROM purpose_balances ORDER BY 1, 2",
        )

    async def of_order(self, order_id: str) -> Money:
        """The accounts and movements of one order."""
        return await self._money(f"order/{order_id}")

    async def of_withdrawal(self, withdrawal_id: str) -> Money:
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
