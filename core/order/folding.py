"""Several steps in one transaction: the state that they come to, the same for the activity and for the workflow.

The activity writes the record of this state before the workflow has it. Both compute it here, from the same values; so
nothing but those values crosses between them.
"""

from __future__ import annotations

from datetime import datetime

from core.messages import Order
from core.order.opening import Screening, begin
from core.order.state import OrderState
from core.order.stepping import Step, posted, recorded, screening_done
from core.policy import OrderPolicy


def open_at_once(order: Order, policy: OrderPolicy, screening: Screening, now: datetime) -> OrderState:
    """The order once it is registered, funded and screened, as its first record has it."""
    state = posted(begin(order, policy, now), Step(verb="fund"), now)
    return screening_done(state, screening, now)


def as_recorded(state: OrderState) -> OrderState:
    """The same order once the register has exactly this state and all its notices."""
    return recorded(state, state.revision, state.notice_seq)
