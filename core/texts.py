"""What people read, in English and in Chinese, of orders and of withdrawals alike."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple


class Help(NamedTuple):
    """One thing to do, for those who read English and for those who read Chinese. `{}` is what only the state knows."""

    en: str
    zh: str


def clock(at: datetime) -> str:
    """A time for people."""
    return at.strftime("%Y-%m-%d %H:%M UTC")
