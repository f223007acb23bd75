"""Builds our order from a past order, and what the data lack: its waybill and its buyer's habits.

Invented values are made from the order's id alone, so that every run is the same.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from pydantic import ValidationError

from backtest.past import CURRENCY, PastOrder
from backtest.rows import UnusableRow
from core.audit.waybills import sandbox_number
from core.messages import Line, Order, Payment
from core.reading import reasons_of

CARRIER = "olist_post"
WAYBILL_PREFIX = "OLP"
CHANNEL = "olist"
GOODS = "goods"
SURCHARGE = "surcharge"
"""The category, and the line's id, for the surplus over goods and freight (mostly interest on instalments)."""
CONFIRMS_WITHIN = timedelta(days=2)


def order_of(past: PastOrder, paid_at: datetime, policy: str | None) -> Order:
    """Our order, paid at another time than the past one.

    The paid amount counts. A surplus over goods and freight becomes a line of its own, so that the buyer's refund is
    complete. A shortfall becomes a discount by the merchant, because no other payer is known.

    Raises:
        ValidationError: the order breaks the contract, by an amount or by the number of its lines.
    """
    lines = [
        Line(
            line_id=item.item_id,
            title=f"product {item.product_id}",
            category=GOODS,
            quantity=1,
            unit_price_minor=item.price_minor,
        )
        for item in past.items
    ]
    beyond = past.paid_minor - past.due_minor
    if beyond > 0:
        surcharge = Line(
            line_id=SURCHARGE,
            title="paid beyond goods and freight",
            category=SURCHARGE,
            quantity=1,
            unit_price_minor=beyond,
        )
        lines.append(surcharge)
    return Order(
        order_id=past.order_id,
        merchant_id=past.merchant_id,
        buyer_id=past.buyer_id,
        currency=CURRENCY,
        lines=tuple(lines),
        freight_minor=sum(item.freight_minor for item in past.items),
        discount_minor=max(0, -beyond),
        total_minor=past.paid_minor,
        payment=Payment(reference=past.payment_id, channel=CHANNEL, paid_minor=past.payment_minor, paid_at=paid_at),
        ship_from=past.ship_from,
        ship_to=past.ship_to,
        ship_by=paid_at + (past.ship_by - past.paid_at) if past.paid_at else None,
        policy=policy,
    )


def unfit(past: PastOrder, file: str) -> UnusableRow | None:
    """Why this past order cannot become an order here; None if it can, or was never paid."""
    if past.paid_at is None:
        return None
    try:
        order_of(past, past.paid_at, None)
    except ValidationError as error:
        reason = reasons_of(error)[0]
        return UnusableRow(file, past.line, f"order {past.order_id}: {reason['field']}: {reason['message']}")
    return None


def waybill_of(order_id: str) -> str:
    """A number with a valid check digit, different for every order."""
    return sandbox_number(_number(f"waybill {order_id}") % 10**20, WAYBILL_PREFIX)


def return_waybill_of(order_id: str) -> str:
    """The number of the parcel that goes back, another one for every order."""
    return sandbox_number(_number(f"return {order_id}") % 10**20, WAYBILL_PREFIX)


def sends_back(order_id: str) -> bool:
    """Whether the buyer of a delivered order sends the goods back; the other half keeps them."""
    return _number(f"return by buyer {order_id}") % 2 == 0


def confirms_after(order_id: str) -> timedelta | None:
    """How long after the delivery the buyer confirms; None for the half of buyers that stays silent."""
    number = _number(f"buyer {order_id}")
    if number % 2:
        return None
    return timedelta(seconds=60 + number // 2 % int(CONFIRMS_WITHIN.total_seconds() - 60))


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big")
