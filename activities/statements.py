"""The port to a statement: what a rail or a channel says that it moved on a day.

Not every one of them tells; what tells has this method beside those of its own port.
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
class TellsStatements(Protocol):
    """Tells what it moved."""

    async def statement(self, day: date) -> Statement:
        """Everything that moved on a day in UTC, as far as that has passed.

        Raises:
            Unavailable, UnreadableAnswer: no answer, or nonsense; a retry may help.
        """
        ...


class _Page(Message):
    since: Time
    until: Time
    lines: tuple[TheirLine, ...]
    next: int | None = None


async def sandbox_statement(http: HttpClient, day: date) -> Statement:
    """A stand-in's statement, all pages of it; see `TellsStatements.statement`."""
    asked: dict[str, str | int] = {"day": day.isoformat()}
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
    raise UnreadableAnswer(f"{http.name} tells a statement without end")
