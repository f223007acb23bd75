"""Shows what is open, held, overdue and failing, as gauges at the Prometheus endpoint of this process."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from temporalio.client import Client

import gateway
from config import Settings
from core.errors import DakuanError
from gateway.metrics import GaugeBoard, Measured, runtime_of
from ledger.pool import Pool
from ledger.register import Register
from ledger.replica import ReadPool

EVERY = 15.0
"""Seconds between two readings: Prometheus asks about as often."""

COUNTED = 100
"""Failing workflows that are counted; more say nothing new."""

log = logging.getLogger("dakuan.metrics")


@asynccontextmanager
async def watched(settings: Settings, pool: Pool, client: Client, reads: ReadPool | None = None) -> AsyncIterator[None]:
    """Keep the gauges fresh while the block runs, where an endpoint is set.

    Args:
        reads: asks the replica, in a process that has one.
    """
    runtime = runtime_of(settings)
    if runtime is None:
        yield
        return
    watching = asyncio.create_task(_watch(GaugeBoard(runtime), Register(pool), client, reads))
    try:
        yield
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


async def _watch(board: GaugeBoard, register: Register, client: Client, reads: ReadPool | None) -> None:
    while True:
        try:
            board.show([*await measure(register, client, reads), ("measured_timestamp_seconds", {}, time.time())])
        except Exception:  # a task that ends here would leave its last figures standing, as if all were well
            log.exception("the gauges cannot be shown")
        await asyncio.sleep(EVERY)


async def measure(register: Register, client: Client, reads: ReadPool | None = None) -> list[Measured]:
    """All gauges now. One that cannot be measured is left out, and its source is shown as down."""
    return [*await _of_register(register), *await _of_temporal(client), *await _of_replica(reads)]


async def _of_replica(reads: ReadPool | None) -> list[Measured]:
    """Whether lists are read there; its lag, where it answers."""
    if reads is None or not reads.is_set:
        return []
    await reads.look()
    used: Measured = ("replica_used", {}, float(not reads.is_away))
    return [used] if math.isinf(reads.lag) else [used, ("replica_lag_seconds", {}, reads.lag)]


async def _of_register(register: Register) -> list[Measured]:
    began = time.monotonic()
    try:
        found = await register.gauges.read()
    except DakuanError as error:
        log.warning("the gauges of the register cannot be read: %s", error)
        return [("up", {"what": "postgresql"}, 0.0)]
    took = time.monotonic() - began
    own: list[Measured] = [("up", {"what": "postgresql"}, 1.0), ("reading_seconds", {}, took)]
    return [*own, *((gauge.name, gauge.labels, gauge.value) for gauge in found)]


async def _of_temporal(client: Client) -> list[Measured]:
    try:
        idle = (await gateway.workers(client)).why_idle
        failing = len(await gateway.failing(client, COUNTED))
    except Exception as error:  # any failure of the connection means the same: it is away
        log.warning("Temporal cannot be asked: %s", error)
        return [("up", {"what": "temporal"}, 0.0)]
    return [
        ("up", {"what": "temporal"}, 1.0),
        ("workers_take_tasks", {}, float(idle is None)),
        ("failing_workflows", {}, float(failing)),
    ]
