"""Penny drops: a small random amount goes to an account, and the merchant, who reads its statements, says how much.

The amount stands in the database alone: neither here nor in a history.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from core.durations import Duration
from core.messages import Actor, Id, Message
from core.reasons import Refusal

ACCOUNT_DROP_WORKFLOW = "AccountDropWorkflow"

LARGEST_MINOR = 99
"""0.99 of a currency with two decimals. Small enough to be given away, many enough not to be guessed."""

DropState = Literal["open", "sending", "accepted", "unknown", "paid", "failed", "unsent", "lost"]
ENDS: frozenset[DropState] = frozenset({"paid", "failed", "unsent", "lost"})

_LOOKS = (timedelta(minutes=1), timedelta(minutes=5), timedelta(hours=1), timedelta(hours=6))
_THEN = timedelta(days=1)


class AccountDrop(Message):
    """The request to send one. `key` is random: the rail's key, and what makes a second request harmless."""

    key: str
    account_id: Id
    valid: Duration = timedelta(days=7)
    tries: int = 3
    drops_max: int = 3
    by: Actor
    why: str

    @property
    def workflow_id(self) -> str:
        """The id of its workflow."""
        return f"account-drop-{self.key}"


class DropAnswer(Message):
    """Where a drop stands; `detail` says why it failed, and `refusal` why nothing was ever sent."""

    state: DropState | None = None
    detail: str | None = None
    refusal: Refusal | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more is to be found out."""
        return self.refusal is not None or self.state in ENDS


def look_after(looks: int) -> timedelta:
    """How long to wait after so many looks at a drop whose outcome is not known."""
    return _LOOKS[looks] if looks < len(_LOOKS) else _THEN
