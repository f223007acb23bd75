"""One penny drop: sent once, and queried until its outcome is known or it has expired.

The core decides; this waits and carries out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.account_drops import AccountDropActivities
    from core.account_drop import commands, views
    from core.account_drop.deadlines import look_now, next_deadline, pass_deadlines
    from core.account_drop.opening import begin
    from core.account_drop.page import details_of
    from core.account_drop.state import ACCOUNT_DROP_WORKFLOW, AccountDrop, AccountDropState, DropAnswer
    from core.account_drop.steps import finish, next_step
    from core.account_drop.views import drop_view, summary_of
    from core.reading import read
    from core.reasons import Refusal
    from workflows.machine import Machine
    from workflows.running import run_durable, run_local
    from workflows.starting import carried_state, first_argument


@workflow.defn(name=ACCOUNT_DROP_WORKFLOW)
class AccountDropWorkflow(Machine[AccountDropState], commands={}):
    """A small amount to an account, once."""

    def __init__(self) -> None:
        super().__init__(commands, views)

    # --- the story -------------------------------------------------------------------------------------

    @workflow.run
    async def run(self, *bodies: Any) -> DropAnswer:
        """The final phase, or why nothing was sent."""
        return await self._whole(self._live(bodies))

    async def _live(self, bodies: Sequence[Any]) -> DropAnswer:
        await self._open(bodies)
        while True:
            await self._do_what_is_due()
            self._page.show({}, details_of(self._drop))
            if self._drop.over:
                break
            if workflow.info().is_continue_as_new_suggested():
                await self._continue_as_new(self._drop.drop, known_as="drop")
            await self._wait_until(next_deadline(self._drop))
        self._timer.stop()
        await self._answer_all()
        return summary_of(self._drop)

    async def _open(self, bodies: Sequence[Any]) -> None:
        self._state = carried_state(AccountDropState, bodies, "drop")
        if self._state is not None:
            return
        drop = read(AccountDrop, first_argument(bodies))
        if isinstance(drop, Refusal):
            self._fail(drop)
        opened = await run_local(AccountDropActivities.open_account_drop, drop, "write the drop down")
        self._state = begin(drop, opened, workflow.now())

    async def _do_what_is_due(self) -> None:
        while True:
            self._changed = False
            if self._set_back:
                self._set_back, self._state = False, look_now(self._drop)
            self._state = pass_deadlines(self._drop, workflow.now())
            step = next_step(self._drop, workflow.now())
            if step is None:
                return
            answer = await run_durable(AccountDropActivities.by_step(step), step.key, step.summary)
            self._state = finish(self._drop, step, answer, workflow.now())

    @property
    def _drop(self) -> AccountDropState:
        assert self._state is not None
        return self._state

    # --- queries ---------------------------------------------------------------------------------------

    @workflow.query(description="The whole state of the drop, without its amount")
    def account_drop(self) -> dict[str, Any]:
        """The whole state as JSON; while opening only its phase; after a refusal its phase and the refusal."""
        return drop_view(self._state) if self._state is not None else self._unopened()
