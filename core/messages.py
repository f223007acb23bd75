"""Every payload and name that crosses a process: the contract with storefronts, operators and ourselves.

Money is integer minor units with an ISO 4217 currency; times are aware. Across Temporal unknown fields are
ignored; where people type (`strictly=True`) they are refused.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from core.money import CURRENCIES, MAX_AMOUNT_MINOR
from core.reasons import Refusal, refuse

TASK_QUEUE = "dakuan"
DEPLOYMENT = "dakuan"
"""The worker deployment whose builds DAKUAN_BUILD_ID names."""
ORDER_WORKFLOW = "OrderWorkflow"
WITHDRAWAL_WORKFLOW = "WithdrawalWorkflow"
AUTO_WITHDRAWAL_WORKFLOW = "AutoWithdrawalWorkflow"
RECONCILIATION_WORKFLOW = "ReconciliationWorkflow"


def order_workflow_id(order_id: str) -> str:
    """`order-{order_id}`; no `/`, which the HTTP API cannot route."""
    return f"order-{order_id}"


def withdrawal_workflow_id(withdrawal_id: str) -> str:
    """`withdrawal-{withdrawal_id}`."""
    return f"withdrawal-{withdrawal_id}"


def reconciliation_workflow_id(scope: str, name: str) -> str:
    """`reconciliation-{scope}-{name}`; a schedule of this id adds the time to the workflow's."""
    return f"reconciliation-{scope}-{name}"


def refund_key(order_id: str, cause: str) -> str:
    """The key of a refund at its channel: short enough for any of them, and the same for ever."""
    return hashlib.sha256(f"order/{order_id}/refund/{cause}".encode()).hexdigest()[:32]


def automatic_withdrawal_id(order_id: str) -> str:
    """The id of the withdrawal that an order starts for its own proceeds: one an order, for ever."""
    direct = f"auto-{order_id}"
    return direct if len(direct) <= 64 else f"auto-{hashlib.sha256(order_id.encode()).hexdigest()[:40]}"


def auto_withdrawal_schedule_id(merchant_id: str, currency: str) -> str:
    """The schedule of a merchant's automatic withdrawals in one currency, and the beginning of its workflows' ids."""
    return f"auto-withdrawal-{merchant_id}-{currency}"


def scheduled_withdrawal_id(merchant_id: str, currency: str, due_at: datetime) -> str:
    """The id of the withdrawal that a schedule starts at this nominal time: one a time, whatever is tried again."""
    told = f"{merchant_id}/{currency}/{due_at.astimezone(UTC).isoformat(timespec='seconds')}"
    return f"sched-{due_at.astimezone(UTC):%Y%m%dT%H%M%S}-{hashlib.sha256(told.encode()).hexdigest()[:24]}"


# --- field types ---------------------------------------------------------------------------------------


# Control characters save tab and new line, and halves of surrogate pairs: no database or terminal takes them. Spelled
# out, since Python's own tables grow with each version, and a replay must decide as the first run did.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_CARRIAGE_RETURN = re.compile("\r\n?")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_PHONE = re.compile(r"(?<!\d)\+?\d[\d -]{5,}\d", re.ASCII)
_YEARS = range(1970, 2200)


def _printable(text: str) -> str:
    if (found := _UNPRINTABLE.search(text)) is not None:
        raise ValueError(f"contains the control character U+{ord(found.group()):04X}")
    return text


def _without_returns(value: object) -> object:
    return _CARRIAGE_RETURN.sub(" ", value) if isinstance(value, str) else value


def _rfc3339(value: object) -> object:
    """Only this form: pydantic alone would also read "1700000000" as a time."""
    if isinstance(value, datetime) or (isinstance(value, str) and _RFC3339.fullmatch(value)):
        return value
    raise ValueError("must be an RFC 3339 time with an offset, such as 2026-11-22T16:00:00+08:00")


def _in_utc(at: datetime) -> datetime:
    """One instant, one spelling: content hashes must not depend on the sender's offset."""
    if at.year not in _YEARS:
        # A delay added to the year 9999 would overflow, in the middle of a workflow task.
        raise ValueError(f"must lie between {_YEARS[0]} and {_YEARS[-1]}")
    return at.astimezone(UTC)


