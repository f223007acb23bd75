"""The log of tracking providers: when each number was queried, what was answered, and which provider pushes it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from core.audit.trace import SILENT_ANSWERS, Trace
from core.fields import Message
from ledger.pool import clean
from ledger.register_part import RegisterPart


class PurgedProviderLog(NamedTuple):
    """How many rows of each kind were purged; for `push_bodies` only the body goes; the row stays with its outcome."""

    push_bodies: int
    looks: int
    answers: int
    pushes: int
    traces: int
    subscriptions: int


class LastLook(NamedTuple):
    """The question with which a number was last queried: a phone's digits, a service's name."""

    key: str
    found: bool


class PolledTrace(Message):
    """What a provider said of a parcel: the last answer and its time, and the last scans of this number that it had."""

    order_id: str
    parcel_id: str
    provider: str
    answer: str
    asked_at: datetime
    trace: Trace


class ProviderLog(RegisterPart):
    """The register's log of tracking providers."""

    async def take_look(
        self, provider: str, carrier: str, waybill: str, phone_last4: str | None, interval: timedelta, now: datetime
    ) -> bool:
        """Take the right to query a number; False within the interval. Of several concurrent callers one gets it."""
        return bool(
            await self._call(
                "SELECT take_look($1, $2, $3, $4, $5, $6)",
                *(provider, clean(carrier), clean(waybill), phone_last4 or "", interval, now),
            )
        )

    async def keep_answer(
        self, provider: str, phone_last4: str | None, query: tuple[str, str], trace: Trace, took: timedelta
    ) -> None:
        """Keep the answer about a number (carrier, waybill), for queries within the interval, and how long it took.

        Of an answer that says nothing of the parcel only its kind is kept.
        """
        carrier, waybill = query
        await self._call(
            "SELECT keep_answer($1, $2, $3, $4, $5, $6, $7)",
            *(provider, clean(carrier), clean(waybill), phone_last4 or "", trace.answer),
            *(round(took.total_seconds() * 1000), None if trace.answer in SILENT_ANSWERS else trace),
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
        """The last query of a number, and whether it brought scans; None if it was never queried."""
        row = await self._row(
            "SELECT phone_last4 AS key, coalesce(jsonb_array_length(trace -> 'scans'), 0) > 0 AS found"
            " FROM carrier_looks WHERE provider = $1 AND carrier = $2 AND waybill = $3",
            *(provider, clean(carrier), clean(waybill)),
        )
        return None if row is None else LastLook(row["key"], row["found"])

    # --- what a reviewer reads ---

    async def polled(self, order_ids: Sequence[str]) -> list[PolledTrace]:
        """What the providers said of these orders' parcels when they were last asked."""
        return await self._all(
            PolledTrace,
            "SELECT order_id, parcel_id, provider, answer, asked_at, trace FROM polled_traces"
            " WHERE order_id = ANY ($1) ORDER BY order_id, parcel_id, provider",
            list(order_ids),
        )

    # --- subscriptions ---

    async def take_subscription(
        self, provider: str, carrier: str, waybill: str, again: timedelta, now: datetime
    ) -> bool:
        """Take the right to subscribe a number; False if it is subscribed, or was tried within `again`."""
        number = clean(carrier), clean(waybill)
        return bool(await self._call("SELECT take_subscription($1, $2, $3, $4, $5)", provider, *number, again, now))

    async def is_subscribed(self, provider: str, carrier: str, waybill: str) -> bool:
        """Whether a provider agreed to push this number."""
        return bool(
            await self._call(
                "SELECT EXISTS (SELECT FROM carrier_subscriptions WHERE provider = $1 AND carrier = $2"
                " AND waybill = $3 AND outcome = 'subscribed')",
                *(provider, clean(carrier), clean(waybill)),
            )
        )

    async def finish_subscription(self, provider: str, number: tuple[str, str], outcome: str, detail: str) -> None:
        """Note the outcome of subscribing a number (carrier, waybill)."""
        carrier, waybill = number
        await self._call(
            "SELECT finish_subscription($1, $2, $3, $4, $5)",
            *(provider, clean(carrier), clean(waybill), outcome, clean(detail)),
        )

    # --- purging ---

    async def purge(self, details_before: datetime, before: datetime, *, most: int = 1000) -> PurgedProviderLog:
        """Purge what is older than these times: details that may name people, and the rest.

        Queries, answers and the bodies of pushes go by `details_before`; pushes, pushed traces and subscriptions by
        `before`, except those of numbers that an open order uses. The last seven days always stay. It is safe to repeat
        and to interrupt: `most` rows of a kind go at a time.
        """
        total = PurgedProviderLog(0, 0, 0, 0, 0, 0)
        while True:
            row = await self._row("SELECT * FROM purge_logistics($1, $2, $3)", details_before, before, most)
            assert row is not None  # it always returns its row
            gone = PurgedProviderLog(**dict(row))
            total = PurgedProviderLog(*(one + other for one, other in zip(total, gone, strict=True)))
            if max(gone) < most:
                return total
