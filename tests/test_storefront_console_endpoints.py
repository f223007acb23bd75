"""What people do with endpoints in the console: the desk is asked for what they pressed, and for nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from console_client import SETTINGS, console_client
from console_scenes import MERCHANT, OPERATOR, REVIEWER
from made_rows import made
from register_rows import RegisterRows

from core.webhooks import PostAnswer
from ledger.endpoints import StoredEndpoint
from ledger.people import SignedIn
from storefront.console.cookies import Jar
from storefront.endpoints import EndpointChange, Redelivery
from storefront.problems import ProblemError

SESSION = "a-session"
TOKEN = Jar(secure=True, pepper=SETTINGS.pepper_needed).form_token(SESSION)
TAKEN = PostAnswer(status=200, took=timedelta(milliseconds=3))
REFUSED = PostAnswer(status=500, took=timedelta(milliseconds=3))


class Desk:
    """Notes what it is asked for."""

    def __init__(self, answer: PostAnswer | None = None) -> None:
        self.asked: list[Any] = []
        self.answer = answer

    async def test(self, endpoint: StoredEndpoint, now: Any) -> PostAnswer | None:
        self.asked.append("test")
        return self.answer

    async def redeliver(self, endpoint: StoredEndpoint, what: Redelivery, now: Any) -> PostAnswer | None:
        if what.subject == "order/none":
            raise ProblemError("not_found", "The stream has no event of this subject.")
        self.asked.append(what)
        return None

    async def change(self, endpoint: StoredEndpoint, change: EndpointChange, now: Any) -> None:
        self.asked.append(change.state)


async def pressed(
    desk: Desk, fields: dict[str, str], person: SignedIn = OPERATOR, owner: str | None = "m-7"
) -> tuple[int, str]:
    rows: Any = RegisterRows({"people.signed_in": person, "endpoints.get": made(StoredEndpoint, merchant_id=owner)})
    async with console_client(rows, endpoints=desk) as browser:
        browser.cookies.set("__Host-dakuan-session", SESSION)
        answer = await browser.post("/console/endpoints/x1", data={"form_token": TOKEN, **fields})
    return answer.status_code, answer.headers.get("location", "").rpartition("said=")[2]


@pytest.mark.parametrize(
    ("fields", "answer", "asked", "said"),
    [
        ({"do": "test"}, TAKEN, "test", "delivered"),
        ({"do": "test"}, REFUSED, "test", "failed"),
        ({"do": "subject", "subject": " order/A1 "}, None, Redelivery(subject="order/A1"), "queued"),
        ({"do": "active"}, None, "active", "active"),
        ({"do": "disabled"}, None, "disabled", "disabled"),
    ],
)
async def test_what_is_pressed_is_done(
    fields: dict[str, str], answer: PostAnswer | None, asked: Any, said: str
) -> None:
    for person in (OPERATOR, MERCHANT):
        desk = Desk(answer)
        assert await pressed(desk, fields, person) == (303, said)
        assert desk.asked == [asked]


async def test_everything_since_a_time_is_sent_again() -> None:
    desk = Desk()
    assert await pressed(desk, {"do": "since", "since": "day"}) == (303, "queued")
    assert abs(desk.asked[0].since - (datetime.now(UTC) - timedelta(days=1))) < timedelta(minutes=10)


async def test_no_one_acts_on_what_is_not_theirs_and_a_reviewer_on_none() -> None:
    desk = Desk()
    assert (await pressed(desk, {"do": "disabled"}, MERCHANT, "m-other"))[0] == 404
    assert (await pressed(desk, {"do": "disabled"}, MERCHANT, None))[0] == 404
    assert (await pressed(desk, {"do": "disabled"}, REVIEWER))[0] == 404
    assert (await pressed(desk, {"do": "explode"}))[0] == 422
    assert (await pressed(desk, {"do": "subject", "subject": "order/none"}))[0] == 404
    assert (await pressed(desk, {"do": "disabled", "form_token": "0"}))[0] == 403
    assert desk.asked == []
