"""One penny drop: sent once, and looked up until it is known what became of it or nobody could use it any more."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.account_drops import AccountDropActivities
    from core.account_drops import ACCOUNT_DROP_WORKFLOW, AccountDrop, DropAnswer, look_after
    from workflows.running import run_durable, run_local


@workflow.defn(name=ACCOUNT_DROP_WORKFLOW)
class AccountDropWorkflow:
    """Sends a small amount to an account."""

    @workflow.run
    async def run(self, drop: AccountDrop) -> DropAnswer:
        """Where it stands in the end, or why nothing was sent."""
        opened = await run_local(AccountDropActivities.open_account_drop, drop, "write the drop down")
        if opened.over:
            return opened
        give_up_at = workflow.now() + drop.valid
        answer = await run_durable(AccountDropActivities.pay_account_drop, drop.key, f"pay {drop.key}")
        looks = 0
        while not answer.over and workflow.now() < give_up_at:
            workflow.set_current_details(
                f"Sent to `{drop.account_id}`, outcome `{answer.state}`: {looks} looks so far."
            )
            await workflow.sleep(look_after(looks), summary="look it up")
            looks += 1
            answer = await run_durable(AccountDropActivities.look_account_drop, drop.key, f"look {drop.key} up")
        if not answer.over:
            answer = await run_durable(AccountDropActivities.give_up_account_drop, drop.key, "give it up")
        return answer
