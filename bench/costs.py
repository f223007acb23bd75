"""What one happy order costs, counted and not timed: workflow tasks, events, local activities, round trips, bytes of
history and of its state in the register.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import asyncpg
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

import gateway
from bench.engines import Product, bench_order, until
from bench.figures import Figures
from local.stack import LocalStack
from wiring.activities import wire
from wiring.database import ready_database
from worker import build_worker

TO_THE_END = timedelta(days=8)
"""Longer than the default policy's settlement delay and after-sale window."""
LOCAL_ACTIVITY = "core_local_activity"


class CountedPool:
    """A pool that counts its statements. An acquired connection counts once, regardless of its use."""

    def __init__(self, pool: asyncpg.Pool[Any]) -> None:
        self._pool = pool
        self.round_trips = 0

    def __getattr__(self, name: str) -> Any:
        if name in {"fetch", "fetchrow", "fetchval", "execute", "acquire"}:
            self.round_trips += 1
        return getattr(self._pool, name)


class OrderCounter:
    """A worker of its own, and one order after the other."""

    def __init__(
        self, client: Client, pool: asyncpg.Pool[Any], counted: CountedPool, scan: Callable[[str], Awaitable[None]]
    ) -> None:
        self._client, self._pool, self._counted = client, pool, counted
        self._product = Product(client, pool, scan)

    async def count(self, order_id: str) -> Figures:
        """One order under the default policy, with skipped days; its state is read only from the database."""
        before = self._counted.round_trips
        handle = await gateway.start_order(self._client, bench_order(order_id, policy=None))
        waits = "SELECT 1 FROM orders WHERE order_id = $1 AND phase = 'awaiting_shipment'"
        await until(lambda: self._pool.fetchval(waits, order_id))
        await self._product.ship(order_id)
        await self._product.confirm(order_id)
        await gateway.skip_time(self._client, handle.id, TO_THE_END)
        await handle.result()
        round_trips = self._counted.round_trips - before
        history = (await handle.fetch_history()).events
        state = await self._pool.fetchval("SELECT octet_length(state::TEXT) FROM orders WHERE order_id = $1", order_id)
        return {**counts_of(history), "round_trips": float(round_trips), "state_bytes": float(state)}


@asynccontextmanager
async def order_counter(stack: LocalStack, scan: Callable[[str], Awaitable[None]]) -> AsyncIterator[OrderCounter]:
    """A counter on this stack. No other worker may poll for its orders at the same time."""
    async with AsyncExitStack() as opened:
        pool = await opened.enter_async_context(ready_database(stack.settings))
        client = await opened.enter_async_context(gateway.connected(stack.settings))
        await gateway.register_search_attributes(client)
        counted: Any = CountedPool(pool)
        activities = await wire(stack.settings, opened, counted, client)
        await opened.enter_async_context(build_worker(client, activities, stack.settings))
        yield OrderCounter(client, pool, counted, scan)


def own_events(history: Sequence[HistoryEvent]) -> list[HistoryEvent]:
    """The events of a history without those that skipping time adds."""
    names = [EventType.Name(event.event_type) for event in history]
    return [
        event
        for event, name in zip(history, names, strict=True)
        if "TIME_SKIPPING" not in name and "OPTIONS_UPDATED" not in name
    ]


def counts_of(history: Sequence[HistoryEvent]) -> Figures:
    """The counts of a history, without the events of skipped time."""
    own = own_events(history)
    tasks = [event for event in own if event.HasField("workflow_task_completed_event_attributes")]
    markers = [event for event in own if event.HasField("marker_recorded_event_attributes")]
    local = [m for m in markers if m.marker_recorded_event_attributes.marker_name == LOCAL_ACTIVITY]
    return {
        "workflow_tasks": float(len(tasks)),
        "events": float(len(own)),
        "local_activities": float(len(local)),
        "history_bytes": float(sum(event.ByteSize() for event in own)),
    }
