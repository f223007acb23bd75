"""Lives that were lived once for many orders, by the answers to what a life asks of the times of its record.

A path is found in a tree: each node is a question about two times, each leaf the end of both lives, as distances
between times of the record. What is no time is the same for all orders of a tree: see `Paths.kind_of`. Where an amount
decides, or a case, there is no path, and the orders are lived one by one.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from datetime import timedelta
from itertools import permutations
from typing import Any

from backtest.expecting import expectation
from backtest.lives import Lived
from backtest.past import PastOrder
from backtest.reenacting import written_place
from backtest.timeline import Event
from backtest.tracing import MICROSECOND, TimeQuestion, TracedSpan, Trail
from core.audit import places
from core.audit.policy import AuditPolicy
from core.messages import Address, Order

PAID, SHIP_BY, EVENTS = 0, 1, 2
"""The numbers of the times of a record; the events follow each other."""
MOST_ITEMS = 20
"""Orders of more goods are lived one by one: the size of a record has limits."""
MOST_PATHS = 20_000
HALF_AROUND_KM = 20_038
"""No two places are farther apart."""

Ends = tuple[Lived, Lived]
Times = tuple[int, ...]


class Node:
    """A question, and what follows from its answers."""

    __slots__ = ("by", "no", "one", "other", "yes")

    def __init__(self, question: TimeQuestion) -> None:
        self.one, self.other, self.by = question
        self.yes: Node | Leaf | None = None
        self.no: Node | Leaf | None = None


class Leaf:
    """Both ends of the orders that come here; None: they must be lived."""

    __slots__ = ("ends",)

    def __init__(self, ends: Ends | None) -> None:
        self.ends = ends


class Paths:
    """The paths that are known under two policies."""

    def __init__(self, audits: Sequence[AuditPolicy]) -> None:
        self._trees: dict[Hashable, Node | Leaf | None] = {}
        self._places: dict[tuple[str | None, ...], Hashable] = {}
        self._hubs = tuple(hub for audit in audits for hub in audit.hubs)
        self._longest_flight = max(
            timedelta(hours=HALF_AROUND_KM / audit.speed_max_kmh) + audit.clock_skew for audit in audits
        )
        self._left = MOST_PATHS

    def kind_of(self, past: PastOrder, events: Sequence[Event], terms: Hashable) -> Hashable | None:
        """All but the times, as far as a life decides by it; None where that cannot be said.

        Args:
            terms: what names the two policies as they are resolved for this order.
        """
        items = past.items
        beyond = past.paid_minor - past.due_minor
        if beyond < 0 or len(items) > MOST_ITEMS or not all(item.price_minor for item in items):
            return None
        return (
            terms,
            tuple([event.what for event in events]),
            past.delivered_at is None,
            len(items) > 1,
            any(item.freight_minor for item in items),
            beyond > 0,
            self._asked_of_places(past.ship_from, past.ship_to),
            self._distance(past),
        )

    def _distance(self, past: PastOrder) -> float | None:
        """How far apart the places are, where it can matter for the time that the parcel took."""
        if past.picked_up_at is None or past.delivered_at is None:
            return None
        if abs(past.delivered_at - past.picked_up_at) > self._longest_flight:
            return None
        one, other = written_place(past.ship_from), written_place(past.ship_to)
        inland = past.ship_from.country if past.ship_from.country == past.ship_to.country else None
        return places.least_distance_km(one, other, inland) if one and other else None

    def is_new(self, kind: Hashable) -> bool:
        """Whether no path of this kind is known."""
        return kind not in self._trees

    def find(self, kind: Hashable, times: Times) -> Leaf | None:
        """Where these times lead."""
        node = self._trees.get(kind)
        while node.__class__ is Node:
            node = node.yes if times[node.one] - times[node.other] < node.by else node.no
        return node  # type: ignore[return-value]  # a node was left behind

    def learn(self, kind: Hashable, trail: Trail, ends: Ends | None) -> None:
        """Keep a life that was lived with traced times."""
        if self._left <= 0:
            return
        self._left -= 1
        leaf, above, place = Leaf(ends), None, self._trees.get(kind)
        answered = None
        for question, answer in trail.answers:
            node = place if place is not None else Node(question)
            if not isinstance(node, Node) or (node.one, node.other, node.by) != question:
                return  # it did not ask the same in the same order
            self._hang(kind, above, answered, node)
            above, answered = node, answer
            place = node.yes if answer else node.no
        self._hang(kind, above, answered, leaf)

    def _hang(self, kind: Hashable, above: Node | None, answered: bool | None, what: Node | Leaf) -> None:
        if above is None:
            self._trees[kind] = what
        elif answered:
            above.yes = what
        else:
            above.no = what

    def _asked_of_places(self, ship_from: Address, ship_to: Address) -> Hashable:
        """The answers to every question about places by which the audit decides."""
        key = tuple(part for end in (ship_from, ship_to) for part in (end.country, end.province, end.city))
        if key not in self._places:
            self._places[key] = self._answers(ship_from, ship_to)
        return self._places[key]

    def _answers(self, *addresses: Address) -> Hashable:
        texts = [written_place(address) for address in addresses]
        known = [text for text in texts if text is not None]
        return (
            tuple(text is not None for text in texts),
            len(set(known)),
            tuple(places.agreement(address, text or "") for address in addresses for text in texts),
            tuple(places.same_province(address, text) for address in addresses for text in known),
            tuple(places.different_cities(one, other) for one, other in permutations(known, 2)),
            tuple(places.addresses_apart(one, other) for one, other in permutations(addresses, 2)),
            tuple(hub in text for text in known for hub in self._hubs),
        )


def times_of(past: PastOrder, events: Sequence[Event]) -> Times:
    """The times of a record in microseconds after its payment."""
    assert past.paid_at is not None
    return (0, (past.ship_by - past.paid_at) // MICROSECOND, *[event.after // MICROSECOND for event in events])


def traced(order: Order, events: Sequence[Event], trail: Trail) -> tuple[Order, tuple[Event, ...]]:
    """The same order and events, with traced times."""
    payment = order.payment.model_copy(update={"paid_at": trail.time(PAID)})
    order = order.model_copy(update={"payment": payment, "ship_by": trail.time(SHIP_BY)})
    after: Any = [trail.after(number, PAID) for number in range(EVENTS, EVENTS + len(events))]
    return order, tuple(Event(event.what, span) for event, span in zip(events, after, strict=True))


def ends_of(leaf: Ends, past: PastOrder, times: Times) -> Ends:
    """The ends of a path for one order of it."""
    expected = expectation(past).ending
    old, new = leaf
    one = _end_at(old, past.order_id, expected, times)
    return one, one if new is old else _end_at(new, past.order_id, expected, times)


def _end_at(end: Lived, order_id: str, expected: Any, times: Times) -> Lived:
    return Lived(
        order_id=order_id,
        ending=end.ending,
        expected=expected,
        held=_span(end.held, times),
        credited_after=_span(end.credited_after, times),
        confirmed_by=end.confirmed_by,
        reviewed=end.reviewed,
        case=end.case,
        waited=_span(end.waited, times),
    )


def _span(span: Any, times: Times) -> timedelta | None:
    if not isinstance(span, TracedSpan):
        return span  # type: ignore[no-any-return]  # a distance that no time of the record moves
    return timedelta(microseconds=times[span.one] - times[span.other] + span.by)
