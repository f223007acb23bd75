"""What a withdrawal learns about its payout, and the state that follows.

Evidence is the answer to an instruction or a look-up, a callback, or the word of two people. A decided outcome stays.
"Failed" after "paid" is money that came back; "paid" after "failed" is a case for a person.
"""

from __future__ import annotations

from datetime import datetime

from core.merchants import MERCHANT_FROZEN
from core.money import format_minor
from core.withdrawal.calendar import after_working_days, next_day_starts
from core.withdrawal.payouts import Attempt, Failure, PayoutEvent, PayoutResult
from core.withdrawal.state import GIVEN_BACK, Phase, WithdrawalState


def learn(state: WithdrawalState, number: int, result: PayoutResult, now: datetime) -> WithdrawalState:
    """The state after a rail's answer about one attempt. A vague answer leaves a decided outcome as it is."""
    attempt = state.attempt(number)
    if attempt.outcome == "paid":
        return _learn_after_paid(state, attempt, result, now)
    if attempt.dead:
        return _learn_after_failed(state, attempt, result, now)
    if result.outcome in {"paid", "returned"}:
        if disagrees(state, result):
            state = mark_unknown(state, attempt, now)
            amount = state.net_minor if result.amount_minor is None else result.amount_minor
            # A rail that names no currency means that of its instruction.
            paid = format_minor(amount, result.currency or state.withdrawal.currency)
            return state.stop_for("amount_disagrees", "operator", now, key=attempt.key, told=paid)
        state = mark_paid(state, attempt.changed(reference=result.reference), now)
        return _learn_after_paid(state, state.attempt(number), result, now)
    if result.outcome == "failed" and result.failure != "unknown":
        failure = Failure(failure=result.failure or "user", code=result.code, message=result.message)
        return mark_failed(state, attempt, failure, now)
    if attempt.sends == 0:
        return state  # not sent yet, so the rail cannot know it
    if result.outcome == "not_found":
        attempt = attempt.changed(not_found_at=(*attempt.not_found_at, now))
        return mark_unknown(state, attempt, now)
    if result.outcome == "accepted":
        return _mark_accepted(state, attempt, result, now)
    # No answer leaves an earlier acknowledgement as it is. A first instruction without an answer is unknown.
    return state if attempt.outcome == "accepted" and result.outcome == "unknown" else mark_unknown(state, attempt, now)


def apply_callback(
    state: WithdrawalState, attempt: Attempt, event: PayoutEvent, result: PayoutResult, now: datetime
) -> WithdrawalState:
    """The state after a callback. The event is counted first, so that what came back is a sum over a set."""
    state = state.with_attempt(attempt.changed(events=(*attempt.events, event)))
    if event.outcome == "returned":
        counted = state.attempt(attempt.number)
        if attempt.dead and counted.came_back_minor != state.net_minor:
            return _open_incident(state, attempt, now)
        if not attempt.dead and attempt.outcome != "paid":
            state = mark_paid(state, counted, now)
        return state if attempt.dead else _note_return(state, now)
    if event.outcome == "failed" and result.failure == "unknown" and not attempt.dead:
        # The rail says "failed" with an unknown code: look it up before booking anything.
        return state.with_attempt(state.attempt(attempt.number).changed(look_due=True))
    return learn(state, attempt.number, result, now)


def disagrees(state: WithdrawalState, result: PayoutResult) -> bool:
    """Whether the rail paid another amount or currency than instructed."""
    return result.amount_minor not in (None, state.net_minor) or result.currency not in (
        None,
        state.withdrawal.currency,
    )


def contradicts(attempt: Attempt, result: PayoutResult) -> bool:
    """Whether an answer contradicts the decided outcome.

    The answer may be old: its question may date from before the decision.
    """
    if attempt.outcome == "paid":
        return result.outcome in {"failed", "not_sent"}
    return attempt.dead and result.outcome in {"paid", "returned"}


# --- ends --------------------------------------------------------------------------------------------------


def mark_paid(state: WithdrawalState, attempt: Attempt, now: datetime) -> WithdrawalState:
    """The payee has the money; it may still come back."""
    state = state.with_attempt(attempt.changed(outcome="paid", decided_at=now, look_due=False))
    watch_until = None if attempt.terms.success_is_final else _watch_until(state, now)
    state = state.enter("paid" if watch_until else "final", now).changed(watch_until=watch_until)
    return state.with_notice("merchant", "withdrawal_paid", now, amount_minor=str(state.net_minor))


def mark_failed(state: WithdrawalState, attempt: Attempt, failure: Failure, now: datetime) -> WithdrawalState:
    """The instruction is known to have had no effect. What happens next depends on the reason."""
    attempt = attempt.changed(outcome="failed", decided_at=now, failure=failure, look_due=False)
    state = state.with_attempt(attempt)
    again = attempt.number < state.policy.attempts_max
    if failure.failure == "quota" and again:
        next_day = next_day_starts(now, state.policy.day_offset)
        return state.enter("approved", now).changed(not_before=next_day)
    if failure.failure == "ours":
        return wait_for_operator(state, failure.code or failure.message or "", now)
    if failure.failure == "risk" and again:
        return ask_approval(state, now)
    if failure.failure == "payee":
        state = suspend_account(state)
    why = " ".join(filter(None, (failure.failure, failure.code, failure.message)))
    return give_back(state, "failed", why, now)


