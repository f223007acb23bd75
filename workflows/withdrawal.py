"""One withdrawal, from request to final or given back. The core decides; this waits and carries out.

`run` is the story. Technical limits stand at the top; business limits travel with the withdrawal in its policy.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue

with workflow.unsafe.imports_passed_through():
    from activities.withdrawal import WithdrawalActivities
    from core.inbox import Channel
    from core.messages import (
        WITHDRAWAL_COMMANDS,
        WITHDRAWAL_WORKFLOW,
        Answer,
        Command,
        Resumption,
        Withdrawal,
        read,
        read_command,
    )
    from core.reasons import Refusal
    from core.withdrawal.deadlines import next_wake, pass_deadlines
    from core.withdrawal.deciding import first_answer, note_cancellation, note_unreadable, receive, refusal_of
    from core.withdrawal.opening import begin
    from core.withdrawal.payouts import PayoutResult
    from core.withdrawal.state import WithdrawalState
    from core.withdrawal.stepping import Closing, Pay, Query, Step, finish, next_step
    from core.withdrawal.viewing import details_of, holds_of, journal_view, search_values, withdrawal_view
    from workflows.shell import (
        PATIENT_RETRY,
        DeadlineTimer,
        Page,
        body_of,
        durably,
        only,
        opening_holds,
        quickly,
        refused,
        unstoppable,
    )

SENDING = timedelta(seconds=15)
"""One instruction or look-up, the rail's own time limit included; also how soon a killed worker's try is missed."""


@workflow.defn(name=WITHDRAWAL_WORKFLOW)
class WithdrawalWorkflow:
    """Money out, once."""

    def __init__(self) -> None:
        self._state: WithdrawalState | None = None
        self._failed: Refusal | None = None
        self._changed = True
        self._timer = DeadlineTimer()
        self._page = Page()

    # --- the story -------------------------------------------------------------------------------------

    @workflow.run
    async def run(self, *bodies: Any) -> dict[str, Any]:
        """Reserve, have it approved, pay once, book what the bank did, and watch for what comes back."""
        return await unstoppable(self._live(bodies), self._keep_on)

    async def _live(self, bodies: Sequence[Any]) -> dict[str, Any]:
        await self._open(bodies)
        while True:
            await self._do_what_is_due()
            self._show()
            if self._withdrawal.over:
                await workflow.wait_condition(workflow.all_handlers_finished)
                if not self._changed:
                    break
            elif workflow.info().is_continue_as_new_suggested():
                await self._continue_as_new()
            else:
                await self._wait()
        self._timer.stop()
        if self._withdrawal.refusal is not None:
            refused(self._withdrawal.refusal)
        return withdrawal_view(self._withdrawal)

    def _keep_on(self) -> None:
        if self._state is not None:
            self._state = note_cancellation(self._state, workflow.now())
            self._changed = True

    async def _open(self, bodies: Sequence[Any]) -> None:
        how = bodies[1] if len(bodies) > 1 and isinstance(bodies[1], dict) else {}
        if workflow.info().continued_run_id and "state" in how:
            self._state = WithdrawalState.model_validate(how["state"])
            return
        body = bodies[0] if bodies else None
        asked = read(Resumption, body) if how.get("resume") is True else read(Withdrawal, body)
        if isinstance(asked, Refusal):
            await self._fail(asked)
            return
        if isinstance(asked, Resumption):
            # Read once, and in the history: a second look would find what this very run has recorded meanwhile.
            opened = await durably(WithdrawalActivities.resume_withdrawal, asked, "resume")
        else:
            opened = await quickly(WithdrawalActivities.open_withdrawal, asked, "policy")
        if opened.refusal is not None:
            await self._fail(opened.refusal)
        elif opened.state is not None:
            self._state = opened.state
        elif opened.policy is not None and isinstance(asked, Withdrawal):
            self._state = begin(asked, opened.policy, workflow.now(), workflow.uuid4().hex)
        self._changed = True

    async def _fail(self, refusal: Refusal) -> None:
        """It never was: fail the workflow with the reason, after whoever waits was told."""
        self._failed = refusal
        await workflow.wait_condition(workflow.all_handlers_finished)
        refused(refusal)

    async def _do_what_is_due(self) -> None:
        while True:
            self._changed = False
            self._state = pass_deadlines(self._withdrawal, workflow.now())
            step = next_step(self._withdrawal, workflow.now())
            if step is None:
                return
            result = await self._carry_out(step)
            self._state = finish(self._withdrawal, step, result, workflow.now())

    async def _wait(self) -> None:
        """Until something changes or the next deadline passes; then the core is asked again, whatever woke us."""
        deadline = next_wake(self._withdrawal)
        self._timer.arm(deadline.name if deadline else None, deadline.at if deadline else None)
        await workflow.wait_condition(lambda: self._changed or self._timer.rang)

    async def _continue_as_new(self) -> None:
        await workflow.wait_condition(workflow.all_handlers_finished)
        carried = {"state": self._withdrawal.model_dump(mode="json")}
        workflow.continue_as_new(args=[self._withdrawal.withdrawal, carried])

    @property
    def _withdrawal(self) -> WithdrawalState:
        assert self._state is not None
        return self._state

    async def _carry_out(self, step: Step) -> Any:
        """Records where the ledger is near; what goes to a bank as an activity that everybody can see.

        A closing, too: done first and reported later, it would be decided anew after its worker's death, and otherwise
        where a callback has come meanwhile: another amount back, or paid where the books say given back.
        """
        activity: Any = WithdrawalActivities.by_step(step)
        if not isinstance(step, Pay | Query):
            carry_out = durably if isinstance(step, Closing) else quickly
            return (await carry_out(activity, step, step.summary)).result
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

    # --- commands --------------------------------------------------------------------------------------

    def _validate(self, verb: str, bodies: Sequence[Any]) -> None:
        """Refuse an update before it costs history. While the withdrawal opens, only what cannot be read."""
        command = read_command(WITHDRAWAL_COMMANDS, verb, only(bodies))
        if isinstance(command, Refusal):
            refused(command)
        if self._state is None:
            return
        first = first_answer(self._state, command)
        refusal = first if isinstance(first, Refusal) else None
        if first is None:
            refusal = refusal_of(self._state, command, workflow.now())
        if refusal is not None:
            refused(refusal)

    async def _update(self, verb: str, bodies: Sequence[Any]) -> Answer:
        command = read_command(WITHDRAWAL_COMMANDS, verb, only(bodies))
        if isinstance(command, Refusal):
            refused(command)
        answer = await self._decide(command, "update")
        if isinstance(answer, Refusal):
            refused(answer)
        return answer

    async def _decide(self, command: Command, channel: Channel) -> Answer | Refusal:
        await workflow.wait_condition(lambda: self._state is not None or self._failed is not None)
        if self._failed is not None:
            return self._failed
        self._state, answer = receive(self._withdrawal, command, workflow.now(), channel)
        self._changed = True
        return answer

    @workflow.signal(dynamic=True)
    async def on_signal(self, name: str, args: Sequence[RawValue]) -> None:
        """Every verb as a signal; answered in the journal, refusals included."""
        command = read_command(WITHDRAWAL_COMMANDS, name, body_of(args))
        if not isinstance(command, Refusal):
            await self._decide(command, "signal")
            return
        await workflow.wait_condition(lambda: self._state is not None or self._failed is not None)
        if self._state is not None:
            self._state = note_unreadable(self._state, name, command, workflow.now())
            self._changed = True

    @workflow.update(dynamic=True)
    async def on_unknown_update(self, name: str, args: Sequence[RawValue]) -> None:
        """No such verb: its validator refuses."""

    @on_unknown_update.validator
    def refuse_unknown_update(self, name: str, args: Sequence[RawValue]) -> None:
        self._validate(name, (None,))

    @workflow.update(description="The merchant takes the request back.")
    async def cancel(self, *bodies: Any) -> Answer:
        return await self._update("cancel", bodies)

    @cancel.validator
    def _check_cancel(self, *bodies: Any) -> None:
        self._validate("cancel", bodies)

    @workflow.update(description="One of two people lets it go; or what was wrong on our side is right again.")
    async def approve(self, *bodies: Any) -> Answer:
        return await self._update("approve", bodies)

    @approve.validator
    def _check_approve(self, *bodies: Any) -> None:
        self._validate("approve", bodies)

    @workflow.update(description="A person refuses it; the money is given back.")
    async def reject(self, *bodies: Any) -> Answer:
        return await self._update("reject", bodies)

    @reject.validator
    def _check_reject(self, *bodies: Any) -> None:
        self._validate("reject", bodies)

    @workflow.update(description="Two people say, with the bank's reference, what became of a payout.")
    async def resolve_unknown(self, *bodies: Any) -> Answer:
        return await self._update("resolve_unknown", bodies)

    @resolve_unknown.validator
    def _check_resolve_unknown(self, *bodies: Any) -> None:
        self._validate("resolve_unknown", bodies)

    @workflow.update(description="Look again whether it may still go: account suspended, or money owed.")
    async def recheck(self, *bodies: Any) -> Answer:
        return await self._update("recheck", bodies)

    @recheck.validator
    def _check_recheck(self, *bodies: Any) -> None:
        self._validate("recheck", bodies)

    @workflow.update(description="A rail's callback.")
    async def report_payout(self, *bodies: Any) -> Answer:
        return await self._update("report_payout", bodies)

    @report_payout.validator
    def _check_report_payout(self, *bodies: Any) -> None:
        self._validate("report_payout", bodies)

    # --- queries ---------------------------------------------------------------------------------------

    @workflow.query(description="The whole state of the withdrawal")
    def withdrawal(self) -> dict[str, Any]:
        """The whole state as JSON; while it opens only its phase."""
        return withdrawal_view(self._state) if self._state is not None else {"phase": "opening"}

    @workflow.query(description="What came in, and what was answered")
    def journal(self) -> list[dict[str, Any]]:
        """`[{seq, at, channel, verb, command_id, actor, outcome, code?, message?}]`."""
        return journal_view(self._state) if self._state is not None else []

    @workflow.query(description="Why the money is not there")
    def holds(self) -> list[dict[str, Any]]:
        """`[{reason, since, expected_release?, who_can_act, what_helps}]`."""
        if self._state is None:
            return opening_holds() if self._failed is None else []
        return [view.model_dump(mode="json", exclude_none=True) for view in holds_of(self._state)]
