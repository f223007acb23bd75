"""A stage for reconciliation by the command line: books, a bank and a channel of its own."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import uvicorn
from command_line import WIDE
from databases import Database
from temporalio.client import Client
from typer.testing import CliRunner, Result
from waiting import until
from withdrawal_stage import WithdrawalStage

import gateway
from ledger.book import Book
from ledger.register import Register
from local.client import WorldClient
from local.ports import LOOPBACK
from local.temporal import Temporal
from local.world import application
from starter import app
from storefront.serving import listen


@pytest_asyncio.fixture
async def own_world(tmp_path: Path, rails_folder: Path) -> AsyncIterator[WorldClient]:
    """Stand-ins without other tests' payouts, served from a thread, which starts sooner than a process."""
    shutil.copytree(rails_folder, tmp_path / "world" / "wechatpay")
    config = uvicorn.Config(lambda: application(tmp_path / "world"), factory=True, log_level="critical")
    server = uvicorn.Server(config)
    with listen(LOOPBACK, 0) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        await until(lambda: asyncio.sleep(0, server.started))
        async with WorldClient(f"http://{LOOPBACK}:{listener.getsockname()[1]}") as client:
            yield client
        server.should_exit = True
        await asyncio.to_thread(thread.join)


@pytest_asyncio.fixture
async def stage(
    money_temporal: Temporal, own_world: WorldClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[WithdrawalStage]:
    """A merchant with money, and settings by which commands find all of it."""
    client = await Client.connect(money_temporal.address, data_converter=gateway.DATA_CONVERTER)
    made = WithdrawalStage(
        client,
        Book(database.pool),
        Register(database.pool),
        own_world,
        money_temporal.address,
        database.worker_dsn,
        database.owner_dsn,
    )
    await made.furnish()
    monkeypatch.setenv("DATABASE_URL", database.worker_dsn)
    monkeypatch.setenv("TEMPORAL_ADDRESS", money_temporal.address)
    monkeypatch.setenv("DAKUAN_BANK_URL", f"{own_world.url}/bank")
    monkeypatch.setenv("DAKUAN_CHANNEL_URL", f"{own_world.url}/channel")
    yield made
    await made.clear()


async def run(*arguments: str, stdin: str | None = None) -> Result:
    """A command, in a thread with a loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, app, list(arguments), input=stdin, env=WIDE)


async def ask(*arguments: str, code: int = 0, stdin: str | None = None) -> Any:
    """The JSON answer of a command that must end with this code."""
    answered = await run(*arguments, "--json", stdin=stdin)
    assert answered.exit_code == code, answered.output
    return json.loads(answered.stdout)


async def paid(stage: WithdrawalStage, amount_minor: int = 10_000) -> str:
    """A withdrawal that the bank paid; its key."""
    async with stage.worker():
        handle = await stage.start(amount_minor)
        state = await stage.phase(handle, "paid")
    return str(state["attempts"][-1]["key"])
