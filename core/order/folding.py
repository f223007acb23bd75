"""Several steps in one transaction: the resulting state, computed the same way in the activity and in the workflow.

The activity writes the record of this state before the workflow has it. Both compute it here from the same values, so
only those values cross between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from core.answers import Answer
from core.inbox import Channel
from core.messages import Order
from core.order.bookings import Booking, movement_for
from core.order.calling import hold_money
from core.order.commands import receive
from core.order.opening import Screening, begin
from core.order.shipping import Claim, ClaimingCommand, to_claim
from core.order.state import OrderState
from core.order.steps import Screen, finish, finish_posting
from core.order.views import record_of
from core.policy import OrderPolicy
from core.reasons import Refusal
from core.records import OrderRecord
from core.states import Hold


def open_at_once(
    order: Order, policy: OrderPolicy, screening: Screening, now: datetime, holds: Sequence[Hold] = ()
) -> OrderState:
    """The order once it is registered, funded and screened, as its first record has it.

    Args:
        holds: what its money is held for from the beginning.
    """
    state = begin(order, policy, now)
    for hold in holds:
        state = hold_money(state, hold, now)
    state = finish_posting(state, movement_for(state, Booking("fund"), now))
    return finish(state, Screen(), screening, now)


class Claiming(NamedTuple):
    """The result of a command whose numbers are all simply `claimed`. Without a record the numbers are only claimed."""

    state: OrderState
    answer: Answer | Refusal
    record: OrderRecord | None


def claim_at_once(state: OrderState, command: ClaimingCommand, now: datetime, channel: Channel) -> Claiming:
    """The order after a command whose numbers are all simply `claimed`, and the record to keep with the claims.

    There is no record while a step is under way: its result changes the order before this record could be true.
    """
    claims = [Claim(parcel_id=claim.parcel_id, outcome="claimed") for claim in to_claim(state, command)]
    after, answer = receive(state, command, now, channel, claims)
    alone = state.doing is None and isinstance(answer, Answer)
    return Claiming(after, answer, record_of(after, now) if alone else None)


def as_recorded(state: OrderState) -> OrderState:
    """The same order once the register has exactly this state and all its notices."""
    return state.changed(recorded_revision=state.revision, notices=())
