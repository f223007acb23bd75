"""Several steps in one transaction: the state that they come to, the same for the activity and for the workflow.

The activity writes the record of this state before the workflow has it. Both compute it here, from the same values; so
nothing but those values crosses between them.
"""

from __future__ import annotations

from datetime import datetime

from core.messages import Order
from core.order.bookings import Booking, movement_for
from core.order.opening import Screening, begin
from core.order.state import OrderState
from core.order.steps import Screen, finish, finish_posting
from core.policy import OrderPolicy


def open_at_once(order: Order, policy: OrderPolicy, screening: Screening, now: datetime) -> OrderState:
    """The order once it is registered, funded and screened, as its first record has it."""
    state = begin(order, policy, now)
    state = finish_posting(state, movement_for(state, Booking("fund"), now))
    return finish(state, Screen(), screening, now)


def as_recorded(state: OrderState) -> OrderState:
    """The same order once the register has exactly this state and all its notices."""
    return state.changed(recorded_revision=state.revision, notices=())
