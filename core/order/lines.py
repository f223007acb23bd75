"""A line of an order and its money."""

from __future__ import annotations

from core.fields import Id, omitted_at
from core.parts import Part


class LineState(Part):
    """A line and its money: `paid_minor` is what the buyer paid for it, `discount_minor` the platform's share."""

    line_id: Id
    title: str
    category: str
    quantity: int
    paid_minor: int
    discount_minor: int
    commission_minor: int
    ended: int = 0
    """Units that left the order: never shipped, or their parcel is over. Their money goes back to the buyer."""
    returned: int = omitted_at(0)
    """Units whose money goes back although their parcel stays in the order."""
    refunded_minor: int = omitted_at(0)
    """What goes back of `paid_minor`, in all; a refund of an amount takes no unit."""
    goodwill_minor: int = omitted_at(0)
    """The part of it that the platform bears: for this part the merchant keeps the money and the platform its
    commission.
    """

    @property
    def units_left(self) -> int:
        """Units whose money has not gone back."""
        return self.quantity - self.ended - self.returned

    @property
    def left_minor(self) -> int:
        """What may still go back of this line."""
        return self.paid_minor - self.refunded_minor

    @property
    def borne_minor(self) -> int:
        """What of the refunds the merchant bears."""
        return self.refunded_minor - self.goodwill_minor
