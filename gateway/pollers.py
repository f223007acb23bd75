"""The workers of our task queue, and stuck workflows: pollers, worker versions, workflows whose task fails."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from temporalio.api.enums.v1 import TaskQueueType, WorkerVersioningMode
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    DescribeTaskQueueResponse,
    SetWorkerDeploymentCurrentVersionRequest,
    SetWorkerDeploymentRampingVersionRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from core.errors import Misconfigured, Unavailable
from core.ids import DEPLOYMENT, TASK_QUEUE

ANSWER_WITHIN = timedelta(seconds=5)
POLLED_WITHIN = timedelta(seconds=75)
"""A poll is renewed once a minute; the server remembers pollers for five, killed ones too."""
TRIES = 4
"""Seconds for which a worker that was just started is waited for."""
_FAILING = 'ExecutionStatus = "Running" AND TemporalReportedProblems IS NOT NULL'
_VERSIONED = WorkerVersioningMode.WORKER_VERSIONING_MODE_VERSIONED


class Workers(NamedTuple):
    """The recent pollers of our task queue, and the build that gets the tasks (None: workers without a build)."""

    workflows: frozenset[str]
    activities: frozenset[str]
    builds: frozenset[str] = frozenset()
    """The builds that poll for workflow tasks."""
    without_build: bool = True
    current: str | None = None
    ramping: str | None = None

    @property
    def why_idle(self) -> str | None:
        """Why no worker takes the tasks of new orders; None if one does."""
        if not self.workflows or not self.activities:
            return f"No worker polls task queue {TASK_QUEUE}: start one with `python worker.py`."
        if self.current is None and self.without_build:
            return None
        if self.current in self.builds:
            return None
        there = ", ".join(sorted(self.builds)) or "none"
        if self.current is None:
            return (
                f"Build {there} of deployment {DEPLOYMENT} polls and is not current, so it gets no task: "
                f"`python starter.py deploy --build-id {min(self.builds)}`."
            )
        return (
            f"Build {self.current} of deployment {DEPLOYMENT} is current and no worker of it polls (builds that do: "
            f"{there}): start one, or make another current with `python starter.py deploy --build-id BUILD`."
        )


async def workers(client: Client) -> Workers:
    """The pollers of our task queue, and the current build.

    Raises:
        RPCError: Temporal did not answer.
    """
    flows = await _described(client, TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW)
    others = await _described(client, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY)
    options = [poller.deployment_options for poller in flows.pollers if _lately(poller)]
    versioned = [one for one in options if one.worker_versioning_mode == _VERSIONED]
    info = flows.versioning_info
    return Workers(
        workflows=frozenset(poller.identity for poller in flows.pollers if _lately(poller)),
        activities=frozenset(poller.identity for poller in others.pollers if _lately(poller)),
        builds=frozenset(one.build_id for one in versioned),
        without_build=len(versioned) < len(options),
        current=info.current_deployment_version.build_id or None,
        ramping=info.ramping_deployment_version.build_id or None,
    )


async def _described(client: Client, kind: TaskQueueType.ValueType) -> DescribeTaskQueueResponse:
    request = DescribeTaskQueueRequest(
        namespace=client.namespace, task_queue=TaskQueue(name=TASK_QUEUE), task_queue_type=kind
    )
    try:
        return await client.workflow_service.describe_task_queue(request, timeout=ANSWER_WITHIN)
    except RPCError as error:
        # A server ends each connection after some minutes, and what is under way on it. The next one is there.
        if error.status != RPCStatusCode.CANCELLED:
            raise
    return await client.workflow_service.describe_task_queue(request, timeout=ANSWER_WITHIN)


def _lately(poller: object) -> bool:
    at: datetime = poller.last_access_time.ToDatetime(UTC)  # type: ignore[attr-defined]  # of a repeated field
    return at > datetime.now(UTC) - POLLED_WITHIN


class Failing(NamedTuple):
    """A workflow whose task fails again and again: it does and answers nothing until the code is fixed."""

    workflow_id: str
    why: str


async def failing(client: Client, limit: int) -> list[Failing]:
    """Workflows whose task fails again and again, at most `limit`; the server reports them after some failures.

    Raises:
        Unavailable: Temporal did not answer; a retry helps.
    """
    found = []
    try:
        async for one in client.list_workflows(_FAILING, limit=limit, rpc_timeout=ANSWER_WITHIN):
            said = one.search_attributes.get("TemporalReportedProblems", ())
            why = next((str(word) for word in said if str(word).startswith("cause=")), "")
            found.append(Failing(one.id, why.removeprefix("cause=WorkflowTaskFailedCause").removeprefix("cause=")))
    except RPCError as error:
        if error.status == RPCStatusCode.INVALID_ARGUMENT:
            return []  # an older server reports no problems
        raise Unavailable(f"Temporal did not answer: {error.message}") from None
    return found


async def make_current(client: Client, build_id: str, *, ramp: float | None = None, polled: bool = True) -> None:
    """Give tasks to workers of a build: all new ones, or a share of them.

    Args:
        ramp: percent of the tasks; None makes the build current.
        polled: only where a worker of the build polls. The server takes any build that it once knew, and then every
            order stands still.

    Raises:
        Misconfigured: no worker of the build polls; the server does not know it, or it is current and cannot ramp.
        Unavailable: Temporal did not answer; a retry helps.
    """
    service = client.workflow_service
    if polled and ramp != 0:
        await _refuse_idle(client, build_id)
    try:
        if ramp is None:
            current = SetWorkerDeploymentCurrentVersionRequest(
                namespace=client.namespace, deployment_name=DEPLOYMENT, build_id=build_id
            )
            await service.set_worker_deployment_current_version(current, timeout=ANSWER_WITHIN)
        else:
            ramping = SetWorkerDeploymentRampingVersionRequest(
                namespace=client.namespace, deployment_name=DEPLOYMENT, build_id=build_id, percentage=ramp
            )
            await service.set_worker_deployment_ramping_version(ramping, timeout=ANSWER_WITHIN)
    except RPCError as error:
        if error.status not in {RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION}:
            raise Unavailable(f"Temporal did not answer: {error.message}") from None
        raise Misconfigured(f"Temporal does not take build {build_id} of {DEPLOYMENT}: {error.message}") from None


async def _refuse_idle(client: Client, build_id: str) -> None:
    """Raise for a build of which no worker polls. One that was just started is waited for."""
    for _ in range(TRIES):
        try:
            builds = (await workers(client)).builds
        except RPCError as error:
            raise Unavailable(f"Temporal did not answer: {error.message}") from None
        if build_id in builds:
            return
        await asyncio.sleep(1)
    raise Misconfigured(
        f"no worker of build {build_id} of deployment {DEPLOYMENT} polls (builds that do: "
        f"{', '.join(sorted(builds)) or 'none'}), and its tasks would wait: start one first, "
        f"`DAKUAN_BUILD_ID={build_id} python worker.py`"
    )
