"""One order, from paid to settled or refunded. The core decides; this waits and carries out.

`run` is the story. Technical limits stand at the top; business limits travel with the order in its policy.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from temporalio import workflow
from temporalio.common import Priority, RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities.logistics import LogisticsActivities
    from activities.money import MoneyActivities
    from activities.opening import OpeningActivities
    from activities.payout import PayoutActivities
    from activities.requests import Opened, OpenRequest, RescueRequest
    from activities.screening import ScreeningActivities
    from core.answers import Answer
    from core.audit.findings import Finding  # noqa: F401  # the converter looks for Verdict's types among the passed
    from core.audit.verdict import Verdict
    from core.budgets import STARTS_A_TASK
    from core.ids import ORDER_WORKFLOW
    from core.inbox import Channel
    from core.messages import ORDER_COMMANDS, Command, Order
    from core.order import commands, views
    from core.order.claims import note_unused_claims
    from core.order.commands import first_answer, objection_to, refusal_of
    from core.order.deadlines import NEWS_COMES_FIRST, wake_at
    from core.order.folding import as_recorded, claim_at_once, open_at_once
    from core.order.opening import begin, read_order
    from core.order.page import details_of
    from core.order.passing import first_passing, pass_deadlines
    from core.order.recovering import follow, recover
    from core.order.shipping import ClaimingCommand
    from core.order.sparing import spare
    from core.order.state import OrderState
    from core.order.steps import (
        Judge,
        Look,
        OrderStep,
        ReleaseClaims,
        Screen,
        StartWithdrawal,
        finish,
        next_step,
        start,
    )
    from core.order.views import order_view, search_values, summary_of
    from core.order.voting import voters_of
    from core.order.watches import (
        AuditWatch,
        ChargeWatch,
        RefundWatch,
        apply_audit,
        apply_charge_outcome,
        apply_refund_outcome,
        audit_watches,
        charge_watches,
        refund_watches,
    )
    from core.reasons import Refusal
    from core.records import LedgerFacts, OrderRecord
    from core.states import Deadline
    from core.steps import KeepRecord, Post
    from core.turns import AUDITS
    from core.votes import Voters
    from workflows.machine import Machine
    from workflows.order_requests import (
        audit_request,
        charge_request,
        claim_request,
        refund_request,
        release_request,
        withdrawal_request,
    )
    from workflows.running import run_durable, run_local, try_local
    from workflows.starting import carried_state, first_argument, start_options
    from workflows.waiting import Watches

LOOK_LIMIT = timedelta(seconds=30)
"""One query of a carrier, without retries."""
POLLING = RetryPolicy(initial_interval=timedelta(minutes=1), maximum_interval=timedelta(minutes=2))
"""For a poll whose worker died, or that the database did not answer. Two minutes after a fault ends every order is
looked at again. A poll that only looks again sets its own delay, and the adapter keeps the carrier's interval.
"""
NEXT_STARTS = timedelta(milliseconds=100)
"""A pause that ends a workflow task, if its activities do not all fit into one."""
WITHDRAWAL_START = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=5))


@workflow.defn(name=ORDER_WORKFLOW)
class OrderWorkflow(Machine[OrderState], commands=ORDER_COMMANDS):
    """Durable escrow of one marketplace order."""

    def __init__(self) -> None:
        super().__init__(commands, views)
        self._watches = Watches()
        self._knows_people = False
        """Whether a worker that can say whose access has ended opened it, or rescued it."""

    # --- the story -------------------------------------------------------------------------------------

    @workflow.run
    async def run(self, *bodies: Any) -> dict[str, Any]:
        """Hold the buyer's money until the order is settled, or the buyer has it back."""
        return await self._whole(self._live(bodies))

    async def _live(self, bodies: Sequence[Any]) -> dict[str, Any]:
        await self._open(bodies)
        # A refund or a late scan of a closed order comes with the start of this run; a last command may have come while
        # it ended. What it changed is recorded before the run ends.
        while True:
            await self._live_on()
            await self._answer_all()
            if not self._order.closed:
                continue
            if self._order.revision == self._order.recorded_revision:
                return summary_of(self._order)
            await self._do_what_is_due()

    async def _live_on(self) -> None:
        while not self._order.closed:
            await self._do_what_is_due()
            more = self._keep_watches()
            due = wake_at(self._order, workflow.now())
            self._show(due)
            if workflow.info().is_continue_as_new_suggested():
                self._watches.end()
                await self._continue_as_new(self._order.order, known_as="order")
            if more:
                await workflow.sleep(NEXT_STARTS, summary="start more watches")
            elif not self._order.closed:
                await self._wait_until(due, early=self._may_wake_early(due))
        self._watches.end()
        self._timer.stop()

    async def _open(self, bodies: Sequence[Any]) -> None:
        order = read_order(first_argument(bodies), workflow.info().workflow_id)
        if isinstance(order, Refusal):
            self._fail(order)
        carried = carried_state(OrderState, bodies, "order")
        if carried is not None:
            self._state = carried
            self._knows_people = start_options(bodies).get("knows_people") is True
            self._expect(wake_at(carried, workflow.info().start_time))
        elif start_options(bodies).get("rescue") is True:
            await self._rescue(order, set_back=start_options(bodies).get("reopen") is True)
        else:
            await self._register(order)
        self._changed = True

    async def _register(self, order: Order) -> None:
        run, now = workflow.info().first_execution_run_id, workflow.now()
        request = OpenRequest(order=order, opened_by=run, now=now, proof=order.proof)
        opened = await run_local(OpeningActivities.open, request, "check the payment, register, fund, screen")
        self._knows_people = opened.knows_people
        if opened.refusal is not None and opened.refusal.code == "order_over":
            # The same order was started again after Temporal forgot it, or under the default reuse policy. End it with
            # its stored end, so that its queries answer; a failed run would hide the order.
            await self._rescue(order, set_back=True, over=opened)
        elif opened.refusal is not None:
            self._fail(opened.refusal, opened.stored_phase)
        elif opened.known:
            await self._rescue(order, set_back=True)
        elif opened.policy is not None and opened.screening is not None and opened.standing is not None:
            async with self._one_command:  # commands that came with the start wait for what the ledger knows
                self._state = as_recorded(
                    open_at_once(order, opened.policy, opened.screening, request.now, opened.holds)
                )
                await self._follow(opened.standing)
        elif opened.policy is not None:
            self._state = begin(order, opened.policy, workflow.now())

    async def _rescue(self, order: Order, *, set_back: bool = False, over: Opened | None = None) -> None:
        run = workflow.info().first_execution_run_id
        request = RescueRequest(order_id=order.order_id, opened_by=run, set_back=set_back)
        rescued = await run_local(OpeningActivities.rescue, request, "what register and ledger know")
        if rescued.refusal is not None:
            self._fail(rescued.refusal, over.stored_phase if over is not None else None)
        self._knows_people = self._knows_people or rescued.knows_people
        # A rescue answers these or a refusal.
        assert rescued.order is not None
        assert rescued.policy is not None
        if not rescued.state:
            self._state = begin(rescued.order, rescued.policy, workflow.now())
        else:
            self._state = recover(rescued.order, rescued.policy, rescued.state, rescued.references, workflow.now())
            self._expect(first_passing(self._state))

    async def _do_what_is_due(self) -> None:
        while True:
            self._changed = False
            # A command whose number is still being claimed came first: it wins over a deadline that passes during the
            # claim.
            async with self._one_command:
                if self._set_back:
                    self._set_back = False
                    await self._rescue(self._order.order, set_back=True)
                self._state = pass_deadlines(self._spared(spare), workflow.now())
            self._expect(wake_at(self._order, workflow.now()))
            step = next_step(self._order, workflow.now())
            if step is None:
                return
            await self._carry_out(step)

    # --- steps -----------------------------------------------------------------------------------------

    @property
    def _order(self) -> OrderState:
        assert self._state is not None
        return self._state

    async def _carry_out(self, step: OrderStep) -> None:
        if isinstance(step, KeepRecord):
            await self._record(step)
        elif isinstance(step, ReleaseClaims):
            await self._release_claims(step)
        else:
            # Mark the step as in progress first: commands that arrive during it must see that it was decided.
            self._state = start(self._order, step)
            result = await self._result_of(step)
            # A command that is being decided may be recorded already, under notice numbers that this result would use
            # again.
            async with self._one_command:
                self._state = finish(self._order, step, result, workflow.now())

    async def _result_of(self, step: Post | Screen | Look | Judge | StartWithdrawal) -> Any:
        if isinstance(step, Post):
            post = run_durable if step.decided_once else run_local
            return await post(MoneyActivities.post, step, step.summary)
        if isinstance(step, Screen):
            return await run_local(ScreeningActivities.screen, self._order.order, step.summary)
        if isinstance(step, Judge):
            return await try_local(
                LogisticsActivities.judge, audit_request(self._order, step.parcel_id, workflow.now()), step.summary
            )
        if isinstance(step, Look):
            return await workflow.execute_activity_method(
                LogisticsActivities.look,
                audit_request(self._order, step.parcel_id, workflow.now()),
                start_to_close_timeout=LOOK_LIMIT,
                summary=step.summary,
            )
        return await workflow.execute_activity_method(
            PayoutActivities.start_withdrawal,
            withdrawal_request(self._order),
            start_to_close_timeout=LOOK_LIMIT,
            retry_policy=WITHDRAWAL_START,
            summary=step.summary,
        )

    async def _record(self, step: KeepRecord) -> None:
        """Record the state; the register answers with its own and the books' facts. The ledger's facts win."""
        assert isinstance(step.record, OrderRecord)
        standing = await run_local(OpeningActivities.record, step.record, step.summary)
        # A command that is being decided works on the state that this replaces.
        async with self._one_command:
            self._state = finish(self._order, step, standing, workflow.now())
            await self._follow(standing)

    async def _follow(self, standing: LedgerFacts) -> None:
        """Follow the ledger if it is ahead of this state: a worker may have died after it had posted."""
        followed = follow(self._order, standing, workflow.now())
        if followed is None:
            await self._rescue(self._order.order, set_back=True)
        else:
            self._state = followed

    async def _release_claims(self, step: ReleaseClaims) -> None:
        """No command is decided during this: it could claim the same number that is released here."""
        async with self._one_command:
            self._state = start(self._order, step)
            request = release_request(self._order, workflow.now())
            await run_local(LogisticsActivities.release_claims, request, step.summary)
            self._state = finish(self._order, step, None, workflow.now())

    # --- what runs beside the order --------------------------------------------------------------------

    def _keep_watches(self) -> bool:
        """Start and end watches; returns whether more are wanted than may start in one workflow task."""
        audits = [(watch, partial(self._audit, watch)) for watch in audit_watches(self._order)]
        refunds = [(watch, partial(self._refund, watch)) for watch in refund_watches(self._order)]
        charges = [(watch, partial(self._charge, watch)) for watch in charge_watches(self._order)]
        return self._watches.keep([*refunds, *charges, *audits], STARTS_A_TASK)

    async def _audit(self, watch: AuditWatch) -> None:
        """Poll the carrier in one retrying activity: it needs three history events for any number of looks."""
        verdict: Verdict = await workflow.execute_activity_method(
            LogisticsActivities.audit,
            audit_request(self._order, watch.parcel_id, workflow.now()),
            start_to_close_timeout=LOOK_LIMIT,
            retry_policy=POLLING,
            priority=Priority(priority_key=AUDITS),
            summary=f"audit {watch.carrier} {watch.waybill}",
        )
        async with self._one_command:  # as for a step's result
            self._watches.done(watch)
            self._state = apply_audit(self._order, watch, verdict, workflow.now())
        self._changed = True

    async def _refund(self, watch: RefundWatch) -> None:
        """Send the refund, and query it until the buyer has the money."""
        request = refund_request(self._order, watch.cause)
        outcome = await workflow.execute_activity_method(
            MoneyActivities.pay_refund,
            request,
            start_to_close_timeout=LOOK_LIMIT,
            retry_policy=WITHDRAWAL_START,
            summary=f"refund {request.cause} through {request.channel}",
        )
        async with self._one_command:  # as for a step's result
            self._watches.done(watch)
            self._state = apply_refund_outcome(self._order, watch, outcome, workflow.now())
        self._changed = True

    async def _charge(self, watch: ChargeWatch) -> None:
        """Ask the buyer for the money through the channel, and query it until the channel has it or refuses."""
        request = charge_request(self._order)
        outcome = await workflow.execute_activity_method(
            MoneyActivities.charge_buyer,
            request,
            start_to_close_timeout=LOOK_LIMIT,
            retry_policy=WITHDRAWAL_START,
            summary=f"charge case {request.case_id} through {request.channel}",
        )
        async with self._one_command:  # as for a step's result
            self._watches.done(watch)
            self._state = apply_charge_outcome(self._order, watch, outcome, workflow.now())
        self._changed = True

    def _may_wake_early(self, due: Deadline | None) -> bool:
        """Whether an earlier timer may stay: it rings only if the parcel is still on its way by then."""
        return due is not None and due.name in NEWS_COMES_FIRST

    def _show(self, due: Deadline | None) -> None:
        """The search attribute of the deadline is written with the timer, so that each costs an action once."""
        values = search_values(self._order)
        rings = self._timer.rings_before(due) if self._may_wake_early(due) else None
        self._page.show({**values, "NextDeadline": rings or values["NextDeadline"]}, details_of(self._order))

    # --- commands --------------------------------------------------------------------------------------

    def _objection(self, command: Command) -> Refusal | None:
        return objection_to(command, workflow.now())

    async def _receive(self, command: Command, channel: Channel) -> Answer | Refusal:
        """Let the core decide; numbers are claimed before their parcel is accepted.

        Refusals that need only the state come before a claim. The word of who has left does not count.
        """
        if voters := self._voters_of(command):
            left = await run_local(OpeningActivities.who_left, voters, "whose word counts")
            self._state, answer = commands.receive(self._order, command, workflow.now(), channel, left=left.people)
            return answer
        if (
            not isinstance(command, ClaimingCommand)
            or first_answer(self._order, command)
            or refusal_of(self._order, command, workflow.now())
        ):
            return await super()._receive(command, channel)
        return await self._claim_and_receive(command, channel)

    def _voters_of(self, command: Command) -> Voters | None:
        """Whose words the register is asked about, by an order whose worker could answer from its beginning."""
        if not self._knows_people or first_answer(self._order, command):
            return None
        return voters_of(self._order, command)

    def _carried_beside(self) -> dict[str, Any]:
        return {"knows_people": True} if self._knows_people else {}

    async def _claim_and_receive(self, command: ClaimingCommand, channel: Channel) -> Answer | Refusal:
        before = self._order
        wanted = claim_at_once(before, command, workflow.now(), channel)
        request = claim_request(before, command, wanted.record, workflow.now())
        # The register may take long, and deadlines wait for `_one_command` during this: a deadline that passes during
        # the claim must not cancel an order whose number was claimed in time.
        claimed = await run_local(LogisticsActivities.claim_waybills, request, "claim the waybill, record")
        # An unreadable signal or a request to cancel may have changed the state during the claim; then the recorded
        # state is not the command's result.
        if claimed.standing is not None and self._order is before:
            decided = as_recorded(wanted.state) if claimed.standing.kept else wanted.state
            followed = follow(decided, claimed.standing, workflow.now())
            if followed is not None:
                self._state = followed
                return wanted.answer
        self._state, answer = commands.receive(self._order, command, workflow.now(), channel, claimed.claims)
        if isinstance(answer, Refusal):
            self._state = note_unused_claims(self._order, command, claimed.claims)
        return answer

    @property
    def _opened(self) -> bool:
        """Commands are decided once the goods were screened, or a person has to help first."""
        return self._state is not None and (self._state.phase != "opening" or bool(self._state.holds))

    # --- queries ---------------------------------------------------------------------------------------

    @workflow.query(description="The whole state of the order")
    def order(self) -> dict[str, Any]:
        """The whole state as JSON; while opening only its phase; after a refusal its phase and the refusal."""
        return order_view(self._state) if self._state is not None else self._unopened()
