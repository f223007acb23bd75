"""Sets workflows back to an earlier moment: after a restore of the database they are ahead of the books.

Temporal repeats the events of a workflow up to the last decision before the moment, and gives it the commands that came
since again. No worker is needed for it. Each decision since then is made anew, on what the books know now.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client

from core.account_drop.state import ACCOUNT_DROP_WORKFLOW
from core.ids import ORDER_WORKFLOW, PAYMENT_RETURN_WORKFLOW, WITHDRAWAL_WORKFLOW
from gateway.refusals import in_our_words
from gateway.sightings import last_event_at

MARGIN = timedelta(seconds=2)
"""The clocks of database and Temporal may differ; a workflow that is set back too far follows the register."""
ANSWER_WITHIN = timedelta(seconds=10)
REASON = "the database was restored to an earlier moment"
_KINDS = (ORDER_WORKFLOW, WITHDRAWAL_WORKFLOW, ACCOUNT_DROP_WORKFLOW, PAYMENT_RETURN_WORKFLOW)
_DECIDED = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED


class Ahead(NamedTuple):
    """A workflow that decided something after the moment, and the event that it is set back to."""

    workflow_id: str
    run_id: str
    event_id: int


async def moved_since(client: Client, moment: datetime) -> AsyncIterator[str]:
    """The ids of the workflows that may have decided something since: all that run, and those that ended since.

    Raises:
        Unavailable: Temporal did not answer; a retry helps.
    """
    kinds = " OR ".join(f"WorkflowType = '{kind}'" for kind in _KINDS)
    since = (moment - MARGIN).astimezone(UTC).isoformat()
    found: set[str] = set()
    with in_our_words():
        async for one in client.list_workflows(f"({kinds}) AND (CloseTime IS NULL OR CloseTime >= '{since}')"):
            if one.id not in found:
                found.add(one.id)
                yield one.id


async def ahead_of(client: Client, workflow_id: str, moment: datetime) -> Ahead | None:
    """Where this workflow must be set back to; None: it has decided nothing since the moment.

    Raises:
        Refused: `not_running`: Temporal does not know it.
        Unavailable: Temporal did not answer; a retry helps.
    """
    since = moment - MARGIN
    with in_our_words(workflow_id):
        if await last_event_at(client, workflow_id) < since:
            return None
        run_id, found = await _newest_run(client, workflow_id), None
        while True:
            first, decided = await _read(client, workflow_id, run_id, since)
            if decided is None:
                return found
            found = Ahead(workflow_id, run_id, decided)
            # A run that continues another began with its state, which may be ahead, too.
            run_id = first.workflow_execution_started_event_attributes.continued_execution_run_id
            if not run_id or _at(first) < since:
                return found


async def _newest_run(client: Client, workflow_id: str) -> str:
    return (await client.get_workflow_handle(workflow_id).describe(rpc_timeout=ANSWER_WITHIN)).run_id


async def _read(client: Client, workflow_id: str, run_id: str, since: datetime) -> tuple[HistoryEvent, int | None]:
    """A run's first event, and the id of its first decision since."""
    first: HistoryEvent | None = None
    async for event in client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history_events():
        first = first or event
        if event.event_type == _DECIDED and _at(event) >= since:
            return first, event.event_id
    assert first is not None  # every run has started
    return first, None


def _at(event: HistoryEvent) -> datetime:
    return event.event_time.ToDatetime(UTC)


async def set_back(client: Client, one: Ahead) -> None:
    """Set it back. A run of this workflow that still runs is ended.

    Raises:
        Refused: `not_running`: Temporal does not know it.
        Unavailable: Temporal did not answer; a retry helps, and sets it back again where it had worked.
    """
    request = ResetWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=one.workflow_id, run_id=one.run_id),
        reason=REASON,
        workflow_task_finish_event_id=one.event_id,
        request_id=str(uuid.uuid4()),
    )
    with in_our_words(one.workflow_id):
        await client.workflow_service.reset_workflow_execution(request, timeout=ANSWER_WITHIN)
