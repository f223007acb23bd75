"""Past orders through the pure core alone, under any policy: no server, no database, no time that passes.

The same core decides as in a workflow, and the same audit judges. Only the outside is simplified. The ledger takes
every movement, the channel refunds at once, and the carrier knows each scan as it happens. A person takes the whole
time that the policy allows, and then decides as the record says.

Two policies share the beginning of each life: up to the turn in which the core first reads a limit that differs.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from backtest.building import order_of
from backtest.expecting import Ending, expectation
from backtest.past import PastOrder
from backtest.reenacting import MOST_TURNS, Enactment
from backtest.trapping import Differs, differing, trapped
from core.messages import Order
from core.order.pausing import settles_at
from core.order.state import OrderState
from core.policy import OrderPolicy, Policy, resolve

LivedEnding = Literal["credited", "cancelled", "refunded", "waiting"]


@dataclass(frozen=True)
class Lived:
    """What became of one past order under one policy.

    `held` is how long the money was neither the merchant's to withdraw nor on its way back; None where it still waits.
    `case` is the kind of its after-sale case, `waited` how long the buyer waited for a refund that was asked for.
    """

    order_id: str
    ending: LivedEnding
    expected: Ending
    held: timedelta | None
    credited_after: timedelta | None
    confirmed_by: str | None
    reviewed: bool
    case: str | None = None
    waited: timedelta | None = None

    @property
    def falsely_held(self) -> bool:
        """A person had to look, or it waits still, although the record says that the goods arrived."""
        return self.expected == "settled" and (self.reviewed or self.ending == "waiting")

    @property
    def falsely_refunded(self) -> bool:
        """The buyer has goods and money."""
        return self.expected == "settled" and self.ending in {"cancelled", "refunded"}


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

    def live(self, past: PastOrder, order: Order | None = None) -> Lived:
        """The whole life of a paid order. Who lives it several times hands over the order that was made of it."""
        order = order or paid_order(past)
        return lived(Enactment(past, order, self.resolved_for(order), self.policy.audit, quick=self._quick))

    def resolved_for(self, order: Order) -> OrderPolicy:
        """Orders to which the same rules apply share what they follow."""
        key = tuple(number for number, rule in enumerate(self.policy.rules) if rule.applies_to(order, None))
        if key not in self._resolved:
            self._resolved[key] = resolve(self.policy, order)
        return self._resolved[key]


class Pair:
    """Past orders under two policies; what both lives have in common is lived once."""

    def __init__(self, old: Policy, new: Policy) -> None:
        self._old, self._new = Replay(old), Replay(new)
        self._same_audit = differing(old.audit, new.audit) == frozenset()
        self._traps: dict[tuple[int, int], OrderPolicy | None] = {}

    def live(self, past: PastOrder) -> tuple[Lived, Lived]:
        """The two lives of a paid order."""
        order = paid_order(past)
        old, new = self._old.resolved_for(order), self._new.resolved_for(order)
        shared = self._trapped(old, new) if self._same_audit else None
        try:
            life = Enactment(past, order, shared or old, self._old.policy.audit, quick=True)
        except Differs:
            shared = None
        if shared is None:
            return self._old.live(past, order), self._new.live(past, order)
        for _ in range(MOST_TURNS):
            before = copy.copy(life)
            try:
                if not life.turn():
                    return (ended(life),) * 2
            except Differs:
                other = copy.copy(before)
                before.under(old, self._old.policy.audit)
                other.under(new, self._new.policy.audit)
                return lived(before), lived(other)
        return (ended(life),) * 2

    def _trapped(self, old: OrderPolicy, new: OrderPolicy) -> OrderPolicy | None:
        """The old policy, which stops a life that reads what the new one has otherwise."""
        key = (id(old), id(new))
        if key not in self._traps:
            self._traps[key] = trapped(old, new)
        return self._traps[key]


def lived(life: Enactment) -> Lived:
    """Everything that happens from here on."""
    for _ in range(MOST_TURNS):
        if not life.turn():
            break
    return ended(life)


def ended(life: Enactment) -> Lived:
    """What became of it."""
    state = life.state
    paid_at, credited, refunded = state.order.payment.paid_at, state.credited_at, life.refunded_at
    end = state.settled_at or (refunded if state.over else settles_at(state) if credited is not None else None)
    return Lived(
        order_id=life.past.order_id,
        ending=_ending(state),
        expected=expectation(life.past).ending,
        held=end - paid_at if end is not None else None,
        credited_after=credited - paid_at if credited is not None else None,
        confirmed_by=state.receipt.by,
        reviewed=life.reviewed,
        case=state.cases[0].kind if state.cases else None,
        waited=max(refunded - life.asked_at, timedelta(0)) if refunded and life.asked_at else None,
    )


def _ending(state: OrderState) -> LivedEnding:
    if state.phase in {"cancelled", "refused"}:
        return "cancelled"
    paid_back = sum(refund.amount_minor for refund in state.refunds)
    if state.phase == "refunded" or (state.credited_at is not None and paid_back == state.order.total_minor):
        return "refunded"
    return "credited" if state.credited_at is not None else "waiting"
