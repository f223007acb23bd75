"""What an order asks of activities: each request, made from the order's state. Pure."""

from __future__ import annotations

from datetime import datetime

from activities.requests import (
    AuditRequest,
    ChargeRequest,
    ClaimRequest,
    RefundRequest,
    ReleaseRequest,
    StartWithdrawalRequest,
)
from core.aftersale.messages import ReportReturn
from core.order.auditing import facts_for, only_silent
from core.order.claims import standing_claims
from core.order.shipping import ClaimingCommand, to_claim
from core.order.state import OrderState
from core.order.watches import tracked_parcel
from core.records import OrderRecord


def audit_request(state: OrderState, parcel_id: str, now: datetime) -> AuditRequest:
    """To audit a parcel of the order or of its open case."""
    parcel = tracked_parcel(state, parcel_id)
    assert parcel is not None
    facts = facts_for(state, parcel)
    return AuditRequest(
        facts=facts,
        parcel_id=parcel.parcel_id,
        carrier=parcel.carrier,
        carrier_name=parcel.carrier_name,
        waybill=parcel.waybill,
        uploaded_at=parcel.uploaded_at,
        weight_g=parcel.weight_g,
        attempt=len(parcel.attempts) + 1,
        known=parcel.verdict.milestones if parcel.verdict else None,
        pushed=parcel.pushed,
        phone_last4=facts.ship_to.phone_last4,
        sender_last4=facts.ship_from.phone_last4,
        no_trace=parcel.verdict.no_trace if parcel.verdict else (),
        silent_review=only_silent(parcel),
        policy_hash=state.policy.content_hash,
        collecting=parcel.audit == "collecting",
        moved=parcel.moved,
        delivered=parcel.delivered_at is not None,
        now=now,
    )


def refund_request(state: OrderState, cause: str) -> RefundRequest:
    """To send a refund through the channel that the buyer paid by."""
    refund, order = state.refund(cause), state.order
    assert refund is not None
    return RefundRequest(
        order_id=order.order_id,
        cause=refund.cause,
        channel=order.payment.channel,
        payment_reference=order.payment.reference,
        amount_minor=refund.amount_minor,
        currency=order.currency,
        reason=refund.reason,
    )


def charge_request(state: OrderState) -> ChargeRequest:
    """To ask the buyer, through the channel of the payment, for what the open case claims."""
    case, order = state.open_case, state.order
    assert case is not None
    assert case.claim is not None
    return ChargeRequest(
        order_id=order.order_id,
        case_id=case.case_id,
        channel=order.payment.channel,
        payment_reference=order.payment.reference,
        amount_minor=case.claim.amount_minor,
        currency=order.currency,
        reason=f"case {case.case_id}: the goods were delivered after the refund",
    )


def withdrawal_request(state: OrderState) -> StartWithdrawalRequest:
    """To start the automatic withdrawal of the order's proceeds."""
    order = state.order
    return StartWithdrawalRequest(
        order_id=order.order_id,
        merchant_id=order.merchant_id,
        currency=order.currency,
        proceeds_minor=state.proceeds_minor,
        policy=state.policy.name,
    )


def claim_request(
    state: OrderState, command: ClaimingCommand, record: OrderRecord | None, now: datetime
) -> ClaimRequest:
    """To claim the numbers of a command. A return goes to where the goods came from.

    Args:
        record: the order's next record, to be kept with the claims.
    """
    order = state.order
    return ClaimRequest(
        order_id=order.order_id,
        merchant_id=order.merchant_id,
        buyer_id=order.buyer_id,
        ship_to=order.ship_from if isinstance(command, ReportReturn) else order.ship_to,
        waybills=to_claim(state, command),
        now=now,
        record=record,
    )


def release_request(state: OrderState, now: datetime) -> ReleaseRequest:
    """To release all numbers but those that the order's parcels stand for."""
    return ReleaseRequest(order_id=state.order.order_id, standing=standing_claims(state), now=now)
