"""The stream that keeps a page new: it says that something changed, and the page is fetched again."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

from starlette.responses import Response
from starlette.routing import Route

from core.events import Cursor, EventPage
from storefront.console.visits import Visit, for_people, visit_of
from storefront.problems import ProblemError

_SUBJECT = re.compile(r"(order|withdrawal)/[A-Za-z0-9_-]{1,64}")
_CHANGED = "event: changed\ndata: 1\n\n"


async def stream(visit: Visit) -> Response:
    """Tell the browser each time that something happens to one order or withdrawal."""
    subject = visit.given("subject")
    if not _SUBJECT.fullmatch(subject):
        raise ProblemError("not_found")
    streams, sender = visit.service.streams, visit.who.sender
    streams.take(sender)
    return streams.answer(sender, _told(visit, subject))


async def _told(visit: Visit, subject: str) -> AsyncIterator[str]:
    events, own = visit.register.events, visit.who.known.merchant_id

    async def look(cursor: Cursor) -> EventPage:
        return await events.after(cursor, subject=subject, merchant_id=own)

    async def still_valid() -> None:
        if (await visit_of(visit.request)).person is None:
            raise ProblemError("unauthorized")

    async for said in visit.service.streams.tell(look, await events.newest(), still_valid):
        # What happened stands in the page: the stream says only that it did.
        yield _CHANGED if "\nevent: " in said else said


ROUTES = [Route("/stream", for_people(stream, asks=("subject",)))]
