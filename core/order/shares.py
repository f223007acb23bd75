"""An order's money by line: what the buyer paid for each, what goes back, what the merchant and the platform get.

Escrow holds what the buyer paid, freight included. Commission is taken on what the buyer paid for goods, per line
at the rate the order began under. Freight bears no commission and goes back with the last unit, or where a decision
says so.

What went back is stored by line and never derived from units: a refund of an amount moves no unit. Commission and the
platform's discount follow it by the floor of the cumulative share, so that steps are exact in the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from core.budgets import TITLE_KEPT
from core.fields import Message
from core.messages import Order
from core.money import given_back, share_bps, spread
from core.order.lines import LineState
from core.order.refunds import Bearer
from core.order.state import OrderState
from core.policy import OrderPolicy


class CreditShares(Message):
    """How an order's escrow is divided when it is credited, all in minor units.

    `proceeds_minor` + `commission_minor` is what is left in escrow; `discount_minor` comes on top, from the platform.
    """

    proceeds_minor: int
    commission_minor: int
    discount_minor: int


class Split(Message):
    """What one refund takes, in minor units: the buyer gets `amount_minor`, `freight_minor` of it is freight.

    `commission_minor` is the part of it that the platform gives back. `discount_minor` goes back to the platform on
    top. Both are 0 where the platform bears the refund. `lines` are the order's lines after it.
    """

    lines: tuple[LineState, ...]
    amount_minor: int
    freight_minor: int = 0
    commission_minor: int = 0
    discount_minor: int = 0


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


# --- of one line -----------------------------------------------------------------------------------------


def commission_back(line: LineState) -> int:
    """The commission given back for this line so far."""
    return given_back(line.commission_minor, line.borne_minor, line.paid_minor)


def discount_back(line: LineState) -> int:
    """What the platform took back of its discount on this line so far.

    A line that cost the buyer nothing follows the units that left the order: no refund can be about it.
    """
    if line.paid_minor:
        return given_back(line.discount_minor, line.borne_minor, line.paid_minor)
    return line.discount_minor * line.ended // line.quantity


def _price_of(line: LineState, units: int) -> int:
    """What these units get of what is left of the line: a floor, exact with the last one."""
    return line.left_minor * units // line.units_left if units else 0


def _took(line: LineState, amount_minor: int, bearer: Bearer, **units: int) -> LineState:
    """The line once this much more of it went back."""
    of_platform = amount_minor if bearer == "platform" else 0
    return line.changed(
        refunded_minor=line.refunded_minor + amount_minor, goodwill_minor=line.goodwill_minor + of_platform, **units
    )


# --- of one refund ---------------------------------------------------------------------------------------


def end_units(state: OrderState, units: Mapping[str, int]) -> Split:
    """These further units leave the order and their money goes back; the freight with the last one.

    Units whose money went back before leave without any.
    """
    lines = []
    for line in state.lines:
        wanted = units.get(line.line_id, 0)
        count = min(line.units_left, wanted)
        without = min(line.returned, wanted - count)
        left = {"ended": line.ended + count + without, "returned": line.returned - without}
        lines.append(_took(line, _price_of(line, count), "merchant", **left))
    return _split(state, lines, _last_freight(state, lines))


def return_units(
    state: OrderState, units: Mapping[str, int], bearer: Bearer = "merchant", *, with_freight: bool = False
) -> Split:
    """The money of these units goes back while their parcel stays; the freight too with the last one.

    Units that were not shipped leave the order.
    """
    unshipped = state.left_to_ship() if bearer == "merchant" and state.credited_at is None else {}
    lines = []
    for line in state.lines:
        count = min(line.units_left, units.get(line.line_id, 0))
        away = min(count, unshipped.get(line.line_id, 0))
        moved = {"ended": line.ended + away, "returned": line.returned + count - away}
        lines.append(_took(line, _price_of(line, count), bearer, **moved))
    freight = state.freight_left_minor if with_freight else _last_freight(state, lines)
    return _split(state, lines, freight)


def take_amount(state: OrderState, amount_minor: int, bearer: Bearer = "merchant") -> Split:
    """An amount, spread over the lines by what is left of them. What exceeds all goods is freight.

    The caller has seen that it is at most `refundable_minor`.
    """
    goods = sum(line.left_minor for line in state.lines)
    parts = spread(min(amount_minor, goods), [line.left_minor for line in state.lines])
    lines = [_took(line, part, bearer) for line, part in zip(state.lines, parts, strict=True)]
    return _split(state, lines, max(0, amount_minor - goods))


def take_all(state: OrderState, bearer: Bearer = "merchant") -> Split:
    """All that is left, freight and units too, while the parcels stay."""
    lines = [_took(line, line.left_minor, bearer, returned=line.returned + line.units_left) for line in state.lines]
    return _split(state, lines, state.freight_left_minor)


def _last_freight(state: OrderState, lines: Iterable[LineState]) -> int:
    return 0 if any(line.units_left for line in lines) else state.freight_left_minor


def _split(state: OrderState, lines: Iterable[LineState], freight_minor: int) -> Split:
    after = tuple(lines)
    pairs = list(zip(state.lines, after, strict=True))
    return Split(
        lines=after,
        amount_minor=sum(new.refunded_minor - old.refunded_minor for old, new in pairs) + freight_minor,
        freight_minor=freight_minor,
        commission_minor=sum(commission_back(new) - commission_back(old) for old, new in pairs),
        discount_minor=sum(discount_back(new) - discount_back(old) for old, new in pairs),
    )


# --- of the order ----------------------------------------------------------------------------------------


def credit_shares(state: OrderState) -> CreditShares:
    """What the merchant and the platform get of what is left in escrow. What the platform bore is there still."""
    goods = sum(line.paid_minor - line.borne_minor for line in state.lines)
    commission = sum(line.commission_minor - commission_back(line) for line in state.lines)
    discount = sum(line.discount_minor - discount_back(line) for line in state.lines)
    left = goods + state.order.freight_minor - state.freight_borne_minor
    return CreditShares(proceeds_minor=left - commission, commission_minor=commission, discount_minor=discount)


def refundable_minor(state: OrderState) -> int:
    """What the buyer paid and has not been given back, freight included."""
    return sum(line.left_minor for line in state.lines) + state.freight_left_minor


def nothing_left(state: OrderState) -> bool:
    """Whether neither the merchant nor the platform gets anything more of the order."""
    return not any(credit_shares(state).model_dump().values())


def everything_ended(state: OrderState) -> bool:
    """Whether nothing of the order is left for the merchant."""
    return all(line.units_left == 0 for line in state.lines)
