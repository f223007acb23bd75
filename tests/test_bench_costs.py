"""What an order may cost at most: counted on a stack of its own, with nothing beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from bench.actions import lives, total
from bench.costs import OrderCounter, order_counter
from bench.figures import Figures
from bench.orders import travelled
from local.stack import LocalStack

MOST = {
    "workflow_tasks": 5,
    "events": 42,
    "local_activities": 6,
    "round_trips": 7,
    "history_bytes": 14_000,
    "state_bytes": 4_700,
}
MOST_ACTIONS = {"shortest": 18, "typical": 29, "push": 24}
"""Of each life of `bench actions`."""
TRIES = 5
"""A busy machine makes the SDK report a long task half done, which costs a task of its own; the best try counts."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stack() -> AsyncIterator[LocalStack]:
    async with LocalStack.temporary(durable=False) as stack:
        yield stack


@pytest_asyncio.fixture(loop_scope="session")
async def counter(stack: LocalStack) -> AsyncIterator[OrderCounter]:
    async with order_counter(stack, lambda waybill: travelled(stack, waybill)) as counter:
        yield counter


async def test_a_happy_order_costs_few_tasks_events_activities_round_trips_and_bytes(counter: OrderCounter) -> None:
    counted: list[Figures] = []
    for number in range(TRIES):
        counted.append(await counter.count(f"cost-{number}"))
        if all(counted[-1][name] <= most for name, most in MOST.items()):
            return
    raise AssertionError(counted)


async def test_the_lives_of_an_order_cost_few_billable_actions(stack: LocalStack) -> None:
    async with lives(stack) as played:
        for name, most in MOST_ACTIONS.items():
            counted: list[Figures] = []
            for number in range(TRIES):
                counted.append(await getattr(played, name)(f"{name}-{number}"))
                if total(counted[-1]) <= most:
                    break
            assert min(total(life) for life in counted) <= most, counted
