"""Events become webhooks: at least once, each subject in order, nothing skipped.

An endpoint has a cursor in the stream of events. A gateway takes the endpoint for a minute, posts a batch, and
moves the cursor. An event that fails parks its subject: later events of the subject wait behind it and all others go
on. A gateway that dies loses its lease, and another goes on from the cursor: what it had posted since comes again.

No transaction is open while a consumer is slow: it would hold back all readers of events.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
import uuid
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pydantic import SecretStr

from core.errors import DakuanError
from core.events import Cursor, StoredEvent, read_cursor
from core.reasons import Refusal
from core.webhooks import PostAnswer, health_after, next_try, outcome_of, pause_of
from ledger.endpoints import EndpointLease, ParkedSubject, StoredEndpoint
from ledger.events import fits
from ledger.register import Register
from ledger.vault import Vault
from storefront.posting import Poster
from storefront.signing import signed

ENDPOINTS_AT_ONCE = 8
"""Of those that answer, and as many of those that only fail: these wait for their time limits."""
POSTS_AN_ENDPOINT = 4
BATCH = 200
TAKEN_FOR = timedelta(seconds=60)
ROUND_WITHIN = 40.0
"""Seconds after which a round begins no further post: with the longest post it ends before its lease does."""
LOOK_EVERY = 0.5
COMMIT_EVERY = 1.0
"""Seconds after which a batch moves the cursor, so that little comes again after a crash."""

log = logging.getLogger("dakuan.storefront")


class _Ended(Exception):
    """The endpoint was taken away or disabled: this round writes nothing more."""


def body_of(event: StoredEvent) -> bytes:
    """The very bytes that are signed and sent."""
    return json.dumps(event.body, ensure_ascii=False, separators=(",", ":")).encode()


class Deliveries:
    """Delivers events to all endpoints.

    Args:
        poster: sends.
        now: the time, and `chance` from 0 to 1; tests have their own.
    """

    def __init__(
        self,
        register: Register,
        vault: Vault,
        poster: Poster,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.register, self.vault, self.poster = register, vault, poster
        self.now, self.chance = now, chance
        self._rounds: dict[bool, set[asyncio.Task[None]]] = {False: set(), True: set()}

    async def run(self) -> None:
        """Deliver until cancelled. Rounds that are under way end with it."""
        try:
            while True:
                try:
                    started = await self.start()
                except DakuanError as error:
                    started = 0
                    log.warning("webhooks wait: %s", error)
                except Exception:  # a defect must not end the loop: every endpoint waits for it
                    started = 0
                    log.exception("webhooks wait")
                await self._rest(LOOK_EVERY if started == 0 else 0.0)
        finally:
            await self.stop()

    async def _rest(self, least: float) -> None:
        """Until a round ends, or for so long where there was nothing to begin."""
        running = self._rounds[False] | self._rounds[True]
        if running:
            await asyncio.wait(running, timeout=LOOK_EVERY, return_when=asyncio.FIRST_COMPLETED)
        elif least:
            await asyncio.sleep(least)

    async def stop(self) -> None:
        """End the rounds that are under way."""
        running = self._rounds[False] | self._rounds[True]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def start(self) -> int:
        """Begin a round for each endpoint that has something to be sent, as far as there is room; how many."""
        started = 0
        for failing, running in self._rounds.items():
            running -= {task for task in running if task.done()}
            if (room := ENDPOINTS_AT_ONCE - len(running)) <= 0:
                continue
            by, now = uuid.uuid4().hex, self.now()
            taken = await self.register.endpoints.take(
                by, failing=failing, at_most=room, until=now + TAKEN_FOR, now=now
            )
            running |= {asyncio.create_task(self._round(endpoint, by)) for endpoint in taken}
            started += len(taken)
        return started

    async def settle(self) -> None:
        """Deliver until nothing is due; for tests and programs that end."""
        while await self.start():
            await self.finish()

    async def finish(self) -> None:
        """Until the rounds that are under way have ended."""
        await asyncio.gather(*self._rounds[False], *self._rounds[True])

    async def _round(self, endpoint: StoredEndpoint, by: str) -> None:
        """One round. After a failure of ours the lease stays: what is not mended at once is tried once a minute."""
        lease = self.register.endpoints.lease(endpoint.endpoint_id, by)
        try:
            await self._go(endpoint, lease)
        except DakuanError as error:
            log.warning("endpoint %s waits: %s", endpoint.endpoint_id, error)
        except asyncio.CancelledError:
            # This process ends: another may go on at once.
            await self._give_back(lease)
            raise
        except Exception:  # one endpoint's failure stops no other; its lease runs out
            log.exception("endpoint %s waits", endpoint.endpoint_id)
        else:
            await self._give_back(lease)

    async def _go(self, endpoint: StoredEndpoint, lease: EndpointLease) -> None:
        rows = await self.register.endpoints.secrets(endpoint.endpoint_id, self.now())
        with suppress(_Ended):
            await Round(self, endpoint, lease, [row.open(self.vault) for row in rows]).go()

    async def _give_back(self, lease: EndpointLease) -> None:
        with suppress(DakuanError):
            await lease.release(self.now())


class Round:
    """One endpoint, taken: what waits and is due, then a batch of what is new."""

    def __init__(
        self, deliveries: Deliveries, endpoint: StoredEndpoint, lease: EndpointLease, secrets: Sequence[SecretStr]
    ) -> None:
        self._all, self._endpoint, self._lease, self._secrets = deliveries, endpoint, lease, secrets
        self._health = endpoint.health
        self._posts = asyncio.Semaphore(POSTS_AN_ENDPOINT)
        self._until = time.monotonic() + ROUND_WITHIN
        self._moving = asyncio.Lock()
        self._ended = self._paused = False

    async def go(self) -> None:
        """Deliver.

        Raises:
            _Ended: the endpoint was taken away, or is disabled.
        """
        due = await self._lease.due(self._all.now(), BATCH)
        await self._together([self._catch_up(parked) for parked in due])
        await self._new()

    async def _together(self, lines: Iterable[Coroutine[Any, Any, None]]) -> None:
        """All lines to their end: one that is cut off in a post would leave it unknown what was sent."""
        found = await asyncio.gather(*lines, return_exceptions=True)
        for error in found:
            if isinstance(error, BaseException):
                raise error

    # --- what waits ------------------------------------------------------------------------------------------

    async def _catch_up(self, parked: ParkedSubject) -> None:
        """A subject from the event at which it waits up to the cursor."""
        events = await self._all.register.events.of_subject(parked.subject, after_seq=parked.seq - 1, limit=BATCH)
        failures, tried = parked.failures, False
        for event in events:
            if event.cursor > self._endpoint.cursor:
                break
            if not self._wanted(event):
                continue
            outcome = await self._post(event, failures)
            if outcome == "not tried" and tried:
                self._must(await self._lease.go_on(event.subject, event.seq, self._all.now(), self._health))
            if outcome != "delivered":
                return
            failures, tried = 0, True
        else:
            if len(events) == BATCH:
                after = events[-1].seq + 1
                self._must(await self._lease.go_on(parked.subject, after, self._all.now(), self._health))
                return
        self._must(await self._lease.unpark(parked.subject))

    # --- what is new -----------------------------------------------------------------------------------------

    async def _new(self) -> None:
        page = await self._all.register.events.after(
            self._endpoint.cursor, types=self._endpoint.types, merchant_id=self._endpoint.merchant_id, limit=BATCH
        )
        waiting = await self._lease.waiting()
        progress = _Progress(page.events, self._endpoint.cursor)
        lines: dict[str, list[StoredEvent]] = {}
        for event in page.events:
            if event.subject in waiting:
                progress.handled(event)
            else:
                lines.setdefault(event.subject, []).append(event)
        await self._together([self._line(sorted(line, key=lambda one: one.seq), progress) for line in lines.values()])
        end = read_cursor(page.next)
        assert not isinstance(end, Refusal)  # it was just written
        await self._commit(lambda: end if progress.is_whole else progress.place)

    async def _line(self, events: Sequence[StoredEvent], progress: _Progress) -> None:
        """New events of one subject, until one fails."""
        for number, event in enumerate(events):
            outcome = await self._post(event, 0)
            if outcome == "not tried":
                return
            if outcome == "waits":
                for behind in events[number:]:
                    progress.handled(behind)
                return
            progress.handled(event)
            if progress.is_time():
                await self._commit(lambda: progress.place)

    async def _commit(self, place: Callable[[], Cursor]) -> None:
        """Move the cursor, one line at a time: of two that overtake each other the earlier place could stay."""
        async with self._moving:
            if place() > self._endpoint.cursor:
                self._must(await self._lease.advance(place(), self._all.now()))

    # --- one event -------------------------------------------------------------------------------------------

    async def _post(self, event: StoredEvent, failures: int) -> Literal["delivered", "waits", "not tried"]:
        """Post an event that failed so often. `waits`: it failed. `not tried`: the round is over."""
        async with self._posts:
            if self._ended:
                raise _Ended
            # Asked when it is this event's turn: those before it may each have taken the longest time.
            if self._is_over():
                return "not tried"
            at = self._all.now()
            body = body_of(event)
            headers = signed(event.event_id, at, body, self._secrets)
            answer = await self._all.poster.post(self._endpoint.url, body, headers)
        now, outcome = self._all.now(), outcome_of(answer)
        self._health, before = health_after(self._health, outcome, now), self._health
        if outcome != "delivered":
            await self._note(event, at, answer)
            await self._park(event, failures + 1, answer, now)
            return "waits"
        if failures or before.state != "active":
            await self._note(event, at, answer)
        if before.state == "failing":
            self._must(await self._lease.mend(now))
        return "delivered"

    async def _park(self, event: StoredEvent, failures: int, answer: PostAnswer, now: datetime) -> None:
        at = next_try(failures, now, self._all.chance(), answer.retry_after)
        pause = pause_of(answer)
        self._paused = self._paused or pause is not None
        until = now + pause if pause is not None else None
        self._must(await self._lease.park(event, failures, at, answer, self._health, until, now))
        if self._health.state == "disabled":
            self._ended = True
            raise _Ended

    async def _note(self, event: StoredEvent, at: datetime, answer: PostAnswer) -> None:
        await self._all.register.endpoints.note_attempt(
            self._endpoint.endpoint_id, event.event_id, event.type, at, answer
        )

    def _wanted(self, event: StoredEvent) -> bool:
        return fits(event.type, self._endpoint.types) and self._endpoint.merchant_id in (None, event.merchant_id)

    def _is_over(self) -> bool:
        """Whether the round begins no further post. One that began among those that answer ends when it only fails."""
        turned = self._health.state == "failing" and self._endpoint.state == "active"
        return turned or self._paused or time.monotonic() >= self._until

    def _must(self, written: bool) -> None:
        if not written:
            self._ended = True
            raise _Ended


class _Progress:
    """How far a batch has come: the place before which every event is delivered, or waits."""

    def __init__(self, events: Sequence[StoredEvent], start: Cursor) -> None:
        self._events, self._start = events, start
        self._done: set[int] = set()
        self._whole = 0
        self._told = time.monotonic()

    def handled(self, event: StoredEvent) -> None:
        """This event is delivered, or waits."""
        self._done.add(event.id)
        while self._whole < len(self._events) and self._events[self._whole].id in self._done:
            self._whole += 1

    @property
    def place(self) -> Cursor:
        return self._events[self._whole - 1].cursor if self._whole else self._start

    @property
    def is_whole(self) -> bool:
        return self._whole == len(self._events)

    def is_time(self) -> bool:
        """Whether the cursor should move now."""
        if time.monotonic() - self._told < COMMIT_EVERY:
            return False
        self._told = time.monotonic()
        return True
