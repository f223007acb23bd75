"""What becomes a merchant's is summed up where it is read: a page takes no row of each order whose money is pending."""

from __future__ import annotations

from datetime import UTC, date, datetime

from databases import Database

from bench.settled import add_settled_orders
from core.merchant_calendar import calendar
from ledger.register import Register

FIRST = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)


async def test_pending_money_comes_as_a_row_a_day_and_one_for_all_that_is_held(
    database: Database, register: Register
) -> None:
    database.broken = True  # their money was settled
    async with database.owner.acquire() as owner:
        await add_settled_orders(owner, 90)
    for change in (
        "UPDATE orders SET merchant_id = 'm-7', phase = 'credited', closed = FALSE, holds = '{}', state = NULL,"
        " next_deadline_name = 'settle_at', next_deadline_at = $1::TIMESTAMPTZ"
        " + (substr(order_id, 2)::INT % 3) * INTERVAL '20 minutes'",
        "UPDATE orders SET holds = '{late_review}' WHERE order_id <= 'S0000010' AND $1::TIMESTAMPTZ IS NOT NULL",
        "UPDATE orders SET next_deadline_name = 'case' WHERE order_id > 'S0000088' AND $1::TIMESTAMPTZ IS NOT NULL",
        "UPDATE accounts SET balance_minor = 100 WHERE path LIKE 'order/%/proceeds' AND $1::TIMESTAMPTZ IS NOT NULL",
    ):
        await database.owner.execute(change, FIRST)
    coming = await register.balances.coming("m-7")
    assert len(coming) == 2 + 1 + 2, "two days, what is held, and two of which the rows do not say it"
    days = [(one.day, one.currency, one.amount_minor, one.orders) for one in calendar(coming)]
    assert days == [
        (date(2026, 3, 1), "CNY", 5_200, 52),
        (date(2026, 3, 2), "CNY", 2_600, 26),
        (None, "CNY", 1_200, 12),
    ]
    assert await register.balances.coming("m-8") == []
