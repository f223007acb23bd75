"""Events are decided once their workflow task has begun, and not for the sake of a query that brings them earlier."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from temporalio.bridge.proto.workflow_activation import WorkflowActivation, WorkflowActivationJob
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion

from core.ids import ASKED_TOO_EARLY
from workflows.begun import Begun, asked_too_early, left_unanswered


def act(length: int, task: int, *jobs: str, replaying: bool = False, local: bool = False) -> WorkflowActivation:
    """What the SDK hands over. Task 1 starts at second 10 with 100 bytes, task 2 at second 20 with 200."""
    made = WorkflowActivation(run_id="r", history_length=length, is_replaying=replaying, history_size_bytes=task * 100)
    made.timestamp.seconds = task * 10
    for name in jobs:
        job = made.jobs.add()
        getattr(job, name).SetInParent()
        if name == "resolve_activity":
            job.resolve_activity.is_local = local
    return made


def judged(*acts: WorkflowActivation) -> list[bool]:
    run = Begun()
    return [run.has(one) for one in acts]


EVENTS = ("signal_workflow", "fire_timer", "resolve_activity", "cancel_workflow", "update_random_seed")
VARIANTS = {one.name for one in WorkflowActivationJob.DESCRIPTOR.oneofs_by_name["variant"].fields}


@pytest.mark.parametrize("job", EVENTS)
def test_an_event_without_a_task_waits(job: str) -> None:
    replayed = act(3, 1, "initialize_workflow", replaying=True)
    assert judged(replayed, act(6, 1, job)) == [True, False]
    assert judged(replayed, act(7, 2, job)) == [True, True]


def test_what_is_read_from_no_event_never_waits() -> None:
    replayed = act(3, 1, "initialize_workflow", replaying=True)
    for job in ("query_workflow", "do_update", "notify_has_patch", "remove_from_cache"):
        assert judged(replayed, act(6, 1, job)) == [True, True]
    assert judged(replayed, act(6, 1, "resolve_activity", local=True)) == [True, True]
    assert judged(replayed, act(6, 1, "query_workflow", "signal_workflow")) == [True, False]


def test_every_kind_of_job_that_the_sdk_knows_was_considered() -> None:
    beside = {"query_workflow", "do_update", "notify_has_patch", "remove_from_cache"}
    resolved = {name for name in VARIANTS if name.startswith("resolve_")}
    assert {*EVENTS, *beside, *resolved, "initialize_workflow"} == VARIANTS


@pytest.mark.parametrize(
    ("name", "later"),
    [
        ("a start at the same time, after the server's clock went back", lambda made: _sized(made, 200)),
        ("a start that tells no size", lambda made: _at(made, 11)),
    ],
)
def test_either_sign_of_a_start_is_enough(name: str, later: Callable[[WorkflowActivation], WorkflowActivation]) -> None:
    assert judged(act(3, 1, "initialize_workflow"), later(act(7, 1, "signal_workflow"))) == [True, True]


def _sized(made: WorkflowActivation, size: int) -> WorkflowActivation:
    made.history_size_bytes = size
    return made


def _at(made: WorkflowActivation, second: int) -> WorkflowActivation:
    made.timestamp.seconds = second
    return made


def test_a_whole_life_begins_each_time() -> None:
    """First in memory, then replayed by another worker, which is asked before the next task."""
    first = (
        act(3, 1, "initialize_workflow"),
        act(3, 1, "resolve_activity", local=True),
        act(3, 1, "query_workflow", replaying=True),
        act(9, 2, "signal_workflow", "fire_timer"),
        act(9, 2, "resolve_activity", local=True),
    )
    assert judged(*first) == [True] * 5
    again = (act(3, 1, "initialize_workflow", replaying=True), act(9, 2, "signal_workflow", replaying=True))
    assert judged(*again, act(14, 2, "signal_workflow")) == [True, True, False]


def asked(query_id: str) -> WorkflowActivation:
    made = act(7, 2, "query_workflow")
    made.jobs[0].query_workflow.query_id = query_id
    return made


def commands(*names: str) -> WorkflowActivationCompletion:
    made = WorkflowActivationCompletion(run_id="r")
    for name in names:
        getattr(made.successful.commands.add(), name).SetInParent()
    return made


ALONE, WITH_ITS_TASK = "legacy_query", "8fd1"


def test_a_query_of_its_own_does_not_come_while_local_activities_run() -> None:
    """It brought the start of a task that another worker has. What it began here is forgotten with the run."""
    run = Begun()
    assert run.has(act(3, 1, "initialize_workflow", replaying=True))
    assert run.has(act(7, 2, "signal_workflow"))
    run.note(commands("start_timer", "schedule_local_activity"))
    assert run.has(asked(WITH_ITS_TASK))
    assert run.asks_amid(asked(WITH_ITS_TASK))
    assert not run.asks_amid(act(9, 2, "query_workflow", "signal_workflow"))
    assert not run.has(asked(ALONE))
    assert run.has(act(7, 2, "resolve_activity", local=True))
    assert run.has(asked(ALONE))
    assert not run.asks_amid(asked(WITH_ITS_TASK))


@pytest.mark.parametrize("end", ["complete", "fail", "cancel", "continue_as_new"])
def test_a_run_that_ended_during_a_local_activity_answers(end: str) -> None:
    run = Begun()
    assert run.has(act(3, 1, "initialize_workflow", replaying=True))
    run.note(commands("schedule_local_activity", f"{end}_workflow_execution"))
    assert run.has(asked(ALONE))


def test_the_refusal_fails_the_query_in_words_that_a_client_knows() -> None:
    completion = asked_too_early(act(6, 1, "signal_workflow"))
    assert completion.run_id == "r"
    assert completion.failed.failure.message == ASKED_TOO_EARLY
    assert not completion.HasField("successful")


def test_a_query_amid_a_task_gets_no_answer_and_fails_nothing() -> None:
    completion = left_unanswered(asked(WITH_ITS_TASK))
    assert (completion.run_id, completion.WhichOneof("status")) == ("r", "successful")
    assert not completion.successful.commands
