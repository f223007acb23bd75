"""Past orders through the pure core alone, under any policy: no server, no database, no time that passes.

The same core decides as in a workflow, and the same audit judges. Only the outside is simplified. The ledger takes
every movement, the channel refunds at once, and the carrier knows each scan as it happens. A person takes the whole
time that the policy allows, and then decides as the record says.

Two policies share the beginning of each life: up to the turn in which the core first reads a limit that differs. Orders
share whole lives, where nothing that the core asks tells them apart: see `backtest.paths`.
"""

from __future__ import annotations

import copy
from collections.abc import Hashable
from typing import Any

from pydantic import ValidationError

from backtest.building import order_of
from backtest.lives import Lived, ended
from backtest.past import PastOrder
from backtest.paths import Ends, Paths, Times, ends_of, times_of, traced
from backtest.reenacting import MOST_TURNS, Enactment
from backtest.timeline import Event, timeline
from backtest.tracing import Trail, Untraceable
from backtest.trapping import Differs, differing, trapped
from core.messages import Order
from core.policy import OrderPolicy, Policy, resolve


def paid_order(past: PastOrder) -> Order:
    """Our order, paid when the past one was."""
    assert past.paid_at is not None
    return order_of(past, past.paid_at, None)


class Replay:
    """Past orders under one policy.

    Args:
        quick: without journal and notices; the lives are the same.
    """

    def __init__(self, policy: Policy, *, quick: bool = True) -> None:
        self.policy, self._quick = policy, quick
        self._resolved: dict[Any, OrderPolicy] = {}

    def live(self, past: PastOrder) -> Lived:
        """The whole life of a paid order."""
        order = paid_order(past)
        return ended(self.lived(past, order, timeline(past)))

    def lived(self, past: PastOrder, order: Order, events: tuple[Event, ...]) -> Enactment:
        """The same, of an order and events that were made of it."""
        policy = self.resolved_for(order)
        return to_the_end(Enactment(past, order, events, policy, self.policy.audit, quick=self._quick))

    def resolved_for(self, order: Order) -> OrderPolicy:
        """Orders to which the same rules apply share what they follow."""
        key = tuple(number for number, rule in enumerate(self.policy.rules) if rule.applies_to(order, None))
        if key not in self._resolved:
            self._resolved[key] = resolve(self.policy, order)
        return self._resolved[key]


class Pair:
    """Past orders under two policies; what both lives have in common is lived once.

    Args:
        sharing: orders share their lives; the lives are the same.
    """

    def __init__(self, old: Policy, new: Policy, *, sharing: bool = True) -> None:
        self._old, self._new = Replay(old), Replay(new)
        self._same_audit = differing(old.audit, new.audit) == frozenset()
        self._traps: dict[tuple[int, int], OrderPolicy | None] = {}
        by_route = old.audit.overrides or new.audit.overrides
        self._paths = Paths((old.audit, new.audit)) if sharing and not by_route else None
        self._terms: dict[tuple[str | None, bool], tuple[int, int]] = {}
        self._by_merchant = any(rule.merchant_id is not None for rule in (*old.rules, *new.rules))

    def live(self, past: PastOrder) -> Ends:
        """The two lives of a paid order."""
        events = timeline(past)
        if self._paths is None:
            return self._alone(past, events)
        kind = self._paths.kind_of(past, events, self._terms_of(past))
        if kind is None:
            return self._alone(past, events)
        times = times_of(past, events)
        leaf = self._paths.find(kind, times)
        ends = self._learn(past, events, times, kind) if leaf is None else leaf.ends
        return ends_of(ends, past, times) if ends is not None else self._alone(past, events)

    def _learn(self, past: PastOrder, events: tuple[Event, ...], times: Times, kind: Hashable) -> Ends | None:
        """Live it with traced times. The first order of its kind must end so with real times."""
        assert self._paths is not None
        trail, first = Trail(times), self._paths.is_new(kind)
        ends = self._traced(past, events, trail)
        if first and ends is not None and ends_of(ends, past, times) != self._alone(past, events):
            ends = None
        self._paths.learn(kind, trail, ends)
        return ends

    def _alone(self, past: PastOrder, events: tuple[Event, ...]) -> Ends:
        one, other = self._lives(past, paid_order(past), events)
        ends = ended(one)
        return ends, ends if other is one else ended(other)

    def _traced(self, past: PastOrder, events: tuple[Event, ...], trail: Trail) -> Ends | None:
        """Both ends with traced times; None where more than times decide."""
        try:
            lives = self._lives(past, *traced(paid_order(past), events, trail))
            if any(_amounts_decide(life) for life in lives):
                return None
            one, other = lives
            ends = ended(one)
            return ends, ends if other is one else ended(other)
        except (Untraceable, ValidationError):  # a model takes no traced span
            return None

    def _terms_of(self, past: PastOrder) -> tuple[int, int]:
        """What names the two policies as they are resolved for this order."""
        key = past.merchant_id if self._by_merchant else None, past.paid_minor > past.due_minor
        if key not in self._terms:
            order = paid_order(past)
            self._terms[key] = id(self._old.resolved_for(order)), id(self._new.resolved_for(order))
        return self._terms[key]

    def _lives(self, past: PastOrder, order: Order, events: tuple[Event, ...]) -> tuple[Enactment, Enactment]:
        old, new = self._old.resolved_for(order), self._new.resolved_for(order)
        shared = self._trapped(old, new) if self._same_audit else None
        try:
            life = Enactment(past, order, events, shared or old, self._old.policy.audit, quick=True)
        except Differs:
            shared = None
        if shared is None:
            return self._old.lived(past, order, events), self._new.lived(past, order, events)
        for _ in range(MOST_TURNS):
            before = copy.copy(life)
            try:
                if not life.turn():
                    break
            except Differs:
                other = copy.copy(before)
                before.under(old, self._old.policy.audit)
                other.under(new, self._new.policy.audit)
                return to_the_end(before), to_the_end(other)
        return life, life

    def _trapped(self, old: OrderPolicy, new: OrderPolicy) -> OrderPolicy | None:
        """The old policy, which stops a life that reads what the new one has otherwise."""
        key = (id(old), id(new))
        if key not in self._traps:
            self._traps[key] = trapped(old, new)
        return self._traps[key]


def to_the_end(life: Enactment) -> Enactment:
    """Everything that happens from here on."""
    for _ in range(MOST_TURNS):
        if not life.turn():
            break
    return life


def _amounts_decide(life: Enactment) -> bool:
    """A case, or a refund that is not of all that was paid: how much it is may decide what follows."""
    state = life.state
    return bool(state.cases) or any(refund.amount_minor != state.order.total_minor for refund in state.refunds)
