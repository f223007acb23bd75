"""Signals of collusion at intake: the same buyer often, one device or place for many, amounts just under a threshold.

A signal never refuses an order. It holds the order's money for a person, who may lift the hold at once. Everything is
off unless a policy sets its limit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field

from core.durations import Duration
from core.fields import AmountMinor, Currency, Message
from core.messages import Order
from core.states import Hold
from core.texts import Help, listed

INTAKE_SIGNALS = "intake_signals"
"""The hold of an order that looks like collusion."""

Many = Annotated[int, Field(strict=True, ge=0, le=100_000)]
Bps = Annotated[int, Field(strict=True, ge=0, le=10_000)]


class IntakePolicy(Message):
    """From when on orders look alike too often. A number of 0, and no threshold, looks for nothing.

    `pair_max`: orders of one buyer with one merchant. `device_max`, `place_max`: buyers of one merchant that share a
    device or a place, where the storefront gives their hash. All count within `within`. `thresholds_minor`, in the
    currency `thresholds_in`: totals that are less than `just_under_bps` of one below it.
    """

    within: Duration = timedelta(hours=24)
    pair_max: Many = 0
    device_max: Many = 0
    place_max: Many = 0
    thresholds_minor: tuple[AmountMinor, ...] = ()
    thresholds_in: Currency = "CNY"
    just_under_bps: Bps = 200
    review_within: Duration = timedelta(days=3)
    """A person looks at a held order by then, or is called again."""

    @property
    def counts(self) -> bool:
        """Whether other orders must be counted."""
        return bool(self.pair_max or self.device_max or self.place_max)


class Alike(Message):
    """How many other orders, or buyers, share something with an order."""

    pair: int = 0
    device: int = 0
    place: int = 0


SIGNALS: dict[str, Help] = {
    "pair": Help("the same buyer and merchant often", "同一买家与商家交易频繁"),
    "device": Help("many buyers of the merchant on one device", "同一设备上有多个买家"),
    "place": Help("many buyers of the merchant at one place", "同一收货地址有多个买家"),
    "just_under": Help("an amount just under a threshold", "金额略低于阈值"),
}
"""What was seen, by signal."""


def signals_of(order: Order, policy: IntakePolicy, alike: Alike) -> tuple[str, ...]:
    """The signals of an order, by name. The order itself counts, too."""
    return tuple(_signals(order, policy, alike))


def _signals(order: Order, policy: IntakePolicy, alike: Alike) -> Iterator[str]:
    if policy.pair_max and alike.pair + 1 > policy.pair_max:
        yield "pair"
    if policy.device_max and order.device_hash is not None and alike.device + 1 > policy.device_max:
        yield "device"
    if policy.place_max and order.place_hash is not None and alike.place + 1 > policy.place_max:
        yield "place"
    if order.currency == policy.thresholds_in and any(
        _just_under(order.total_minor, threshold, policy.just_under_bps) for threshold in policy.thresholds_minor
    ):
        yield "just_under"


def _just_under(amount_minor: int, threshold_minor: int, bps: int) -> bool:
    return threshold_minor * (10_000 - bps) <= amount_minor * 10_000 < threshold_minor * 10_000


def hold_for(signals: Sequence[str], policy: IntakePolicy, now: datetime) -> Hold:
    """The hold of an order with these signals: its money waits, its duties go on."""
    return Hold(
        name=INTAKE_SIGNALS,
        scope="credit",
        reason=listed(SIGNALS[signal].en for signal in signals),
        owner="operator",
        since=now,
        review_at=now + policy.review_within,
        facts={"signals": ",".join(signals)},
    )


def signals_zh(hold: Hold) -> str:
    """What a hold saw, in Chinese."""
    named = filter(None, hold.facts.get("signals", "").split(","))
    return listed((SIGNALS[signal].zh for signal in named if signal in SIGNALS), "zh")
