"""Lengths of time as people write them in a policy file: "90s", "30m", "48h", "3d"."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

LONGEST = timedelta(days=3650)
"""Ten years: a longer one is a typing error. It is also far below what a datetime can add."""

_UNITS = {
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
_PART = re.compile(r"([0-9]{1,12})(ms|[dhms])")
_PATTERN = r"^([0-9]{1,12}(ms|[dhms]))+$"
_WHOLE = re.compile(_PATTERN)


def parse_duration(text: str) -> timedelta:
    """A duration from its text: whole numbers, each with its unit (d, h, m, s, ms), largest first or not: "1d12h".

    Raises:
        ValueError: no such text, or longer than ten years.
    """
    if not text.isascii() or not _WHOLE.match(text) or text.endswith("\n"):
        raise ValueError(f"must be a duration such as 90s, 30m, 48h or 3d, not {text[:40]!r}")
    try:
        total = sum((int(number) * _UNITS[unit] for number, unit in _PART.findall(text)), timedelta())
    except OverflowError:
        total = timedelta.max
    return _bounded(total)


def format_duration(duration: timedelta) -> str:
    """The text that `parse_duration` reads back as the same value: a whole number of the largest unit that fits."""
    for name, unit in _UNITS.items():
        if duration and not duration % unit:
            return f"{duration // unit}{name}"
    return "0s"


def _bounded(duration: timedelta) -> timedelta:
    if not timedelta() <= duration <= LONGEST:
        raise ValueError("must be between 0s and 3650d")
    if duration % _UNITS["ms"]:
        raise ValueError("must be whole milliseconds")
    return duration


def _read(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return _bounded(value)
    if isinstance(value, str):
        return parse_duration(value)
    # A bare number has no unit: the reader of a policy file might assume another one than we do.
    raise ValueError("must be a duration with its unit, such as 90s, 30m, 48h or 3d")


Duration = Annotated[
    timedelta,
    BeforeValidator(_read),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": _PATTERN, "examples": ["90s", "30m", "48h", "3d"]}),
]
"""A field that reads "48h" (or a `timedelta`) and writes "2d" to JSON; zero to ten years, whole milliseconds."""


def _read_signed(value: object) -> timedelta:
    if isinstance(value, timedelta) and value < timedelta():
        return -_bounded(-value)
    if isinstance(value, str) and value.startswith("-"):
        return -parse_duration(value[1:])
    return _read(value)


SignedDuration = Annotated[
    timedelta,
    BeforeValidator(_read_signed),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": _PATTERN.replace("^", "^-?"), "examples": ["3d", "-3d"]}),
]
"""As `Duration`, and to the other side: "-3d"."""
