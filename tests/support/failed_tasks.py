"""The workflow tasks of a history that a worker failed, and which of them no workflow of ours caused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from temporalio.api.enums.v1 import WorkflowTaskFailedCause as Cause
from temporalio.client import WorkflowHistory


class FailedTask(NamedTuple):
    """Why a worker failed a task."""

    cause: Cause.ValueType
    message: str


STALE_QUERY = FailedTask(
    Cause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE,
    "Fatal error in workflow machines: Attempted to check for LA marker handling in invalid state MarkerCommandCreated",
)
"""temporalio 1.35.0 keeps what a query with an old history began, and meets the true history in the next task. It fails
that task once, forgets the run, and replays it in the next try (`docs/decisions/0027`).
"""
STALE_QUERIES = 1
"""How many of these a test forgives: a second one in the life of an order is no chance any more."""


def failed_tasks(history: WorkflowHistory) -> list[FailedTask]:
    """All of them, in their order."""
    found = []
    for event in history.events:
        if event.HasField("workflow_task_failed_event_attributes"):
            failed = event.workflow_task_failed_event_attributes
            found.append(FailedTask(failed.cause, failed.failure.message))
    return found


def ours(failed: Sequence[FailedTask]) -> list[FailedTask]:
    """Those that the SDK did not cause by itself; all of them where it would have to have done so more than once."""
    known = failed.count(STALE_QUERY)
    return list(failed) if known > STALE_QUERIES else [one for one in failed if one != STALE_QUERY]
