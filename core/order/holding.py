"""Holds, screening decisions and stuck refunds: what operators and reviewers do to money."""

from __future__ import annotations

from datetime import datetime

from core.command import same_person
from core.merchants import MERCHANT_FROZEN
from core.messages import AppealScreening, DecideScreening, LiftHold, PlaceHold, ResolveRefund
from core.order.bookings import is_covered
from core.order.calling import hold_money, hold_refund
from core.order.cases import decide_again
from core.order.claiming import resolve_claim, stuck_claim, voted
from core.order.holds import ARBITRATION_OVERDUE, CHARGEBACK_OVERDUE, CLAIM_STUCK, REFUND_STUCK, REVIEW_OVERDUE
from core.order.opening import refuse_goods, release
from core.order.state import OrderState
from core.reasons import Refusal, refuse
from core.states import Hold
from core.texts import clock


def check_place(state: OrderState, command: PlaceHold) -> Refusal | None:
    """Whether this hold would still stop something."""
    if not command.reason:
        return refuse("reason_missing", field="reason")
    if any(hold.name == command.name for hold in state.holds):
        return refuse("hold_exists", field="name")
    if state.closed and state.phase != "settled":
        return refuse("order_over", f"It is {state.phase}.")
    if command.scope == "credit" and (state.credited_at is not None or state.crediting):
        return refuse("already_credited", "Scope `payout` stops the settlement.")
    return None


def object_to_place(command: PlaceHold, now: datetime) -> Refusal | None:
    """Whether it is to be looked at later.

    A date that has passed would call an operator at once and never again: most likely its year or zone is wrong.
    """
    if command.review_at is not None and command.review_at <= now:
        return refuse("impossible_date", "It lies in the past.", field="review_at")
    return None


def place(state: OrderState, command: PlaceHold, now: datetime) -> OrderState:
    """Money of this scope stops. Duties and their clocks run on."""
    hold = Hold(
        name=command.name,
        scope=command.scope,
        reason=command.reason,
        owner=f"{command.actor.role} {command.actor.id}",
        since=now,
        review_at=command.review_at,
    )
    if hold.name == MERCHANT_FROZEN:
        return state.with_hold(hold)  # merchant and operators get one notice for all its orders
    return hold_money(state, hold, now).with_notice("merchant", "hold_placed", now, name=hold.name, reason=hold.reason)


def check_lift(state: OrderState, command: LiftHold) -> Refusal | None:
    """Whether there is such a hold, and the command gives a reason.

    A hold is lifted as a whole: who names another scope or review than it has means another hold or a
    later look, and no money may move.
    """
    if not command.reason:
        return refuse("reason_missing", field="reason")
    held = next((hold for hold in state.holds if hold.name == command.name), None)
    if held is None:
        return refuse("no_such_hold", field="name")
    if command.scope not in (None, held.scope):
        return refuse("no_such_hold", f"Its scope is {held.scope}; it is lifted as a whole.", "scope")
    if command.review_at not in (None, held.review_at):
        said = "not set" if held.review_at is None else clock(held.review_at)
        return refuse("no_such_hold", f"Its review is {said}; a lifted hold has none.", "review_at")
    return None


def lift(state: OrderState, command: LiftHold, now: datetime) -> OrderState:
    """What the hold stopped moves at once. Lifting a hold of our own also restarts what it waited for."""
    lifted = {hold.subject for hold in state.holds if hold.name == command.name}
    state = state.changed(holds=tuple(hold for hold in state.holds if hold.name != command.name))
    if command.name == REVIEW_OVERDUE:
        state = _review_again(state, lifted, now)
    elif command.name == REFUND_STUCK:
        state = _refund_again(state, lifted, now)
    elif command.name in {ARBITRATION_OVERDUE, CHARGEBACK_OVERDUE, CLAIM_STUCK}:
        state = decide_again(state, lifted, now)
    if command.name == MERCHANT_FROZEN:
        return state
    return state.with_notice("merchant", "hold_lifted", now, name=command.name, reason=command.reason)


