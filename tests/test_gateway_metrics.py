"""The Prometheus endpoint of a process: gauges that follow what is measured, and clear words for a wrong address."""

from __future__ import annotations

import re
import socket

import httpx2
import pytest
from databases import Database
from temporalio.client import Client

import gateway
from config import Settings
from core.errors import Misconfigured
from gateway.metrics import GaugeBoard, runtime_of
from ledger.register import Register
from wiring.watching import measure


def a_free_address() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


def test_what_is_not_measured_any_more_falls_to_0() -> None:
    address = a_free_address()
    runtime = runtime_of(Settings(metrics=address))
    assert runtime is not None
    assert runtime_of(Settings(metrics=address)) is runtime
    board = GaugeBoard(runtime)
    board.show([("open_orders", {"phase": "in_transit"}, 3.0), ("up", {"what": "postgresql"}, 1.0)])
    board.show([("open_orders", {"phase": "held"}, 2.0), ("up", {"what": "postgresql"}, 1.0)])
    shown = httpx2.get(f"http://{address}/metrics").text.splitlines()
    lines = {re.sub(r',?service_name="[^"]*",?', "", line) for line in shown}
    assert {'dakuan_open_orders{phase="in_transit"} 0', 'dakuan_open_orders{phase="held"} 2'} <= lines
    assert 'dakuan_up{what="postgresql"} 1' in lines


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


async def test_a_source_that_is_away_is_shown_as_down(register: Register, database: Database) -> None:
    client = await Client.connect(a_free_address(), data_converter=gateway.DATA_CONVERTER, lazy=True)
    measured = await measure(register, client)
    assert ("up", {"what": "postgresql"}, 1.0) in measured
    assert ("up", {"what": "temporal"}, 0.0) in measured
    assert {name for name, _, _ in measured} >= {"overdue_deadlines", "overdue_reviews", "oldest_transaction_seconds"}
