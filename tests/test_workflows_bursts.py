"""Bursts: more signals at once than one workflow task can decide. The order answers afterwards, and nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from datetime import timedelta
from typing import Any

import pytest_asyncio
from databases import Database
from failed_tasks import failed_tasks
from order_crash_stage import CrashStage, open_crash_stage, until
from sizes import BURST
from temporalio import workflow
from temporalio.service import RPCError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

import gateway
from core.messages import ORDER_COMMANDS
from demo.stage import StagedOrder
from local.client import WorldClient
from local.temporal import Temporal
from workflows.burst import SIGNALS_A_TASK
from workflows.machine import Machine


class BrokenCore:
    """Notes what it cannot read, and raises at everything else."""

    def note_unreadable(self, state: Any, *_: Any) -> Any:
        """The state as it was."""
        return state

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("a defect")


@workflow.defn(name="Broken")
class Broken(Machine[Any], commands=ORDER_COMMANDS):
    """A workflow whose core is broken."""

    def __init__(self) -> None:
        super().__init__(BrokenCore(), BrokenCore())

    @workflow.run
    async def run(self) -> None:
        """Wait."""
        self._state = "a state"
        await workflow.wait_condition(lambda: False)


JUNK, SCANS = BURST
AT_ONCE = 200
RISK = {"name": "risk", "scope": "credit", "reason": "a burst"}
GIVES_WAY_WITHIN = 60.0
"""Seconds. Temporal takes 10,000 signals a run, and refuses more until the order has continued as new."""


@pytest_asyncio.fixture
async def stage(temporal: Temporal, world: WorldClient, database: Database) -> AsyncIterator[CrashStage]:
    async with open_crash_stage(temporal, world, database) as stage:
        stage.client = await gateway.connect(stage.settings)  # not the hasty one: a task may take its usual ten seconds
        yield stage


async def all_of(sending: Sequence[Awaitable[None]]) -> None:
    """Send, so many at a time."""
    for first in range(0, len(sending), AT_ONCE):
        await asyncio.gather(*sending[first : first + AT_ONCE])


async def taken(order: StagedOrder, verb: str, body: object) -> None:
    """A signal that Temporal takes, now or in the order's next run."""
    last = asyncio.get_running_loop().time() + GIVES_WAY_WITHIN
    while True:
        try:
            return await order.handle.signal(verb, body)
        except RPCError as error:
            if "limit for signal events" not in error.message or asyncio.get_running_loop().time() > last:
                raise
        await asyncio.sleep(0.5)


def _counted(journal: list[dict[str, Any]]) -> int:
    """The junk that the journal has a line for, or counts."""
    kept: int = sum(line.get("code") == "unknown_verb" for line in journal)
    counted: int = sum(int(line["dropped"].get("unknown_verb", 0)) for line in journal if "dropped" in line)
    return kept + counted


async def test_an_order_answers_after_a_burst_of_junk_and_scans(stage: CrashStage) -> None:
    order = stage.order("burst")
    async with stage.worker():
        await order.start()
        await order.ship()
    at = order.now - timedelta(hours=2)

    def junk(signals: int) -> list[Awaitable[None]]:
        return [taken(order, "no_such_verb", {"number": number}) for number in range(signals)]

    def scan(number: int) -> Awaitable[None]:
        moment = (at + timedelta(seconds=number)).isoformat()
        scans = [{"at": moment, "code": "t", "stage": "in_transit", "city": "杭州市"}]
        body = {"carrier": "sandbox", "waybill": order.waybill, "provider": "test", "scans": scans}
        return taken(order, "report_scan", order.command("carrier", **body))

    # No worker runs: all of this is one activation.
    await all_of([*junk(JUNK // 2), *(scan(number) for number in range(SCANS))])
    async with stage.worker():
        await until(order.state, lambda state: state["scans_kept"] + state["scans_dropped"] >= SCANS)
        placed = await until(lambda: order.send("place_hold", "operator", **RISK), bool)
        assert placed["phase"] == "shipped"
        await all_of(junk(JUNK - JUNK // 2))
        lifted = await until(lambda: order.send("lift_hold", "operator", name="risk", reason="looked at"), bool)
        assert lifted["phase"] == "shipped"
        await until(lambda: order.handle.query("journal"), lambda lines: _counted(lines) == JUNK)


async def test_an_error_while_a_burst_is_taken_is_not_lost(stage: CrashStage) -> None:
    queue = "broken"
    handle = await stage.client.start_workflow("Broken", id="broken", task_queue=queue)
    await all_of([handle.signal("no_such_verb", {}) for _ in range(SIGNALS_A_TASK)])
    lift = {"command_id": "c-1", "actor": {"role": "operator", "id": "ops-1"}, "name": "risk", "reason": "seen"}
    await handle.signal("lift_hold", lift)
    runner = UnsandboxedWorkflowRunner()
    async with Worker(stage.client, task_queue=queue, workflows=[Broken], workflow_runner=runner):
        await until(handle.fetch_history, lambda history: bool(failed_tasks(history)))
