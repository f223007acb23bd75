"""One withdrawal, from request to final or given back. The core decides; this waits and carries out.

`run` is the story. Technical limits stand at the top; business limits travel with the withdrawal in its policy.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.money import MoneyActivities
    from activities.withdrawal import WithdrawalActivities
    from core.ids import WITHDRAWAL_WORKFLOW
    from core.messages import WITHDRAWAL_COMMANDS, Resumption, Withdrawal
    from core.reading import read
    from core.reasons import Refusal
    from core.steps import Post
    from core.withdrawal import commands, views
    from core.withdrawal.deadlines import next_wake, pass_deadlines
    from core.withdrawal.opening import begin
    from core.withdrawal.page import details_of
    from core.withdrawal.payouts import PayoutResult
    from core.withdrawal.state import WithdrawalState
    from core.withdrawal.steps import Pay, Query, WithdrawalStep, finish, next_step
    from core.withdrawal.views import search_values, summary_of, withdrawal_view
    from workflows.machine import Machine
    from workflows.running import PATIENT_RETRY, ignoring_cancellation, raise_refusal, run_durable, run_local
    from workflows.starting import carried_state, first_argument, start_options

SENDING = timedelta(seconds=15)
"""One instruction or query, including the rail's own time limit. A killed worker's try is noticed after this time, too.
"""


@workflow.defn(name=WITHDRAWAL_WORKFLOW)
class WithdrawalWorkflow(Machine[WithdrawalState], commands=WITHDRAWAL_COMMANDS):
    """Money out, once."""

    def __init__(self) -> None:
        super().__init__(commands, views)

    # --- the story -------------------------------------------------------------------------------------

    @workflow.run
    async def run(self, *bodies: Any) -> dict[str, Any]:
        """Reserve, wait for approval, pay once, book the bank's outcome, and watch for a bank return."""
        return await ignoring_cancellation(self._live(bodies), self._note_cancellation)

    async def _live(self, bodies: Sequence[Any]) -> dict[str, Any]:
        await self._open(bodies)
        while True:
            await self._do_what_is_due()
            self._show()
            if self._withdrawal.over:
                await self._answer_all()
                if not self._changed:
                    break
            elif workflow.info().is_continue_as_new_suggested():
                await self._continue_as_new(self._withdrawal.withdrawal, known_as="withdrawal")
            else:
                await self._wait_until(next_wake(self._withdrawal))
        self._timer.stop()
        if self._withdrawal.refusal is not None:
            raise_refusal(self._withdrawal.refusal)
        return summary_of(self._withdrawal)

    async def _open(self, bodies: Sequence[Any]) -> None:
        self._state = carried_state(WithdrawalState, bodies, "withdrawal")
        if self._state is not None:
            return
        body, resumed = first_argument(bodies), start_options(bodies).get("resume") is True
        asked = read(Resumption, body) if resumed else read(Withdrawal, body)
        if isinstance(asked, Refusal):
            await self._fail(asked)
        if isinstance(asked, Resumption):
            # Read once, and keep the result in the history: a second read would find what this run itself has recorded.
            opened = await run_durable(WithdrawalActivities.resume_withdrawal, asked, "resume")
        else:
            opened = await run_local(WithdrawalActivities.open_withdrawal, asked, "policy")
        if opened.refusal is not None:
            await self._fail(opened.refusal)
        elif opened.state is not None:
            self._state = opened.state
        elif opened.policy is not None and isinstance(asked, Withdrawal):
            self._state = begin(asked, opened.policy, workflow.now(), workflow.uuid4().hex)
        self._changed = True

    async def _do_what_is_due(self) -> None:
        while True:
            self._changed = False
            self._state = pass_deadlines(self._withdrawal, workflow.now())
            step = next_step(self._withdrawal, workflow.now())
            if step is None:
                return
            result = await self._carry_out(step)
            self._state = finish(self._withdrawal, step, result, workflow.now())

    @property
    def _withdrawal(self) -> WithdrawalState:
        assert self._state is not None
        return self._state

    async def _carry_out(self, step: WithdrawalStep) -> Any:
        """Run ledger and register steps as local activities, and steps that reach a bank as regular ones, which people
        can see.
        """
        if isinstance(step, Post):
            post = run_durable if step.decided_once else run_local
            return await post(MoneyActivities.post, step, step.summary)
        activity: Any = WithdrawalActivities.by_step(step)
        if not isinstance(step, Pay | Query):
            return (await run_local(activity, step, step.summary)).result
        return await workflow.execute_activity(
            activity,
            step,
            start_to_close_timeout=SENDING,
            retry_policy=PATIENT_RETRY,
            summary=step.summary,
            result_type=PayoutResult,
        )

    def _show(self) -> None:
        self._page.show(search_values(self._withdrawal), details_of(self._withdrawal))

    # --- queries ---------------------------------------------------------------------------------------

    @workflow.query(description="The whole state of the withdrawal")
    def withdrawal(self) -> dict[str, Any]:
        """The whole state as JSON; while opening only its phase; after a refusal its phase and the refusal."""
        return withdrawal_view(self._state) if self._state is not None else self._unopened()
