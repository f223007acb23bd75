"""Days and times as people type them as options: what does not exist is named as such, and not as a wrong format."""

from __future__ import annotations

from datetime import datetime

import typer
from pydantic import TypeAdapter, ValidationError

from core import days
from core.fields import Time
from core.reading import reasons_of

DAY = "YYYY-MM-DD"
"""How the help writes one."""
_MOMENT: TypeAdapter[datetime] = TypeAdapter(Time)


def day_of(text: str) -> datetime:
    """When a day begins, in UTC, from `2026-12-01`.

    Raises:
        BadParameter: it is none, or lies in no year of ours.
    """
    try:
        return days.day_of(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def moment_of(text: str) -> datetime:
    """A time with its offset, from `2026-11-28T09:30:00Z`.

    Raises:
        BadParameter: it is none, or lies in no year of ours.
    """
    try:
        return _MOMENT.validate_python(text)
    except ValidationError as error:
        raise typer.BadParameter(reasons_of(error)[0]["message"]) from None
