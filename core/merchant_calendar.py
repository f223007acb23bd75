"""When a merchant's credited money becomes available: a day for each sum, or why there is no day yet."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from core.fields import Message, Time
from core.order.pausing import settles_at
from core.order.state import OrderState


class Coming(Message):
    """The proceeds of credited orders of one currency: all that become available on one day, all that are held, or one.

    `held`: a person must act first. `settle_at`: a time of the day, UTC, where it is the next deadline of the orders;
    elsewhere `body` and `state` of the one order say it.
    """

    currency: str
    amount_minor: int
    orders: int = 1
    held: bool = False
    settle_at: Time | None = None
    body: dict[str, Any] | None = None
    state: dict[str, Any] | None = None


class ComingDay(Message):
    """What becomes available on a day, UTC. Without a day it is held: by a person's hold, or while a case is open."""

    day: date | None
    currency: str
    amount_minor: int
    orders: int


def calendar(coming: Iterable[Coming]) -> tuple[ComingDay, ...]:
    """Sums by day and currency, the earliest first; what has no day comes last."""
    found: dict[tuple[date | None, str], list[Coming]] = {}
    for one in coming:
        found.setdefault((_day(one), one.currency), []).append(one)
    days = [
        ComingDay(
            day=day,
            currency=currency,
            amount_minor=sum(one.amount_minor for one in same),
            orders=sum(one.orders for one in same),
        )
        for (day, currency), same in found.items()
    ]
    return tuple(sorted(days, key=lambda one: (one.day is None, one.day or date.max, one.currency)))


def _day(one: Coming) -> date | None:
    if one.held:
        return None
    if one.settle_at is not None:
        return one.settle_at.date()
    if one.state is None:
        return None
    state = OrderState.model_validate({**one.state, "order": one.body})
    return None if state.paused_since is not None else settles_at(state).date()
