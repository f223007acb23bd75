"""What the checks of a policy have in common: a finding, and waits that no marketplace has."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

from core.durations import format_duration
from core.fields import Message

LONGEST_WAIT = timedelta(days=366)
"""A longer wait is a typing error: no marketplace waits for years."""
EVERYTHING = 10_000
"""Basis points: all of it."""


class Clash(NamedTuple):
    """Values that cannot work together, by their keys, and why."""

    keys: tuple[str, ...]
    message: str


def unending(part: str, limits: Message) -> Iterator[Clash]:
    """Every wait of a part of the policy that is longer than any marketplace waits."""
    for name in type(limits).model_fields:
        value = getattr(limits, name)
        if isinstance(value, timedelta) and value > LONGEST_WAIT:
            said = f"{name} ({format_duration(value)}) is a wait without a deadline"
            yield Clash((f"{part}.{name}",), f"{said}: more than {format_duration(LONGEST_WAIT)}")
