"""The inputs and results of activities, except the steps that both machines share (`core.steps`)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from core.audit.facts import Milestones, NoTrace, OrderFacts
from core.fields import Message, omitted_at
from core.messages import Address, AutomaticWithdrawals, Order, Scan
from core.order.opening import Screening
from core.order.shipping import Claim, WaybillToClaim
from core.order.watches import RefundOutcome
from core.policy import OrderPolicy
from core.reasons import Refusal
from core.records import LedgerFacts, OrderRecord
from core.sender_proofs import SenderProof
from core.states import Hold


class OpenRequest(Message):
    """`opened_by` is the workflow's first run: it distinguishes a retry from another start."""

    order: Order
    opened_by: str
    now: datetime
    proof: SenderProof | None = omitted_at(None)
    """The order's own, which leaves it out when it is sent on."""


class Opened(Message):
    """The order's policy, or why it may not open.

    With `screening` and `standing` it was funded, screened and recorded with its registration. Without them it was only
    registered, and goes on step by step. `holds`: what its money is held for from the beginning. `known`: this workflow
    opened it before and then was reset, or lost its worker before the report. `stored_phase`: the phase of the order in
    the register, if that is why this one is refused. `knows_people`: this worker can say whose access has ended.
    """

    policy: OrderPolicy | None = None
    screening: Screening | None = None
    standing: LedgerFacts | None = None
    holds: tuple[Hold, ...] = omitted_at(())
    known: bool = False
    refusal: Refusal | None = None
    stored_phase: str | None = None
    knows_people: bool = omitted_at(False)


class RescueRequest(Message):
    """`set_back`: the workflow is the order's own, reset to an earlier point; then a closed order is returned too."""

    order_id: str
    opened_by: str
    set_back: bool = False


class Rescued(Message):
    """The order as register and ledger know it, and its policy. `state` is empty if none was recorded.

    `knows_people`: as of `Opened`.
    """

    order: Order | None = None
    policy: OrderPolicy | None = None
    state: dict[str, Any] = {}
    references: tuple[str, ...] = ()
    refusal: Refusal | None = None
    knows_people: bool = omitted_at(False)


class ClaimRequest(Message):
    order_id: str
    merchant_id: str
    buyer_id: str
    ship_to: Address
    waybills: tuple[WaybillToClaim, ...]
    now: datetime
    record: OrderRecord | None = None
    """The order's next record, kept with the claims if every number is `claimed`."""


class ClaimAnswer(Message):
    """The register's answers. `standing` is set if the order was recorded with them."""

    claims: tuple[Claim, ...]
    standing: LedgerFacts | None = None


class ReleaseRequest(Message):
    """Release what the order has claimed, but for the numbers that its parcels stand for."""

    order_id: str
    standing: tuple[WaybillToClaim, ...]
    now: datetime


class AuditRequest(Message):
    """One parcel to audit, by the policy of this hash.

    `collecting`, `moved` and `delivered` are the order's knowledge: any change is news.
    `phone_last4` and `sender_last4` are digits of the buyer's and the sender's phone. `no_trace` is the history of such
    answers in the order. `silent_review`: only silence sent the parcel to review; an approval then ends the audit.
    """

    facts: OrderFacts
    parcel_id: str
    carrier: str
    carrier_name: str | None = None
    waybill: str
    uploaded_at: datetime
    weight_g: int | None = None
    attempt: int = 1
    known: Milestones | None = None
    pushed: tuple[Scan, ...] = ()
    phone_last4: str | None = None
    sender_last4: str | None = None
    no_trace: tuple[NoTrace, ...] = ()
    policy_hash: str
    collecting: bool
    moved: bool
    delivered: bool
    silent_review: bool = False
    now: datetime | None = None
    """When the order asked; a local activity has no other clock than the machine's."""


class RefundRequest(Message):
    """A refund to send through the payment channel; its key is made from order and cause and never changes."""

    order_id: str
    cause: str
    channel: str
    payment_reference: str
    amount_minor: int
    currency: str
    reason: str


class ChargeRequest(Message):
    """What a buyer is asked to pay again; its key is made from order and case and never changes."""

    order_id: str
    case_id: int
    channel: str
    payment_reference: str
    amount_minor: int
    currency: str
    reason: str


class RestRequest(Message):
    """The return of a payment's unclaimed rest, as the register has it."""

    return_id: str


class CloseRest(Message):
    """The channel's final answer to such a return."""

    return_id: str
    outcome: RefundOutcome
    now: datetime


class StartWithdrawalRequest(Message):
    """The automatic withdrawal of an order's own proceeds, under the order's own policy."""

    order_id: str
    merchant_id: str
    currency: str
    proceeds_minor: int
    policy: str | None = None


class ScheduledWithdrawalRequest(Message):
    """The automatic withdrawal of a schedule; `due_at` is its nominal time, `now` the time of the workflow."""

    plan: AutomaticWithdrawals
    due_at: datetime
    now: datetime
