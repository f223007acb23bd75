"""Whose work goes first on a busy worker: counted in the order of execution, on a real server."""

from __future__ import annotations

import asyncio

from order_stage import Play
from temporalio import workflow
from temporalio.common import Priority
from temporalio.worker import Worker

from core.turns import AUDITS, PAYOUTS, PEOPLE
from demo.stage import Stage
from gateway.starting import turn_of

FLOOD, OTHERS = 40, 12
ran: list[str] = []


@workflow.defn(name="Turn", sandboxed=False)
class Turn:
    """Notes that it ran."""

    @workflow.run
    async def run(self, who: str) -> None:
        ran.append(who)


async def _run_all(stage: Stage, queue: str, waiting: list[tuple[str, Priority]]) -> list[str]:
    """Whose turn came when, where all of these waited before a worker of one slot began."""
    ran.clear()
    handles = [
        await stage.client.start_workflow(Turn.run, who, id=f"{queue}-{n}", task_queue=queue, priority=priority)
        for n, (who, priority) in enumerate(waiting)
    ]
    async with Worker(
        stage.client, task_queue=queue, workflows=[Turn], max_cached_workflows=0, max_concurrent_workflow_tasks=1
    ):
        await asyncio.gather(*(handle.result() for handle in handles))
    return ran


def place_of(turns: list[str], who: str) -> float:
    """Its mean place in the order of execution."""
    places = [n for n, one in enumerate(turns) if one == who]
    return sum(places) / len(places)


async def test_one_merchants_flood_does_not_delay_anothers_first(order_stage: Stage) -> None:
    flood = [("many", turn_of("m-many"))] * FLOOD
    others = [("other", turn_of(f"m-{n}")) for n in range(OTHERS)]
    turns = await _run_all(order_stage, "turns-of-merchants", [*flood, *others])
    # Served in turn, the others' mean place is about 12; first come, first served, it is 45.
    assert place_of(turns, "other") < (FLOOD + OTHERS) / 2, turns


async def test_people_go_before_payouts_and_payouts_before_audits(order_stage: Stage) -> None:
    waiting = [
        (who, Priority(priority_key=key))
        for who, key in (("audit", AUDITS), ("payout", PAYOUTS), ("person", PEOPLE))
        for _ in range(FLOOD // 2)
    ]
    turns = await _run_all(order_stage, "turns-of-kinds", waiting)
    assert place_of(turns, "person") < place_of(turns, "payout") < place_of(turns, "audit"), turns


async def test_an_order_waits_under_its_merchant_and_its_audit_behind_people(play: Play) -> None:
    order = play()
    await order.start()
    await order.ship()
    events = [event async for event in order.handle.fetch_history_events()]
    started = events[0].workflow_execution_started_event_attributes
    assert started.priority.fairness_key == order.order.merchant_id
    (audit,) = (event for event in events if event.HasField("activity_task_scheduled_event_attributes"))
    assert audit.activity_task_scheduled_event_attributes.priority.priority_key == AUDITS
