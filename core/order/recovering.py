"""Recovery: the order as the register last held it, put right by what the ledger knows.

The ledger is never wrong about money. Where a posting stands that the state does not know, the state follows: after a
loss (`recover`), and each time that the order is recorded (`follow`), since a worker may die between a posting and its
report, and what arrives in that gap is then decided first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from core.messages import Order
from core.order.state import OrderState
from core.order.stepping import Step, posted
from core.policy import OrderPolicy
from core.records import Standing


def recover(
    order: Order, policy: OrderPolicy, saved: Mapping[str, Any], references: Collection[str], now: datetime
) -> OrderState:
    """The state to start again from.

    Args:
        policy: what the order lives under; its record only names it.
        saved: the `state` of the last OrderRecord.
        references: all movements of this order in the ledger.
    """
    state = OrderState.model_validate({**saved, "order": order, "policy": policy, "doing": None})
    for step in _missing(state, references):
        state = posted(state, step, now)
    inbox = state.inbox.noted(now, "system", "rescue", "noted")
    return state.model_copy(update={"inbox": inbox, "revision": state.revision + 1})


def follow(state: OrderState, standing: Standing, now: datetime) -> OrderState | None:
    """The order after it was recorded and is told what stood there.

    Returns:
        The same state where it knows all movements; one that follows them where it can have decided them itself; None
        where it cannot: its workflow was set back, and it must `recover`.
    """
    missing = _missing(state, standing.references)
    if not _could_have_decided(state, missing, standing.references):
        return None
    for step in missing:
        state = _as_decided(state, step, now)
    if not standing.kept and standing.revision >= state.revision:
        # The register has what was never reported, under our number. It must get what is true after it.
        state = state.model_copy(update={"revision": standing.revision + 1})
    return state


def _could_have_decided(state: OrderState, missing: Sequence[Step], references: Collection[str]) -> bool:
    """Whether each unknown movement follows from this state, but for what arrived before its report."""
    refunds = {reference.split("/")[3] for reference in references if reference.split("/")[2] == "refund"}
    if not refunds <= {refund.cause for refund in state.refunds}:
        return False
    verbs = {step.verb for step in missing}
    ready = state.phase == "shipped" and state.fully_shipped and state.receipt.status == "confirmed"
    return "credit" not in verbs or ready


def _as_decided(state: OrderState, step: Step, now: datetime) -> OrderState:
    """The order after a step that was decided before what it knows of arrived: that came too late for it."""
    if step.verb == "credit":
        approved = tuple(p.model_copy(update={"audit": "approved"}) if p.live else p for p in state.parcels)
        state = state.model_copy(update={"parcels": approved})
    inbox = state.inbox.noted(now, "system", step.verb, "noted", message="It stood in the books before this arrived.")
    return posted(state.model_copy(update={"inbox": inbox}), step, now)


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
