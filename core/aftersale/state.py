"""What an after-sale case is: what is asked for and why, its stage and when that ends, and what each side said.

A case knows of its order only the `CaseFacts`. It decides what money moves and never moves it. The stages `refunding`
(with an `Award`) and `exchanging` ask the order to act.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from core.aftersale.limits import AfterSaleLimits
from core.aftersale.messages import CaseBearer, CaseKind, CaseReason, Evidence
from core.command import Actor, LineQuantity
from core.fields import Message, Time, omitted_at
from core.money import format_minor
from core.parcels import Parcel
from core.parts import Part

CaseStage = Literal[
    "applied",
    "proposed",
    "refused",
    "awaiting_return",
    "returning",
    "inspecting",
    "arbitration",
    "replacing",
    "replacement_sent",
    "replacement_delivered",
    "exchanged",
    "refunding",
    "refunded",
    "disputed",
    "won",
    "lost",
    "claimed",
    "charging",
    "paid_back",
    "unpaid",
    "closed",
]
REPLACING: frozenset[CaseStage] = frozenset({"replacing", "replacement_sent", "replacement_delivered"})
"""Stages of an exchange after the credit: the buyer waits for new goods."""
OPEN: frozenset[CaseStage] = REPLACING | {
    "applied",
    "proposed",
    "refused",
    "awaiting_return",
    "returning",
    "inspecting",
    "arbitration",
    "disputed",
    "claimed",
    "charging",
}
"""Stages that wait for one side, a reviewer or the channel. The order's money waits meanwhile."""
Side = Literal["buyer", "merchant", "reviewer", "operator"]


class DueStage(Part):
    """When a stage ends by itself. At `remind_at` the awaited side gets a reminder."""

    name: str
    at: Time
    remind_at: Time | None = None


class Exhibit(Part):
    """One piece of evidence, and who gave it when."""

    by: Actor
    at: Time
    what: Evidence


class Said(Part):
    """What one side said with a verb: a reason, or an amount."""

    verb: str
    by: Actor
    at: Time
    text: str | None = None
    amount_minor: int | None = None


class Award(Part):
    """What a case gives the buyer: all that it is about, or an amount; and who bears it."""

    amount_minor: int | None = None
    bearer: Literal["merchant", "platform"] = "merchant"


class Above(Part):
    """What a channel took above what was left of the order, since the buyer had it already; and who bears it.

    `platform_minor` of it is the platform's where the merchant bears it: its commission on what a buyer had paid again.
    `owed` → `booked` → `returned`, when the dispute was won.
    """

    amount_minor: int
    bearer: Literal["merchant", "platform"] = "platform"
    platform_minor: int = omitted_at(0)
    status: Literal["owed", "booked", "returned"] = "owed"

    @property
    def from_merchant_minor(self) -> int:
        """What of it the merchant bears."""
        return self.amount_minor - self.platform_minor if self.bearer == "merchant" else 0


class Dispute(Part):
    """A chargeback: the channel's name for it, and what the channel takes for it, from whom."""

    reference: str
    fee_minor: int = 0
    fee_bearer: Literal["merchant", "platform"] = "merchant"
    fee_booked: bool = False
    above: Above | None = omitted_at(None)
    claim: int | None = omitted_at(None)
    """The case of the claim whose payment it is about; None: the order's own payment."""


class Ruling(Part):
    """What the first of two reviewers decided about a claim; None: nothing is to be paid."""

    by: str
    amount_minor: int | None = None


class ClaimBack(Part):
    """Money that a buyer must pay again, for goods that came although their money had gone back.

    The amounts are fixed when the channel is asked. Of what the buyer pays, the platform gets its commission and what
    it had borne of the refunds; the rest is the merchant's, and the platform adds its discount, as with a credit.
    `confirmed`: the channel has the money. `booked`: so do the books.
    """

    amount_minor: int = 0
    commission_minor: int = omitted_at(0)
    discount_minor: int = omitted_at(0)
    goodwill_minor: int = omitted_at(0)
    status: Literal["open", "asked", "confirmed", "booked"] = "open"
    reference: str | None = omitted_at(None)
    ruling: Ruling | None = omitted_at(None)
    ruled_by: tuple[str, ...] = omitted_at(())
    """The two reviewers who decided it, where the buyer objected."""
    votes: tuple[tuple[str, str], ...] = omitted_at(())
    """The votes on an outcome that the channel does not say: (person, outcome)."""


