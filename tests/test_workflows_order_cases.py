"""After-sale cases on a real Temporal, PostgreSQL and stand-ins: the demonstration's own stories of them."""

from __future__ import annotations

import pytest
from order_stage import Play

from demo.stories.cases import CASES


@pytest.mark.parametrize("name", CASES)
async def test_a_story_of_a_case_ends_as_its_order_says(name: str, play: Play) -> None:
    expected, got = await CASES[name](play())
    assert got == expected
