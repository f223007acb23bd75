"""How often a sender may ask and change an order, and how often one address may guess keys."""

from __future__ import annotations

import time
from collections.abc import Sequence

from throttled.rate_limiter import per_hour, per_min, per_sec

from storefront.problems import ProblemError
from storefront.rates import Rate

WRITES, READS = per_sec(20), per_sec(100)
COMMANDS = per_hour(20)
"""Of one sender to one order or withdrawal. One in a loop would fill its history, and must not silence the others: a
merchant's key, each of its people, and the storefront that speaks for the buyer have their own.
"""
WRONG_KEYS = per_min(100)
"""Of one address. After that it is asked to wait, but for keys that were right in the last minutes."""
UNKNOWN_SENDERS = per_sec(20)
"""Requests of one address that need no key."""
KNOWN_FOR = 600.0
KNOWN_MOST = 10_000


class Limits:
    """The rates of this process. Every process of the gateway counts for itself.

    Each rate remembers its own: an address that asks under ever other names makes no sender forgotten.
    """

    def __init__(self) -> None:
        self._writes, self._reads = Rate(WRITES), Rate(READS)
        self._commands, self._wrong, self._unknown = Rate(COMMANDS), Rate(WRONG_KEYS), Rate(UNKNOWN_SENDERS)
        self._known: dict[bytes, float] = {}

    def count(self, sender: str, *, changing: bool) -> None:
        """Count one request of a key or a person; changing ones and reads apart, so that a poll delays no shipment.

        Raises:
            ProblemError: `too_many_requests`; a retry after a second helps.
        """
        rate, what = (self._writes, "writes") if changing else (self._reads, "reads")
        if not rate.take(sender):
            raise too_many(f"At most {rate.most} {what} a second.", rate, sender)

    def takes_command(self, sender: str, kind: str, subject: str) -> bool:
        """Count a sender's command to an order or withdrawal. False: it has had as many as it may by now."""
        return self._commands.take(sender, kind, subject)

    def refuse_command(self, sender: str, kind: str, subject: str) -> ProblemError:
        """The problem of a command beyond that."""
        most = self._commands.most
        return too_many(f"At most {most} commands an hour to one {kind}.", self._commands, sender, kind, subject)

    def count_unknown(self, address: str) -> None:
        """Count one request that needs no key.

        Raises:
            ProblemError: `too_many_requests`.
        """
        if not self._unknown.take(address):
            raise too_many(f"At most {self._unknown.most} a second from one address.", self._unknown, address)

    # --- wrong keys ------------------------------------------------------------------------------------

    def refuse_guessing(self, address: str, digests: Sequence[bytes]) -> None:
        """Refuse an address that sent many wrong keys, before the database is asked.

        Raises:
            ProblemError: `too_many_requests`.
        """
        if not self._wrong.wait_of(address):
            return
        if not any(self._known.get(digest, 0.0) > time.monotonic() for digest in digests):
            raise too_many("Too many wrong keys came from this address.", self._wrong, address)

    def note_wrong(self, address: str) -> None:
        """A key was wrong."""
        self._wrong.take(address)

    def note_right(self, digests: Sequence[bytes]) -> None:
        """A key was right: its sender need not wait for the guesses of others."""
        if len(self._known) > KNOWN_MOST:
            self._known.clear()
        self._known.update(dict.fromkeys(digests, time.monotonic() + KNOWN_FOR))


def too_many(why: str, rate: Rate, *who: str) -> ProblemError:
    """The problem of one who has none left of a rate: `Retry-After` is when there is one again."""
    return ProblemError("too_many_requests", why, headers={"Retry-After": str(max(1, rate.wait_of(*who)))})
