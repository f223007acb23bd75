"""Events: pulled page by page, waited for, or as a stream."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from functools import partial
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.errors import Refused
from core.event_types import unknown_type
from core.events import START, Cursor, EventPage, read_cursor
from core.reasons import SENTENCES, Refusal
from storefront.api.paging import id_in, limit_of, number_of, word_in
from storefront.api.routing import WORD, asking_only, query, reading
from storefront.identities import Caller
from storefront.service import HttpService, service_of

LONGEST_WAIT = 20
LOOK_EVERY = 0.5
TYPES_MAX = 50
SCOPE = "events:read"

router = APIRouter(prefix="/v1", tags=["events"])


async def list_events(request: Request) -> Response:
    """Events after a place, in order; none is passed over. With `wait` it answers once there is one."""
    service = service_of(request)
    caller = await service.caller(request, SCOPE)
    return await _pages(request, service, caller, word_in(request, "subject"))


async def list_order_events(request: Request) -> Response:
    """The events of one order."""
    service = service_of(request)
    caller = await service.caller(request, SCOPE)
    order_id = id_in(request, "order_id")
    await service.order(caller, order_id)
    return await _pages(request, service, caller, f"order/{order_id}")


async def stream_events(request: Request) -> Response:
    """Events as they happen. After `Last-Event-ID`, or after `after`, or from now on."""
    service = service_of(request)
    caller = await service.caller(request, SCOPE)
    given = request.headers.get("last-event-id") or request.query_params.get("after")
    cursor = await _place(service, given) if given else await service.register.events.newest()
    look = partial(_look, service, caller, types=types_in(request), subject=word_in(request, "subject"))
    lines = service.streams.tell(look, cursor, partial(service.caller, request, SCOPE))
    service.streams.take(caller.key.key_id)
    return service.streams.answer(caller.key.key_id, lines)


async def _pages(request: Request, service: HttpService, caller: Caller, subject: str | None) -> Response:
    cursor, types = await _place(service, request.query_params.get("after")), types_in(request)
    wait, limit = number_of(request, "wait", 0, 0, LONGEST_WAIT), limit_of(request)
    with service.waits.held(caller.key.key_id) if wait else nullcontext():
        page = await _look(service, caller, cursor, types=types, subject=subject, limit=limit)
        for _ in range(int(wait / LOOK_EVERY)):
            if page.events or service.streams.ending or await request.is_disconnected():
                break
            if not page.more:
                await asyncio.sleep(LOOK_EVERY)
            page = await _look(service, caller, _cursor(page.next), types=types, subject=subject, limit=limit)
    return JSONResponse({"data": [event.body for event in page.events], "next": page.next, "more": page.more})


async def _look(
    service: HttpService,
    caller: Caller,
    cursor: Cursor,
    *,
    types: tuple[str, ...],
    subject: str | None,
    limit: int = 100,
) -> EventPage:
    """A merchant's key sees that merchant's alone."""
    return await service.register.events.after(
        cursor, types=types, subject=subject, merchant_id=caller.key.merchant_id, limit=limit
    )


async def _place(service: HttpService, given: str | None) -> Cursor:
    """Where a reader goes on.

    Raises:
        Refused: `malformed`; `cursor_not_in_stream`: silence would let the reader miss what was written since.
    """
    cursor = _cursor(given)
    if not await service.register.events.has_place(cursor):
        raise Refused("cursor_not_in_stream", SENTENCES["cursor_not_in_stream"], "after")
    return cursor


def _cursor(given: str | None) -> Cursor:
    found = read_cursor(given) if given else START
    if isinstance(found, Refusal):
        raise Refused(found.code, found.message, found.field)
    return found


def types_in(request: Request) -> tuple[str, ...]:
    """The types that are asked for, as `types=order.*,audit.approved`.

    Raises:
        Refused: `malformed`: no event has such a type.
    """
    given = request.query_params.get("types")
    types = tuple(one.strip() for one in given.split(",")) if given else ()
    if len(types) > TYPES_MAX:
        raise Refused("malformed", f"types: at most {TYPES_MAX} at a time.", "types")
    for one in types:
        if (why := unknown_type(one)) is not None:
            raise Refused("malformed", f"types: {why}", "types")
    return types


_EVENT: dict[str, Any] = {
    "type": "object",
    "required": ["id", "type", "timestamp", "data"],
    "properties": {
        "id": {"type": "string", "examples": ["evt_order_A1001_7"]},
        "type": {"type": "string", "examples": ["order.credited"]},
        "timestamp": {"type": "string", "format": "date-time"},
        "data": {"type": "object", "additionalProperties": True},
    },
}
_PAGE: dict[str, Any] = {
    "type": "object",
    "required": ["data", "next", "more"],
    "properties": {
        "data": {"type": "array", "items": _EVENT},
        "next": {"type": "string", "description": "Where to go on: `after` of the next request, unchanged."},
        "more": {"type": "boolean", "description": "There was as much again to look at: go on at once."},
    },
}
_QUERIES = (
    query("after", "`next` of the last answer; from the first event on without it."),
    query("types", "Types apart by commas: order.credited, or order.* for all that begin so."),
    query("limit", "At most so many.", type="integer", minimum=1, maximum=500),
    query("wait", "Seconds to wait for the first one.", type="integer", minimum=0, maximum=LONGEST_WAIT),
)
reading(
    router,
    "/events",
    list_events,
    says="Events, in an order in which a reader can go on",
    answers=_PAGE,
    queries=(*_QUERIES, query("subject", "order/A1001, withdrawal/W1, account/acc-1 or merchant/m-1.", **WORD)),
)
reading(
    router, "/orders/{order_id}/events", list_order_events, says="An order's events", answers=_PAGE, queries=_QUERIES
)
# Not in the document: generators make clients that wait for its end.
router.add_api_route(
    "/events/stream",
    asking_only(stream_events, ("after", "types", "subject")),
    methods=["GET"],
    include_in_schema=False,
    response_class=Response,
)
