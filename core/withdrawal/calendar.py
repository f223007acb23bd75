"""Days as banks count them: Monday to Friday, by the policy's own midnight, and not on the days that are named closed.

The watch names no closed days: with public holidays it is only shorter than the bank's own, and a return is accepted at
any time.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, timedelta


def after_working_days(
    start: datetime, days: int, offset: timedelta, closed: Collection[date] = frozenset()
) -> datetime:
    """The same time of day, that many working days later; `offset` is the local midnight's lead over UTC."""
    at = start
    while days > 0:
        at += timedelta(days=1)
        local = at + offset
        if local.weekday() < 5 and local.date() not in closed:
            days -= 1
    return at


def next_day_starts(now: datetime, offset: timedelta) -> datetime:
    """The next local midnight."""
    local = now + offset
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + timedelta(days=1) - offset
