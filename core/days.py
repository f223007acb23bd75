"""A day as people and programs write it, `2026-12-01`, in UTC: one rule, and one sentence on every surface."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from core.fields import YEARS

NO_DAY = "must be a day that exists, such as 2026-12-01"
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def day_of(text: str) -> datetime:
    """When the day begins, in UTC.

    Raises:
        ValueError: it is none, or lies in no year of ours; the sentence says what would be right.
    """
    if not _DAY.fullmatch(text):
        raise ValueError(NO_DAY)
    try:
        day = datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        raise ValueError(NO_DAY) from None
    if day.year not in YEARS:
        raise ValueError(f"must lie between {YEARS[0]} and {YEARS[-1]}")
    return day
