"""The doctor's look at the tracking providers: whether each answers and takes our account, and what helps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from vendor_adapters import VENDORS, at

from activities.carriers.base import TraceQuery, check
from commands.doctor import _providers
from config import Settings, standin_providers
from config.providers import Provider
from local.client import WorldClient
from local.dialects import Vendor
from local.standins import StandIns
from wiring.carriers import check_providers

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)


def with_provider(settings: Settings, name: str, **fields: str) -> Settings:
    assert settings.providers is not None
    providers: dict[str, Provider] = dict(settings.providers.providers)
    providers[name] = providers[name].model_copy(update=fields)
    return settings.model_copy(update={"providers": settings.providers.model_copy(update={"providers": providers})})


@pytest.fixture
def settings(standins: StandIns) -> Settings:
    return Settings(world_url=standins.url, carrier_url=standins.carrier_url, providers=standin_providers())


async def findings(settings: Settings) -> dict[str, tuple[bool, str, str]]:
    return {one.name: (one.ok, one.found, one.helps) for one in await _providers(settings)}


async def test_every_provider_of_a_local_stack_takes_our_account(settings: Settings) -> None:
    found = await findings(settings)
    assert set(found) == {f"provider {name}" for name in (*VENDORS, "sandbox")}
    assert all(ok and "our account is accepted" in said for ok, said, _ in found.values())


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_wrong_key_is_refused_and_said_so(settings: Settings, vendor: Vendor) -> None:
    ok, said, helps = (await findings(with_provider(settings, vendor, key="another")))[f"provider {vendor}"]
    assert (ok, "refuses our account" in said) == (False, True)
    assert "key" in helps


@pytest.mark.parametrize("vendor", VENDORS)
async def test_one_that_is_away_is_named_with_its_address(settings: Settings, vendor: Vendor) -> None:
    ok, said, helps = (await findings(with_provider(settings, vendor, url="http://127.0.0.1:9/x")))[
        f"provider {vendor}"
    ]
    assert (ok, "http://127.0.0.1:9/x gives no answer of use" in said) == (False, True)
    assert "address" in helps


@pytest.mark.parametrize("vendor", VENDORS)
async def test_one_that_throttles_cannot_be_told(standins: StandIns, world: WorldClient, vendor: Vendor) -> None:
    await world.fault("carrier", kind="status_before_effect", status=429)
    async with at(vendor, f"{standins.url}/{vendor}") as carrier:
        probe = TraceQuery(carrier="yto", waybill=f"YT{NOW.timestamp():.0f}")
        assert (await check(carrier, probe)).outcome == "cannot_tell"


async def test_where_no_file_is_given_the_carrier_of_the_sandbox_dialect_is_tried(standins: StandIns) -> None:
    found = await check_providers(Settings(carrier_url=standins.carrier_url), NOW)
    assert [(one.name, one.outcome) for one in found] == [("sandbox", "accepted")]
    [nowhere] = await _providers(Settings())
    assert not nowhere.ok
    assert "DAKUAN_CARRIER_URL" in nowhere.found


async def test_each_second_another_number_is_tried_so_that_none_is_locked(
    standins: StandIns, world: WorldClient
) -> None:
    providers = standin_providers().model_copy(update={"carriers": {}})
    settings = Settings(world_url=standins.url, providers=providers)
    await world.lock_numbers(60)
    try:
        for second in range(2):
            found = await check_providers(settings, NOW + timedelta(seconds=second))
            assert {one.outcome for one in found} == {"accepted"}
    finally:
        await world.lock_numbers(0)
