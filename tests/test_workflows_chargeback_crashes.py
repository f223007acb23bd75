"""A worker that dies between a chargeback's posting and its report: taken once, and won back once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from databases import Database
from order_crash_stage import CrashStage, open_crash_stage, until

import gateway
from demo.stage import StagedOrder
from local.client import WorldClient
from local.temporal import Temporal


@pytest.fixture(scope="module")
def temporal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Temporal]:
    """A server of this file's own: its workers must be asked about no other orders."""
    server = Temporal(tmp_path_factory.mktemp("temporal"), usual=False)
    server.start()
    yield server
    server.remove()


@pytest_asyncio.fixture
async def stage(temporal: Temporal, world: WorldClient, database: Database) -> AsyncIterator[CrashStage]:
    async with open_crash_stage(temporal, world, database) as stage:
        yield stage


async def _refunded(order: StagedOrder, amount_minor: int) -> None:
    async def refunded() -> int:
        row = await order.stage.register.orders.row(order.name)
        return row.refunded_minor if row is not None else -1

    await until(refunded, lambda got: got == amount_minor)


async def test_a_chargeback_and_its_reverse_are_booked_once(stage: CrashStage, tmp_path: Path) -> None:
    taken, won = stage.order("chargeback"), stage.order("won")
    whole = {order.name: order.order.total_minor for order in (taken, won)}
    async with stage.worker():
        await asyncio.gather(taken.start(), won.start())
        await won.send("report_chargeback", "operator", case_reference="d", amount_minor=whole[won.name])
        await _refunded(won, whole[won.name])
    opened = taken.command("operator", case_reference="d", amount_minor=whole[taken.name])
    await gateway.signal(stage.client, taken.handle.id, "report_chargeback", opened)
    ended = won.command("operator", case_reference="d", outcome="won")
    await gateway.signal(stage.client, won.handle.id, "report_chargeback", ended)
    with stage.crashing_worker(tmp_path, {"chargeback": taken.name, "won": won.name}):
        await until(lambda: asyncio.to_thread((tmp_path / "done").exists), bool)
        await _refunded(taken, whole[taken.name])
        await _refunded(won, 0)
    references = await stage.references()
    assert references[f"order/{taken.name}/chargeback/1"] == 1
    assert references[f"order/{won.name}/chargeback/1/won"] == 1
