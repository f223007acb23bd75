"""Keeps a vendor's shortest interval between two questions about one number, across workers and restarts.

The turn is taken in PostgreSQL before the question is asked, so that of many workers one asks. Within the interval the
last answer is given again, with the time of its own look, so that it counts as one look; where nobody has answered yet,
or another buyer's digits were sent, the answer is `throttled`. The clock is the machine's: a vendor knows nothing of an
order's skipped time.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from activities.carriers.base import Carrier, TraceQuery, silent
from core.audit.trace import SILENT_ANSWERS, Trace
from core.durations import format_duration
from ledger.register import Register


class PacedCarrier:
    """A provider behind its interval.

    Args:
        carrier: whom to ask; a question that failed counts too, for the vendor may have counted it.
        interval: zero asks always, and keeps nothing.
    """

    def __init__(self, carrier: Carrier, provider: str, register: Register, interval: timedelta) -> None:
        self._carrier, self._provider, self._register, self._interval = carrier, provider, register, interval

    def serves(self, carrier: str) -> bool:
        """See `Carrier.serves`."""
        return self._carrier.serves(carrier)

    async def trace(self, query: TraceQuery) -> Trace:
        """See `Carrier.trace`.

        Raises:
            Unavailable: the database did not answer, so that nobody was asked; a retry helps.
        """
        if not self._interval or not self.serves(query.carrier):
            return await self._carrier.trace(query)
        number, digits = (query.carrier, query.waybill), query.phone_last4
        if not await self._register.providers.take_look(
            self._provider, *number, digits, self._interval, datetime.now(UTC)
        ):
            kept = await self._register.providers.last_answer(self._provider, *number, digits)
            why = f"asked less than {format_duration(self._interval)} ago"
            return kept or silent(query, self._provider, "throttled", why)
        trace = await self._carrier.trace(query)
        if trace.answer not in SILENT_ANSWERS:
            await self._register.providers.keep_answer(self._provider, digits, number, trace)
        return trace
