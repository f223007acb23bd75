"""`python -m bench kills`: orders and withdrawals while one worker after another is killed; all money moves once."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from activities.rails.sandbox import SandboxRail
from bench.crowd import Crowd, crowd
from bench.faults.killing import MortalWorker, until_all_poll
from bench.faults.pending import task_of
from bench.faults.plan import Storm
from bench.figures import FigureFile, Figures, show, write
from bench.kills.books import Verdict, collect, judge
from bench.kills.market import MERCHANTS, POLICY, Market, Sale, open_accounts
from bench.kills.watch import watching
from config import Settings
from core.ids import order_workflow_id, withdrawal_workflow_id
from ledger.register import Register
from ledger.safeguards import set_safeguard
from local.client import WorldClient
from wiring.database import register_policies

ENDS_WITHIN = 120.0
"""Seconds from the last kill until every order is settled and every withdrawal is paid."""
CLIENTS = 64
WORKERS = 2
AT_WORK = 10
"""Movements between two kills, at least: a worker that has not begun yet shows nothing by its end."""
LOOK_EVERY = 0.1
SAYS_EVERY = 15.0
FEW = 40
"""Movements between two lines of progress; below, some workflows are shown with what they wait for."""
SHOWN_IN_PAUSE = 5
BREACHES_SHOWN = 40
LATE_SHOWN = 5
_MOVED = """
SELECT count(*) FILTER (WHERE reference LIKE 'order/%/settle') AS settled,
       count(*) FILTER (WHERE reference LIKE 'withdrawal/%/close') AS paid
