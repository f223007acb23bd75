"""What a command does to a withdrawal. Total: every command is accepted, a duplicate, or refused with a reason."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from core.answers import Answer
from core.command import same_person
from core.ids import withdrawal_workflow_id
from core.inbox import Channel, Outcome
from core.messages import (
    ApproveWithdrawal,
    CancelWithdrawal,
    Command,
    RecheckWithdrawal,
    RejectWithdrawal,
    ReportPayout,
    ResolveUnknown,
)
from core.proving import unproven_command
from core.reasons import Refusal, refuse
from core.verbs import Verb, wrong_role
from core.votes import disagreement, left_sender, words_dropped
from core.withdrawal import reporting, resolving
from core.withdrawal.deadlines import next_deadline
from core.withdrawal.outcomes import give_back, go_on
from core.withdrawal.state import (
    ENDS,
    PEOPLE_NEEDED,
    PERSON_LIFTS,
    WAITS_AT_HOME,
    WITH_THE_RAIL,
    Approval,
    WithdrawalState,
)
from core.withdrawal.voting import said_by, without_words_of

COMMANDS_RESERVED = 20
"""The part of a withdrawal's command limit that is reserved for the people who must decide about it."""
PEOPLE = frozenset({"reviewer", "operator"})

# --- called off, approved, rejected ----------------------------------------------------------------------


def _check_cancel(state: WithdrawalState, command: CancelWithdrawal, now: datetime) -> Refusal | None:
    if state.phase in ENDS:
        return refuse("withdrawal_over", f"It is {state.phase}.")
    # A payout that may still have been paid counts as submitted.
    if state.phase in WITH_THE_RAIL or state.incident is not None:
        return refuse("already_submitted")
    return None


def _cancel(state: WithdrawalState, command: CancelWithdrawal, now: datetime) -> WithdrawalState:
    return give_back(state, "cancelled", command.reason or f"called off by the {command.actor.role}", now)


def _check_approve(state: WithdrawalState, command: ApproveWithdrawal, now: datetime) -> Refusal | None:
    if state.phase == "in_approval":
        if same_person(command.actor.id, state.withdrawal.requested_by.id):
            return refuse("needs_other_person", "No one approves their own request.", "actor.id")
        if any(same_person(approval.actor.id, command.actor.id) for approval in state.approvals):
            return refuse("needs_other_person", "This person approved it already.", "actor.id")
        return None
    if any(hold.name in PERSON_LIFTS for hold in state.holds):
        return None
    return refuse("withdrawal_over", f"It is {state.phase}.") if state.phase in ENDS else refuse("not_in_approval")


def _approve(state: WithdrawalState, command: ApproveWithdrawal, now: datetime) -> WithdrawalState:
    if state.phase != "in_approval":
        return go_on(state.without_holds(*PERSON_LIFTS), now)
    state = state.changed(approvals=(*state.approvals, Approval(actor=command.actor, at=now)))
    if len(state.approvals) < PEOPLE_NEEDED:
        return state
    return go_on(state.enter("approved", now), now)


def _check_reject(state: WithdrawalState, command: RejectWithdrawal, now: datetime) -> Refusal | None:
    refusal = _check_cancel(state, CancelWithdrawal(command_id=command.command_id, actor=command.actor), now)
    if refusal is not None:
        return refusal
    if state.phase == "requested":
        return refuse("not_in_approval")
    return None if command.reason else refuse("reason_missing", field="reason")


def _reject(state: WithdrawalState, command: RejectWithdrawal, now: datetime) -> WithdrawalState:
    return give_back(state, "rejected", command.reason, now)


def _check_recheck(state: WithdrawalState, command: RecheckWithdrawal, now: datetime) -> Refusal | None:
    return _check_cancel(state, CancelWithdrawal(command_id=command.command_id, actor=command.actor), now)


def _recheck(state: WithdrawalState, command: RecheckWithdrawal, now: datetime) -> WithdrawalState:
    # What is not reserved yet is checked by the reservation itself.
    return state.changed(standing_due=True) if state.phase in WAITS_AT_HOME else state


VERBS: Mapping[type[Command], Verb] = {
    CancelWithdrawal: Verb(frozenset({"merchant", "operator", "system"}), _check_cancel, _cancel),
    ApproveWithdrawal: Verb(PEOPLE, _check_approve, _approve),
    RejectWithdrawal: Verb(PEOPLE, _check_reject, _reject),
    ResolveUnknown: Verb(PEOPLE, resolving.check_resolution, resolving.resolve),
    ReportPayout: Verb(frozenset({"rail"}), reporting.check_report, reporting.report),
    RecheckWithdrawal: Verb(frozenset({"operator", "system"}), _check_recheck, _recheck),
}


# --- all commands ----------------------------------------------------------------------------------------


def answer_of(state: WithdrawalState) -> Answer:
    """The answer of a command that was just accepted."""
    return Answer(
        outcome="accepted", phase=state.phase, audit="none", receipt="none", next_deadline=next_deadline(state)
    )


def first_answer(state: WithdrawalState, command: Command) -> Answer | Refusal | None:
    """What this command id was answered before; None where it is new."""
    return state.inbox.answer_to(command)


