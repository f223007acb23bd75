"""What a test forgives of failed workflow tasks: one fault of the SDK, by its exact words, and nothing else."""

from __future__ import annotations

import pytest
from failed_tasks import STALE_QUERY, FailedTask, failed_tasks, ours
from temporalio.api.enums.v1 import WorkflowTaskFailedCause as Cause
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory

OTHERS = [
    STALE_QUERY._replace(cause=Cause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR),
    STALE_QUERY._replace(message=f"{STALE_QUERY.message}Twice"),
    STALE_QUERY._replace(message="Fatal error in workflow machines"),
    FailedTask(Cause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE, "a defect"),
]


def history_of(*failed: FailedTask) -> WorkflowHistory:
    events = [HistoryEvent(event_id=1)]
    for number, task in enumerate(failed, start=2):
        event = HistoryEvent(event_id=number)
        event.workflow_task_failed_event_attributes.cause = task.cause
        event.workflow_task_failed_event_attributes.failure.message = task.message
        events.append(event)
    return WorkflowHistory("order-1", events)


@pytest.mark.parametrize("other", OTHERS)
def test_any_other_failed_task_is_ours(other: FailedTask) -> None:
    assert failed_tasks(history_of(STALE_QUERY, other)) == [STALE_QUERY, other]
    assert ours([other]) == [other]
    assert ours([STALE_QUERY, other]) == [other]


def test_the_sdks_fault_is_forgiven_once() -> None:
    assert ours(failed_tasks(history_of())) == []
    assert ours(failed_tasks(history_of(STALE_QUERY))) == []
    assert ours(failed_tasks(history_of(STALE_QUERY, STALE_QUERY))) == [STALE_QUERY, STALE_QUERY]
