"""One comparison of a day: fetch the statement, compare, and show the breaks. That of our own orders seals the books
and proves them.

A Temporal Schedule starts one a day for each rail, each channel, and our own books (`starter.py reconcile --schedule`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.reconciliation import Fetched, ProvenBooks, ReconciliationActivities
    from core.errors import final_error_names
    from core.ids import RECONCILIATION_WORKFLOW
    from core.reading import read
    from core.reasons import Refusal
    from core.reconciliation.lines import Comparison, Summary
    from core.reconciliation.viewing import details_of
    from workflows.running import raise_refusal
    from workflows.starting import first_argument

FETCHING = timedelta(minutes=5)
FETCHED_WITHIN = timedelta(hours=2)
"""For all tries; after that, both sides are compared with the stored days."""
COMPARING = timedelta(minutes=30)
PROVING = timedelta(hours=1)
"""The first comparison and the first proof read the whole books."""
PROVEN_WITHIN = timedelta(hours=6)
"""For all tries; the next day proves again."""
RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    maximum_interval=timedelta(minutes=5),
    non_retryable_error_types=final_error_names(),
)


@workflow.defn(name=RECONCILIATION_WORKFLOW)
class ReconciliationWorkflow:
    """Compares two sides of the money."""

    def __init__(self) -> None:
        self._summary: Summary | None = None

    @workflow.run
    async def run(self, *bodies: Any) -> dict[str, Any]:
        """Fetch, compare, and return the summary; breaks and broken proofs do not fail the workflow."""
        asked = _read(bodies)
        not_fetched = await self._fetch(asked)
        self._summary = await workflow.execute_activity_method(
            ReconciliationActivities.compare,
            asked,
            start_to_close_timeout=COMPARING,
            retry_policy=RETRY,
            summary=f"compare {asked.scope}/{asked.name}",
        )
        workflow.set_current_details(details_of(self._summary, not_fetched))
        answer = {**self._summary.model_dump(mode="json"), "not_fetched": not_fetched}
        if asked.scope != "orders":
            return answer
        proven = await self._prove()
        workflow.set_current_details(details_of(self._summary, not_fetched, proven))
        return {**answer, "proofs": proven}

    async def _prove(self) -> dict[str, Any]:
        """What the proofs of the books found; `not_proven` says why they could not be read."""
        try:
            found: ProvenBooks = await workflow.execute_activity_method(
                ReconciliationActivities.prove_books,
                start_to_close_timeout=PROVING,
                schedule_to_close_timeout=PROVEN_WITHIN,
                retry_policy=RETRY,
                summary="prove the books",
            )
        except ActivityError as error:
            return {"not_proven": str(error.cause or error)}
        return found.model_dump(mode="json")

    async def _fetch(self, asked: Comparison) -> str | None:
        """Why there is no statement of these days, as a sentence; None if there is one, or none is offered at all."""
        try:
            fetched: Fetched = await workflow.execute_activity_method(
                ReconciliationActivities.fetch_statements,
                asked,
                start_to_close_timeout=FETCHING,
                schedule_to_close_timeout=FETCHED_WITHIN,
                retry_policy=RETRY,
                summary=f"statements of {asked.scope}/{asked.name}",
            )
        except ActivityError as error:
            return str(error.cause or error)
        return None if fetched.offered or asked.scope in {"withdrawals", "orders"} else "it offers no statements"

    @workflow.query(description="What was found")
    def summary(self) -> dict[str, Any]:
        """The summary as JSON; empty while it is not known."""
        return self._summary.model_dump(mode="json") if self._summary is not None else {}


def _read(bodies: Sequence[Any]) -> Comparison:
    """What to compare; a schedule's fixed input has no time, so the workflow's time is used."""
    body = first_argument(bodies)
    asked = read(Comparison, {"now": workflow.now(), **body} if isinstance(body, dict) else body)
    if isinstance(asked, Refusal):
        raise_refusal(asked)
    return asked
