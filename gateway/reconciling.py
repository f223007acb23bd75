"""Starts the reconciliation of a day, and schedules daily ones."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    WorkflowHandle,
)
from temporalio.common import Priority, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from core.ids import RECONCILIATION_WORKFLOW, TASK_QUEUE, reconciliation_workflow_id
from core.turns import AUDITS
from gateway.refusals import in_our_words


async def start_reconciliation(
    client: Client, scope: str, name: str, now: datetime, *, label: str | None = None
) -> WorkflowHandle[Any, Any]:
    """Start the comparison of this day; if one of the same day runs or ran, return that.

    Args:
        label: names a further comparison, in place of the day.

    Raises:
        Unavailable: Temporal did not answer; a retry helps.
    """
    workflow_id = f"{reconciliation_workflow_id(scope, name)}-{label or f'{now:%Y-%m-%d}'}"
    try:
        with in_our_words():
            return await client.start_workflow(
                RECONCILIATION_WORKFLOW,
                {"scope": scope, "name": name, "now": now.isoformat()},
                id=workflow_id,
                task_queue=TASK_QUEUE,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                priority=Priority(priority_key=AUDITS),
                static_summary=f"reconciliation {scope} {name} · {now:%Y-%m-%d}",
            )
    except WorkflowAlreadyStartedError:
        return client.get_workflow_handle(workflow_id)


async def schedule_reconciliation(client: Client, scope: str, name: str, every: timedelta, offset: timedelta) -> bool:
    """Compare repeatedly, first at `offset` after midnight UTC. False: there was a schedule, which now has these times.

    Raises:
        Unavailable: Temporal did not answer; a retry helps.
    """
    schedule_id = reconciliation_workflow_id(scope, name)
    schedule = Schedule(
        action=ScheduleActionStartWorkflow(
            RECONCILIATION_WORKFLOW,
            {"scope": scope, "name": name},
            id=schedule_id,
            task_queue=TASK_QUEUE,
            priority=Priority(priority_key=AUDITS),
            static_summary=f"reconciliation {scope} {name}",
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every, offset=offset)]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=every),
    )
    with in_our_words(schedule_id):
        try:
            await client.create_schedule(schedule_id, schedule)
        except ScheduleAlreadyRunningError:
            await client.get_schedule_handle(schedule_id).update(lambda _: ScheduleUpdate(schedule=schedule))
            return False
    return True


async def unschedule_reconciliation(client: Client, scope: str, name: str) -> bool:
    """End the schedule. False: there was none.

    Raises:
        Unavailable: Temporal did not answer; a retry helps.
    """
    schedule_id = reconciliation_workflow_id(scope, name)
    with in_our_words(schedule_id):
        try:
            await client.get_schedule_handle(schedule_id).delete()
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            return False
    return True
