"""A database that takes no writes, and one whose disk is full, while orders and withdrawals go on. All heals by itself.

The small disk is a file system in memory, which needs the right to mount one; without it that half is left out, and the
drill says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.drills.lives import Life, begin, check_lives, each, end_all, lives
from bench.drills.stage import Drill, on_stage
from bench.drills.steps import Steps
from local.postgres import Postgres

DISK = "400m"
LASTS_S = 15.0
BLOCK = 65_536
READ_ONLY, FULL = "read-only", "No space left on device"
"""What the worker's log must say of each."""


class OnSmallDisk(Postgres):
    """One whose data are on a small file system of their own, where one may be mounted; it keeps little log."""

    @property
    def disk(self) -> Path:
        return self.home / "postgres"

    def mount(self) -> bool:
        """Whether there is a small disk now."""
        self.disk.mkdir(parents=True, mode=0o711)
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=711", "tmpfs", str(self.disk)]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0

    def unmount(self) -> None:
        """Without its data."""
        self.stop()
        subprocess.run(["umount", "--lazy", str(self.disk)], check=False, capture_output=True)

    def command(self, ports: Mapping[str, int]) -> Sequence[str]:
        """As ever, with a small log."""
        return [*super().command(ports), "-c", "max_wal_size=64MB", "-c", "min_wal_size=32MB"]


async def take_no_writes(count: int, steps: Steps) -> None:
    """The drill: a third of the lives end under a read-only database, a third under a full disk, a third after both."""
    async with contextlib.AsyncExitStack() as opened:
        servers: list[OnSmallDisk] = []

        def made(home: Path) -> Postgres:
            server = OnSmallDisk(home)
            if server.mount():
                servers.append(server)
                opened.callback(server.unmount)
            return server

        drill = await opened.enter_async_context(on_stage(steps, made))
        everyone = lives(drill, count)
        third = max(1, count // 3)
        async with drill.worker():
            await drill.until_polled()
            with steps.step(f"{count:,} orders and withdrawals in the middle of their lives", "populate_s"):
                await each(begin(life) for life in everyone)
            await _read_only(drill, everyone[:third])
            if servers:
                await _full(drill, servers[0], everyone[third : 2 * third])
            else:
                steps.say("no file system may be mounted here: the full disk was not tried")
                await end_all(drill, everyone[third : 2 * third])
            with steps.step("the others go on to their ends"):
                await end_all(drill, everyone[2 * third :])
        await check_lives(drill, everyone)
        await drill.check_books()


async def _read_only(drill: Drill, some: Sequence[Life]) -> None:
    with drill.steps.step(f"{len(some):,} go on; the database takes no writes for {LASTS_S:.0f} s", "read_only_s"):
        await asyncio.to_thread(drill.stack.postgres.take_writes, False)
        going = asyncio.create_task(end_all(drill, some))
        await asyncio.sleep(LASTS_S)
        await asyncio.to_thread(drill.stack.postgres.take_writes, True)
        await going
    _expect_said(drill, READ_ONLY)


async def _full(drill: Drill, server: OnSmallDisk, some: Sequence[Life]) -> None:
    with drill.steps.step(f"{len(some):,} go on; the database's disk is full for {LASTS_S:.0f} s", "full_s"):
        ballast = server.disk / "ballast"
        await asyncio.to_thread(_fill, ballast)
        going = asyncio.create_task(end_all(drill, some))
        await asyncio.sleep(LASTS_S)
        ballast.unlink()
        if not server.is_running():  # it ends where it cannot write its log; a supervisor starts it again
            drill.steps.say("the server had ended, and is started again")
            await asyncio.to_thread(server.start)
        await going
    _expect_said(drill, FULL)


def _fill(file: Path) -> None:
    """Write until there is no room, down to the last block."""
    for size in (BLOCK, 512):
        with contextlib.suppress(OSError), file.open("ab", buffering=0) as stream:
            while True:
                stream.write(bytes(size))


def _expect_said(drill: Drill, word: str) -> None:
    """The worker's log says why it could not go on."""
    text = (drill.settings.home / "worker-drill.log").read_text(errors="replace")
    lines = [line for line in text.splitlines() if word in line]
    drill.steps.say(f"the worker's log: {lines[0][:160] if lines else 'nothing'}")
    drill.steps.expect(bool(lines), f"the worker's log does not say {word!r}")
