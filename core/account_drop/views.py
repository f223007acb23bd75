"""What others see of a penny drop: its phase, and why its outcome is not known yet. The amount is never in it."""

from __future__ import annotations

from typing import Any

from core.account_drop.deadlines import next_deadline
from core.account_drop.state import AccountDropState, DropAnswer, DropState
from core.account_drop.texts import WAITING
from core.answers import HoldView

_WAITS: dict[DropState, tuple[str, str]] = {
    "open": ("being_submitted", "system"),
    "sending": ("outcome_unknown", "rail"),
    "accepted": ("with_the_bank", "rail"),
    "unknown": ("outcome_unknown", "rail"),
}
"""Why it is not over, by its phase, and who can act."""


def summary_of(state: AccountDropState) -> DropAnswer:
    """How a drop ended, for the result of its workflow. The register has its row."""
    return DropAnswer(
        state=None if state.refusal else state.phase,
        detail=state.detail,
        refusal=state.refusal,
    )


def drop_view(state: AccountDropState) -> dict[str, Any]:
    """The whole state as JSON, without its journal."""
    due = next_deadline(state)
    return {
        "key": state.drop.key,
        "closed": state.over,
        "next_deadline": due.model_dump(mode="json") if due else None,
        **state.model_dump(mode="json", exclude={"inbox", "notices", "notice_seq", "recorded_revision"}),
    }


def journal_view(state: AccountDropState) -> list[dict[str, Any]]:
    """The journal as JSON, oldest first. One last line counts the entries that were dropped."""
    return state.inbox.view()


def holds_of(state: AccountDropState) -> tuple[HoldView, ...]:
    """Why it is not known yet whether the amount arrived."""
    if state.over:
        return ()
    reason, who = _WAITS[state.phase]
    due, helps = next_deadline(state), WAITING[reason]
    return (
        HoldView(
            reason=reason,
            since=state.phase_since,
            expected_release=due.at if due else None,
            who_can_act=who,
            what_helps=helps.en,
            what_helps_zh=helps.zh,
        ),
    )
