"""What a step asks of the ledger: the request that the shell hands to the activity of the same verb.

The request carries the record of the order as it will be once the posting stands: both are one transaction.
"""

from __future__ import annotations

from datetime import datetime

from core.messages import Message, Order
from core.order.shares import credit_shares
from core.order.state import OrderState
from core.order.stepping import Step, posted
from core.order.viewing import record_of
from core.records import OrderRecord


class Posting(Message):
    """What every posting of an order carries; `occurred_at` is the order's time, not the database's."""

    order_id: str
    merchant_id: str
    currency: str
    channel: str
    occurred_at: datetime
    record: OrderRecord


class FundPosting(Posting):
    amount_minor: int


class CreditPosting(Posting):
    """`proceeds_minor` and `commission_minor` out of escrow, `discount_minor` from the platform."""

    proceeds_minor: int
    commission_minor: int
    discount_minor: int


class SettlePosting(Posting):
    amount_minor: int


class RefundPosting(Posting):
    """A refund from escrow, or its arrival with the buyer."""

    cause: str
    amount_minor: int


def posting_for(state: OrderState, step: Step, now: datetime) -> Posting:
    """The request of a `fund`, `credit`, `settle`, `refund` or `refund_arrived` step."""
    base = _base(state.order, record_of(posted(state, step, now), now), now)
    if step.verb == "fund":
        return FundPosting(**base, amount_minor=state.order.total_minor)
    if step.verb == "credit":
        return CreditPosting(**base, **credit_shares(state).model_dump())
    if step.verb == "settle":
        return SettlePosting(**base, amount_minor=state.credited_minor)
    refund = state.refund(step.about)
    assert refund is not None
    return RefundPosting(**base, cause=refund.cause, amount_minor=refund.amount_minor)


def _base(order: Order, record: OrderRecord, now: datetime) -> dict[str, object]:
    return {
        "order_id": order.order_id,
        "merchant_id": order.merchant_id,
        "currency": order.currency,
        "channel": order.payment.channel,
        "occurred_at": now,
        "record": record,
    }
