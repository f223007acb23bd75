"""Money that goes back to a buyer, or is kept from a merchant, for an order."""

from __future__ import annotations

from typing import Literal

from core.fields import Name, Time, omitted_at
from core.movements import LinePart, Source
from core.parts import Part

Bearer = Literal["merchant", "platform"]
"""Who bears a refund."""


class Refund(Part):
    """Money on its way back to the buyer. `cause` names this refund and no other, also after a reset.

    `commission_minor` is the part of the amount that the platform gives back, `discount_minor` what it takes back of
    its own on top: both once the order was credited, before that they were never taken. `lines` says what each line
    gives, until the refund is booked.

    `owed` → `booked` in the ledger, and sent to the channel → `confirmed` by the channel → `arrived`, booked too.
    A refund that the channel refused (`failed`) or whose outcome stays unknown (`stuck`) waits for two people. One that
    was refused arrived as well where the buyer's bank took the same money by a chargeback.
    """

    cause: Name
    amount_minor: int
    reason: str
    since: Time
    bearer: Bearer = "merchant"
    source: Source = "escrow"
    """Where the order's money stood when it was decided."""
    commission_minor: int = 0
    discount_minor: int = 0
    lines: tuple[LinePart, ...] = ()
    status: Literal["owed", "booked", "stuck", "confirmed", "arrived", "failed"] = "owed"
    reference: str | None = None
    votes: tuple[tuple[str, str], ...] = ()
    """The votes on its outcome: (person, outcome)."""
    chargeback: int | None = omitted_at(None)
    """The case of the chargeback that took it: the channel has it already, and `lines` stay, to be won back."""
    covered_by: int | None = omitted_at(None)
    """The case of the lost chargeback by which the buyer has it, although the channel refused the refund."""

    @property
    def from_merchant_minor(self) -> int:
        """What it costs the merchant: nothing where the platform bears it."""
        return self.amount_minor - self.commission_minor + self.discount_minor if self.bearer == "merchant" else 0


class OpenRefundRequest(Part):
    """What the first of two people asked to give back: the request as it was sent, who and when.

    `cause` names the refund that results from it.
    """

    wish: str
    by: str
    at: Time
    cause: Name


class Frozen(Part):
    """Money of the merchant that is kept for the order.

    `number` counts the times that money was frozen. `asked_minor` is how much was to be frozen since the last release:
    the books froze at most what there was. `claimed_minor` of it was paid again by the buyer while the merchant was
    frozen.
    """

    number: int
    asked_minor: int = 0
    claimed_minor: int = omitted_at(0)
    again_minor: int = omitted_at(0)
    """What a channel gave back since: it is available, and is to be frozen again if it is kept still."""
