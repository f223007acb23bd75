"""`up`: the local stack and a worker under `var/` until Ctrl-C. State survives a restart and a `kill -9`."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from commands.console import JsonFlag, command, print_answer, print_line
from config import Settings, load
from core.addresses import hide_passwords
from core.errors import PortInUse, Unavailable
from core.search_attributes import VIEWS, view_url
from logs import log_to_file

if TYPE_CHECKING:
    from rich.console import Console

    from local.service import ServerProcess
    from local.stack import LocalStack

WORKER_LOG = "worker.log"
HTTP_PORT = 8420
"""Of the HTTP gateway, where it is free."""
PORTS_TRIED = 5
LOOK_EVERY = 1.0
"""Seconds between two checks that the servers of the stack are alive."""


@command
async def up(
    passwords: Annotated[bool, typer.Option("--passwords", help="Show the databases' addresses whole.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Run the local stack and a worker. Servers that a killed `up` left running are adopted; Ctrl-C ends everything."""
    from gateway.core_log import log_core
    from local.stack import LocalStack
    from storefront.serving import serving
    from worker import on_signals, running_worker  # loaded when it runs: servers, vendors and workflows

    log_core()  # before the first client
    stop, settings = on_signals(), load()
    async with AsyncExitStack() as parts:
        stack = await parts.enter_async_context(LocalStack(settings.home, base=settings))
        await parts.enter_async_context(running_worker(stack.settings))
        await _add_people(stack.settings)
        listener = _listener(stack)
        port = listener.getsockname()[1]
        await parts.enter_async_context(serving(stack.settings, listener))
        # The worker's log goes to a file: this terminal is for people.
        log_to_file(settings.home / WORKER_LOG)
        view = stack_view(stack.settings) | {
            "HTTP": f"http://127.0.0.1:{port}",
            "console": f"http://127.0.0.1:{port}/console/",
        }
        if not passwords:
            view = {name: hide_passwords(value) for name, value in view.items()}
        print_answer(view, lambda console: _show(console, view))
        await _watch(stop, stack.services)
        print_line("Ending. The orders stay where they are: `up` goes on with them.")


async def _add_people(settings: Settings) -> None:
    """The console's made-up people, whom only the database's owner may add."""
    from ledger.pool import open_pool
    from ledger.register import Register
    from storefront.console.made_up import add_made_up_people

    pool = await open_pool(settings.needed("database_owner_url"), size=1)
    try:
        await add_made_up_people(Register(pool), datetime.now(UTC))
    finally:
        await pool.close()


def _listener(stack: LocalStack) -> socket.socket:
    """A socket for the gateway. Another program may take a port between our look at it and our use."""
    from storefront.serving import listen

    for _ in range(PORTS_TRIED - 1):
        with suppress(PortInUse):
            return listen("127.0.0.1", stack.port("http", HTTP_PORT))
    return listen("127.0.0.1", stack.port("http", HTTP_PORT))


async def _watch(stop: asyncio.Event, services: Sequence[ServerProcess]) -> None:
    """Wait for a signal to end.

    Raises:
        Unavailable: a server of the stack died. Everything that needs it would fail.
    """
    while not stop.is_set():
        for service in services:
            if not service.is_running():
                raise Unavailable(
                    f"{service.name} of the local stack has ended by itself, so `up` ends too. Its log is "
                    f"{service.log_file}. Start `up` again: everything goes on where it was"
                )
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), LOOK_EVERY)


def stack_view(settings: Settings) -> dict[str, str]:
    """The addresses of a stack, as the environment of other programs has them."""
    found = {
        "web_ui": settings.temporal_ui_url,
        "TEMPORAL_ADDRESS": settings.temporal_address,
        "TEMPORAL_NAMESPACE": settings.temporal_namespace,
        "DATABASE_URL": settings.database_url,
        "DATABASE_OWNER_URL": settings.database_owner_url,
        "DAKUAN_CARRIER_URL": settings.carrier_url,
        "DAKUAN_CHANNEL_URL": settings.channel_url,
        "DAKUAN_BANK_URL": settings.bank_url,
        "STANDINS": settings.world_url,
    }
    return {name: value for name, value in found.items() if value is not None}


def _show(console: Console, view: dict[str, str]) -> None:
    """Where people go, then what other programs need, as plain lines: a table would break long addresses."""
    print("Dakuan is up. Ctrl-C ends it; everything in it stays.\n")
    print(f"  Console  {view['console']}  (its people are made up, and need no password)")
    print(f"  HTTP     {view['HTTP']}")
    print(f"  Web UI   {view['web_ui']}")
    print("\nOther terminals find the stack by themselves: python starter.py start order.json")
    print(f"The worker's log: {load().home / WORKER_LOG}")
    print("\nFor other programs:")
    for name, value in view.items():
        if name not in {"web_ui", "console"}:
            print(f"{name}={value}")
    print("\nLists in the Web UI, to be saved there under Saved Views (`lists` names their columns):")
    for name, query in VIEWS.items():
        print(f"  {name}:")
        print(f"    {view_url(view['web_ui'], view['TEMPORAL_NAMESPACE'], query)}")
    console.file.flush()
