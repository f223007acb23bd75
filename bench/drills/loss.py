"""Loss of Temporal: its file is deleted while orders are open. `rescue --all` brings all back, and nothing is twice."""

from __future__ import annotations

import asyncio

from bench.drills.lives import begin, check_lives, each, end_all, lives
from bench.drills.stage import Drill, on_stage, shown
from bench.drills.steps import Steps


async def lose_temporal(count: int, steps: Steps) -> None:
    """The drill, with so many open orders and withdrawals."""
    async with on_stage(steps) as drill:
        everyone = lives(drill, count)
        async with drill.worker():
            await drill.until_polled()
            with steps.step(f"{count:,} orders and withdrawals in the middle of their lives", "populate_s"):
                await each(begin(life) for life in everyone)
            with steps.step("Temporal killed, its file deleted, a new namespace started"):
                await asyncio.to_thread(drill.stack.temporal.kill)
                for file in drill.stack.temporal.home.glob("temporal.db*"):
                    file.unlink()
                await asyncio.to_thread(drill.stack.temporal.start)
            await drill.until_polled()
            await _rescue(drill, count)
            with steps.step("all go on to their ends", "end_s"):
                await end_all(drill, everyone)
        await check_lives(drill, everyone)
        await drill.check_books()


async def _rescue(drill: Drill, count: int) -> None:
    steps = drill.steps
    with steps.step("starter.py rescue --all", "dry_run_s"):
        seen = await drill.cli("rescue", "--all")
    steps.say(f"open: {shown(seen['open'])}; lost: {shown(seen['lost'])}")
    steps.expect(sum(seen["lost"].values()) == count, f"the dry run names {seen['lost']}, not {count}")
    with steps.step("starter.py rescue --all --apply", "rescue_s"):
        done = await drill.cli("rescue", "--all", "--apply")
    steps.say(shown(done["outcomes"]))
    steps.expect(done["outcomes"] == {"goes_on": count}, f"the rescue says {done['outcomes']}")
    with steps.step("starter.py rescue --all"):
        again = await drill.cli("rescue", "--all")
    steps.expect(not again["workflows"], f"{len(again['workflows'])} are still lost")
    steps.figures |= {"lost": float(sum(seen["lost"].values())), "rescued": float(done["outcomes"].get("goes_on", 0))}
