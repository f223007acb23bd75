"""Many orders at once: one that is late on a busy machine does not end the bench and lose what it measured."""

from __future__ import annotations

from typing import Any

import pytest

from bench.crowd import TRIES, Crowd
from core.errors import Unavailable


def _crowd() -> Crowd:
    nothing: Any = None
    return Crowd(nothing, nothing, nothing, nothing)


@pytest.mark.parametrize("late", [TimeoutError(), Unavailable("the database does not answer")])
async def test_what_was_late_is_done_again(late: Exception) -> None:
    asked = list[str]()

    async def act(order_id: str) -> None:
        asked.append(order_id)
        if order_id == "P1" and asked.count("P1") < TRIES:
            raise late

    await _crowd().each(act, ["P0", "P1", "P2"], clients_at_once=1)
    assert asked == ["P0", *["P1"] * TRIES, "P2"]


async def test_what_stays_late_ends_the_bench() -> None:
    asked = list[str]()

    async def act(order_id: str) -> None:
        asked.append(order_id)
        raise TimeoutError

    with pytest.raises(ExceptionGroup):
        await _crowd().each(act, ["P0"])
    assert len(asked) == TRIES
