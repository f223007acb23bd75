"""The plan of all faults, made before the run: the same seed makes the same plan.

A withdrawal's fate depends on the seed and its number. The bank's fault for a request depends on the seed, the payee
and the count of requests about that payee. Only the moment of a kill meets the run at another point.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

SHARE_OF_ORDERS = 25
"""One withdrawal in this many pays out the money of a real order."""
ORDER_PROCEEDS_MINOR = 12_941
"""The merchant's share of `bench.engines.bench_order`, 5 % commission taken line by line."""
LOOKS = (1, 3, 8, *range(10, 100, 10))
"""Seconds after an uncertain answer at which a run's policy queries the bank."""
LARGE_MINOR = 2_500_000
"""Above the policy's approval threshold."""

Kill = Literal["worker", "freeze", "postgres", "temporal", "bank", "outage"]


@dataclass(frozen=True)
class Storm:
    """The strength and the shortest duration of the faults. Seconds.

    `key_window`: how long the bank remembers a key, as it promises; shorter than the `outage`.
    """

    seconds: float
    key_window: float
    outage: float
    kill_every: tuple[float, float] = (3.0, 6.0)
    freeze: float = 6.0
    quicker: float = 0.25
    """The factor by which the product's technical limits are shortened: with a key window of 20 s, a dead worker must
    be noticed faster than in 15 s.
    """

    @classmethod
    def of(cls, seconds: float) -> Storm:
        """A storm of at least this duration; the bank is out for a third of it, or for 24 s."""
        window = min(seconds * 0.3, 20.0)
        return cls(seconds=seconds, key_window=window, outage=window * 1.2)

    @classmethod
    def over(cls, withdrawals: int) -> Storm:
        """A storm that lasts as long as two cores need for this many withdrawals."""
        return cls.of(max(100.0, withdrawals * 0.11))


@dataclass(frozen=True)
class Fate:
    """One withdrawal, and what the bank does with it. `begins` is a share of the storm."""

    number: int
    withdrawal_id: str
    merchant_id: str
    amount_minor: int
    order_id: str | None
    begins: float
    outcome: str
    bank: Mapping[str, Any]
    comes_back_later_minor: int | None
    """The amount that the bank returns days later, once the faults have stopped."""
    comes_back_after: timedelta
    """The delay of the return; some come after the watch has ended."""

    @property
    def account_id(self) -> str:
        return f"acc-{self.withdrawal_id}"

    @property
    def token(self) -> str:
        """One payee each, so that the bank's journal identifies the withdrawal without our database."""
        return f"tok-{self.withdrawal_id}"


@dataclass(frozen=True)
class Strike:
    """One process is killed at a moment of the storm; `which` selects one of several of a kind."""

    at: float
    kill: Kill
    which: int = 0


_OUTCOMES: Mapping[str, tuple[float, Mapping[str, Any]]] = {
    "paid": (72.0, {"outcome": "paid"}),
    "processing": (8.0, {"outcome": "processing", "looks": 1}),
    "processing_failed": (3.0, {"outcome": "processing", "looks": 1, "then": "failed", "code": "ACCOUNT_FROZEN"}),
    "payee": (5.0, {"outcome": "failed", "code": "ACCOUNT_CLOSED"}),
    "payee_refused": (2.0, {"outcome": "failed", "code": "PAYEE_REFUSED"}),
    "strange_code": (1.0, {"outcome": "failed", "code": "E9999"}),
    "quota": (1.0, {"outcome": "failed", "code": "DAILY_LIMIT"}),
    "our_side": (0.5, {"outcome": "failed", "code": "OUR_FUNDS"}),
    "risk": (0.5, {"outcome": "failed", "code": "RISK"}),
    "returned": (5.0, {"outcome": "paid"}),
    "truth_comes_late": (2.0, {"outcome": "paid"}),
}
"""The bank's outcomes for a withdrawal's payouts, with percentages."""


