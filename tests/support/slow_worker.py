"""A worker that takes its time for one signal and one query, so that other messages arrive meanwhile."""

from __future__ import annotations

import time
from typing import Literal

import pytest
import waiting
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion

from workflows import sandbox

MEANWHILE = 0.6
"""Seconds; the SDK gives a workflow up that takes two."""


class SlowWorker:
    """Every worker of this process, for the next signal, and then for the next query."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._ahead: list[Literal["signal_workflow", "query_workflow"]] = ["signal_workflow", "query_workflow"]
        quick = sandbox._Bundling.activate

        def activate(instance: sandbox._Bundling, act: WorkflowActivation) -> WorkflowActivationCompletion:
            if self._ahead and any(job.HasField(self._ahead[0]) for job in act.jobs):
                self._ahead.pop(0)
                time.sleep(MEANWHILE)
            completion: WorkflowActivationCompletion = quick(instance, act)
            return completion

        monkeypatch.setattr(sandbox._Bundling, "activate", activate)

    async def at(self, ahead: int) -> None:
        """Wait until so many of its slow moments have not begun."""
        await waiting.until(self._left, lambda left: left == ahead)

    async def _left(self) -> int:
        return len(self._ahead)
