"""What a merchant's statement is made of: the transfers of a period, and the balance when it began."""

from __future__ import annotations

from datetime import datetime

from core.merchant_statement import Held, MerchantStatement, MerchantTransfer, statement
from ledger.pool import Pool, translate_errors

# Each transfer that touches an account of the merchant, with the change it makes there. Money in suspense for a
# withdrawal still belongs to the merchant.
_MOVED = """
    WITH mine AS (
        SELECT id, replace(split_part(path, '/', 3), 'receivable', 'owed') AS part
        FROM accounts WHERE path = ANY (ARRAY[
            'merchant/' || $1 || '/available', 'merchant/' || $1 || '/deposit', 'merchant/' || $1 || '/receivable'])
        UNION ALL
        SELECT a.id, 'pending' FROM orders o
        JOIN accounts a ON a.path = 'order/' || o.order_id || '/proceeds'
        WHERE o.merchant_id = $1
        UNION ALL
        SELECT a.id, 'reserved' FROM withdrawals w
        JOIN accounts a ON a.path = 'withdrawal/' || w.withdrawal_id || '/reserved'
        WHERE w.merchant_id = $1
    ), sides AS (
        SELECT t.movement_id, t.leg, part, CASE part WHEN 'owed' THEN t.amount_minor ELSE -t.amount_minor END AS delta
        FROM transfers t JOIN mine ON mine.id = t.debit_account
        UNION ALL
        SELECT t.movement_id, t.leg, part, CASE part WHEN 'owed' THEN -t.amount_minor ELSE t.amount_minor END
        FROM transfers t JOIN mine ON mine.id = t.credit_account
        UNION ALL
        SELECT t.movement_id, t.leg, 'reserved',
               CASE d.path WHEN 'suspense' THEN -t.amount_minor ELSE t.amount_minor END
        FROM withdrawals w
        JOIN movements m ON m.reference IN ('withdrawal/' || w.withdrawal_id || '/suspense',
                                            'withdrawal/' || w.withdrawal_id || '/close')
        JOIN transfers t ON t.movement_id = m.id
        JOIN accounts d ON d.id = t.debit_account JOIN accounts c ON c.id = t.credit_account
        WHERE w.merchant_id = $1 AND 'suspense' IN (d.path, c.path)
    ), moved AS (
        SELECT movement_id, leg,
               coalesce(sum(delta) FILTER (WHERE part = 'pending'), 0)::BIGINT AS pending_minor,
               coalesce(sum(delta) FILTER (WHERE part = 'available'), 0)::BIGINT AS available_minor,
               coalesce(sum(delta) FILTER (WHERE part = 'deposit'), 0)::BIGINT AS deposit_minor,
               coalesce(sum(delta) FILTER (WHERE part = 'reserved'), 0)::BIGINT AS reserved_minor,
               coalesce(sum(delta) FILTER (WHERE part = 'owed'), 0)::BIGINT AS owed_minor
        FROM sides GROUP BY movement_id, leg
    )
"""
_TRANSFERS = f"""{_MOVED}
    SELECT moved.*, m.reference, m.linked_to, m.occurred_at, t.currency, d.path AS debit, c.path AS credit
    FROM moved JOIN movements m ON m.id = moved.movement_id
    JOIN transfers t ON t.movement_id = moved.movement_id AND t.leg = moved.leg
    JOIN accounts d ON d.id = t.debit_account JOIN accounts c ON c.id = t.credit_account
    WHERE m.occurred_at >= $2 AND m.occurred_at < $3
    ORDER BY m.occurred_at, m.id, t.leg
"""
_OPENING = f"""{_MOVED}
    SELECT m.currency, sum(pending_minor)::BIGINT AS pending_minor, sum(available_minor)::BIGINT AS available_minor,
           sum(deposit_minor)::BIGINT AS deposit_minor, sum(reserved_minor)::BIGINT AS reserved_minor,
           sum(owed_minor)::BIGINT AS owed_minor
    FROM moved JOIN movements m ON m.id = moved.movement_id
    WHERE m.occurred_at < $2 GROUP BY m.currency
"""


async def merchant_statements(
    pool: Pool, merchant_id: str, since: datetime, until: datetime
) -> list[MerchantStatement]:
    """One statement a currency, from `since` (inclusive) to `until` (exclusive); empty if no money ever moved.

    Raises:
        Unavailable: the database does not answer; a retry helps.
    """
    async with (
        translate_errors(),
        pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        before = await connection.fetch(_OPENING, merchant_id, since)
        rows = await connection.fetch(_TRANSFERS, merchant_id, since, until)
    opening = {row["currency"]: Held.model_validate(dict(row)) for row in before}
    transfers = [MerchantTransfer.model_validate(dict(row)) for row in rows]
    currencies = sorted({*opening, *(one.currency for one in transfers)})
    return [
        statement(
            merchant_id,
            currency,
            since,
            until,
            opening.get(currency, Held()),
            [one for one in transfers if one.currency == currency],
        )
        for currency in currencies
    ]
