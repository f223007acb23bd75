"""What the shell must do next for a penny drop, and what its result means. The shell decides nothing.

A drop is sent once. It is looked up until the outcome is known, and never sent again: two amounts on one statement
would be worse than none.
"""

from __future__ import annotations

from datetime import datetime

from core.account_drop.state import AccountDropState, DropAnswer
from core.steps import Step


class _AboutDrop(Step):
    key: str


class Send(_AboutDrop):
    """Send it once; where it may have been sent before, look it up instead."""

    @property
    def summary(self) -> str:
        return f"pay {self.key}"


class LookUp(_AboutDrop):
    """Look the drop up at the rail."""

    @property
    def summary(self) -> str:
        return f"look {self.key} up"


class GiveUp(_AboutDrop):
    """Record that its outcome was not known in time. A statement of the rail may still show it."""

    @property
    def summary(self) -> str:
        return f"give {self.key} up"


DropStep = Send | LookUp | GiveUp


def next_step(state: AccountDropState, now: datetime) -> DropStep | None:
    """What must be done now; None: wait for the next look, or it is over."""
    key = state.drop.key
    if state.over:
        return None
    if state.sent_at is None:
        return Send(key=key)
    if state.look_due:
        return LookUp(key=key)
    return GiveUp(key=key) if state.last_looked else None


def finish(state: AccountDropState, step: DropStep, answer: DropAnswer, now: datetime) -> AccountDropState:
    """The drop after a step, with the register's answer."""
    if isinstance(step, Send):
        state = state.changed(sent_at=now)
    elif isinstance(step, LookUp):
        state = state.changed(looked_at=now, looks=state.looks + 1, look_due=False)
    phase = answer.state or state.phase
    since = state.phase_since if phase == state.phase else now
    state = state.changed(phase=phase, phase_since=since, detail=answer.detail, refusal=answer.refusal)
    return state.next_revision()
