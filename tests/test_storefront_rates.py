"""So many at once, then one at a time: exact waits at any time of day, and a bounded memory."""

from __future__ import annotations

import pytest
from rate_clock import RateClock, hold_rates
from throttled.rate_limiter import Quota, per_hour, per_min, per_sec

from storefront import rates
from storefront.rates import Rate


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> RateClock:
    return hold_rates(monkeypatch)


@pytest.mark.parametrize("begins", [0.5, 1_000.0, 3_599.0, 86_399.9])
@pytest.mark.parametrize(
    ("quota", "most", "wait"),
    [(per_hour(20), 20, 180), (per_min(100), 100, 1), (per_min(6), 6, 10), (per_sec(20), 20, 1)],
)
def test_a_rate_may_be_used_at_once_and_then_evenly(
    clock: RateClock, begins: float, quota: Quota, most: int, wait: int
) -> None:
    """At the end of an hour as within it."""
    clock.now = begins
    rate = Rate(quota)
    assert rate.most == most
    assert [rate.take("k") for _ in range(most + 1)] == [True] * most + [False]
    assert rate.wait_of("k") == wait
    clock.now += quota.emission_interval * 0.9
    assert not rate.take("k")
    clock.now += quota.emission_interval * 0.2
    assert rate.wait_of("k") == 0
    assert [rate.take("k"), rate.take("k")] == [True, False]


def test_who_waits_as_it_is_told_is_not_told_again(clock: RateClock) -> None:
    rate, refused = Rate(per_hour(20)), 0
    for _ in range(200):
        clock.now += 7.3
        if not rate.take("k"):
            refused += 1
            clock.now += rate.wait_of("k")
            assert rate.take("k")
    assert refused > 3


@pytest.mark.usefixtures("clock")
def test_each_has_its_own() -> None:
    rate = Rate(per_min(1))
    assert [rate.take("a", "b"), rate.take("ab"), rate.take("a", "c"), rate.take("a", "b")] == [True, True, True, False]


@pytest.mark.usefixtures("clock")
def test_the_one_away_longest_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "REMEMBERED", 3)
    rate = Rate(per_hour(1))
    assert [rate.take(who) for who in "abcad"] == [True, True, True, False, True]
    assert [rate.take(who) for who in "abcd"] == [False, True, True, True]
