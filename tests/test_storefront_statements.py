"""A merchant's statement over HTTP, page by page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from databases import Database
from http_in_process import in_process

from core.movements import Leg, adjustment
from ledger.adjusting import post_adjustments
from storefront.api import merchants


class Clock(datetime):
    """A time of the test's own."""

    at = datetime(2026, 3, 9, 23, 59, tzinfo=UTC)

    @classmethod
    def now(cls, tz: object = UTC) -> datetime:  # type: ignore[override]
        return cls.at


async def test_the_pages_of_a_statement_are_of_the_days_of_its_first_also_after_midnight(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merchants, "datetime", Clock)
    legs = [Leg("psp/sandbox", "merchant/m-1/available", 500)]
    await post_adjustments(database.owner_dsn, [adjustment(f"gift/{one}", "CNY", Clock.at, legs) for one in range(3)])
    async with in_process(database) as gateway:
        key = await gateway.key()

        async def asked(**queries: object) -> tuple[int, dict[str, object]]:
            path = f"/v1/merchants/m-1/statement?{urlencode({'limit': 2, **queries})}"
            answer = await gateway.ask("GET", path, key)
            return answer.status_code, answer.json()

        cursor = (await asked())[1]["next_cursor"]
        rest = await asked(cursor=cursor)
        monkeypatch.setattr(Clock, "at", Clock.at + timedelta(minutes=2))
        assert await asked(cursor=cursor) == await asked(cursor=cursor, to="2026-03-09") == rest
        for others in ({"to": "2026-03-10"}, {"from": "2026-03-09"}):
            status, refused = await asked(cursor=cursor, **others)
            assert (status, "of these days" in str(refused["detail"])) == (422, True)
    assert (rest[0], rest[1]["next_cursor"]) == (200, None)
