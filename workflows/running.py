"""How a workflow runs activities, ignores cancellation, and refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import Any, NoReturn, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from core.reasons import Refusal

A = TypeVar("A")
P = TypeVar("P")
R = TypeVar("R")

QUICK = timedelta(seconds=3)
"""A local activity that takes longer is run again as a regular one, which people can see."""
QUICK_RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=100), maximum_attempts=3)
PATIENT = timedelta(seconds=30)
PATIENT_RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1))
"""It never ends: a posting is repeated until the ledger answers. Its answers, refusals included, are values."""


async def run_local(activity: Callable[[A, P], Awaitable[R]], request: P, summary: str) -> R:
    """Run a ledger or register activity as a local one; if that takes long or fails, as a regular one."""
    try:
        return await workflow.execute_local_activity_method(
            activity, request, schedule_to_close_timeout=QUICK, retry_policy=QUICK_RETRY, summary=summary
        )
    except FailureError as error:  # a local activity's failure is not wrapped, a regular one's is in an ActivityError
        if is_cancelled_exception(error):
            raise
    return await run_durable(activity, request, summary)


async def try_local(activity: Callable[[A, P], Awaitable[R]], request: P, summary: str) -> R | None:
    """Run a local activity that nothing may wait for; None if that takes long or fails."""
    try:
        return await workflow.execute_local_activity_method(
            activity, request, schedule_to_close_timeout=QUICK, retry_policy=QUICK_RETRY, summary=summary
        )
    except FailureError as error:
        if is_cancelled_exception(error):
            raise
    return None


async def run_durable(activity: Callable[[A, P], Awaitable[R]], request: P, summary: str) -> R:
    """Run a ledger or register activity once the decision for it stands in the history.

    A local activity runs before its decision is in the history. If the worker then dies, the decision is made again,
    and a command that arrived in between may change it.
    """
    return await workflow.execute_activity_method(
        activity, request, start_to_close_timeout=PATIENT, retry_policy=PATIENT_RETRY, summary=summary
    )


async def ignoring_cancellation(story: Coroutine[Any, Any, R], asked: Callable[[], None]) -> R:
    """Run a story to its end even if the workflow is cancelled: otherwise its money would stay where it is.

    Args:
        asked: called for each cancellation request.
    """
    living = asyncio.create_task(story)
    while not living.done():
        try:
            await asyncio.wait([living])
        except asyncio.CancelledError:  # also if a worker evicts the workflow, and cancels its tasks one by one
            if workflow.cancellation_reason() is not None:
                asked()
    return living.result()


def raise_refusal(refusal: Refusal) -> NoReturn:
    """Fail an update or a workflow with its reason code as the failure's type. The client gets no stack trace.

    Raises:
        ApplicationError: always; a retry does not help.
    """
    details = refusal.model_dump(exclude_none=True)
    raise ApplicationError(refusal.message, details, type=refusal.code, non_retryable=True) from None