def wait_for_operator(state: WithdrawalState, why: str, now: datetime) -> WithdrawalState:
    """The fault is on our side, not the merchant's: it waits for an operator, neither paid nor given back."""
    return state.enter("approved", now).stop_for("our_side", "operator", now, why=why)


def wait_for_merchant(state: WithdrawalState, stop: str, why: str, now: datetime) -> WithdrawalState:
    """The merchant is frozen or suspended: nothing is sent or given back until an operator lifts that."""
    if state.phase == "submitting":
        state = state.enter("approved", now)
    if stop == MERCHANT_FROZEN:
        return state.stop_for("merchant_frozen", "operator", now, why=why)
    return state.stop_for("merchant_suspended", "operator", now, why=why)


def mark_unsent(state: WithdrawalState, attempt: Attempt, now: datetime) -> WithdrawalState:
    """The instruction was not sent in its time: a new one is made. After too many of them a person looks."""
    state = state.with_attempt(attempt.changed(outcome="unsent", decided_at=now))
    if attempt.number < state.policy.attempts_max:
        return go_on(state.enter("approved", now), now)
    return wait_for_operator(state, "no instruction could be sent in its time", now)


def give_back(state: WithdrawalState, phase: Phase, reason: str, now: datetime) -> WithdrawalState:
    """The reservation is to be voided. Where something was sent, late contradictions are waited for."""
    assert phase in GIVEN_BACK
    state = state.enter(phase, now, reason)
    sent = any(attempt.sends for attempt in state.attempts)
    state = state.changed(watch_until=_watch_until(state, now) if sent else None)
    return state.with_notice("merchant", f"withdrawal_{phase}", now, reason=reason)


def ask_approval(state: WithdrawalState, now: datetime) -> WithdrawalState:
    """Two people must approve it; earlier approvals no longer count."""
    state = state.enter("in_approval", now).changed(approve_by=now + state.policy.approval_sla, approvals=())
    return state.with_notice("reviewer", "approval_needed", now, amount_minor=str(state.withdrawal.amount_minor))


def go_on(state: WithdrawalState, now: datetime) -> WithdrawalState:
    """Submit it if nothing stands in the way. From here on it cannot be cancelled."""
    return state.enter("submitting", now) if state.may_submit else state


def suspend_account(state: WithdrawalState) -> WithdrawalState:
    """No more money goes to this payout account until its merchant has corrected it."""
    return state if state.account_suspension else state.changed(account_suspension="wanted")


def mark_unknown(state: WithdrawalState, attempt: Attempt, now: datetime) -> WithdrawalState:
    """The outcome is unknown. Nothing is booked and nothing new is sent; the rail is asked again."""
    since = {"first_sent_at": attempt.first_sent_at or now, "last_sent_at": attempt.last_sent_at or now}
    state = state.with_attempt(attempt.changed(outcome="unknown", **since))
    return state.enter("unknown", now) if state.phase in {"submitting", "submitted"} else state


# --- leaves ------------------------------------------------------------------------------------------------


def _mark_accepted(state: WithdrawalState, attempt: Attempt, result: PayoutResult, now: datetime) -> WithdrawalState:
    attempt = attempt.changed(
        outcome="accepted",
        reference=result.reference or attempt.reference,
        to_confirm=result.to_confirm or attempt.to_confirm,
        not_found_at=(),
    )
    state = state.with_attempt(attempt)
    waits_for_people = state.has_hold("payout_stuck") or state.phase == "in_suspense"
    if state.phase == "submitted" or waits_for_people:
        return state
    return state.enter("submitted", now)


def _learn_after_paid(state: WithdrawalState, attempt: Attempt, result: PayoutResult, now: datetime) -> WithdrawalState:
    if result.outcome == "returned":
        back = result.returned_minor if result.returned_minor is not None else state.net_minor
    elif result.outcome == "failed" and result.failure != "unknown":
        back = state.net_minor
    else:
        return state
    back = min(max(back, attempt.looked_back_minor), state.net_minor)
    return _note_return(state.with_attempt(attempt.changed(looked_back_minor=back)), now)


def _learn_after_failed(
    state: WithdrawalState, attempt: Attempt, result: PayoutResult, now: datetime
) -> WithdrawalState:
    if result.outcome == "paid":
        return _open_incident(state, attempt, now)
    # Paid in full and returned in full leaves the same as "failed".
    if result.outcome == "returned" and result.returned_minor not in (None, state.net_minor):
        return _open_incident(state, attempt, now)
    return state


def _open_incident(state: WithdrawalState, attempt: Attempt, now: datetime) -> WithdrawalState:
    if state.incident is not None:
        return state
    state = state.changed(incident=attempt.number)
    return state.stop_for("paid_after_failed", "operator", now, key=attempt.key)


def _note_return(state: WithdrawalState, now: datetime) -> WithdrawalState:
    due = state.return_due_minor
    if not due:
        return state
    if state.phase != "returned":
        state = state.enter("returned", now)
    return suspend_account(state).with_notice("merchant", "withdrawal_returned", now, amount_minor=str(due))


def _watch_until(state: WithdrawalState, now: datetime) -> datetime | None:
    days = state.policy.return_watch_working_days
    return after_working_days(now, days, state.policy.day_offset) if days else None