def _no_phone(place: str) -> str:
    if _PHONE.search(place):
        raise ValueError("must be the name of a region, and holds what looks like a phone number")
    return place


def _known_currency(code: str) -> str:
    if code not in CURRENCIES:
        raise ValueError("must be an ISO 4217 code, such as CNY")
    return code


Id = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9_-]{1,64}$")]
PolicyName = Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z0-9_-]{1,64}$")]
Name = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9_-]{1,100}$")]
"""A hold or a refund's cause; some are made from an id and a word."""
Text = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=500), AfterValidator(_printable)]
Title = Annotated[Text, BeforeValidator(_without_returns)]
"""Goods' titles are pasted from elsewhere; a paid order is not refused for a Windows line break in one."""
Reason = Annotated[
    str,
    StringConstraints(strict=True, strip_whitespace=True, max_length=500),
    AfterValidator(_printable),
]
Word = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=64), AfterValidator(_printable)]
"""A carrier, a waybill: somebody else's name for something."""
Reference = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=255), AfterValidator(_printable)]
"""A payment provider's id of something. Stripe's may have 255 characters, and a Checkout session's has 66."""
Code = Annotated[str, StringConstraints(strict=True, max_length=64), AfterValidator(_printable)]
Told = Annotated[str, StringConstraints(strict=True, max_length=500), AfterValidator(_printable)]
"""What a carrier or a rail says in its own words; may be empty."""
Place = Annotated[str, StringConstraints(strict=True, max_length=80), AfterValidator(_printable)]
Region = Annotated[Place, AfterValidator(_no_phone)]
"""A country's part that a person cannot be found by."""
Currency = Annotated[
    str,
    StringConstraints(strict=True),
    AfterValidator(_known_currency),
    WithJsonSchema({"type": "string", "pattern": "^[A-Z]{3}$"}),
]
AmountMinor = Annotated[int, Field(strict=True, ge=1, le=MAX_AMOUNT_MINOR)]
AmountOrZero = Annotated[int, Field(strict=True, ge=0, le=MAX_AMOUNT_MINOR)]
Quantity = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
Time = Annotated[AwareDatetime, BeforeValidator(_rfc3339), AfterValidator(_in_utc)]


class Message(BaseModel):
    """A frozen payload. Unknown fields are ignored unless `read(..., strictly=True)` refuses them."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


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
    """The buyer's payment as the storefront tells it; `paid_minor` is the whole of it, for one or several orders."""

    reference: Reference
    channel: Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z0-9_-]{1,32}$")]
    paid_minor: AmountMinor
    paid_at: Time


class Address(Message):
    """Where from or to, no finer than a district: street, name and full phone never enter; see `core.personal`."""

    country: Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Z]{2}$")]
    province: Region | None = None
    city: Region | None = None
    district: Region | None = None
    phone_last4: Annotated[str, StringConstraints(strict=True, pattern=r"^[0-9]{4}$")] | None = None


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
    delivery_mode: Literal["express"] = "express"
    ship_by: Time | None = None
    policy: PolicyName | None = None

    @model_validator(mode="after")
    def _adds_up(self) -> Order:
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

Role = Literal["storefront", "merchant", "buyer", "carrier", "channel", "rail", "reviewer", "operator", "system"]
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


class Actor(Message):
    """Who sends a command. The namespace is the boundary of trust; identities are checked before it."""

    role: Role
    id: Id


class Command(Message):
    """What every command carries. `verb` is the name of its Update and of its Signal."""

    verb: ClassVar[str] = ""
    command_id: Id
    actor: Actor

    @classmethod
    def purpose(cls) -> str:
        """What it says, in one line: people see it beside the verb. It is the first line of the docstring."""
        return (cls.__doc__ or "").strip().partition("\n")[0]


class LineQuantity(Message):
    """How much of one line of the order a parcel holds."""

    line_id: Id
    quantity: Quantity


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
    shipped_at: Time | None = None


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


class ResolveRefund(Command):
    """One of two people says what became of a refund that nobody can query; the second settles it."""

    verb: ClassVar[str] = "resolve_refund"
    cause: Name
    outcome: Literal["arrived", "failed"]
    reference: Text
    reason: Reason


