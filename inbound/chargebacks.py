"""A chargeback of a payment, from a callback, a statement or a person: each order of the payment gets its part."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

from core.aftersale.messages import ReportChargeback
from core.errors import Refused
from core.messages import Order
from core.order.dividing import ChargedOrder
from ledger.register import Register

Send = Callable[[Order, ReportChargeback], Awaitable[Mapping[str, Any]]]
"""Sends the report to one order, also to a closed one. Raises `Refused`; `Unavailable` if a retry helps."""
Reports = Sequence[tuple[str, ReportChargeback]]
"""What each order gets, by its id (`core.order.dividing.reports_of`)."""


class OrderAnswer(NamedTuple):
    """One order's answer to its part, or why it refused."""

    order_id: str
    answer: Mapping[str, Any]
    refused: Refused | None = None


async def orders_charged(
    register: Register, payments: Sequence[str], case_reference: str, channel: str
) -> list[ChargedOrder]:
    """The orders of the first of these payments of the channel that any order names; a provider may give several.

    Where none names one, the order whose buyer paid a claim with it.
    """
    for payment in payments:
        found = await register.payments.charged_orders(payment, case_reference, channel)
        if found:
            return found
    for payment in payments:
        found = await register.payments.charged_claims(payment, channel)
        if found:
            return found
    return []


async def send_reports(register: Register, reports: Reports, send: Send) -> list[OrderAnswer]:
    """Send each order its part. One that refuses stops no other: the channel has taken the money of all.

    The end of a chargeback goes to every order of the payment; where one has it, those without a part are left out.

    Raises:
        Unavailable: an order did not answer. The same report, sent again, makes the same parts and counts once.
    """
    answers = []
    for order_id, report in reports:
        order = await register.orders.stored(order_id)
        assert order is not None  # an order is never deleted
        try:
            answers.append(OrderAnswer(order_id, await send(order, report)))
        except Refused as refusal:
            answers.append(OrderAnswer(order_id, {}, refusal))
    has_none = [one for one in answers if one.refused is not None and one.refused.code == "unknown_chargeback"]
    return answers if len(has_none) == len(answers) else [one for one in answers if one not in has_none]
