"""Server-sent events: what happens, as it happens, to readers that keep a connection open.

A stream costs a look at the database every half second, so each key has a few. A reader that is cut off comes back with
`Last-Event-ID` and misses nothing.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from functools import partial

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from core.errors import RetryableError
from core.events import Cursor, EventPage, StoredEvent, read_cursor
from core.reasons import Refusal
from storefront.problems import ProblemError
from storefront.room import Room

STREAMS_A_KEY = 4
STREAMS = 100
"""Of one process of the gateway."""
LOOK_EVERY = 0.5
HEARTBEAT_EVERY = 15.0
"""Seconds: proxies close connections that are silent for longer; a reader's key is looked at again as often."""
COME_BACK_AFTER = 2_000
"""Milliseconds after which a reader that was cut off tries again."""

Look = Callable[[Cursor], Awaitable[EventPage]]


class Streams:
    """The open streams of a gateway."""

    def __init__(self) -> None:
        self.room = Room("streams", STREAMS_A_KEY, STREAMS)
        self._ending = asyncio.Event()

    def end(self) -> None:
        """End every stream at once, and let no new one begin: the server ends."""
        self._ending.set()

    @property
    def ending(self) -> bool:
        """Whether the server ends; what waits answers with what there is."""
        return self._ending.is_set()

    @property
    def open(self) -> int:
        """How many are open."""
        return self.room.taken

    def take(self, key_id: str) -> None:
        """Take room for one stream of this key.

        Raises:
            ProblemError: `too_many_requests`: the key, or the gateway, has as many as it may; or the server ends.
        """
        if self._ending.is_set():
            raise self.room.refusal
        self.room.take(key_id)

    def answer(self, key_id: str, lines: AsyncIterator[str]) -> StreamingResponse:
        """The response of a stream for which room was taken."""
        return _EventLines(lines, partial(self.room.give_back, key_id))

    async def tell(
        self, look: Look, cursor: Cursor, still_valid: Callable[[], Awaitable[object]]
    ) -> AsyncIterator[str]:
        """The events after this place, for as long as both sides like.

        It ends where the database does not answer or the key has ended: the reader comes back, and hears why.

        Args:
            look: reads a page of events.
            still_valid: raises `ProblemError` where the reader may no longer read.
        """
        yield f"retry: {COME_BACK_AFTER}\n\n"
        beat_at = time.monotonic() + HEARTBEAT_EVERY
        try:
            while not self._ending.is_set():
                page = await look(cursor)
                for event in page.events:
                    yield message(event)
                cursor = _after(page, cursor)
                if time.monotonic() >= beat_at:
                    await still_valid()
                    # Without data it dispatches nothing, and moves the reader's Last-Event-ID.
                    yield f"id: {cursor}\n\n"
                    beat_at = time.monotonic() + HEARTBEAT_EVERY
                if not page.more:
                    await self._pause()
        except (RetryableError, ProblemError):
            return

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), LOOK_EVERY)


class _EventLines(StreamingResponse):
    """A stream that gives its room back, also where its reader was gone before it began."""

    def __init__(self, lines: AsyncIterator[str], give_back: Callable[[], None]) -> None:
        super().__init__(lines, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
        self._give_back = give_back

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it to its end."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._give_back()


def message(event: StoredEvent) -> str:
    """One event as a stream says it. Its id is the place after it."""
    body = json.dumps(event.body, ensure_ascii=False, separators=(",", ":"))
    return f"id: {event.cursor}\nevent: {event.type}\ndata: {body}\n\n"


def _after(page: EventPage, cursor: Cursor) -> Cursor:
    found = read_cursor(page.next)
    return cursor if isinstance(found, Refusal) else found
