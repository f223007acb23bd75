"""An upgrade: workers of the release before and of this one on one queue, while orders go on, and back again."""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
from pathlib import Path

import gateway
from bench.drills.lives import begin, check_lives, each, end_all, lives
from bench.drills.stage import Drill, on_stage
from bench.drills.steps import Steps
from config import PROJECT
from core.errors import Misconfigured

OLD, NEW = "before", "now"
RAMP = "30"
"""Percent of the tasks."""
FAILING_MAX = 20


async def upgrade(count: int, steps: Steps) -> None:
    """The drill, with so many orders and withdrawals: half begin before the upgrade, half during the ramp."""
    with tempfile.TemporaryDirectory(prefix="dakuan-before-") as folder:
        before = Path(folder)
        steps.say(f"the release before: {await asyncio.to_thread(_unpack, before)}")
        async with on_stage(steps) as drill:
            everyone = lives(drill, count)
            earlier, later = everyone[: count // 2], everyone[count // 2 :]
            async with drill.worker(OLD, before):
                await _current(drill, OLD)
                with steps.step(f"{len(earlier):,} begin with the release before"):
                    await each(begin(life) for life in earlier)
                async with drill.worker(NEW):
                    await _ramp(drill)
                    with steps.step(f"{len(later):,} begin while this release has {RAMP} % of the tasks"):
                        await each(begin(life) for life in later)
                    await _current(drill, NEW)
                    with steps.step("those of before go on with this release, to their ends"):
                        await end_all(drill, earlier)
                    await _current(drill, OLD)
                    with steps.step("taken back: the others go on with the release before, to their ends"):
                        await end_all(drill, later)
                    for one in await gateway.failing(drill.client, FAILING_MAX):
                        steps.expect(False, f"{one.workflow_id} fails: {one.why}")
            await check_lives(drill, everyone)
            await drill.check_books()


def _unpack(folder: Path) -> str:
    """The sources of the newest tag, or without one the oldest that have the present migrations; returns which."""
    tag = _git("describe", "--tags", "--abbrev=0")
    commit = tag or _git("log", "-1", "--format=%h", "--", "ledger/migrations")
    if not commit:
        raise Misconfigured(f"{PROJECT} is no git checkout: the release before is taken from its history")
    archive = subprocess.run(["git", "archive", commit], cwd=PROJECT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)
    return commit


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=PROJECT, check=False, capture_output=True, text=True)
    return done.stdout.strip()


async def _current(drill: Drill, build: str) -> None:
    """Make a build current, once its worker polls."""
    async with asyncio.timeout(120):
        while build not in (await gateway.workers(drill.client)).builds:  # noqa: ASYNC110  # another process begins
            await asyncio.sleep(0.2)
    with drill.steps.step(f"starter.py deploy --build-id {build}"):
        answer = await drill.cli("deploy", "--build-id", build)
    drill.steps.expect(answer["exit"] == 0, f"deploy: {answer}")
    await drill.until_polled()
    await _doctor(drill, f"build {build} is current")


async def _ramp(drill: Drill) -> None:
    async with asyncio.timeout(120):
        while NEW not in (await gateway.workers(drill.client)).builds:  # noqa: ASYNC110  # another process begins
            await asyncio.sleep(0.2)
    with drill.steps.step(f"starter.py deploy --build-id {NEW} --ramp {RAMP}"):
        answer = await drill.cli("deploy", "--build-id", NEW, "--ramp", RAMP)
    drill.steps.expect(answer["exit"] == 0, f"deploy: {answer}")
    await _doctor(drill, f"build {NEW} gets a share")


async def _doctor(drill: Drill, wanted: str) -> None:
    """`doctor` says so; what it asks of the server lags a moment behind."""
    found = ""
    for _ in range(20):
        answer = await drill.cli("doctor")
        found = next((one["found"] for one in answer.get("findings", ()) if one["name"] == "worker"), "")
        if wanted in found:
            drill.steps.say(f"doctor: {found.partition(', build')[2] and 'build' + found.partition(', build')[2]}")
            return
    drill.steps.expect(False, f"doctor says {found!r}, and not that {wanted}")
