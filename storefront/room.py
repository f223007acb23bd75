"""Room for what holds a connection for long: each sender has a little of it, so that none takes all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from storefront.problems import ProblemError

COME_BACK_AFTER = "15"
"""Seconds."""


class Room:
    """Room of one kind, in this process.

    Args:
        what: what takes it, in the plural.
        each: at most so much of one sender.
        most: at most so much at a time.
    """

    def __init__(self, what: str, each: int, most: int) -> None:
        self.what, self.each, self.most = what, each, most
        self._taken: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        """How much is taken."""
        return self._taken.total()

    @property
    def refusal(self) -> ProblemError:
        """What a sender gets where there is none left."""
        why = f"At most {self.each} {self.what} of one sender, and {self.most} at a time."
        return ProblemError("too_many_requests", why, headers={"Retry-After": COME_BACK_AFTER})

    def take(self, sender: str) -> None:
        """Take room.

        Raises:
            ProblemError: `too_many_requests`.
        """
        if self._taken[sender] >= self.each or self.taken >= self.most:
            raise self.refusal
        self._taken[sender] += 1

    def give_back(self, sender: str) -> None:
        """What took it has ended."""
        self._taken[sender] -= 1
        if not self._taken[sender]:
            del self._taken[sender]

    @contextmanager
    def held(self, sender: str) -> Iterator[None]:
        """Room for the block.

        Raises:
            ProblemError: `too_many_requests`.
        """
        self.take(sender)
        try:
            yield
        finally:
            self.give_back(sender)