def _review_again(state: OrderState, parcels: set[str], now: datetime) -> OrderState:
    """The reviewers' clock starts again."""
    for parcel in state.live_parcels:
        if parcel.parcel_id in parcels and parcel.audit == "in_review":
            state = state.with_parcel(parcel.changed(audit_since=now))
    return state


def _refund_again(state: OrderState, causes: set[str], now: datetime) -> OrderState:
    """The channel is asked again, under the same key, and sent what it never got.

    What the buyer has by a lost chargeback must not be sent: no one's word about it stands any more.
    """
    for refund in state.refunds:
        if refund.cause in causes and refund.status == "failed" and is_covered(state, refund):
            state = state.with_refund(refund.changed(votes=()))
        elif refund.cause in causes and refund.status in {"stuck", "failed"}:
            state = state.with_refund(refund.changed(status="booked", since=now, votes=()))
    return state


def check_screening(state: OrderState, command: DecideScreening) -> Refusal | None:
    """Whether the order waits for this decision."""
    if state.phase != "screening_held":
        return refuse("not_held")
    return None if command.reason else refuse("reason_missing", field="reason")


def decide_screening(state: OrderState, command: DecideScreening, now: datetime) -> OrderState:
    """The goods pass, and the ship-by clock starts now; or the buyer's money goes back."""
    if command.verdict == "allow":
        return release(state, now, now)
    return refuse_goods(state, command.reason, now)


def check_appeal(state: OrderState, command: AppealScreening) -> Refusal | None:
    """Whether a person can still look at the goods, and the merchant has not asked yet."""
    if state.phase != "screening_held":
        return refuse("not_held")
    if not command.statement:
        return refuse("reason_missing", field="statement")
    return refuse("appeal_used") if state.screening_appeal is not None else None


def appeal(state: OrderState, command: AppealScreening, now: datetime) -> OrderState:
    """A person looks, with the merchant's statement. Goods that a rule refused are held from now on."""
    since = now if state.screening_refused else state.screening_since
    state = state.changed(screening_appeal=command.statement, screening_refused=False, screening_since=since)
    return state.with_notice("reviewer", "screening_appealed", now, statement=command.statement)


def check_resolution(state: OrderState, command: ResolveRefund) -> Refusal | None:
    """Whether such a refund, or a claim, waits for people, and this person has not voted yet."""
    refund, claim = state.refund(command.cause), stuck_claim(state, command.cause)
    if claim is None and (refund is None or refund.status not in {"stuck", "failed"}):
        return refuse("no_such_refund", field="cause")
    if not command.reason:
        return refuse("reason_missing", field="reason")
    votes = refund.votes if refund is not None else ()
    if any(same_person(person, command.actor.id) for person, _ in votes) or (claim and voted(claim, command.actor.id)):
        return refuse("needs_other_person")
    return None


def resolve_refund(state: OrderState, command: ResolveRefund, now: datetime) -> OrderState:
    """The second of two people who agree settles it.

    "Arrived" is booked; "failed" stays with the operators. They pay by hand and report it here, or lift the hold, which
    asks the channel again. If two disagree, nothing is settled and the votes start again.
    """
    if (claim := stuck_claim(state, command.cause)) is not None:
        return resolve_claim(state, claim, command, now)
    refund = state.refund(command.cause)
    assert refund is not None
    votes = (*refund.votes, (command.actor.id, command.outcome))
    agreed = len(votes) >= 2 and len({outcome for _, outcome in votes}) == 1
    if len(votes) >= 2 and not agreed:
        return state.with_refund(refund.changed(votes=()))
    if not agreed:
        return state.with_refund(refund.changed(votes=votes))
    if command.outcome == "arrived":
        changed = refund.changed(votes=votes, status="confirmed", reference=command.reference)
        return state.with_refund(changed).without_hold(REFUND_STUCK, refund.cause)
    state = state.with_refund(refund.changed(votes=(), status="failed"))
    return hold_refund(state, refund.cause, now, denied_by="people")
