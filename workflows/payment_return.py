"""What no order claims of a payment, on its way back to the buyer: two people agreed, and the channel is asked.

The register and the books have it as owed before this starts, so that a start again finds what is left to do.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities.payments import PaymentActivities
    from activities.requests import CloseRest, RestRequest
    from core.errors import final_error_names
    from core.ids import PAYMENT_RETURN_WORKFLOW
    from core.reading import read
    from core.reasons import Refusal
    from workflows.running import raise_refusal, run_durable
    from workflows.starting import first_argument

SENT_WITHIN = timedelta(seconds=30)
"""One query of the channel."""
ASKING = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    maximum_interval=timedelta(minutes=5),
    non_retryable_error_types=final_error_names(),
)


@workflow.defn(name=PAYMENT_RETURN_WORKFLOW)
class PaymentReturnWorkflow:
    """Sends the rest of one payment back."""

    @workflow.run
    async def run(self, *bodies: Any) -> dict[str, Any]:
        """`{"return_id", "state", "message"?}`: `arrived` with the buyer, or `refused` by the channel."""
        request = read(RestRequest, first_argument(bodies))
        if isinstance(request, Refusal):
            raise_refusal(request)
        outcome = await workflow.execute_activity_method(
            PaymentActivities.pay_rest,
            request,
            start_to_close_timeout=SENT_WITHIN,
            retry_policy=ASKING,
            summary=f"refund {request.return_id} through its channel",
        )
        close = CloseRest(return_id=request.return_id, outcome=outcome, now=workflow.now())
        await run_durable(PaymentActivities.close_rest, close, "close the return")
        workflow.set_current_details(f"Return `{request.return_id}`: {outcome.state}. {outcome.message or ''}".strip())
        return {"return_id": request.return_id, **outcome.model_dump(mode="json", exclude_none=True)}
