"""`python -m bench midnight`: orders whose `settle_at` falls into one minute, posted one by one and gathered.

The product brings one order to its credit. The others are copies of it, which `rescue` begins from the register.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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
    """Settlements a second when all fall due in one minute: before and after gathering."""
    asyncio.run(_compare(orders, min(alone, orders), json))


async def _compare(orders: int, alone: int, file: Path | None) -> None:
    rates, lasts = {}, {}
    for name, program, count in (("alone", ALONE, alone), ("gathered", WORKER, orders)):
        rates[name], lasts[name] = await _one_night(count, program)
    figures: Figures = {
        "midnight_orders": float(orders),
        "midnight_alone_orders": float(alone),
        "midnight_alone_per_s": rates["alone"],
        "midnight_gathered_per_s": rates["gathered"],
        "midnight_ratio_alone": rates["gathered"] / rates["alone"],
        "midnight_last_after_s": lasts["gathered"],
    }
    rows = [(name, f"{rates[name]:.1f}", f"{lasts[name]:.1f}") for name in rates]
    show(f"{orders:,} orders settle in one minute", ("posted", "settled/s", "all settled after s"), rows, figures)
    write(figures, file)


async def _one_night(orders: int, program: tuple[str, ...]) -> tuple[float, float]:
    """Settlements a second, and the seconds until the last one."""
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
        began = time.perf_counter()
        await people.until_moved("settle", orders, GIVES_UP_AFTER)
        took = time.perf_counter() - began
        broken = [proof.name for proof in await prove(people.pool) if not proof.holds]
        assert not broken, broken
    return (orders - early) / took, took


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
