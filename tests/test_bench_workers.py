"""The benches and the crash tests notice a worker that does not start, before they wait for what it should do."""

from __future__ import annotations

import asyncio
import multiprocessing
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import pytest
from crashing_worker import crashing_worker
from databases import Database
from temporalio.client import Client
from waiting import WITHIN

import gateway
from bench.faults import killing
from bench.faults.killing import MortalWorker, until_all_poll
from bench.faults.plan import Storm
from config import Settings
from core.errors import Unavailable
from gateway.pollers import Workers

STORM = Storm(seconds=0, key_window=6, outage=0)
NO_CLIENT = cast(Client, None)


@pytest.fixture
def _none_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    async def described(client: Client) -> Workers:
        return Workers(workflows=frozenset(), activities=frozenset())

    monkeypatch.setattr(gateway, "workers", described)


@pytest.mark.usefixtures("_none_polls")
async def test_a_mortal_worker_with_a_wrong_setting_is_not_started_again(tmp_path: Path, database: Database) -> None:
    not_migrated = urlsplit(database.worker_dsn)._replace(path="/postgres").geturl()
    async with MortalWorker.running(1, Settings(home=tmp_path, database_url=not_migrated), STORM, None) as worker:
        with pytest.raises(Unavailable, match=r"worker 1 has ended: worker: .*migrat"):
            await until_all_poll(NO_CLIENT, [worker])
        with pytest.raises(Unavailable, match="worker 1 has ended"):
            await worker.send("kill")


@pytest.mark.usefixtures("_none_polls")
async def test_a_mortal_worker_that_ends_at_each_start_does_not_poll(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(killing, "POLL_WITHIN", 4.0)
    settings = Settings(home=tmp_path, database_url="postgresql://dakuan@127.0.0.1:1/dakuan")
    async with MortalWorker.running(2, settings, STORM, None) as worker:
        with pytest.raises(Unavailable, match="0 of 1 workers poll after 4 s: "):
            await until_all_poll(NO_CLIENT, [worker])


async def test_a_crashing_worker_that_fails_is_named_by_its_test(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"ended by itself with 1: .*DATABASE_URL"):
        await _until_it_fails(tmp_path)


async def _until_it_fails(folder: Path) -> None:
    with crashing_worker(folder, {"kills": 0, "seed": 1}, {"DATABASE_URL": "no address"}):
        async with asyncio.timeout(WITHIN):
            while multiprocessing.active_children():  # noqa: ASYNC110  # another process ends
                await asyncio.sleep(0.05)
