"""Many events, endpoints that misbehave, gateways that are killed: nothing is lost, and order is kept."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from consumer import FAILING, OK, Consumer, Reply, status
from hooks import VAULT, Hooks, consumers, order_kept
from sizes import STORM

from ledger.pool import open_pool
from ledger.register import Register
from storefront.delivery import TAKEN_FOR, Deliveries
from storefront.posting import Poster

LONG = timedelta(days=2)
SUBJECTS = 7
"""Events of so many orders: each waits behind its own."""
GATEWAYS = 2
QUIET_FOR, NEXT_TRIES = 0.5, timedelta(minutes=6)
"""Seconds without any post after which so much time passes: the first two tries of what failed are due by then."""
KILLS_WITHIN = 600
"""Seconds from one kill to the next, on a slow machine."""


@dataclass
class Storm:
    """How consumers behave until they are well, and when the next gateway is killed."""

    chance: random.Random
    kill_every: int
    well: bool = False
    posts: int = 0
    now_kill: asyncio.Event = field(default_factory=asyncio.Event)

    def consumer(self, behaves: Callable[[], Reply]) -> Consumer:
        def answer(event: dict[str, Any], count: int) -> Reply:
            self.posts += 1
            if self.posts % self.kill_every == 0:
                self.now_kill.set()
            return OK if self.well else behaves()

        return Consumer(answer)

    def bad(self) -> list[Consumer]:
        """One that fails now and then, is slow, redirects, lies, is gone."""
        now_and_then = (lambda: FAILING if self.chance.random() < 0.3 else OK, self._slow)
        always = (lambda: status(302, "Location: http://127.0.0.1:1/"), lambda: b"no HTTP\r\n", lambda: status(410))
        return [self.consumer(behaves) for behaves in (*now_and_then, *always)]

    def _slow(self) -> Reply:
        return None if self.chance.random() < 0.05 else OK


class Gateway:
    """A deliverer with connections of its own, as a process has them."""

    async def start(self, hooks: Hooks) -> Gateway:
        self._pool = await open_pool(hooks.database.worker_dsn, size=4)
        self._poster = Poster(hooks.poster.reach, within=0.3)
        deliveries = Deliveries(Register(self._pool), VAULT, self._poster, now=hooks.clock)
        self._task = asyncio.create_task(deliveries.run())
        return self

    async def kill(self) -> None:
        """Its connections end first, so that it can give nothing back, as after SIGKILL."""
        self._pool.terminate()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        async with self._poster:
            pass


async def _until_the_next_kill(hooks: Hooks, storm: Storm) -> None:
    """While nothing comes, time passes. On a slow machine consumers that are well miss a post's limit, too: then every
    subject waits for its next try, and no post would ever be made again.
    """
    seen = -1
    while not storm.now_kill.is_set():
        if storm.posts == seen:
            hooks.clock.pass_(NEXT_TRIES)
        seen = storm.posts
        with suppress(TimeoutError):
            await asyncio.wait_for(storm.now_kill.wait(), QUIET_FOR)
    storm.now_kill.clear()


async def _survive(hooks: Hooks, storm: Storm, kills: int) -> None:
    """Gateways deliver while others are killed."""
    alive = [await Gateway().start(hooks) for _ in range(GATEWAYS)]
    for _ in range(kills):
        async with asyncio.timeout(KILLS_WITHIN):
            await _until_the_next_kill(hooks, storm)
        victim = alive.pop(storm.chance.randrange(len(alive)))
        await victim.kill()
        hooks.clock.pass_(TAKEN_FOR)
        alive.append(await Gateway().start(hooks))
    for one in alive:
        await one.kill()


async def _recover(hooks: Hooks, storm: Storm, endpoints: dict[str, Consumer]) -> None:
    """All are well, and time passes until nothing waits."""
    storm.well = True
    for name, consumer in endpoints.items():
        if (await hooks.endpoint(name)).state == "disabled":
            assert await hooks.register.endpoints.enable(name, consumer.url, hooks.clock())
    for _ in range(3):
        hooks.clock.pass_(LONG)
        await asyncio.wait_for(hooks.deliveries.settle(), 1_800)


# A kill cancels connections that are just being made: their sockets are closed when they are collected.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_nothing_is_lost_and_order_is_kept_whatever_dies(hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storefront.delivery.LOOK_EVERY", 0.01)
    monkeypatch.setattr("storefront.delivery.COMMIT_EVERY", 0.02)
    events, count, kills = STORM
    # Several batches, so that a subject waits from one to the next.
    monkeypatch.setattr("storefront.delivery.BATCH", min(200, events // 8))
    storm = Storm(random.Random(1), kill_every=max(10, events * (count - 5) // (2 * kills)))
    bad = storm.bad()
    good = [storm.consumer(lambda: OK) for _ in range(count - len(bad))]
    endpoints = {f"e{number}": consumer for number, consumer in enumerate([*bad, *good])}
    async with consumers(*endpoints.values()):
        for name, consumer in endpoints.items():
            await hooks.add(consumer, name, types=("order.held", "order.released"))
        surviving = asyncio.create_task(_survive(hooks, storm, kills))
        for number in range(events):
            kind = ("order.held", "order.released")[number // SUBJECTS % 2]
            await hooks.event(f"order/A{number % SUBJECTS}", kind)
        await surviving
        await _recover(hooks, storm, endpoints)
    wanted = {f"evt_order_A{number % SUBJECTS}_{number // SUBJECTS + 1}" for number in range(events)}
    for name, consumer in endpoints.items():
        assert {event["id"] for event in consumer.events} == wanted, name
        assert order_kept(consumer), name
        assert (await hooks.endpoint(name)).state == "active", name
        assert await hooks.register.endpoints.count_parked(name) == 0, name
