"""A merchant's statement, page by page: the transfers of a period, and the balance when it began.

The balance comes from the last day that was closed before (`merchant_days`) and from what is not sealed yet, so that a
statement reads its own rows and no history.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from pydantic import Field

from core.fields import Message, Time
from core.merchant_statement import (
    PARTS,
    Held,
    MerchantStatement,
    MerchantTransfer,
    StatementCsv,
    StatementRow,
    statement,
)
from ledger.pool import Pool, translate_errors

PAGE = 200
"""Movements of one page."""


class StatementPosition(Message):
    """The last movement of a page, and what the merchant had after it, by currency."""

    at: Time
    movement_id: int = Field(ge=-(2**63), lt=2**63)
    held: dict[str, Held]


class StatementPage(NamedTuple):
    """One statement a currency over a part of the period. `after`: where the next page begins; None: it is the last."""

    statements: tuple[MerchantStatement, ...]
    after: StatementPosition | None


SEALED = "(SELECT s.last_movement FROM seals s ORDER BY s.number DESC LIMIT 1)"
CURRENCIES_OF_DAYS = """
    -- Each currency through the index: there are few, and many days.
    WITH RECURSIVE currencies AS (
        (SELECT d.currency FROM merchant_days d WHERE d.merchant_id = $1 ORDER BY d.currency LIMIT 1)
        UNION ALL
        SELECT (SELECT d.currency FROM merchant_days d WHERE d.merchant_id = $1 AND d.currency > c.currency
                ORDER BY d.currency LIMIT 1)
        FROM currencies c WHERE c.currency IS NOT NULL
    )
"""
_SUMS = ", ".join(f"sum(b.{part}_minor)::BIGINT AS {part}_minor" for part in PARTS)
_PARTS = ", ".join(f"t.{part}_minor" for part in PARTS)
OPENING = f"""{CURRENCIES_OF_DAYS}
    SELECT b.currency, {_SUMS} FROM (
        SELECT t.currency, {_PARTS} FROM currencies c CROSS JOIN LATERAL (
            SELECT d.* FROM merchant_days d
            WHERE d.merchant_id = $1 AND d.currency = c.currency AND d.day < utc_day($2)
            ORDER BY d.day DESC LIMIT 1) AS t
        UNION ALL
        SELECT t.currency, {_PARTS} FROM merchant_transfers t
        WHERE t.merchant_id = $1 AND t.occurred_at >= utc_day($2)::TIMESTAMP AT TIME ZONE 'UTC' AND t.occurred_at < $2
          -- IS TRUE hides a condition from the indexes. By number the merchant's whole history would be read, and below
          -- by time: the planner does not know how few rows of a day are left, or how few are not sealed.
          AND (t.movement_id <= {SEALED}) IS TRUE AND t.stated
          -- Nothing of a day is sealed until it has a row: then what it brought is only below.
          AND EXISTS (SELECT FROM currencies c JOIN merchant_days d
                      ON d.merchant_id = $1 AND d.currency = c.currency AND d.day = utc_day($2))
        UNION ALL
        SELECT t.currency, {_PARTS} FROM merchant_transfers t
        WHERE t.merchant_id = $1 AND t.movement_id > coalesce({SEALED}, 0) AND (t.occurred_at < $2) IS TRUE AND t.stated
    ) AS b GROUP BY b.currency
"""
_TRANSFERS = f"""
    SELECT t.movement_id, t.reference, t.linked_to, t.occurred_at, t.currency, t.debit, t.credit, {_PARTS}
    FROM (
        SELECT t.*, dense_rank() OVER (ORDER BY t.occurred_at, t.movement_id) AS n FROM merchant_transfers t
        WHERE t.merchant_id = $1 AND t.occurred_at >= $2 AND t.occurred_at < $3
          AND (t.occurred_at, t.movement_id) > ($2, $4) AND t.stated
    ) AS t WHERE t.n <= $5 ORDER BY t.occurred_at, t.movement_id, t.leg
