"""The workflow tasks of a history that a worker failed."""

from __future__ import annotations

from typing import NamedTuple

from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.client import WorkflowHistory


class FailedTask(NamedTuple):
    """Why a worker failed a task."""

    cause: str
    message: str


def failed_tasks(history: WorkflowHistory) -> list[FailedTask]:
    """All of them, in their order, whether the workflow or the SDK caused them."""
    found = []
    for event in history.events:
        if event.HasField("workflow_task_failed_event_attributes"):
            failed = event.workflow_task_failed_event_attributes
            found.append(FailedTask(WorkflowTaskFailedCause.Name(failed.cause), failed.failure.message))
    return found
