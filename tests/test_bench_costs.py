"""What a happy order may cost at most: counted on a stack of its own, with nothing beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from bench.costs import OrderCounter, order_counter
from bench.figures import Figures
from bench.orders import travelled
from local.stack import LocalStack

MOST = {"workflow_tasks": 5, "events": 42, "local_activities": 6, "round_trips": 10, "history_bytes": 14_000}
TRIES = 5
"""A busy machine makes the SDK report a long task half done, which costs a task of its own; the best try counts."""


@pytest_asyncio.fixture(loop_scope="session")
async def counter() -> AsyncIterator[OrderCounter]:
    async with (
        LocalStack.temporary(durable=False) as stack,
        order_counter(stack, lambda waybill: travelled(stack, waybill)) as counter,
    ):
        yield counter


async def test_a_happy_order_costs_few_tasks_events_activities_round_trips_and_bytes(counter: OrderCounter) -> None:
    counted: list[Figures] = []
    for number in range(TRIES):
        counted.append(await counter.count(f"cost-{number}"))
        if all(counted[-1][name] <= most for name, most in MOST.items()):
            return
    raise AssertionError(counted)
