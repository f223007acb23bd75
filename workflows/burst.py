"""A burst of signals: more at once than one workflow task can decide.

The SDK aborts a task after 2 s, and every retry meets the same signals: the workflow would never answer again. Two
measures keep a task short. Before the task, all signals but the first few become one (`bundled`), because each signal
costs the SDK about 90 µs. In the task, only some are decided (`Burst`); the others wait for a timer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from datetime import timedelta

from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.bridge.proto.workflow_activation import SignalWorkflow, WorkflowActivation
from temporalio.common import RawValue

SIGNALS_A_TASK = 20
"""Signals decided in one workflow task; the next waits for another task. A scan costs up to 5 ms."""
PAUSE = timedelta(milliseconds=1)
BUNDLE = "signals of a burst"
"""The name of the signal that stands for many. A sender's own signal of this name is unbundled, too, as if the sender
had sent each of its arguments.
"""
_NAME, _ARGUMENTS = "dakuan-signal", "dakuan-arguments"


def bundled(act: WorkflowActivation) -> WorkflowActivation:
    """The same activation with few signals. No signal is lost, and their order stays.

    The history determines which signals arrive together, so a replay bundles the same ones.
    """
    signals = sum(job.HasField("signal_workflow") for job in act.jobs)
    if signals <= SIGNALS_A_TASK:
        return act
    few = WorkflowActivation()
    few.CopyFrom(act)
    del few.jobs[:]
    seen, bundle = 0, SignalWorkflow()
    for job in act.jobs:
        seen += job.HasField("signal_workflow")
        if not job.HasField("signal_workflow") or seen <= SIGNALS_A_TASK:
            few.jobs.add().CopyFrom(job)
            continue
        if not bundle.input:
            bundle = few.jobs.add().signal_workflow
            bundle.signal_name = BUNDLE
            bundle.originating_event_id = job.signal_workflow.originating_event_id
        _add(bundle, job.signal_workflow)
    return few


def _add(bundle: SignalWorkflow, signal: SignalWorkflow) -> None:
    payload = bundle.input.add()
    if len(signal.input) == 1:
        payload.CopyFrom(signal.input[0])
    payload.metadata[_NAME] = signal.signal_name.encode()
    payload.metadata[_ARGUMENTS] = str(len(signal.input)).encode()


def unbundled(args: Sequence[RawValue]) -> Iterator[tuple[str, Sequence[RawValue]]]:
    """The signals of a bundle, in their order."""
    for arg in args:
        marks = arg.payload.metadata
        name = marks.get(_NAME, BUNDLE.encode()).decode(errors="replace")
        count = marks.get(_ARGUMENTS, b"1")
        yield name, (arg,) if count == b"1" else _arguments(count)


def _arguments(count: bytes) -> Sequence[RawValue]:
    """A tuple of this many arguments. Their values do not matter: a command has exactly one."""
    return (RawValue(Payload()),) * (int(count) if count.isdigit() and len(count) < 5 else 0)


class Burst:
    """Signals of one workflow task beyond the number that it may decide.

    Signals with an unknown verb are only counted: otherwise ten thousand of them would make ten thousand equal states.
    """

    def __init__(self) -> None:
        self.waiting: deque[tuple[str, Sequence[RawValue]]] = deque()
        self.unknown = 0
        self.draining = False
        self._task = -1
        self._taken = 0

    @property
    def waits(self) -> bool:
        """Whether anything is left for another task."""
        return bool(self.waiting) or self.unknown > 0

    def has_room(self) -> bool:
        """Whether a signal may be decided at once. It must not overtake waiting ones."""
        task = workflow.info().get_current_history_length()
        if task != self._task:
            self._task, self._taken = task, 0
        self._taken += 1
        return self._taken <= SIGNALS_A_TASK and not self.draining
