"""`python -m bench orders`: the product's happy order compared with *bare* and *base*, interleaved on one server.

Each engine has a worker process of its own. Rounds alternate; ratios are medians of pairs of neighbouring rounds.
Tasks, events, local activities, round trips and bytes are counted on one order with the default policy.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import asyncpg
import typer

import gateway
from bench.costs import order_counter
from bench.engines import Engine, Peer, Product, happy
from bench.figures import FigureFile, Figures, median_ratio, percentile, show, write
from config import PROJECT
from core.errors import Unavailable
from core.policy import policy_hash
from ledger.migrate import migrate
from ledger.pool import open_pool
from ledger.register import Register
from local.stack import LocalStack

CLIENTS = 24
BENCH_POLICY = """
name = "bench"
commission_bps = 500
[order]
settlement_delay = "200ms"
after_sale_window = "0s"
"""
BENCH_SCHEMA = """
CREATE SCHEMA bench;
CREATE TABLE bench.marks (order_id TEXT NOT NULL, what TEXT NOT NULL, PRIMARY KEY (order_id, what));
CREATE FUNCTION dakuan.bench_mark(p_order_id TEXT, p_what TEXT) RETURNS VOID LANGUAGE sql SECURITY DEFINER AS $$
    INSERT INTO bench.marks VALUES (p_order_id, p_what) ON CONFLICT DO NOTHING
