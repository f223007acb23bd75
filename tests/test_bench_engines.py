"""The happy order as a client of each engine sends it: every message to an order that is at rest."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from temporalio.api.workflow.v1 import PendingActivityInfo, PendingWorkflowTaskInfo
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse

import gateway
from bench.engines import Peer, Product, parked

AT_WORK = DescribeWorkflowExecutionResponse(pending_workflow_task=PendingWorkflowTaskInfo())
IN_AN_ACTIVITY = DescribeWorkflowExecutionResponse(pending_activities=[PendingActivityInfo()])
AT_REST = DescribeWorkflowExecutionResponse()


class Workflow:
    """A workflow as the server describes it, one look after the other; a client that has no other."""

    def __init__(self, *looks: DescribeWorkflowExecutionResponse) -> None:
        self.happened: list[str] = []
        self._looks: Iterator[DescribeWorkflowExecutionResponse] = iter(looks)

    async def describe(self) -> Any:
        self.happened.append("look")
        return SimpleNamespace(raw_description=next(self._looks))

    async def start_workflow(self, *_: Any, **__: Any) -> None:
        self.happened.append("start")

    async def execute_update(self, verb: str, *_: Any) -> None:
        self.happened.append(verb)

    async def signal(self, verb: str) -> None:
        self.happened.append(verb)

    def get_workflow_handle(self, _: str) -> Any:
        return self

    async def fetchval(self, *_: Any) -> int:
        """What the client of a bench reads from the database: it is so."""
        return 1


async def test_an_order_is_at_rest_once_it_has_neither_task_nor_activity() -> None:
    workflow: Any = Workflow(AT_WORK, IN_AN_ACTIVITY, AT_WORK, AT_REST)
    await parked(workflow)
    assert workflow.happened == ["look"] * 4


@pytest.mark.parametrize("name", ["product", "bare", "base"])
async def test_each_message_waits_until_the_order_is_at_rest(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    workflow: Any = Workflow(AT_WORK, AT_REST, AT_WORK, AT_REST)

    async def start(*_: Any) -> None:
        await workflow.start_workflow()

    async def send(_client: Any, _workflow_id: str, verb: str, _body: Any) -> None:
        workflow.happened.append({"report_shipment": "ship", "confirm_receipt": "confirm"}[verb])

    async def scan(_: str) -> None:
        """The parcel is there already."""

    monkeypatch.setattr(gateway, "start_order", start)
    monkeypatch.setattr(gateway, "send", send)
    pool: Any = workflow
    engine = Product(workflow, pool, scan) if name == "product" else Peer(name, workflow, pool, scan)
    await engine.start("o-1")
    await engine.ship("o-1")
    await engine.confirm("o-1")
    assert workflow.happened == ["start", "look", "look", "ship", "look", "look", "confirm"]
