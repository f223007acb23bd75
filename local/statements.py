"""The stand-ins' own statements: all movements of a day, page by page, from their files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from core.fields import Message, Time

LINES_A_PAGE = 1000


class StatementQuestion(Message):
    """A query for a day's movements, in UTC. Further pages need `after` and the first page's `until`. A
    channel's has that channel's lines alone."""

    day: date
    until: Time | None = None
    after: Annotated[int, Field(ge=0)] = 0
    channel: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None


def page(asked: StatementQuestion, lines: Sequence[dict[str, Any]]) -> tuple[int, dict[str, Any]]:
    """One page of a day's lines: the movements from `since` and before `until`.

    Args:
        lines: all movements, each with its time under `at`; new ones come last.
    """
    since = datetime.combine(asked.day, time(), UTC)
    until = min(asked.until or datetime.now(UTC), since + timedelta(days=1))
    of_the_day = [line for line in lines if since <= datetime.fromisoformat(line["at"]) < until]
    shown = of_the_day[asked.after : asked.after + LINES_A_PAGE]
    more = asked.after + len(shown) if asked.after + len(shown) < len(of_the_day) else None
    return 200, {"since": since.isoformat(), "until": until.isoformat(), "lines": shown, "next": more}
