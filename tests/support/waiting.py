"""Waits of tests. None looks once where a wait belongs, and none has a short limit: see `demo.waiting`."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from demo.waiting import WITHIN, pauses, until

__all__ = ["ANSWERS_WITHIN", "WITHIN", "until", "until_so"]

T = TypeVar("T")
ANSWERS_WITHIN = timedelta(seconds=WITHIN)
"""For a provider whose answer comes. A shorter limit would make a stand-in that is slow just now look like a provider
that does not answer, and that is an answer of its own.
"""


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
