"""An order's movements: when each is due, what it is made from, its effect on the order, and which the ledger has.

The sequence is fund, refunds, credit, settle, and then freeze and release. A new kind of movement is added to each of
the four parts below.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from core import movements
from core.aftersale.state import AfterSaleCase
from core.chart import Kind
from core.merchants import MERCHANT_FROZEN
from core.movements import Movement, Taken
from core.order.freezing import (
    next_number,
    note_claimed,
    note_frozen,
    note_given_back,
    note_released,
    release_due,
    to_freeze_minor,
)
from core.order.holds import REFUND_STUCK
from core.order.pausing import settles_at
from core.order.refunding import without_refunds
from core.order.refunds import Refund
from core.order.shares import credit_shares
from core.order.state import OrderState, above_due


class Booking(NamedTuple):
    """One movement of an order by name; `cause` is the refund or the chargeback it is about, or a freeze's number."""

    kind: Kind
    cause: str = ""


NOTIFYING: frozenset[Kind] = frozenset({"credit", "settle", "refund_arrived", "freeze", "release"})
"""Movements that bring one notice."""
AT_MOST: frozenset[Kind] = frozenset({"freeze", "release"})
"""Movements of at most the available amount. If there is nothing, they count as done."""
CHARGEBACKS: frozenset[Kind] = frozenset(
    {"chargeback", "chargeback_fee", "chargeback_won", "chargeback_above", "chargeback_above_won"}
)

# --- when it is due --------------------------------------------------------------------------------------


def refund_due(state: OrderState) -> Booking | None:
    """The first refund that is owed and not booked, or that arrived and is not booked as arrived."""
    for refund in state.refunds:
        if refund.status == "owed":
            return Booking("refund" if refund.chargeback is None else "chargeback", refund.cause)
        if refund.status == "confirmed":
            return Booking("refund_arrived", refund.cause)
        if refund.status == "failed" and not refund.votes and is_covered(state, refund):
            return Booking("refund_covered", refund.cause)
    return next((_of_dispute(case) for case in state.unbooked_disputes), None) or _claim_due(state)


def is_covered(state: OrderState, refund: Refund) -> bool:
    """Whether the buyer has it by a chargeback. Until that is lost, its money may come back, and the refund is owed."""
    case = state.covering(refund)
    return case is not None and case.stage == "lost"


def _claim_due(state: OrderState) -> Booking | None:
    """What the buyer paid again, as the channel says."""
    case = state.open_case
    if case is None or case.claim is None or case.claim.status != "confirmed":
        return None
    return Booking("claim_back", case.claim_name)


def _of_dispute(case: AfterSaleCase) -> Booking:
    """What a chargeback took above what was left, its fee, and then the reverse of one that was won."""
    above, dispute = above_due(case), case.dispute
    if above == "chargeback_above":
        return Booking(above, case.chargeback)
    if dispute is not None and dispute.fee_minor and not dispute.fee_booked:
        return Booking("chargeback_fee", case.chargeback)
    return Booking(above or "chargeback_won", case.chargeback)


def credit_due(state: OrderState) -> bool:
    """Everything is shipped, every audit approved, the receipt confirmed; no case is open and no hold stands."""
    return (
        state.phase == "shipped"
        and state.fully_shipped
        and state.audit == "approved"
        and state.receipt.status == "confirmed"
        and state.open_case is None
        and not state.held("credit", "all")
    )


def settle_due(state: OrderState, now: datetime) -> bool:
    """The settlement delay and the after-sale window have passed, and no hold stops it."""
    waits = state.open_case is not None or _settlement_held(state)
    return state.phase == "credited" and settles_at(state) <= now and not waits


def freeze_due(state: OrderState) -> Booking | None:
    """A dispute about a settled order needs more frozen money than was requested so far."""
    return Booking("freeze", str(next_number(state))) if to_freeze_minor(state) else None


def thaw_due(state: OrderState) -> Booking | None:
    """Nothing of the order is disputed any more, and money may still be frozen for it."""
    return Booking("release", str(next_number(state) - 1)) if release_due(state) else None


def _settlement_held(state: OrderState) -> bool:
    """Once settled, the money could be withdrawn. A refund on its way blocks nothing else."""
    return any(hold.name != REFUND_STUCK for hold in state.held("credit", "payout", "all"))


# --- what it is made from --------------------------------------------------------------------------------


