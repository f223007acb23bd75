"""One withdrawal, from request to final or given back. The core decides; this waits and carries out.

`run` is the story. Technical limits stand at the top; business limits travel with the withdrawal in its policy.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import Priority
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.money import MoneyActivities
    from activities.withdrawal import WithdrawalActivities
    from core.answers import Answer
    from core.ids import WITHDRAWAL_WORKFLOW
    from core.inbox import Channel
    from core.messages import WITHDRAWAL_COMMANDS, Command, Resumption, Withdrawal
    from core.reading import read
    from core.reasons import Refusal
    from core.steps import Post
    from core.turns import PAYOUTS
    from core.withdrawal import commands, views
    from core.withdrawal.commands import first_answer
    from core.withdrawal.deadlines import next_wake, pass_deadlines, spare
    from core.withdrawal.opening import begin
    from core.withdrawal.page import details_of
    from core.withdrawal.payouts import PayoutResult
    from core.withdrawal.recovering import ask_first, ask_register, go_on_from, may_be_overtaken
    from core.withdrawal.state import WithdrawalState
    from core.withdrawal.steps import Pay, Query, WithdrawalStep, finish, next_step
    from core.withdrawal.views import refused_summary, search_values, summary_of, withdrawal_view
    from core.withdrawal.voting import voters_of
    from workflows.machine import Machine
    from workflows.running import PATIENT_RETRY, raise_refusal, run_durable, run_local
    from workflows.starting import carried_state, first_argument, start_options

SENDING = timedelta(seconds=15)
"""One instruction or query, including the rail's own time limit. A killed worker's try is noticed after this time, too.
"""


@workflow.defn(name=WITHDRAWAL_WORKFLOW)
class WithdrawalWorkflow(Machine[WithdrawalState], commands=WITHDRAWAL_COMMANDS):
    """Money out, once."""

    def __init__(self) -> None:
        super().__init__(commands, views)
        self._followed = 0
        self._refused: Refusal | None = None
        """Why the request is not carried out; of a run that goes on from the register nothing was requested."""

    # --- the story -------------------------------------------------------------------------------------

    @workflow.run
    async def run(self, *bodies: Any) -> dict[str, Any]:
        """Reserve, wait for approval, pay once, book the bank's outcome, and watch for a bank return."""
        try:
            return await self._whole(self._live(bodies))
        except ApplicationError:
            # A refusal is an answer. A failed run is red in the Web UI, where people look for defects.
            if self._refused is None:
                raise
            return refused_summary(self._refused)

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
        self._refused = self._withdrawal.refusal
        if self._refused is not None:
            raise_refusal(self._refused)
        return summary_of(self._withdrawal)

    async def _open(self, bodies: Sequence[Any]) -> None:
        self._state = carried_state(WithdrawalState, bodies, "withdrawal")
        if self._state is not None:
            self._expect(next_wake(self._state))
            return
        body, resumed = first_argument(bodies), start_options(bodies).get("resume") is True
        asked = read(Resumption, body) if resumed else read(Withdrawal, body)
        if isinstance(asked, Refusal):
            self._fail(asked)
        if isinstance(asked, Resumption):
            # Read once, and keep the result in the history: a second read would find what this run itself has recorded.
            opened = await run_durable(WithdrawalActivities.resume_withdrawal, asked, "resume")
        else:
            opened = await run_local(WithdrawalActivities.open_withdrawal, asked, "policy")
        if opened.refusal is not None:
            self._refused = None if resumed else opened.refusal
            self._fail(opened.refusal, opened.stored_phase)
        elif opened.state is not None:
            self._state = opened.state
            self._expect(next_wake(opened.state))
        elif opened.policy is not None and isinstance(asked, Withdrawal):
            self._state = begin(asked, opened.policy, workflow.now())
        self._changed = True

    async def _do_what_is_due(self) -> None:
        while await self._do_next():
            pass

    async def _do_next(self) -> bool:
        """One step; whether there was any. No command is decided during a step that the register is asked for, since
        its answer may replace the state.
        """
        async with self._one_command:
            self._changed = False
            if self._set_back:
                self._set_back = False
                self._state = ask_first(self._withdrawal)
                await self._follow()
            self._state = pass_deadlines(self._spared(spare), workflow.now())
            self._expect(next_wake(self._withdrawal))
            step = next_step(self._withdrawal, workflow.now())
            if step is None:
                return False
            if not isinstance(step, Pay | Query):
                result = await self._carry_out(step)
                self._state = finish(self._withdrawal, step, result, workflow.now())
                return True
        # A bank may take long, and calls back meanwhile.
        followed, answer = self._followed, await self._ask_rail(step)
        async with self._one_command:
            if self._followed != followed:
                return True  # a state of long ago asked for it; the newer one asks again for what it does not know
            self._state = finish(self._withdrawal, step, answer, workflow.now())
        return True

    @property
    def _withdrawal(self) -> WithdrawalState:
        assert self._state is not None
        return self._state

    async def _carry_out(self, step: WithdrawalStep) -> Any:
        """Run ledger and register steps as local activities, unless they are decided once."""
        run = run_durable if step.decided_once else run_local
        if not isinstance(step, Post):
            activity: Any = WithdrawalActivities.by_step(step)
            return (await run(activity, step, step.summary)).result
        posted = await run(MoneyActivities.post, step, step.summary)
        if not may_be_overtaken(posted):
            return posted
        question = ask_register(self._withdrawal, step.record)
        answer = await run_local(WithdrawalActivities.follow_withdrawal, question, question.summary)
        return answer.overtaken or posted

    async def _ask_rail(self, step: Pay | Query) -> PayoutResult:
        """Run a step that reaches a bank as a regular activity, which people can see."""
        activity: Any = WithdrawalActivities.by_step(step)
        result: PayoutResult = await workflow.execute_activity(
            activity,
            step,
            start_to_close_timeout=SENDING,
            retry_policy=PATIENT_RETRY,
            priority=Priority(priority_key=PAYOUTS),
            summary=step.summary,
            result_type=PayoutResult,
        )
        return result

    # --- what the register knows -----------------------------------------------------------------------

    async def _receive(self, command: Command, channel: Channel) -> Answer | Refusal:
        """Let the core decide, on the newest state: money that was paid already must not be called off, and the word of
        who has left does not count.
        """
        left: tuple[str, ...] = ()
        if first_answer(self._withdrawal, command) is None:
            left = await self._follow(command)
        self._state, answer = commands.receive(self._withdrawal, command, workflow.now(), channel, left)
        return answer

    async def _follow(self, command: Command | None = None) -> tuple[str, ...]:
        """Go on from the register where it is ahead: this run was set back, or a worker died before a report. The
        caller holds `_one_command`: a decision made meanwhile would be lost.

        Returns:
            Whose words do not count for the command.
        """
        voters = voters_of(self._withdrawal, command) if command is not None else None
        question = ask_register(self._withdrawal, voters=voters)
        answer = await run_local(WithdrawalActivities.follow_withdrawal, question, question.summary)
        if answer.overtaken is not None:
            self._state, self._followed = go_on_from(answer.overtaken.state, self._withdrawal), self._followed + 1
            self._expect(next_wake(self._withdrawal))
        return answer.left

    def _show(self) -> None:
        self._page.show(search_values(self._withdrawal), details_of(self._withdrawal))

    # --- queries ---------------------------------------------------------------------------------------

    @workflow.query(description="The whole state of the withdrawal")
    def withdrawal(self) -> dict[str, Any]:
        """The whole state as JSON; while opening only its phase; after a refusal its phase and the refusal."""
        return withdrawal_view(self._state) if self._state is not None else self._unopened()
