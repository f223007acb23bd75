"""What others see of a withdrawal: the register's record, why the money is not there yet, and the whole state."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from core.messages import HoldView
from core.money import format_minor
from core.records import WithdrawalRecord
from core.withdrawal.deadlines import next_deadline
from core.withdrawal.helping import HELD, WAITING, Help
from core.withdrawal.resolving import disputed, resolvable_from
from core.withdrawal.state import PEOPLE_NEEDED, Hold, WithdrawalState


def record_of(state: WithdrawalState, now: datetime) -> WithdrawalRecord:
    """The register's row of this state. The row's own revision and notices are not a part of the stored state."""
    return WithdrawalRecord(
        withdrawal_id=state.withdrawal.withdrawal_id,
        revision=state.revision,
        state_name=state.phase,
        next_deadline=next_deadline(state),
        closed=state.booking_done,
        state=state.model_dump(mode="json", exclude={"notices", "recorded_revision"}),
        notices=state.notices,
        recorded_at=now,
    )


def resume(record: dict[str, Any], revision: int) -> WithdrawalState:
    """The state from the register's row, to go on from where its workflow was lost."""
    return WithdrawalState.model_validate(record).changed(recorded_revision=revision)


def withdrawal_view(state: WithdrawalState) -> dict[str, Any]:
    """The whole state as JSON, without its journal and without the seed from which the payouts' keys come."""
    deadline = next_deadline(state)
    return {
        "withdrawal_id": state.withdrawal.withdrawal_id,
        "state": state.phase,
        "closed": state.over,
        "next_deadline": deadline.model_dump(mode="json") if deadline else None,
        "fee_minor": state.fee_minor,
        "net_minor": state.net_minor,
        **state.model_dump(mode="json", exclude={"seed", "inbox", "notices"}),
    }


def journal_view(state: WithdrawalState) -> list[dict[str, Any]]:
    """The journal as JSON, oldest first, with one last line that counts what was let go."""
    kept = [entry.model_dump(mode="json", exclude_none=True) for entry in state.inbox.journal]
    return [*kept, {"dropped": state.inbox.dropped}] if state.inbox.dropped else kept


def hold_reasons(state: WithdrawalState) -> tuple[str, ...]:
    """Short names of why money is not there, for lists and search attributes."""
    return tuple(dict.fromkeys(view.reason for view in holds_of(state)))


def holds_of(state: WithdrawalState) -> tuple[HoldView, ...]:
    """Why the money is not there yet: reasons, since when, until when, who can act, what would help."""
    waiting = _waiting(state)
    return (*([waiting] if waiting else []), *(_held(state, hold) for hold in state.holds))


def search_values(state: WithdrawalState) -> dict[str, Any]:
    """Values of the search attributes by name: enums and ids only, money in minor units."""
    deadline = next_deadline(state)
    return {
        "WithdrawalState": state.phase,
        "MerchantId": state.withdrawal.merchant_id,
        "Currency": state.withdrawal.currency,
        "AmountMinor": state.withdrawal.amount_minor,
        "HoldReasons": sorted(hold_reasons(state)),
        "NextDeadline": deadline.at if deadline else None,
    }


def details_of(state: WithdrawalState) -> str:
    """The withdrawal's page in the Web UI, in markdown: state, what is awaited, why the money is not there, payouts."""
    withdrawal, deadline = state.withdrawal, next_deadline(state)
    amount = format_minor(withdrawal.amount_minor, withdrawal.currency)
    fee = f", fee {format_minor(state.fee_minor, withdrawal.currency)}" if state.fee_minor else ""
    lines = [
        f"### Withdrawal {withdrawal.withdrawal_id}: {amount}{fee}, for {withdrawal.merchant_id}",
        "",
        f"**{state.phase}** since {_clock(state.phase_since)}" + (f": {state.reason}" if state.reason else ""),
        "",
        *([f"**Next deadline** {deadline.name} at {_clock(deadline.at)}", ""] if deadline else []),
        *_hold_lines(state),
        *_attempt_lines(state),
    ]
    return "\n".join(lines)


def _hold_lines(state: WithdrawalState) -> Iterator[str]:
    views = holds_of(state)
    if views:
        yield "\n**Why the money is not there**\n"
    for view in views:
        until = f", expected by {_clock(view.expected_release)}" if view.expected_release else ""
        yield f"- `{view.reason}` since {_clock(view.since)}{until}; {view.who_can_act}: {view.what_helps}"


def _attempt_lines(state: WithdrawalState) -> Iterator[str]:
    if state.attempts:
        yield "\n| payout | rail | key | account | outcome | why |\n| --- | --- | --- | --- | --- | --- |"
    for attempt in state.attempts:
        failure = attempt.failure
        why = " ".join(filter(None, (failure.failure, failure.code))) if failure else ""
        account = f"…{attempt.account_last4}" if attempt.account_last4 else state.withdrawal.account_id
        yield f"| {attempt.number} | {attempt.rail} | {attempt.key} | {account} | {attempt.outcome} | {why} |"


def _clock(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M UTC")


def _waiting(state: WithdrawalState) -> HoldView | None:
    latest = state.latest
    if state.phase == "in_approval":
        missing = PEOPLE_NEEDED - len(state.approvals)
        return _hold_view(state, "awaiting_approval", state.approve_by, "reviewer", missing)
    if state.phase == "approved" and state.not_before is not None:
        return _hold_view(state, "quota", state.not_before, "system")
    if state.phase in {"requested", "submitting"}:
        return _hold_view(state, "being_submitted", None, "system")
    if state.phase == "submitted" and latest is not None and latest.to_confirm:
        return _hold_view(state, "awaiting_payee", _next_look(state), "merchant")
    if state.phase == "submitted":
        return _hold_view(state, "with_the_bank", _next_look(state), "rail")
    if state.phase == "in_suspense":
        return _hold_view(state, "in_suspense", state.suspense_until, "operator")
    if state.phase == "unknown" and latest is not None:
        return _hold_view(state, "outcome_unknown", _next_look(state), "rail")
    return None


def _next_look(state: WithdrawalState) -> datetime | None:
    deadline = next_deadline(state)
    return deadline.at if deadline and deadline.name == "query_at" else None


def _hold_view(
    state: WithdrawalState, reason: str, release: datetime | None, who: str, missing: int | None = None
) -> HoldView:
    helps = WAITING[reason]
    return HoldView(
        reason=reason,
        since=state.phase_since,
        expected_release=release,
        who_can_act=who,
        what_helps=helps.en.format(missing),
        what_helps_zh=helps.zh.format(missing),
    )


def _held(state: WithdrawalState, hold: Hold) -> HoldView:
    helps, attempt = HELD[hold.name], disputed(state)
    if "resolve_unknown" in helps.en and attempt is not None:
        opens = _clock(resolvable_from(state, attempt))
        helps = Help(f"{helps.en}, from {opens}", f"{helps.zh}最早可提交时间：{opens}。")
    return HoldView(
        reason=hold.name,
        since=hold.since,
        who_can_act=hold.owner,
        what_helps=helps.en,
        what_helps_zh=helps.zh,
    )
