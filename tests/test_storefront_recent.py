"""Who changed something a moment ago: only they are kept, and no change looks through the others."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from storefront.recent import FRESH_FOR, Recent


class _Counted(OrderedDict[str, float]):
    """Counts how many of its keys were looked at."""

    looked_at = 0

    def __iter__(self) -> Iterator[str]:
        for key in super().__iter__():
            self.looked_at += 1
            yield key


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that tests move."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr("storefront.recent.time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def test_a_sender_is_fresh_for_half_a_minute_after_its_last_change(clock: SimpleNamespace) -> None:
    recent = Recent()
    recent.note("a")
    clock.now = FRESH_FOR - 1
    assert recent.has("a")
    recent.note("a")
    clock.now = FRESH_FOR + 1
    assert (recent.has("a"), recent.has("b")) == (True, False)
    clock.now = 2 * FRESH_FOR
    assert not recent.has("a")


def test_a_change_costs_the_same_beside_any_number_of_others(clock: SimpleNamespace) -> None:
    recent = Recent()
    recent._until = seen = _Counted()
    for number in range(20_000):
        recent.note(f"sender {number}")
    assert seen.looked_at == len(seen) == 20_000
    clock.now = FRESH_FOR - 1
    recent.note("sender 7")
    clock.now = FRESH_FOR
    recent.note("late")
    assert list(OrderedDict.__iter__(seen)) == ["sender 7", "late"]
    assert seen.looked_at == 20_000 + 1 + 20_000
