"""What Temporal knows of the newest orders and withdrawals, and of the last proof: to compare with the database."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.client import WorkflowExecution as Listed
from temporalio.service import RPCError, RPCStatusCode

from core.ids import ORDER_WORKFLOW, RECONCILIATION_WORKFLOW, WITHDRAWAL_WORKFLOW, reconciliation_workflow_id
from gateway.refusals import in_our_words

ANSWER_WITHIN = timedelta(seconds=10)
_PHASES = {ORDER_WORKFLOW: "OrderPhase", WITHDRAWAL_WORKFLOW: "WithdrawalState"}


class Sighting(NamedTuple):
    """An order's or a withdrawal's workflow as Temporal's list has it. `phase` is one that the register had before."""

    workflow_id: str
    phase: str
    runs: bool


async def newest(client: Client, limit: int) -> list[Sighting]:
    """The workflows that began last and run, and those that ended last: at most `limit` of each. The list lags behind.

    Raises:
        Unavailable: Temporal did not answer; a retry helps.
    """
    kinds = " OR ".join(f"WorkflowType = '{kind}'" for kind in _PHASES)
    listed: list[Listed] = []
    with in_our_words():
        for state in ("Running", "Completed"):
            query = f"({kinds}) AND ExecutionStatus = '{state}'"
            listed += [one async for one in client.list_workflows(query, limit=limit, rpc_timeout=ANSWER_WITHIN)]
    return [seen for one in listed if (seen := _sighting(one)) is not None]


async def sighting(client: Client, workflow_id: str) -> Sighting | None:
    """The newest run of a workflow as it is now: the list lags, and has earlier runs, too. None: Temporal does not know
    it, or it waits for its opening.

    Raises:
        Unavailable: Temporal did not answer; a retry helps.
    """
    with in_our_words(workflow_id):
        try:
            return _sighting(await client.get_workflow_handle(workflow_id).describe(rpc_timeout=ANSWER_WITHIN))
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            return None


def _sighting(one: Listed) -> Sighting | None:
    phases = one.search_attributes.get(_PHASES.get(one.workflow_type, ""), ())
    if not phases:
        return None  # it waits for its opening: the register need not know it
    return Sighting(one.id, str(phases[0]), one.status == WorkflowExecutionStatus.RUNNING)


async def last_event_at(client: Client, workflow_id: str) -> datetime:
    """When something last happened in a workflow.

    Raises:
        Refused: `not_running`: Temporal does not know it.
        Unavailable: Temporal did not answer; a retry helps.
    """
    request = GetWorkflowExecutionHistoryReverseRequest(
        namespace=client.namespace, execution=WorkflowExecution(workflow_id=workflow_id), maximum_page_size=1
    )
    with in_our_words(workflow_id):
        answer = await client.workflow_service.get_workflow_execution_history_reverse(request, timeout=ANSWER_WITHIN)
    return answer.history.events[0].event_time.ToDatetime(UTC)


async def last_proof(client: Client) -> Mapping[str, Any] | None:
    """What the last daily comparison of orders said of the books: `head`, `cluster`, `broken`; None: there was none.

    Raises:
        Unavailable: Temporal did not answer; a retry helps.
    """
    of_orders = reconciliation_workflow_id("orders", "books")
    query = (
        f"WorkflowType = '{RECONCILIATION_WORKFLOW}' AND ExecutionStatus = 'Completed'"
        f" AND WorkflowId STARTS_WITH '{of_orders}'"
    )
    with in_our_words():
        async for one in client.list_workflows(query, limit=1, rpc_timeout=ANSWER_WITHIN):
            answer = await client.get_workflow_handle(one.id, run_id=one.run_id).result()
            proofs = answer.get("proofs") if isinstance(answer, dict) else None
            return proofs if isinstance(proofs, dict) and "head" in proofs else None
    return None