def refusal_of(state: WithdrawalState, command: Command, now: datetime) -> Refusal | None:
    """Why this command would be refused now; None where it would be accepted. Duplicates are not considered."""
    verb = VERBS[type(command)]
    if (refusal := wrong_role(verb, command)) is not None:
        return refusal
    if command.actor.role == "merchant" and command.actor.id != state.withdrawal.merchant_id:
        return refuse("wrong_actor", "It is another merchant's withdrawal.", field="actor.id")
    workflow_id = withdrawal_workflow_id(state.withdrawal.withdrawal_id)
    if (refusal := unproven_command(command, workflow_id, state.policy.proofs, now)) is not None:
        return refusal
    if _too_many(state, command):
        return refuse("too_many_commands")
    return verb.check(state, command, now)


def receive(
    state: WithdrawalState, command: Command, now: datetime, channel: Channel, left: Collection[str] = ()
) -> tuple[WithdrawalState, Answer | Refusal]:
    """The withdrawal after a command, and the command's answer.

    A known command id gets its first answer. A refused update leaves nothing behind; a refused signal is journaled and
    uses up its id.

    Args:
        left: the people of `voters_of` whose words do not count any more.
    """
    first = first_answer(state, command)
    if first is not None:
        return _journal(state, command, now, channel, first), first
    standing = without_words_of(state, left)
    refusal = left_sender(command, left) or refusal_of(standing, command, now)
    if refusal is not None:
        if channel == "update":
            return state, refusal
        if refusal.code != "too_many_commands":  # a list of these ids would grow without limit
            state = _remember_answer(state, command, refusal)
        return _journal(state, command, now, channel, refusal), refusal
    if isinstance(command, ReportPayout) and reporting.is_known(state, command):
        answer = answer_of(state).model_copy(update={"outcome": "duplicate"})
        return _journal(state, command, now, channel, answer), answer
    after = VERBS[type(command)].effect(standing, command, now)
    dropped = words_dropped(said_by(state), left)
    answer, said = answer_of(after), "; ".join(filter(None, (_said(standing, after, command), dropped))) or None
    return _journal(_remember_answer(after, command, answer), command, now, channel, answer, said), answer


def _said(state: WithdrawalState, after: WithdrawalState, command: Command) -> str | None:
    """What the journal keeps of an accepted command: its reason, and what a person said of a payout's outcome."""
    reason = getattr(command, "reason", None)
    if not isinstance(command, ResolveUnknown):
        return reason
    said = f"{command.outcome}, {command.reference}: {reason}"
    if state.statements and not after.statements and after.phase == state.phase and after.incident == state.incident:
        first = state.statements[-1]
        said = f"{said}; {disagreement(first.actor.id, first.outcome, first.reference)}"
    return said


def note_unreadable(state: WithdrawalState, name: str, refusal: Refusal, now: datetime) -> WithdrawalState:
    """The withdrawal after a signal that could not be read. The journal keeps it."""
    inbox = state.inbox.note(now, "signal", name, "refused", refusal=refusal)
    return state.changed(inbox=inbox).next_revision()


def count_unreadable(state: WithdrawalState, code: str, signals: int) -> WithdrawalState:
    """The withdrawal after a burst of unreadable signals: counted by code, not journaled one by one."""
    return state.changed(inbox=state.inbox.count(code, signals)).next_revision()


def note_cancellation(state: WithdrawalState, now: datetime) -> WithdrawalState:
    """The withdrawal after a request to cancel its workflow.

    It does not cancel the withdrawal; the journal keeps the request.
    """
    why = "Cancelling a workflow calls no withdrawal off: send cancel."
    inbox = state.inbox.note(now, "system", "cancel_workflow", "noted", message=why)
    return state.changed(inbox=inbox).next_revision()


def _too_many(state: WithdrawalState, command: Command) -> bool:
    """Callbacks have their own limit, so that a noisy rail locks out no person.

    A part of the other limit is reserved for the people who decide.
    """
    if isinstance(command, ReportPayout):
        return state.callbacks >= state.policy.callbacks_max
    kept = 0 if command.actor.role in PEOPLE else COMMANDS_RESERVED
    return state.inbox.counted - state.callbacks >= state.policy.commands_max - kept


def _remember_answer(state: WithdrawalState, command: Command, answer: Answer | Refusal) -> WithdrawalState:
    # A rail's event is bound to its content by its event id, which counts once, also when two commands bring it.
    is_event = isinstance(command, ReportPayout)
    inbox = state.inbox.note_answer(command, answer, bound=not is_event)
    return state.changed(inbox=inbox, callbacks=state.callbacks + is_event)


def _journal(
    state: WithdrawalState,
    command: Command,
    now: datetime,
    channel: Channel,
    answer: Answer | Refusal,
    said: str | None = None,
) -> WithdrawalState:
    refusal = answer if isinstance(answer, Refusal) else None
    outcome: Outcome = "refused" if isinstance(answer, Refusal) else answer.outcome
    inbox = state.inbox.note(now, channel, command.verb, outcome, command=command, refusal=refusal, message=said)
    return state.changed(inbox=inbox).next_revision()
