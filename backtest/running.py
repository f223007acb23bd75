"""A whole back-test: it reads a folder, plays its orders on a temporary stack, and reports."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from backtest.building import unfit
from backtest.comparing import Fate, buyers_have_it, fate_of, fate_unpaid
from backtest.living import PastStage
from backtest.past import PastOrder, past_orders
from backtest.report import BacktestProof, Report
from backtest.rows import UnusableRow, read_folder
from core.policy import parse_policy
from ledger.migrate import migrate
from ledger.policies import move_policy
from ledger.pool import Pool, open_pool
from ledger.proofs import prove
from local.client import WorldClient
from local.stack import LocalStack
from screens import error_screen
from worker import running_worker

AT_ONCE = 40
"""Orders that are played at once: enough to keep two cores busy while each waits for its own clock."""
POOL_SIZE = 4


def read_orders(folder: Path) -> tuple[list[PastOrder], list[UnusableRow]]:
    """The past orders that can be played, and every unusable row."""
    tables = read_folder(folder)
    orders, bad_rows = past_orders(tables)
    file = tables.rows["orders"][0].file if orders else ""
    fit = []
    for order in orders:
        bad = unfit(order, file)
        if bad is None:
            fit.append(order)
        else:
            bad_rows.append(bad)
    return fit, bad_rows


async def live(
    orders: Sequence[PastOrder], bad_rows: Sequence[UnusableRow], policy_text: str, *, shows_progress: bool
) -> Report:
    """Play these orders under a policy, on a temporary stack."""
    async with _stack(policy_text) as (stage, world, pool):
        began = time.perf_counter()
        fates = await _live_all(stage, orders, shows_progress=shows_progress)
        seconds = time.perf_counter() - began
        proofs = [BacktestProof(proof.name, proof.holds) for proof in await prove(pool)]
        proofs.append(BacktestProof("buyers_have_it", buyers_have_it(fates, await _sent_back(world))))
    return Report(fates=fates, bad_rows=bad_rows, proofs=proofs, seconds=seconds)


@asynccontextmanager
async def _stack(policy_text: str) -> AsyncIterator[tuple[PastStage, WorldClient, Pool]]:
    """A whole stack in a temporary folder, with a worker, and the policy in its register."""
    policy = parse_policy(policy_text)
    async with LocalStack.temporary(durable=False) as stack:
        await migrate(stack.settings.needed("database_owner_url"))
        async with running_worker(stack.settings) as client:
            pool = await open_pool(stack.settings.needed("database_url"), size=POOL_SIZE)
            try:
                owner = stack.settings.needed("database_owner_url")
                await move_policy(owner, policy, policy_text, who="backtest", why="past orders live under it")
                yield PastStage(client, stack.world, policy), stack.world, pool
            finally:
                await pool.close()


async def _sent_back(world: WorldClient) -> dict[str, int]:
    """The payment channel's refunds, by payment, from its own journal."""
    found: Counter[str] = Counter()
    for effect in await world.journal("channel"):
        found[effect.subject] += effect.amount_minor
    return dict(found)


async def _live_all(stage: PastStage, orders: Sequence[PastOrder], *, shows_progress: bool) -> list[Fate]:
    """Every order's fate, in order. A few are played at once, and a bar shows the progress."""
    fates: list[Fate | None] = [None] * len(orders)
    waiting = iter(list(enumerate(orders)))
    columns = (TextColumn("orders"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=error_screen(), disable=not shows_progress) as progress:
        bar = progress.add_task("orders", total=len(orders))

        async def one_after_the_other() -> None:
            for place, past in waiting:
                fates[place] = fate_unpaid(past) if past.paid_at is None else fate_of(await stage.live(past))
                progress.advance(bar)

        await asyncio.gather(*(one_after_the_other() for _ in range(AT_ONCE)))
    return [fate for fate in fates if fate is not None]
