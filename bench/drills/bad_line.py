"""A bad line between the worker and PostgreSQL, while orders and withdrawals live: cut, dark, slow, replies lost."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from urllib.parse import urlsplit

from bench.drills.lives import begin, check_lives, each, end_all, lives
from bench.drills.stage import on_stage, shown
from bench.drills.steps import Steps
from bench.line import Line

SEED = 12
STORM_S = 60.0
"""How long the faults go on. A look at a carrier that failed comes again within two minutes."""
CALM_S = (0.2, 1.0)
DARK_S = (0.5, 3.0)
SLOW_S = (0.5, 2.0)
LATENCY_S = 0.02
TRICKLES = 200
"""Bytes at the head of each piece."""


async def work_behind_a_bad_line(count: int, steps: Steps) -> None:
    """The drill: so many lives go on to their ends, with one fault after the other. Then the line heals."""
    async with on_stage(steps) as drill:
        address = urlsplit(drill.settings.needed("database_url"))
        assert address.hostname is not None
        assert address.port is not None
        everyone, faults = lives(drill, count), Counter[str]()
        async with Line.to(address.hostname, address.port) as line:
            behind = drill.settings.needed("database_url").replace(f":{address.port}/", f":{line.listens_at}/")
            async with drill.worker(database_url=behind):
                await drill.until_polled()
                with steps.step(f"{count:,} orders and withdrawals in the middle of their lives", "populate_s"):
                    await each(begin(life) for life in everyone)
                raging = asyncio.create_task(_rage(line, faults))
                asyncio.get_running_loop().call_later(STORM_S, raging.cancel)
                with steps.step(f"they go on to their ends; the faults stop after {STORM_S:.0f} s", "end_s"):
                    await end_all(drill, everyone)
                raging.cancel()
                await asyncio.wait([raging])
        steps.say(shown(faults))
        steps.figures |= {"faults": float(faults.total()), "connections_cut": float(line.cuts)}
        await check_lives(drill, everyone)
        await drill.check_books()


async def _rage(line: Line, faults: Counter[str]) -> None:
    """One fault after the other, with calm moments between, until cancelled."""
    chance = random.Random(SEED)
    try:
        while True:
            await _one_fault(line, faults, chance)
    finally:
        line.heal()


async def _one_fault(line: Line, faults: Counter[str], chance: random.Random) -> None:
    await asyncio.sleep(chance.uniform(*CALM_S))
    fault = chance.choice(("cut", "dark", "slow", "reply_lost", "reply_lost"))
    faults[fault] += 1
    if fault == "reply_lost":
        line.cut_when = _always  # it strikes at the next reply
        return
    if fault == "cut":
        line.cut()
    elif fault == "dark":
        line.part()
        await asyncio.sleep(chance.uniform(*DARK_S))
    else:
        line.latency, line.trickles = LATENCY_S, TRICKLES
        await asyncio.sleep(chance.uniform(*SLOW_S))
    line.heal()


async def _always() -> bool:
    return True
