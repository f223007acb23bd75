"""Recovery: the order as the register last held it, put right by what the ledger knows.

The ledger is never wrong about money. Where a posting stands that the state does not know, the state follows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from core.messages import Order
from core.order.state import OrderState
from core.order.stepping import Step, posted


def recover(order: Order, saved: Mapping[str, Any], references: Collection[str], now: datetime) -> OrderState:
    """The state to start again from.

    Args:
        saved: the `state` of the last OrderRecord.
        references: all movements of this order in the ledger.
    """
    state = OrderState.model_validate({**saved, "order": order, "doing": None})
    for step in _missing(state, references):
        state = posted(state, step, now)
    inbox = state.inbox.noted(now, "system", "rescue", "noted")
    return state.model_copy(update={"inbox": inbox, "revision": state.revision + 1})


def _missing(state: OrderState, references: Collection[str]) -> list[Step]:
    """Steps whose posting stands in the ledger while the state does not know it, in the order they happened."""
    base = f"order/{state.order.order_id}"
    steps = []
    if f"{base}/fund" in references and not state.funded:
        steps.append(Step(verb="fund"))
    for refund in state.refunds:
        if refund.status == "owed" and f"{base}/refund/{refund.cause}" in references:
            steps.append(Step(verb="refund", about=refund.cause))
        if refund.status != "arrived" and f"{base}/refund/{refund.cause}/paid" in references:
            steps.append(Step(verb="refund_arrived", about=refund.cause))
    if f"{base}/credit" in references and state.credited_at is None:
        steps.append(Step(verb="credit"))
    if f"{base}/settle" in references and state.settled_at is None:
        steps.append(Step(verb="settle"))
    return steps
