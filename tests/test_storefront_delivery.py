"""Webhooks are delivered at least once, each subject in order, and nothing is skipped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from consumer import FAILING, OK, Consumer, consuming, status
from databases import Database
from pydantic import SecretStr

from core.webhooks import DISABLED_AFTER, RETRIES
from ledger.endpoints import NewEndpoint, StoredEndpoint
from ledger.register import Register
from ledger.vault import Vault
from storefront.delivery import TAKEN_FOR, Deliveries
from storefront.posting import Poster
from storefront.signing import make_secret, shown
from storefront.targets import Reach

VAULT = Vault({"test": b"k" * 32})
SECRET = make_secret(b"s" * 32)
LONG = timedelta(days=2)


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
        await asyncio.wait_for(self.deliveries.settle(), 30)

    async def endpoint(self, name: str = "e1") -> StoredEndpoint:
        found = await self.register.endpoints.get(name)
        assert found is not None
        return found


@pytest.fixture
async def hooks(database: Database, register: Register) -> AsyncIterator[Hooks]:
    async with Poster(Reach(loopback=True), within=5.0) as poster:
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


async def test_an_event_arrives_once_signed_and_in_order(hooks: Hooks) -> None:
    consumer = Consumer()
    async with consumers(consumer):
        await hooks.add(consumer)
        await hooks.event("order/A1", "order.opened", "order.held")
        await hooks.event("order/A2")
        await hooks.event("order/A1", "order.released")
        await hooks.deliver()
        await hooks.deliver()
    assert sorted(got(consumer)) == ["evt_order_A1_1", "evt_order_A1_2", "evt_order_A1_3", "evt_order_A2_1"]
    assert order_kept(consumer)
    assert consumer.forged == 0
    assert await hooks.register.endpoints.attempts("e1") == []


async def test_an_endpoint_begins_with_what_comes_after_it(hooks: Hooks) -> None:
    consumer = Consumer()
    async with consumers(consumer):
        await hooks.event("order/A1")
        await hooks.add(consumer)
        await hooks.event("order/A2")
        await hooks.deliver()
    assert got(consumer) == ["evt_order_A2_1"]


async def test_a_merchants_endpoint_sees_that_merchants_events_alone(hooks: Hooks) -> None:
    mine, all_of_them = Consumer(), Consumer()
    async with consumers(mine, all_of_them):
        await hooks.add(mine, "mine", merchant_id="m-2")
        await hooks.add(all_of_them, "all")
        await hooks.event("order/A1", merchant="m-1")
        await hooks.event("order/A2", merchant="m-2")
        await hooks.event("reconciliation/bank/x", "reconciliation.break_found", merchant=None)
        await hooks.deliver()
    assert got(mine) == ["evt_order_A2_1"]
    assert len(got(all_of_them)) == 3


async def test_only_the_types_that_were_asked_for_are_sent(hooks: Hooks) -> None:
    consumer = Consumer()
    async with consumers(consumer):
        await hooks.add(consumer, types=("order.held", "withdrawal.*"))
        await hooks.event("order/A1", "order.opened", "order.held", "order.released")
        await hooks.event("withdrawal/W1", "withdrawal.requested")
        await hooks.deliver()
        newest = await hooks.register.events.newest()
        assert (await hooks.endpoint()).cursor >= newest
    assert sorted(got(consumer)) == ["evt_order_A1_2", "evt_withdrawal_W1_1"]


async def test_a_failed_event_holds_back_its_subject_and_no_other(hooks: Hooks) -> None:
    broken = {"evt_order_A1_1"}
    consumer = Consumer(lambda event, count: FAILING if event["id"] in broken else OK)
    async with consumers(consumer):
        await hooks.add(consumer)
        await hooks.event("order/A1", "order.opened", "order.held")
        await hooks.event("order/A2", "order.opened")
        await hooks.deliver()
        assert got(consumer) == ["evt_order_A2_1"]
        await hooks.event("order/A1", "order.released")
        await hooks.event("order/A2", "order.held")
        await hooks.deliver()
        assert got(consumer) == ["evt_order_A2_1", "evt_order_A2_2"]
        broken.clear()
        await hooks.deliver(LONG)
    assert got(consumer)[2:] == ["evt_order_A1_1", "evt_order_A1_2", "evt_order_A1_3"]
    assert await hooks.register.endpoints.count_parked("e1") == 0


async def test_each_failure_waits_longer_and_is_kept(hooks: Hooks) -> None:
    consumer = Consumer(lambda event, count: status(500, body="no"))
    async with consumers(consumer):
        await hooks.add(consumer)
        await hooks.event("order/A1")
        await hooks.deliver()
        for number, delay in enumerate(RETRIES[:3], start=1):
            (parked,) = await hooks.register.endpoints.parked("e1")
            assert (parked.failures, parked.next_at, parked.last_status) == (number, hooks.clock() + delay, 500)
            await hooks.deliver(delay - timedelta(seconds=1))
            assert consumer.asked == number
            await hooks.deliver(timedelta(seconds=1))
    attempts = await hooks.register.endpoints.attempts("e1")
    assert [(one.event_id, one.status, one.answer) for one in attempts] == [("evt_order_A1_1", 500, "no")] * 4
    assert (await hooks.endpoint()).state == "failing"


async def test_an_endpoint_that_answers_again_gets_what_waited_at_once(hooks: Hooks) -> None:
    well = False
    consumer = Consumer(lambda event, count: OK if well else FAILING)
    async with consumers(consumer):
        await hooks.add(consumer)
        for number in range(5):
            await hooks.event(f"order/A{number}")
        await hooks.deliver()
        await hooks.deliver(timedelta(seconds=6))
        well = True
        await hooks.event("order/B1")
        await hooks.deliver()
    assert sorted(got(consumer)) == [*(f"evt_order_A{number}_1" for number in range(5)), "evt_order_B1_1"]
    assert (await hooks.endpoint()).state == "active"
    mended = [one for one in await hooks.register.endpoints.attempts("e1") if one.status == 200]
    assert len(mended) >= 5


async def test_five_days_of_failures_disable_it_and_nothing_is_skipped(hooks: Hooks) -> None:
    well = False
    consumer = Consumer(lambda event, count: OK if well else FAILING)
    async with consumers(consumer):
        await hooks.add(consumer)
        await hooks.event("order/A1", "order.opened", "order.held")
        began = hooks.clock()
        await hooks.deliver()
        await hooks.deliver(DISABLED_AFTER)
        ended = await hooks.endpoint()
        assert (ended.state, ended.disabled_for, ended.failing_since) == ("disabled", "failing", began)
        asked = consumer.asked
        await hooks.event("order/A2")
        await hooks.deliver(LONG)
        assert consumer.asked == asked
        well = True
        assert await hooks.register.endpoints.enable("e1", consumer.url, hooks.clock())
        await hooks.deliver()
    assert {"evt_order_A1_1", "evt_order_A1_2", "evt_order_A2_1"} <= set(got(consumer))
    assert order_kept(consumer)


async def test_a_disabled_endpoint_is_an_event_and_a_notice(hooks: Hooks) -> None:
    consumer, watcher = Consumer(lambda event, count: status(410)), Consumer()
    async with consumers(consumer, watcher):
        await hooks.add(consumer, "gone")
        await hooks.event("order/A1")
        await hooks.deliver()
        await hooks.add(watcher, "watcher")
        await hooks.register.endpoints.enable("gone", consumer.url, hooks.clock())
        await hooks.event("order/A2")
        await hooks.deliver()
    assert (await hooks.endpoint("gone")).disabled_for == "gone"
    (ended,) = [event for event in watcher.events if event["type"] == "endpoint.disabled"]
    assert ended["data"]["why"] == "gone"
    assert ended["data"]["endpoint_id"] == "gone"
    assert "hooks" not in ended["data"]["host"]
    notices = await hooks.register.notices.read(to="operator", subject="endpoint/gone")
    assert [notice.name for notice in notices] == ["endpoint_disabled"] * 2


async def test_a_consumer_may_ask_for_time(hooks: Hooks) -> None:
    consumer = Consumer(lambda event, count: status(503, "Retry-After: 120"))
    async with consumers(consumer):
        await hooks.add(consumer)
        await hooks.event("order/A1")
        await hooks.deliver()
        (parked,) = await hooks.register.endpoints.parked("e1")
    assert timedelta(minutes=1, seconds=58) < parked.next_at - hooks.clock() <= timedelta(minutes=2)


async def test_a_subject_can_be_sent_again_from_its_beginning(hooks: Hooks) -> None:
    consumer = Consumer()
    async with consumers(consumer):
        await hooks.add(consumer)
        await hooks.event("order/A1", "order.opened", "order.held")
        await hooks.event("order/A2")
        await hooks.deliver()
        consumer.events.clear()
        assert await hooks.register.endpoints.resend("e1", "order/A1", 1, hooks.clock())
        await hooks.event("order/A1", "order.released")
        await hooks.deliver()
    assert got(consumer) == ["evt_order_A1_1", "evt_order_A1_2", "evt_order_A1_3"]


async def test_all_can_be_sent_again_from_a_place(hooks: Hooks) -> None:
    consumer = Consumer(lambda event, count: FAILING if event["id"] == "evt_order_A3_1" and count < 5 else OK)
    async with consumers(consumer):
        await hooks.add(consumer)
        for number in range(1, 4):
            await hooks.event(f"order/A{number}")
        await hooks.deliver()
        assert await hooks.register.endpoints.count_parked("e1") == 1
        second = await hooks.register.events.find("evt_order_A2_1")
        assert second is not None
        consumer.events.clear()
        assert await hooks.register.endpoints.rewind("e1", second.cursor._replace(id=second.id - 1), hooks.clock())
        await hooks.deliver()
    assert sorted(got(consumer)) == ["evt_order_A2_1", "evt_order_A3_1"]
    assert await hooks.register.endpoints.count_parked("e1") == 0


async def test_two_gateways_deliver_each_event_once(hooks: Hooks) -> None:
    consumer = Consumer()
    async with consumers(consumer):
        await hooks.add(consumer)
        for number in range(40):
            await hooks.event(f"order/A{number % 8}")
        await asyncio.gather(hooks.deliveries.settle(), hooks.another().settle())
    assert len(got(consumer)) == len(set(got(consumer))) == 40
    assert order_kept(consumer)


async def test_what_a_dead_gateway_held_is_taken_over_after_its_lease(hooks: Hooks) -> None:
    consumer = Consumer()
    async with consumers(consumer):
        await hooks.add(consumer)
        await hooks.event("order/A1")
        until = hooks.clock() + TAKEN_FOR
        taken = await hooks.register.endpoints.take("dead", failing=False, at_most=8, until=until, now=hooks.clock())
        assert [one.endpoint_id for one in taken] == ["e1"]
        await hooks.deliver()
        assert got(consumer) == []
        await hooks.deliver(TAKEN_FOR)
    assert got(consumer) == ["evt_order_A1_1"]


async def test_a_gateway_that_lost_its_lease_writes_nothing(hooks: Hooks) -> None:
    consumer = Consumer()
    async with consumers(consumer):
        await hooks.add(consumer)
        await hooks.event("order/A1")
        until = hooks.clock() + TAKEN_FOR
        await hooks.register.endpoints.take("slow", failing=False, at_most=8, until=until, now=hooks.clock())
        lease, before = hooks.register.endpoints.lease("e1", "slow"), await hooks.endpoint()
        await hooks.deliver(TAKEN_FOR)
        after = await hooks.endpoint()
        assert after.cursor > before.cursor
        assert not await lease.advance(before.cursor, hooks.clock())
        assert not await lease.unpark("order/A1")
        assert not await lease.mend(hooks.clock())
    assert (await hooks.endpoint()).cursor == after.cursor


async def test_a_change_ends_the_round_that_is_under_way(hooks: Hooks) -> None:
    """Else the cursor that it knows would undo a rewind."""
    consumer = Consumer()
    async with consumers(consumer):
        await hooks.add(consumer)
        await hooks.event("order/A1")
        until = hooks.clock() + TAKEN_FOR
        await hooks.register.endpoints.take("one", failing=False, at_most=8, until=until, now=hooks.clock())
        lease = hooks.register.endpoints.lease("e1", "one")
        assert await hooks.register.endpoints.resend("e1", "order/A1", 1, hooks.clock())
        assert not await lease.advance((await hooks.endpoint()).cursor, hooks.clock())
        await hooks.deliver()
        assert got(consumer) == []
        await lease.release(hooks.clock())
        await hooks.deliver()
    assert set(got(consumer)) == {"evt_order_A1_1"}


async def test_an_endpoint_that_is_down_keeps_few_rows(hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.endpoints.PARKED_AT_MOST", 3)
    monkeypatch.setattr("storefront.delivery.BATCH", 2)
    well = False
    consumer = Consumer(lambda event, count: OK if well else FAILING)
    async with consumers(consumer):
        await hooks.add(consumer)
        for number in range(9):
            await hooks.event(f"order/A{number}")
        await hooks.deliver()
        assert await hooks.register.endpoints.count_parked("e1") == 4
        well = True
        await hooks.deliver(LONG)
    assert sorted(got(consumer)) == [f"evt_order_A{number}_1" for number in range(9)]


async def test_a_gateway_without_the_key_leaves_an_endpoint_to_others(hooks: Hooks) -> None:
    consumer = Consumer()
    async with consumers(consumer):
        await hooks.add(consumer)
        await hooks.event("order/A1")
        await Deliveries(hooks.register, Vault({"other": b"o" * 32}), hooks.poster, now=hooks.clock).settle()
        await hooks.deliver(TAKEN_FOR)
    assert got(consumer) == ["evt_order_A1_1"]


def test_the_secret_is_of_the_standard() -> None:
    assert SecretStr(shown(SECRET)) == SECRET
