"""Every payload and name that crosses a process: the contract with storefronts, operators and ourselves.

`core.fields` has the types of their fields, and `core.reading` reads them. Money is integer minor units with an ISO
4217 currency; times are aware. Across Temporal unknown fields are ignored; where people type (`strictly=True`) they
are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import (
    AfterValidator,
    Field,
    StringConstraints,
    model_validator,
)

from core.aftersale.messages import AFTER_SALE_COMMANDS
from core.command import Actor as Actor
from core.command import Command as Command
from core.command import LineQuantity as LineQuantity
from core.command import Role as Role
from core.durations import SignedDuration
from core.fields import (
    AmountMinor,
    AmountOrZero,
    Code,
    Currency,
    Digest,
    Id,
    Message,
    Name,
    PaymentReference,
    Place,
    PolicyName,
    Quantity,
    Reason,
    Region,
    Text,
    Time,
    Title,
    Told,
    Word,
    omitted_at,
)
from core.handover_messages import HANDOVER_COMMANDS, Sha256
from core.money import MAX_AMOUNT_MINOR
from core.promise_messages import PROMISE_COMMANDS
from core.refund_messages import RefundOrder
from core.sender_proofs import SenderProof
from core.withdrawal_messages import WITHDRAWAL_COMMANDS as WITHDRAWAL_COMMANDS
from core.withdrawal_messages import ApproveWithdrawal as ApproveWithdrawal
from core.withdrawal_messages import AutomaticWithdrawals as AutomaticWithdrawals
from core.withdrawal_messages import CancelWithdrawal as CancelWithdrawal
from core.withdrawal_messages import FailureClass as FailureClass
from core.withdrawal_messages import RecheckWithdrawal as RecheckWithdrawal
from core.withdrawal_messages import RejectWithdrawal as RejectWithdrawal
from core.withdrawal_messages import ReportPayout as ReportPayout
from core.withdrawal_messages import ResolveUnknown as ResolveUnknown
from core.withdrawal_messages import Resumption as Resumption
from core.withdrawal_messages import Withdrawal as Withdrawal

# --- the order -----------------------------------------------------------------------------------------


class Line(Message):
    """One line of goods; `unit_price_minor` may be 0 for a gift."""

    line_id: Id
    title: Title
    category: Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z0-9_.-]{1,80}$")]
    quantity: Quantity
    unit_price_minor: AmountOrZero

    @property
    def price_minor(self) -> int:
        return self.quantity * self.unit_price_minor


class Payment(Message):
    """The buyer's payment as the storefront reports it. `paid_minor` is all of it, for one or several orders."""

    reference: PaymentReference
    channel: Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z0-9_-]{1,32}$")]
    paid_minor: AmountMinor
    paid_at: Time


class Address(Message):
    """Where from or to, no finer than a district. Street, name and full phone are refused; see `core.personal`."""

    country: Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Z]{2}$")]
    province: Region | None = None
    city: Region | None = None
    district: Region | None = None
    phone_last4: Annotated[str, StringConstraints(strict=True, pattern=r"^[0-9]{4}$")] | None = None


DeliveryMode = Literal["express", "local", "pickup", "virtual"]
"""By a carrier, by a courier of the city, collected by the buyer, or sent as data."""


class Order(Message):
    """The input of `OrderWorkflow`."""

    order_id: Id
    merchant_id: Id
    buyer_id: Id
    currency: Currency
    lines: Annotated[tuple[Line, ...], Field(min_length=1, max_length=200)]
    freight_minor: AmountOrZero = 0
    discount_minor: AmountOrZero = 0
    discount_funded_by: Literal["merchant", "platform"] = "merchant"
    total_minor: AmountMinor
    payment: Payment
    ship_from: Address
    ship_to: Address
    delivery_mode: DeliveryMode = "express"
    handover_hash: Sha256 | None = omitted_at(None)
    """SHA-256 of `{order_id}:{code}`: the code that the buyer gives where the goods are handed over."""
    ship_by: Time | None = None
    policy: PolicyName | None = None
    device_hash: Digest | None = omitted_at(None)
    """The buyer's device, as the storefront's own hash of it."""
    place_hash: Digest | None = omitted_at(None)
    """The address text, as the storefront's own hash of it."""
    proof: SenderProof | None = Field(default=None, exclude=True)
    """That the storefront starts it, where the policy asks for one; not kept."""

    @model_validator(mode="after")
    def _adds_up(self) -> Order:
        if self.delivery_mode == "pickup" and self.handover_hash is None:
            raise ValueError("handover_hash: an order that the buyer collects needs the hash of the buyer's code")
        if self.delivery_mode in {"express", "virtual"} and self.handover_hash is not None:
            raise ValueError(
                f"handover_hash: nothing is handed over by code where delivery_mode is {self.delivery_mode}"
            )
        if len({line.line_id for line in self.lines}) != len(self.lines):
            raise ValueError("lines: two lines have the same line_id")
        goods = sum(line.price_minor for line in self.lines)
        if goods > MAX_AMOUNT_MINOR:
            raise ValueError(f"lines: the goods, {goods}, are more than can be moved at once")
        if self.discount_minor > goods:
            raise ValueError(f"discount_minor: {self.discount_minor} is more than the goods, {goods}")
        due = goods + self.freight_minor - self.discount_minor
        if self.total_minor != due:
            raise ValueError(
                f"total_minor: goods {goods} + freight {self.freight_minor} - discount {self.discount_minor}"
                f" is {due}, not {self.total_minor}"
            )
        if self.payment.paid_minor < self.total_minor:
            raise ValueError(
                f"payment.paid_minor: {self.payment.paid_minor} does not cover total_minor {self.total_minor}"
            )
        return self


