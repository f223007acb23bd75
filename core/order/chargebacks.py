"""Chargebacks: the payment channel takes money back for its customer, and later says who was right.

The money is gone as the channel reports it, so it is booked at once, from where the order's money stands. What is more
than is left of the order went back to the buyer before: the platform or the merchant bears it, and an operator contests
it with the proof of the refund. While the
channel has not decided, neither credit nor settlement goes on. Lost: the money stays away, and an order with nothing
left is over. Won: the exact reverse is booked, linked to what it reverses.
"""

from __future__ import annotations

from datetime import datetime

from core.aftersale.messages import ReportChargeback
from core.aftersale.stages import close, dispute
from core.aftersale.state import Above, AfterSaleCase, Dispute, Said
from core.order.notifying import notify_case
from core.order.refunding import end_if_nothing_left, give_back_rest, take_for_chargeback
from core.order.shares import refundable_minor
from core.order.state import ARBITRATION_OVERDUE, CHARGEBACK_OVERDUE, OrderState
from core.reasons import Refusal, refuse
from core.states import Hold

_MOVING = frozenset({"credit", "settle"})
"""Movements whose amounts a chargeback would change while they are posted."""


def check_chargeback(state: OrderState, command: ReportChargeback, now: datetime) -> Refusal | None:
    """Whether the order's payment can have been taken back so, or such a dispute can have ended so."""
    if command.actor.role == "channel" and command.actor.id != state.order.payment.channel:
        return refuse("wrong_actor", "The order was paid through another channel.", field="actor.id")
    known = _known(state, command)
    if state.doing is not None and state.doing.verb in _MOVING:
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
        same = (command.amount_minor, command.fee_minor) == (known.amount_minor, _dispute_of(known).fee_minor)
        return None if same else refuse("chargeback_exists_with_different_content", field="case_reference")
    if not state.funded:
        return refuse("too_early", "Its money is not booked yet; ask again.")
    if state.open_case is not None and state.open_case.dispute is not None:
        return refuse("case_open", f"The channel disputes {_dispute_of(state.open_case).reference} already.")
    if state.open_case is not None and state.open_case.stage == "charging":
        return refuse("too_early", "The buyer is asked to pay for the goods; ask again once the channel has answered.")
    if state.disputed:
        return refuse("too_early", "What was won back is not booked yet; ask again.")
    most = state.order.total_minor - _charged_minor(state)
    if (command.amount_minor or 0) > most:
        return refuse("above_refundable", f"The channel can take {most} of this order.", field="amount_minor")
    return None


def _charged_minor(state: OrderState) -> int:
    """What channels have taken back of the order and keep, or may keep."""
    kept = [case.amount_minor or 0 for case in state.cases if case.dispute is not None and case.stage != "won"]
    return sum(kept)


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
    return state if command.outcome in {"opened", known.stage} else _end(state, known, command, now)


def _open(state: OrderState, command: ReportChargeback, now: datetime) -> OrderState:
    """The channel's word comes before the buyer's: an open case of the buyer's is closed, since its money is gone."""
    assert command.amount_minor is not None
    before, limits = state.open_case, state.policy.after_sale
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
            above=_above(state, command.amount_minor),
        ),
    )
    case = dispute(case, command.evidence_due, limits, now)
    why = f"chargeback {command.case_reference}"
    amount = min(command.amount_minor, refundable_minor(state))
    state = take_for_chargeback(state.with_case(case), amount, case.case_id, why, now)
    return _call_to_contest(notify_case(state, case, now), case, now)


def _above(state: OrderState, amount_minor: int) -> Above | None:
    """What the channel takes although the buyer had it back: the money is gone all the same."""
    more = amount_minor - refundable_minor(state)
    return (
        Above(amount_minor=more, bearer=state.policy.after_sale.chargeback_after_refund_borne_by) if more > 0 else None
    )


def _call_to_contest(state: OrderState, case: AfterSaleCase, now: datetime) -> OrderState:
    """An operator sends the channel the proof of the refund: the buyer has the money twice."""
    above = _dispute_of(case).above
    if above is None:
        return state
    return state.with_notice(
        "operator",
        "chargeback_above",
        now,
        case=str(case.case_id),
        case_reference=_dispute_of(case).reference,
        amount_minor=str(above.amount_minor),
        bearer=above.bearer,
        refunded=", ".join(refund.cause for refund in state.refunds if refund.chargeback is None),
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
