"""After-sale cases in the order: what a case must know, how a command reaches it, and the effect of its decision.

The case decides (`core.aftersale`). The order pays, exchanges and sends notices. Its own clocks pause meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from core.aftersale import commands, replacements, returns, stages
from core.aftersale.deadlines import CASE_REMINDER, case_deadlines, pass_due
from core.aftersale.messages import OpenAfterSale
from core.aftersale.state import AfterSaleCase, CaseFacts, DueStage
from core.aftersale.texts import REMINDED
from core.audit.news import with_known
from core.audit.verdict import Verdict
from core.command import Command, LineQuantity
from core.order.chargebacks import follow_won, wait_for_channel
from core.order.claiming import begin_charge, follow_charge, wait_for_charge
from core.order.granting import earned
from core.order.holds import ARBITRATION_OVERDUE, REVIEW_OVERDUE
from core.order.notifying import inform_of_case, notify_case
from core.order.pausing import follow_clocks
from core.order.refunding import refund_amount, refund_rest, refund_units
from core.order.shares import refundable_minor, return_units
from core.order.state import OrderState, Receipt
from core.order.units import units_of
from core.order.weighing import kept_of
from core.parcels import Parcel
from core.reasons import Refusal, refuse
from core.states import Deadline, Hold

# --- what a case must know of its order ------------------------------------------------------------------


def _facts(
    state: OrderState, reason: str, lines: tuple[LineQuantity, ...] | None, amount_minor: int | None
) -> CaseFacts:
    delivered = _delivered_units(state)
    wanted = [part.line_id for part in lines] if lines is not None else list(delivered)
    window = state.policy.after_sale.windows.get(reason, state.policy.order.after_sale_window)  # type: ignore[call-overload]  # any text may be looked up
    return CaseFacts(
        limits=state.policy.after_sale,
        currency=state.order.currency,
        units={line.line_id: line.units_left for line in state.lines},
        delivered_units=delivered,
        known_lines=tuple(line.line_id for line in state.lines),
        refundable_minor=refundable_minor(state),
        scope_minor=_scope_minor(state, lines, amount_minor),
        freight_given_minor=_freight_given(state),
        delivered=state.order.delivery_mode != "virtual" and any(delivered.get(line_id, 0) for line_id in wanted),
        credited=state.credited_at is not None or state.crediting,
        by_carrier=state.order.delivery_mode == "express",
        earned=earned(state),
        window_ends_at=state.receipt.at + window if state.receipt.at is not None else None,
        outbound=tuple({number for parcel in state.parcels for number in _numbers(parcel)}),
        parcel_ids=tuple(parcel.parcel_id for parcel in (*state.parcels, *state.case_parcels)),
    )


def facts_of_case(state: OrderState, case: AfterSaleCase) -> CaseFacts:
    """What this case must know of its order now."""
    return _facts(state, case.reason, case.lines, case.amount_minor)


def _delivered_units(state: OrderState) -> dict[str, int]:
    """Units by line that the buyer has and whose money has not gone back."""
    received = state.receipt.status == "confirmed"
    with_buyer = (parcel for parcel in state.live_parcels if received or parcel.delivered_at is not None)
    found = units_of(part for parcel in with_buyer for part in parcel.lines)
    return {line.line_id: min(line.units_left, found.get(line.line_id, 0)) for line in state.lines}


def _scope_minor(state: OrderState, lines: tuple[LineQuantity, ...] | None, amount_minor: int | None) -> int:
    left = refundable_minor(state)
    if amount_minor is not None:
        return min(amount_minor, left)
    return left if lines is None else return_units(state, units_of(lines)).amount_minor


def _freight_given(state: OrderState) -> int:
    """What the cases that are decided gave for ways back."""
    refunds = (state.refund(case.freight) for case in state.cases)
    return sum(refund.amount_minor for refund in refunds if refund is not None)


def _numbers(parcel: Parcel) -> tuple[str, ...]:
    return (parcel.waybill, *(attempt.waybill for attempt in parcel.attempts))


def return_parcel_id(state: OrderState) -> str:
    """The name of the returned parcel, now or later."""
    case = state.open_case
    return returns.return_id(case, facts_of_case(state, case)) if case is not None else ""


def replacement_parcel_id(state: OrderState) -> str:
    """The name of the parcel with the new goods of an exchange, now or later."""
    case = state.open_case
    return replacements.replacement_id(case, facts_of_case(state, case)) if case is not None else ""


# --- commands --------------------------------------------------------------------------------------------


def check(state: OrderState, command: Command, now: datetime) -> Refusal | None:
    """Why the order's case refuses a command, or why the order has no case for it."""
    if isinstance(command, OpenAfterSale):
        return _check_opening(state, command, now)
    case = state.open_case
    if case is None:
        return refuse("no_open_case") if state.phase == "settled" or not state.over else _over(state)
    return commands.refusal_of(case, command, facts_of_case(state, case), now)


