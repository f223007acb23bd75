"""`up`: the local stack and a worker under `var/` until Ctrl-C. State survives a restart and a `kill -9`."""

from __future__ import annotations

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

from rich.console import Console

from commands.console import JsonFlag, command, tell, tell_line
from config import Settings, load
from local.stack import LocalStack
from worker import on_signals, running_worker

WORKER_LOG = "worker.log"
LOG_BYTES = 10 * 1024 * 1024


@command
async def up(as_json: JsonFlag = False) -> None:
    """Run the local stack and a worker. What a killed `up` left running is adopted; Ctrl-C ends everything."""
    stop, settings = on_signals(), load()
    async with LocalStack(settings.home, base=settings) as stack, running_worker(stack.settings):
        _log_to(settings.home / WORKER_LOG)
        view = stack_view(stack.settings)
        tell(view, lambda console: _show(console, view))
        await stop.wait()
        tell_line("Ending. The orders stay where they are: `up` goes on with them.")


def _log_to(file: Path) -> None:
    """What the worker says goes to a file: this terminal is for people."""
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        handlers=[RotatingFileHandler(file, maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8")],
    )


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
    """Plain lines, each of which a shell can read: no table would leave an address whole."""
    print(f"Dakuan is up. Web UI: {view['web_ui']}\n")
    for name, value in view.items():
        if name != "web_ui":
            print(f"{name}={value}")
    print(f"\nThe worker's log: {load().home / WORKER_LOG}")
    print("Other terminals find the stack by themselves: python starter.py start order.json", flush=True)
    console.print("Ctrl-C ends it; everything in it stays.")
