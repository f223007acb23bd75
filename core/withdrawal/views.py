"""What others see of a withdrawal: the register's record, why the money has not arrived yet, and the whole state."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from core.answers import HoldView
from core.reasons import Refusal
from core.records import WithdrawalRecord
from core.states import Hold
from core.texts import Help, clock
from core.votes import awaiting_second
from core.withdrawal.deadlines import next_deadline
from core.withdrawal.resolving import disputed_attempt, resolvable_from
from core.withdrawal.state import PEOPLE_NEEDED, WithdrawalState
from core.withdrawal.texts import HELD, WAITING


def record_of(state: WithdrawalState, now: datetime) -> WithdrawalRecord:
    """The register's row of this state. The row's own revision and notices are not a part of the stored state."""
    return WithdrawalRecord(
        withdrawal_id=state.withdrawal.withdrawal_id,
        revision=state.revision,
        follows=state.recorded_revision,
        state_name=state.phase,
        next_deadline=next_deadline(state),
        closed=state.booking_done,
        # A run that goes on from this record asks first in any case.
        state=state.model_dump(mode="json", exclude={"notices", "recorded_revision", "asks_first"}),
        notices=state.notices,
        recorded_at=now,
    )


def summary_of(state: WithdrawalState) -> dict[str, Any]:
    """How a withdrawal ended, for the result of its workflow. The register has the whole state."""
    return {
        "withdrawal_id": state.withdrawal.withdrawal_id,
        "phase": state.phase,
        "reason": state.reason,
        "currency": state.withdrawal.currency,
        "amount_minor": state.withdrawal.amount_minor,
        "fee_minor": state.fee_minor,
        "net_minor": state.net_minor,
        "returned_minor": sum(state.returns_minor),
    }


def refused_summary(refusal: Refusal) -> dict[str, Any]:
    """The result of a request that was refused: nothing was reserved."""
    return {"phase": "refused", "refusal": refusal.model_dump(mode="json", exclude_none=True)}


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
    """The journal as JSON, oldest first. One last line counts the entries that were dropped."""
    return state.inbox.view()


def hold_reasons(state: WithdrawalState) -> tuple[str, ...]:
    """Short names of why money has not arrived, for lists and search attributes."""
    return tuple(dict.fromkeys(view.reason for view in holds_of(state)))


def holds_of(state: WithdrawalState) -> tuple[HoldView, ...]:
    """Why the money has not arrived yet: reasons, since when, until when, who can act, what would help."""
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
        amount_minor=state.withdrawal.amount_minor,
        currency=state.withdrawal.currency,
        since=state.phase_since,
        expected_release=release,
        who_can_act=who,
        what_helps=helps.en.format(missing),
        what_helps_zh=helps.zh.format(missing),
    )


def _held(state: WithdrawalState, hold: Hold) -> HoldView:
    helps, attempt = HELD[hold.name], disputed_attempt(state)
    if "resolve_unknown" in helps.en and attempt is not None:
        opens = clock(resolvable_from(state, attempt))
        helps = Help(f"{helps.en} They can from {opens} on.", f"{helps.zh}最早可提交时间：{opens}。")
        for said in state.statements[-1:]:
            first = awaiting_second(said.actor.id, said.outcome, said.reference)
            helps = Help(helps.en + first.en, helps.zh + first.zh)
    return HoldView(
        reason=hold.name,
        amount_minor=state.withdrawal.amount_minor,
        currency=state.withdrawal.currency,
        since=hold.since,
        who_can_act=hold.owner,
        what_helps=helps.en,
        what_helps_zh=helps.zh,
    )
