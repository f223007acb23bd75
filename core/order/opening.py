"""How an order begins: the payment's time, the first state, and the result of screening."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from core.fields import Message
from core.ids import order_workflow_id
from core.messages import Actor, Order
from core.order.refunding import refund_all
from core.order.shares import lines_of
from core.order.state import OrderState, ScreeningHit
from core.personal import refuse_personal
from core.policy import OrderPolicy
from core.proving import unproven
from core.reading import read
from core.reasons import Refusal, refuse
from core.sender_proofs import START, SenderProof
from core.texts import spell

_STOREFRONT = Actor(role="storefront", id="storefront")
"""A start names no sender: a key that speaks for every actor, or for this id, may start orders."""
REASONS_KEPT = 10
"""Rules that are kept of those that matched: the first ones are enough, and a state has a size budget."""


class Screening(Message):
    """The result of screening the goods.

    `reasons` are the ids of the rules that matched, with line and word, `hits` the same for sentences. `edition` is the
    version of the rules file and the beginning of its hash. `appealable`: the merchant may ask a person to look before
    the refusal counts.
    """

    verdict: Literal["allow", "hold", "refuse"]
    reasons: tuple[str, ...] = ()
    hits: tuple[ScreeningHit, ...] = ()
    edition: str = ""
    appealable: bool = False


def read_order(body: object, workflow_id: str) -> Order | Refusal:
    """The order that a workflow was started with.

    Its id must match: otherwise two workflows could hold the same order.
    """
    if (personal := refuse_personal(body)) is not None:
        return personal
    order = read(Order, body, "invalid_order")
    if isinstance(order, Refusal) or workflow_id == order_workflow_id(order.order_id):
        return order
    return refuse("invalid_order", f"Its workflow's id is {order_workflow_id(order.order_id)}.", field="order_id")


def check_payment_time(order: Order, policy: OrderPolicy, now: datetime) -> Refusal | None:
    """A payment from the future or from long ago is refused (`payment_time`), unless the policy allows it."""
    limits = policy.order
    if order.payment.paid_at > now + limits.payment_skew:
        return refuse("payment_time", "It lies in the future.", field="payment.paid_at")
    if order.payment.paid_at < now - limits.payment_oldest:
        return refuse("payment_time", f"It is older than {spell(limits.payment_oldest)}.", field="payment.paid_at")
    return None


def check_storefront(order: Order, proof: SenderProof | None, policy: OrderPolicy, now: datetime) -> Refusal | None:
    """Whether the storefront starts it, where the policy wants that proven (`unproven`)."""
    workflow_id = order_workflow_id(order.order_id)
    return unproven(order, proof, START, _STOREFRONT, workflow_id, policy.proofs, now)


def begin(order: Order, policy: OrderPolicy, now: datetime) -> OrderState:
    """The first state of an order: registered, its payment checked, nothing booked yet."""
    return OrderState(order=order, policy=policy, opened_at=now, lines=lines_of(order, policy))


def apply_screening(state: OrderState, screening: Screening, now: datetime) -> OrderState:
    """The order after screening: allowed, held for a person, refused, or refused unless its merchant appeals."""
    reason = _shortened(screening.reasons)
    state = state.changed(
        screened=True,
        screening_reason=reason or None,
        screening_hits=screening.hits[:REASONS_KEPT],
        screening_edition=screening.edition or None,
    )
    if state.phase != "opening":
        return state
    if screening.verdict == "allow":
        return release(state, min(now, state.order.payment.paid_at), now)
    if screening.verdict == "refuse":
        return _await_appeal(state, now) if _may_appeal(state, screening) else refuse_goods(state, reason, now)
    state = state.changed(phase="screening_held", screening_since=now)
    return state.with_notice("reviewer", "screening_held", now, reasons=reason, edition=screening.edition)


def _shortened(reasons: Sequence[str]) -> str:
    """The reasons in one line. An order of 200 lines keeps the first few and the number of the others."""
    shown = "; ".join(reasons[:REASONS_KEPT])
    return f"{shown}; and {len(reasons) - REASONS_KEPT} more" if len(reasons) > REASONS_KEPT else shown


def _may_appeal(state: OrderState, screening: Screening) -> bool:
    return screening.appealable and state.policy.order.screening_appeal > timedelta()


def _await_appeal(state: OrderState, now: datetime) -> OrderState:
    """The money waits for a limited time: the merchant may ask a person to look. Silence accepts the refusal."""
    appeal_by = now + state.policy.order.screening_appeal
    state = state.changed(phase="screening_held", screening_since=now, screening_refused=True)
    return state.with_notice(
        "merchant",
        "screening_refused",
        now,
        reasons=state.screening_reason or "",
        edition=state.screening_edition or "",
        appeal_by=appeal_by.isoformat(),
    )


def release(state: OrderState, since: datetime, now: datetime) -> OrderState:
    """The merchant may ship; the clock runs from `since`, an order's own limit is its own time."""
    limits, own = state.policy.order, state.order.ship_by
    ship_by = since + limits.ship_within if own is None else min(own, since + limits.ship_by_longest)
    if ship_by <= now:
        # It passed while a person looked at the goods, or before the order reached us: leave at least a day.
        ship_by = now + limits.ship_after_screening
    state = state.changed(phase="awaiting_shipment", released_at=now, ship_by=ship_by)
    state = state.changed(screening_since=None, screening_refused=False)
    state = state.with_notice("merchant", "ship", now, ship_by=ship_by.isoformat())
    return _tell_shortened(state, own, ship_by, now) if own is not None and ship_by < own else state


def _tell_shortened(state: OrderState, own: datetime, ship_by: datetime, now: datetime) -> OrderState:
    """The storefront promised a later date than the policy allows: both sides rely on it until they are notified."""
    why = f"ship_by_longest is {spell(state.policy.order.ship_by_longest)}"
    facts = {"old": own.isoformat(), "new": ship_by.isoformat(), "why": why}
    state = state.with_notice("merchant", "ship_by_shortened", now, **facts)
    return state.with_notice("buyer", "ship_by_shortened", now, **facts)


def refuse_goods(state: OrderState, reason: str, now: datetime) -> OrderState:
    """Prohibited goods: the buyer's money goes back and the order is refused."""
    return refund_all(state, "screening", f"prohibited goods: {reason}", "refused", now)
