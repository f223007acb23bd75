"""A register with consumers of webhooks and a deliverer, on a time of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from consumer import Consumer, consuming
from databases import Database
from waiting import WITHIN

from ledger.endpoints import NewEndpoint, StoredEndpoint
from ledger.register import Register
from ledger.vault import Vault
from storefront.delivery import Deliveries
from storefront.posting import Poster
from storefront.signing import make_secret, shown
from storefront.targets import Reach

VAULT = Vault({"test": b"k" * 32})
SECRET = make_secret(b"s" * 32)


@dataclass
class Clock:
    """A time of the test's own: no test waits for a schedule."""

    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.at

    def pass_(self, time: timedelta) -> None:
        self.at += time


@dataclass
class Hooks:
    """A register with consumers, and a deliverer."""

    database: Database
    register: Register
    poster: Poster
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.deliveries = self.another()

    def another(self) -> Deliveries:
        """A deliverer, as of another gateway."""
        return Deliveries(self.register, VAULT, self.poster, now=self.clock, chance=lambda: 0.5)

    async def add(self, consumer: Consumer, name: str = "e1", **changes: Any) -> str:
        """An endpoint that echoed its challenge."""
        given = {"merchant_id": None, "types": (), "signing": "v1", **changes}
        new = NewEndpoint(
            endpoint_id=name, url=consumer.url, description="", created_by="k", digest="d", asked_as="a", **given
        )
        consumer.secret = shown(SECRET)
        assert await self.register.endpoints.add(new, SECRET, VAULT, at_most=50, now=self.clock()) == "added"
        assert await self.register.endpoints.enable(name, consumer.url, self.clock())
        return name

    async def event(self, subject: str, *types: str, merchant: str | None = "m-1") -> None:
        events = [{"type": one, "data": {}} for one in types or ("order.held",)]
        await self.database.owner.execute("SELECT add_events($1, $2, $3, $4)", subject, merchant, self.clock(), events)

    async def deliver(self, later: timedelta = timedelta(0)) -> None:
        """Deliver all that is due after this time."""
        self.clock.pass_(later)
        await asyncio.wait_for(self.deliveries.settle(), WITHIN)

    async def endpoint(self, name: str = "e1") -> StoredEndpoint:
        found = await self.register.endpoints.get(name)
        assert found is not None
        return found


@pytest.fixture
async def hooks(database: Database, register: Register) -> AsyncIterator[Hooks]:
    async with Poster(Reach(loopback=True), within=WITHIN) as poster:
        yield Hooks(database, register, poster)


@asynccontextmanager
async def consumers(*given: Consumer) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for one in given:
            await stack.enter_async_context(consuming(one))
        yield


def got(consumer: Consumer) -> list[str]:
    return [event["id"] for event in consumer.events]


def order_kept(consumer: Consumer) -> bool:
    """Whether each subject came in order without gaps; what comes again is no gap."""
    highest: dict[str, int] = {}
    for event in consumer.events:
        subject, seq = event["data"]["subject"], event["data"]["seq"]
        if seq > highest.get(subject, 0) + 1:
            return False
        highest[subject] = max(seq, highest.get(subject, 0))
    return True
