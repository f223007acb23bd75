"""Recovery: the order as the register last held it, corrected by the ledger.

The ledger is never wrong about money. Where it has a movement that the state does not know, the state follows. This
happens after a loss (`recover`), and each time that the order is recorded (`follow`). A worker may die between a
posting and its report; a command that arrives in that gap is then decided first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from core.messages import Order
from core.order.bookings import Booking, is_covered, unknown_bookings
from core.order.calling import let_go_with_merchant
from core.order.freezing import next_number
from core.order.moving_on import before_refunds, refused_freeze, stand
from core.order.state import OrderState
from core.policy import OrderPolicy
from core.records import LedgerFacts, Notice


def recover(
    order: Order, policy: OrderPolicy, saved: Mapping[str, Any], references: Collection[str], now: datetime
) -> OrderState:
    """The state to start again from.

    Args:
        policy: the order's policy; its record only names it.
        saved: the `state` of the last OrderRecord.
        references: all movements of this order in the ledger.
    """
    state = OrderState.model_validate({**saved, "order": order, "policy": policy, "doing": None})
    state = state.changed(recorded_revision=state.revision)
    for booking in unknown_bookings(state, references):
        state = stand(state, booking, now)
    inbox = state.inbox.note(now, "system", "rescue", "noted")
    return state.changed(inbox=inbox).next_revision()


def follow(state: OrderState, standing: LedgerFacts, now: datetime) -> OrderState | None:
    """The order after it was recorded and has the ledger's facts.

    Returns:
        The same state where it knows all movements; one that follows them where it can have decided them itself; None
        where it cannot: its workflow was set back, and it must `recover`.
    """
    unknown = unknown_bookings(state, standing.references)
    if not _could_have_decided(state, unknown, standing.references):
        return None
    if refused_freeze(state) and not standing.kept:
        return None  # the register's state knows how much was frozen
    for booking in unknown:
        state = _apply_late(state, booking, now)
    state = let_go_with_merchant(state, standing.let_go, now)
    return state if standing.kept else _after_lost_try(state, standing)


def _after_lost_try(state: OrderState, standing: LedgerFacts) -> OrderState:
    """The order where the register has the record of a try whose worker died before it reported.

    What is true now must come after it, and its notices too: their numbers are taken.

    A notice that the lost try stored word for word is not stored twice. What it claimed is released.
    """
    stored = list(standing.notices)
    pending: list[Notice] = []
    last = max((notice.seq for notice in stored), default=0)
    for notice in state.notices:
        same = next((one for one in stored if _says_the_same(one, notice)), None)
        if same is not None:
            stored.remove(same)
        else:
            pending.append(notice.changed(seq=last + len(pending) + 1) if last else notice)
    return state.changed(
        revision=max(state.revision, standing.revision + 1),
        recorded_revision=standing.revision,
        claims_unknown=True,
        notices=tuple(pending),
        notice_seq=last + len(pending) if last else state.notice_seq,
    )


def _says_the_same(one: Notice, other: Notice) -> bool:
    return (one.to, one.name, one.facts) == (other.to, other.name, other.facts)


def _could_have_decided(state: OrderState, unknown: Sequence[Booking], references: Collection[str]) -> bool:
    """Whether each unknown movement follows from this state, apart from what arrived before its report."""
    refunds = {reference.split("/")[3] for reference in references if reference.split("/")[2] == "refund"}
    if not refunds <= {refund.cause for refund in state.refunds}:
        return False
    if any(_number(reference, "freeze") > next_number(state) for reference in references):
        return False
    known = (_knows_chargeback, _knows_claim, _knows_cover)
    if not all(knows(state, reference) for reference in references for knows in known):
        return False
    kinds, before = {booking.kind for booking in unknown}, before_refunds(state)
    ready = before.phase == "shipped" and before.fully_shipped and before.receipt.status == "confirmed"
    return "credit" not in kinds or ready


def _knows_chargeback(state: OrderState, reference: str) -> bool:
    """Whether the state has the case of a chargeback's movement; of one that was won back, that it was won."""
    number = _number(reference, "chargeback")
    case = state.case(f"case-{number}") if number else None
    return not number or (case is not None and (case.stage == "won" or not reference.endswith("/won")))


def _knows_claim(state: OrderState, reference: str) -> bool:
    """Whether the state asked the channel for what this movement brought."""
    number = _number(reference, "claim_back")
    case = state.case(f"case-{number}") if number else None
    return not number or (case is not None and case.stage in {"charging", "paid_back"})


def _knows_cover(state: OrderState, reference: str) -> bool:
    """Whether the state knows that the chargeback is lost by which the buyer has this movement's refund."""
    parts = reference.split("/")
    refund = state.refund(parts[3]) if parts[2] == "refund" and parts[-1] == "covered" else None
    return refund is None or refund.status == "arrived" or is_covered(state, refund)


def _number(reference: str, kind: str) -> int:
    """The number in an order's reference of this kind; 0 where it is of another."""
    parts = reference.split("/")
    return int(parts[3]) if parts[2] == kind else 0


def _apply_late(state: OrderState, booking: Booking, now: datetime) -> OrderState:
    """The order after a movement that was decided before the last commands arrived: they came too late to stop it."""
    inbox = state.inbox.note(now, "system", booking.kind, "noted", message="It stood in the books before this arrived.")
    return stand(state.changed(inbox=inbox), booking, now)
