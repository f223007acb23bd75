"""The timeline of a past order: its events, and their distances from the payment.

The data have neither an upload nor a confirmation nor the time of a cancellation. The merchant uploads the number at
the first scan, or one hour before the shipping limit where the first scan is later. Half of the buyers confirm within
two days of the delivery. A cancellation happens halfway between payment and shipping limit if no carrier had the
parcel, halfway between first scan and promised delivery if one had, and a day after a delivery. Once a carrier had the
parcel it is an after-sale case. The merchant of an order on its way says nothing, and silence agrees. The merchant of
a delivered one agrees after a day; half of its buyers send the goods back, which takes as long as the way there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from backtest.building import confirms_after, sends_back
from backtest.past import PastOrder

UPLOAD_BEFORE_LIMIT = timedelta(hours=1)
CANCELS_AFTER_DELIVERY = timedelta(days=1)
CANCELS_AT_LEAST_AFTER = timedelta(hours=1)

A_DAY = timedelta(days=1)

What = Literal[
    "picked_up",
    "delivered",
    "back_picked_up",
    "back_delivered",
    "upload",
    "cancel",
    "complain",
    "agree",
    "send_back",
    "confirm_return",
    "confirm",
]
ORDER_OF_EVENTS: tuple[What, ...] = get_args(What)
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
        found += _cancelling(past, _cancelled_at(past) - past.paid_at)
    elif past.delivered_at and (confirms := confirms_after(past.order_id)) is not None:
        confirmed_at = max(past.delivered_at + confirms, uploaded or past.delivered_at)
        found.append(Event("confirm", confirmed_at - past.paid_at))
    return tuple(sorted(found, key=lambda event: (event.after, ORDER_OF_EVENTS.index(event.what))))


def _cancelling(past: PastOrder, after: timedelta) -> list[Event]:
    """What a cancellation is, by how far the parcel was."""
    if first_scan_at(past) is None:
        return [Event("cancel", after)]
    found = [Event("complain", after)]
    if past.delivered_at is None:
        return found
    agreed = after + A_DAY
    found.append(Event("agree", agreed))
    if sends_back(past.order_id):
        sent = agreed + A_DAY
        arrived = sent + _on_the_way(past)
        found += [Event("send_back", sent), Event("back_picked_up", sent), Event("back_delivered", arrived)]
        found.append(Event("confirm_return", arrived + A_DAY))
    return found


def _on_the_way(past: PastOrder) -> timedelta:
    """How long a parcel of this order needs, at least a day."""
    if past.delivered_at is None or past.picked_up_at is None:
        return A_DAY
    return max(A_DAY, past.delivered_at - past.picked_up_at)


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
