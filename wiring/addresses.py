"""Addresses of vendors (a full address or a path of the stand-ins), and the result of checking one."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from config import Settings
from core.errors import Misconfigured

CHECKED_WITHIN = timedelta(seconds=5)


class ProviderCheck(NamedTuple):
    """A provider, its address, and whether it answers and accepts our account: see `carriers.base.Checked`."""

    name: str
    url: str
    outcome: str
    detail: str


def vendor_url(settings: Settings, url: str, variable: str) -> str:
    """A full address, from an address or from a path of the stand-ins."""
    if not url.startswith("/"):
        return url
    if settings.world_url is None:
        raise Misconfigured(f"{variable}: {url} is a path of the stand-ins, and none are up")
    return settings.world_url + url
