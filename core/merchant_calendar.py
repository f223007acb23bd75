"""When a merchant's credited money becomes available: a day for each sum, or why there is no day yet."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from core.fields import Message, Time
from core.order.pausing import settles_at
from core.order.state import OrderState


class Coming(Message):
    """The proceeds of one credited order.

    `holds`: why a person must act first. `settle_at`: when they become available, where that is the order's next
    deadline; elsewhere `body` and `state` say it.
    """

    order_id: str
    currency: str
    amount_minor: int
    holds: tuple[str, ...] = ()
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
    sums: dict[tuple[date | None, str], list[int]] = {}
    for one in coming:
        sums.setdefault((_day(one), one.currency), []).append(one.amount_minor)
    days = [
        ComingDay(day=day, currency=currency, amount_minor=sum(amounts), orders=len(amounts))
        for (day, currency), amounts in sums.items()
    ]
    return tuple(sorted(days, key=lambda one: (one.day is None, one.day or date.max, one.currency)))


def _day(one: Coming) -> date | None:
    if one.holds:
        return None
    if one.settle_at is not None:
        return one.settle_at.date()
    if one.state is None:
        return None
    state = OrderState.model_validate({**one.state, "order": one.body})
    return None if state.paused_since is not None else settles_at(state).date()
