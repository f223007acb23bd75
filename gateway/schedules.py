"""Schedules of automatic withdrawals, in Temporal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionExecutionStartWorkflow,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleDescription,
    ScheduleHandle,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleState,
)
from temporalio.service import RPCError, RPCStatusCode

from core.durations import format_duration
from core.errors import Refused, Unavailable
from core.ids import AUTO_WITHDRAWAL_WORKFLOW, TASK_QUEUE, auto_withdrawal_schedule_id
from core.messages import AutomaticWithdrawals
from core.reasons import SENTENCES
from gateway.starting import turn_of

CATCH_UP = timedelta(days=1)
"""A run that was missed in an outage of Temporal is started later, if it is not older than this."""


async def create_schedule(client: Client, plan: AutomaticWithdrawals, spec: ScheduleSpec, *, paused: bool) -> None:
    """Create the schedule. A repeated call changes nothing.

    Raises:
        Refused: `schedule_exists`: the merchant has another one; `malformed`: such times or such a time zone do not
            exist, or the times never come (30 February).
        Unavailable: Temporal did not answer; a retry helps.
    """
    schedule_id = auto_withdrawal_schedule_id(plan.merchant_id, plan.currency)
    action = ScheduleActionStartWorkflow(
        AUTO_WITHDRAWAL_WORKFLOW,
        plan,
        id=schedule_id,  # the server adds the nominal time
        task_queue=TASK_QUEUE,
        priority=turn_of(plan.merchant_id),
        static_summary=f"automatic withdrawal · {plan.merchant_id} · {plan.currency}",
    )
    policy = SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=CATCH_UP)
    schedule = Schedule(action=action, spec=spec, policy=policy, state=ScheduleState(paused=paused))
    memo = {"plan": plan.model_dump(mode="json"), "times": times_of(spec)}
    try:
        with suppress(ScheduleAlreadyRunningError):
            await client.create_schedule(schedule_id, schedule, memo=memo)
        handle = client.get_schedule_handle(schedule_id)
        known = await handle.describe()
        if await known.memo() != memo:
            message = f"{SENTENCES['schedule_exists']} Delete it first: `schedules delete {plan.merchant_id}`."
            raise Refused("schedule_exists", message, "merchant")
        # Also where it is there already: a try before this one may have ended before it looked.
        if spec.cron_expressions and not known.info.next_action_times:
            await handle.delete()
            raise Refused("malformed", f"cron: {spec.cron_expressions[0]} never comes.", "cron")
    except RPCError as error:
        if error.status == RPCStatusCode.INVALID_ARGUMENT and "time zone" in error.message:
            why = f"timezone: {spec.time_zone_name!r} is no time zone, such as Asia/Shanghai."
            raise Refused("malformed", why, "timezone") from None
        if error.status == RPCStatusCode.INVALID_ARGUMENT:
            raise Refused("malformed", f"{SENTENCES['malformed']} {error.message}", "cron") from None
        raise Unavailable(f"Temporal did not answer: {error.message}") from None


@asynccontextmanager
async def schedule_of(client: Client, merchant_id: str, currency: str) -> AsyncIterator[ScheduleHandle]:
    """The schedule of a merchant. Temporal's errors inside the block are translated.

    Raises:
        Refused: `unknown_schedule`.
        Unavailable: Temporal did not answer; a retry helps.
    """
    try:
        yield client.get_schedule_handle(auto_withdrawal_schedule_id(merchant_id, currency))
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            message = f"{SENTENCES['unknown_schedule']} {merchant_id}, {currency}"
            raise Refused("unknown_schedule", message, "merchant") from None
        raise Unavailable(f"Temporal did not answer: {error.message}") from None


def times_of(spec: ScheduleSpec) -> str:
    if spec.intervals:
        return f"every {format_duration(spec.intervals[0].every)}"
    return " ".join(filter(None, (spec.cron_expressions[0], spec.time_zone_name)))


# --- commands --------------------------------------------------------------------------------------------


def latest_run(known: ScheduleDescription) -> str | None:
    """The id of the last workflow it started; None before the first."""
    recent = known.info.recent_actions
    action = recent[-1].action if recent else None
    return action.workflow_id if isinstance(action, ScheduleActionExecutionStartWorkflow) else None
