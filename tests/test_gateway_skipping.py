"""Time is skipped for one workflow. It may end at the same moment; who skips time for many goes on to the next."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

import gateway
from bench.drills.lives import Life, go_on
from bench.faults import run
from commands.advance import skip
from commands.reading import Subject
from core.errors import DakuanError, Misconfigured, Refused, Unavailable
from demo.stage import Stage
from gateway import skipping
from ledger.register import Register
from local.client import WorldClient

DAY = timedelta(days=1)


class _Temporal:
    """One that answers with an error; of its workflow it knows how it ended."""

    id, status = "order-A1", WorkflowExecutionStatus.COMPLETED

    def get_workflow_handle(self, _: str) -> _Temporal:
        return self

    async def describe(self) -> _Temporal:
        return self


def temporal_that_says(monkeypatch: pytest.MonkeyPatch, status: RPCStatusCode, message: str) -> Client:
    async def fast_forward(*_: Any) -> bool:
        raise RPCError(message, status, b"")

    monkeypatch.setattr(skipping, "TimeSkipper", lambda _: SimpleNamespace(fast_forward=fast_forward))
    return cast(Client, _Temporal())


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    """The workflow has just ended; the list had it as running."""
    return temporal_that_says(monkeypatch, RPCStatusCode.NOT_FOUND, "workflow execution already completed")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (RPCStatusCode.NOT_FOUND, Refused),
        (RPCStatusCode.UNAVAILABLE, Unavailable),
        (RPCStatusCode.DEADLINE_EXCEEDED, Unavailable),
        (RPCStatusCode.UNIMPLEMENTED, Misconfigured),
        (RPCStatusCode.INVALID_ARGUMENT, Misconfigured),
    ],
    ids=lambda value: value.name if isinstance(value, RPCStatusCode) else "",
)
async def test_each_error_has_a_name(
    monkeypatch: pytest.MonkeyPatch, status: RPCStatusCode, error: type[DakuanError]
) -> None:
    with pytest.raises(error):
        await gateway.skip_time(temporal_that_says(monkeypatch, status, "no"), "order-A1", DAY)


async def test_an_operator_reads_that_it_has_just_ended(client: Client) -> None:
    with pytest.raises(Refused, match=r"order A1 has ended") as raised:
        await skip(client, Subject("A1", is_withdrawal=False), DAY)
    assert raised.value.code == "not_running"


async def test_a_drill_goes_on_where_a_withdrawal_has_just_ended(client: Client) -> None:
    async def row(_: str) -> Any:
        return SimpleNamespace(state_name="final")

    register = cast(Register, SimpleNamespace(withdrawals=SimpleNamespace(row=row)))
    order = Stage(client, cast(WorldClient, None), register, seed=1, tag="t").play(1)
    await go_on(Life("unknown", order))


async def test_days_that_a_withdrawal_does_not_need_are_no_fault(client: Client) -> None:
    shown = SimpleNamespace(show=lambda *_: None)
    scene = SimpleNamespace(client=client, facts=SimpleNamespace(skipped=0), board=shown)
    await run._let_pass(cast(Any, scene), "w-1", DAY)  # the step alone: a whole run takes minutes
    assert scene.facts.skipped == 1
