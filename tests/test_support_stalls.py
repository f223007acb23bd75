"""The stall of an event loop in a test: once, and in no more than the test."""

from __future__ import annotations

import asyncio
from asyncio.base_events import BaseEventLoop

import pytest
from stalls import LAST_TURN, Stalls


def test_a_loop_stands_still_once_in_a_test_and_never_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(BaseEventLoop, "_run_once", BaseEventLoop._run_once)  # type: ignore[attr-defined]
    monkeypatch.setattr("time.sleep", slept.append)
    stalled = Stalls(2.0, seed=1)
    stalled.watch()

    async def turns() -> None:
        for _ in range(2 * LAST_TURN):
            await asyncio.sleep(0)

    asyncio.run(turns())
    assert slept == []
    for count, name in enumerate(("a", "b"), start=1):
        stalled.begin(name)
        asyncio.run(turns())
        assert slept == [2.0] * count
    stalled.begin("c")
    stalled.end()
    asyncio.run(turns())
    assert len(slept) == 2
