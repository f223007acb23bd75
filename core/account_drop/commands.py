"""Messages to a penny drop. It has no commands: every message is refused and journaled."""

from __future__ import annotations

from datetime import datetime

from core.account_drop.state import AccountDropState
from core.answers import Answer
from core.inbox import Channel
from core.messages import Command
from core.reasons import Refusal, refuse


def first_answer(state: AccountDropState, command: Command) -> Answer | Refusal | None:
    """What this command was answered before; None where it is new."""
    return state.inbox.answer_to(command)


def refusal_of(state: AccountDropState, command: Command, now: datetime) -> Refusal | None:
    """Why the command is refused: a drop takes none."""
    return refuse("unknown_verb")


def receive(
    state: AccountDropState, command: Command, now: datetime, channel: Channel
) -> tuple[AccountDropState, Answer | Refusal]:
    """The drop after a command, and its answer."""
    refusal = refuse("unknown_verb")
    return (state if channel == "update" else note_unreadable(state, command.verb, refusal, now)), refusal


def note_unreadable(state: AccountDropState, verb: str, refusal: Refusal, now: datetime) -> AccountDropState:
    """The drop after a signal. The journal keeps it."""
    inbox = state.inbox.note(now, "signal", verb, "refused", refusal=refusal)
    return state.changed(inbox=inbox).next_revision()


def count_unreadable(state: AccountDropState, code: str, signals: int) -> AccountDropState:
    """The drop after a burst of signals: counted by code, not journaled one by one."""
    return state.changed(inbox=state.inbox.count(code, signals)).next_revision()


def note_cancellation(state: AccountDropState, now: datetime) -> AccountDropState:
    """The drop after a request to cancel its workflow. What was sent is looked up all the same."""
    why = "Cancelling a workflow calls no drop off: it may have been sent."
    inbox = state.inbox.note(now, "system", "cancel_workflow", "noted", message=why)
    return state.changed(inbox=inbox).next_revision()
