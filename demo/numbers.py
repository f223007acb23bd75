"""Waybill numbers as carriers print them, for parcels of the demonstration. None is a real parcel's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

from core.audit.checks import Check, check_character
from core.audit.waybills import sandbox_number

_UPS = Check(scheme="mod10", weights=(1, 2))


def _digits(chance: Random, count: int) -> str:
    return "".join(str(chance.randint(0, 9)) for _ in range(count))


def _ups(chance: Random) -> str:
    serial = "A" + _digits(chance, 14)
    return f"1Z{serial}{check_character(_UPS, serial)}"


_PRINTED: Mapping[str, Callable[[Random], str]] = {
    "sandbox": lambda chance: sandbox_number(chance.randint(10**9, 10**10 - 1)),
    "sf": lambda chance: "SF" + _digits(chance, 13),
    "yto": lambda chance: "YT" + _digits(chance, 13),
    "zto": lambda chance: "7" + _digits(chance, 13),
    "jt": lambda chance: "JT" + _digits(chance, 13),
    "ups": _ups,
}

PRINTERS = tuple(_PRINTED)
"""The carriers whose numbers can be made up here; each of the three vendors serves some of them."""


def printed_number(carrier: str, chance: Random) -> str:
    """A number that the carrier could have printed; the same chance makes the same number."""
    return _PRINTED[carrier](chance)
