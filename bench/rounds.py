"""Rounds of happy orders, interleaved between engines whose workers are processes of their own."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg

from bench.engines import Engine, happy
from bench.programs import WorkerProgram

CLIENTS = 24
STARTS_WITHIN = 4.0
"""Seconds until all workers poll; each needs about one to start."""
_TICKS = os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def workers_of(
    folder: Path, commands: Mapping[str, Sequence[str]], *, within: float = STARTS_WITHIN
) -> AsyncIterator[dict[str, int]]:
    """One worker process for each engine, with its own log; returns their process ids by name.

    Args:
        commands: the arguments of Python by the engine's name.
        within: seconds until all workers poll.

    Raises:
        Unavailable: one of them ended by itself; the message has its last line.
    """
    workers = {name: WorkerProgram(folder, arguments, name) for name, arguments in commands.items()}
    try:
        for worker in workers.values():
            await worker.start()
        await asyncio.sleep(within)
        for worker in workers.values():
            worker.check()
        yield {name: worker.pid for name, worker in workers.items()}
        for worker in workers.values():
            worker.check()
    finally:
        await asyncio.gather(*(worker.end() for worker in workers.values()))


class Round(NamedTuple):
    """The measurements of one round of one engine."""

    orders_per_s: float
    cpu_ms: float
    """Of the engine's worker, an order."""
    servers_ms: float
    """Of the servers behind it, an order."""
    credited_ms: Sequence[float]
    """From each confirmation to the credit in the ledger."""


async def interleave(
    engines: Sequence[Engine],
    workers: Mapping[str, int],
    pool: asyncpg.Pool[Any],
    pairs: int,
    per_round: int,
    servers: Mapping[str, Sequence[int]] | None = None,
) -> dict[str, list[Round]]:
    """Rounds of each engine, in turn and back, so that other load affects all of them.

    Args:
        workers: the process id of each engine's worker.
        servers: process ids, by the engine's name, of the servers whose processor time counts beside the worker's, with
            that of their children.

    Raises:
        TimeoutError: an order did not go on within a minute.
    """
    numbers = itertools.count()
    measured: dict[str, list[Round]] = {engine.name: [] for engine in engines}

    async def one(engine: Engine, orders: int) -> Round:
        names = [f"{engine.name[:2]}-{next(numbers):07}" for _ in range(orders)]
        return await _round(engine, names, pool, workers[engine.name], (servers or {}).get(engine.name, ()))

    for engine in engines:  # warm up, not counted
        await one(engine, CLIENTS)
    for pair in range(pairs):
        for engine in engines if pair % 2 == 0 else reversed(engines):
            measured[engine.name].append(await one(engine, per_round))
            print(f"{engine.name} {measured[engine.name][-1].orders_per_s:.1f} orders/s", file=sys.stderr)
    return measured


async def _round(
    engine: Engine, names: Sequence[str], pool: asyncpg.Pool[Any], worker: int, servers: Sequence[int]
) -> Round:
    todo, credited = iter(names), list[float]()

    async def one_client() -> None:
        for order_id in todo:
            credited.append(await happy(engine, pool, order_id) * 1000)

    cpu, behind, began = cpu_seconds(worker), trees_cpu_seconds(servers), time.perf_counter()
    await asyncio.gather(*(one_client() for _ in range(CLIENTS)))
    seconds, orders = time.perf_counter() - began, len(names)
    cpu, behind = cpu_seconds(worker) - cpu, trees_cpu_seconds(servers) - behind
    return Round(orders / seconds, cpu * 1000 / orders, behind * 1000 / orders, credited)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = _stat(Path(f"/proc/{pid}"))
    return (int(fields[11]) + int(fields[12])) / _TICKS


def trees_cpu_seconds(roots: Sequence[int]) -> float:
    """User and system time so far of processes and all below them, those that have ended included."""
    parents, ticks = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has just ended
            fields, pid = _stat(folder), int(folder.name)
            parents[pid], ticks[pid] = int(fields[1]), sum(int(field) for field in fields[11:15])
    below = set(roots)
    while more := {pid for pid, parent in parents.items() if parent in below} - below:
        below |= more
    return sum(ticks.get(pid, 0) for pid in below) / _TICKS


def _stat(folder: Path) -> list[str]:
    """The fields of a process after its name: state, parent, ..."""
    return (folder / "stat").read_text().rpartition(")")[2].split()
