"""The withdrawal's page in the Web UI, in markdown."""

from __future__ import annotations

from collections.abc import Iterator

from core.money import format_minor
from core.texts import clock
from core.withdrawal.deadlines import next_deadline
from core.withdrawal.state import WithdrawalState
from core.withdrawal.views import holds_of


def details_of(state: WithdrawalState) -> str:
    """State, what is awaited, why the money has not arrived, payouts."""
    withdrawal, deadline = state.withdrawal, next_deadline(state)
    amount = format_minor(withdrawal.amount_minor, withdrawal.currency)
    fee = f", fee {format_minor(state.fee_minor, withdrawal.currency)}" if state.fee_minor else ""
    lines = [
        f"### Withdrawal {withdrawal.withdrawal_id}: {amount}{fee}, for {withdrawal.merchant_id}",
        "",
        f"**{state.phase}** since {clock(state.phase_since)}" + (f": {state.reason}" if state.reason else ""),
        "",
        *([f"**Next deadline** {deadline.name} at {clock(deadline.at)}", ""] if deadline else []),
        *_hold_lines(state),
        *_attempt_lines(state),
    ]
    return "\n".join(lines)


def _hold_lines(state: WithdrawalState) -> Iterator[str]:
    views = holds_of(state)
    if views:
        yield "\n**Why the money is not there**\n"
    for view in views:
        until = f", expected by {clock(view.expected_release)}" if view.expected_release else ""
        yield f"- `{view.reason}` since {clock(view.since)}{until}; {view.who_can_act}: {view.what_helps}"


def _attempt_lines(state: WithdrawalState) -> Iterator[str]:
    if state.attempts:
        yield "\n| payout | rail | key | account | outcome | why |\n| --- | --- | --- | --- | --- | --- |"
    for attempt in state.attempts:
        failure = attempt.failure
        why = " ".join(filter(None, (failure.failure, failure.code))) if failure else ""
        account = f"…{attempt.account_last4}" if attempt.account_last4 else state.withdrawal.account_id
        yield f"| {attempt.number} | {attempt.rail} | {attempt.key} | {account} | {attempt.outcome} | {why} |"
