"""The stage of a drill: a stack of its own, workers as programs, and the command line as people type it."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
from temporalio.client import Client

import gateway
from bench.drills.steps import Steps
from bench.faults.evidence import product_breaks
from bench.faults.killing import environment_of
from bench.programs import check_runs
from bench.quiet import deaths_intended
from config import PROJECT, Settings
from core.errors import Unavailable
from demo.stage import Stage
from ledger.migrate import migrate
from ledger.pool import open_pool
from ledger.proofs import prove
from ledger.register import Register
from ledger.safeguards import set_safeguard
from local.postgres import Postgres
from local.stack import LocalStack
from wiring.database import register_policies

ENDS_WITHIN = 40.0
"""Seconds; a worker drains for twenty."""
POLICY = """
name = "default"
commission_bps = 500
[order]
settlement_delay = "200ms"
after_sale_window = "0s"
[after_sale]
resume_least = "0s"
[audit]
look_first = "1s"
look_longest = "1h"
[withdrawal]
daily_count_max = 1000
cooling = "0s"
approval_above_minor = 500
"""


@dataclass
class Drill:
    """A stack without a worker, and what a drill asks of it."""

    stack: LocalStack
    settings: Settings
    pool: asyncpg.Pool[Any]
    client: Client
    stage: Stage
    steps: Steps

    async def cli(self, *arguments: str) -> dict[str, Any]:
        """A command as a person types it, in a process of its own; its JSON answer, and its exit code as `exit`.

        Its progress goes to our stderr.

        Raises:
            Unavailable: it was refused, or something did not answer; with what it said.
        """
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(PROJECT / "starter.py"), *arguments, "--json"),
            env=environment(self.settings),
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate()
        answer = json.loads(out) if out.strip() else {}
        if "error" in answer:
            raise Unavailable(f"starter.py {' '.join(arguments)}: {answer['error']['message']}")
        return {"exit": process.returncode, **answer}

    @asynccontextmanager
    async def worker(
        self, build_id: str | None = None, code: Path = PROJECT, database_url: str | None = None
    ) -> AsyncIterator[None]:
        """A worker as a program, from these sources; it drains at the end of the block.

        Args:
            database_url: another way to the same database.

        Raises:
            Unavailable: it ended before the block did; the message has the last line of its log.
        """
        given = {"DAKUAN_BUILD_ID": build_id, "DATABASE_URL": database_url}
        own = {variable: value for variable, value in given.items() if value}
        name = build_id or "drill"
        said = self.settings.home / f"worker-{name}.log"
        with said.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, str(code / "worker.py")),
                cwd=code,
                env=environment(self.settings) | own,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield
        finally:
            check_runs(process, name, said)  # the reason of what failed in the block
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), ENDS_WITHIN)
            except TimeoutError:
                process.kill()
                await process.wait()

    async def until_polled(self) -> None:
        """Return once a worker gets the tasks."""
        async with asyncio.timeout(60):
            while (await gateway.workers(self.client)).why_idle:  # noqa: ASYNC110  # another process begins to poll
                await asyncio.sleep(0.2)

    async def check_books(self) -> None:
        """Every proof holds, and nothing differs from channel and bank; what does is a breach."""
        with self.steps.step("proofs and comparison with channel and bank"):
            for proof in await prove(self.pool):
                self.steps.expect(proof.holds, f"proof {proof.name}: {proof.evidence[:3]}")
            for subject, what in await product_breaks(self.settings, self.pool):
                self.steps.expect(False, f"{subject}: {what}")


def environment(settings: Settings) -> dict[str, str]:
    """Of a program of this stack. Its addresses are given: the home's own file names servers that a drill has ended."""
    own = environment_of(settings)
    own["DATABASE_OWNER_URL"] = settings.needed("database_owner_url")
    return own


@asynccontextmanager
async def on_stage(steps: Steps, postgres: Callable[[Path], Postgres] | None = None) -> AsyncIterator[Drill]:
    """A drill's own stack, migrated and without a worker.

    Args:
        postgres: makes another kind of server in this home.
    """
    async with AsyncExitStack() as opened:
        opened.enter_context(deaths_intended())
        stack = LocalStack.temporary(base=Settings(screening=PROJECT / "policies" / "screening.toml"))
        if postgres is not None:
            stack.postgres = postgres(stack.home)
        with steps.step("servers started, database migrated"):
            await opened.enter_async_context(stack)
            settings = stack.settings.model_copy(update={"policies": _policies(stack.home)})
            owner = settings.needed("database_owner_url")
            await migrate(owner)
            await set_safeguard(owner, "cooling", timedelta(0), who="drill", why="new accounts are paid")
            pool = await open_pool(settings.needed("database_url"), size=16)
            opened.push_async_callback(pool.close)
            register = Register(pool)
            await register_policies(register, settings)
            client = await opened.enter_async_context(gateway.connected(settings))
            await gateway.register_search_attributes(client)
            stage = Stage(client, stack.world, register, seed=12, tag="d")
        yield Drill(stack, settings, pool, client, stage, steps)


def _policies(home: Path) -> Path:
    """The folder of the drill's policy; every worker registers it."""
    folder = home / "policies"
    folder.mkdir()
    (folder / "default.toml").write_text(POLICY, encoding="utf-8")
    return folder


def shown(counts: Mapping[str, int]) -> str:
    """Counts in one line."""
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items() if count) or "none"