def movement_for(state: OrderState, booking: Booking, now: datetime) -> Movement:
    """The movement, with the amounts that the order's state says."""
    order, channel = state.order, state.order.payment.channel
    if booking.kind == "fund":
        return movements.fund(
            order.order_id,
            channel=channel,
            amount_minor=order.total_minor,
            currency=order.currency,
            occurred_at=now,
        )
    if booking.kind == "credit":
        shares = credit_shares(state).model_dump()
        return movements.credit(order.order_id, **shares, currency=order.currency, occurred_at=now)
    if booking.kind == "settle":
        return movements.settle(
            order.order_id,
            merchant_id=order.merchant_id,
            amount_minor=state.proceeds_minor,
            currency=order.currency,
            occurred_at=now,
        )
    if booking.kind in AT_MOST:
        return _freeze_or_release(state, booking, now)
    if booking.kind == "claim_back":
        return _claim_back(state, booking, now)
    if booking.kind in {"chargeback_fee", "chargeback_above", "chargeback_above_won"}:
        return _beside_chargeback(state, booking, now)
    refund = state.refund(booking.cause)
    assert refund is not None
    if refund.chargeback is not None:
        return _chargeback(state, booking, refund, now)
    if booking.kind == "refund":
        return movements.refund(
            order.order_id,
            cause=refund.cause,
            merchant_id=order.merchant_id,
            taken=_taken(refund),
            currency=order.currency,
            occurred_at=now,
            lines=refund.lines,
        )
    if booking.kind == "refund_covered":
        return _covered(state, refund, now)
    assert booking.kind == "refund_arrived"
    return movements.refund_arrived(
        order.order_id,
        cause=refund.cause,
        channel=channel,
        amount_minor=refund.amount_minor,
        currency=order.currency,
        occurred_at=now,
    )


def _covered(state: OrderState, refund: Refund, now: datetime) -> Movement:
    """What is no longer owed to the buyer, to the side that bore the chargeback."""
    case = state.covering(refund)
    assert case is not None
    by_merchant = _borne_by_merchant(case)
    return movements.refund_covered(
        state.order.order_id,
        cause=refund.cause,
        merchant_id=state.order.merchant_id,
        currency=state.order.currency,
        occurred_at=now,
        platform_minor=0 if by_merchant else refund.amount_minor,
        merchant_minor=refund.amount_minor if by_merchant else 0,
    )


def _borne_by_merchant(case: AfterSaleCase) -> bool:
    return case.dispute is not None and case.dispute.above is not None and case.dispute.above.bearer == "merchant"


def _chargeback(state: OrderState, booking: Booking, refund: Refund, now: datetime) -> Movement:
    """What the channel took, or the reverse of it."""
    order = state.order
    if booking.kind == "chargeback_won":
        return movements.chargeback_won(
            order.order_id, k=refund.chargeback or 0, currency=order.currency, occurred_at=now, lines=refund.lines
        )
    return movements.chargeback(
        order.order_id,
        k=refund.chargeback or 0,
        channel=order.payment.channel,
        merchant_id=order.merchant_id,
        taken=_taken(refund),
        currency=order.currency,
        occurred_at=now,
        lines=refund.lines,
    )


def _beside_chargeback(state: OrderState, booking: Booking, now: datetime) -> Movement:
    """The channel's fee, or what it took above what was left of the order; from the side that bears it."""
    case = next(case for case in state.cases if case.chargeback == booking.cause)
    order, dispute = state.order, case.dispute
    assert dispute is not None
    if booking.kind == "chargeback_above_won":
        return movements.chargeback_above_won(order.order_id, k=case.case_id, currency=order.currency, occurred_at=now)
    build, amount, bearer, of_platform = movements.chargeback_fee, dispute.fee_minor, dispute.fee_bearer, 0
    if booking.kind == "chargeback_above":
        assert dispute.above is not None
        build, amount, bearer = movements.chargeback_above, dispute.above.amount_minor, dispute.above.bearer
        of_platform = dispute.above.platform_minor
    return build(
        order.order_id,
        k=case.case_id,
        channel=order.payment.channel,
        merchant_id=order.merchant_id,
        currency=order.currency,
        occurred_at=now,
        platform_minor=amount if bearer == "platform" else of_platform,
        merchant_minor=amount - of_platform if bearer == "merchant" else 0,
    )


