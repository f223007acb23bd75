"""`resolve_unknown`, the most dangerous verb: two people report, with the bank's reference, the outcome of a payout."""

from __future__ import annotations

from datetime import datetime, timedelta

from core.command import same_person
from core.messages import ResolveUnknown
from core.reasons import Refusal, refuse
from core.texts import clock
from core.withdrawal.outcomes import mark_paid
from core.withdrawal.payouts import Attempt
from core.withdrawal.state import Testimony, WithdrawalState


def disputed_attempt(state: WithdrawalState) -> Attempt | None:
    """The attempt that people may resolve: the contradicted one, else the one whose outcome is unknown."""
    if state.incident is not None:
        return state.attempt(state.incident)
    return state.latest if state.phase in {"unknown", "in_suspense"} else None


def resolvable_from(state: WithdrawalState, attempt: Attempt) -> datetime:
    """Not before the rail's window and a margin have passed: until then the instruction may still take effect."""
    base = attempt.last_sent_at or attempt.opened_at
    return base + (attempt.terms.dedup_window or timedelta()) + state.policy.resolve_margin


def check_resolution(state: WithdrawalState, command: ResolveUnknown, now: datetime) -> Refusal | None:
    """Whether there is something to resolve, late enough, by a person who may vote and has not voted yet."""
    attempt = disputed_attempt(state)
    if attempt is None:
        return refuse("not_unknown")
    if not command.reason:
        return refuse("reason_missing", field="reason")
    opens = resolvable_from(state, attempt)
    if now < opens:
        return refuse("too_early", f"It can be resolved from {clock(opens)}.")
    person = command.actor.id
    asked = state.withdrawal.requested_by.id
    if same_person(person, asked) or any(same_person(said.actor.id, person) for said in state.statements):
        return refuse("needs_other_person", field="actor.id")
    if state.phase == "in_suspense" and command.outcome == "failed":
        return refuse("not_unknown", "Two people said so already.")
    return None


def resolve(state: WithdrawalState, command: ResolveUnknown, now: datetime) -> WithdrawalState:
    """The second of two people who agree, reference included, settles it. If two differ, nothing is settled."""
    said = Testimony(actor=command.actor, outcome=command.outcome, reference=command.reference, at=now)
    earlier = state.statements[-1] if state.statements else None
    if earlier is None:
        return state.changed(statements=(said,))
    if (earlier.outcome, earlier.reference) != (said.outcome, said.reference):
        return state.changed(statements=())
    if state.incident is not None:
        return _close_incident(state, state.attempt(state.incident), said, now)
    attempt = state.latest
    assert attempt is not None
    if said.outcome == "paid":
        return mark_paid(state, attempt.changed(reference=said.reference), now)
    reason = f"{said.reference}, {command.reason}"
    state = state.enter("in_suspense", now, reason)
    return state.changed(suspense_until=now + state.policy.suspense_for)


def _close_incident(state: WithdrawalState, attempt: Attempt, said: Testimony, now: datetime) -> WithdrawalState:
    """The case is closed. Money that is still reserved may go to the rail; money given back is never posted again."""
    state = state.changed(incident=None, statements=()).without_holds("paid_after_failed")
    free = state.booked is None and not any(other.undecided or other.outcome == "paid" for other in state.attempts)
    if said.outcome == "paid" and free:
        return mark_paid(state, attempt.changed(reference=said.reference), now)
    return state
