"""A program that is cancelled stops, at every kind of wait."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio.client import Client, WorkflowUpdateRPCTimeoutOrCancelledError
from waiting import WITHIN

import gateway
from core.errors import Unavailable


class _Silent:
    """A workflow that does not answer; cancelled, it raises what the SDK's own handle raises."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def execute_update(self, *_: Any, **__: Any) -> None:
        try:
            await asyncio.sleep(self._seconds)
        except asyncio.CancelledError as error:
            raise WorkflowUpdateRPCTimeoutOrCancelledError from error
        raise WorkflowUpdateRPCTimeoutOrCancelledError


def _asking(seconds: float) -> asyncio.Task[dict[str, Any]]:
    handle = _Silent(seconds)
    client = cast(Client, SimpleNamespace(get_workflow_handle=lambda _: handle))
    return asyncio.create_task(gateway.send(client, "order-A1", "confirm_receipt", {}))


async def test_a_send_that_is_called_off_is_not_taken_for_a_lost_answer() -> None:
    asking = _asking(60)
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_a_send_without_an_answer_may_be_made_again() -> None:
    with pytest.raises(Unavailable, match="is a worker running"):
        await _asking(0)


async def test_a_send_ends_in_its_time_although_the_service_asks_for_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a worker the service answers "not yet" before a request's own limit, and the SDK asks again."""
    monkeypatch.setattr("gateway.sending.ANSWER_WITHIN", timedelta(milliseconds=50))
    with pytest.raises(Unavailable, match="is a worker running"):
        await asyncio.wait_for(_asking(2 * WITHIN), WITHIN)