def _over(state: OrderState) -> Refusal:
    return refuse("order_over", f"It is {state.phase}.")


def _check_opening(state: OrderState, command: OpenAfterSale, now: datetime) -> Refusal | None:
    if state.over and state.phase != "settled":
        return _over(state)
    if state.open_case is not None:
        return refuse("case_open", f"Case {state.open_case.case_id} is {state.open_case.stage}.")
    if state.phase in {"opening", "screening_held"}:
        return refuse("not_released", "Call the order off instead.")
    if state.being_paid:
        return refuse("too_early", "Its money is being moved; ask again.")
    most = state.policy.after_sale.cases_max
    if len(state.cases) >= most:
        return refuse("too_many_cases", f"At most {most}.")
    if state.order.delivery_mode == "virtual" and command.kind in {"return_and_refund", "exchange"}:
        return refuse("nothing_to_return", "What was sent as data cannot come back.", field="kind")
    facts = _facts(state, command.reason, command.lines, command.amount_minor)
    return commands.check_opening(command, facts, now)


def act(state: OrderState, command: Command, now: datetime) -> OrderState:
    """The order after a command to its case."""
    if isinstance(command, OpenAfterSale):
        case = commands.open_case(len(state.cases) + 1, command, state.policy.after_sale, now)
        return notify_case(state.with_case(case), case, now)
    before = state.open_case
    assert before is not None
    return _take(state, before, commands.receive(before, command, facts_of_case(state, before), now), now)


# --- what the world says ---------------------------------------------------------------------------------


def apply_case_verdict(state: OrderState, parcel_id: str, waybill: str, verdict: Verdict, now: datetime) -> OrderState:
    """The order after a carrier was asked about a parcel of its case. A verdict for another number is ignored."""
    case = state.open_case
    parcels = case.parcels if case is not None else ()
    found = next((p for p in parcels if (p.parcel_id, p.waybill) == (parcel_id, waybill)), None)
    if case is None or found is None:
        return state
    verdict = with_known(found.verdict.milestones if found.verdict else None, verdict)
    kept, facts = kept_of(verdict, len(state.parcels)), facts_of_case(state, case)
    apply = returns.apply_verdict if found is case.parcel else replacements.apply_replacement_verdict
    return _take(state, case, apply(case, kept, facts, now), now)


# --- time ------------------------------------------------------------------------------------------------


def deadlines_of_case(state: OrderState) -> tuple[Deadline, ...]:
    """Those of the open case."""
    case = state.open_case
    return tuple(case_deadlines(case)) if case is not None else ()


def pass_case_deadline(state: OrderState, deadline: Deadline, now: datetime) -> OrderState:
    """A stage ended, or its reminder is due."""
    case = state.case(deadline.subject)
    assert case is not None
    assert case.due is not None
    if deadline.name == CASE_REMINDER:
        reader = REMINDED.get(case.stage)
        state = state.with_case(case.changed(due=case.due.changed(remind_at=None)))
        return inform_of_case(state, (reader,), CASE_REMINDER, case, now) if reader else state
    return _take(state, case, pass_due(case, facts_of_case(state, case), now), now)


def follow_cases(state: OrderState, now: datetime) -> OrderState:
    """Cases end when the order no longer needs them. The clocks follow the cases."""
    if not state.cases:
        return state
    case = state.open_case
    if case is not None and state.over and state.phase != "settled" and case.by_buyer:
        state = _take(state, case, stages.close(case, "order_over", now), now)
    elif case is not None and case.stage in {"returning", "replacement_sent"}:
        moved = returns.note_movement(case, facts_of_case(state, case), now)
        state = state.with_case(moved) if moved is not case else state
    for case in state.cases:
        refund = state.refund(case.cause) if case.cause is not None and case.stage == "refunding" else None
        if refund is not None and refund.status == "arrived":
            state = state.with_case(case.entering("refunded", now))
    return follow_clocks(follow_won(follow_charge(state, now), now), now)


def decide_again(state: OrderState, subjects: set[str], now: datetime) -> OrderState:
    """The clock of the reviewers, or of the channel, starts again: the hold of a case was lifted."""
    case, limits = state.open_case, state.policy.after_sale
    if case is None or case.subject not in subjects or case.stage not in {"arbitration", "disputed", "charging"}:
        return state
    due = DueStage(name="decide_end", at=now + limits.decide_end)
    if case.stage == "disputed":
        due = DueStage(name="dispute_answer_by", at=now + limits.decide_end)
    elif case.stage == "charging":
        due = DueStage(name="charged_by", at=now + limits.decide_end)
    return state.with_case(case.changed(due=due))


# --- what a decision does --------------------------------------------------------------------------------


