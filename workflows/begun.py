"""What queries may not do: bring events before a workflow task has begun with them, or end a task that is under way.

A query that comes to a worker without the workflow in its memory brings the whole history. The events at its end may be
newer than the last workflow task; their own task still waits. The SDK hands them to the workflow all the same, as if
that task had begun, and then asks the query. The workflow would decide on them: a local activity of it would move
money for the sake of a query, and the waiting task would go on from there. A command that comes in between is then
decided after them, but in each replay together with them. Such a workflow may never be replayed again.

A query that comes with a task is asked while local activities of the task run, and its answer ends the task. What they
answer is then decided with the next task's commands, and in a replay before them, with the same end.

`docs/decisions/0027` has examples of both.
"""

from __future__ import annotations

from temporalio.bridge.proto.workflow_activation import WorkflowActivation, WorkflowActivationJob
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion

from core.ids import ASKED_TOO_EARLY

_ALONE = "legacy_query"
"""The SDK's id for a query that comes without a task. It passes such a one on only between two tasks of a run."""
_ENDS = frozenset(
    {
        "complete_workflow_execution",
        "fail_workflow_execution",
        "cancel_workflow_execution",
        "continue_as_new_workflow_execution",
    }
)
_NO_EVENTS = frozenset({"query_workflow", "do_update", "notify_has_patch", "remove_from_cache"})


class Begun:
    """What one run has seen of its tasks, to tell a task's events from events that came with a query."""

    def __init__(self) -> None:
        self._length = 0
        self._start = (0, 0, 0)
        self._local: set[int] = set()

    def has(self, act: WorkflowActivation) -> bool:
        """Whether a task has begun with what this brings. The run's activations are shown here, each once and in order.

        The start of a task is an event with a time of its own and the history's size. New events that change neither
        came without one. A start may have come with the query, too, from a task that another worker has, or had: then
        the run is asked while its local activities still run, and no task of its own waits for them.
        """
        for job in act.jobs:
            if job.HasField("resolve_activity") and job.resolve_activity.is_local:
                self._local.discard(job.resolve_activity.seq)
        length, start = act.history_length, (act.timestamp.seconds, act.timestamp.nanos, act.history_size_bytes)
        waits = length > self._length and start == self._start and any(map(_is_event, act.jobs))
        self._length, self._start = length, start
        if self._local and any(job.query_workflow.query_id == _ALONE for job in act.jobs):
            return False
        return act.is_replaying or not waits

    def asks_amid(self, act: WorkflowActivation) -> bool:
        """Whether this only asks, while local activities of the task run."""
        return bool(self._local) and all(job.HasField("query_workflow") for job in act.jobs)

    def note(self, completion: WorkflowActivationCompletion) -> None:
        """Note the local activities that an activation began; after the run's end nothing waits for one."""
        for command in completion.successful.commands:
            if command.HasField("schedule_local_activity"):
                self._local.add(command.schedule_local_activity.seq)
            elif command.WhichOneof("variant") in _ENDS:
                self._local.clear()


def asked_too_early(act: WorkflowActivation) -> WorkflowActivationCompletion:
    """Fails the query, and lets the worker forget this run. The waiting task then replays the run."""
    completion = WorkflowActivationCompletion(run_id=act.run_id)
    completion.failed.failure.message = ASKED_TOO_EARLY
    completion.failed.failure.application_failure_info.SetInParent()
    return completion


def left_unanswered(act: WorkflowActivation) -> WorkflowActivationCompletion:
    """No answer to a task's queries. The task goes on, and the server asks them again after it."""
    completion = WorkflowActivationCompletion(run_id=act.run_id)
    completion.successful.SetInParent()
    return completion


def _is_event(job: WorkflowActivationJob) -> bool:
    """Whether this was read from the history, and did not come from this worker itself."""
    if job.HasField("resolve_activity"):
        return not job.resolve_activity.is_local
    return job.WhichOneof("variant") not in _NO_EVENTS
