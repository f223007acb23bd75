"""Days and times as people type them as options: what does not exist is named as such, and not as a wrong format."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import typer
from pydantic import TypeAdapter, ValidationError

from core.fields import YEARS, Time
from core.reading import reasons_of

DAY = "YYYY-MM-DD"
"""How the help writes one."""
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MOMENT: TypeAdapter[datetime] = TypeAdapter(Time)


def day_of(text: str) -> datetime:
    """When a day begins, in UTC, from `2026-12-01`.

    Raises:
        BadParameter: it is none, or lies in no year of ours.
    """
    try:
        found = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC) if _DAY.fullmatch(text) else None
    except ValueError:
        found = None
    if found is None:
        raise typer.BadParameter("must be a day that exists, such as 2026-12-01")
    if found.year not in YEARS:
        raise typer.BadParameter(f"must lie between {YEARS[0]} and {YEARS[-1]}")
    return found


def moment_of(text: str) -> datetime:
    """A time with its offset, from `2026-11-28T09:30:00Z`.

    Raises:
        BadParameter: it is none, or lies in no year of ours.
    """
    try:
        return _MOMENT.validate_python(text)
    except ValidationError as error:
        raise typer.BadParameter(reasons_of(error)[0]["message"]) from None