def _take(state: OrderState, before: AfterSaleCase, case: AfterSaleCase, now: datetime) -> OrderState:
    """The order with its changed case: the decision is carried out, and all sides are notified of a new stage."""
    to_ship = case.stage == "exchanged" and case.replacement is None
    if to_ship and state.credited_at is not None:
        # The order ships nothing more: the case has a parcel of its own, and stays open until the buyer has it.
        case, to_ship = stages.replace(case, state.policy.after_sale, now), False
    state = state.with_case(case)
    if case.stage != "arbitration":
        state = state.without_hold(ARBITRATION_OVERDUE, case.subject)
    elif before.stage == "arbitration":
        state = _wait_for_decision(state, before, case, now)
    if before.stage == case.stage == "disputed":
        state = wait_for_channel(state, before, case, now)
    if case.stage == "charging":
        if before.stage == "charging":
            state = wait_for_charge(state, before, case, now)
        else:
            state, case = begin_charge(state, case, now)
    if case.stage == "refunding":
        state, case = _refund(state, case, now)
    if to_ship:
        state = _exchange(state, case, now)
    if case.stage in {"refunding", "exchanged"}:
        state = _pay_way_back(state, case, now)
    again = case.stage == "proposed" and len(case.said) > len(before.said)
    return notify_case(state, case, now) if case.stage != before.stage or again else state


def _wait_for_decision(state: OrderState, before: AfterSaleCase, case: AfterSaleCase, now: datetime) -> OrderState:
    """The time for evidence is over, or the decision is late. A late decision ends in a hold with an owner."""
    if before.due == case.due:
        return state
    if case.due is not None:
        name = "after_sale_decide" if case.due.name == "decide_by" else "arbitration_late"
        return notify_case(state, case, now, name)
    hold = Hold(
        name=ARBITRATION_OVERDUE,
        subject=case.subject,
        scope="credit",
        reason=f"case {case.case_id} waits for a reviewer",
        owner="reviewer",
        since=case.since,
    )
    return notify_case(state.with_hold(hold), case, now, ARBITRATION_OVERDUE)


def _refund(state: OrderState, case: AfterSaleCase, now: datetime) -> tuple[OrderState, AfterSaleCase]:
    """The award is owed from now on, limited to what is left of the order."""
    assert case.award is not None
    before, award = len(state.refunds), case.award
    why = f"after-sale case {case.case_id}: {case.reason}"
    amount = award.amount_minor if award.amount_minor is not None else case.amount_minor
    if amount is not None:
        amount = min(amount, refundable_minor(state))
        state = refund_amount(state, amount, case.subject, why, now, bearer=award.bearer) if amount else state
    elif case.lines is not None:
        state = refund_units(state, units_of(case.lines), case.subject, why, now, bearer=award.bearer)
    else:
        state = refund_rest(state, case.subject, why, now, bearer=award.bearer)
    if state.shipped_at is None and state.fully_shipped:
        state = state.changed(shipped_at=now)  # what was left to ship went back
    if len(state.refunds) == before:
        case = stages.close(case, "nothing_left", now)
    else:
        case = case.changed(cause=state.refunds[-1].cause)
    return state.with_case(case), case


def _pay_way_back(state: OrderState, case: AfterSaleCase, now: datetime) -> OrderState:
    """The buyer gets what the way back cost, from who bears it, at most what is left of the order."""
    amount = min(case.return_freight_minor, refundable_minor(state))
    if not amount or case.return_freight == "buyer":
        return state
    why = f"after-sale case {case.case_id}: the way back"
    return refund_amount(state, amount, case.freight, why, now, bearer=case.return_freight)


def _exchange(state: OrderState, case: AfterSaleCase, now: datetime) -> OrderState:
    """The units leave their parcels and are shipped again, under the same audit. The receipt waits for them."""
    state = _unpack(state, units_of(case.lines) if case.lines is not None else _delivered_units(state))
    ship_by = now + state.policy.order.ship_within
    state = state.changed(
        phase=state.phase if state.live_parcels else "awaiting_shipment",
        ship_by=ship_by,
        delay=None,
        shipped_at=None,
        undelivered_asked_at=None,
        receipt=Receipt(extensions=state.receipt.extensions),
    )
    return state.with_notice("merchant", "ship", now, ship_by=ship_by.isoformat())


def _unpack(state: OrderState, units: Mapping[str, int]) -> OrderState:
    """Take units out of the delivered parcels. A parcel with nothing left in it is over."""
    left = dict(units)
    for parcel in sorted(state.live_parcels, key=lambda parcel: parcel.delivered_at is None):
        parts = []
        for part in parcel.lines:
            taken = min(part.quantity, left.get(part.line_id, 0))
            left[part.line_id] = left.get(part.line_id, 0) - taken
            if part.quantity > taken:
                parts.append(LineQuantity(line_id=part.line_id, quantity=part.quantity - taken))
        if not parts:
            state = state.without_hold(REVIEW_OVERDUE, parcel.parcel_id)
        state = state.with_parcel(parcel.changed(lines=tuple(parts)) if parts else parcel.changed(ended=True))
    return state
