"""Whose words about a withdrawal count: approvals, and what people say of a payout's outcome."""

from __future__ import annotations

from collections.abc import Collection

from core.messages import ApproveWithdrawal, Command, ResolveUnknown
from core.votes import Voters, has_left
from core.withdrawal.state import WithdrawalState

ROLES = ("operator", "reviewer")


def voters_of(state: WithdrawalState, command: Command) -> Voters | None:
    """Whose words this command would count; None where it is no one's but its sender's to decide."""
    if not isinstance(command, ApproveWithdrawal | ResolveUnknown):
        return None
    return Voters(people=tuple(dict.fromkeys((*said_by(state), command.actor.id))), roles=ROLES)


def said_by(state: WithdrawalState) -> tuple[str, ...]:
    """Whose words stand, and wait for another's."""
    approved = (one.actor.id for one in state.approvals if state.phase == "in_approval")
    return (*approved, *(one.actor.id for one in state.statements))


def without_words_of(state: WithdrawalState, left: Collection[str]) -> WithdrawalState:
    """The withdrawal as if these people had said nothing. What their words have brought about stays."""
    if not any(has_left(person, left) for person in said_by(state)):
        return state
    statements = tuple(one for one in state.statements if not has_left(one.actor.id, left))
    if state.phase != "in_approval":
        return state.changed(statements=statements)
    approvals = tuple(one for one in state.approvals if not has_left(one.actor.id, left))
    return state.changed(approvals=approvals, statements=statements)
