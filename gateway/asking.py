"""Queries about workflows: their state, whether they run, which activities they retry."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import UTC, timedelta
from typing import Any

from temporalio.api.failure.v1 import Failure
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle, WorkflowQueryFailedError
from temporalio.exceptions import FailureError
from temporalio.service import RPCError, RPCStatusCode

from core.errors import Unavailable
from gateway.refusals import in_our_words, refuse_if_failed

ANSWER_WITHIN = timedelta(seconds=30)
OPEN_EVERY = 0.05
"""Seconds between two queries of an order that is opening."""


async def query(client: Client, workflow_id: str, name: str) -> Any:
    """The answer to a query.

    Raises:
        Refused: `not_running` if Temporal knows no such workflow.
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
    """Wait until an order is open and return its state. For another workflow, `what` names its query.

    Raises:
        Refused: the order was refused, with the reason code of the failure; `not_running` if it has ended.
        Unavailable: no answer in time; a retry may help.
    """
    while True:
        state = await _query(handle, what)
        if not unopened(state) and state.get("phase") != "opening":
            return dict(state)
        await refuse_if_failed(handle)
        await asyncio.sleep(OPEN_EVERY)


def unopened(state: dict[str, Any]) -> bool:
    """Whether a workflow has no state yet: its query says only that it is opening, or why it was refused."""
    return state.keys() <= {"phase", "refusal"}


async def status_of(client: Client, workflow_id: str) -> WorkflowExecutionStatus | None:
    """Whether a workflow runs, or how it ended; None if Temporal does not know the id, or no longer.

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
    """The activities that a workflow retries: `[{activity, summary, attempt, failure, next_at?}]`; empty if not known.

    `summary` says what the activity does, such as `refund ship_by` for a posting.

    Raises:
        Unavailable: Temporal did not answer; a retry helps.
    """
    handle = client.get_workflow_handle(workflow_id)
    with in_our_words(workflow_id):
        try:
            description = await handle.describe()
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            return []
        failing = [one for one in description.raw_description.pending_activities if one.HasField("last_failure")]
        summaries = await _summaries(client, handle, {one.activity_id for one in failing}) if failing else {}
    return [
        {
            "activity": pending.activity_type.name,
            "summary": summaries.get(pending.activity_id, ""),
            "attempt": pending.attempt,
            "failure": await _message_of(client, pending.last_failure),
            "next_at": pending.next_attempt_schedule_time.ToDatetime(UTC).isoformat()
            if pending.HasField("next_attempt_schedule_time")
            else None,
        }
        for pending in failing
    ]


async def _message_of(client: Client, failure: Failure) -> str:
    """What a failure says, opened where it is sealed."""
    error = await client.data_converter.decode_failure(failure)
    return error.message if isinstance(error, FailureError) else str(error)


async def _summaries(client: Client, handle: WorkflowHandle[Any, Any], wanted: Collection[str]) -> dict[str, str]:
    """The summaries of these activities by id. Only the events that scheduled them have a summary."""
    converter, found = client.data_converter, {}
    async for event in handle.fetch_history_events():
        activity_id = event.activity_task_scheduled_event_attributes.activity_id
        if activity_id in wanted and event.user_metadata.summary.data:
            found[activity_id] = str((await converter.decode([event.user_metadata.summary]))[0])
    return found
