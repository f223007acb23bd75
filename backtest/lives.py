"""What became of a past order: how it ended, how long its money was held, who had to look."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from backtest.expecting import Ending, expectation
from backtest.reenacting import Enactment
from core.order.pausing import settles_at
from core.order.state import OrderState

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