def _freeze_or_release(state: OrderState, booking: Booking, now: datetime) -> Movement:
    """The most that moves: the amount of a freeze, or all that an order can have frozen.

    A freeze whose report was lost may have frozen more than this state knows of, and all of it is released.
    """
    all_of_it = state.order.total_minor + state.order.discount_minor
    freeze = booking.kind == "freeze"
    build, most = (movements.freeze, to_freeze_minor(state)) if freeze else (movements.release, all_of_it)
    return build(
        state.order.order_id,
        k=int(booking.cause),
        merchant_id=state.order.merchant_id,
        amount_minor=max(1, most),  # one that stands already, and was decided from an older state, moved something
        currency=state.order.currency,
        occurred_at=now,
    )


def _claim_back(state: OrderState, booking: Booking, now: datetime) -> Movement:
    """What the buyer paid again is the merchant's, less commission, with the platform's discount. While the merchant
    is frozen, it is kept for the order: it becomes available once the merchant is let go.
    """
    case = next(case for case in state.cases if case.claim_name == booking.cause)
    assert case.claim is not None
    return movements.claim_back(
        state.order.order_id,
        k=case.case_id,
        channel=state.order.payment.channel,
        merchant_id=state.order.merchant_id,
        amount_minor=case.claim.amount_minor,
        commission_minor=case.claim.commission_minor,
        discount_minor=case.claim.discount_minor,
        goodwill_minor=case.claim.goodwill_minor,
        frozen=state.has_hold(MERCHANT_FROZEN),
        currency=state.order.currency,
        occurred_at=now,
    )


def _taken(refund: Refund) -> Taken:
    """Where a refund's money stands, and who gives how much of it."""
    return Taken(
        place=refund.source,
        merchant_minor=refund.from_merchant_minor,
        commission_minor=refund.commission_minor,
        discount_minor=refund.discount_minor,
        goodwill_minor=refund.amount_minor if refund.bearer == "platform" else 0,
    )


# --- what it makes true ----------------------------------------------------------------------------------


def apply_movement(state: OrderState, movement: Movement) -> OrderState:
    """The order once this movement stands in the books. The notice that it brings is the last one in the list."""
    at = movement.occurred_at
    if movement.kind == "fund":
        return state.changed(funded=True)
    if movement.kind == "credit":
        state = state.changed(
            phase="credited",
            credited_at=at,
            credited_minor=movement.into(movements.proceeds(state.order.order_id)),
            commission_minor=movement.into("income/commission"),
        )
        return state.with_notice("merchant", "credited", at, amount_minor=str(state.credited_minor))
    if movement.kind == "settle":
        state = state.changed(phase="settled", settled_at=at, settled_minor=state.proceeds_minor)
        return state.with_notice("merchant", "settled", at, amount_minor=str(state.proceeds_minor))
    if movement.kind in AT_MOST:
        return _apply_freeze_or_release(state, movement)
    if movement.kind in CHARGEBACKS:
        return _apply_chargeback(state, movement)
    if movement.kind == "claim_back":
        return _apply_claim_back(state, movement)
    refund = state.refund(movement.name("cause"))
    assert refund is not None
    if movement.kind == "refund":
        # The channel's three days begin when the refund can be sent there.
        return state.with_refund(refund.changed(status="booked", since=at, lines=()))
    if movement.kind == "refund_covered":
        return _apply_covered(state, refund)
    assert movement.kind == "refund_arrived"
    state = state.with_refund(refund.changed(status="arrived")).without_hold(REFUND_STUCK, refund.cause)
    amount = str(refund.amount_minor)
    return state.with_notice("buyer", "refund_arrived", at, cause=refund.cause, amount_minor=amount)


def _apply_covered(state: OrderState, refund: Refund) -> OrderState:
    """The buyer has the refund; what the merchant bore of the chargeback is available again, or frozen again."""
    case = state.covering(refund)
    assert case is not None
    assert case.dispute is not None
    arrived = refund.changed(status="arrived", reference=case.dispute.reference, covered_by=case.case_id, votes=())
    state = state.with_refund(arrived).without_hold(REFUND_STUCK, refund.cause)
    return note_given_back(state, refund.amount_minor) if _borne_by_merchant(case) else state


