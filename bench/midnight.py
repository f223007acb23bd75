"""`python -m bench midnight`: orders whose `settle_at` falls into one minute, posted one by one and gathered.

The product brings one order to its credit. The others are copies of it, which `rescue` begins from the register.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import asyncpg
import typer

import gateway
from bench.clones import Connection, add_credited_orders, let_settle_at
from bench.crowd import WORKER, Crowd, crowd
from bench.engines import bench_order, until
from bench.figures import FigureFile, Figures, show, write
from bench.programs import WorkerProgram
from bench.rounds import trees_cpu_seconds
from core.errors import Unavailable
from core.policy import policy_hash
from ledger.book import Book
from ledger.proofs import prove
from ledger.register import Register

ALONE = ("-m", "bench.midnight", "alone")
"""A worker that posts one by one."""
DELAY = timedelta(hours=6)
"""Of a settlement: longer than the preparations take."""
TEMPLATE = "template"
TRIED = 48
SPARE = 1.5
"""Of the time that the orders take at the rate that was tried: the minute must not begin before they all wait."""
GIVES_UP_AFTER = 3600.0
POLICY = f"""
name = "midnight"
commission_bps = 500
[order]
settlement_delay = "{int(DELAY.total_seconds())}s"
after_sale_window = "0s"
"""


def midnight(
    orders: Annotated[int, typer.Option(min=20, help="Orders that settle in one minute.")] = 20_000,
    alone: Annotated[int, typer.Option(min=20, help="Orders that are posted one by one, for the comparison.")] = 2_000,
    json: FigureFile = None,
) -> None:
    """Settlements a second, and their CPU, when all fall due in one minute: posted one by one and gathered."""
    asyncio.run(_compare(orders, min(alone, orders), json))


async def _compare(orders: int, alone: int, file: Path | None) -> None:
    nights = {
        name: await _one_night(count, program)
        for name, program, count in (("alone", ALONE, alone), ("gathered", WORKER, orders))
    }
    one_by_one, gathered = nights["alone"], nights["gathered"]
    figures: Figures = {
        "midnight_orders": float(orders),
        "midnight_alone_orders": float(alone),
        "midnight_alone_per_s": one_by_one.per_s,
        "midnight_gathered_per_s": gathered.per_s,
        "midnight_ratio_alone": gathered.per_s / one_by_one.per_s,
        "midnight_last_after_s": gathered.last_after_s,
        **{f"midnight_{program}_cpu_ms": cpu_ms for program, cpu_ms in gathered.cpu_ms.items()},
    }
    columns = ("posted", "orders", "settled/s", "all settled after s", *(f"{name} CPU ms" for name in gathered.cpu_ms))
    rows = [
        (
            *(name, f"{night.orders:,}", f"{night.per_s:.1f}", f"{night.last_after_s:.1f}"),
            *(f"{cpu_ms:.1f}" for cpu_ms in night.cpu_ms.values()),
        )
        for name, night in nights.items()
    ]
    show("Orders that settle in one minute", columns, rows, figures)
    write(figures, file)


@dataclass(frozen=True)
class Night:
    """How the orders of one night were settled.

    Attributes:
        last_after_s: after the deadline.
        cpu_ms: what each program used for one settlement.
    """

    orders: int
    per_s: float
    last_after_s: float
    cpu_ms: Mapping[str, float]


async def _one_night(orders: int, program: tuple[str, ...]) -> Night:
    async with crowd() as people, people.worker(program) as worker, _owner(people) as owner:
        await Register(people.pool).policies.keep("midnight", policy_hash(POLICY), POLICY)
        await _credit(people, TEMPLATE)
        tried = await add_credited_orders(owner, TEMPLATE, "T", TRIED)
        waiting = await add_credited_orders(owner, TEMPLATE, "M", orders)
        seconds = await people.each(lambda order_id: _begin(people, order_id), tried)
        due = datetime.now(UTC) + timedelta(seconds=SPARE * seconds / TRIED * orders + 10)
        print(f"{orders:,} orders, {TRIED / seconds:.1f} begun a second; due at {due:%H:%M:%S}", file=sys.stderr)
        await let_settle_at(owner, "M", due, DELAY)
        await people.each(lambda order_id: _begin(people, order_id), waiting)
        worker.check()
        early = await people.moved("settle")
        await asyncio.sleep(max(0.0, (due - datetime.now(UTC)).total_seconds()))
        programs = _programs(people, worker)
        used = {name: trees_cpu_seconds([pid]) for name, pid in programs.items()}
        took = await people.until_moved("settle", orders, GIVES_UP_AFTER)
        settled = orders - early
        if not settled:
            raise Unavailable("the minute passed before the orders waited for it: the machine became slower")
        cpu_ms = {name: (trees_cpu_seconds([pid]) - used[name]) * 1000 / settled for name, pid in programs.items()}
        broken = [proof.name for proof in await prove(people.pool) if not proof.holds]
        assert not broken, broken
    return Night(orders, settled / took, took, cpu_ms)


def _programs(people: Crowd, worker: WorkerProgram) -> dict[str, int]:
    temporal, postgres = people.stack.temporal.pid, people.stack.postgres.pid
    assert temporal is not None
    assert postgres is not None
    return {"worker": worker.pid, "temporal": temporal, "postgres": postgres}


@asynccontextmanager
async def _owner(people: Crowd) -> AsyncIterator[Connection]:
    owner = await asyncpg.connect(people.stack.settings.needed("database_owner_url"))
    try:
        yield owner
    finally:
        await owner.close()


async def _credit(people: Crowd, order_id: str) -> None:
    """One order as the product brings it to its credit."""
    await gateway.start_order(people.client, bench_order(order_id, policy="midnight"))
    await _until(people, order_id, "phase = 'awaiting_shipment'")
    await people.product.ship(order_id)
    await people.product.confirm(order_id)
    await _until(people, order_id, "phase = 'credited'")


async def _begin(people: Crowd, order_id: str) -> None:
    """Let a copy wait for its settlement; its first record says that it does."""
    before = await people.pool.fetchval("SELECT revision FROM orders WHERE order_id = $1", order_id)
    await gateway.start_order(people.client, bench_order(order_id, policy="midnight"), rescue=True)
    await _until(people, order_id, f"revision > {before}")


async def _until(people: Crowd, order_id: str, condition: str) -> None:
    query = f"SELECT 1 FROM orders WHERE order_id = $1 AND {condition}"
    await until(lambda: people.pool.fetchval(query, order_id))


def _post_one_by_one() -> None:
    """From now on no book of this process gathers."""
    book: Any = Book
    book.post = Book.post_alone


if __name__ == "__main__":
    from worker import cli

    assert sys.argv[1:] == ["alone"]
    _post_one_by_one()
    sys.exit(cli())
