"""A client of the configured Temporal service."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from config import Settings
from core.errors import Misconfigured, Unavailable
from gateway.converter import DATA_CONVERTER

LAST_PAUSE = 0.2
"""Seconds between a client's last use and the end of the program: without it one in five aborts (sdk-python #300)."""
FOUND_WITHIN = timedelta(seconds=30)


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[Client]:
    """A client for the block; its end waits for `LAST_PAUSE`, so that the program may end after it.

    Raises:
        Unavailable, Misconfigured: as `connect`.
    """
    client = await connect(settings)
    try:
        yield client
    finally:
        await asyncio.sleep(LAST_PAUSE)


async def connect(settings: Settings) -> Client:
    """A client for the configured service. A program that ends soon after its last use takes `connected`.

    Raises:
        Unavailable: nothing answers at the address; the message names it. A retry helps once it does.
        Misconfigured: no address is set, or there is no such namespace.
    """
    target = settings.temporal_connect_config()
    try:
        client = await Client.connect(**target, data_converter=DATA_CONVERTER)
    except RuntimeError as error:
        # The bridge prints its own types; the service's own sentence stands in the middle of them.
        said = re.search(r'message: "([^"]+)"', str(error))
        why = said[1] if said else str(error)
        raise Unavailable(f"Temporal does not answer at {target.get('target_host')}: {why}") from None
    await _find_namespace(client)
    return client


async def _find_namespace(client: Client) -> None:
    """Without its namespace every answer would be "not found", as if orders were missing."""
    request = DescribeNamespaceRequest(namespace=client.namespace)
    try:
        await client.workflow_service.describe_namespace(request, timeout=FOUND_WITHIN)
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            raise Misconfigured(f"Temporal has no namespace {client.namespace}: set TEMPORAL_NAMESPACE") from None
        # A client without the right to look at its namespace may still work in it.
