"""Chargebacks: the payment channel takes money back for its customer, and later says who was right.

The money is gone as the channel reports it, so it is booked at once, from where the order's money stands. What is more
than is left of the order went back to the buyer before: the platform or the merchant bears it, and an operator contests
it with the proof of the refund. Of a payment for a claim it is gone from those who got it. While the channel has not
decided, neither credit nor settlement goes on. Lost: the money stays away, and an order with nothing left is over. The
buyer has a refused refund by it, and who bore it gets that back (`bookings`). Won: the exact reverse is booked, linked
to what it reverses.
"""

from __future__ import annotations

from datetime import datetime

from core.aftersale.messages import ReportChargeback
from core.aftersale.stages import close, dispute
from core.aftersale.state import Above, AfterSaleCase, Dispute, Said
from core.money import format_minor
from core.order.holds import ARBITRATION_OVERDUE, CHARGEBACK_OVERDUE
from core.order.notifying import notify_case
from core.order.refunding import end_if_nothing_left, give_back_rest, take_for_chargeback
from core.order.shares import refundable_minor
from core.order.state import OrderState
from core.reasons import Refusal, refuse
from core.states import Hold


def check_chargeback(state: OrderState, command: ReportChargeback, now: datetime) -> Refusal | None:
    """Whether the order's payment can have been taken back so, or such a dispute can have ended so."""
    if command.actor.role == "channel" and command.actor.id != state.order.payment.channel:
        return refuse("wrong_actor", "The order was paid through another channel.", field="actor.id")
    known = _known(state, command)
    if state.being_paid:
        return refuse("too_early", "Its money is being moved; ask again.")
    if command.outcome == "opened":
        return _check_opened(state, command, known)
    if known is None:
        return refuse("unknown_chargeback", command.case_reference, field="case_reference")
    if known.stage not in {"disputed", command.outcome}:
        return refuse("wrong_case_stage", f"It is {known.stage}.", field="outcome")
    return None


def _check_opened(state: OrderState, command: ReportChargeback, known: AfterSaleCase | None) -> Refusal | None:
    if known is not None:
        # A channel may name its fee later than it takes the money.
        same = command.amount_minor == known.amount_minor and _dispute_of(known).fee_minor in {0, command.fee_minor}
        return None if same else refuse("chargeback_exists_with_different_content", field="case_reference")
    if not state.funded:
        return refuse("too_early", "Its money is not booked yet; ask again.")
    if state.open_case is not None and state.open_case.dispute is not None:
        return refuse("case_open", f"The channel disputes {_dispute_of(state.open_case).reference} already.")
    if state.open_case is not None and state.open_case.stage == "charging":
        return refuse("too_early", "The buyer is asked to pay for the goods; ask again once the channel has answered.")
    if state.disputed:
        return refuse("too_early", "What was won back is not booked yet; ask again.")
    claim = _claim_paid(state, command)
    if claim is None and command.payment not in {None, state.order.payment.reference}:
        return refuse("unknown_payment", "Neither the order nor a claim was paid with it.", field="payment")
    paid = claim.claim.amount_minor if claim is not None and claim.claim is not None else state.order.total_minor
    most = paid - _charged_minor(state, claim)
    if (command.amount_minor or 0) > most:
        hint = f"The channel can take {format_minor(most, state.order.currency)} of this order."
        return refuse("above_refundable", hint, field="amount_minor")
    return None


def _claim_paid(state: OrderState, command: ReportChargeback) -> AfterSaleCase | None:
    """The claim that the buyer paid with the payment that is charged back."""
    booked = (case for case in state.cases if case.claim is not None and case.claim.status == "booked")
    named = command.payment if command.payment != state.order.payment.reference else None
    return next((case for case in booked if named and case.claim and case.claim.reference == named), None)


def _charged_minor(state: OrderState, claim: AfterSaleCase | None) -> int:
    """What channels have taken back of the order's payment, or of a claim's, and keep, or may keep."""
    of = claim.case_id if claim is not None else None
    disputed = [case for case in state.cases if case.dispute is not None and case.dispute.claim == of]
    return sum(case.amount_minor or 0 for case in disputed if case.stage != "won")


def _known(state: OrderState, command: ReportChargeback) -> AfterSaleCase | None:
    reference = command.case_reference
    return next((case for case in state.cases if case.dispute and case.dispute.reference == reference), None)


def _dispute_of(case: AfterSaleCase) -> Dispute:
    assert case.dispute is not None
    return case.dispute


def report_chargeback(state: OrderState, command: ReportChargeback, now: datetime) -> OrderState:
    """The order after the channel's report; the same report again changes nothing."""
    known = _known(state, command)
    if known is None:
        return _open(state, command, now)
    if command.fee_minor > _dispute_of(known).fee_minor:
        fee = _dispute_of(known).changed(fee_minor=command.fee_minor)
        return state.with_case(known.changed(dispute=fee, said=(*known.said, _said(command, now))))
    return state if command.outcome in {"opened", known.stage} else _end(state, known, command, now)


