"""How long the stages of an after-sale case may take, and how often: a part of the policy of its order."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from core.aftersale.messages import CaseReason
from core.durations import Duration
from core.fields import AmountOrZero, Message, omitted_at

Share = Annotated[int, Field(strict=True, ge=0, le=10_000)]
Whose = Literal["merchant", "platform"]
Some = Annotated[int, Field(strict=True, ge=0, le=10)]
"""Each rule is kept with the order, whose state has a size budget."""


class AfterSaleLimits(Message):
    """Deadlines and counts of a case; `policies/default.toml` says where each number comes from."""

    cases_max: Some = 5
    windows: dict[CaseReason, Duration] = {"quality": timedelta(days=15)}
    """By reason, how long after receipt a case may be opened; else the order's `after_sale_window`."""
    answer_within: Duration = timedelta(hours=48)
    escalate_within: Duration = timedelta(days=7)
    return_within: Duration = timedelta(days=7)
    return_pickup_within: Duration = timedelta(days=5)
    return_delivery_within: Duration = timedelta(days=20)
    inspect_within: Duration = timedelta(days=7)
    evidence_within: Duration = timedelta(hours=48)
    decide_within: Duration = timedelta(hours=72)
    decide_end: Duration = timedelta(days=7)
    remind_before: Duration = timedelta(hours=24)
    proposals_max: Some = 2
    return_numbers_max: Some = 3
    silent_refund_most_minor: AmountOrZero = 0
    """Up to this amount, silence refunds delivered goods without their return."""
    pause_most: Duration = timedelta(days=30)
    resume_least: Duration = timedelta(days=1)
    replace_within: Duration = omitted_at(timedelta(hours=72))
    """How long the merchant has to send new goods after the credit, before the money goes back."""
    return_freight_most_minor: AmountOrZero = omitted_at(5_000)
    """The most that the buyer of an order may get for ways back, over all its cases."""
    late_scan_review: bool = omitted_at(True)
    """Whether an operator must look if a late scan shows that one party has both the goods and the money."""
    # What follows is left out where it is the default: the limits travel with each order.
    chargeback_fee_bearer: Whose = omitted_at("merchant")
    """Who bears what a channel takes for a chargeback."""
    chargeback_after_refund_borne_by: Whose = omitted_at("platform")
    """Who bears what a channel takes although the buyer had it back."""
    chargeback_evidence_within: Duration = omitted_at(timedelta(days=7))
    """How long both sides may give evidence, where the channel names no date."""
    chargeback_answer_within: Duration = omitted_at(timedelta(days=120))
    """How long the channel's answer is waited for after that, before an operator must ask."""
    late_bps: Share = omitted_at(0)
    """What of the goods' price a merchant gives for a late shipment; 0 and no minimum: nothing."""
    late_minimum_minor: AmountOrZero = omitted_at(0)
    late_cap_minor: AmountOrZero = omitted_at(0)
    """The most that it may be; 0: no cap."""
    late_grace: Duration = omitted_at(timedelta(hours=24))
    """How long after `ship_by` a carrier may scan a parcel first."""
