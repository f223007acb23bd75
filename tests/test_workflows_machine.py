"""The machine: what a workflow has because its core has it, so that a new verb touches no file in `workflows/`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from temporalio import workflow
from temporalio.client import WorkflowFailureError
from temporalio.worker import Worker
from waiting import WITHIN
from withdrawal_driver import asked
from withdrawal_stage import WithdrawalStage

import gateway
from core.errors import Refused
from core.fields import Id
from core.messages import ORDER_COMMANDS, WITHDRAWAL_COMMANDS, Command
from core.reading import Unreadable
from core.reasons import refuse
from core.withdrawal import commands, views
from core.withdrawal.opening import begin
from core.withdrawal.policy import WithdrawalPolicy
from core.withdrawal.state import WithdrawalState
from workflows.account_drop import AccountDropWorkflow
from workflows.machine import Machine, single_argument
from workflows.order import OrderWorkflow
from workflows.starting import first_argument, start_options
from workflows.withdrawal import WithdrawalWorkflow

WORKFLOWS = Path(__file__).parent.parent / "workflows"
MACHINES: Mapping[type[Machine[Any]], Mapping[str, type[Command]]] = {
    OrderWorkflow: ORDER_COMMANDS,
    AccountDropWorkflow: {},
    WithdrawalWorkflow: WITHDRAWAL_COMMANDS,
}


class Praise(Command):
    """Somebody is pleased.

    This line is for readers of the schema.
    """

    verb: ClassVar[str] = "praise"
    whom: Id


@workflow.defn(name="Praised")
class Praised(Machine[WithdrawalState], commands={**WITHDRAWAL_COMMANDS, "praise": Praise}):
    """A workflow whose core learned a verb."""

    def __init__(self) -> None:
        super().__init__(commands, views)

    @workflow.run
    async def run(self) -> None:
        """Nothing to live."""


@workflow.defn(name="Lost", sandboxed=False)
class Lost(Machine[WithdrawalState], commands=WITHDRAWAL_COMMANDS):
    """A workflow that finds out, while a command waits to be decided, that there is nothing left to follow."""

    def __init__(self) -> None:
        super().__init__(commands, views)

    @workflow.run
    async def run(self) -> None:
        """Fails while it holds what the command waits for."""
        self._state = begin(asked(), WithdrawalPolicy(), workflow.now())
        await self._whole(self._live())

    async def _live(self) -> None:
        async with self._one_command:
            await workflow.wait_condition(lambda: self._undecided > 0)
            self._fail(refuse("unknown_order", "w-1"))


def _definition(machine: type[Machine[Any]]) -> workflow._Definition:
    return workflow._Definition.must_from_class(machine)


@pytest.mark.parametrize("machine", MACHINES)
def test_each_command_is_an_update_that_says_what_it_is_for(machine: type[Machine[Any]]) -> None:
    updates = _definition(machine).updates
    known = {name: update.description for name, update in updates.items() if name}
    assert known == {verb: command.purpose() for verb, command in MACHINES[machine].items()}
    assert all(said and said.endswith(".") for said in known.values())


@pytest.mark.parametrize("machine", MACHINES)
def test_unknown_verbs_reach_a_handler_and_any_signal_does(machine: type[Machine[Any]]) -> None:
    definition = _definition(machine)
    assert definition.updates[None].validator is not None
    assert set(definition.signals) == {None}
    assert {"journal", "holds"} < set(definition.queries)


def test_a_verb_that_the_core_learns_is_an_update_at_once() -> None:
    updates = _definition(Praised).updates
    assert updates["praise"].description == "Somebody is pleased."
    assert set(updates) == {None, "praise", *WITHDRAWAL_COMMANDS}


def test_no_verb_is_named_in_the_workflows() -> None:
    verbs = {f'"{verb}"' for verb in (*ORDER_COMMANDS, *WITHDRAWAL_COMMANDS)}
    for path in WORKFLOWS.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert [verb for verb in verbs if verb in text] == [], path.name


def test_an_update_takes_one_argument() -> None:
    assert single_argument(({"a": 1},)) == {"a": 1}
    assert isinstance(single_argument(()), Unreadable)
    assert isinstance(single_argument((1, 2)), Unreadable)


def test_a_start_without_an_argument_is_refused() -> None:
    assert first_argument(({"a": 1}, {"rescue": True})) == {"a": 1}
    assert isinstance(first_argument(()), Unreadable)


def test_only_an_object_says_how_to_start() -> None:
    assert start_options(({}, {"rescue": True})) == {"rescue": True}
    others: list[tuple[Any, ...]] = [(), ({},), ({}, "rescue"), ({}, None)]
    assert [start_options(bodies) for bodies in others] == [{}] * 4


async def test_a_workflow_that_fails_answers_the_command_that_waits_for_it(money_stage: WithdrawalStage) -> None:
    """With the reason, and soon: neither the workflow nor the command waits for the other."""
    client, queue = money_stage.client, f"lost-{money_stage.number}"
    async with Worker(client, task_queue=queue, workflows=[Lost]):
        handle = await client.start_workflow("Lost", id=queue, task_queue=queue)
        with pytest.raises(Refused) as refused:
            await asyncio.wait_for(
                gateway.send(client, handle.id, "cancel", money_stage.command("merchant", "m-7")), WITHIN
            )
        with pytest.raises(WorkflowFailureError) as failed:
            await asyncio.wait_for(handle.result(), WITHIN)
    assert refused.value.code == "unknown_order"
    assert getattr(failed.value.cause, "type", None) == "unknown_order"
