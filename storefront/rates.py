"""Rates: so many of a thing at once, and after that one at a time, evenly."""

from __future__ import annotations

import math

from throttled import Throttled
from throttled.rate_limiter import Quota
from throttled.store import MemoryStore

REMEMBERED = 100_000
"""Of those that use a rate. The one that has been away longest is forgotten first: it has its whole rate again."""


class Rate:
    """How often each of many may do something.

    It is the generic cell rate algorithm: one number for each, the same cost however many there are, and a wait that
    is exact. Windows that begin with the clock's hour have none of the three.
    """

    def __init__(self, quota: Quota) -> None:
        self.most = quota.burst
        self._spread = (quota.burst - 1) * quota.emission_interval
        self._taken = Throttled(using="gcra", quota=quota, store=MemoryStore(options={"MAX_SIZE": REMEMBERED}))

    def take(self, *who: str) -> bool:
        """Take one. False: there is none now; a refusal takes nothing."""
        return not self._taken.limit(_key(who)).limited

    def wait_of(self, *who: str) -> int:
        """In how many seconds there is one again, rounded up; 0 where there is one now.

        It is reckoned from when all are there again: the library's own answer of when there is one is wrong in a
        look that takes nothing.
        """
        return max(0, math.ceil(round(self._taken.peek(_key(who)).reset_after - self._spread, 6)))


def _key(who: tuple[str, ...]) -> str:
    return "\0".join(who)
