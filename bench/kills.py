"""`python -m bench kills`: whole orders while one worker after another is killed; each order's money moves once."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from bench.crowd import Crowd, crowd
from bench.engines import bench_order
from bench.faults.killing import MortalWorker
from bench.faults.plan import Storm
from bench.figures import FigureFile, Figures, show, write
from core.errors import Unavailable
from ledger.proofs import prove

ENDS_WITHIN = 120.0
"""Seconds from the last kill until every order is settled."""
STEP_WITHIN = 600.0
"""Seconds of one step of an order, with its worker dead for most of them."""
CLIENTS = 48
AT_WORK = 10
"""Movements between two kills, at least: a worker that has not begun yet shows nothing by its end."""
LOOK_EVERY = 0.1
COMMISSION_BPS = 500
"""Of the benches' policy."""
SAYS_EVERY = 15.0
_BOOKS = """
SELECT o.order_id, p.paid_minor, coalesce(a.balance_minor, 0)::BIGINT AS earned_minor,
       EXISTS (SELECT FROM movements m WHERE m.reference = 'order/' || o.order_id || '/settle') AS settled
FROM orders o
JOIN (SELECT split_part(reference, '/', 2) AS order_id, sum(delta_minor)::BIGINT AS paid_minor FROM entries
      WHERE path = 'psp/bench' GROUP BY 1) p USING (order_id)
LEFT JOIN accounts a ON a.path = 'merchant/' || o.merchant_id || '/available'
"""


class Books(NamedTuple):
    """What the books say of all orders; each has a merchant of its own, so what is there came from one order."""

    settled: int
    doubled: int
    """Orders that were paid for, or whose merchant was credited, more than once."""
    wrong_minor: int
    """What settled orders are away from the one right sum, lost or created."""


def kills(
    orders: Annotated[int, typer.Option(min=10, help="Whole orders.")] = 2_000,
    kill_every: Annotated[float, typer.Option(min=1.0, help="Seconds between two kills, half less or more.")] = 3.0,
    seed: Annotated[int, typer.Option(help="Of the times between kills.")] = 1,
    json: FigureFile = None,
) -> None:
    """Orders from payment to settled while workers are killed: nothing twice, lost or stuck, or exit code 1."""
    asyncio.run(_measure(orders, kill_every, random.Random(seed), json))


async def _measure(orders: int, kill_every: float, dice: random.Random, file: Path | None) -> None:
    began = time.perf_counter()
    async with crowd() as people, _mortal(people, 1) as first, _mortal(people, 2) as second:
        await people.until_polled()
        killing = asyncio.create_task(_kill(people, (first, second), kill_every, dice))
        names = [f"S{number:06}" for number in range(orders)]
        saying = asyncio.create_task(_say(people, orders))
        try:
            await people.each(lambda order_id: _live(people, order_id), names, CLIENTS)
        finally:
            killing.cancel()
            saying.cancel()
            (killed, *_) = await asyncio.gather(killing, saying, return_exceptions=True)
        if isinstance(killed, BaseException):
            raise killed
        settles = await _settled(people, orders)
        books = await _books(people)
        broken = [proof.name for proof in await prove(people.pool) if not proof.holds]
    stuck = orders - books.settled
    figures: Figures = {
        "kills": float(killed),
        "orders": float(orders),
        "double_effects": float(books.doubled),
        "lost_minor": float(books.wrong_minor),
        "stuck": float(stuck),
        "breaches": float(books.doubled + bool(books.wrong_minor) + stuck + len(broken)),
        "settle_s": settles,
        "seconds": time.perf_counter() - began,
    }
    rows = [
        ("workers killed", f"{killed:,}", ""),
        ("orders settled", f"{books.settled:,}", f"{orders:,}"),
        ("paid or credited more than once", f"{books.doubled:,}", "0"),
        ("lost or created, minor units", f"{books.wrong_minor:,}", "0"),
        ("proofs that fail", ", ".join(broken) or "none", "none"),
        ("settled after the last kill", f"{settles:.1f} s", f"≤ {ENDS_WITHIN:.0f} s"),
    ]
    show(f"{orders:,} orders while workers are killed", ("", "counted", "goal"), rows, figures)
    write(figures, file)
    if figures["breaches"]:
        raise typer.Exit(1)


async def _live(people: Crowd, order_id: str) -> None:
    """From payment to the buyer's word. While its worker is dead an order does not answer; the same again is safe."""
    for step in (people.product.start, people.product.ship, people.confirm):
        await _patiently(step, order_id)


async def _patiently(step: Callable[[str], Awaitable[None]], order_id: str) -> None:
    async with asyncio.timeout(STEP_WITHIN):
        while True:
            with suppress(Unavailable, TimeoutError):
                return await step(order_id)
            await asyncio.sleep(LOOK_EVERY)


def _mortal(people: Crowd, number: int) -> AbstractAsyncContextManager[MortalWorker]:
    """A worker with the product's own limits; it starts again at once after a kill."""
    limits = Storm(seconds=0, key_window=60, outage=0, quicker=1.0)
    return MortalWorker.running(number, people.stack.settings, limits, None)


async def _kill(people: Crowd, workers: tuple[MortalWorker, ...], every: float, dice: random.Random) -> int:
    """Kill one after the other until cancelled, each time when work goes on again; the kills."""
    killed = 0
    try:
        while True:
            before = await _last_movement(people)
            await asyncio.sleep(every * dice.uniform(0.5, 1.5))
            while await _last_movement(people) < before + AT_WORK:  # noqa: ASYNC110  # it happens in another process
                await asyncio.sleep(LOOK_EVERY)
            await workers[killed % len(workers)].send("kill")
            killed += 1
    except asyncio.CancelledError:
        return killed


async def _last_movement(people: Crowd) -> int:
    return int(await people.pool.fetchval("SELECT coalesce(max(id), 0) FROM movements"))


async def _say(people: Crowd, orders: int) -> None:
    """Show progress from time to time."""
    while True:
        await asyncio.sleep(SAYS_EVERY)
        typer.echo(f"settled {await people.moved('settle'):,} of {orders:,}", err=True)


async def _settled(people: Crowd, orders: int) -> float:
    """Wait until all are settled, or the time is up; seconds."""
    began = time.perf_counter()
    with suppress(TimeoutError):
        await people.until_moved("settle", orders, ENDS_WITHIN)
    return time.perf_counter() - began


async def _books(people: Crowd) -> Books:
    settled = doubled = wrong = 0
    for row in await people.pool.fetch(_BOOKS):
        order = bench_order(row["order_id"])
        due = order.total_minor - (order.total_minor - order.freight_minor) * COMMISSION_BPS // 10_000
        doubled += row["paid_minor"] > order.total_minor or row["earned_minor"] > due
        if row["settled"]:
            settled += 1
            wrong += abs(row["paid_minor"] - order.total_minor) + abs(row["earned_minor"] - due)
    return Books(settled, doubled, wrong)
