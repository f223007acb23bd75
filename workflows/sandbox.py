"""The sandbox for workflows: the SDK's, but it bundles bursts of signals, decides nothing for a query's sake, is
entered in less time, and skips needless queries and walks.

For each payload between a workflow and Temporal, the SDK asks up to four times which activity, child or signal it
belongs to, so that a codec or an external storage can use that. Each time it compiles a line of Python and enters the
sandbox. Our converter has neither codec nor storage, so the answer is not used.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from types import CodeType
from typing import Any

from temporalio.bridge import worker as bridge
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.converter import (
    DataConverter,
    SerializationContext,
    StorageDriverStoreContext,
    WorkflowSerializationContext,
)
from temporalio.converter._extstore import StorageOperationMetrics
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner
from temporalio.worker.workflow_sandbox._runner import _Instance
from temporalio.workflow import Info

from workflows.begun import Begun, asked_too_early, left_unanswered
from workflows.burst import bundled


@dataclass(frozen=True)
class BundlingRunner(SandboxedWorkflowRunner):
    """The SDK's sandbox; a burst of signals reaches the workflow as a few (`workflows.burst`), and events only once
    their task has begun (`workflows.begun`).
    """

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """A workflow in its sandbox."""
        return _Bundling(_Light(det, self.runner_class, self.restrictions))


@dataclass(frozen=True)
class ContextFreeRunner(BundlingRunner):
    """The same for a data converter that treats all payloads alike (`treats_all_alike`)."""

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """A workflow in its sandbox."""
        return _ContextFree(_Light(det, self.runner_class, self.restrictions))


@dataclass(frozen=True)
class OwnContextRunner(BundlingRunner):
    """The same for a codec that asks only whose payload it is. Our workflows have no children and signal no others, so
    that every payload is the workflow's own.
    """

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """A workflow in its sandbox."""
        return _OwnContext(_Light(det, self.runner_class, self.restrictions), det.info)


def treats_all_alike(converter: DataConverter) -> bool:
    """Whether this converter never needs a payload's context: it has neither codec nor storage."""
    return converter.payload_codec is None and converter.external_storage is None


def skip_idle_walks() -> None:
    """Let this process's workers leave payloads alone that nothing changes; it may be called again.

    Around each activation the SDK walks six times through all payloads, for a codec and an external storage, and copies
    each one. Without either that is 7 % of a worker's time, and changes nothing.
    """
    bridge.decode_activation, bridge.encode_completion = _decode_activation, _encode_completion


_sdk_decode, _sdk_encode = bridge.decode_activation, bridge.encode_completion


async def _decode_activation(
    activation: WorkflowActivation,
    data_converter: DataConverter,
    decode_headers: bool,
    storage_concurrency_limit: int,
) -> StorageOperationMetrics:
    if treats_all_alike(data_converter):
        return StorageOperationMetrics()
    return await _sdk_decode(activation, data_converter, decode_headers, storage_concurrency_limit)


async def _encode_completion(
    completion: WorkflowActivationCompletion,
    data_converter: DataConverter,
    encode_headers: bool,
    storage_concurrency_limit: int,
) -> StorageOperationMetrics:
    if treats_all_alike(data_converter):
        return StorageOperationMetrics()
    return await _sdk_encode(completion, data_converter, encode_headers, storage_concurrency_limit)


class _Light(_Instance):
    """The SDK's sandbox, entered in half the time."""

    def _create_instance(self) -> None:
        # In the sandbox these two unwrap a restricted class, such as `datetime.date`, before they compare with it: each
        # call then takes ten times as long, and a task makes hundreds, most of them in the SDK. No workflow of ours
        # compares with such a class; a test reads them for that.
        kept = [one for one in self.importer.restricted_builtins if one[0] not in UNWRAPPED]
        self.importer.restricted_builtins = kept
        super()._create_instance()

    def _run_code(self, code: str, **extra_globals: Any) -> None:
        """The SDK has three such texts, and would compile one for each task."""
        super()._run_code(_compiled(code), **extra_globals)  # type: ignore[arg-type]  # `exec` takes compiled code too


UNWRAPPED = frozenset({"isinstance", "issubclass"})


@cache
def _compiled(code: str) -> CodeType:
    return compile(code, "workflow_sandbox.py", "exec")


class _Bundling(WorkflowInstance):
    def __init__(self, sandboxed: WorkflowInstance) -> None:
        self._sandboxed = sandboxed
        self._begun = Begun()

    def activate(self, act: Any) -> Any:
        if not self._begun.has(act):
            return asked_too_early(act)
        if self._begun.asks_amid(act):
            return left_unanswered(act)
        completion = self._sandboxed.activate(bundled(act))
        self._begun.note(completion)
        return completion

    def get_serialization_context(self, command_info: Any) -> SerializationContext | None:
        return self._sandboxed.get_serialization_context(command_info)

    def get_external_store_context(self, command_info: Any) -> StorageDriverStoreContext:
        return self._sandboxed.get_external_store_context(command_info)

    def get_info(self) -> Info:
        return self._sandboxed.get_info()

    def get_thread_id(self) -> int | None:
        return self._sandboxed.get_thread_id()


class _ContextFree(_Bundling):
    """An instance that answers the SDK's queries for contexts without entering its sandbox."""

    def get_serialization_context(self, command_info: Any) -> SerializationContext | None:
        return None

    def get_external_store_context(self, command_info: Any) -> StorageDriverStoreContext:
        return StorageDriverStoreContext(target=None)


class _OwnContext(_ContextFree):
    def __init__(self, sandboxed: WorkflowInstance, info: Info) -> None:
        super().__init__(sandboxed)
        self._context = WorkflowSerializationContext(namespace=info.namespace, workflow_id=info.workflow_id)

    def get_serialization_context(self, command_info: Any) -> SerializationContext:
        return self._context
