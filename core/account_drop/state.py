"""Penny drops: a small random amount goes to an account, and the merchant, who sees its statements, says how much.

The amount is kept in the database only: neither here nor in a history.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from core.account_commands import AccountCommand
from core.durations import Duration
from core.fields import Id, Message, Reason, Time
from core.messages import Actor
from core.reasons import Refusal
from core.states import State

ACCOUNT_DROP_WORKFLOW = "AccountDropWorkflow"

LARGEST_MINOR = 99
"""0.99 of a currency with two decimals: small enough to give away, and enough values to be hard to guess."""

DropState = Literal["open", "sending", "accepted", "unknown", "paid", "failed", "unsent", "lost"]
ENDS: frozenset[DropState] = frozenset({"paid", "failed", "unsent", "lost"})

Few = Annotated[int, Field(strict=True, ge=1, le=20)]
"""The policy's limit. Someone who may guess often enough guesses right."""


def drop_key(command: AccountCommand) -> str:
    """The key of the drop that a command with an id asks for: the same for the same command, so that it is sent once
    even if the command was killed between taking its id and asking for the drop."""
    sender = f"{command.actor.role}/{command.actor.id}/{command.command_id}"
    return hashlib.sha256(f"account drop {sender}".encode()).hexdigest()[:32]


class AccountDrop(Message):
    """The request to send one. `key` is random or made from the command's id: the rail's key, and what makes a second
    request harmless."""

    key: Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9]{1,32}$")]
    account_id: Id
    valid: Duration = timedelta(days=7)
    tries: Few = 3
    drops_max: Few = 3
    by: Actor
    why: Reason

    @property
    def workflow_id(self) -> str:
        """The id of its workflow."""
        return f"account-drop-{self.key}"


class DropAnswer(Message):
    """The phase of a drop. `detail` says why it failed, and `refusal` why nothing was ever sent."""

    state: DropState | None = None
    detail: str | None = None
    refusal: Refusal | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more can be learned."""
        return self.refusal is not None or self.state in ENDS


class AccountDropState(State):
    """One drop between two events. Frozen: every change is a new state.

    `phase` is named as in the register. It is *over* once the rail's final answer is known, or the amount has expired.
    """

    drop: AccountDrop
    opened_at: Time
    phase: DropState = "open"
    phase_since: Time
    detail: str | None = None
    """Why it failed, in the rail's words."""
    refusal: Refusal | None = None
    """Why nothing was sent."""

    sent_at: Time | None = None
    looked_at: Time | None = None
    looks: int = 0
    look_due: bool = False

    @property
    def over(self) -> bool:
        return self.refusal is not None or self.phase in ENDS

    @property
    def give_up_at(self) -> Time:
        """When the amount expires: from then on it verifies nothing."""
        return self.opened_at + self.drop.valid

    @property
    def last_looked(self) -> bool:
        """Whether the rail was asked after the amount expired. Another look would follow at once."""
        return self.looked_at is not None and self.looked_at >= self.give_up_at
