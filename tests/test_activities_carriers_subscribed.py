"""Subscriptions: each number once and durably, for all askers. A provider that cannot be subscribed stops nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from databases import Database
from vendor_adapters import fresh, query, way

from activities.carriers import subscribed
from activities.carriers.base import SubscribeOutcome, Subscription, TraceQuery
from activities.carriers.chosen import ChosenCarriers
from activities.carriers.kuaidi100 import Kuaidi100Carrier
from activities.carriers.subscribed import Subscriber
from activities.http import HttpClient
from config import Settings, standin_providers
from config.providers import parse_providers
from core.errors import Misconfigured
from ledger.register import Register
from local.client import WorldClient
from local.dialects import CUSTOMER, KEY, SALT
from local.standins import StandIns
from wiring.carriers import open_carriers

CALLBACK = "https://shop.example/push"


class Counting:
    """A provider that counts subscriptions."""

    def __init__(self, *outcomes: SubscribeOutcome, takes_s: float = 0.0) -> None:
        self.asked, self.outcomes, self.takes_s = 0, outcomes or ("subscribed",), takes_s

    def serves(self, carrier: str) -> bool:
        return carrier == "yto"

    async def subscribe(self, query: TraceQuery, callback_url: str) -> Subscription:
        assert callback_url == CALLBACK
        self.asked += 1
        await asyncio.sleep(self.takes_s)
        return Subscription(outcome=self.outcomes[min(self.asked, len(self.outcomes)) - 1], detail="so it is")


async def outcome_of(database: Database, waybill: str) -> tuple[str | None, int]:
    row = await database.pool.fetchrow("SELECT outcome, tries FROM carrier_subscriptions WHERE waybill = $1", waybill)
    assert row is not None
    return row["outcome"], row["tries"]


async def test_a_number_is_subscribed_once_however_many_ask(database: Database) -> None:
    carrier, asked = Counting(takes_s=0.02), query("kdniao", fresh())
    subscriber = Subscriber(carrier, "counting", Register(database.pool), CALLBACK)
    await asyncio.gather(*(subscriber.subscribe(asked) for _ in range(20)))
    await subscriber.subscribe(asked)
    assert carrier.asked == 1
    assert await outcome_of(database, asked.waybill) == ("subscribed", 1)


@pytest.mark.parametrize(("first", "tried_again"), [("unavailable", 2), ("auth", 2), ("refused", 1)])
async def test_what_was_not_the_numbers_fault_is_tried_again_later(
    database: Database, monkeypatch: pytest.MonkeyPatch, first: SubscribeOutcome, tried_again: int
) -> None:
    carrier, asked = Counting(first, "subscribed"), query("kdniao", fresh())
    subscriber = Subscriber(carrier, "counting", Register(database.pool), CALLBACK)
    await subscriber.subscribe(asked)
    await subscriber.subscribe(asked)
    assert carrier.asked == 1
    monkeypatch.setattr(subscribed, "AGAIN_AFTER", timedelta(0))
    await subscriber.subscribe(asked)
    assert carrier.asked == tried_again


async def test_a_worker_that_died_at_it_is_followed_by_another(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    register, asked = Register(database.pool), query("kdniao", fresh())
    long_ago = datetime.now(UTC) - timedelta(hours=2)
    assert await register.providers.take_subscription(
        "counting", asked.carrier, asked.waybill, timedelta(hours=1), long_ago
    )
    carrier = Counting()
    await Subscriber(carrier, "counting", register, CALLBACK).subscribe(asked)
    assert await outcome_of(database, asked.waybill) == ("subscribed", 2)


async def test_one_that_hangs_does_not_hold_the_look_up(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscribed, "SUBSCRIBED_WITHIN", timedelta(milliseconds=50))
    asked = query("kdniao", fresh())
    await Subscriber(Counting(takes_s=60), "counting", Register(database.pool), CALLBACK).subscribe(asked)
    assert await outcome_of(database, asked.waybill) == ("unavailable", 1)


async def test_only_providers_of_the_carrier_are_subscribed_at(database: Database) -> None:
    register = Register(database.pool)
    one, other = Counting(), Counting()
    subscribers = {
        "one": Subscriber(one, "one", register, CALLBACK),
        "other": Subscriber(other, "other", register, CALLBACK),
    }
    chosen = ChosenCarriers({}, ("one",), {"ups": ("other",)}, subscribers)
    await chosen.subscribe(query("kdniao", fresh()))
    await chosen.subscribe(query("kdniao", fresh(), "ups"))
    assert (one.asked, other.asked) == (1, 0)


# --- with the vendor's dialect ---------------------------------------------------------------------------


@asynccontextmanager
async def local_carriers(standins: StandIns, database: Database) -> AsyncIterator[ChosenCarriers]:
    settings = Settings(world_url=standins.url, carrier_url=standins.carrier_url, providers=standin_providers())
    async with AsyncExitStack() as stack:
        yield await open_carriers(settings, stack, Register(database.pool))


async def test_the_stand_in_pushes_what_was_subscribed_signed_with_the_salt_it_was_told(
    standins: StandIns, world: WorldClient, database: Database
) -> None:
    asked = query("kuaidi100", fresh())
    await world.add_scans("yto", asked.waybill, way())
    assert await world.pushed(asked.waybill) is None
    async with local_carriers(standins, database) as chosen:
        await chosen.subscribe(asked)
    body = await world.pushed(asked.waybill)
    assert body is not None
    async with HttpClient(standins.url, name="kuaidi100") as http:
        reader = Kuaidi100Carrier(http, key=KEY, customer=CUSTOMER, salt=SALT)
        assert reader.verified(body, {})
        [pushed] = reader.read_push(body).parcels
    assert (pushed.asked, [scan.stage for scan in pushed.trace.scans]) == ("yto", [scan.stage for scan in way()])


async def test_an_outage_of_the_subscription_leaves_the_trace(
    standins: StandIns, world: WorldClient, database: Database
) -> None:
    asked = query("kuaidi100", fresh())
    await world.add_scans("yto", asked.waybill, way())
    await world.fault("carrier", verb="subscribe", match=asked.waybill, kind="status_before_effect", status=503)
    async with local_carriers(standins, database) as chosen:
        await chosen.subscribe(asked)
        assert await outcome_of(database, asked.waybill) == ("unavailable", 1)
        assert [trace.answer for trace in await chosen.traces(asked)] == ["found"]


# --- the file --------------------------------------------------------------------------------------------

FILE = """
default = ["kuaidi100"]
[providers.kuaidi100]
customer = "c"
key = "k"
salt = "s"
callback = "https://shop.example/push"
"""


def test_a_callback_needs_a_salt_and_a_provider_that_is_subscribed_at(tmp_path: Path) -> None:
    assert parse_providers(FILE, {}).providers["kuaidi100"].callback == CALLBACK
    with pytest.raises(Misconfigured, match="salt is missing"):
        parse_providers(FILE.replace('salt = "s"', ""), {})
    with pytest.raises(Misconfigured, match="only kuaidi100"):
        parse_providers(FILE.replace("kuaidi100]", 'kuaidi100]\nkind = "kdniao"'), {})
    with pytest.raises(Misconfigured, match=r"providers\.kuaidi100\.callback"):
        parse_providers(FILE.replace("https:", "ftp:"), {})
