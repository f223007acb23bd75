"""Whether a worker without keys would meet sealed payloads."""

from __future__ import annotations

import logging
from datetime import timedelta

from temporalio.client import Client
from temporalio.service import RPCError

from core.errors import Misconfigured
from core.ids import ORDER_WORKFLOW, WITHDRAWAL_WORKFLOW
from gateway.codec import why_unopened

LOOKED_AT = 5
ANSWER_WITHIN = timedelta(seconds=10)
_OURS = f'WorkflowType IN ("{ORDER_WORKFLOW}", "{WITHDRAWAL_WORKFLOW}") AND ExecutionStatus = "Running"'

log = logging.getLogger("dakuan.worker")


async def refuse_sealed(client: Client) -> None:
    """Refuse to work without keys where one of the newest open orders and withdrawals was sealed at its start.

    Without any key, a payload that we sealed looks like a forged one, and both are refused. A setting that was
    forgotten would then end orders and lose commands.

    Raises:
        Misconfigured: one was.
    """
    if client.data_converter.payload_codec is not None:
        return
    try:
        async for one in client.list_workflows(_OURS, limit=LOOKED_AT, rpc_timeout=ANSWER_WITHIN):
            if await _is_sealed(client, one.id, one.run_id):
                raise Misconfigured(
                    f"DAKUAN_CODEC_KEYS is not set, and {one.id}, which is open, was sealed: set it to the file that "
                    "the other processes have"
                )
    except RPCError as error:
        log.warning("Temporal did not say whether payloads are sealed: %s", error.message)


async def _is_sealed(client: Client, workflow_id: str, run_id: str) -> bool:
    handle = client.get_workflow_handle(workflow_id, run_id=run_id)
    first = await anext(handle.fetch_history_events(page_size=1, rpc_timeout=ANSWER_WITHIN))
    given = first.workflow_execution_started_event_attributes.input.payloads
    return any(why_unopened(payload) is not None for payload in given)
