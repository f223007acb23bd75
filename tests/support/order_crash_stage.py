"""A stage for orders whose workers come and go: its own Temporal and database, and quick policies.

One worker at a time polls its task queue. `order_stage` is the stage that most tests share.
"""

from __future__ import annotations

import contextlib
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
import pytest_asyncio
import waiting
from crashing_worker import crashing_worker
from databases import Database
from temporalio.client import Client, Interceptor, OutboundInterceptor, StartWorkflowInput, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Interceptor as WorkerInterceptor
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from temporalio.workflow import SandboxImportNotificationPolicy

import gateway
from config import Settings
from core.errors import Unavailable
from core.ids import TASK_QUEUE
from demo.stage import Stage, StagedOrder
from ledger.register import Register
from local.client import WorldClient
from local.temporal import Temporal
from wiring.activities import wire
from wiring.database import register_policies
from worker import plugin
from workflows.sandbox import BundlingRunner

PROJECT = Path(__file__).parents[2]
T = TypeVar("T")
_stages = itertools.count(1)
SEED = 42
"""The first order of each stage is one of three lines and six units, with freight."""
QUICK = """
name = "quick"
commission_bps = 500
[order]
settlement_delay = "200ms"
after_sale_window = "0s"
[after_sale]
resume_least = "0s"
[audit]
look_first = "1s"
look_longest = "1s"
"""
PAYING = QUICK.replace('"quick"', '"paying"').replace("[order]", "[order]\nauto_withdraw = true")
LATE = (
    QUICK.replace('"quick"', '"late"')
    .replace("[order]", '[order]\nship_within = "1m"\nship_reminder = "0s"')
    .replace("[after_sale]", '[after_sale]\nlate_bps = 500\nlate_grace = "0s"')
)
PATIENT = QUICK.replace('"quick"', '"patient"').replace('"1s"', '"1h"')
"""Asks the carrier once: 200 parcels that are asked every second keep the machine busy with that alone."""
RECOVERS_WITHIN = 120.0
"""Seconds of waiting."""


