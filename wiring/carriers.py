"""Settings → tracking providers, each behind its interval, in the order in which they are asked."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import datetime, timedelta

from activities.carriers.aftership import AfterShipCarrier
from activities.carriers.base import Carrier, Subscribing, TraceQuery, check
from activities.carriers.chosen import ChosenCarriers
from activities.carriers.easypost import EasyPostCarrier
from activities.carriers.kdniao import KdniaoCarrier
from activities.carriers.kuaidi100 import Kuaidi100Carrier
from activities.carriers.paced import PacedCarrier
from activities.carriers.sandbox import SandboxCarrier
from activities.carriers.subscribed import Subscriber
from activities.carriers.track17 import Track17Carrier
from activities.http import HttpClient
from config import Settings
from config.providers import Provider, Providers
from core.addresses import shown_url
from ledger.register import Register
from wiring.addresses import CHECKED_WITHIN, ProviderCheck, vendor_url


async def open_carriers(settings: Settings, stack: AsyncExitStack, register: Register) -> ChosenCarriers:
    """The tracking providers, each behind its interval, in their order.

    Args:
        stack: closes the connections that are opened here.
    """
    chosen = settings.providers or Providers(default=("sandbox",))
    carriers: dict[str, Carrier] = {}
    subscribers: dict[str, Subscriber] = {}
    for name in _named(chosen):
        provider = chosen.providers.get(name) or Provider(kind="sandbox")
        http = await stack.enter_async_context(HttpClient(provider_url(settings, provider), name=name))
        interval = provider.interval or timedelta()
        adapter = carrier_of(provider, http)
        carriers[name] = PacedCarrier(adapter, name, register, interval)
        if provider.callback and isinstance(adapter, Subscribing):
            subscribers[name] = Subscriber(adapter, name, register, provider.callback)
    return ChosenCarriers(carriers, chosen.default, chosen.carriers, subscribers)


def carrier_of(provider: Provider, http: HttpClient) -> Carrier:
    """The adapter of a provider. A new kind is one more branch here, and a line in `config.providers`."""
    match provider.kind:
        case "kuaidi100":
            return Kuaidi100Carrier(http, key=provider.key, customer=provider.customer, salt=provider.salt)
        case "kdniao":
            return KdniaoCarrier(http, key=provider.key, business_id=provider.customer)
        case "easypost":
            return EasyPostCarrier(http, key=provider.key, secret=provider.salt)
        case "17track":
            return Track17Carrier(http, key=provider.key)
        case "aftership":
            return AfterShipCarrier(http, key=provider.key, secret=provider.salt)
    return SandboxCarrier(http)


async def check_providers(settings: Settings, now: datetime) -> list[ProviderCheck]:
    """Check each configured provider.

    Kuaidi100 and Kdniao get a query for a number that no parcel has; it counts as a query. The number changes every
    second.
    """
    chosen = settings.providers or Providers(default=("sandbox",))
    probe = TraceQuery(carrier="yto", waybill=f"YT{int(now.timestamp()):013}")
    found = []
    for name in _named(chosen):
        provider = chosen.providers.get(name) or Provider(kind="sandbox")
        url = provider_url(settings, provider)
        async with HttpClient(url, name=name, answers_within=CHECKED_WITHIN) as http:
            checked = await check(carrier_of(provider, http), probe)
        found.append(ProviderCheck(name, shown_url(url), checked.outcome, checked.detail))
    return found


def _named(chosen: Providers) -> tuple[str, ...]:
    """Every provider that any carrier uses, without duplicates."""
    return tuple(dict.fromkeys((*chosen.default, *(one for order in chosen.carriers.values() for one in order))))


def provider_url(settings: Settings, provider: Provider) -> str:
    """A provider's address; the stand-in carrier's if it has none."""
    return vendor_url(settings, provider.url, "DAKUAN_CARRIERS") or settings.needed("carrier_url")
