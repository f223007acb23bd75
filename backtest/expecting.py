"""The expected outcome of a past order: from its own record alone, without the product's rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from backtest.past import PastOrder

Ending = Literal["never_paid", "settled", "cancelled", "refunded"]


@dataclass(frozen=True)
class Expectation:
    """How the order should end, and the fact of the record that decides it.

    `settled` the merchant has the money · `cancelled` the goods never left, the buyer has it back · `refunded` they
    left, and the buyer has it back · `never_paid` there was no money to hold.
    """

    ending: Ending
    because: str


def expectation(past: PastOrder) -> Expectation:
    """What should happen to the money."""
    if past.paid_at is None:
        return Expectation("never_paid", "the payment was never approved")
    moved = past.picked_up_at is not None or past.delivered_at is not None
    if past.status == "canceled":
        return _of_canceled(past, moved)
    if past.delivered_at is not None:
        return Expectation("settled", "it was delivered")
    if past.status == "delivered":
        return Expectation("settled", "its status is delivered, though no time of delivery is recorded")
    if moved:
        return Expectation("refunded", "a carrier had it and never delivered it")
    return Expectation("cancelled", f"no carrier ever had it ({past.status})")


def _of_canceled(past: PastOrder, moved: bool) -> Expectation:
    if past.delivered_at is not None:
        return Expectation("refunded", "it was canceled although it had been delivered")
    if moved:
        return Expectation("refunded", "it was canceled while a carrier had it")
    return Expectation("cancelled", "it was canceled before a carrier had it")
