"""A whole stack for the tests of orders: one a session, one worker, time skipping.

The orders of all tests share one database. Each test has ids of its own, and at the end the proofs hold.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest_asyncio
from databases import lift_safeguards

import gateway
from core.errors import Unavailable
from demo.stage import Stage, StagedOrder
from ledger.proofs import prove
from ledger.register import Register
from local.stack import LocalStack
from wiring.activities import wire
from wiring.database import ready_database
from worker import build_worker

Play = Callable[[], StagedOrder]
_numbers = itertools.count(1)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def order_stage() -> AsyncIterator[Stage]:
    """The stage, its worker, and the errors at the end."""
    async with AsyncExitStack() as opened:
        stack = await opened.enter_async_context(LocalStack.temporary(durable=False))
        pool = await opened.enter_async_context(ready_database(stack.settings))
        await lift_safeguards(stack.settings.needed("database_owner_url"))
        try:
            client = await gateway.connect(stack.settings)
        except Unavailable as error:
            raise AssertionError(f"{error}; its log ends: {stack.temporal.last_words()}") from error
        await gateway.register_search_attributes(client)
        activities = await wire(stack.settings, opened, pool, client)
        await opened.enter_async_context(build_worker(client, activities, stack.settings))
        yield Stage(client, stack.world, Register(pool), seed=11, tag="t")
        violated = [proof for proof in await prove(pool) if not proof.holds]
        assert not violated, violated


@pytest_asyncio.fixture(loop_scope="session")
async def play(order_stage: Stage) -> Play:
    """A new order, not started."""
    return lambda: order_stage.play(next(_numbers))
