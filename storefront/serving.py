"""The gateway as a server, inside a running event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn

from config import Settings
from storefront.app import application, running_service

ENDS_WITHIN = 10
"""Seconds that open requests have when the server ends."""
LOOK_EVERY = 0.02


class _Server(uvicorn.Server):
    """A server that leaves signals to the program around it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """It takes none."""
        yield


@asynccontextmanager
async def serving(settings: Settings, port: int, host: str = "127.0.0.1") -> AsyncIterator[asyncio.Task[Any]]:
    """Serve while the block runs; the server's task ends early only where it cannot listen.

    Raises:
        Unavailable: Temporal or PostgreSQL does not answer; a retry may help.
        Misconfigured: a setting is missing, or migrations are.
    """
    async with running_service(settings) as service:
        config = uvicorn.Config(
            application(service),
            host=host,
            port=port,
            http="h11",
            loop="asyncio",
            log_level="warning",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=ENDS_WITHIN,
        )
        server = _Server(config)
        task = asyncio.create_task(server.serve())
        try:
            # uvicorn sets a flag and no event.
            while not server.started and not task.done():  # noqa: ASYNC110
                await asyncio.sleep(LOOK_EVERY)
            yield task
        finally:
            server.should_exit = True
            await task