$$;
GRANT USAGE ON SCHEMA bench TO PUBLIC;
GRANT SELECT ON bench.marks TO PUBLIC;
"""
STARTS_WITHIN = 4.0
"""Seconds until all three workers poll; each needs about one to start."""
_TICKS = os.sysconf("SC_CLK_TCK")


def orders(
    pairs: Annotated[int, typer.Option(help="Interleaved rounds of each engine.")] = 5,
    per_round: Annotated[int, typer.Option(help="Orders a round and engine.")] = 96,
    json: FigureFile = None,
) -> None:
    """Orders per second, worker CPU per order, confirm → credited; tasks, events, round trips and bytes an order."""
    asyncio.run(_measure(pairs, per_round, json))


async def _measure(pairs: int, per_round: int, file: Path | None) -> None:
    async with LocalStack.temporary() as stack, AsyncExitStack() as opened:
        settings = stack.settings
        await migrate(settings.needed("database_owner_url"))
        await _prepare(settings.needed("database_owner_url"))
        pool = await open_pool(settings.needed("database_url"), size=CLIENTS)
        opened.push_async_callback(pool.close)
        await Register(pool).policies.keep("bench", policy_hash(BENCH_POLICY), BENCH_POLICY)
        client = await opened.enter_async_context(gateway.connected(settings))
        engines: list[Engine] = [
            Product(client, pool, lambda waybill: travelled(stack, waybill)),
            Peer("bare", client, pool),
            Peer("base", client, pool),
        ]
        async with _workers(stack.home) as workers:
            rounds = await _rounds(engines, workers, pool, pairs, per_round)
        counts = await _count(stack)
    _report(rounds, counts, file)


async def _prepare(owner_dsn: str) -> None:
    connection = await asyncpg.connect(owner_dsn)
    try:
        await connection.execute(BENCH_SCHEMA)
    finally:
        await connection.close()


@asynccontextmanager
async def _workers(folder: Path) -> AsyncIterator[dict[str, int]]:
    """One worker process for each engine, with its own log; returns their process ids by name.

    Raises:
        Unavailable: one of them ended at once; the message has its last line.
    """
    commands = {
        "product": [str(PROJECT / "worker.py")],
        "bare": ["-m", "bench.peer_worker", "bare"],
        "base": ["-m", "bench.peer_worker", "base"],
    }
    environment = {**os.environ, "DAKUAN_HOME": str(folder)}
    running = {}
    for name, arguments in commands.items():
        with _log_of(folder, name).open("wb") as log:
            running[name] = await asyncio.create_subprocess_exec(
                sys.executable, *arguments, cwd=PROJECT, env=environment, stdout=log, stderr=log
            )
    try:
        await asyncio.sleep(STARTS_WITHIN)
        for name, process in running.items():
            if process.returncode is not None:
                last = _log_of(folder, name).read_text(errors="replace").strip().splitlines()[-1:]
                raise Unavailable(f"the {name} worker ended at once: {' '.join(last)}")
        yield {name: process.pid for name, process in running.items()}
    finally:
        for process in running.values():
            if process.returncode is None:
                process.terminate()
        for process in running.values():
            await process.wait()


def _log_of(folder: Path, name: str) -> Path:
    return folder / f"worker-{name}.log"


class _Round:
    """The measurements of one round of one engine."""

    def __init__(self, orders_per_s: float, cpu_ms: float, credited_ms: list[float]) -> None:
        self.orders_per_s, self.cpu_ms, self.credited_ms = orders_per_s, cpu_ms, credited_ms


async def _rounds(
    engines: Sequence[Engine], workers: dict[str, int], pool: asyncpg.Pool[Any], pairs: int, per_round: int
) -> dict[str, list[_Round]]:
    numbers = itertools.count()
    measured: dict[str, list[_Round]] = {engine.name: [] for engine in engines}
    for engine in engines:  # warm up, not counted
        await _round(engine, workers[engine.name], pool, numbers, CLIENTS)
    for pair in range(pairs):
        for engine in engines if pair % 2 == 0 else reversed(engines):
            measured[engine.name].append(await _round(engine, workers[engine.name], pool, numbers, per_round))
            print(f"{engine.name} {measured[engine.name][-1].orders_per_s:.1f} orders/s", file=sys.stderr)
    return measured


async def _round(
    engine: Engine, worker: int, pool: asyncpg.Pool[Any], numbers: itertools.count[int], orders: int
) -> _Round:
    todo = iter([f"{engine.name[:2]}-{next(numbers):07}" for _ in range(orders)])
    credited: list[float] = []

    async def one_client() -> None:
        for order_id in todo:
            seconds = await happy(engine, pool, order_id)
            credited.append(seconds * 1000)

    cpu, began = _cpu_seconds(worker), time.perf_counter()
    await asyncio.gather(*(one_client() for _ in range(CLIENTS)))
    seconds = time.perf_counter() - began
    return _Round(orders / seconds, (_cpu_seconds(worker) - cpu) * 1000 / orders, credited)


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


async def travelled(stack: LocalStack, waybill: str) -> None:
    """A parcel that was picked up two days ago and is delivered at the moment its number is reported."""
    now = datetime.now(UTC)
    seen = (
        (timedelta(days=-2), "picked_up", "杭州市"),
        (timedelta(days=-1), "in_transit", "南京市"),
        (timedelta(seconds=30), "delivered", "北京市"),
    )
    scans = [{"at": (now + at).isoformat(), "code": stage, "stage": stage, "city": city} for at, stage, city in seen]
    await stack.world.add_scans("sandbox", waybill, scans)


async def _count(stack: LocalStack) -> Figures:
    """Count one happy order, with a new worker after those of the rounds have ended."""
    async with order_counter(stack, lambda waybill: travelled(stack, waybill)) as counter:
        return await counter.count("count-1")


def _report(rounds: dict[str, list[_Round]], counts: Figures, file: Path | None) -> None:
    def of(name: str, what: str) -> list[float]:
        return [getattr(measured, what) for measured in rounds[name]]

    def credited(name: str, percent: float) -> list[float]:
        return [percentile(measured.credited_ms, percent) for measured in rounds[name]]

    figures: Figures = {
        **counts,
        "orders_ratio_bare": median_ratio(of("product", "orders_per_s"), of("bare", "orders_per_s")),
        "orders_ratio_base": median_ratio(of("product", "orders_per_s"), of("base", "orders_per_s")),
        "worker_cpu_ratio_base": median_ratio(of("product", "cpu_ms"), of("base", "cpu_ms")),
        "worker_cpu_ratio_bare": median_ratio(of("product", "cpu_ms"), of("bare", "cpu_ms")),
        "credited_p50_ratio_base": median_ratio(credited("product", 50), credited("base", 50)),
        "credited_p99_ratio_base": median_ratio(credited("product", 99), credited("base", 99)),
    }
    rows = [
        (
            name,
            f"{percentile(of(name, 'orders_per_s'), 50):.1f}",
            f"{percentile(of(name, 'cpu_ms'), 50):.1f}",
            f"{percentile(credited(name, 50), 50):.0f}",
            f"{percentile(credited(name, 99), 50):.0f}",
        )
        for name in rounds
    ]
    columns = ("engine", "orders/s", "worker CPU ms/order", "credited p50 ms", "credited p99 ms")
    show(f"Happy order, {CLIENTS} clients, medians", columns, rows, figures)
    write(figures, file)