class Hasty(Interceptor):
    """Starts workflows whose tasks time out after 2 s instead of 10 if a worker does not report."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return _HastyStarts(next)


class _HastyStarts(OutboundInterceptor):
    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:
        input.task_timeout = timedelta(seconds=2)
        return await super().start_workflow(input)


def strict_runner() -> BundlingRunner:
    """That of production, but it refuses an import of ours that a workflow file forgot to pass through."""
    policy = SandboxImportNotificationPolicy.RAISE_ON_UNINTENTIONAL_PASSTHROUGH
    return BundlingRunner(restrictions=replace(SandboxRestrictions.default, import_notification_policy=policy))


class CrashStage(Stage):
    """A stage whose workers come and go."""

    settings: Settings
    database: Database
    named: dict[str, StagedOrder]

    def play(self, number: int) -> StagedOrder:
        """The order of this number. Its goods and places are the same in each stage."""
        order = super().play(number)
        order.chance = random.Random(f"{self.tag}/{number}")  # the session's stand-ins know the waybills of all tests
        order.waybill = order.new_waybill()
        return order

    def order(self, name: str) -> StagedOrder:
        """The order of this name; made once."""
        if name not in self.named:
            order = self.named[name] = self.play(len(self.named) + 1)
            paid = order.order.payment.model_copy(update={"paid_at": order.now - timedelta(days=3)})
            order.order = order.order.model_copy(update={"payment": paid, "policy": "quick"})
        return self.named[name]

    @asynccontextmanager
    async def worker(
        self,
        *,
        cached: int = 100,
        runner: SandboxedWorkflowRunner | None = None,
        interceptors: Sequence[WorkerInterceptor] = (),
        **options: Any,
    ) -> AsyncIterator[None]:
        """One in this process, which does not die.

        Args:
            options: further ones of the SDK's worker.
        """
        async with AsyncExitStack() as stack:
            activities = await wire(self.settings, stack, self.database.pool, self.client)
            worker = Worker(
                self.client,
                task_queue=TASK_QUEUE,
                plugins=[plugin(activities, runner=runner, converter=self.client.data_converter)],
                max_cached_workflows=cached,
                interceptors=interceptors,
                sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
                graceful_shutdown_timeout=timedelta(seconds=5),
                **options,
            )
            await stack.enter_async_context(worker)
            yield

    @contextmanager
    def crashing_worker(self, folder: Path, how: Mapping[str, Any]) -> Iterator[None]:
        """One that dies; see `crashing_worker`."""
        addresses = {
            "DATABASE_URL": self.settings.database_url,
            "TEMPORAL_ADDRESS": self.settings.temporal_address,
            "DAKUAN_CARRIER_URL": self.settings.carrier_url,
            "DAKUAN_CHANNEL_URL": self.settings.channel_url,
            "DAKUAN_BANK_URL": self.settings.bank_url,
        }
        with crashing_worker(folder, how, addresses):
            yield

    async def references(self) -> Counter[str]:
        """How often each movement was posted."""
        rows = await self.database.pool.fetch("SELECT reference FROM movements")
        return Counter(str(row["reference"]) for row in rows)


@asynccontextmanager
async def open_crash_stage(
    temporal: Temporal, world: WorldClient, database: Database, policies: Path | None = None
) -> AsyncIterator[CrashStage]:
    """A stage on these servers. At its end, running workflows are ended: they must not reach a later test's worker.

    Args:
        policies: another folder of policies than ours.
    """
    settings = Settings(
        temporal_address=temporal.address,
        database_url=database.worker_dsn,
        carrier_url=f"{world.url}/carrier",
        channel_url=f"{world.url}/channel",
        bank_url=f"{world.url}/bank",
        screening=PROJECT / "policies" / "screening.toml",
        policies=policies or PROJECT / "policies",
    )
    plain = (await gateway.connect(settings)).config()
    plain["interceptors"] = [*plain["interceptors"], Hasty()]
    client = Client(**plain)
    await gateway.register_search_attributes(client)
    register = Register(database.pool)
    await register_policies(register, settings)
    made = CrashStage(client, world, register, seed=SEED, tag=f"g{next(_stages)}")
    made.settings, made.database, made.named = settings, database, {}
    for policy in (QUICK, PAYING, PATIENT, LATE):
        await made.policy_of(policy)
    try:
        yield made
    finally:
        for order in made.named.values():
            with contextlib.suppress(RPCError):  # most have ended
                await order.handle.terminate()


@pytest.fixture(scope="module")
def temporal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Temporal]:
    """A server of one test file's own: its workers must get no orders of other tests."""
    server = Temporal(tmp_path_factory.mktemp("temporal"), usual=False)
    server.start()
    yield server
    server.remove()


@pytest_asyncio.fixture
async def stage(temporal: Temporal, world: WorldClient, database: Database) -> AsyncIterator[CrashStage]:
    """A stage on that server."""
    async with open_crash_stage(temporal, world, database) as stage:
        yield stage


async def until(ask: Callable[[], Awaitable[T]], holds: Callable[[T], bool]) -> T:
    """The answer once it fits, even if asking fails meanwhile: workers die.

    Temporal refuses to ask an order whose task died with three workers, until its task was done.
    """

    async def asked() -> T:
        try:
            return await ask()
        except RPCError as error:
            if error.status != RPCStatusCode.FAILED_PRECONDITION:
                raise
            raise Unavailable(str(error)) from error

    return await waiting.until(asked, holds, within=RECOVERS_WITHIN, despite=(Unavailable,))


async def approved(order: StagedOrder) -> None:
    """Paid, shipped, delivered: only the buyer's confirmation is missing."""
    await order.start()
    await travelled(order)
    await order.ship()
    await until(order.state, lambda state: state["audit"] == "approved")


async def travelled(order: StagedOrder) -> None:
    """It was sent two days ago and has arrived."""
    await order.scans_at(*_way(order))


def reported(order: StagedOrder) -> dict[str, Any]:
    """The same scans, as a provider pushes them."""
    scans = [{"at": at.isoformat(), "code": stage, "stage": stage, "city": city} for at, stage, city in _way(order)]
    return {"carrier": order.carrier, "waybill": order.waybill, "provider": "sandbox", "scans": scans}


def _way(order: StagedOrder) -> list[tuple[datetime, str, str | None]]:
    sent, between, arrived = (order.now - timedelta(days=days) for days in (2, 1, 0))
    start, end = order.order.ship_from.city, order.order.ship_to.city
    return [(sent, "picked_up", start), (between, "in_transit", "南京市"), (arrived, "delivered", end)]
