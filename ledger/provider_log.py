"""The log of tracking providers: when each number was asked for, what was answered, and who pushes it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from core.audit.trace import Trace
from ledger.pool import clean
from ledger.register_part import RegisterPart


class Answers(NamedTuple):
    """Recent answers about a carrier's other numbers, and how many of them were that there is no trace."""

    answers: int
    without_trace: int

    @property
    def no_trace_share(self) -> float | None:
        """Null where nothing was answered."""
        return self.without_trace / self.answers if self.answers else None


class PurgedProviderLog(NamedTuple):
    """How many rows of each kind were purged; of `push_bodies` the row is kept, with its outcome."""

    push_bodies: int
    looks: int
    answers: int
    pushes: int
    traces: int
    subscriptions: int


class LastLook(NamedTuple):
    """With which question a number was last asked for: the digits of a phone, the name of a service."""

    key: str
    found: bool


class ProviderLog(RegisterPart):
    """The register's log of tracking providers."""

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
        """The last answer to a question with the same digits; None where there is none."""
        kept = await self._call(
            "SELECT trace FROM carrier_looks"
            " WHERE provider = $1 AND carrier = $2 AND waybill = $3 AND phone_last4 = $4",
            *(provider, clean(carrier), clean(waybill), phone_last4 or ""),
        )
        return None if kept is None else Trace.model_validate(kept)

    async def last_look(self, provider: str, carrier: str, waybill: str) -> LastLook | None:
        """How a number was asked for the last time, and whether that brought scans; None where it never was."""
        row = await self._row(
            "SELECT phone_last4 AS key, coalesce(jsonb_array_length(trace -> 'scans'), 0) > 0 AS found"
            " FROM carrier_looks WHERE provider = $1 AND carrier = $2 AND waybill = $3",
            *(provider, clean(carrier), clean(waybill)),
        )
        return None if row is None else LastLook(row["key"], row["found"])

    async def note_answer(
        self, carrier: str, waybill: str, no_trace: bool | None, now: datetime, *, window: timedelta, most: int
    ) -> Answers:
        """Note whether there was a trace of a number (None: not known); the recent answers about the others."""
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

    # --- what is old ---

    async def purge(self, details_before: datetime, before: datetime, *, most: int = 1000) -> PurgedProviderLog:
        """Purge what is known of numbers from before a time, and what may name people from before another.

        Looks, answers and the bodies of pushes go by `details_before`; pushes, pushed traces and subscriptions by
        `before`, save of numbers that an open order uses. Nothing of the last seven days goes. Safe to repeat, and to
        break off: `most` rows of a kind go at a time.
        """
        total = PurgedProviderLog(0, 0, 0, 0, 0, 0)
        while True:
            row = await self._row("SELECT * FROM purge_logistics($1, $2, $3)", details_before, before, most)
            assert row is not None  # it always returns its row
            gone = PurgedProviderLog(**dict(row))
            total = PurgedProviderLog(*(one + other for one, other in zip(total, gone, strict=True)))
            if max(gone) < most:
                return total
