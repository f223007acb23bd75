"""Waits of tests. None looks once where a wait belongs, and none has a short limit: see `demo.waiting`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from demo.waiting import WITHIN, pauses, until

__all__ = ["WITHIN", "until", "until_so"]

T = TypeVar("T")


def until_so(look: Callable[[], T], holds: Callable[[T], object] = bool) -> T:
    """As `until`, for a test that runs no event loop.

    Raises:
        AssertionError: it does not fit in time; the message has what was seen last.
    """
    seen: T | None = None
    for pause in pauses():
        seen = found = look()
        if holds(found):
            return found
        time.sleep(pause)
    raise AssertionError(f"it never came to what was waited for: {seen!r}")
