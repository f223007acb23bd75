"""The register's memory of providers: when each number was asked for, what they answered, what they pushed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from core.audit.trace import Trace
from core.messages import Message
from ledger.pool import clean, troubles
from ledger.reading import Reading

PushOutcome = Literal["applied", "kept", "nothing_new", "wrong_signature", "unreadable", "too_large"]


class Answers(NamedTuple):
    """Recent answers about a carrier's other numbers, and how many of them were that there is no trace."""

    answers: int
    without_trace: int

    @property
    def no_trace_share(self) -> float | None:
        """Null where nothing was answered."""
        return self.without_trace / self.answers if self.answers else None


class Journaled(NamedTuple):
    """A push in the journal.

    `outcome` is there where it came before and was dealt with; `unfinished` where it came before and was not.
    """

    id: int
    outcome: PushOutcome | None
    detail: str
    unfinished: bool


class Claimant(Message):
    """An order that uses a number now, and the carrier it named."""

    order_id: str
    carrier: str


class PurgedLooks(NamedTuple):
    """How many rows of each kind were purged; of `push_bodies` the row is kept, with its outcome."""

    push_bodies: int
    looks: int
    answers: int
    pushes: int
    traces: int
    subscriptions: int


class KeptPush(NamedTuple):
    """A pushed trace, and the carrier under which it was asked for; the trace may tell of another."""

    asked: str
    trace: Trace


class Looks(Reading):
    """The register's memory of providers."""

    async def take_look(
        self, provider: str, carrier: str, waybill: str, phone_last4: str | None, interval: timedelta, now: datetime
    ) -> bool:
        """Take the right to ask for a number; False within the interval. Of many at once one gets it."""
        return bool(
            await self._call(
                "SELECT take_look($1, $2, $3, $4, $5, $6)",
                *(provider, clean(carrier), clean(waybill), phone_last4 or "", interval, now),
            )
        )

    async def keep_answer(self, provider: str, phone_last4: str | None, query: tuple[str, str], trace: Trace) -> None:
        """Keep what was answered about a number (carrier, waybill), for looks within the interval."""
        carrier, waybill = query
        await self._call(
            "SELECT keep_answer($1, $2, $3, $4, $5)", provider, clean(carrier), clean(waybill), phone_last4 or "", trace
        )

    async def last_answer(self, provider: str, carrier: str, waybill: str, phone_last4: str | None) -> Trace | None:
        """What was answered the last time to whoever asked with the same digits; None where nothing was."""
        kept = await self._call(
            "SELECT trace FROM carrier_looks"
            " WHERE provider = $1 AND carrier = $2 AND waybill = $3 AND phone_last4 = $4",
            *(provider, clean(carrier), clean(waybill), phone_last4 or ""),
        )
        return None if kept is None else Trace.model_validate(kept)

    async def note_answer(
        self, carrier: str, waybill: str, no_trace: bool | None, now: datetime, *, window: timedelta, most: int
    ) -> Answers:
        """Note whether there was a trace of a number (None: nobody said); the recent answers about the others."""
        row = await self._row(
            "SELECT * FROM note_answer($1, $2, $3, $4, $5, $6)",
            *(clean(carrier), clean(waybill), no_trace, now, window, most),
        )
        return Answers(0, 0) if row is None else Answers(row["answers"], row["without_trace"])

    # --- subscriptions ---

    async def take_subscription(
        self, provider: str, carrier: str, waybill: str, again: timedelta, now: datetime
    ) -> bool:
        """Take the right to subscribe a number; False where that is done, or was tried within `again`."""
        number = clean(carrier), clean(waybill)
        return bool(await self._call("SELECT take_subscription($1, $2, $3, $4, $5)", provider, *number, again, now))

    async def finish_subscription(self, provider: str, number: tuple[str, str], outcome: str, detail: str) -> None:
        """What became of subscribing a number (carrier, waybill)."""
        carrier, waybill = number
        await self._call(
            "SELECT finish_subscription($1, $2, $3, $4, $5)",
            *(provider, clean(carrier), clean(waybill), outcome, clean(detail)),
        )

    # --- pushes ---

    async def journal_push(
        self, vendor: str, digest: str, body: bytes, headers: Mapping[str, str], now: datetime
    ) -> Journaled:
        """Write a push down before anything is made of it; the same one again is found."""
        # The statement sees the journal as it was before: a row that it finds there is of an earlier time.
        row = await self._row(
            "SELECT j.id, j.outcome, coalesce(p.detail, '') AS detail,"
            " p.id IS NOT NULL AND j.outcome IS NULL AS unfinished"
            " FROM journal_push($1, $2, $3, $4, $5) AS j LEFT JOIN pushes p ON p.id = j.id",
            *(vendor, digest, body, headers, now),
        )
        assert row is not None  # the function always returns its row
        return Journaled(*row)

    async def finish_push(self, push_id: int, outcome: PushOutcome, detail: str = "") -> None:
        """What became of it; the first answer stays."""
        await self._call("SELECT finish_push($1, $2, $3)", push_id, outcome, clean(detail))

    async def keep_pushed(self, carrier: str, trace: Trace, *, replaces: bool, now: datetime) -> None:
        """Keep a pushed trace under the carrier that was asked for; one with less history changes nothing."""
        await self._call(
            "SELECT keep_pushed($1, $2, $3, $4, $5, $6)",
            *(clean(carrier), clean(trace.waybill), trace.provider, trace, replaces, now),
        )

    async def pushed_traces(self, carrier: str, waybill: str) -> list[Trace]:
        """What was pushed of a number, one trace a provider."""
        async with troubles():
            rows = await self._pool.fetch(
                "SELECT trace FROM pushed_traces WHERE carrier = $1 AND waybill = $2 ORDER BY provider",
                clean(carrier),
                clean(waybill),
            )
        return [Trace.model_validate(row["trace"]) for row in rows]

    async def kept_pushes(self, waybill: str) -> list[KeptPush]:
        """What was pushed of a number under whatever carrier, one trace a provider and carrier."""
        async with troubles():
            rows = await self._pool.fetch(
                "SELECT carrier, trace FROM pushed_traces WHERE waybill = $1 ORDER BY provider, carrier", clean(waybill)
            )
        return [KeptPush(asked=row["carrier"], trace=Trace.model_validate(row["trace"])) for row in rows]

    async def claimants(self, waybill: str) -> list[Claimant]:
        """The open orders that use a number now, under whatever carrier."""
        return await self._all(
            Claimant,
            "SELECT DISTINCT c.order_id, c.carrier FROM waybill_claims c JOIN orders o ON o.order_id = c.order_id"
            " WHERE c.waybill = $1 AND c.released_at IS NULL AND NOT o.closed"
            " ORDER BY c.order_id, c.carrier",
            clean(waybill),
        )

    # --- what is old ---

    async def purge_logistics(self, details_before: datetime, before: datetime, *, most: int = 1000) -> PurgedLooks:
        """Purge what is known of numbers from before a time, and what may name people from before another.

        Looks, answers and the bodies of pushes go by `details_before`; pushes, pushed traces and subscriptions by
        `before`, save of numbers that an open order uses. Nothing of the last seven days goes. Safe to repeat, and to
        break off: `most` rows of a kind go at a time.
        """
        total = PurgedLooks(0, 0, 0, 0, 0, 0)
        while True:
            row = await self._row("SELECT * FROM purge_logistics($1, $2, $3)", details_before, before, most)
            assert row is not None  # it always returns its row
            gone = PurgedLooks(**dict(row))
            total = PurgedLooks(*(one + other for one, other in zip(total, gone, strict=True)))
            if max(gone) < most:
                return total
