"""The timeline of a past order: its events, and their distances from the payment.

The data have neither an upload nor a confirmation nor the time of a cancellation. The merchant uploads the number at
the first scan, or one hour before the shipping limit where the first scan is later. Half of the buyers confirm within
two days of the delivery. A cancellation happens halfway between payment and shipping limit if no carrier had the
parcel, halfway between first scan and promised delivery if one had, and a day after a delivery.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from backtest.building import confirms_after
from backtest.past import PastOrder

UPLOAD_BEFORE_LIMIT = timedelta(hours=1)
CANCELS_AFTER_DELIVERY = timedelta(days=1)
CANCELS_AT_LEAST_AFTER = timedelta(hours=1)

What = Literal["picked_up", "delivered", "upload", "cancel", "confirm"]
ORDER_OF_EVENTS: tuple[What, ...] = ("picked_up", "delivered", "upload", "cancel", "confirm")
"""The order of events at the same time: the carrier knows a scan before a person can act on it."""


@dataclass(frozen=True)
class Event:
    """An event and its distance from the payment; negative: before it."""

    what: What
    after: timedelta


def timeline(past: PastOrder) -> tuple[Event, ...]:
    """All events of a paid order, in order of time."""
    assert past.paid_at is not None
    found = [Event("picked_up", past.picked_up_at - past.paid_at)] if past.picked_up_at else []
    if past.delivered_at:
        found.append(Event("delivered", past.delivered_at - past.paid_at))
    uploaded = uploaded_at(past)
    if uploaded is not None:
        found.append(Event("upload", uploaded - past.paid_at))
    if past.status == "canceled":
        found.append(Event("cancel", _cancelled_at(past) - past.paid_at))
    elif past.delivered_at and (confirms := confirms_after(past.order_id)) is not None:
        confirmed_at = max(past.delivered_at + confirms, uploaded or past.delivered_at)
        found.append(Event("confirm", confirmed_at - past.paid_at))
    return tuple(sorted(found, key=lambda event: (event.after, ORDER_OF_EVENTS.index(event.what))))


def first_scan_at(past: PastOrder) -> datetime | None:
    """When a carrier first had the parcel."""
    return min((at for at in (past.picked_up_at, past.delivered_at) if at is not None), default=None)


def uploaded_at(past: PastOrder) -> datetime | None:
    """When the merchant gave the number: not before the payment, because there was no order yet."""
    first = first_scan_at(past)
    if first is None or past.paid_at is None:
        return None
    return max(past.paid_at, min(first, past.ship_by - UPLOAD_BEFORE_LIMIT))


def _cancelled_at(past: PastOrder) -> datetime:
    assert past.paid_at is not None
    if past.delivered_at:
        return max(past.paid_at, past.delivered_at + CANCELS_AFTER_DELIVERY)
    first = first_scan_at(past)
    since, until = (past.paid_at, past.ship_by) if first is None else (max(first, past.paid_at), past.promised_at)
    return since + max(CANCELS_AT_LEAST_AFTER, (until - since) / 2)
