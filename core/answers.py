"""What workflows answer: to a command, and to queries about deadlines, the journal and holds."""

from __future__ import annotations

from typing import Literal

from core.fields import Message, Time, omitted_at
from core.messages import Actor


class NextDeadline(Message):
    """The next deadline, and when it passes."""

    name: str
    at: Time


class Answer(Message):
    """The answer to an accepted update. A duplicate gets the first answer, with another `outcome`."""

    outcome: Literal["accepted", "duplicate"]
    phase: str
    audit: str
    receipt: str
    next_deadline: NextDeadline | None = None


class JournalEntry(Message):
    """One line of the journal of an order or withdrawal: what came in, and the answer. JSON leaves out what is null."""

    seq: int
    at: Time
    channel: Literal["update", "signal", "deadline", "system"]
    verb: str
    command_id: str | None = omitted_at(None)
    actor: Actor | None = omitted_at(None)
    outcome: Literal["accepted", "duplicate", "refused", "noted"]
    code: str | None = omitted_at(None)
    message: str | None = omitted_at(None)


class HoldView(Message):
    """Why money has not arrived yet, and how much of it waits for this reason: reasons may share the same money."""

    reason: str
    amount_minor: int | None = None
    currency: str | None = None
    since: Time
    expected_release: Time | None = None
    who_can_act: str
    what_helps: str
    what_helps_zh: str | None = None
    """The same in Chinese; null where there is no Chinese text."""
