"""Processes that are killed and restarted: workers, the database, Temporal, the bank."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from temporalio.client import Client

import gateway
from bench.faults.plan import Storm, Strike, strikes
from bench.programs import check_runs, last_line
from config import PROJECT, Settings
from core.errors import Unavailable
from local.service import ServerProcess
from local.stack import LocalStack

ENDS_WITHIN = 30.0
POLL_WITHIN = 60.0
"""Seconds from the start of workers; the first poll comes after about two."""
LOOK_EVERY = 0.1
OURS = ("DAKUAN_", "TEMPORAL_", "DATABASE_")
"""Variables that would lead a worker to another stack."""


class MortalWorker:
    """One worker that is restarted after every kill; see `bench.faults.worker`."""

    def __init__(self, process: Process, number: int, log: Path) -> None:
        self._process, self._number, self._log = process, number, log

    @classmethod
    @asynccontextmanager
    async def running(
        cls, number: int, settings: Settings, storm: Storm, bug: str | None
    ) -> AsyncIterator[MortalWorker]:
        """A worker for the block; none of its processes outlives it."""
        arguments = json.dumps({"key_window": storm.key_window, "quicker": storm.quicker, "bug": bug})
        said = settings.home / f"worker-{number}.log"
        with said.open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bench.faults.worker", arguments),
                cwd=PROJECT,
                env=environment_of(settings),
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C goes to the bench, which closes the worker's input
            )
        try:
            yield cls(process, number, said)
        finally:
            assert process.stdin is not None  # a pipe, see above
            process.stdin.close()
            try:
                await asyncio.wait_for(process.wait(), ENDS_WITHIN)
            except TimeoutError:
                process.kill()
                await process.wait()

    def check(self) -> None:
        """See that it runs or is being restarted; see `check_runs`."""
        check_runs(self._process, str(self._number), self._log)

    @property
    def last_line(self) -> str:
        """Of the log of its lives."""
        return last_line(self._log)

    async def send(self, word: str) -> None:
        """`kill`, `stop` or `go`.

        Raises:
            Unavailable: it ended by itself, and is not restarted; the message has the last line of its log.
        """
        self.check()
        assert self._process.stdin is not None  # a pipe, see above
        with suppress(ConnectionError):  # it ends at this moment; the next word shows it
            self._process.stdin.write(f"{word}\n".encode())
            await self._process.stdin.drain()


async def until_all_poll(client: Client, workers: Sequence[MortalWorker]) -> None:
    """Wait until each of them polls, before the first is killed. No other worker polls this server.

    Raises:
        Unavailable: one ended by itself, or some do not poll in time; the message has the last line of each log.
    """
    last = time.monotonic() + POLL_WITHIN
    while (polling := len((await gateway.workers(client)).workflows)) < len(workers):
        for worker in workers:
            worker.check()
        if time.monotonic() > last:
            said = "; ".join(worker.last_line for worker in workers)
            raise Unavailable(f"{polling} of {len(workers)} workers poll after {POLL_WITHIN:.0f} s: {said}")
        await asyncio.sleep(LOOK_EVERY)


def environment_of(settings: Settings) -> dict[str, str]:
    """Of a program that uses these servers, and none that our own environment names."""
    own = {name: value for name, value in {**os.environ}.items() if not name.startswith(OURS)}
    given = {
        "DATABASE_URL": settings.database_url,
        "TEMPORAL_ADDRESS": settings.temporal_address,
        "DAKUAN_CARRIER_URL": settings.carrier_url,
        "DAKUAN_CHANNEL_URL": settings.channel_url,
        "DAKUAN_BANK_URL": settings.bank_url,
        "DAKUAN_POLICIES": settings.policies,
        "DAKUAN_SCREENING": settings.screening,
        "DAKUAN_HOME": settings.home / "nowhere",
    }
    return own | {name: str(value) for name, value in given.items() if value is not None}


class Reaper:
    """Kills as planned during the storm, and restarts everything at its end."""

    def __init__(self, stack: LocalStack, workers: list[MortalWorker], seed: int, storm: Storm) -> None:
        self._stack, self._workers = stack, workers
        self._seed, self._storm = seed, storm
        self._under_way: set[asyncio.Task[None]] = set()
        self._ended = asyncio.Event()
        self._servers: dict[str, asyncio.Lock] = {}
        self.kills: Counter[str] = Counter()
        self.down: set[str] = set()

    async def strike(self) -> None:
        """Kill until the storm ends, then wait until everything is up again."""
        began = time.monotonic()
        for strike in strikes(self._seed, self._storm):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), max(0.0, began + strike.at - time.monotonic()))
            if self._ended.is_set():
                break
            task = asyncio.create_task(self._carry_out(strike))
            self._under_way.add(task)
        await asyncio.gather(*self._under_way)

    def end(self) -> None:
        """End the storm."""
        self._ended.set()

    async def _carry_out(self, strike: Strike) -> None:
        self.kills[strike.kill] += 1
        match strike.kill:
            case "worker":
                await self._workers[strike.which % len(self._workers)].send("kill")
            case "freeze":
                await self._freeze(self._workers[strike.which % len(self._workers)])
            case "postgres":
                await self._fell(self._stack.postgres, 0.5)
            case "temporal":
                await self._fell(self._stack.temporal, 0.5)
            case "bank":
                await self._fell(self._stack.standins, 1.0)
            case "outage":
                await self._fell(self._stack.standins, self._storm.outage)

    async def _freeze(self, worker: MortalWorker) -> None:
        """Freeze it for longer than Temporal waits for its activities; then it goes on where it stopped."""
        await worker.send("stop")
        await self._rest(self._storm.freeze)
        await worker.send("go")

    async def _fell(self, server: ServerProcess, seconds: float) -> None:
        async with self._servers.setdefault(server.name, asyncio.Lock()):
            self.down.add(server.name)
            await asyncio.to_thread(server.kill)
            await self._rest(seconds)
            await asyncio.to_thread(server.start)
            self.down.discard(server.name)

    async def _rest(self, seconds: float) -> None:
        """Wait this long, or until the storm ends."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), seconds)
