"""Recovery: a withdrawal goes on from the register where the register is ahead of its workflow.

A workflow that an operator sets back, or whose worker died before it reported a record, holds an older state. What was
recorded meanwhile stands, money included: a record is written in the same transaction as its movement, so the register
never lags behind the books. No decision may rest on an older state, and the steps that it asks for do not count.
"""

from __future__ import annotations

from typing import Any, ClassVar

from core.fields import Message
from core.records import OrderRecord, WithdrawalRecord
from core.steps import Posted, Step
from core.votes import Voters
from core.withdrawal.state import WithdrawalState


class Follow(Step):
    """Ask whether the register is ahead, and which of the people whose words count now have left.

    `recorded_revision` is the last that this run knows to be there. `record` is one that the register may have kept
    without a report: this run's own record is not ahead of it.
    """

    label: ClassVar[str] = "what the register knows"
    withdrawal_id: str
    recorded_revision: int
    record: WithdrawalRecord | None = None
    voters: Voters | None = None


class Overtaken(Message):
    """The register is ahead: the state to go on from, instead of the result of a step or command on the old one."""

    state: WithdrawalState


def resume(record: dict[str, Any], revision: int) -> WithdrawalState:
    """The state from the register's row, to go on after its workflow was lost."""
    state = ask_first(WithdrawalState.model_validate(record))
    return state.changed(recorded_revision=revision, inbox=state.inbox.after(state.inbox))


def ask_first(state: WithdrawalState) -> WithdrawalState:
    """The state of a withdrawal that goes on from the past: its database may have been restored to an earlier moment,
    and an instruction that the register does not know may have been sent.
    """
    return state.changed(asks_first=True)


def go_on_from(newer: WithdrawalState, older: WithdrawalState) -> WithdrawalState:
    """The register's state in place of an older one.

    Commands that came in since then are delivered again; they already have their line in the journal.
    """
    return newer.changed(inbox=newer.inbox.after(older.inbox))


def ask_register(
    state: WithdrawalState, record: OrderRecord | WithdrawalRecord | None = None, voters: Voters | None = None
) -> Follow:
    """The question whether the register is ahead of this state, not counting the given record."""
    assert not isinstance(record, OrderRecord)
    return Follow(
        withdrawal_id=state.withdrawal.withdrawal_id,
        recorded_revision=state.recorded_revision,
        record=record,
        voters=voters,
    )


def judge_register(asked: Follow, revision: int, stored: dict[str, Any]) -> Overtaken | None:
    """The answer from the register's row; None: it is not ahead."""
    own = asked.record is not None and (asked.record.revision, asked.record.state) == (revision, stored)
    if own or revision <= asked.recorded_revision:
        return None
    return Overtaken(state=resume(stored, revision))


def may_be_overtaken(posted: Posted) -> bool:
    """Whether a movement's answer leaves it open which state is the newest. Then the register is asked."""
    return posted.overtaken or not posted.moved