def _apply_chargeback(state: OrderState, movement: Movement) -> OrderState:
    case = state.case(f"case-{movement.name('k')}")
    assert case is not None
    assert case.dispute is not None
    if movement.kind == "chargeback_fee":
        return state.with_case(case.changed(dispute=case.dispute.changed(fee_booked=True)))
    if movement.kind in {"chargeback_above", "chargeback_above_won"}:
        assert case.dispute.above is not None
        taken = movement.kind == "chargeback_above"
        above = case.dispute.above.changed(status="booked" if taken else "returned")
        state = state.with_case(case.changed(dispute=case.dispute.changed(above=above)))
        return state if taken else note_given_back(state, above.from_merchant_minor)
    refund = state.refund(case.chargeback)
    assert refund is not None
    if movement.kind == "chargeback":
        return state.with_refund(refund.changed(status="arrived", since=movement.occurred_at))
    given_back = refund.from_merchant_minor if refund.source == "merchant" else 0
    return note_given_back(without_refunds(state, (refund,)), given_back)


def _apply_claim_back(state: OrderState, movement: Movement) -> OrderState:
    """The case ends with the next look at the cases, which notifies of it."""
    case = state.case(f"case-{movement.name('k')}")
    assert case is not None
    assert case.claim is not None
    state = state.with_case(case.changed(claim=case.claim.changed(status="booked"), due=None))
    return note_claimed(state, movement.into(movements.frozen(state.order.order_id)))


def _apply_freeze_or_release(state: OrderState, movement: Movement) -> OrderState:
    at = movement.occurred_at
    if movement.kind == "release":
        return note_released(state).with_notice("merchant", "released", at)
    amount = sum(leg.amount_minor for leg in movement.legs)
    state = note_frozen(state, int(movement.name("k")), amount)
    return state.with_notice("merchant", "frozen", at, at_most_minor=str(amount))


# --- which the ledger has --------------------------------------------------------------------------------


def unknown_bookings(state: OrderState, references: Collection[str]) -> list[Booking]:
    """Movements in the ledger that the state does not know yet, in the order they happened."""
    base = f"order/{state.order.order_id}"
    found = []
    if f"{base}/fund" in references and not state.funded:
        found.append(Booking("fund"))
    found += _unknown_chargebacks(state, f"{base}/chargeback", references)
    for case in state.cases:
        unbooked = case.claim is not None and case.stage == "charging" and case.claim.status != "booked"
        if unbooked and f"{base}/claim_back/{case.case_id}" in references:
            found.append(Booking("claim_back", case.claim_name))
    for refund in state.refunds:
        if refund.status == "owed" and f"{base}/refund/{refund.cause}" in references:
            found.append(Booking("refund", refund.cause))
        if refund.status != "arrived" and f"{base}/refund/{refund.cause}/paid" in references:
            found.append(Booking("refund_arrived", refund.cause))
        covered = refund.status != "arrived" and f"{base}/refund/{refund.cause}/covered" in references
        if covered and state.covering(refund) is not None:
            found.append(Booking("refund_covered", refund.cause))
    if f"{base}/credit" in references and state.credited_at is None:
        found.append(Booking("credit"))
    if f"{base}/settle" in references and state.settled_at is None:
        found.append(Booking("settle"))
    if f"{base}/freeze/{next_number(state)}" in references:
        found.append(Booking("freeze", str(next_number(state))))
    if state.frozen and f"{base}/release/{next_number(state) - 1}" in references:
        found.append(Booking("release", str(next_number(state) - 1)))
    return found


def _unknown_chargebacks(state: OrderState, base: str, references: Collection[str]) -> list[Booking]:
    found = []
    for case in (case for case in state.cases if case.dispute is not None):
        refund = state.refund(case.chargeback)
        if refund is not None and refund.status == "owed" and f"{base}/{case.case_id}" in references:
            found.append(Booking("chargeback", case.chargeback))
        above = case.dispute.above if case.dispute is not None else None
        if above is not None and above.status == "owed" and f"{base}/{case.case_id}/above" in references:
            found.append(Booking("chargeback_above", case.chargeback))
        fee = case.dispute is not None and not case.dispute.fee_booked
        if fee and f"{base}/{case.case_id}/fee" in references:
            found.append(Booking("chargeback_fee", case.chargeback))
        if refund is not None and f"{base}/{case.case_id}/won" in references:
            found.append(Booking("chargeback_won", case.chargeback))
        if above is not None and above.status != "returned" and f"{base}/{case.case_id}/above/won" in references:
            found.append(Booking("chargeback_above_won", case.chargeback))
    return found