"""
_BEFORE_ALL = -(2**63)


async def merchant_statement_page(
    pool: Pool,
    merchant_id: str,
    since: datetime,
    until: datetime,
    *,
    after: StatementPosition | None = None,
    limit: int = PAGE,
) -> StatementPage:
    """At most `limit` movements from `since` (inclusive) to `until` (exclusive), in order of time.

    Each page opens with what the page before closed with.

    Raises:
        Unavailable: the database does not answer; a retry helps.
    """
    async with (
        translate_errors(),
        pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        before = await _opening(connection, merchant_id, since) if after is None else after.held
        first = (since, _BEFORE_ALL) if after is None else (after.at, after.movement_id)
        rows = await connection.fetch(_TRANSFERS, merchant_id, first[0], until, first[1], limit + 1)
    transfers, last = _page([MerchantTransfer.model_validate(dict(row)) for row in rows], limit)
    statements = tuple(
        statement(
            *(merchant_id, currency, since, until, before.get(currency, Held())),
            [one for one in transfers if one.currency == currency],
        )
        for currency in sorted({*before, *(one.currency for one in transfers)})
    )
    if last is None:
        return StatementPage(statements, None)
    held = {one.currency: one.closing for one in statements}
    return StatementPage(statements, StatementPosition(at=last.occurred_at, movement_id=last.movement_id, held=held))


async def _opening(connection: Any, merchant_id: str, since: datetime) -> dict[str, Held]:
    rows = await connection.fetch(OPENING, merchant_id, since)
    return {row["currency"]: Held.model_validate(dict(row)) for row in rows}


def _page(found: Sequence[MerchantTransfer], limit: int) -> tuple[Sequence[MerchantTransfer], MerchantTransfer | None]:
    """The transfers of the first `limit` movements, and the last of them if there are more movements."""
    movements = list(dict.fromkeys(one.movement_id for one in found))
    if len(movements) <= limit:
        return found, None
    page = [one for one in found if one.movement_id != movements[-1]]
    return page, page[-1]


async def statement_pages(
    pool: Pool, merchant_id: str, since: datetime, until: datetime
) -> AsyncIterator[StatementPage]:
    """All pages of a period, each read when it is asked for.

    Raises:
        Unavailable: the database does not answer; a retry helps.
    """
    after = None
    while True:
        page = await merchant_statement_page(pool, merchant_id, since, until, after=after)
        yield page
        if (after := page.after) is None:
            return


class NewestRows(NamedTuple):
    """A statement with the newest of its rows alone, and how many it has in all."""

    statement: MerchantStatement
    of_all: int


async def merchant_statements(
    pool: Pool, merchant_id: str, since: datetime, until: datetime
) -> list[MerchantStatement]:
    """One whole statement a currency, with all its rows in memory; empty where none moved before `until`.

    Raises:
        Unavailable: the database does not answer; a retry helps.
    """
    return [one.statement for one in await newest_rows(pool, merchant_id, since, until, most=None)]


async def newest_rows(
    pool: Pool, merchant_id: str, since: datetime, until: datetime, *, most: int | None
) -> list[NewestRows]:
    """As `merchant_statements`, with at most so many rows a currency, the newest.

    Raises:
        Unavailable: the database does not answer; a retry helps.
    """
    rows: dict[str, deque[StatementRow]] = {}
    whole: dict[str, NewestRows] = {}
    async for page in statement_pages(pool, merchant_id, since, until):
        for part in page.statements:
            rows.setdefault(part.currency, deque(maxlen=most)).extend(part.rows)
            first = whole.get(part.currency)
            opening, so_far = (first.statement.opening, first.of_all) if first else (part.opening, 0)
            shown = part.model_copy(update={"opening": opening, "rows": ()})
            whole[part.currency] = NewestRows(shown, so_far + len(part.rows))
    return [
        NewestRows(one.statement.model_copy(update={"rows": tuple(rows[currency])}), one.of_all)
        for currency, one in sorted(whole.items())
    ]


async def statement_csv(pool: Pool, merchant_id: str, since: datetime, until: datetime) -> str:
    """A whole statement as CSV (`core.merchant_statement.StatementCsv`).

    Raises:
        Unavailable: the database does not answer; a retry helps.
    """
    collected = StatementCsv()
    async for page in statement_pages(pool, merchant_id, since, until):
        collected.add(page.statements)
    return collected.text()
