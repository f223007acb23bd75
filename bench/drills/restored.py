"""Restores: the database to a moment before Temporal, then Temporal's file to a moment before the database.

Orders and withdrawals live on between backup and loss. What then is ahead of the books is named, set back, and asked
for before it is sent again. In the end each movement stands once, and each effect happened once.
"""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.drills.archived import Archived
from bench.drills.lives import Life, ask_again, begin, bind, check_lives, each, end_all, lives, until_closed
from bench.drills.stage import Drill, on_stage, shown
from bench.drills.steps import Steps
from core.errors import DakuanError, Refused
from local.postgres import Postgres

APART = 3.0
"""Seconds between the moment of a backup and what follows: the clocks may differ by two."""


async def restore_both(count: int, steps: Steps) -> None:
    """The drill: half of the lives for each direction."""
    servers: list[Archived] = []

    def archived(home: Path) -> Postgres:
        servers.append(Archived(home))
        return servers[0]

    half = count // 2
    async with on_stage(steps, archived) as drill:
        first, second = lives(drill, half), lives(drill, count - half, first=half + 1)
        await _restore_database(drill, servers[0], first)
        await _restore_temporal(drill, second)
        await check_lives(drill, [*first, *second])
        await drill.check_books()


def _thirds(everyone: Sequence[Life]) -> tuple[Sequence[Life], Sequence[Life], Sequence[Life]]:
    """Those that end after the moment, those that wait across it, and those that begin after it."""
    third = len(everyone) // 3
    return everyone[:third], everyone[third : 2 * third], everyone[2 * third :]


async def _live_on(drill: Drill, end: Sequence[Life], start: Sequence[Life]) -> None:
    """What is lost later: ends, beginnings, and whole lives."""
    with drill.steps.step(f"after the backup {len(end):,} end, {len(start):,} begin, half of these end, too"):
        await end_all(drill, end)
        await each(begin(life) for life in start)
        await end_all(drill, start[::2])


# --- the database is earlier ---------------------------------------------------------------------------------


async def _restore_database(drill: Drill, server: Archived, everyone: Sequence[Life]) -> None:
    steps, (end, wait, start) = drill.steps, _thirds(everyone)
    async with drill.worker():
        await drill.until_polled()
        with steps.step(f"{len(end) + len(wait):,} orders and withdrawals in the middle of their lives", "populate_s"):
            await each(begin(life) for life in (*end, *wait))
        with steps.step("base backup", "backup_s"):
            await asyncio.to_thread(server.back_up)
        await asyncio.sleep(APART)
        moment, lsn = datetime.now(UTC), await drill.pool.fetchval("SELECT pg_current_wal_lsn()::text")
        await asyncio.sleep(APART)
        await _live_on(drill, end, start)
    with steps.step("workers stopped, the database restored to that moment from backup and log", "restore_s"):
        await asyncio.to_thread(server.restore, lsn)
    await _named(drill)
    with steps.step("accounts that were bound since are bound again"):
        for life in start:
            if life.withdrawal_id is not None:
                await bind(life)
    with drill.steps.step("starter.py migrate --restored"):
        await drill.cli("migrate", "--restored")
    await _set_back(drill, moment)
    async with drill.worker():
        await drill.until_polled()
        with steps.step("storefronts repeat what they asked for since the moment", "repeat_s"):
            await each(_repeat(drill, life) for life in start)
        await _rescue(drill)
        with steps.step("all go on to their ends", "end_s"):
            await end_all(drill, everyone)


async def _named(drill: Drill) -> None:
    """What the commands say before anything is mended."""
    with drill.steps.step("starter.py prove, reconcile, doctor"):
        asked = (drill.cli(command) for command in ("prove", "reconcile", "doctor"))
        proven, compared, doctor = await asyncio.gather(*asked)
    broken = [proof["name"] for proof in proven["proofs"] if not proof["holds"]]
    drill.steps.say(f"prove: exit {proven['exit']}, {broken}; doctor: exit {doctor['exit']}")
    drill.steps.say(f"reconcile: exit {compared['exit']}, {compared['by_reason']}")
    drill.steps.expect(compared["exit"] == 1, "reconcile names nothing of what only bank and channel know")


async def _set_back(drill: Drill, moment: datetime) -> None:
    steps, arguments = drill.steps, ("rescue", "--restored-to", moment.isoformat())
    with steps.step(f"starter.py {' '.join(arguments)}"):
        seen = await drill.cli(*arguments)
    with steps.step("the same with --apply", "set_back_s"):
        # The workers were stopped a moment ago, and the server remembers who polled for a minute.
        done = await drill.cli(*arguments, "--apply", "--while-polling")
    outcomes = Counter(one["outcome"] for one in done["workflows"])
    steps.say(f"{len(seen['workflows']):,} of {seen['looked_at']:,} are ahead; {shown(outcomes)}")
    for one in done["workflows"]:
        steps.expect(one["outcome"] == "set_back", f"{one['workflow_id']}: {one['why']}")
    steps.figures["set_back"] = float(outcomes["set_back"])


async def _repeat(drill: Drill, life: Life) -> None:
    """A start that is known is answered as before, or with `order_over`: one that was set back may have ended by now.
    A withdrawal that lacked money then is asked for again.
    """
    try:
        await _start_again(life)
        if life.withdrawal_id is not None:
            await until_closed(life)
            await ask_again(life)
    except DakuanError as error:
        drill.steps.expect(False, f"{life.kind} {life.order.name}, asked for again: {error}")


async def _start_again(life: Life) -> None:
    try:
        await life.order.start()
    except Refused as refusal:
        if refusal.code != "order_over":
            raise


# --- Temporal is earlier -------------------------------------------------------------------------------------


async def _restore_temporal(drill: Drill, everyone: Sequence[Life]) -> None:
    steps, temporal, (end, wait, start) = drill.steps, drill.stack.temporal, _thirds(everyone)
    copy = temporal.home / "temporal-copy"
    async with drill.worker():
        await drill.until_polled()
        with steps.step(f"{len(end) + len(wait):,} others in the middle of their lives"):
            await each(begin(life) for life in (*end, *wait))
        with steps.step("Temporal stopped, its file copied, started"):
            await asyncio.to_thread(_swap, drill, temporal.home, copy)
        await drill.until_polled()
        await _live_on(drill, end, start)
    # Stopped as well: a worker keeps workflows in memory, and these are ahead of the copy.
    with steps.step("workers and Temporal stopped, its file replaced by the copy, started", "restore_temporal_s"):
        await asyncio.to_thread(_swap, drill, copy, temporal.home)
    async with drill.worker():
        await drill.until_polled()
        await _rescue(drill)
        with steps.step(
            "all go on to their ends; of the rest the register knows that they have ended", "end_temporal_s"
        ):
            await end_all(drill, [*end, *wait, *start[1::2]])


def _swap(drill: Drill, source: Path, target: Path) -> None:
    """Copy Temporal's file from one folder to the other while it is down."""
    drill.stack.temporal.stop()
    target.mkdir(exist_ok=True)
    for file in target.glob("temporal.db*"):
        file.unlink()
    for file in source.glob("temporal.db*"):
        shutil.copy(file, target)
    drill.stack.temporal.start()


async def _rescue(drill: Drill) -> None:
    with drill.steps.step("starter.py rescue --all --apply", "rescue_s"):
        done = await drill.cli("rescue", "--all", "--apply")
    drill.steps.say(f"lost: {shown(done['lost'])}; {shown(done['outcomes'])}")
    for one in done["workflows"]:
        drill.steps.expect(one["outcome"] != "failed", f"{one['workflow_id']}: {one['why']}")
