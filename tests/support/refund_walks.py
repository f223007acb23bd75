"""Random refunds of random orders, by seed: a refund is exact to the last minor unit, in any sequence."""

from __future__ import annotations

import random
from typing import Any

from order_samples import T0, a_policy, an_order

from core.money import given_back
from core.order.lines import LineState
from core.order.opening import begin
from core.order.refunding import refund_amount, refund_rest, refund_units
from core.order.refunds import Refund
from core.order.shares import credit_shares, refundable_minor
from core.order.state import OrderState

REFUNDS = 10
"""Refunds of one walk at most."""


def walk(seed: int) -> int:
    """Refund an order at random after its credit until nothing is left; the number of refunds.

    Raises:
        AssertionError: what is wrong, with the seed.
    """
    chance = random.Random(seed)
    state = _credited(chance)
    whole, steps = credit_shares(state), 0
    while steps < REFUNDS and refundable_minor(state):
        before, state = state, _refunded(state, chance, last=steps == REFUNDS - 1)
        steps += 1
        _check_step(before, state, seed)
    shares = credit_shares(state)
    borne = [refund for refund in state.refunds if refund.bearer == "merchant"]
    assert shares.commission_minor == whole.commission_minor - sum(r.commission_minor for r in borne), seed
    assert shares.discount_minor == whole.discount_minor - sum(r.discount_minor for r in borne), seed
    assert state.proceeds_minor == shares.proceeds_minor + shares.discount_minor, seed
    if len(borne) == len(state.refunds) and not refundable_minor(state):
        assert (state.proceeds_minor, shares.commission_minor) == (shares.discount_minor, 0), seed
    return steps


def _credited(chance: random.Random) -> OrderState:
    """An order of one to four lines with a discount of either kind, just credited."""
    lines = [(chance.randint(1, 5), chance.choice([0, 1, 7, 199, chance.randint(1, 9999)])) for _ in range(4)]
    lines = lines[: chance.randint(1, 4)]
    goods = sum(quantity * price for quantity, price in lines)
    discount = goods * chance.choice([0, 0, 13, 50, 99]) // 100
    freight = chance.choice([0, 1, 800])
    total = goods + freight - discount
    if total < 1:
        freight, total = freight + 1, total + 1
    order = an_order(
        lines=[_line(number, *line) for number, line in enumerate(lines, 1)],
        freight_minor=freight,
        discount_minor=discount,
        discount_funded_by=chance.choice(["merchant", "platform"]),
        total_minor=total,
        payment={"reference": "wx-1", "channel": "wechat", "paid_minor": total, "paid_at": T0.isoformat()},
    )
    state = begin(order, a_policy(commission_bps=chance.choice([0, 1, 250, 500, 3333, 10_000])), T0)
    shares = credit_shares(state)
    return state.changed(
        phase="credited",
        credited_at=T0,
        credited_minor=shares.proceeds_minor + shares.discount_minor,
        commission_minor=shares.commission_minor,
    )


def _line(number: int, quantity: int, price: int) -> dict[str, Any]:
    return {
        "line_id": str(number),
        "title": "x",
        "category": "food",
        "quantity": quantity,
        "unit_price_minor": price,
    }


def _refunded(state: OrderState, chance: random.Random, *, last: bool) -> OrderState:
    bearer = chance.choice(["merchant", "merchant", "platform"])
    given: dict[str, Any] = {"cause": "x", "reason": "y", "now": T0, "bearer": bearer}
    kind = "rest" if last else chance.choice(["units", "units", "amount", "amount", "rest"])
    if kind == "units":
        units = {line.line_id: chance.randint(0, line.quantity) for line in state.lines}
        return refund_units(state, units, **given, with_freight=chance.random() < 0.1)
    if kind == "amount":
        return refund_amount(state, chance.randint(1, refundable_minor(state)), **given)
    return refund_rest(state, **given)


def _check_step(before: OrderState, state: OrderState, seed: int) -> None:
    refund = state.refunds[-1] if len(state.refunds) > len(before.refunds) else None
    amount = refundable_minor(before) - refundable_minor(state)
    assert amount == (refund.amount_minor if refund else 0), seed
    assert refundable_minor(state) >= 0, seed
    for line in state.lines:
        assert 0 <= line.goodwill_minor <= line.refunded_minor <= line.paid_minor, seed
        assert line.units_left >= 0, seed
        assert line.units_left or not line.left_minor, seed
    if refund is not None:
        _check_refund(before, state, refund, seed)


def _check_refund(before: OrderState, state: OrderState, refund: Refund, seed: int) -> None:
    assert 0 <= refund.commission_minor <= refund.amount_minor, seed
    assert refund.discount_minor >= 0, seed
    if refund.bearer == "platform":
        assert (refund.commission_minor, refund.discount_minor, refund.from_merchant_minor) == (0, 0, 0), seed
    pairs = list(zip(before.lines, state.lines, strict=True))
    assert refund.commission_minor == sum(_commission(new) - _commission(old) for old, new in pairs), seed
    assert sum(part.amount_minor for part in refund.lines) <= refund.amount_minor, seed


def _commission(line: LineState) -> int:
    """By the words of the rule: of R refunded out of G, the floor of c·R/G."""
    return given_back(line.commission_minor, line.refunded_minor - line.goodwill_minor, line.paid_minor)
