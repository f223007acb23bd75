"""The clock of the gateway's rates, moved by hand: what a test takes at once is at once on a slow machine, too."""

from __future__ import annotations

import pytest
from throttled import utils


class RateClock:
    """Seconds; each look at it takes a microsecond."""

    now = 1_000.0

    def __call__(self) -> float:
        self.now += 1e-6
        return self.now


def hold_rates(monkeypatch: pytest.MonkeyPatch) -> RateClock:
    """Let the rates go by such a clock until the test ends."""
    clock = RateClock()
    monkeypatch.setattr(utils, "now_mono_f", clock)
    return clock
