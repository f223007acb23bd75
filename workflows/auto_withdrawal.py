"""One automatic withdrawal of a merchant, started by a schedule: the available money, less what the plan keeps."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeKey

with workflow.unsafe.imports_passed_through():
    from activities.payout import PayoutActivities
    from activities.requests import ScheduledWithdrawalRequest
    from core.ids import AUTO_WITHDRAWAL_WORKFLOW
    from core.messages import AutomaticWithdrawals
    from core.money import format_minor
    from core.reading import read
    from core.reasons import Refusal
    from workflows.running import raise_refusal, run_durable
    from workflows.starting import first_argument

DUE_AT = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")
"""The schedule's nominal start time. The server sets it; a late start does not change it."""


@workflow.defn(name=AUTO_WITHDRAWAL_WORKFLOW)
class AutoWithdrawalWorkflow:
    """Starts one withdrawal, or says why none was started."""

    @workflow.run
    async def run(self, *bodies: Any) -> dict[str, Any]:
        """`{"due_at", "withdrawal_id"?, "amount_minor", "skipped"?: {code, message}}`."""
        plan = read(AutomaticWithdrawals, first_argument(bodies))
        if isinstance(plan, Refusal):
            raise_refusal(plan)
        due_at: datetime = workflow.info().typed_search_attributes.get(DUE_AT) or workflow.info().start_time
        request = ScheduledWithdrawalRequest(plan=plan, due_at=due_at, now=workflow.now())
        started = await run_durable(PayoutActivities.start_scheduled_withdrawal, request, "start the withdrawal")
        if started.skipped is not None:
            sentence = f"Nothing was withdrawn: `{started.skipped.code}`. {started.skipped.message}"
        else:
            sentence = f"{format_minor(started.amount_minor, plan.currency)} as `withdrawal-{started.withdrawal_id}`"
        workflow.set_current_details(sentence)
        return {"due_at": due_at.isoformat(), **started.model_dump(mode="json", exclude_none=True)}
