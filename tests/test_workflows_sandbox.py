"""The sandbox of production: cheaper than the SDK's, and only where that changes nothing."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.bridge import worker as bridge
from temporalio.bridge.proto.workflow_activation import SignalWorkflow, WorkflowActivation, WorkflowActivationJob
from temporalio.bridge.proto.workflow_commands import CompleteWorkflowExecution, WorkflowCommand
from temporalio.bridge.proto.workflow_completion import Success, WorkflowActivationCompletion
from temporalio.converter import PayloadCodec
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails, _workflow
from temporalio.worker.workflow_sandbox import RestrictedWorkflowAccessError, SandboxRestrictions

import gateway
from config.codec import first_keys
from worker import passing_runner
from workflows.order import OrderWorkflow
from workflows.sandbox import (
    UNWRAPPED,
    BundlingRunner,
    ContextFreeRunner,
    OwnContextRunner,
    skip_idle_walks,
    treats_all_alike,
)


class Codec(PayloadCodec):
    """One that might treat the payloads of each activity differently."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)


def test_workers_ask_no_workflow_what_its_payloads_are_for() -> None:
    assert treats_all_alike(gateway.DATA_CONVERTER)
    assert isinstance(passing_runner(), ContextFreeRunner)


def test_a_codec_is_told_what_each_payload_is_for() -> None:
    runner = passing_runner(replace(gateway.DATA_CONVERTER, payload_codec=Codec()))
    assert not isinstance(runner, ContextFreeRunner | OwnContextRunner)
    assert runner.restrictions == ContextFreeRunner().restrictions.with_passthrough_all_modules()


def test_our_codec_asks_only_whose_payload_it_is() -> None:
    keys = first_keys(b"name", b"k" * 32)
    assert isinstance(passing_runner(gateway.converter_of(keys)), OwnContextRunner)


def test_every_payload_of_a_workflow_is_its_own() -> None:
    """`OwnContextRunner` would seal for the parent what a child must open."""
    others = re.compile(r"child_workflow|external_workflow|nexus")
    files = sorted((Path(__file__).parents[1] / "workflows").glob("*.py"))
    assert [file.name for file in files if others.search(file.read_text(encoding="utf-8"))] == []


def test_no_workflow_compares_with_a_restricted_class() -> None:
    """`isinstance` unwraps none in our sandbox, and would raise."""
    restricted = SandboxRestrictions.invalid_module_members_default.children
    found = []
    for file in sorted((Path(__file__).parents[1] / "workflows").glob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module in restricted]
        names = {alias.asname or alias.name for node in imports for alias in node.names} | {*restricted}
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) in UNWRAPPED]
        used = {name.id for call in calls for name in ast.walk(call.args[1]) if isinstance(name, ast.Name)}
        found += [(file.name, name) for name in used & names]
    assert found == []


def _forbidden() -> str:
    return input()


async def test_forbidden_calls_stay_forbidden() -> None:
    made: list[Any] = []

    class Kept(BundlingRunner):
        def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
            instance = super().create_instance(det)
            made.append(instance)
            return instance

    Kept(restrictions=passing_runner().restrictions).prepare_workflow(
        workflow._Definition.must_from_class(OrderWorkflow)
    )
    importer = made[0]._sandboxed.importer
    importer.restriction_context.is_runtime = True
    with importer.applied(), pytest.raises(RestrictedWorkflowAccessError):
        _forbidden()


# --- walks -----------------------------------------------------------------------------------------------


class Doubling(Codec):
    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [Payload(data=payload.data * 2) for payload in payloads]

    decode = encode


def _activation(payload: Payload) -> WorkflowActivation:
    signal = SignalWorkflow(signal_name="x", input=[payload])
    return WorkflowActivation(jobs=[WorkflowActivationJob(signal_workflow=signal)])


def _completion(payload: Payload) -> WorkflowActivationCompletion:
    done = CompleteWorkflowExecution(result=payload)
    return WorkflowActivationCompletion(
        successful=Success(commands=[WorkflowCommand(complete_workflow_execution=done)])
    )


async def test_payloads_are_walked_through_only_for_a_codec() -> None:
    skip_idle_walks()
    plain, coded = gateway.DATA_CONVERTER, replace(gateway.DATA_CONVERTER, payload_codec=Doubling())
    # Without a storage the SDK fails each task that meets this, again and again; the workflow refuses it instead.
    stored = Payload(metadata={"__temporal_external_storage_reference": b"true"}, data=b"x")
    for converter, data in ((plain, b"x"), (coded, b"xx")):
        payload = stored if converter is plain else Payload(data=b"x")
        activation, completion = _activation(payload), _completion(payload)
        await bridge.decode_activation(activation, converter, False, 1)
        await bridge.encode_completion(completion, converter, False, 1)
        assert activation.jobs[0].signal_workflow.input[0].data == data
        assert completion.successful.commands[0].complete_workflow_execution.result.data == data


def test_the_sdk_looks_for_its_walks_where_they_are_replaced() -> None:
    source = inspect.getsource(_workflow)
    for name in ("decode_activation", "encode_completion"):
        assert source.count(name) == source.count(f"temporalio.bridge.worker.{name}(") == 1
