"""After-sale cases that are open, for lists: the newest case of each order whose money waits for one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from core.aftersale.state import OPEN
from core.fields import Message
from ledger.register_part import Conditions, Position, RegisterPart


class CaseRow(Message):
    """An order with an open case; `case` is its state as JSON."""

    order_id: str
    merchant_id: str
    buyer_id: str
    currency: str
    total_minor: int
    case: dict[str, Any]
    opened_at: datetime


class Cases(RegisterPart):
    """The register's open after-sale cases."""

    async def open(
        self,
        *,
        stage: str | None = None,
        after: Position | None = None,
        limit: int = 100,
    ) -> list[CaseRow]:
        """Orders whose money waits for a case, the newest orders first.

        Args:
            after: the last row of the page before, by the order's opening and id.
        """
        stages = sorted(OPEN) if stage is None else [stage]
        wanted = Conditions()
        wanted.either("has_open_case(hold_reasons)", wanted=True)
        wanted.add("hold_reasons && {}::TEXT[]", [f"after_sale_{one}" for one in stages])
        wanted.after("opened_at, order_id", after)
        return await self._all(
            CaseRow,
            "SELECT order_id, merchant_id, buyer_id, currency, total_minor, state #> '{cases,-1}' AS case, opened_at"
            f" FROM orders{wanted.text} ORDER BY opened_at DESC, order_id DESC{wanted.limit(limit)}",
            *wanted.arguments,
        )
