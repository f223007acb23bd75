"""Asking about workflows: their state, whether they run, what they try again."""

from __future__ import annotations

import asyncio
from datetime import UTC, timedelta
from typing import Any

from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle, WorkflowQueryFailedError
from temporalio.service import RPCError, RPCStatusCode

from core.errors import Unavailable
from gateway.refusals import in_our_words, refuse_if_failed

ANSWER_WITHIN = timedelta(seconds=30)
OPEN_EVERY = 0.05
"""Seconds between two looks at an order that is opening."""


async def query(client: Client, workflow_id: str, name: str) -> Any:
    """The answer of a query.

    Raises:
        Refused: `not_running` where Temporal knows no such workflow.
        Unavailable: no answer in time; a retry may help.
    """
    return await _query(client.get_workflow_handle(workflow_id), name)


async def _query(handle: WorkflowHandle[Any, Any], name: str) -> Any:
    try:
        with in_our_words(handle.id):
            return await handle.query(name, rpc_timeout=ANSWER_WITHIN)
    except WorkflowQueryFailedError as error:
        raise Unavailable(f"{handle.id} cannot answer: {error}") from None


async def opened(handle: WorkflowHandle[Any, Any], what: str = "order") -> dict[str, Any]:
    """Wait until an order (or `what` is its query: a withdrawal) is open and return its state.

    Raises:
        Refused: the order was refused, with the reason code of the failure; `not_running` where it was ended meanwhile.
        Unavailable: no answer in time; a retry may help.
    """
    while True:
        state = await _query(handle, what)
        if state.get("phase") != "opening":
            return dict(state)
        await refuse_if_failed(handle)
        await asyncio.sleep(OPEN_EVERY)


async def status_of(client: Client, workflow_id: str) -> WorkflowExecutionStatus | None:
    """Whether a workflow runs, or how it ended; None where Temporal knows none of this id, or not any more.

    Raises:
        Unavailable: Temporal did not answer; a retry helps.
    """
    with in_our_words(workflow_id):
        try:
            return (await client.get_workflow_handle(workflow_id).describe()).status
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            return None


async def retries(client: Client, workflow_id: str) -> list[dict[str, Any]]:
    """What a workflow is trying again: `[{activity, attempt, failure, next_at?}]`; empty where it is not known.

    Raises:
        Unavailable: Temporal did not answer; a retry helps.
    """
    with in_our_words(workflow_id):
        try:
            description = await client.get_workflow_handle(workflow_id).describe()
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            return []
    return [
        {
            "activity": pending.activity_type.name,
            "attempt": pending.attempt,
            "failure": pending.last_failure.message,
            "next_at": pending.next_attempt_schedule_time.ToDatetime(UTC).isoformat()
            if pending.HasField("next_attempt_schedule_time")
            else None,
        }
        for pending in description.raw_description.pending_activities
        if pending.HasField("last_failure")
    ]