FROM movements
"""


def kills(
    orders: Annotated[
        int, typer.Option(min=10, help=f"Whole orders of {MERCHANTS} merchants; one in four is withdrawn.")
    ] = 2_000,
    kill_every: Annotated[float, typer.Option(min=1.0, help="Seconds between two kills, half less or more.")] = 3.0,
    seed: Annotated[int, typer.Option(help="Of the times between kills.")] = 1,
    json: FigureFile = None,
) -> None:
    """Orders from payment to settled and withdrawn, while workers are killed: nothing twice, lost or stuck, or exit
    code 1.
    """
    asyncio.run(_measure([Sale(number) for number in range(orders)], kill_every, random.Random(seed), json))


async def _measure(sales: list[Sale], kill_every: float, dice: random.Random, file: Path | None) -> None:
    async with AsyncExitStack() as opened:
        people = await opened.enter_async_context(crowd(durable=False))  # workers die here, never the machine
        settings = await _furnish(people)
        workers = [await opened.enter_async_context(_mortal(settings, 1 + number)) for number in range(WORKERS)]
        await until_all_poll(people.client, workers)
        market = Market(people, await opened.enter_async_context(watching(people.pool)))
        killed, began = Counter[str](), time.perf_counter()
        async with asyncio.TaskGroup() as beside:
            tasks = [
                beside.create_task(_kill(people, workers, kill_every, dice, killed)),
                beside.create_task(_say(people, sales, killed)),
            ]
            by_id = {sale.order_id: sale for sale in sales}
            await people.each(lambda order_id: market.live(by_id[order_id]), list(by_id), CLIENTS)
            for task in tasks:
                task.cancel()
        lived = time.perf_counter() - began
        settles = await _ended(people, sales)
        world = await opened.enter_async_context(WorldClient(people.stack.standins.url))
        verdict = judge(await collect(people, world, sales))
        waits_for = await _tasks(people, verdict)
    late = {"late": float(len(market.late)), "given_up": float(len(market.given_up))}
    _report(sales, killed["worker"], verdict, {"settle_s": settles, "seconds": lived, **late}, file)
    gave_up = {order_id: f"no later step was tried after: {step}" for order_id, step in market.given_up.items()}
    for title, lines, most in (
        ("stuck", waits_for, BREACHES_SHOWN),
        ("gave up", gave_up, BREACHES_SHOWN),
        ("late", market.late, LATE_SHOWN),
    ):
        for subject, waiting in list(lines.items())[:most]:
            Console().print(f"{title}  {subject}  {waiting}", highlight=False, markup=False)
    if verdict.breaches:
        raise typer.Exit(1)


async def _furnish(people: Crowd) -> Settings:
    """Bind the merchants' accounts and register the market's policy; the settings of the workers."""
    folder = people.stack.home / "policies"
    folder.mkdir()
    (folder / "default.toml").write_text(POLICY, encoding="utf-8")
    settings, register = people.stack.settings.model_copy(update={"policies": folder}), Register(people.pool)
    await register_policies(register, settings)
    at_once = timedelta(0)
    await set_safeguard(settings.needed("database_owner_url"), "cooling", at_once, who="bench", why="new accounts")
    await open_accounts(register)
    return settings


def _mortal(settings: Settings, number: int) -> AbstractAsyncContextManager[MortalWorker]:
    """A worker with the product's own limits; it starts again at once after a kill.

    The bank remembers its keys for as long as its rail says. With a window of a minute, a payout whose worker was
    killed between its record and its request is too late to be sent again on a busy machine, and waits for a person.
    """
    window = SandboxRail.terms.dedup_window
    assert window is not None
    limits = Storm(seconds=0, key_window=window.total_seconds(), outage=0, quicker=1.0)
    return MortalWorker.running(number, settings, limits, None)


async def _kill(
    people: Crowd, workers: list[MortalWorker], every: float, dice: random.Random, killed: Counter[str]
) -> None:
    """Kill one after the other until cancelled, each time when work goes on again."""
    while True:
        before = await _last_movement(people)
        await asyncio.sleep(every * dice.uniform(0.5, 1.5))
        while await _last_movement(people) < before + AT_WORK:  # noqa: ASYNC110  # it happens in another process
            await asyncio.sleep(LOOK_EVERY)
        await workers[killed["worker"] % len(workers)].send("kill")
        killed["worker"] += 1


async def _last_movement(people: Crowd) -> int:
    return int(await people.pool.fetchval("SELECT coalesce(max(id), 0) FROM movements"))


async def _say(people: Crowd, sales: list[Sale], killed: Counter[str]) -> None:
    """Show progress from time to time, and what some wait for where there is none."""
    began, before = time.perf_counter(), 0
    while True:
        await asyncio.sleep(SAYS_EVERY)
        settled, paid = await _moved(people)
        if await _last_movement(people) < before + FEW:
            async for one in people.client.list_workflows("ExecutionStatus = 'Running'", limit=SHOWN_IN_PAUSE):
                typer.echo(f"nearly nothing moves: {one.id}  {await task_of(people.client, one.id)}", err=True)
        before = await _last_movement(people)
        rate = settled / (time.perf_counter() - began)
        said = f"settled {settled:,} of {len(sales):,}, {rate:.1f}/s; {paid:,} withdrawals paid"
        typer.echo(f"{said}; {killed['worker']:,} kills", err=True)


async def _ended(people: Crowd, sales: list[Sale]) -> float:
    """Wait until all are settled and paid, or the time is up; seconds."""
    began, withdrawals = time.perf_counter(), sum(sale.withdrawal_id is not None for sale in sales)
    with suppress(TimeoutError):
        async with asyncio.timeout(ENDS_WITHIN):
            while await _moved(people) != (len(sales), withdrawals):  # noqa: ASYNC110  # as above
                await asyncio.sleep(LOOK_EVERY)
    return time.perf_counter() - began


async def _moved(people: Crowd) -> tuple[int, int]:
    """Orders that are settled, and withdrawals that are paid."""
    [row] = await people.pool.fetch(_MOVED)
    return row["settled"], row["paid"]


async def _tasks(people: Crowd, verdict: Verdict) -> dict[str, str]:
    """What each stuck workflow waits for, and how its history ends."""
    stuck = [breach.withdrawal_id for breach in verdict.breaches if breach.kind == "stuck"][:BREACHES_SHOWN]
    tasks = {}
    for subject in stuck:
        workflow_id = withdrawal_workflow_id if subject.startswith("w-") else order_workflow_id
        tasks[subject] = await task_of(people.client, workflow_id(subject))
    return tasks


def _report(sales: list[Sale], killed: int, verdict: Verdict, times: Figures, file: Path | None) -> None:
    withdrawals = sum(sale.withdrawal_id is not None for sale in sales)
    figures: Figures = {
        "kills": float(killed),
        "orders": float(len(sales)),
        "withdrawals": float(withdrawals),
        "effects": float(verdict.effects),
        "double_effects": float(verdict.double_effects),
        "lost_minor": float(verdict.lost_minor),
        "stuck": float(verdict.stuck),
        "breaches": float(len(verdict.breaches)),
        "orders_per_s": len(sales) / times["seconds"],
        **times,
    }
    rows = [
        ("workers killed", f"{killed:,}", ""),
        ("orders settled", f"{verdict.settled:,}", f"{len(sales):,}"),
        ("withdrawals paid", f"{verdict.paid_out:,}", f"{withdrawals:,}"),
        ("payouts at the bank", f"{verdict.effects:,}", f"{withdrawals:,}"),
        ("paid or credited more than once", f"{verdict.double_effects:,}", "0"),
        ("lost or created, minor units", f"{verdict.lost_minor:,}", "0"),
        ("settled and paid after the last kill", f"{times['settle_s']:.1f} s", f"≤ {ENDS_WITHIN:.0f} s"),
    ]
    show(f"Orders of {MERCHANTS} merchants while workers are killed", ("", "counted", "goal"), rows, figures)
    for breach in verdict.breaches[:BREACHES_SHOWN]:
        Console().print(f"{breach.kind}  {breach.withdrawal_id}  {breach.what}", highlight=False, markup=False)
    write(figures, file)
