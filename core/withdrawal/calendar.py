"""Days as banks count them: Monday to Friday, by the policy's own midnight.

Public holidays are not known; they only make a watch shorter than the bank's own, and a return is accepted for ever.
"""

from __future__ import annotations

from datetime import datetime, timedelta


def after_working_days(start: datetime, days: int, offset: timedelta) -> datetime:
    """The same time of day, that many working days later; `offset` is the local midnight's lead over UTC."""
    at = start
    while days > 0:
        at += timedelta(days=1)
        if (at + offset).weekday() < 5:
            days -= 1
    return at


def next_day_starts(now: datetime, offset: timedelta) -> datetime:
    """The next local midnight."""
    local = now + offset
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + timedelta(days=1) - offset
