"""What every command's tables are made of."""

from __future__ import annotations

import pytest

from screens import counted


@pytest.mark.parametrize(("count", "said"), [(0, "0 breaks"), (1, "1 break"), (2, "2 breaks"), (11, "11 breaks")])
def test_one_is_not_said_as_several(count: int, said: str) -> None:
    assert counted(count, "break") == said
