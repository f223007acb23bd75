"""Claiming back from the buyer: how much it may be, whose the money is, and what the channel said.

A late scan may show that a buyer has both the goods and the money. Only what a carrier delivered and what arrived with
the buyer can be claimed, each once. An order is over by then; what a claim brings is the merchant's as the money of a
sale is, less commission. The order's own figures of what went back stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from core.aftersale.claim_back import open_claim
from core.aftersale.evidence import check_evidence, with_evidence
from core.aftersale.messages import OpenClaimBack
from core.aftersale.stages import close
from core.aftersale.state import AfterSaleCase, ClaimBack
from core.command import same_person
from core.messages import ResolveRefund
from core.money import format_minor, given_back, spread
from core.order.holds import CLAIM_STUCK, LATE_SCAN
from core.order.notifying import notify_case
from core.order.refunds import Refund
from core.order.state import OrderState
from core.parcels import Parcel
from core.reasons import Refusal, refuse
from core.states import Hold

_COMING_BACK = frozenset({"coming_back", "came_back"})


# --- how much --------------------------------------------------------------------------------------------


def claimable_minor(state: OrderState) -> int:
    """What of the refunds that arrived was for goods that the buyer has, and was not claimed before."""
    arrived = sum(refund.amount_minor for refund in _arrived(state))
    taken = sum(claim.amount_minor for claim in _charged(state))
    return max(0, min(arrived, _worth(state)) - taken)


def _arrived(state: OrderState) -> Iterator[Refund]:
    by_refund = (refund for refund in state.refunds if refund.chargeback is None and refund.covered_by is None)
    return (refund for refund in by_refund if refund.status == "arrived")


def _charged(state: OrderState) -> Iterator[ClaimBack]:
    """The claims that a channel was asked for and has not refused."""
    for case in state.cases:
        if case.claim is not None and case.stage in {"charging", "paid_back"}:
            yield case.claim


def _worth(state: OrderState) -> int:
    """What went back for the units that the buyer has. The freight counts once all of them are there."""
    units = _kept_units(state)
    worth = sum(
        min(
            line.refunded_minor,
            line.paid_minor * min(max(units.get(line.line_id, 0), 0), line.quantity) // line.quantity,
        )
        for line in state.lines
    )
    whole = all(units.get(line.line_id, 0) >= line.quantity for line in state.lines)
    return worth + (state.freight_refunded_minor if whole else 0)


def _kept_units(state: OrderState) -> dict[str, int]:
    """Units by line that a carrier delivered and that did not come back."""
    found: dict[str, int] = {}
    for parcel in filter(_is_there, state.parcels):
        for part in parcel.lines:
            found[part.line_id] = found.get(part.line_id, 0) + part.quantity
    for case in state.cases:
        gone = case.stage in {"refunding", "refunded"} or case.replacement is not None
        for part in case.parcel.lines if case.parcel is not None and gone else ():
            found[part.line_id] = found.get(part.line_id, 0) - part.quantity
        for part in case.replacement.lines if case.replacement is not None and _is_there(case.replacement) else ():
            found[part.line_id] = found.get(part.line_id, 0) + part.quantity
    return found


def _is_there(parcel: Parcel) -> bool:
    """Whether a carrier delivered it, and it is not on its way back."""
    late = {news.what for news in parcel.late}
    return not late & _COMING_BACK and ("delivered" in late or parcel.delivered_at is not None)


def split_of(state: OrderState, amount_minor: int) -> ClaimBack:
    """Whose this much of the buyer's money is, by what the claims before gave each: exact over all of them.

    Refunds may arrive between two claims. What was given stays given, so that no part is below zero: the books take no
    such leg, and the channel would have the money by then.
    """
    before = list(_charged(state))
    of_merchant = sum(claim.amount_minor - claim.goodwill_minor for claim in before)
    arrived = sum(refund.amount_minor for refund in _arrived(state) if refund.bearer == "merchant")
    part = min(amount_minor, max(0, arrived - of_merchant))
    borne = [line.borne_minor for line in state.lines]
    shares = zip(state.lines, spread(min(of_merchant + part, sum(borne)), borne), strict=True)
    parts = [(line, share) for line, share in shares if share]
    commission = sum(given_back(line.commission_minor, share, line.paid_minor) for line, share in parts)
    discount = sum(given_back(line.discount_minor, share, line.paid_minor) for line, share in parts)
    return ClaimBack(
        amount_minor=amount_minor,
        commission_minor=min(part, max(0, commission - sum(claim.commission_minor for claim in before))),
        discount_minor=max(0, discount - sum(claim.discount_minor for claim in before)),
        goodwill_minor=amount_minor - part,
    )


# --- how it begins ---------------------------------------------------------------------------------------


def check_claim_back(state: OrderState, command: OpenClaimBack, now: datetime) -> Refusal | None:
    """Whether the buyer has goods whose money went back, and so much of it."""
    if not command.reason:
        return refuse("reason_missing", field="reason")
    if not state.over:
        return refuse("too_early", "The order goes on: what the buyer keeps is settled with it.")
    if state.open_case is not None:
        return refuse("case_open", f"Case {state.open_case.case_id} is {state.open_case.stage}.")
    most = state.policy.after_sale.cases_max
    if sum(case.dispute is None for case in state.cases) >= most:
        return refuse("too_many_cases", f"At most {most}.")
    claimable = claimable_minor(state)
    if not claimable or (command.amount_minor or 0) > claimable:
        return refuse(
            "nothing_to_claim", f"{format_minor(claimable, state.order.currency)} can be claimed.", field="amount_minor"
        )
    return check_evidence(None, command.actor.role, command.evidence)


def claim_back(state: OrderState, command: OpenClaimBack, now: datetime) -> OrderState:
    """The case stands in place of the holds that its late scans placed."""
    amount = command.amount_minor or claimable_minor(state)
    limits = state.policy.after_sale
    case = with_evidence(
        open_claim(len(state.cases) + 1, command, amount, limits, now), command.actor, command.evidence, now
    )
    state = state.changed(holds=tuple(hold for hold in state.holds if hold.name != LATE_SCAN)).with_case(case)
    return notify_case(state, case, now)


# --- the channel -----------------------------------------------------------------------------------------


def begin_charge(state: OrderState, case: AfterSaleCase, now: datetime) -> tuple[OrderState, AfterSaleCase]:
    """The channel is asked for the money from now on, at most what can be claimed still."""
    claim = case.claim
    assert claim is not None
    amount = min(case.amount_minor or 0, claimable_minor(state))
    if not amount:
        case = close(case, "nothing_left", now)
        return state.with_case(case), case
    shares = split_of(state, amount).model_dump(include={name for name in ClaimBack.model_fields if "minor" in name})
    case = case.changed(claim=claim.changed(**shares, status="asked"))
    return state.with_case(case), case


def wait_for_charge(state: OrderState, before: AfterSaleCase, case: AfterSaleCase, now: datetime) -> OrderState:
    """Its outcome is not known in time: it is asked about still, and people look."""
    if before.due == case.due:
        return state
    hold = Hold(
        name=CLAIM_STUCK,
        subject=case.subject,
        scope="credit",
        reason=f"case {case.case_id}: whether the buyer paid is not known",
        owner="operator",
        since=now,
    )
    return notify_case(state.with_hold(hold), case, now, CLAIM_STUCK)


def end_charge(
    state: OrderState, case: AfterSaleCase, *, paid: bool, reference: str | None, now: datetime
) -> OrderState:
    """The channel, or two people, said whether the buyer paid. What was paid is to be booked."""
    assert case.claim is not None
    state = state.without_hold(CLAIM_STUCK, case.subject)
    if paid:
        claim = case.claim.changed(status="confirmed", reference=reference)
        return state.with_case(case.changed(claim=claim, due=None))
    case = case.changed(claim=case.claim.changed(reference=reference)).entering("unpaid", now)
    return notify_case(state.with_case(case), case, now)


def follow_charge(state: OrderState, now: datetime) -> OrderState:
    """What the books have of a claim ends its case."""
    case = state.open_case
    if case is None or case.claim is None or case.claim.status != "booked":
        return state
    case = case.entering("paid_back", now)
    return notify_case(state.with_case(case), case, now)


# --- people ----------------------------------------------------------------------------------------------


def stuck_claim(state: OrderState, name: str) -> AfterSaleCase | None:
    """The claim of this name that waits for two people."""
    case = state.open_case
    if case is None or case.claim_name != name or not state.has_hold(CLAIM_STUCK, case.subject):
        return None
    return case


def resolve_claim(state: OrderState, case: AfterSaleCase, command: ResolveRefund, now: datetime) -> OrderState:
    """The second of two people who agree settles it; if they disagree, the votes start again."""
    assert case.claim is not None
    votes = (*case.claim.votes, (command.actor.id, command.outcome))
    if len(votes) < 2 or len({outcome for _, outcome in votes}) > 1:
        kept = votes if len(votes) < 2 else ()
        return state.with_case(case.changed(claim=case.claim.changed(votes=kept)))
    case = case.changed(claim=case.claim.changed(votes=votes))
    return end_charge(state, case, paid=command.outcome == "arrived", reference=command.reference, now=now)


def voted(case: AfterSaleCase, person: str) -> bool:
    """Whether this person has voted on it."""
    return case.claim is not None and any(same_person(one, person) for one, _ in case.claim.votes)
