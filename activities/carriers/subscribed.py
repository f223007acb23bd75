"""Subscribes each number once at a provider that pushes, across workers and restarts.

A failed subscription is only written down: the number is queried anyway.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from activities.carriers.base import Subscribing, Subscription, TraceQuery
from ledger.register import Register

SUBSCRIBED_WITHIN = timedelta(seconds=5)
"""Short: the query of the number waits for it."""
AGAIN_AFTER = timedelta(hours=1)
"""The wait after an attempt that failed or whose worker died; by the machine's clock, because a vendor does not follow
skipped time.
"""


class Subscriber:
    """A provider that pushes, and the address that it pushes to."""

    def __init__(self, carrier: Subscribing, provider: str, register: Register, callback_url: str) -> None:
        self._carrier, self._provider, self._register, self._callback = carrier, provider, register, callback_url

    async def subscribe(self, query: TraceQuery) -> bool:
        """Subscribe a number that is not subscribed yet; returns whether the provider pushes it.

        Raises:
            Unavailable: the database did not answer; a retry helps.
        """
        if not self._carrier.serves(query.carrier):
            return False
        number = (query.carrier, query.waybill)
        if not await self._register.providers.take_subscription(
            self._provider, *number, AGAIN_AFTER, datetime.now(UTC)
        ):
            return await self._register.providers.is_subscribed(self._provider, *number)
        try:
            async with asyncio.timeout(SUBSCRIBED_WITHIN.total_seconds()):
                answer = await self._carrier.subscribe(query, self._callback)
        except TimeoutError:
            answer = Subscription(outcome="unavailable", detail=f"no answer within {SUBSCRIBED_WITHIN.seconds} s")
        await self._register.providers.finish_subscription(self._provider, number, answer.outcome, answer.detail)
        return answer.outcome == "subscribed"
