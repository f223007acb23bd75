"""Stalls of an event loop: once in each test it stands still, as on a machine that is busy just then.

A limit that is shorter than the stall passes, and what was to come later is there at once. A test that is red then
would be red some day. Only the test's own process stands still; its servers and workers go on.
"""

from __future__ import annotations

import random
import time
from asyncio.base_events import BaseEventLoop
from collections.abc import Generator
from typing import Any

import pytest

LAST_TURN = 1_000
"""Of the loop, at which a stall begins; half of them begin within the first thirty turns, since half of the tests have
no more. A test that ends before has none.
"""


class Stalls:
    """A plugin that stalls each test once.

    Args:
        seconds: of a stall.
        seed: chooses the turn of the loop in each test.
    """

    def __init__(self, seconds: float, seed: int) -> None:
        self._seconds, self._seed = seconds, seed
        self._left: float = -1
        """Turns of the loop until the stall; below 0: it is over, or no test runs."""

    def begin(self, test: str) -> None:
        """The test of this name begins."""
        self._left = LAST_TURN ** random.Random(f"{self._seed} {test}").random()

    def end(self) -> None:
        """The test has ended."""
        self._left = -1

    def watch(self) -> None:
        """Count the turns of every loop, from now on."""
        turn: Any = BaseEventLoop._run_once  # type: ignore[attr-defined]  # its one step, which all loops of ours have

        def turned(loop: BaseEventLoop) -> None:
            if self._left >= 0:
                self._left -= 1
                if self._left < 0:
                    time.sleep(self._seconds)
            turn(loop)

        BaseEventLoop._run_once = turned  # type: ignore[attr-defined]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Stall a test, not what it is furnished with."""
        self.begin(item.nodeid)
        try:
            return (yield)
        finally:
            self.end()
