"""The vendors' adapters for tests: against the stand-ins' dialects, or against bytes that a test makes up."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from waiting import ANSWERS_WITHIN

from activities.carriers.base import Carrier, TraceQuery
from activities.http import HttpClient
from config.providers import Provider
from core.messages import Scan
from local import dialects
from local.dialects import AnyVendor
from local.standins import StandIns
from wiring.carriers import carrier_of

VENDORS: tuple[AnyVendor, ...] = ("kuaidi100", "kdniao", "easypost", "17track", "aftership")
REGISTERING = ("17track", "aftership")
"""Vendors that know only registered numbers, and look for them later."""
SERVED: dict[AnyVendor, str] = {
    "kuaidi100": "yto",
    "kdniao": "yto",
    "easypost": "ups",
    "17track": "ups",
    "aftership": "ups",
}
"""A carrier of each vendor that wants no phone."""
START = datetime(2026, 11, 22, 8, tzinfo=UTC)
_numbers = itertools.count(1)


def fresh(prefix: str = "YT") -> str:
    return f"{prefix}{next(_numbers):013}"


def scan(hours: float, stage: Any, city: str | None = None, text: str | None = None) -> Scan:
    return Scan(at=START + timedelta(hours=hours), code=stage, stage=stage, city=city, text=text)


def way() -> list[Scan]:
    """A parcel from Hangzhou to Beijing."""
    return [
        scan(0, "label"),
        scan(2, "picked_up", "杭州市", "【杭州市】已揽收"),
        scan(9, "in_transit", "杭州市"),
        scan(20, "arrived", "北京市"),
        scan(26, "out_for_delivery", "北京市", "业务员【张婷,13812345678】正在为您派件"),
        scan(30, "delivered", "北京市", "已签收，签收人：本人"),
    ]


def plain(scans: list[Scan]) -> list[dict[str, Any]]:
    return [one.model_dump(mode="json", exclude_none=True) for one in scans]


def account(vendor: AnyVendor, **fields: Any) -> Provider:
    """The account that the stand-ins know."""
    given = {"key": dialects.KEY, "customer": dialects.CUSTOMER, "salt": dialects.SALT, **fields}
    return Provider(kind=vendor, **given)


@asynccontextmanager
async def adapter(vendor: AnyVendor, standins: StandIns, **fields: Any) -> AsyncIterator[Carrier]:
    """An adapter that asks the stand-ins."""
    async with at(vendor, f"{standins.url}/{vendor}", **fields) as carrier:
        yield carrier


@asynccontextmanager
async def at(vendor: AnyVendor, url: str, **fields: Any) -> AsyncIterator[Carrier]:
    """An adapter that asks an address."""
    async with HttpClient(url, name=vendor, answers_within=ANSWERS_WITHIN) as http:
        yield carrier_of(account(vendor, **fields), http)


def query(vendor: AnyVendor, waybill: str, carrier: str | None = None, phone: str | None = None) -> TraceQuery:
    return TraceQuery(carrier=carrier or SERVED[vendor], waybill=waybill, phone_last4=phone)
