"""Statements come page by page, whole or not at all, and every line of the stand-ins' is found in them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from activities.http import HttpClient, Reply
from activities.rails.sandbox import SandboxRail
from activities.statements import StatementSource, sandbox_statement
from core.errors import UnreadableAnswer
from local.statements import LINES_A_PAGE, StatementQuestion, page

DAY = date(2026, 11, 22)
START = datetime(2026, 11, 22, tzinfo=UTC)


def a_line(number: int, at: datetime) -> dict[str, Any]:
    given = {"kind": "payout", "key": f"k{number}", "amount_minor": 5, "currency": "CNY"}
    return {"line_id": f"E{number}", "at": at.isoformat(), **given}


class Pages(HttpClient):
    """A provider that answers from a function, as over HTTP."""

    def __init__(self, answer: Callable[[StatementQuestion], tuple[int, dict[str, Any]]]) -> None:
        super().__init__("http://nobody", name="pages")
        self._answer = answer
        self.asked = 0

    async def get(self, path: str, params: Any = None) -> Reply:
        self.asked += 1
        status, answer = self._answer(StatementQuestion.model_validate(dict(params)))
        return Reply(status=status, raw=json.dumps(answer).encode(), source=self.name)


async def test_a_long_day_comes_page_by_page_and_without_the_days_beside_it() -> None:
    lines = [a_line(n, START + timedelta(seconds=n)) for n in range(2 * LINES_A_PAGE + 1)]
    lines += [a_line(-1, START - timedelta(seconds=1)), a_line(-2, START + timedelta(days=1))]
    pages = Pages(lambda asked: page(asked, lines))
    statement = await sandbox_statement(pages, DAY)
    assert len({line.line_id for line in statement.lines}) == 2 * LINES_A_PAGE + 1
    assert pages.asked == 3
    assert statement.covered is not None
    assert (statement.covered.since, statement.covered.until) == (START, START + timedelta(days=1))


async def test_what_moves_while_pages_are_read_belongs_to_the_next_statement() -> None:
    today = datetime.now(UTC)
    lines = [a_line(n, today - timedelta(milliseconds=n)) for n in range(LINES_A_PAGE + 5)]

    def growing(asked: StatementQuestion) -> tuple[int, dict[str, Any]]:
        answer = page(asked, lines)
        lines.insert(0, a_line(90_000 + asked.after, datetime.now(UTC)))
        return answer

    statement = await sandbox_statement(Pages(growing), today.date())
    assert all(line.line_id[:2] != "E9" or len(line.line_id) < 6 for line in statement.lines)
    assert len({line.line_id for line in statement.lines}) == len(statement.lines) <= LINES_A_PAGE + 5


async def test_a_day_to_come_tells_of_no_time() -> None:
    pages = Pages(lambda asked: page(asked, []))
    tomorrow = (datetime.now(UTC) + timedelta(days=2)).date()
    assert (await sandbox_statement(pages, tomorrow)).covered is None


@pytest.mark.parametrize(
    "answer",
    [
        (400, {"code": "MALFORMED"}),
        (200, {"since": "x"}),
        (200, {"since": START.isoformat(), "until": START.isoformat(), "lines": [], "next": 0}),
        (200, {"since": START.isoformat(), "until": START.isoformat(), "lines": [{"line_id": 1}]}),
    ],
)
async def test_nonsense_is_unreadable(answer: tuple[int, dict[str, Any]]) -> None:
    with pytest.raises(UnreadableAnswer):
        await sandbox_statement(Pages(lambda asked: answer), DAY)


async def test_the_sandbox_tells_statements() -> None:
    assert isinstance(SandboxRail(Pages(lambda asked: (200, {}))), StatementSource)
