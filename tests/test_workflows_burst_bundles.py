"""A burst of signals reaches a workflow as few, in their order, and none is lost."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.common import RawValue

import gateway
from workflows.burst import BUNDLE, SIGNALS_A_TASK, Burst, bundled, unbundled
from workflows.machine import signal_body

CONVERTER = gateway.DATA_CONVERTER.payload_converter


def activation(*signals: tuple[str, tuple[object, ...]]) -> WorkflowActivation:
    act = WorkflowActivation(run_id="r", history_length=7)
    for name, args in signals:
        job = act.jobs.add().signal_workflow
        job.signal_name = name
        job.input.extend(CONVERTER.to_payloads(args))
    return act


def arrived(act: WorkflowActivation) -> list[tuple[str, object]]:
    """The verbs and bodies that the workflow reads."""
    found = []
    for job in act.jobs:
        if job.HasField("signal_workflow"):
            raw = [RawValue(payload) for payload in job.signal_workflow.input]
            name = job.signal_workflow.signal_name
            found += [(verb, signal_body(args)) for verb, args in (unbundled(raw) if name == BUNDLE else [(name, raw)])]
    return found


def test_few_signals_are_left_as_they_are() -> None:
    act = activation(*[("scan", ({"number": number},)) for number in range(SIGNALS_A_TASK)])
    assert bundled(act) is act


def test_a_burst_says_the_same_in_few_signals() -> None:
    bodies: list[tuple[object, ...]] = [({"number": 1},), (), ("text",), ({}, {}), (None,)]
    act = activation(*[(f"verb {number}", bodies[number % len(bodies)]) for number in range(15_000)])
    act.jobs.add().fire_timer.seq = 3
    few = bundled(act)
    assert len(few.jobs) == SIGNALS_A_TASK + 2
    assert (few.run_id, few.history_length, few.jobs[-1].fire_timer.seq) == ("r", 7, 3)
    assert arrived(few) == arrived(act)


def test_an_update_keeps_its_place_before_what_came_later() -> None:
    act = activation(*[("scan", ({},))] * SIGNALS_A_TASK)
    act.jobs.add().do_update.name = "place_hold"
    act.MergeFrom(activation(*[("scan", ({},))] * 3))
    kinds = [job.WhichOneof("variant") for job in bundled(act).jobs]
    assert kinds == ["signal_workflow"] * SIGNALS_A_TASK + ["do_update", "signal_workflow"]


@pytest.mark.parametrize(
    ("marks", "read"),
    [
        ({}, (BUNDLE, 1)),
        ({"dakuan-signal": b"\xff"}, ("\ufffd", 1)),
        ({"dakuan-signal": b"scan", "dakuan-arguments": b"9" * 30}, ("scan", 0)),
        ({"dakuan-signal": b"scan", "dakuan-arguments": b"-1"}, ("scan", 0)),
        ({"dakuan-signal": b"scan", "dakuan-arguments": b"2"}, ("scan", 2)),
    ],
)
def test_a_bundle_that_a_sender_made_is_taken_apart(marks: dict[str, bytes], read: tuple[str, int]) -> None:
    payload = CONVERTER.to_payloads([{}])[0]
    for name, said in marks.items():
        payload.metadata[name] = said
    assert [(name, len(args)) for name, args in unbundled([RawValue(payload)])] == [read]


def test_a_task_has_room_for_few_signals_and_none_overtakes_those_that_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the signals of a task come in several activations, of which none is bundled."""
    history = iter([3] * (SIGNALS_A_TASK + 1) + [9, 9, 9])
    info = SimpleNamespace(get_current_history_length=lambda: next(history))
    monkeypatch.setattr("workflows.burst.workflow.info", lambda: info)
    waits = Burst()
    assert [waits.has_room() for _ in range(SIGNALS_A_TASK + 1)] == [True] * SIGNALS_A_TASK + [False]
    assert waits.has_room()
    waits.draining = True
    assert not waits.has_room()
    waits.draining = False
    assert waits.has_room()
