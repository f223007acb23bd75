"""The port to statements: the money that a rail or channel says it moved on a day.

Not every rail or channel has statements; one that does has this method in addition to its own port.
"""

from __future__ import annotations

from datetime import date
from typing import Protocol, runtime_checkable

from activities.http import HttpClient
from core.errors import Unavailable, UnreadableAnswer
from core.fields import Message, Time
from core.reconciliation.lines import Covered, Statement, TheirLine

PAGES_AT_MOST = 1000


@runtime_checkable
class StatementSource(Protocol):
    """A rail or channel that offers statements."""

    async def statement(self, day: date) -> Statement:
        """Everything that moved on a day in UTC, up to now.

        Raises:
            Unavailable, UnreadableAnswer: no answer, or an unreadable one; a retry may help.
        """
        ...


class _Page(Message):
    since: Time
    until: Time
    lines: tuple[TheirLine, ...]
    next: int | None = None


async def sandbox_statement(http: HttpClient, day: date, channel: str | None = None) -> Statement:
    """A stand-in's statement, all pages of it; see `TellsStatements.statement`."""
    asked: dict[str, str | int] = {"day": day.isoformat()}
    if channel is not None:
        asked["channel"] = channel
    lines: list[TheirLine] = []
    for _ in range(PAGES_AT_MOST):
        reply = await http.get("statement", asked)
        if reply.status == 429:
            raise Unavailable(f"{reply.source} is asked too often")
        if reply.status != 200:
            raise UnreadableAnswer(f"{reply.source} answered {reply.status}")
        page = reply.read(_Page)
        lines += page.lines
        if page.next is None:
            covered = Covered(since=page.since, until=page.until) if page.since < page.until else None
            return Statement(lines=tuple(lines), covered=covered)
        if page.next <= int(asked.get("after", 0)):
            break
        asked |= {"after": page.next, "until": page.until.isoformat()}
    raise UnreadableAnswer(f"{http.name} sends a statement without end")
