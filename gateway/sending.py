"""Sends commands to a running workflow: an Update gets an answer, a Signal does not."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

from temporalio.client import Client, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.service import RPCError

from core.audit.masking import mask_scans
from core.errors import Refused, Unavailable
from core.ids import withdrawal_workflow_id
from core.messages import RecheckWithdrawal, ReportScan
from gateway.refusals import refusal_in, refuse_large, unreached

ANSWER_WITHIN = timedelta(seconds=30)


async def send(client: Client, workflow_id: str, verb: str, body: dict[str, Any]) -> dict[str, Any]:
    """Send a command as an Update and wait for its answer.

    Raises:
        Refused: with the reason code; `malformed` if it is too large; `order_over` or `withdrawal_over` if the workflow
            has ended, `not_running` if it never existed. A retry does not help.
        Unavailable: no answer in time; a retry with the same command id helps and changes nothing twice.
    """
    handle, body = client.get_workflow_handle(workflow_id), sendable(verb, body)
    try:
        async with answered(workflow_id, body):
            answer = await handle.execute_update(verb, body, rpc_timeout=ANSWER_WITHIN)
    except RPCError as error:
        raise await unreached(error, handle) from None
    return dict(answer)


@asynccontextmanager
async def answered(workflow_id: str, body: dict[str, Any]) -> AsyncIterator[None]:
    """An update is answered within our limit, or fails in our words."""
    try:
        # The SDK repeats the request until a worker has accepted the update, each time with that limit.
        async with asyncio.timeout(ANSWER_WITHIN.total_seconds()):
            yield
    except WorkflowUpdateFailedError as error:
        raise refusal_in(error) from None
    except (WorkflowUpdateRPCTimeoutOrCancelledError, TimeoutError):
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            # The SDK raises the same error for a lost answer and a cancelled caller: keep them apart.
            raise asyncio.CancelledError from None
        raise Unavailable(
            f"{workflow_id} did not answer within {ANSWER_WITHIN.seconds} s: is a worker running? The command may "
            f"still be applied; sent again under its command id {body.get('command_id')} it counts once."
        ) from None


def sendable(verb: str, body: dict[str, Any]) -> dict[str, Any]:
    """A command without the names and phones of couriers, because the order's history stores it.

    Raises:
        Refused: it is larger than the service can deliver.
    """
    refuse_large(body)
    return mask_scans(body) if verb == ReportScan.verb else body


async def signal(client: Client, workflow_id: str, verb: str, body: dict[str, Any]) -> None:
    """Send a command as a Signal; its answer appears in the journal.

    Raises:
        Refused: as `send`, if no such workflow runs or the command is too large.
        Unavailable: Temporal did not answer; a retry with the same command id helps.
    """
    handle, body = client.get_workflow_handle(workflow_id), sendable(verb, body)
    try:
        await handle.signal(verb, body)
    except RPCError as error:
        raise await unreached(error, handle) from None


async def recheck_withdrawal(client: Client, withdrawal_id: str) -> None:
    """Let a withdrawal check again whether it may go on: its account was suspended, or its merchant owed money.

    A withdrawal that has ended ignores it. Without this call each checks by itself every few hours.

    Raises:
        Unavailable: Temporal did not answer; a retry helps.
    """
    body = {"command_id": f"recheck-{uuid.uuid4()}", "actor": {"role": "system", "id": "accounts"}}
    with suppress(Refused):
        await signal(client, withdrawal_workflow_id(withdrawal_id), RecheckWithdrawal.verb, body)