def fates(seed: int, withdrawals: int) -> list[Fate]:
    """All withdrawals of a run, in the order in which they begin."""
    orders = withdrawals // SHARE_OF_ORDERS
    made = [_fate(seed, number, number <= orders, max(1, withdrawals // 4)) for number in range(1, withdrawals + 1)]
    return sorted(made, key=lambda fate: fate.begins)


def _fate(seed: int, number: int, of_order: bool, merchants: int) -> Fate:
    chance = random.Random(f"{seed}/fate/{number}")
    names = list(_OUTCOMES)
    outcome = chance.choices(names, [_OUTCOMES[name][0] for name in names])[0]
    large = not of_order and chance.random() < 0.02
    amount = ORDER_PROCEEDS_MINOR if of_order else LARGE_MINOR if large else chance.randint(1_000, 50_000)
    bank, later = dict(_OUTCOMES[outcome][1]), None
    if outcome == "returned":
        back = amount if chance.random() < 0.75 else chance.randint(1, amount - 1)
        if chance.random() < 0.6:
            bank |= {"return_after_s": chance.uniform(0.5, 15.0), "return_minor": back}
        else:
            later = back
    order_id = f"o-{seed}-{number}" if of_order else None
    return Fate(
        number=number,
        withdrawal_id=f"w-{seed}-{number}",
        merchant_id=f"m-{order_id}" if order_id else f"m-{seed}-{chance.randrange(merchants)}",
        amount_minor=amount,
        order_id=order_id,
        begins=chance.uniform(0.0, 0.8),
        outcome=outcome,
        bank=bank,
        comes_back_later_minor=later,
        comes_back_after=timedelta(days=chance.choice((2, 20))),
    )


def bank_faults(seed: int) -> list[dict[str, Any]]:
    """The bank's faults for requests and callbacks during the storm.

    A fifth of the effects is reported as a failure (a 5xx, a cut connection, an answer that comes too late or cannot be
    read); a tenth of the callbacks is lost, and nearly a third is doubled or late.
    """
    return [
        *_of("payout", seed, status_after_effect=0.07, cut=0.07, garbage=0.03, html=0.02, wrong_key=0.01),
        *_of("payout", seed, wrong_amount=0.005),
        {"verb": "payout", "kind": "slow_answer", "rate": 0.01, "seconds": 5.0, "seed": seed},
        *_of("payout", seed, status_before_effect=0.05, cut_before_effect=0.05),
        *_of("payout_status", seed, stale_lookup=0.30, status_before_effect=0.10, garbage=0.05, wrong_types=0.02),
        {"verb": "callback", "kind": "callback_lost", "rate": 0.10, "seed": seed},
        {"verb": "callback", "kind": "callback_twice", "rate": 0.17, "seconds": 4.0, "seed": seed},
        {"verb": "callback", "kind": "callback_late", "rate": 0.18, "seconds": 6.0, "seed": seed},
    ]


def _of(verb: str, seed: int, **rates: float) -> Iterator[dict[str, Any]]:
    for kind, rate in rates.items():
        yield {"verb": verb, "kind": kind, "rate": rate, "seed": seed}


def own_faults(fate: Fate, storm: Storm) -> list[dict[str, Any]]:
    """The bank's faults for this payee alone.

    The worst case: the bank pays and its answer is cut, it sends no callback, it answers no query until it has
    forgotten the key, and then it answers that the key is unknown.
    """
    if fate.outcome != "truth_comes_late":
        return []
    blind = sum(1 for after in LOOKS if after < storm.key_window)
    return [
        {"verb": "payout", "kind": "cut", "match": fate.token},
        {"verb": "callback", "kind": "callback_lost", "match": fate.token},
        {"verb": "payout_status", "kind": "status_before_effect", "match": fate.token, "times": blind},
        {"verb": "payout_status", "kind": "stale_lookup", "match": fate.token, "times": 3},
    ]


def strikes(seed: int, storm: Storm) -> Iterator[Strike]:
    """The kills in order, without end: a longer storm goes on killing workers."""
    chance = random.Random(f"{seed}/strikes")
    named = iter(sorted(_named(chance, storm.seconds), key=lambda strike: strike.at))
    waiting, at = next(named, None), 0.0
    while True:
        at += chance.uniform(*storm.kill_every)
        while waiting is not None and waiting.at <= at:
            yield waiting
            waiting = next(named, None)
        yield Strike(at, "worker", chance.randrange(1_000))


def _named(chance: random.Random, seconds: float) -> Iterator[Strike]:
    """The servers: each is killed a few times, more often in a longer storm. The outage is in the busy middle."""
    yield Strike(seconds * chance.uniform(0.30, 0.38), "outage")
    yield Strike(seconds * chance.uniform(0.80, 0.92), "bank")
    times = 2 + int(seconds // 90)
    for index in range(times):
        yield Strike(seconds * (index + chance.uniform(0.1, 0.9)) / times, "postgres")
        yield Strike(seconds * (index + chance.uniform(0.1, 0.9)) / times, "temporal")
        yield Strike(seconds * (index + chance.uniform(0.1, 0.5)) / times, "freeze", chance.randrange(1_000))
