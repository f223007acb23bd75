"""The journal of pushes: each push as it came, and the newest trace that was pushed for a number."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, NamedTuple

from core.audit.trace import Trace
from ledger.pool import clean, translate_errors
from ledger.register_part import RegisterPart

PushOutcome = Literal["applied", "kept", "nothing_new", "wrong_signature", "unreadable", "too_large"]


class Journaled(NamedTuple):
    """A push in the journal.

    `outcome` is set if it came before and was handled; `unfinished` if it came before and was not.
    """

    id: int
    outcome: PushOutcome | None
    detail: str
    unfinished: bool


class KeptPush(NamedTuple):
    """A pushed trace, and the carrier that was asked for; the trace may name another carrier."""

    asked: str
    trace: Trace


class Pushes(RegisterPart):
    """The register's pushes."""

    async def journal(
        self, vendor: str, digest: str, body: bytes, headers: Mapping[str, str], now: datetime
    ) -> Journaled:
        """Write a push down before it is read; a repeated push finds its first row."""
        # The statement sees the journal as it was before it: a row that it finds is from an earlier push.
        row = await self._row(
            "SELECT j.id, j.outcome, coalesce(p.detail, '') AS detail,"
            " p.id IS NOT NULL AND j.outcome IS NULL AS unfinished"
            " FROM journal_push($1, $2, $3, $4, $5) AS j LEFT JOIN pushes p ON p.id = j.id",
            *(vendor, digest, body, headers, now),
        )
        assert row is not None  # the function always returns its row
        return Journaled(*row)

    async def finish(self, push_id: int, outcome: PushOutcome, detail: str = "") -> None:
        """Note the outcome of a push; the first one stays."""
        await self._call("SELECT finish_push($1, $2, $3)", push_id, outcome, clean(detail))

    async def keep(self, carrier: str, trace: Trace, *, replaces: bool, now: datetime) -> None:
        """Keep a pushed trace under the carrier that was asked for; a trace with less history changes nothing."""
        await self._call(
            "SELECT keep_pushed($1, $2, $3, $4, $5, $6)",
            *(clean(carrier), clean(trace.waybill), trace.provider, trace, replaces, now),
        )

    async def traces(self, carrier: str, waybill: str) -> list[Trace]:
        """The traces pushed for a number, one a provider."""
        async with translate_errors():
            rows = await self._pool.fetch(
                "SELECT trace FROM pushed_traces WHERE carrier = $1 AND waybill = $2 ORDER BY provider",
                clean(carrier),
                clean(waybill),
            )
        return [Trace.model_validate(row["trace"]) for row in rows]

    async def of_number(self, waybill: str) -> list[KeptPush]:
        """The traces pushed for a number under any carrier, one a provider and carrier."""
        async with translate_errors():
            rows = await self._pool.fetch(
                "SELECT carrier, trace FROM pushed_traces WHERE waybill = $1 ORDER BY provider, carrier", clean(waybill)
            )
        return [KeptPush(asked=row["carrier"], trace=Trace.model_validate(row["trace"])) for row in rows]
