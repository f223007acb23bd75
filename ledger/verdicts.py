"""Verdicts on parcels: what the rules found, from which traces, and what people decided."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from core.fields import Message
from ledger.register_part import RegisterPart


class StoredVerdict(Message):
    """One verdict. `decided_by` is the person who decided, and `decision` that person's reason; None: the rules did.

    `traces` are the carriers' answers that it was made from, texts masked; None once they were purged by age.
    """

    parcel_id: str
    n: int
    carrier: str
    waybill: str
    judged_at: datetime
    rule_set: str | None
    outcome: str
    reasons: list[str]
    findings: list[dict[str, Any]]
    traces: list[dict[str, Any]] | None
    decided_by: str | None
    decision: str | None


class Verdicts(RegisterPart):
    """The register's verdicts."""

    async def of_order(self, order_id: str) -> list[StoredVerdict]:
        """All verdicts on an order's parcels, parcel by parcel, the oldest first."""
        return await self._all(
            StoredVerdict,
            f"SELECT {', '.join(StoredVerdict.model_fields)} FROM verdicts WHERE order_id = $1 ORDER BY parcel_id, n",
            order_id,
        )

    async def purge_traces(self, before: datetime) -> int:
        """Forget the traces of older verdicts, after 30 days at the earliest; returns how many verdicts lost theirs."""
        return int(await self._call("SELECT purge_verdict_traces($1)", before))
