"""A worker as a program that a bench starts, looks at and kills."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import Process
from collections.abc import Sequence
from pathlib import Path

from config import PROJECT
from core.errors import Unavailable


def check_runs(process: Process, name: str, log: Path) -> None:
    """See that a worker runs.

    Raises:
        Unavailable: it ended by itself; the message has the last line of its log.
    """
    if process.returncode is not None:
        raise Unavailable(f"worker {name} has ended: {last_line(log)}")


def last_line(log: Path) -> str:
    """What a program said last; empty if it said nothing."""
    return "".join(log.read_text(errors="replace").strip().splitlines()[-1:])


class WorkerProgram:
    """A worker in a process of its own, with its own log.

    Args:
        home: the stack's folder; the log is there, too.
        arguments: of Python.
        name: the log's.
    """

    def __init__(self, home: Path, arguments: Sequence[str], name: str) -> None:
        self._home, self._arguments, self._name = home, arguments, name
        self._log = home / f"worker-{name}.log"
        self._process: Process | None = None

    async def start(self) -> None:
        """Start it; it polls about a second later."""
        environment = {**os.environ, "DAKUAN_HOME": str(self._home)}
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, *self._arguments), cwd=PROJECT, env=environment, stdout=log, stderr=log
            )

    def check(self) -> None:
        """See that it runs; see `check_runs`."""
        if self._process is not None:
            check_runs(self._process, self._name, self._log)

    async def kill(self) -> None:
        """End it as `kill -9` does."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def end(self) -> None:
        """Let it finish what it does, and end."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()

    @property
    def pid(self) -> int:
        """Of its process."""
        assert self._process is not None
        return self._process.pid

    @property
    def memory_mb(self) -> float:
        """What it holds in memory."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024
