"""Deadlines: what passes next, and what happens then. Every wait has one, or a hold with an owner.

`deadlines` derives them from the state; nothing is stored twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from core.answers import NextDeadline
from core.outages import OUTAGE, overslept, with_grace
from core.states import Deadline
from core.withdrawal.outcomes import give_back, go_on, mark_failed
from core.withdrawal.payouts import Attempt, Failure
from core.withdrawal.state import WAITS_AT_HOME, WithdrawalState

WATCH_LOOKS = (timedelta(days=1), timedelta(days=3))
"""After "paid", for a rail whose success is not final: a return's callback may be lost."""
LAST_LOOK_BEFORE = timedelta(hours=1)
STANDING_AT = "standing_at"


def deadlines(state: WithdrawalState) -> tuple[Deadline, ...]:
    """All deadlines that run, earliest first."""
    return tuple(sorted(_all(state), key=lambda deadline: (deadline.at, deadline.name)))


def next_wake(state: WithdrawalState) -> NextDeadline | None:
    """The earliest deadline of all: when the workflow wakes by itself."""
    running = deadlines(state)
    return NextDeadline(name=running[0].name, at=running[0].at) if running else None


def next_deadline(state: WithdrawalState) -> NextDeadline | None:
    """The earliest deadline that matters to people. Our own checks are left out."""
    running = [deadline for deadline in deadlines(state) if deadline.name != STANDING_AT]
    return NextDeadline(name=running[0].name, at=running[0].at) if running else None


def _all(state: WithdrawalState) -> Iterator[Deadline]:
    if state.phase == "in_approval" and state.approve_by is not None:
        yield Deadline(name="approve_by", at=state.approve_by)
    if state.phase == "approved" and state.not_before is not None:
        yield Deadline(name="submit_at", at=state.not_before)
    if state.phase in WAITS_AT_HOME and not state.standing_due:
        since = max(filter(None, (state.phase_since, state.standing_checked_at)))
        yield Deadline(name=STANDING_AT, at=since + state.policy.standing_every)
    if state.phase == "in_suspense" and state.suspense_until is not None:
        yield Deadline(name="suspense_until", at=state.suspense_until)
    if state.watch_until is not None:
        yield Deadline(name="watch_until", at=state.watch_until)
    for attempt in state.attempts:
        look = _next_look(state, attempt)
        if look is not None:
            yield Deadline(name="query_at", at=look, subject=str(attempt.number))
        if attempt.undecided and not state.has_hold("payout_stuck") and state.phase in {"submitted", "unknown"}:
            assert attempt.first_sent_at is not None
            at = attempt.first_sent_at + state.policy.person_after
            yield Deadline(name="person_at", at=at, subject=str(attempt.number))


def _next_look(state: WithdrawalState, attempt: Attempt) -> datetime | None:
    if attempt.look_due:
        return None
    if attempt.undecided:
        return _look_for_undecided(state, attempt)
    if attempt.outcome == "paid" and state.watch_until is not None:
        assert attempt.decided_at is not None
        since = max(filter(None, (attempt.decided_at, attempt.looked_at)))
        looks = [attempt.decided_at + after for after in WATCH_LOOKS] + [state.watch_until - LAST_LOOK_BEFORE]
        return min((at for at in looks if since < at < state.watch_until), default=None)
    return None


def _look_for_undecided(state: WithdrawalState, attempt: Attempt) -> datetime | None:
    """1 min, 5 min, 1 h after the last sending, then daily, while the rail can still be asked."""
    assert attempt.first_sent_at is not None
    assert attempt.last_sent_at is not None
    base, policy = attempt.last_sent_at, state.policy
    since = max(filter(None, (base, attempt.looked_at)))
    daily = base + ((since - base) // policy.query_every + 1) * policy.query_every
    at = min([base + after for after in policy.query_after if base + after > since] + [daily])
    until = policy.query_until
    if attempt.terms.query_window is not None:
        until = min(until, attempt.terms.query_window)
    return at if at <= attempt.first_sent_at + until else None


# --- after an outage -------------------------------------------------------------------------------------


def spare(state: WithdrawalState, expected: datetime, now: datetime) -> WithdrawalState:
    """The withdrawal after an outage of ours, in which no one could approve it; the same state where there was none.

    Only `approve_by` runs against the merchant. All others are our own looks and terms of banks, and do not move.

    Args:
        expected: when its next deadline was to pass, as we last looked.
    """
    limits, old = state.policy, state.approve_by
    if old is None or not limits.outage_grace or not overslept(expected, now, limits.outage_limit):
        return state
    new = with_grace(old, now, limits.outage_grace, limits.approval_sla)
    if new == old:
        return state
    facts = {"name": "approve_by", "old": old.isoformat(), "new": new.isoformat(), "reason": OUTAGE}
    state = state.changed(approve_by=new)
    for reader in ("merchant", "reviewer"):
        state = state.with_notice(reader, "deadline_shifted", now, **facts)
    said = f"approve_by: {facts['old']} → {facts['new']}, {OUTAGE}"
    inbox = state.inbox.note(now, "system", "deadline_shifted", "noted", message=said)
    return state.changed(inbox=inbox).next_revision()


# --- passing ---------------------------------------------------------------------------------------------


def pass_deadlines(state: WithdrawalState, now: datetime) -> WithdrawalState:
    """Pass what is due, in due order. Each is derived from the state before it."""
    while True:
        due = next((deadline for deadline in deadlines(state) if deadline.at <= now), None)
        if due is None:
            return state
        state = PASSING[due.name](state, due, now)
        inbox = state.inbox.note(now, "deadline", due.name, "noted")
        state = state.changed(inbox=inbox).next_revision()


def _pass_approve_by(state: WithdrawalState, deadline: Deadline, now: datetime) -> WithdrawalState:
    return give_back(state, "rejected", "no one approved it in time", now)


def _pass_submit_at(state: WithdrawalState, deadline: Deadline, now: datetime) -> WithdrawalState:
    return go_on(state.changed(not_before=None), now)


def _pass_standing_at(state: WithdrawalState, deadline: Deadline, now: datetime) -> WithdrawalState:
    return state.changed(standing_due=True)


def _pass_query_at(state: WithdrawalState, deadline: Deadline, now: datetime) -> WithdrawalState:
    attempt = state.attempt(int(deadline.subject))
    return state.with_attempt(attempt.changed(look_due=True))


def _pass_person_at(state: WithdrawalState, deadline: Deadline, now: datetime) -> WithdrawalState:
    if state.phase == "submitted":
        state = state.enter("unknown", now)
    return state.stop_for("payout_stuck", "operator", now, key=state.attempt(int(deadline.subject)).key)


def _pass_suspense_until(state: WithdrawalState, deadline: Deadline, now: datetime) -> WithdrawalState:
    attempt = state.latest
    assert attempt is not None
    return mark_failed(state, attempt, Failure(failure="user", code="by_hand", message=state.reason), now)


def _pass_watch_until(state: WithdrawalState, deadline: Deadline, now: datetime) -> WithdrawalState:
    state = state.changed(watch_until=None)
    return state.enter("final", now) if state.phase == "paid" else state


PASSING: dict[str, Callable[[WithdrawalState, Deadline, datetime], WithdrawalState]] = {
    "approve_by": _pass_approve_by,
    "submit_at": _pass_submit_at,
    STANDING_AT: _pass_standing_at,
    "query_at": _pass_query_at,
    "person_at": _pass_person_at,
    "suspense_until": _pass_suspense_until,
    "watch_until": _pass_watch_until,
}
