"""Notices to buyers, merchants and staff, in an order in which a reader can resume."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from core.fields import Message
from ledger.register_part import Conditions, RegisterPart


class StoredNotice(Message):
    """One notice. A reader resumes after its `notice_id`.

    `subject` is `order/{id}`, `withdrawal/{id}` or `merchant/{id}`.
    """

    notice_id: int
    subject: str
    seq: int
    to: Literal["buyer", "merchant", "reviewer", "operator"]
    merchant_id: str | None
    buyer_id: str | None
    name: str
    facts: dict[str, str]
    at: datetime


_PLACE = "SELECT coalesce((SELECT n.position FROM notices n WHERE n.id <= $1 ORDER BY n.id DESC LIMIT 1), 0)"
"""Where a notice stands that was read, or, where it is gone, the one before it."""


class Notices(RegisterPart):
    """The register's notices."""

    async def read(
        self,
        *,
        after_id: int = 0,
        limit: int = 100,
        to: str | None = None,
        subject: str | None = None,
        merchant_id: str | None = None,
    ) -> list[StoredNotice]:
        """The notices after one that was read, in order. None is skipped: what a transaction that still runs may add
        comes before nothing that was given out.

        Their numbers do not always rise: a transaction draws its numbers early, and may end late.

        Args:
            merchant_id: only those to this merchant.
        """
        wanted = Conditions()
        place = await self._call(_PLACE, after_id) if after_id else 0
        wanted.add("n.position >= {}", place)
        wanted.add(f"(n.position, n.id) > (${len(wanted.arguments)}, {{}})", after_id)
        wanted.add("n.recipient = {}", to)
        wanted.add("n.subject = {}", subject)
        wanted.add("n.merchant_id = {}", merchant_id)
        return await self._all(
            StoredNotice,
            "SELECT n.id AS notice_id, n.subject, n.seq, n.recipient AS to, n.name, n.facts, n.at,"
            " coalesce(o.merchant_id, w.merchant_id,"
            " CASE WHEN n.subject LIKE 'merchant/%' THEN split_part(n.subject, '/', 2) END) AS merchant_id, o.buyer_id"
            f" FROM (SELECT * FROM notices n{wanted.text} AND n.position < events_end()"
            f" ORDER BY n.position, n.id{wanted.limit(limit)}) AS n"
            " LEFT JOIN orders o ON n.subject LIKE 'order/%' AND o.order_id = split_part(n.subject, '/', 2)"
            " LEFT JOIN withdrawals w"
            " ON n.subject LIKE 'withdrawal/%' AND w.withdrawal_id = split_part(n.subject, '/', 2)"
            " ORDER BY n.position, n.id",
            *wanted.arguments,
        )