class PlaceHold(Command):
    """An operator stops money.

    Scope `credit` stops credit and settlement, `payout` the automatic withdrawal, `all` also refunds.
    """

    verb: ClassVar[str] = "place_hold"
    name: Name
    scope: Literal["credit", "payout", "all"]
    reason: Reason
    review_at: Time | None = None


class LiftHold(Command):
    """An operator lets money move again."""

    verb: ClassVar[str] = "lift_hold"
    name: Name
    reason: Reason
    scope: Literal["credit", "payout", "all"] | None = None
    review_at: Time | None = None


ORDER_COMMANDS: Mapping[str, type[Command]] = {
    command.verb: command
    for command in (
        ReportShipment,
        CorrectWaybill,
        ReportScan,
        ConfirmReceipt,
        ExtendReceipt,
        CancelOrder,
        DecideAudit,
        AppealAudit,
        DecideScreening,
        ResolveRefund,
        PlaceHold,
        LiftHold,
    )
}


class NextDeadline(Message):
    """What passes next, and when."""

    name: str
    at: Time


class Answer(Message):
    """The answer of an accepted update. A duplicate gets the first answer, its outcome apart."""

    outcome: Literal["accepted", "duplicate"]
    phase: str
    audit: str
    receipt: str
    next_deadline: NextDeadline | None = None


class JournalEntry(Message):
    """One line of an order's or withdrawal's journal: what came in, and what was answered."""

    seq: int
    at: Time
    channel: Literal["update", "signal", "deadline", "system"]
    verb: str
    command_id: str | None = None
    actor: Actor | None = None
    outcome: Literal["accepted", "duplicate", "refused", "noted"]
    code: str | None = None
    message: str | None = None


class HoldView(Message):
    """Why money is not here yet."""

    reason: str
    since: Time
    expected_release: Time | None = None
    who_can_act: str
    what_helps: str
    what_helps_zh: str | None = None
    """The same in Chinese, where it is said in Chinese."""


# --- withdrawals ---------------------------------------------------------------------------------------


class Withdrawal(Message):
    """The input of `WithdrawalWorkflow`: a merchant asks for a part of what is available.

    `policy` names the limits it lives under, `default` unless given; a merchant does not choose it. `leaving` waives
    the minimum, so that a merchant who goes can take the last cent along; only an operator says so.
    """

    withdrawal_id: Id
    merchant_id: Id
    amount_minor: AmountMinor
    currency: Currency
    account_id: Id
    requested_by: Actor
    # Left out where they say nothing, so that a request from before they existed is still the same content.
    policy: PolicyName | None = Field(default=None, exclude_if=lambda value: value is None)
    leaving: Annotated[bool, Field(strict=True)] = Field(default=False, exclude_if=lambda value: value is False)


class Resumption(Message):
    """The other input of `WithdrawalWorkflow`: go on with a withdrawal that the register knows, whatever became of its
    workflow. A report about its payout that comes after the end starts it so.
    """

    withdrawal_id: Id


class AutomaticWithdrawals(Message):
    """The input of `AutoWithdrawalWorkflow`: withdraw what is available, less `keep_minor`, if it is `minimum_minor`.

    Without `account_id` it goes to the merchant's default account of that moment.
    """

    merchant_id: Id
    currency: Currency
    account_id: Id | None = None
    keep_minor: AmountOrZero = 0
    minimum_minor: AmountMinor = 1
    policy: PolicyName | None = None


class CancelWithdrawal(Command):
    """The merchant takes the request back, before it is submitted."""

    verb: ClassVar[str] = "cancel"
    reason: Reason | None = None


class ApproveWithdrawal(Command):
    """One of two people lets a large withdrawal go, or says that what was wrong on our side is right again."""

    verb: ClassVar[str] = "approve"
    reason: Reason | None = None


class RejectWithdrawal(Command):
    """A person refuses a withdrawal; the money is given back."""

    verb: ClassVar[str] = "reject"
    reason: Reason


