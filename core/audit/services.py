"""Whom to ask about a number: the services of its carrier, by the names that the tracking providers have for them.

DHL Express does not know the parcels of DHL Paket, nor UPS those of UPS Mail Innovations: a provider lists them as
separate carriers. A "no trace" counts only if every service that prints such numbers was asked.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from core.audit.waybills import CARRIERS, CarrierInfo

Vendor = Literal["kuaidi100", "kdniao", "easypost"]
MOST_CODES = 5
"""A number is asked for under at most this many names: the vendor counts each query."""


class Codes(NamedTuple):
    """A vendor's names to ask under, likeliest first. `certain`: a "no" to all of them is the carrier's."""

    codes: tuple[str, ...]
    certain: bool


def codes_for(vendor: Vendor, carrier: CarrierInfo, main: str, number: str) -> Codes:
    """Under which names a vendor may know a number.

    Args:
        main: the vendor's name for the carrier itself.
        number: normalised.
    """
    if not carrier.services:
        return Codes((main,), certain=True)
    by_service = {"": main, **{service.id: getattr(service, vendor) for service in carrier.services}}
    printers = [service for form in CARRIERS.formats_of(carrier.id, number) for service in form.services]
    likely = dict.fromkeys(by_service[service] for service in printers)
    certain = bool(printers) and all(likely)
    if not certain:
        likely.update(dict.fromkeys(by_service.values()))
    codes = tuple(code for code in likely if code)
    return Codes(codes[:MOST_CODES], certain and len(codes) <= MOST_CODES)


def carrier_called(code: str | None, vendor: Literal["kuaidi100", "kdniao"]) -> str | None:
    """Our id of the carrier that a vendor knows by this name, or by the name of one of its services; else None."""
    return _CALLED[vendor].get((code or "").strip().casefold())


def _names(vendor: Literal["kuaidi100", "kdniao"]) -> dict[str, str]:
    services = {
        getattr(service, vendor).casefold(): carrier.id for carrier in CARRIERS.carriers for service in carrier.services
    }
    named = {**services, **{getattr(carrier, vendor).casefold(): carrier.id for carrier in CARRIERS.carriers}}
    return {name: carrier_id for name, carrier_id in named.items() if name}


_CALLED = {"kuaidi100": _names("kuaidi100"), "kdniao": _names("kdniao")}
