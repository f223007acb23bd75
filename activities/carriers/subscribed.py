"""Subscribes numbers at a provider that pushes, each once, across workers and restarts.

Whatever goes wrong here is the provider's matter and written down: the number is asked for anyway.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from activities.carriers.base import Subscribing, Subscription, TraceQuery
from ledger.register import Register

SUBSCRIBED_WITHIN = timedelta(seconds=5)
"""Short: the look at the number waits behind it."""
AGAIN_AFTER = timedelta(hours=1)
"""After an attempt that failed, or whose worker died; the machine's clock, since a vendor knows no skipped time."""


class Subscriber:
    """A provider that pushes, and the address it is to push to."""

    def __init__(self, carrier: Subscribing, provider: str, register: Register, callback_url: str) -> None:
        self._carrier, self._provider, self._register, self._callback = carrier, provider, register, callback_url

    async def subscribe(self, query: TraceQuery) -> None:
        """Subscribe a number that is not subscribed yet.

        Raises:
            Unavailable: the database did not answer; a retry helps.
        """
        if not self._carrier.serves(query.carrier):
            return
        number = (query.carrier, query.waybill)
        if not await self._register.providers.take_subscription(
            self._provider, *number, AGAIN_AFTER, datetime.now(UTC)
        ):
            return
        try:
            async with asyncio.timeout(SUBSCRIBED_WITHIN.total_seconds()):
                answer = await self._carrier.subscribe(query, self._callback)
        except TimeoutError:
            answer = Subscription(outcome="unavailable", detail=f"no answer within {SUBSCRIBED_WITHIN.seconds} s")
        await self._register.providers.finish_subscription(self._provider, number, answer.outcome, answer.detail)
