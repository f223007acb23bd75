"""An order's money by line: what the buyer paid for each, what goes back, what the merchant and the platform get.

Escrow holds what the buyer paid, freight included. Commission is taken on what the buyer paid for goods, per line
at the rate the order began under. Freight bears no commission and goes back with the last line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from core.budgets import TITLE_KEPT
from core.fields import Message
from core.messages import Order
from core.money import given_back, share_bps, spread
from core.order.state import LineState, OrderState
from core.policy import OrderPolicy


class CreditShares(Message):
    """How an order's escrow is divided when it is credited, all in minor units.

    `proceeds_minor` + `commission_minor` is what is left in escrow; `discount_minor` comes on top, from the platform.
    """

    proceeds_minor: int
    commission_minor: int
    discount_minor: int


def lines_of(order: Order, policy: OrderPolicy) -> tuple[LineState, ...]:
    """The order's lines with the discount spread over them by price and the commission fixed."""
    discounts = spread(order.discount_minor, [line.price_minor for line in order.lines])
    platform_pays = order.discount_funded_by == "platform"
    return tuple(
        LineState(
            line_id=line.line_id,
            title=line.title[:TITLE_KEPT],
            category=line.category,
            quantity=line.quantity,
            paid_minor=line.price_minor - discount,
            discount_minor=discount if platform_pays else 0,
            commission_minor=share_bps(
                line.price_minor - discount, policy.commission_for(order.merchant_id, line.category)
            ),
        )
        for line, discount in zip(order.lines, discounts, strict=True)
    )


def end_units(state: OrderState, units: Mapping[str, int]) -> tuple[tuple[LineState, ...], int]:
    """Lines with these further units ended, and what that gives back to the buyer (freight with the last line)."""
    lines = tuple(_without(line, units.get(line.line_id, 0)) for line in state.lines)
    amount = _refunded(lines) - _refunded(state.lines)
    if not everything_ended(state) and all(line.ended == line.quantity for line in lines):
        amount += state.order.freight_minor
    return lines, amount


def _without(line: LineState, units: int) -> LineState:
    """The line with these units ended: what is left of it, by units; the last unit takes all that is left."""
    left = line.quantity - line.ended
    units = min(units, left)
    if not units:
        return line
    back = line.left_minor * units // left
    return line.changed(ended=line.ended + units, refunded_minor=line.refunded_minor + back)


def _refunded(lines: Iterable[LineState]) -> int:
    return sum(line.refunded_minor for line in lines)


def credit_shares(state: OrderState) -> CreditShares:
    """What the merchant and the platform get of what is left."""
    commission = discount = goods = 0
    for line in state.lines:
        back = line.refunded_minor
        goods += line.left_minor
        commission += line.commission_minor - given_back(line.commission_minor, back, line.paid_minor)
        discount += line.discount_minor - _discount_back(line)
    left = goods + state.order.freight_minor
    return CreditShares(proceeds_minor=left - commission, commission_minor=commission, discount_minor=discount)


def _discount_back(line: LineState) -> int:
    """The platform's discount goes back in proportion; a line that the platform paid whole has only its units."""
    if not line.paid_minor:
        return line.discount_minor * line.ended // line.quantity
    return given_back(line.discount_minor, line.refunded_minor, line.paid_minor)


def everything_ended(state: OrderState) -> bool:
    """Nothing of the order is left for the merchant."""
    return all(line.ended == line.quantity for line in state.lines)
