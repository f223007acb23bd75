"""Waybill numbers in the carriers' formats, for parcels of the demonstration. No real parcel has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

from core.audit.checks import Check, check_character
from core.audit.waybills import sandbox_number

_UPS = Check(scheme="mod10", weights=(1, 2))
_GS1 = Check(scheme="mod10", weights=(3, 1))


def _digits(chance: Random, count: int) -> str:
    return "".join(str(chance.randint(0, 9)) for _ in range(count))


def _ups(chance: Random) -> str:
    serial = "A" + _digits(chance, 14)
    return f"1Z{serial}{check_character(_UPS, serial)}"


def _dhl_paket(chance: Random) -> str:
    """A number of DHL Paket, which DHL Express does not know."""
    serial = "340434" + _digits(chance, 11)
    return f"00{serial}{check_character(_GS1, serial)}"


_PRINTED: Mapping[str, Callable[[Random], str]] = {
    "sandbox": lambda chance: sandbox_number(chance.randint(10**9, 10**10 - 1)),
    "sf": lambda chance: "SF" + _digits(chance, 13),
    "yto": lambda chance: "YT" + _digits(chance, 13),
    "zto": lambda chance: "7" + _digits(chance, 13),
    "jt": lambda chance: "JT" + _digits(chance, 13),
    "ups": _ups,
    "jd": lambda chance: "JDVA" + _digits(chance, 11),
    "dhl": _dhl_paket,
}

PRINTERS = ("sandbox", "sf", "yto", "zto", "jt", "ups")
"""The carriers for orders whose story names none; each of the three vendors covers some of them."""


def printed_number(carrier: str, chance: Random) -> str:
    """A number that the carrier could have printed; the same random source makes the same number."""
    return _PRINTED[carrier](chance)
