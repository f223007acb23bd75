"""Waiting for what comes by itself: looks that begin at once and become ever more seldom.

The limit is long, since a loaded machine needs long; a wait that fails says what it saw last.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

from core.errors import Unavailable

T = TypeVar("T")
WITHIN = 60.0
"""Seconds of pauses. The looks themselves are not counted: they are long where the machine is loaded."""
FIRST_PAUSE, LONGEST_PAUSE, LESS_OFTEN = 0.03, 0.5, 1.4
"""Seconds, and a factor. Each look is often a task of the worker."""


def pauses(within: float = WITHIN) -> Iterator[float]:
    """The pause before each further look, in seconds."""
    pause, left = FIRST_PAUSE, within
    while left > 0:
        yield pause
        left, pause = left - pause, min(pause * LESS_OFTEN, LONGEST_PAUSE)


async def until(
    look: Callable[[], Awaitable[T]],
    holds: Callable[[T], object] = bool,
    *,
    within: float = WITHIN,
    despite: tuple[type[Exception], ...] = (),
) -> T:
    """What a look gives, once it fits.

    Args:
        within: seconds of pauses.
        despite: errors of a look that pass by themselves.

    Raises:
        Unavailable: it does not fit in time; the message has what was seen last.
    """
    seen: T | Exception | None = None
    for pause in pauses(within):
        try:
            seen = found = await look()
            if holds(found):
                return found
        except despite as error:
            seen = error
        await asyncio.sleep(pause)
    raise Unavailable(f"it never came to what was waited for: {seen!r}")