class ResolveUnknown(Command):
    """One of two people says, with the bank's reference, what became of a payout nobody can query."""

    verb: ClassVar[str] = "resolve_unknown"
    outcome: Literal["paid", "failed"]
    reference: Text
    reason: Reason


class RecheckWithdrawal(Command):
    """Look again whether it may still go: its account was suspended, or its merchant owes money since."""

    verb: ClassVar[str] = "recheck"
    reason: Reason | None = None


FailureClass = Literal["payee", "quota", "ours", "risk", "user", "unknown"]
"""Why a rail refused: the payee is bad · a limit of the day · our own account · risk control · the payee did not act.

`unknown` is a code that no table knows: it decides nothing.
"""


class ReportPayout(Command):
    """A rail's callback: what became of the payout with this key. Each `event_id` counts once.

    `failure` is the class of the rail's `code`, by the table of whoever verified the callback; null: not classified.
    """

    verb: ClassVar[str] = "report_payout"
    event_id: Id
    key: Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9]{1,32}$")]
    outcome: Literal["paid", "failed", "returned"]
    amount_minor: AmountMinor
    currency: Currency
    failure: FailureClass | None = None
    code: Code | None = None
    message: Told | None = None


WITHDRAWAL_COMMANDS: Mapping[str, type[Command]] = {
    command.verb: command
    for command in (
        CancelWithdrawal,
        ApproveWithdrawal,
        RejectWithdrawal,
        ResolveUnknown,
        ReportPayout,
        RecheckWithdrawal,
    )
}

# --- reading -------------------------------------------------------------------------------------------

M = TypeVar("M", bound=Message)


def content_hash(message: Message) -> str:
    """SHA-256 of the canonical JSON: equal exactly when the content is."""
    body = json.dumps(message.model_dump(mode="json"), ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(body.encode()).hexdigest()


def reasons_of(error: ValidationError) -> list[dict[str, str]]:
    """Field by field what was wrong: `[{"field": "lines.0.quantity", "message": "…"}]`."""
    reasons = []
    details = error.errors(include_url=False, include_input=False, include_context=False)
    for detail in details:
        if detail["type"] == "too_short" and any(_lies_in(other["loc"], detail["loc"]) for other in details):
            continue  # it is only short of what was wrong, which has its own reason
        field = ".".join(_shown(part) for part in detail["loc"])
        message = detail["msg"].removeprefix("Value error, ")
        head, colon, tail = message.partition(": ")
        if not field and colon and " " not in head:
            field, message = head, tail
        reasons.append({"field": field or "(whole)", "message": message})
    return reasons


def _lies_in(inner: tuple[str | int, ...], outer: tuple[str | int, ...]) -> bool:
    return len(inner) > len(outer) and inner[: len(outer)] == outer


def _shown(part: str | int) -> str:
    """A part of a path; an unknown field's name is the sender's, and goes to a terminal."""
    return _UNPRINTABLE.sub("\ufffd", str(part)[:80])


class Unreadable(Message):
    """What a payload becomes that nobody can decode: a value that is refused, instead of an exception that wedges."""

    why: str


def read(model: type[M], body: Any, code: str = "malformed", *, strictly: bool = False) -> M | Refusal:
    """A message from decoded JSON, or the refusal that names the first wrong field and sums up the rest.

    Total: any Python value gets an answer, none an exception.
    """
    if isinstance(body, Unreadable):
        return refuse(code, body.why)
    try:
        return model.model_validate(body, extra="forbid" if strictly else "ignore")
    except ValidationError as error:
        reasons = reasons_of(error)
        detail = "; ".join(f"{reason['field']}: {reason['message']}" for reason in reasons[:10])
        return refuse(code, detail, field=reasons[0]["field"])
    except (RecursionError, ValueError, TypeError) as error:
        return refuse(code, f"It cannot be read: {type(error).__name__}.")


def read_command(
    commands: Mapping[str, type[Command]], verb: str, body: Any, *, strictly: bool = False
) -> Command | Refusal:
    """The command of this verb from decoded JSON, or why not."""
    model = commands.get(verb)
    if model is None:
        return refuse("unknown_verb", f"Known: {', '.join(sorted(commands)) or 'none'}.")
    return read(model, body, strictly=strictly)
