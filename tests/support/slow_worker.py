"""A worker that takes its time for one signal and one query, so that other messages arrive meanwhile."""

from __future__ import annotations

import threading
import time
from typing import Literal

import pytest
import waiting
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.worker._workflow import _WorkflowWorker

from workflows import sandbox

MEANWHILE = 0.6
"""Seconds for the query. For the signal it takes as long as the test holds it."""
Message = Literal["signal_workflow", "query_workflow"]


class SlowWorker:
    """Every worker that this process starts from now on, once it is armed: for the next signal, and then for the next
    query.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._ahead: list[Message] = []
        self._let_go = threading.Event()
        quick = sandbox._Bundling.activate

        def activate(instance: sandbox._Bundling, act: WorkflowActivation) -> WorkflowActivationCompletion:
            if self._ahead and any(job.HasField(self._ahead[0]) for job in act.jobs):
                self._take_time(self._ahead.pop(0))
            completion: WorkflowActivationCompletion = quick(instance, act)
            return completion

        monkeypatch.setattr(sandbox._Bundling, "activate", activate)
        # The SDK gives a workflow up that takes two seconds.
        endless = property(lambda _: None, lambda *_: None)
        monkeypatch.setattr(_WorkflowWorker, "_deadlock_timeout_seconds", endless, raising=False)

    def _take_time(self, message: Message) -> None:
        if message == "signal_workflow":
            self._let_go.wait(waiting.WITHIN)
        else:
            time.sleep(MEANWHILE)

    def arm(self) -> None:
        """From now on."""
        self._ahead = ["signal_workflow", "query_workflow"]

    def let_go(self) -> None:
        """End what it takes for the signal."""
        self._let_go.set()

    async def at(self, ahead: int) -> None:
        """Wait until so many of its slow moments have not begun."""
        await waiting.until(self._left, lambda left: left == ahead)

    async def _left(self) -> int:
        return len(self._ahead)