def _open(state: OrderState, command: ReportChargeback, now: datetime) -> OrderState:
    """The channel's word comes before the buyer's: an open case of the buyer's is closed, since its money is gone."""
    assert command.amount_minor is not None
    before, limits, claim = state.open_case, state.policy.after_sale, _claim_paid(state, command)
    if before is not None:
        closed = close(before, "chargeback", now)
        state = notify_case(state.with_case(closed), closed, now).without_hold(ARBITRATION_OVERDUE, before.subject)
    case = AfterSaleCase(
        case_id=len(state.cases) + 1,
        kind="chargeback",
        reason="chargeback",
        amount_minor=command.amount_minor,
        opened_by=command.actor,
        opened_at=now,
        since=now,
        said=(_said(command, now),),
        return_freight="merchant",
        dispute=Dispute(
            reference=command.case_reference,
            fee_minor=command.fee_minor,
            fee_bearer=limits.chargeback_fee_bearer,
            above=_above(state, command.amount_minor) if claim is None else _of_claim(claim, command.amount_minor),
            claim=claim.case_id if claim is not None else None,
        ),
    )
    case = dispute(case, command.evidence_due, limits, now)
    why = f"chargeback {command.case_reference}"
    amount = min(command.amount_minor, refundable_minor(state)) if claim is None else 0
    state = take_for_chargeback(state.with_case(case), amount, case.case_id, why, now)
    return _call_to_contest(notify_case(state, case, now), case, now)


def _above(state: OrderState, amount_minor: int) -> Above | None:
    """What the channel takes although the buyer had it back: the money is gone all the same."""
    more = amount_minor - refundable_minor(state)
    return (
        Above(amount_minor=more, bearer=state.policy.after_sale.chargeback_after_refund_borne_by) if more > 0 else None
    )


def _of_claim(case: AfterSaleCase, amount_minor: int) -> Above:
    """What a buyer paid again is gone from those who got it: the merchant, and the platform its commission."""
    claim = case.claim
    assert claim is not None
    to_platform = max(0, claim.commission_minor + claim.goodwill_minor - claim.discount_minor)
    return Above(
        amount_minor=amount_minor,
        bearer="merchant",
        platform_minor=to_platform * amount_minor // claim.amount_minor,
    )


def _call_to_contest(state: OrderState, case: AfterSaleCase, now: datetime) -> OrderState:
    """An operator sends the channel the proof of the refund: the buyer has the money twice."""
    above = _dispute_of(case).above
    if above is None or _dispute_of(case).claim is not None:
        return state
    return state.with_notice(
        "operator",
        "chargeback_above",
        now,
        case=str(case.case_id),
        case_reference=_dispute_of(case).reference,
        amount_minor=str(above.amount_minor),
        bearer=above.bearer,
        refunded=", ".join(
            refund.cause for refund in state.refunds if refund.chargeback is None and refund.status != "failed"
        ),
        until=case.due.at.isoformat() if case.due else "",
    )


def _end(state: OrderState, case: AfterSaleCase, command: ReportChargeback, now: datetime) -> OrderState:
    """The channel has decided. What was won comes back by a movement that is due from now on."""
    assert command.outcome != "opened"
    case = case.changed(said=(*case.said, _said(command, now))).entering(command.outcome, now)
    state = state.with_case(case).without_hold(CHARGEBACK_OVERDUE, case.subject)
    state = notify_case(state, case, now)
    return end_if_nothing_left(state) if command.outcome == "lost" and not state.over else state


def _said(command: ReportChargeback, now: datetime) -> Said:
    return Said(
        verb=command.verb, by=command.actor, at=now, text=command.reason or None, amount_minor=command.amount_minor
    )


def wait_for_channel(state: OrderState, before: AfterSaleCase, case: AfterSaleCase, now: datetime) -> OrderState:
    """The evidence is in, and an operator sends it on; or the channel is late, and a hold says so."""
    if before.due == case.due:
        return state
    if case.due is not None:
        return notify_case(state, case, now, "chargeback_heard")
    hold = Hold(
        name=CHARGEBACK_OVERDUE,
        subject=case.subject,
        scope="credit",
        reason=f"case {case.case_id}: the channel has not decided about {_dispute_of(case).reference}",
        owner="operator",
        since=case.since,
    )
    return notify_case(state.with_hold(hold), case, now, CHARGEBACK_OVERDUE)


def follow_won(state: OrderState, now: datetime) -> OrderState:
    """What was won back of an order that ended meanwhile, before its credit, is the buyer's."""
    if not state.over or state.credited_at is not None or state.open_case is not None or not refundable_minor(state):
        return state
    won = next((case for case in reversed(state.cases) if case.dispute is not None and case.stage == "won"), None)
    if won is None:
        return state
    return give_back_rest(state, f"{won.chargeback}-won", "the order had ended when the dispute was won", now)
