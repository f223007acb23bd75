"""When a penny drop is looked up again, and when it is given up."""

from __future__ import annotations

from datetime import datetime, timedelta

from core.account_drop.state import AccountDropState
from core.answers import NextDeadline

_LOOKS = (timedelta(minutes=1), timedelta(minutes=5), timedelta(hours=1), timedelta(hours=6))
_THEN = timedelta(days=1)


def look_after(looks: int) -> timedelta:
    """How long to wait after this many looks at a drop whose outcome is not known."""
    return _LOOKS[looks] if looks < len(_LOOKS) else _THEN


def next_deadline(state: AccountDropState) -> NextDeadline | None:
    """The next look. The last one is made when the amount expires."""
    if state.over or state.sent_at is None or state.look_due or state.last_looked:
        return None
    asked = max(filter(None, (state.sent_at, state.looked_at)))
    return NextDeadline(name="query_at", at=min(asked + look_after(state.looks), max(asked, state.give_up_at)))


def pass_deadlines(state: AccountDropState, now: datetime) -> AccountDropState:
    """The drop at this time."""
    due = next_deadline(state)
    return state.changed(look_due=True) if due is not None and due.at <= now else state


def look_now(state: AccountDropState) -> AccountDropState:
    """The drop with a look due. Its run was set back; the register, which answers first, may know more."""
    return state if state.over or state.sent_at is None else state.changed(look_due=True)