class AfterSaleCase(Part):
    """One case between two events. Frozen: every change is a new case."""

    case_id: int
    kind: CaseKind | Literal["chargeback", "claim_back"]
    reason: CaseReason | Literal["chargeback", "claim_back"]
    lines: tuple[LineQuantity, ...] | None = None
    amount_minor: int | None = None
    opened_by: Actor
    opened_at: Time
    stage: CaseStage = "applied"
    since: Time
    due: DueStage | None = None
    said: tuple[Said, ...] = ()
    evidence: tuple[Exhibit, ...] = ()
    parcel: Parcel | None = None
    """The goods on their way back."""
    replacement: Parcel | None = omitted_at(None)
    """The new goods of an exchange after the credit."""
    award: Award | None = None
    return_freight: CaseBearer
    """Who pays for the way back."""
    return_freight_minor: int = omitted_at(0)
    """What the buyer gets for the way back, beside the refund. 0: the parties settle it, and the books move nothing."""
    cause: str | None = None
    """The cause of the refund that it led to."""
    closed_as: str | None = None
    """Why it ended without a refund or an exchange."""
    dispute: Dispute | None = omitted_at(None)
    """Of a chargeback."""
    claim: ClaimBack | None = omitted_at(None)
    """Of what is claimed back from the buyer."""

    @property
    def by_buyer(self) -> bool:
        """Whether it is about money or goods for the buyer: no chargeback, and nothing that is claimed back."""
        return self.dispute is None and self.claim is None

    @property
    def open(self) -> bool:
        """Whether its money is not decided."""
        return self.stage in OPEN

    @property
    def parcels(self) -> tuple[Parcel, ...]:
        """Its own parcels: the goods that came back, and the new ones."""
        return tuple(parcel for parcel in (self.parcel, self.replacement) if parcel is not None)

    @property
    def on_its_way(self) -> Parcel | None:
        """The parcel that the case waits for, or waited for last."""
        return self.replacement or self.parcel

    def with_parcel(self, changed: Parcel) -> AfterSaleCase:
        """The case with this one of its parcels."""
        if self.replacement is not None and self.replacement.parcel_id == changed.parcel_id:
            return self.changed(replacement=changed)
        return self.changed(parcel=changed)

    @property
    def subject(self) -> str:
        """Its name among the order's deadlines and holds."""
        return f"case-{self.case_id}"

    @property
    def chargeback(self) -> str:
        """The cause under which the order keeps what a channel took back."""
        return f"chargeback-{self.case_id}"

    @property
    def freight(self) -> str:
        """The cause of the refund of what the way back cost."""
        return f"{self.subject}-freight"

    @property
    def claim_name(self) -> str:
        """The name under which people resolve what the channel says of a claim."""
        return f"claim-{self.case_id}"

    @property
    def offer(self) -> Said | None:
        """The amount that was proposed last."""
        return next((said for said in reversed(self.said) if said.verb == "propose_amount"), None)

    def entering(self, stage: CaseStage, now: datetime, due: DueStage | None = None) -> AfterSaleCase:
        """The case at another stage."""
        return self.changed(stage=stage, since=now, due=due)


class CaseFacts(Message):
    """What a case must know of its order at one moment.

    `units` are those left, by line; `delivered_units` those of them that the buyer has. `refundable_minor` is what may
    still go back of the whole order, `scope_minor` of what the case is about. `freight_given_minor` is what its other
    cases gave for ways back. `earned`: the order is credited, and no default ends a part of it. `outbound` are the
    numbers of the order's own parcels, `parcel_ids` the names in use.
    """

    limits: AfterSaleLimits
    currency: str
    units: dict[str, int] = {}
    delivered_units: dict[str, int] = {}
    known_lines: tuple[str, ...] = ()
    refundable_minor: int = 0
    scope_minor: int = 0
    freight_given_minor: int = 0
    delivered: bool = False
    credited: bool = False
    by_carrier: bool = True
    earned: bool = False
    window_ends_at: Time | None = None
    outbound: tuple[str, ...] = ()
    parcel_ids: tuple[str, ...] = ()

    def shown(self, amount_minor: int) -> str:
        """An amount as people read it."""
        return format_minor(amount_minor, self.currency)
