"""Every sequence of events up to a length, through the order's core, checked after every event.

Sequences that lead to the same order are followed once: a later event can meet only the order, its books and the next
answers of the world. Parts that decide nothing are left out of that comparison: the journal and the remembered answers,
the numbers of revisions, notices and commands.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from order_driver import OrderDriver
from order_events import happen
from order_walks import a_driver

KIND = 1
"""The variety of order and policy; see `a_driver`."""
_NOT_DECIDING = {"order", "policy", "inbox", "revision", "recorded_revision", "notices", "notice_seq"}

ALPHABET = (
    "ship all",
    "ship one of line 1",
    "all delivered",
    "p1: rejected",
    "p1: to review",
    "confirm",
    "cancel",
    "approve p1",
    "chargeback: 700",
    "hold all",
    "to the deadline",
    "case: return",
    "case: agree",
    "case: refuse",
    "refund an amount",
    "chargeback: won",
)
"""What happens in `make test`."""
LONGER_ALPHABET = (
    *ALPHABET,
    "lift three",
    "correct p1",
    "hold payout",
    "chargeback: all that was paid",
    "chargeback: lost",
    "case: refund line 2",
    "case: escalate",
    "case: part",
    "case: send back",
    "case: withdraw",
    "refund the rest",
    "platform refunds",
    "refund arrives",
    "refund refused",
)
"""What happens in a soak."""
SOAK_STARTS = (
    "new",
    "in two parcels",
    "delivered",
    "credited",
    "settled",
    "settled, part refunded",
    "case, on its way back",
    "case, arbitration",
)


class Explored(NamedTuple):
    """How many sequences were covered, by how many events that were carried out, and how many orders they led to."""

    sequences: int = 0
    events: int = 0
    orders: int = 0


@dataclass
class Way:
    """An order, one way to it, and how many sequences lead to it."""

    driver: OrderDriver
    events: tuple[str, ...] = ()
    ways: int = 0


def key_of(driver: OrderDriver) -> bytes:
    """All that a later event can meet: two orders with one key have the same future."""
    decides = [
        driver.state.model_dump(mode="json", exclude=_NOT_DECIDING),
        driver.now.isoformat(),
        driver.books.balances,
        sorted(driver.books.movements),
        [str(answer) for answer in driver.ledger_says],
        {parcel: repr(verdict) for parcel, verdict in driver.say.items()},
        driver.register_says,
    ]
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).digest()


def explore(
    start: str, length: int, alphabet: Sequence[str] = ALPHABET, note: Callable[[int, int], None] | None = None
) -> Explored:
    """Run every sequence of up to this many events from a start.

    Args:
        note: is called with how many orders were given every last event, and how many there are.

    Raises:
        AssertionError: what is wrong, with the events that led there.
    """
    sequences = events = orders = 0
    reached = [Way(a_driver(start, KIND), ways=1)]
    for step in range(1, length + 1):
        sequences += len(alphabet) * sum(way.ways for way in reached)
        events += len(alphabet) * len(reached)
        if step < length:
            reached = lengthen(reached, alphabet)
            orders += len(reached)
    for done, way in enumerate(reached, 1):
        for event in alphabet:
            _after(way, event)
        if note is not None:
            note(done, len(reached))
    return Explored(sequences, events, orders)


def lengthen(reached: Sequence[Way], alphabet: Sequence[str]) -> list[Way]:
    """All orders that one event more leads to, each once."""
    longer: dict[bytes, Way] = {}
    for way in reached:
        for event in alphabet:
            fork = _after(way, event)
            longer.setdefault(key_of(fork), Way(fork, (*way.events, event))).ways += way.ways
    return list(longer.values())


def _after(way: Way, event: str) -> OrderDriver:
    fork = way.driver.fork()
    try:
        happen(fork, event)
        fork.check()
    except Exception as error:
        raise AssertionError(f"after {', '.join((*way.events, event))}: {error!r}") from error
    return fork
