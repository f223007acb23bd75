"""How often a sender may ask and change an order, and how often one address may guess keys."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from storefront.problems import ProblemError

WRITES = RateLimitItemPerSecond(20)
READS = RateLimitItemPerSecond(100)
COMMANDS = RateLimitItemPerHour(20)
"""Of one sender to one order or withdrawal. One in a loop would fill its history, and must not silence the others: a
merchant's key, each of its people, and the storefront that speaks for the buyer have their own.
"""
WRONG_KEYS = RateLimitItemPerMinute(100)
"""Of one address. After that it is asked to wait, but for keys that were right in the last minutes."""
UNKNOWN_SENDERS = RateLimitItemPerSecond(20)
"""Requests of one address that need no key."""
KNOWN_FOR = 600.0
KNOWN_MOST = 10_000


class Limits:
    """Requests within the last second, minute or hour. Every process of the gateway counts for itself."""

    def __init__(self) -> None:
        self._window = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._known: dict[bytes, float] = {}

    def count(self, sender: str, *, changing: bool) -> None:
        """Count one request of a key or a person; changing ones and reads apart, so that a poll delays no shipment.

        Raises:
            ProblemError: `too_many_requests`; a retry after a second helps.
        """
        if changing:
            self._hit(WRITES, f"At most {WRITES.amount} writes a second.", "write", sender)
        else:
            self._hit(READS, f"At most {READS.amount} reads a second.", "read", sender)

    def takes_command(self, sender: str, kind: str, subject: str) -> bool:
        """Count a sender's command to an order or withdrawal. False: it has had as many as it may within an hour."""
        return self._window.hit(COMMANDS, sender, kind, subject)

    def refuse_command(self, sender: str, kind: str, subject: str) -> ProblemError:
        """The problem of a command beyond that."""
        return self._too_many(
            COMMANDS, f"At most {COMMANDS.amount} commands an hour to one {kind}.", sender, kind, subject
        )

    def count_unknown(self, address: str) -> None:
        """Count one request that needs no key.

        Raises:
            ProblemError: `too_many_requests`.
        """
        self._hit(UNKNOWN_SENDERS, f"At most {UNKNOWN_SENDERS.amount} a second from one address.", "unknown", address)

    # --- wrong keys ------------------------------------------------------------------------------------

    def refuse_guessing(self, address: str, digests: Sequence[bytes]) -> None:
        """Refuse an address that sent many wrong keys, before the database is asked.

        Raises:
            ProblemError: `too_many_requests`.
        """
        if self._window.test(WRONG_KEYS, "wrong", address):
            return
        if not any(self._known.get(digest, 0.0) > time.monotonic() for digest in digests):
            raise self._too_many(WRONG_KEYS, "Too many wrong keys came from this address.", "wrong", address)

    def note_wrong(self, address: str) -> None:
        """A key was wrong."""
        self._window.hit(WRONG_KEYS, "wrong", address)

    def note_right(self, digests: Sequence[bytes]) -> None:
        """A key was right: its sender need not wait for the guesses of others."""
        if len(self._known) > KNOWN_MOST:
            self._known.clear()
        self._known.update(dict.fromkeys(digests, time.monotonic() + KNOWN_FOR))

    # --- counting --------------------------------------------------------------------------------------

    def _hit(self, most: RateLimitItem, why: str, *about: str) -> None:
        if not self._window.hit(most, *about):
            raise self._too_many(most, why, *about)

    def _too_many(self, most: RateLimitItem, why: str, *about: str) -> ProblemError:
        over_at = self._window.get_window_stats(most, *about).reset_time
        seconds = max(1, math.ceil(over_at - time.time()))
        return ProblemError("too_many_requests", why, headers={"Retry-After": str(seconds)})
