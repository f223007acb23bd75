"""`python -m storefront`: the HTTP gateway, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys

from config import load
from core.addresses import hide_passwords
from core.errors import DakuanError, Misconfigured
from ending import end_with
from gateway.core_log import log_core
from logs import log_to
from storefront.serving import listen, serving
from wiring.garbage import spare_what_is_loaded


async def serve(host: str, port: int) -> None:
    """Serve until a signal to end."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    settings = load()
    # Say so at the start, not at the first request.
    _ = settings.pepper_needed
    async with serving(settings, listen(host, port)) as server:
        spare_what_is_loaded()
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({server, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()


def _port(given: str) -> int:
    """A number that a port may have; 0 lets the system choose one."""
    if not given.isascii() or not given.isdigit() or int(given) > 65_535:
        raise argparse.ArgumentTypeError(f"{given!r} is not a port from 0 to 65535")
    return int(given)


def main() -> int:
    """As a program."""
    arguments = argparse.ArgumentParser(prog="python -m storefront", description="The HTTP gateway of Dakuan.")
    arguments.add_argument("--host", default="127.0.0.1", help="the interface to listen on (%(default)s)")
    arguments.add_argument("--port", type=_port, default=8420, help="the port to listen on (%(default)s)")
    given = arguments.parse_args()
    log_to(logging.StreamHandler(sys.stderr))
    log_core()
    try:
        asyncio.run(serve(given.host, given.port))
    except DakuanError as error:
        print(f"storefront: {hide_passwords(str(error))}", file=sys.stderr)
        return 2 if isinstance(error, Misconfigured) else 1
    return 0


if __name__ == "__main__":
    end_with(main)
