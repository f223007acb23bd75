"""How often a key may ask: changing requests and reads apart, so that a poll delays no shipment."""

from __future__ import annotations

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from storefront.problems import ProblemError

WRITES = RateLimitItemPerSecond(20)
READS = RateLimitItemPerSecond(100)


class Limits:
    """Requests of each key within the last second. Every process of the gateway counts for itself."""

    def __init__(self) -> None:
        self._window = SlidingWindowCounterRateLimiter(MemoryStorage())

    def count(self, key_id: str, *, changing: bool) -> None:
        """Count one request.

        Raises:
            ProblemError: `too_many_requests`; a retry after a second helps.
        """
        most, kind = (WRITES, "write") if changing else (READS, "read")
        if not self._window.hit(most, kind, key_id):
            why = f"At most {most.amount} {kind}s a second."
            raise ProblemError("too_many_requests", why, headers={"Retry-After": "1"})
