"""Who changed something a moment ago: what they read next is read where it was written."""

from __future__ import annotations

import time

FRESH_FOR = 30.0
"""Seconds: the longest wait for an answer, and more than a replica in use may be behind."""
KEPT_MOST = 10_000


class Recent:
    """The senders of the last changes at this gateway. Another gateway does not know of them."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def note(self, sender: str) -> None:
        """This sender changes something now."""
        now = time.monotonic()
        if len(self._until) >= KEPT_MOST:
            self._until = {one: until for one, until in self._until.items() if until > now}
        self._until[sender] = now + FRESH_FOR

    def has(self, sender: str) -> bool:
        """Whether this sender changed something within the last seconds."""
        return self._until.get(sender, 0.0) > time.monotonic()
