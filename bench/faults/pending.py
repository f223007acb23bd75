"""The workflow task that a workflow waits for: which attempt, since when, and until when its server waits for it.

A server that gets no answer to a task gives it to another worker when its time is up. From the fourth attempt on it
adds 5 s, 10 s, 20 s … to that time, up to ten minutes by default (`history.workflowTaskRetryMaxInterval`): see
`local.temporal`. So a task whose workers died several times is the first suspect where nothing happens any more.
"""

from __future__ import annotations

from collections import deque

from temporalio.api.enums.v1 import EventType, PendingWorkflowTaskState
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflow.v1 import PendingWorkflowTaskInfo
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.service import RPCError

EVENTS = 12
"""The last events of a history that are shown."""


async def task_of(client: Client, workflow_id: str) -> str:
    """What a workflow waits for, in words for the report."""
    try:
        found = await client.get_workflow_handle(workflow_id).describe()
    except RPCError as error:
        return f"its workflow cannot be described: {error.message}"
    if found.status is WorkflowExecutionStatus.COMPLETED:
        return f"its workflow ended with {await client.get_workflow_handle(workflow_id).result()}"
    if found.status is not WorkflowExecutionStatus.RUNNING:
        return f"its workflow is {found.status.name if found.status else 'unknown'}"
    raw = found.raw_description
    calls = [f"{one.activity_type.name} attempt {one.attempt}" for one in raw.pending_activities]
    task = in_words(raw.pending_workflow_task) if raw.HasField("pending_workflow_task") else "no workflow task"
    return "; ".join([", ".join([task, *calls]), await _last_events(client.get_workflow_handle(workflow_id))])


async def _last_events(handle: WorkflowHandle[object, object]) -> str:
    """How its history ends."""
    try:
        last = deque([event async for event in handle.fetch_history_events()], EVENTS)
    except RPCError as error:
        return f"its history cannot be read: {error.message}"
    return f"its history ends {', '.join(map(event_in_words, last))}"


def event_in_words(event: HistoryEvent) -> str:
    """One event; of a timer also when it fires, of an activity which it is."""
    name = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_").lower()
    about = ""
    if event.HasField("timer_started_event_attributes"):
        about = f" for {event.timer_started_event_attributes.start_to_fire_timeout.ToTimedelta()}"
    elif event.HasField("activity_task_scheduled_event_attributes"):
        about = f" {event.activity_task_scheduled_event_attributes.activity_type.name}"
    elif event.HasField("workflow_execution_signaled_event_attributes"):
        about = f" {event.workflow_execution_signaled_event_attributes.signal_name}"
    return f"{event.event_id} {name}{about} {event.event_time.ToDatetime():%H:%M:%S}"


def in_words(task: PendingWorkflowTaskInfo) -> str:
    """One pending workflow task."""
    state = PendingWorkflowTaskState.Name(task.state).removeprefix("PENDING_WORKFLOW_TASK_STATE_").lower()
    times = [("scheduled", task.scheduled_time), ("begun", task.started_time)]
    known = [f"{name} {at.ToDatetime():%H:%M:%S}" for name, at in times if at.seconds > 0]
    return " ".join([f"workflow task {state}, attempt {task.attempt},", *known])
