"""`python -m bench orders`: the product's happy order compared with *bare* and *base*, interleaved on one server.

Each engine has a worker process of its own. Rounds alternate; ratios are medians of pairs of neighbouring rounds.
Tasks, events, local activities, round trips and bytes are counted on one order with the default policy.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import asyncpg
import typer

import gateway
from bench.costs import order_counter
from bench.engines import Engine, Peer, Product
from bench.figures import FigureFile, Figures, median_ratio, percentile, show, write
from bench.peers.duties import SCHEMA
from bench.rounds import CLIENTS, Round, interleave, workers_of
from config import PROJECT
from core.policy import policy_hash
from ledger.migrate import migrate
from ledger.pool import open_pool
from ledger.register import Register
from local.stack import LocalStack

BENCH_POLICY = """
name = "bench"
commission_bps = 500
[order]
settlement_delay = "200ms"
after_sale_window = "0s"
"""
WORKERS = {
    "product": (str(PROJECT / "worker.py"),),
    "bare": ("-m", "bench.peers.on_temporal", "bare"),
    "base": ("-m", "bench.peers.on_temporal", "base"),
}
"""The arguments of Python for each engine's worker."""


def orders(
    pairs: Annotated[int, typer.Option(min=1, help="Interleaved rounds of each engine.")] = 5,
    per_round: Annotated[int, typer.Option(min=1, help="Orders a round and engine.")] = 96,
    json: FigureFile = None,
) -> None:
    """Orders per second, worker CPU per order, confirm → credited; tasks, events, round trips and bytes an order."""
    asyncio.run(_measure(pairs, per_round, json))


async def _measure(pairs: int, per_round: int, file: Path | None) -> None:
    async with LocalStack.temporary() as stack, AsyncExitStack() as opened:
        settings = stack.settings
        await migrate(settings.needed("database_owner_url"))
        await prepare(settings.needed("database_owner_url"))
        pool = await open_pool(settings.needed("database_url"), size=CLIENTS)
        opened.push_async_callback(pool.close)
        await Register(pool).policies.keep("bench", policy_hash(BENCH_POLICY), BENCH_POLICY)
        client = await opened.enter_async_context(gateway.connected(settings))

        async def scan(waybill: str) -> None:
            await travelled(stack, waybill)

        # The parcels of all arrive, as in `bench peers`: to let one arrive costs the bench and the stand-in.
        engines: list[Engine] = [
            Product(client, pool, scan),
            Peer("bare", client, pool, scan),
            Peer("base", client, pool, scan),
        ]
        async with workers_of(stack.home, WORKERS) as workers:
            rounds = await interleave(engines, workers, pool, pairs, per_round)
        counts = await _count(stack)
    _report(rounds, counts, file)


async def prepare(owner_dsn: str) -> None:
    """Tables and functions of the hand-written orders."""
    connection = await asyncpg.connect(owner_dsn)
    try:
        await connection.execute(SCHEMA)
    finally:
        await connection.close()


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


def _report(rounds: dict[str, list[Round]], counts: Figures, file: Path | None) -> None:
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
