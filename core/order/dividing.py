"""A chargeback of a payment that paid for several orders: which part of it each order loses.

Each order gets a case of its own under the channel's one reference. The amount is divided by what is left of each
order, the fee by the amount. What an order has of this chargeback already stays, so the same report again makes the
same parts.
"""

from __future__ import annotations

from collections.abc import Sequence

from core.aftersale.messages import ReportChargeback
from core.fields import Message
from core.ids import command_of_order
from core.money import format_minor, spread
from core.reasons import Refusal, refuse


class ChargedOrder(Message):
    """An order of the payment: what may still go back of it, and what this chargeback has taken of it, if it has.

    `charged_minor` is what other chargebacks took of it and keep, or may keep: no channel takes that again.
    """

    order_id: str
    channel: str
    currency: str
    total_minor: int
    left_minor: int
    charged_minor: int = 0
    taken_minor: int | None = None
    fee_minor: int = 0
    claimed_with: str | None = None
    """The channel's number of the payment, where the buyer made it for a claim."""


class ChargedPart(Message):
    """What one order gets of a chargeback, in minor units."""

    order_id: str
    amount_minor: int
    fee_minor: int = 0


def divide(amount_minor: int, fee_minor: int, orders: Sequence[ChargedOrder]) -> tuple[ChargedPart, ...] | Refusal:
    """The parts of the orders: they sum to the amount and to the fee. An order with nothing gets no part.

    What is above all that is left went back to the buyer before, and is divided by what was refunded of each order.
    """
    known = {order.order_id: order for order in orders if order.taken_minor is not None}
    new = [order for order in orders if order.taken_minor is None]
    rest = amount_minor - sum(order.taken_minor or 0 for order in known.values())
    fee = fee_minor - sum(order.fee_minor for order in known.values())
    if fee > 0 and not (new or rest):
        return _with_later_fee(fee_minor, list(known.values()))
    if rest < 0 or fee < 0 or (not new and rest):
        return refuse("chargeback_exists_with_different_content", field="case_reference")
    amounts = _by_what_is_left(rest, new)
    fees = spread(fee, amounts)
    found = {
        order.order_id: ChargedPart(order_id=order.order_id, amount_minor=amount, fee_minor=share)
        for order, amount, share in zip(new, amounts, fees, strict=True)
        if amount
    }
    for order in known.values():
        found[order.order_id] = ChargedPart(
            order_id=order.order_id, amount_minor=order.taken_minor or 0, fee_minor=order.fee_minor
        )
    return tuple(found[order.order_id] for order in orders if order.order_id in found)


def _with_later_fee(fee_minor: int, orders: Sequence[ChargedOrder]) -> tuple[ChargedPart, ...] | Refusal:
    """A fee that the channel named after it had taken the money. An order that has its part of it already keeps it."""
    amounts = [order.taken_minor or 0 for order in orders]
    fees = spread(fee_minor, amounts)
    if any(order.fee_minor not in {0, fee} for order, fee in zip(orders, fees, strict=True)):
        return refuse("chargeback_exists_with_different_content", field="case_reference")
    return tuple(
        ChargedPart(order_id=order.order_id, amount_minor=amount, fee_minor=fee)
        for order, amount, fee in zip(orders, amounts, fees, strict=True)
    )


def _by_what_is_left(amount_minor: int, orders: Sequence[ChargedOrder]) -> list[int]:
    left = [order.left_minor for order in orders]
    within = min(amount_minor, sum(left))
    more = amount_minor - within
    gone = [max(0, order.total_minor - order.charged_minor - order.left_minor) for order in orders]
    above = spread(more, gone if sum(gone) >= more else [order.total_minor for order in orders])
    return [part + more for part, more in zip(spread(within, left), above, strict=True)]


def reports_of(
    report: ReportChargeback, orders: Sequence[ChargedOrder]
) -> tuple[tuple[str, ReportChargeback], ...] | Refusal:
    """The report to each order, by its id. The orders are those of the payment; one that is alone gets it as it is.

    The end goes to all of them: what an order learned a moment ago may not be recorded yet. One that has no part of
    the chargeback answers `unknown_chargeback`. No order loses what none claims of the payment: that is in no books.
    """
    if report.outcome == "opened" and (refusal := _above_all(report.amount_minor or 0, orders)) is not None:
        return refusal
    if len(orders) == 1:
        with_claim = {"payment": orders[0].claimed_with} if orders[0].claimed_with is not None else {}
        return ((orders[0].order_id, report.model_copy(update=with_claim)),)
    if any(order.claimed_with is not None for order in orders):
        # A part of each order's own payment would be the wrong money: people say whose claim it was.
        return refuse("several_orders", ", ".join(order.order_id for order in orders), field="case_reference")
    if report.outcome != "opened":
        return tuple((order.order_id, _to(order.order_id, report)) for order in orders)
    parts = divide(report.amount_minor or 0, report.fee_minor, orders)
    if isinstance(parts, Refusal):
        return parts
    return tuple(
        (part.order_id, _to(part.order_id, report, amount_minor=part.amount_minor, fee_minor=part.fee_minor))
        for part in parts
    )


def _above_all(amount_minor: int, orders: Sequence[ChargedOrder]) -> Refusal | None:
    if not orders or any(order.claimed_with is not None for order in orders):
        return None  # of a claim the order knows what the channel can take
    most = sum(order.total_minor - order.charged_minor for order in orders)
    if amount_minor <= most:
        return None
    claimed = format_minor(most, orders[0].currency)
    said = f"The channel can take {claimed} of the orders of this payment; report that much."
    return refuse("above_refundable", said, field="amount_minor")


def _to(order_id: str, report: ReportChargeback, **amounts: int) -> ReportChargeback:
    return report.model_copy(update={"command_id": command_of_order(report.command_id, order_id), **amounts})
