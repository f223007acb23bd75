"""The stand-ins for tests: one process a session, and a connection that plays the world."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from local.client import WorldClient
from local.standins import StandIns
from local.wechatpay_keys import wechatpay_keys


@pytest.fixture(scope="session")
def standins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIns]:
    """Carrier, payment channel and bank, over real HTTP."""
    server = StandIns(tmp_path_factory.mktemp("standins"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def rails_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The keys of the stand-in WeChat Pay, and the file that names them: to be copied, since RSA keys take long."""
    folder = tmp_path_factory.mktemp("rails")
    wechatpay_keys(folder)
    return folder


@pytest_asyncio.fixture(loop_scope="session")
async def world(standins: StandIns) -> AsyncIterator[WorldClient]:
    """Plays the world. When the test ends, its faults are cleared."""
    async with WorldClient(standins.url) as client:
        yield client
        if not standins.is_running():
            standins.start()  # the test had it killed
        await client.clear_faults()
