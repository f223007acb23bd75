"""Many orders at once, on a stack of their own, with a worker as a program that can be killed."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
from temporalio.client import Client

import gateway
from bench.engines import Product
from bench.orders import BENCH_POLICY, travelled
from bench.programs import WorkerProgram
from bench.rounds import CLIENTS
from core.errors import Unavailable
from core.policy import policy_hash
from ledger.migrate import migrate
from ledger.pool import open_pool
from ledger.register import Register
from local.stack import LocalStack

POLLS_WITHIN = 60.0
TRIES = 5
LOOK_EVERY = 0.05
LOOKS_TAKE = 0.02
"""The part of the time that a look at the books may take: it reads all movements, which are many in the end."""
LOOK_AT_LEAST = 2.0
"""Seconds after which there is a look in any case."""
LINE_EVERY = 10.0
"""Seconds between two lines of progress."""
WORKER = ("worker.py",)
"""The product's worker."""


@dataclass
class Crowd:
    """A stack without a worker, and the product as clients see it."""

    stack: LocalStack
    pool: asyncpg.Pool[Any]
    client: Client
    product: Product

    async def each(
        self, act: Callable[[str], Awaitable[object]], orders: Sequence[str], clients_at_once: int = CLIENTS
    ) -> float:
        """Do this with each order, by a few clients at once; seconds."""
        todo, began = iter(orders), time.perf_counter()
        async with asyncio.TaskGroup() as clients:
            for _ in range(clients_at_once):
                clients.create_task(_one_client(act, todo))
        return time.perf_counter() - began

    async def deliver(self, order_id: str) -> None:
        """Start an order, and let its parcel arrive; it then waits for the buyer."""
        await self.product.start(order_id)
        await self.product.ship(order_id)

    async def confirm(self, order_id: str) -> None:
        """Confirm the receipt by a signal, which outlives the worker."""
        body = {"command_id": f"confirm-{order_id}", "actor": {"role": "buyer", "id": f"b-{order_id}"}}
        await gateway.signal(self.client, f"order-{order_id}", "confirm_receipt", body)

    async def moved(self, what: str) -> int:
        """Orders with this movement, such as `credit`."""
        count = "SELECT count(*) FROM movements WHERE reference LIKE 'order/%/' || $1"
        return int(await self.pool.fetchval(count, what))

    async def until_moved(self, what: str, orders: int, within: float) -> float:
        """Wait until so many orders have this movement; seconds, too many by at most `LOOK_AT_LEAST`.

        Raises:
            TimeoutError: they have not by then.
        """
        began = last_line = time.perf_counter()
        async with asyncio.timeout(within):
            while True:
                looked = time.perf_counter()
                moved = await self.moved(what)
                now = time.perf_counter()
                if moved >= orders:
                    return now - began
                if now - last_line >= LINE_EVERY:
                    print(f"  {what}: {moved:,} of {orders:,} after {now - began:.0f} s", file=sys.stderr)
                    last_line = now
                await asyncio.sleep(min(max(LOOK_EVERY, (now - looked) / LOOKS_TAKE), LOOK_AT_LEAST))

    async def until_polled(self, check: Callable[[], None]) -> None:
        """Wait until a worker, which is another process, begins to poll; `check` raises if it has ended.

        Raises:
            TimeoutError: none does.
        """
        async with asyncio.timeout(POLLS_WITHIN):
            while (await gateway.workers(self.client)).why_idle:
                check()
                await asyncio.sleep(LOOK_EVERY)

    @asynccontextmanager
    async def worker(self, program: Sequence[str] = WORKER) -> AsyncIterator[WorkerProgram]:
        """A worker that polls; none of its processes outlives the block."""
        worker = WorkerProgram(self.stack.home, program, "crowd")
        try:
            await worker.start()
            await self.until_polled(worker.check)
            yield worker
        finally:
            await worker.kill()


@asynccontextmanager
async def crowd(*, durable: bool = True) -> AsyncIterator[Crowd]:
    """A temporary stack with the policy of the benches; `durable` as `LocalStack.temporary` has it."""
    async with LocalStack.temporary(durable=durable) as stack, AsyncExitStack() as opened:
        settings = stack.settings
        await migrate(settings.needed("database_owner_url"))
        pool = await open_pool(settings.needed("database_url"), size=CLIENTS)
        opened.push_async_callback(pool.close)
        await Register(pool).policies.keep("bench", policy_hash(BENCH_POLICY), BENCH_POLICY)
        client = await opened.enter_async_context(gateway.connected(settings))
        await gateway.register_search_attributes(client)
        yield Crowd(stack, pool, client, Product(client, pool, lambda waybill: travelled(stack, waybill)))


async def _one_client(act: Callable[[str], Awaitable[object]], todo: Iterable[str]) -> None:
    for order_id in todo:
        for left in reversed(range(TRIES)):
            try:
                await act(order_id)
                break
            except (Unavailable, TimeoutError):  # a machine under load; the same again is safe
                if not left:
                    raise
