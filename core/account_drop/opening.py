"""How a penny drop begins: written down, or refused."""

from __future__ import annotations

from datetime import datetime

from core.account_drop.state import AccountDrop, AccountDropState, DropAnswer


def begin(drop: AccountDrop, opened: DropAnswer, now: datetime) -> AccountDropState:
    """The first state of a drop, from the register's answer."""
    return AccountDropState(
        drop=drop,
        opened_at=now,
        phase=opened.state or "open",
        phase_since=now,
        detail=opened.detail,
        refusal=opened.refusal,
    )