# --- commands ------------------------------------------------------------------------------------------

Stage = Literal[
    "label",
    "picked_up",
    "in_transit",
    "arrived",
    "out_for_delivery",
    "locker",
    "delivered",
    "returning",
    "returned",
    "refused",
    "exception",
    "customs",
    "cancelled",
]


class ParcelReport(Message):
    """A parcel as its merchant reports it; `lines` null means all that is left. `carrier_name` goes with `other`."""

    parcel_id: Id
    carrier: Word
    waybill: Word
    lines: Annotated[tuple[LineQuantity, ...], Field(max_length=200)] | None = None
    weight_g: Annotated[int, Field(strict=True, ge=1, le=1_000_000_000)] | None = None
    carrier_name: Text | None = None


class Scan(Message):
    """One event of a parcel. `at` is when it happened; `city` and `text` are the carrier's words."""

    at: Time
    code: Code
    stage: Stage
    city: Place | None = None
    text: Told | None = None


class ReportShipment(Command):
    """The merchant has handed one or more parcels to a carrier."""

    verb: ClassVar[str] = "report_shipment"
    parcels: Annotated[tuple[ParcelReport, ...], Field(min_length=1, max_length=50)]


class CorrectWaybill(Command):
    """The merchant corrects a parcel's carrier or number."""

    verb: ClassVar[str] = "correct_waybill"
    parcel_id: Id
    carrier: Word
    waybill: Word
    reason: Reason
    carrier_name: Text | None = None


class ReportScan(Command):
    """A carrier's gateway pushes scans of one waybill."""

    verb: ClassVar[str] = "report_scan"
    carrier: Word
    waybill: Word
    scans: Annotated[tuple[Scan, ...], Field(min_length=1, max_length=500)]
    provider: Word


class ConfirmReceipt(Command):
    """The buyer has the goods."""

    verb: ClassVar[str] = "confirm_receipt"
    reason: Reason | None = None


class ExtendReceipt(Command):
    """The buyer needs more time."""

    verb: ClassVar[str] = "extend_receipt"
    reason: Reason | None = None


class CancelOrder(Command):
    """The buyer, or an operator, calls the order off."""

    verb: ClassVar[str] = "cancel_order"
    reason: Reason


class DecideAudit(Command):
    """A reviewer's verdict on a parcel in review."""

    verb: ClassVar[str] = "decide_audit"
    verdict: Literal["approved", "rejected"]
    reason: Reason
    parcel_id: Id | None = None


class AppealAudit(Command):
    """The merchant asks a person to look at a rejection."""

    verb: ClassVar[str] = "appeal_audit"
    statement: Reason
    parcel_id: Id | None = None


class DecideScreening(Command):
    """A reviewer lets held goods pass, or not."""

    verb: ClassVar[str] = "decide_screening"
    verdict: Literal["allow", "refuse"]
    reason: Reason


class AppealScreening(Command):
    """The merchant of refused or held goods asks a person to look at them."""

    verb: ClassVar[str] = "appeal_screening"
    statement: Reason


class ResolveRefund(Command):
    """One of two people reports the outcome of a refund that cannot be queried. The second, who agrees, settles it."""

    verb: ClassVar[str] = "resolve_refund"
    cause: Name
    outcome: Literal["arrived", "failed"]
    reference: Text
    reason: Reason


class PlaceHold(Command):
    """An operator stops money.

    Scope `credit` stops credit and settlement, `payout` settlement and withdrawal, `all` also refunds.
    """

    verb: ClassVar[str] = "place_hold"
    name: Name
    scope: Literal["credit", "payout", "all"]
    reason: Reason
    review_at: Time | None = None


def _long_enough(by: timedelta) -> timedelta:
    if abs(by) < timedelta(minutes=1):
        raise ValueError("must be at least 1m to either side")
    return by


class ShiftDeadline(Command):
    """An operator moves a deadline to later: a holiday, or a carrier that is out. A negative `by` takes moves back."""

    verb: ClassVar[str] = "shift_deadline"
    deadline: Literal["ship_by", "pickup_by", "receipt_by", "undelivered_by"]
    by: Annotated[SignedDuration, Field(ge=timedelta(days=-60), le=timedelta(days=60)), AfterValidator(_long_enough)]
    reason: Reason


class LiftHold(Command):
    """An operator lifts a hold, so that money moves again."""

    verb: ClassVar[str] = "lift_hold"
    name: Name
    reason: Reason
    scope: Literal["credit", "payout", "all"] | None = None
    review_at: Time | None = None


_COMMANDS: tuple[type[Command], ...] = (
    ReportShipment,
    *PROMISE_COMMANDS,
    *HANDOVER_COMMANDS,
    CorrectWaybill,
    ReportScan,
    ConfirmReceipt,
    ExtendReceipt,
    CancelOrder,
    DecideAudit,
    AppealAudit,
    DecideScreening,
    AppealScreening,
    ResolveRefund,
    RefundOrder,
    ShiftDeadline,
    PlaceHold,
    LiftHold,
    *AFTER_SALE_COMMANDS,
)
ORDER_COMMANDS: Mapping[str, type[Command]] = {command.verb: command for command in _COMMANDS}
