"""`python -m bench midnight`: orders whose `settle_at` falls into one minute, posted one by one and gathered.

Each order has the settlement delay that leads to that minute: a policy for each few hundred of them.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

import gateway
from bench.crowd import WORKER, Crowd, crowd
from bench.engines import bench_order, happy, until
from bench.figures import FigureFile, Figures, show, write
from core.policy import policy_hash
from ledger.book import Book
from ledger.proofs import prove
from ledger.register import Register

ALONE = ("-m", "bench.midnight", "alone")
"""A worker that posts one by one."""
AT_A_TIME = 200
"""Orders under one policy: they are credited within seconds, and settle as many seconds apart."""
TRIED = 48
SPARE = 1.5
"""Of the time that the orders take at the rate that was tried: the minute must not begin before they all wait."""
GIVES_UP_AFTER = 3600.0
POLICY = """
name = "{name}"
commission_bps = 500
[order]
settlement_delay = "{delay}s"
after_sale_window = "0s"
"""


def midnight(
    orders: Annotated[int, typer.Option(min=20, help="Orders that settle in one minute.")] = 20_000,
    json: FigureFile = None,
) -> None:
    """Settlements a second when all fall due in one minute: before and after gathering."""
    asyncio.run(_compare(orders, json))


async def _compare(orders: int, file: Path | None) -> None:
    rates, lasts = {}, {}
    for name, program in (("alone", ALONE), ("gathered", WORKER)):
        rates[name], lasts[name] = await _one_night(orders, program)
    figures: Figures = {
        "midnight_orders": float(orders),
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
    async with crowd() as people, people.worker(program) as worker:
        tried = [f"T{number:06}" for number in range(TRIED)]
        seconds = await people.each(lambda order_id: happy(people.product, people.pool, order_id), tried)
        due = time.time() + SPARE * seconds / TRIED * orders + 10
        settled = await people.moved("settle")
        for begin in range(0, orders, AT_A_TIME):
            names = [f"M{number:06}" for number in range(begin, min(begin + AT_A_TIME, orders))]
            await _let_wait(people, names, max(1, round(due - time.time())))
            worker.check()
        early = await people.moved("settle") - settled
        await asyncio.sleep(max(0.0, due - time.time()))
        began = time.perf_counter()
        await people.until_moved("settle", settled + orders, GIVES_UP_AFTER)
        took = time.perf_counter() - began
        broken = [proof.name for proof in await prove(people.pool) if not proof.holds]
        assert not broken, broken
    return (orders - early) / took, took


async def _let_wait(people: Crowd, names: list[str], delay: int) -> None:
    """Orders that are credited, and settle so many seconds later."""
    policy = f"midnight-{delay}"
    text = POLICY.format(name=policy, delay=delay)
    await Register(people.pool).policies.keep(policy, policy_hash(text), text)

    async def credit(order_id: str) -> None:
        await gateway.start_order(people.client, bench_order(order_id, policy=policy))
        waits = "SELECT 1 FROM orders WHERE order_id = $1 AND phase = 'awaiting_shipment'"
        await until(lambda: people.pool.fetchval(waits, order_id))
        await people.product.ship(order_id)
        await people.product.confirm(order_id)

    await people.each(credit, names)


def _post_one_by_one() -> None:
    """From now on no book of this process gathers."""
    book: Any = Book
    book.post = Book.post_alone


if __name__ == "__main__":
    from worker import cli

    assert sys.argv[1:] == ["alone"]
    _post_one_by_one()
    sys.exit(cli())
