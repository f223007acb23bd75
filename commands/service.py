"""Where commands reach Temporal; loading it costs half a second, which commands of the database alone do not pay."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

import gateway
from config import load
from core.errors import Unavailable
from core.messages import TASK_QUEUE

ANSWER_WITHIN = timedelta(seconds=5)
POLLED_WITHIN = timedelta(seconds=75)
"""A poll is renewed once a minute; the server remembers pollers for five, killed ones too."""


@asynccontextmanager
async def temporal() -> AsyncIterator[Client]:
    """A client of the configured Temporal.

    Raises:
        Unavailable: it does not answer, and the message names the address; or no worker polls there, and it says so.
    """
    async with AsyncExitStack() as stack:
        try:
            client = await stack.enter_async_context(gateway.connected(load()))
        except Unavailable as error:
            raise Unavailable(f"{error}. Start it, set TEMPORAL_ADDRESS, or run `python starter.py up`") from None
        try:
            yield client
        except (Unavailable, RPCError) as error:
            raise await _explained(client, error) from None


async def _explained(client: Client, error: Unavailable | RPCError) -> Unavailable:
    """Why there was no answer: most often there is no worker."""
    told = error.message if isinstance(error, RPCError) else str(error)
    try:
        if not all(await pollers(client)):
            return Unavailable(f"No worker polls task queue {TASK_QUEUE}: start one with `python worker.py`. ({told})")
    except RPCError:
        pass  # Temporal itself is away, which is what `told` says
    return Unavailable(told)


async def pollers(client: Client) -> tuple[set[str], set[str]]:
    """Who polls our task queue lately: for workflow tasks, and for activities.

    Raises:
        RPCError: Temporal did not answer.
    """
    since = datetime.now(UTC) - POLLED_WITHIN
    found = []
    for kind in (TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY):
        queue = TaskQueue(name=TASK_QUEUE)
        request = DescribeTaskQueueRequest(namespace=client.namespace, task_queue=queue, task_queue_type=kind)
        answer = await client.workflow_service.describe_task_queue(request, timeout=ANSWER_WITHIN)
        found.append({poller.identity for poller in answer.pollers if poller.last_access_time.ToDatetime(UTC) > since})
    return found[0], found[1]
