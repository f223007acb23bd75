"""`report_payout`: a rail's callback. Callbacks come twice, late, and out of order. Each event id counts once."""

from __future__ import annotations

from datetime import datetime

from core.messages import ReportPayout
from core.money import format_minor
from core.reasons import Refusal, refuse
from core.withdrawal.outcomes import apply_callback
from core.withdrawal.payouts import PayoutEvent, PayoutResult
from core.withdrawal.state import WithdrawalState


def is_known(state: WithdrawalState, command: ReportPayout) -> bool:
    """Whether this event was counted before."""
    attempt = state.attempt_with_key(command.key)
    return attempt is not None and attempt.event(command.event_id) is not None


def check_report(state: WithdrawalState, command: ReportPayout, now: datetime) -> Refusal | None:
    """Whether it is about a payout of this withdrawal, comes from its rail, and has its currency and amount."""
    attempt = state.attempt_with_key(command.key)
    if attempt is None:
        return refuse("unknown_payout", field="key")
    if command.actor.id != attempt.rail:
        return refuse("wrong_actor", f"The payout is on the rail {attempt.rail}.", field="actor.id")
    if command.currency != state.withdrawal.currency:
        return refuse("wrong_currency", f"The payout is in {state.withdrawal.currency}.", field="currency")
    known = attempt.event(command.event_id)
    if known is not None:
        same = (known.outcome, known.amount_minor) == (command.outcome, command.amount_minor)
        return None if same else refuse("event_exists_with_different_content", field="event_id")
    if command.outcome == "returned":
        right = command.amount_minor <= state.net_minor - attempt.called_back_minor
    else:
        right = command.amount_minor == state.net_minor
    payout = format_minor(state.net_minor, state.withdrawal.currency)
    return None if right else refuse("wrong_amount", f"The payout is {payout}.", field="amount_minor")


def report(state: WithdrawalState, command: ReportPayout, now: datetime) -> WithdrawalState:
    """The event is counted, and applied to its attempt."""
    attempt = state.attempt_with_key(command.key)
    assert attempt is not None
    event = PayoutEvent(
        event_id=command.event_id, outcome=command.outcome, amount_minor=command.amount_minor, code=command.code, at=now
    )
    result = PayoutResult(
        outcome=command.outcome,
        returned_minor=command.amount_minor if command.outcome == "returned" else None,
        failure=command.failure,
        code=command.code,
        message=command.message,
    )
    return apply_callback(state, attempt, event, result, now)
