"""`up` ends, and says why, once a server of its stack is dead."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from waiting import WITHIN

from commands.up import _watch
from core.errors import Unavailable
from local.service import ServerProcess


class Sleeper(ServerProcess):
    """A process that does nothing, until it is killed."""

    name = "sleeper"

    def command(self, ports: Mapping[str, int]) -> Sequence[str]:
        return [sys.executable, "-c", "import time; time.sleep(60)"]

    def answers(self) -> bool:
        return True


async def test_a_server_that_dies_ends_it_and_is_named_with_its_log(tmp_path: Path) -> None:
    sleeper = Sleeper(tmp_path)
    sleeper.start()
    watching = asyncio.create_task(_watch(asyncio.Event(), [sleeper]))
    await asyncio.sleep(0.1)
    assert not watching.done()
    sleeper.stop()
    with pytest.raises(Unavailable, match="sleeper of the local stack has ended by itself") as caught:
        await asyncio.wait_for(watching, WITHIN)
    assert str(sleeper.log_file) in str(caught.value)


async def test_one_that_is_told_to_end_ends_without_a_word(tmp_path: Path) -> None:
    sleeper, stop = Sleeper(tmp_path), asyncio.Event()
    sleeper.start()
    try:
        watching = asyncio.create_task(_watch(stop, [sleeper]))
        stop.set()
        await asyncio.wait_for(watching, WITHIN)
    finally:
        sleeper.stop()
