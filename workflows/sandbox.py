"""The sandbox that workers run workflows in: the SDK's, with bursts of signals bundled, and without needless questions.

For each payload that passes between a workflow and Temporal, the SDK asks up to four times for which of the workflow's
activities, children or signals it is meant, so that a codec or an external storage can treat it accordingly. Each time
it compiles a line of Python and enters the sandbox. Ours has neither codec nor storage, and the answer is not used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from temporalio.converter import DataConverter, SerializationContext, StorageDriverStoreContext
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner
from temporalio.workflow import Info

from workflows.burst import bundled


@dataclass(frozen=True)
class BundlingRunner(SandboxedWorkflowRunner):
    """The SDK's sandbox; a burst of signals reaches the workflow as few (`workflows.burst`)."""

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """A workflow in its sandbox."""
        return _Bundling(super().create_instance(det))


@dataclass(frozen=True)
class ContextFreeRunner(SandboxedWorkflowRunner):
    """The same for a data converter that treats all payloads alike (`treats_all_alike`)."""

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """A workflow in its sandbox."""
        return _ContextFree(super().create_instance(det))


def treats_all_alike(converter: DataConverter) -> bool:
    """Whether nothing of this converter could ask what a payload is for: it has neither codec nor storage."""
    return converter.payload_codec is None and converter.external_storage is None


class _Bundling(WorkflowInstance):
    def __init__(self, sandboxed: WorkflowInstance) -> None:
        self._sandboxed = sandboxed

    def activate(self, act: Any) -> Any:
        return self._sandboxed.activate(bundled(act))

    def get_serialization_context(self, command_info: Any) -> SerializationContext | None:
        return self._sandboxed.get_serialization_context(command_info)

    def get_external_store_context(self, command_info: Any) -> StorageDriverStoreContext:
        return self._sandboxed.get_external_store_context(command_info)

    def get_info(self) -> Info:
        return self._sandboxed.get_info()

    def get_thread_id(self) -> int | None:
        return self._sandboxed.get_thread_id()


class _ContextFree(_Bundling):
    """An instance that says outside its sandbox what it would say inside without use to anyone."""

    def get_serialization_context(self, command_info: Any) -> None:
        return None

    def get_external_store_context(self, command_info: Any) -> StorageDriverStoreContext:
        return StorageDriverStoreContext(target=None)
