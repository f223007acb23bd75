"""An order's money by line: what the buyer paid for each, what goes back, what the merchant and the platform get.

Escrow holds what the buyer paid, freight included. Commission is taken on what the buyer paid for goods, per line
at the rate the order began under. Freight bears no commission and goes back with the last line.
"""

from __future__ import annotations

from collections.abc import Mapping

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


def refunded_minor(line: LineState, ended: int) -> int:
    """What has gone back for a line once `ended` of its units have: a floor, exact at the end."""
    return line.paid_minor * ended // line.quantity


def end_units(state: OrderState, units: Mapping[str, int]) -> tuple[tuple[LineState, ...], int]:
    """Lines with these further units ended, and what that gives back to the buyer (freight with the last line)."""
    lines = tuple(
        line.changed(ended=min(line.quantity, line.ended + units.get(line.line_id, 0))) for line in state.lines
    )
    amount = sum(
        refunded_minor(after, after.ended) - refunded_minor(before, before.ended)
        for before, after in zip(state.lines, lines, strict=True)
    )
    if not everything_ended(state) and all(line.ended == line.quantity for line in lines):
        amount += state.order.freight_minor
    return lines, amount


def credit_shares(state: OrderState) -> CreditShares:
    """What the merchant and the platform get of what is left."""
    commission = discount = goods = 0
    for line in state.lines:
        back = refunded_minor(line, line.ended)
        goods += line.paid_minor - back
        commission += line.commission_minor - given_back(line.commission_minor, back, line.paid_minor)
        discount += line.discount_minor - line.discount_minor * line.ended // line.quantity
    left = goods + state.order.freight_minor
    return CreditShares(proceeds_minor=left - commission, commission_minor=commission, discount_minor=discount)


def everything_ended(state: OrderState) -> bool:
    """Nothing of the order is left for the merchant."""
    return all(line.ended == line.quantity for line in state.lines)
