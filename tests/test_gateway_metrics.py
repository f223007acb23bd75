"""The Prometheus endpoint of a process: gauges that follow what is measured, and clear words for a wrong address."""

from __future__ import annotations

import asyncio
import re
import socket

import httpx2
import pytest
from databases import Database
from temporalio.api.workflowservice.v1 import DescribeTaskQueueResponse
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode
from waiting import WITHIN

import gateway
from config import Settings
from core.errors import Misconfigured, Unavailable
from gateway.metrics import GaugeBoard, Measured, runtime_of
from ledger.register import Register
from local.ports import LOOPBACK, free_port
from storefront.app import running_service
from wiring import watching
from wiring.watching import measure, watched
from worker import running_worker


def a_free_address() -> str:
    return f"{LOOPBACK}:{free_port()}"


def test_what_is_not_measured_any_more_falls_to_0() -> None:
    address = a_free_address()
    runtime = runtime_of(Settings(metrics=address))
    assert runtime is not None
    assert runtime_of(Settings(metrics=address)) is runtime
    board = GaugeBoard(runtime)
    board.show([("open_orders", {"phase": "in_transit"}, 3.0), ("up", {"what": "postgresql"}, 1.0)])
    board.show([("open_orders", {"phase": "held"}, 2.0), ("up", {"what": "postgresql"}, 1.0)])
    lines = lines_at(address)
    assert {'dakuan_open_orders{phase="in_transit"} 0', 'dakuan_open_orders{phase="held"} 2'} <= lines
    assert 'dakuan_up{what="postgresql"} 1' in lines


def lines_at(address: str) -> set[str]:
    shown = httpx2.get(f"http://{address}/metrics", timeout=WITHIN).text.splitlines()
    return {re.sub(r',?service_name="[^"]*",?', "", line) for line in shown}


def test_an_age_below_zero_is_shown_as_0() -> None:
    """A row of a clock that goes ahead, or one written while the ages are read; the meter itself refuses it."""
    address = a_free_address()
    runtime = runtime_of(Settings(metrics=address))
    assert runtime is not None
    GaugeBoard(runtime).show([("seconds_since_seal", {}, -0.2), ("open_orders", {"phase": "held"}, 2.0)])
    assert {"dakuan_seconds_since_seal{} 0", 'dakuan_open_orders{phase="held"} 2'} <= lines_at(address)


async def test_a_reading_that_fails_is_written_and_the_next_one_is_shown(
    register: Register, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    address, asked, again = a_free_address(), 0, asyncio.Event()

    async def fails_once(*_: object) -> list[Measured]:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise ValueError("unforeseen")
        if asked == 3:
            again.set()
        return [("open_orders", {"phase": "held"}, 3.0)]

    monkeypatch.setattr(watching, "measure", fails_once)
    monkeypatch.setattr(watching, "EVERY", 0.01)
    client = await Client.connect("127.0.0.1:1", data_converter=gateway.DATA_CONVERTER, lazy=True)
    async with watched(Settings(metrics=address), register.pool, client):
        await asyncio.wait_for(again.wait(), WITHIN)
        lines = lines_at(address)
    assert 'dakuan_open_orders{phase="held"} 3' in lines
    assert any(line.startswith("dakuan_measured_timestamp_seconds") for line in lines)
    assert "the gauges cannot be shown" in caplog.text


def test_an_address_that_is_taken_or_is_none_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Misconfigured, match=f"DAKUAN_METRICS: {address}"):
            runtime_of(Settings(metrics=address))
    for wrong in ("localhost:9464", "9464", "127.0.0.1"):
        with pytest.raises(Misconfigured, match="DAKUAN_METRICS"):
            Settings.from_env({"DAKUAN_METRICS": wrong, "DAKUAN_HOME": "/nonexistent"})


async def test_a_command_leaves_the_port_to_the_worker_beside_it() -> None:
    """Both have the same environment, and the worker has the port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = Settings(temporal_address="127.0.0.1:1", metrics=f"127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(Unavailable, match="Temporal does not answer"):
            await gateway.connect(settings)
        with pytest.raises(Misconfigured, match="DAKUAN_METRICS"):
            await gateway.connect(settings, measured=True)


async def test_a_worker_and_a_gateway_show_the_metrics_of_their_client(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def connected(_: Settings, *, later: bool = False, measured: bool = False) -> None:
        asked.append(measured)
        raise Unavailable("it was asked")

    monkeypatch.setattr(gateway, "connected", connected)
    settings = Settings(database_url=database.worker_dsn)
    for running in (running_worker, running_service):
        with pytest.raises(Unavailable, match="it was asked"):
            async with running(settings):
                pass
    assert asked == [True, True]


@pytest.mark.parametrize(
    ("status", "times", "up"),
    [(RPCStatusCode.CANCELLED, 1, 1.0), (RPCStatusCode.CANCELLED, 2, 0.0), (RPCStatusCode.UNAVAILABLE, 1, 0.0)],
)
async def test_a_connection_that_the_server_ends_is_no_temporal_that_is_away(
    status: RPCStatusCode, times: int, up: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends each after some minutes. What was under way is asked again."""
    failures = [RPCError("operation was canceled", status, b"")] * times

    async def describe(*_: object, **__: object) -> DescribeTaskQueueResponse:
        if failures:
            raise failures.pop()
        return DescribeTaskQueueResponse()

    async def none_fails(*_: object) -> list[object]:
        return []

    client = await Client.connect("127.0.0.1:1", lazy=True)
    monkeypatch.setattr(client.workflow_service, "describe_task_queue", describe)
    monkeypatch.setattr(gateway, "failing", none_fails)
    assert (await watching._of_temporal(client))[0] == ("up", {"what": "temporal"}, up)


async def test_a_source_that_is_away_is_shown_as_down(register: Register, database: Database) -> None:
    client = await Client.connect("127.0.0.1:1", data_converter=gateway.DATA_CONVERTER, lazy=True)
    measured = await measure(register, client)
    assert ("up", {"what": "postgresql"}, 1.0) in measured
    assert ("up", {"what": "temporal"}, 0.0) in measured
    assert {name for name, _, _ in measured} >= {"overdue_deadlines", "overdue_reviews", "oldest_transaction_seconds"}
