"""What an event is outside of the database: its id, its body, and the cursor with which a reader goes on.

An event says that something changed, in the order of its subject: `seq` counts a subject's events without gaps. A
consumer that keeps the highest `seq` of each subject needs no more.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, NamedTuple

from core.fields import Message
from core.reasons import Refusal, refuse

_CURSOR = re.compile(r"([0-9]{1,18})-([0-9]{1,18})")
_EVENT_ID = re.compile(r"evt_([a-z]+)_([A-Za-z0-9_-]{1,120})_([1-9][0-9]{0,17})")
_SCOPED = frozenset({"reconciliation"})
"""Subjects of three parts: `reconciliation/{scope}/{name}`."""


class Cursor(NamedTuple):
    """The place of an event in the stream. A reader goes on after it."""

    position: int = 0
    id: int = 0

    def __str__(self) -> str:
        return f"{self.position}-{self.id}"


START = Cursor()
"""Before the first event."""


def read_cursor(given: str) -> Cursor | Refusal:
    """A cursor as it was given out; a refusal where it is none."""
    found = _CURSOR.fullmatch(given)
    if found is None:
        return refuse("malformed", f"{given[:40]!r} is no cursor; take `next` of an answer, unchanged.", field="after")
    return Cursor(int(found[1]), int(found[2]))


def event_id(subject: str, seq: int) -> str:
    """An event's id: `evt_order_A1001_7`."""
    return f"evt_{subject.replace('/', '_')}_{seq}"


def subject_of(given: str) -> tuple[str, int] | None:
    """The subject and number that an event's id names; None where it is none."""
    found = _EVENT_ID.fullmatch(given)
    if found is None:
        return None
    kind, name, seq = found[1], found[2], int(found[3])
    return f"{kind}/{name.replace('_', '/', 1) if kind in _SCOPED else name}", seq


class StoredEvent(Message):
    """One event of the register."""

    id: int
    position: int
    subject: str
    seq: int
    merchant_id: str | None
    type: str
    at: datetime
    data: dict[str, Any]

    @property
    def event_id(self) -> str:
        return event_id(self.subject, self.seq)

    @property
    def cursor(self) -> Cursor:
        return Cursor(self.position, self.id)

    @property
    def body(self) -> dict[str, Any]:
        """The event as consumers get it, under 4 KB: `{"id", "type", "timestamp", "data"}`."""
        kind, _, name = self.subject.partition("/")
        named = {f"{kind}_id": name} if kind not in _SCOPED else {}
        return {
            "id": self.event_id,
            "type": self.type,
            "timestamp": self.at.isoformat().replace("+00:00", "Z"),
            "data": {"subject": self.subject, **named, "merchant_id": self.merchant_id, "seq": self.seq, **self.data},
        }


class EventPage(Message):
    """Events in order. `next` is where to go on, also where a page has none: events that no filter wanted are passed.

    `more`: there was at least as much again to look at.
    """

    events: tuple[StoredEvent, ...]
    next: str
    more: bool
