"""Where commands reach Temporal. Its client is loaded when it is used, since that costs half a second."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import gateway
from core.errors import Unavailable

if TYPE_CHECKING:
    from temporalio.client import Client
    from temporalio.service import RPCError

ANSWER_WITHIN = timedelta(seconds=5)


@asynccontextmanager
async def temporal() -> AsyncIterator[Client]:
    """A client of the configured Temporal.

    Raises:
        Unavailable: it does not answer (the message names the address), or no worker polls there.
    """
    from temporalio.service import RPCError  # loaded when it is connected: the half second

    from config import load

    async with AsyncExitStack() as stack:
        try:
            client = await stack.enter_async_context(gateway.connected(load()))
        except Unavailable as error:
            raise Unavailable(f"{error}. Start it, set TEMPORAL_ADDRESS, or run `python starter.py up`") from None
        try:
            yield client
        except (Unavailable, RPCError) as error:
            raise await _explained(client, error) from None


async def _explained(client: Client, error: Unavailable | RPCError) -> Unavailable:
    """Why there was no answer. Most often no worker runs."""
    said = str(error) if isinstance(error, Unavailable) else error.message
    why = await why_idle(client)
    return Unavailable(f"{why} It said: {said}" if why and why not in said else said)


async def why_idle(client: Client) -> str | None:
    """Why a message would get no answer; None where a worker takes tasks, or where we may not ask."""
    from temporalio.service import RPCError

    try:
        return (await gateway.workers(client)).why_idle
    except RPCError:
        return None
