"""A whole demonstration: its own stack, and a story for each requested order, a few at a time."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from temporalio.service import RPCError

from config import Settings
from core.api_keys import RANDOM_BYTES, SCOPES, key_id_of, make_key
from core.errors import DakuanError
from demo.numbers import PRINTERS
from demo.stage import HttpAccess, Stage
from demo.stories import ALONE, STORIES
from ledger.pool import open_pool
from ledger.register import Register
from ledger.safeguards import set_safeguard
from local.stack import LocalStack
from screens import error_screen
from storefront.console.made_up import add_made_up_people
from storefront.identities import digest_of
from storefront.serving import listen, serving
from wiring.database import ready_database
from wiring.desks import callback_desk, push_desk
from worker import running_worker

AT_ONCE = 8
"""Orders that are played at the same time: enough to keep two cores busy."""
FEWEST = max(30, len(STORIES))
"""The default number of orders: every story at least once."""


class StoryResult(NamedTuple):
    """A story that was played."""

    order: str
    name: str
    expected: str
    got: str

    @property
    def ok(self) -> bool:
        return self.expected == self.got


@asynccontextmanager
async def stage_of(seed: int) -> AsyncIterator[tuple[Stage, LocalStack]]:
    """A whole stack in a temporary folder, with a worker and the stage on it."""
    async with (
        LocalStack.temporary(durable=False) as stack,
        running_worker(stack.settings) as client,
        ready_database(stack.settings) as pool,
        push_desk(stack.settings, Register(pool), client) as desk,
        http_access(stack.settings) as http,
    ):
        owner, at_once = stack.settings.needed("database_owner_url"), timedelta(0)
        await set_safeguard(owner, "cooling", at_once, who="demo", why="stories pay to accounts that are new")
        await set_safeguard(owner, "clock_skew", timedelta(days=400), who="demo", why="each story has days of its own")
        register = Register(pool)
        called_back = callback_desk(stack.settings, register, client).receive
        tag = secrets.token_hex(3)
        world, database = stack.world, stack.postgres
        secret = stack.settings.rails.disputes["stripe"].secret if stack.settings.rails is not None else ""
        yield (
            Stage(client, world, register, seed, tag, PRINTERS, desk.receive, called_back, database, secret, http),
            stack,
        )


@asynccontextmanager
async def http_access(settings: Settings) -> AsyncIterator[HttpAccess]:
    """The HTTP gateway of this stack, with a key of a storefront and the made-up people of its console."""
    key = make_key(secrets.token_bytes(RANDOM_BYTES))
    key_id, now = key_id_of(key), datetime.now(UTC)
    assert key_id is not None  # it was just made
    digest = digest_of(key, settings.pepper_needed)
    pool = await open_pool(settings.needed("database_owner_url"), size=1)
    owners = Register(pool)
    add = owners.api_keys.add
    await add(key_id, "demo", digest, merchant_id=None, scopes=SCOPES, by="demo", expires_at=None, now=now)
    await add_made_up_people(owners, now)
    await pool.close()
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    async with serving(settings, listener):
        yield HttpAccess(f"http://127.0.0.1:{port}", key)


async def play_all(stage: Stage, orders: int) -> list[StoryResult]:
    """Play a story for each order, in turn, a few at a time, with a progress bar.

    Stories that stop everything else are played after the others.
    """
    names = list(STORIES)
    chosen = [(number, names[number % len(names)]) for number in range(orders)]
    gate = asyncio.Semaphore(AT_ONCE)
    with Progress(
        TextColumn("[bold]orders"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
        console=error_screen(),
    ) as progress:
        bar = progress.add_task("", total=orders)

        async def one(number: int, name: str) -> StoryResult:
            async with gate:
                result = await _play_one(stage, number, name)
            progress.update(bar, advance=1, description=name)
            return result

        results = await asyncio.gather(*(one(number, name) for number, name in chosen if name not in ALONE))
        return [*results, *[await one(number, name) for number, name in chosen if name in ALONE]]


async def _play_one(stage: Stage, number: int, name: str) -> StoryResult:
    play = stage.play(number)
    try:
        expected, got = await STORIES[name](play)
    except (DakuanError, RPCError) as error:
        # A story that fails is a result like any other: it is shown, and the rest goes on.
        expected, got = "the story ends", f"{type(error).__name__}: {error}"
    return StoryResult(play.name, name, expected, got)
