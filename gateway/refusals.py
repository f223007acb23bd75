"""Translates failures of Temporal and of workflows: refused, unavailable, not running."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from pydantic_core import to_json
from temporalio.client import (
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowUpdateFailedError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from core.budgets import COMMAND_WEIGHS
from core.errors import Refused, Unavailable
from core.reasons import SENTENCES

_ENDED_FROM_OUTSIDE = frozenset(
    {WorkflowExecutionStatus.TERMINATED, WorkflowExecutionStatus.CANCELED, WorkflowExecutionStatus.TIMED_OUT}
)

TASK_FAILS = "Workflow Task in failed state"
"""So the service refuses a query or an update while a workflow's task fails, as after code that does not replay."""


@contextmanager
def in_our_words(workflow_id: str = "") -> Iterator[None]:
    """Turns a Temporal error from the block into `Unavailable`, or into `Refused` if there is no such workflow."""
    try:
        yield
    except RPCError as error:
        raise _named(error, workflow_id) from None


def refuse_large(body: object) -> None:
    """Raise if this is larger than the service can deliver to a workflow.

    Temporal accepts an update of up to 4 MB, but its delivery fails again and again, and the workflow then answers no
    one.

    Raises:
        Refused: `malformed`, with the size and the limit.
    """
    weight = len(to_json(body, serialize_unknown=True))
    if weight > COMMAND_WEIGHS:
        raise Refused("malformed", f"It has {weight:,} bytes, at most {COMMAND_WEIGHS:,} are taken: send it in parts.")


async def refuse_if_failed(handle: WorkflowHandle[Any, Any]) -> None:
    """Raise if a workflow has failed, or has ended with a refusal as its result.

    Raises:
        Refused: with the reason code; `not_running` if it was ended from outside.
        Unavailable: Temporal did not answer; a retry helps.
    """
    try:
        with in_our_words(handle.id):
            status = (await handle.describe()).status
            if status == WorkflowExecutionStatus.FAILED:
                await handle.result()
            refusal = await refused_result(handle) if status == WorkflowExecutionStatus.COMPLETED else None
    except WorkflowFailureError as error:
        raise refusal_in(error) from None
    if refusal is not None:
        raise refusal
    if status in _ENDED_FROM_OUTSIDE:
        raise Refused("not_running", f"The workflow {handle.id} was ended: {status.name.lower()}.")


async def refused_result(handle: WorkflowHandle[Any, Any]) -> Refused | None:
    """The refusal with which a completed workflow ended; None where it was none."""
    result = await handle.result()
    found = result.get("refusal") if isinstance(result, dict) else None
    return Refused(found["code"], found["message"], found.get("field")) if found else None


def refusal_in(error: WorkflowUpdateFailedError | WorkflowFailureError) -> Refused:
    """The refusal that a failed update or workflow carries: its type is the reason code."""
    cause = error.cause
    if isinstance(cause, ApplicationError):
        details = cause.details[0] if cause.details and isinstance(cause.details[0], dict) else {}
        return Refused(cause.type or "malformed", cause.message, details.get("field"))
    return Refused("malformed", str(cause))


async def unreached(error: RPCError, handle: WorkflowHandle[Any, Any]) -> Exception:
    """Why a command reached no workflow: it has ended, never existed, or Temporal does not answer."""
    if error.status == RPCStatusCode.NOT_FOUND:
        with suppress(RPCError):
            if (await handle.describe()).status == WorkflowExecutionStatus.COMPLETED:
                code = "withdrawal_over" if handle.id.startswith("withdrawal-") else "order_over"
                return Refused(code, SENTENCES[code])
    return _named(error, handle.id)


def _named(error: RPCError, workflow_id: str) -> Exception:
    if error.status == RPCStatusCode.NOT_FOUND:
        return Refused("not_running", f"No workflow {workflow_id} runs.")
    if TASK_FAILS in error.message:
        return Unavailable(
            f"{workflow_id} cannot answer: its workflow task fails. `python starter.py doctor` says why; the same "
            "again helps once that is mended."
        )
    return Unavailable(f"Temporal did not answer: {error.message}")
