"""Who changed something a moment ago: what they read next is read where it was written."""

from __future__ import annotations

import time
from collections import OrderedDict

FRESH_FOR = 30.0
"""Seconds: the longest wait for an answer, and more than a replica in use may be behind."""


class Recent:
    """The senders of the last changes at this gateway. Another gateway does not know of them."""

    def __init__(self) -> None:
        self._until: OrderedDict[str, float] = OrderedDict()
        """The earliest end first: all last equally long. So a change looks at none but those that have ended."""

    def note(self, sender: str) -> None:
        """This sender changes something now."""
        now = time.monotonic()
        self._until[sender] = now + FRESH_FOR
        self._until.move_to_end(sender)
        while self._until[next(iter(self._until))] <= now:
            self._until.popitem(last=False)

    def has(self, sender: str) -> bool:
        """Whether this sender changed something within the last seconds."""
        return self._until.get(sender, 0.0) > time.monotonic()
