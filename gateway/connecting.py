"""A client of the configured Temporal service."""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client, Interceptor
from temporalio.service import RPCError, RPCStatusCode

from config import Settings
from core.errors import DakuanError, Misconfigured, Unavailable
from gateway.converter import converter_of
from gateway.metrics import runtime_of
from gateway.repeating import Repeating
from gateway.signing import Signing, read_signer
from gateway.tracing import tracing_of

log = logging.getLogger("dakuan.gateway")

LAST_PAUSE = 0.2
"""Seconds between a client's last use and the end of the program: without it one in five aborts (sdk-python #300)."""
FOUND_WITHIN = timedelta(seconds=30)
TLS_TRIED_WITHIN = 3.0


@asynccontextmanager
async def connected(settings: Settings, *, later: bool = False, measured: bool = False) -> AsyncIterator[Client]:
    """A client for the block. The end of the block waits for `LAST_PAUSE`, so that the program may end after it.

    Args:
        later: where nothing answers yet, give a client that connects at its first call, and log why.
        measured: show this process's metrics where the settings say, as a worker and a gateway do. A command does not:
            it runs beside a worker with the same settings, and two processes cannot have one port.

    Raises:
        Unavailable, Misconfigured: as `connect`.
    """
    try:
        client = await connect(settings, measured=measured)
    except Unavailable as error:
        if not later:
            raise
        log.warning("%s; requests wait until it does", error)
        client = await Client.connect(**_options(settings, measured), lazy=True)
    try:
        yield client
    finally:
        if (tracing := tracing_of(settings)) is not None:
            await asyncio.to_thread(tracing.flush)
        await asyncio.sleep(LAST_PAUSE)


async def connect(settings: Settings, *, measured: bool = False) -> Client:
    """A client for the configured service. A program that ends soon after its last use should use `connected`.

    Raises:
        Unavailable: nothing answers at the address; the message names it. A retry helps once it does.
        Misconfigured: no address is set, the namespace does not exist, or TLS or a key is wrong.
    """
    target = _options(settings, measured)
    try:
        client = await Client.connect(**target)
    except RuntimeError as error:
        raise await _why_not(str(target.get("target_host")), bool(target.get("tls")), str(error)) from None
    await _find_namespace(client)
    return client


def _options(settings: Settings, measured: bool) -> dict[str, Any]:
    """How a client is made, now or at its first call. One without the signature would be refused as `unproven`."""
    return {
        **settings.temporal_connect_config(),
        "data_converter": converter_of(settings.codec_keys),
        "interceptors": _interceptors(settings),
        "runtime": runtime_of(settings) if measured else None,
    }


def _interceptors(settings: Settings) -> list[Interceptor]:
    """A worker of this client takes those that are for workers, too."""
    found: list[Interceptor] = [Repeating()]
    if settings.signing_key is not None:
        found.append(Signing(read_signer(settings.signing_key)))
    tracing = tracing_of(settings)
    return found if tracing is None else [*found, tracing.interceptor]


_MISTAKES: tuple[tuple[str, str], ...] = (
    (
        r"InvalidContentType|corrupt message",
        "the server does not speak TLS, and the settings want it: unset TEMPORAL_TLS and TEMPORAL_API_KEY (an API key "
        "turns TLS on), or name the server's TLS port",
    ),
    (
        r"AlertReceived\(|CertificateRequired",
        "the server refuses our TLS certificate, or wants one: set TEMPORAL_TLS_CLIENT_CERT_PATH and "
        "TEMPORAL_TLS_CLIENT_KEY_PATH",
    ),
    (
        r"NotValidForName",
        "the server's certificate is for another name than the address has: set TEMPORAL_TLS_SERVER_NAME",
    ),
    (
        r"InvalidCertificate|UnknownIssuer|CaUsedAsEndEntity",
        "the server's TLS certificate is not trusted: set TEMPORAL_TLS_SERVER_CA_CERT_PATH to its authority's",
    ),
    (
        r"PrivateKeyParseError|CertificateParseError|InvalidPrivateKey|KeyMismatch|NoCertificate",
        "our TLS certificate or key cannot be read: look at TEMPORAL_TLS_CLIENT_CERT_PATH and "
        "TEMPORAL_TLS_CLIENT_KEY_PATH",
    ),
    (
        r"code: (Unauthenticated|PermissionDenied)",
        "the server refuses our key: look at TEMPORAL_API_KEY and TEMPORAL_NAMESPACE",
    ),
)
"""Parts of the client's message, and the wrong setting behind each; the first match counts."""


async def _why_not(address: str, tls: bool, said: str) -> DakuanError:
    """The remedy for a wrong setting, or else the system's message."""
    for pattern, cure in _MISTAKES:
        if re.search(pattern, said):
            return Misconfigured(f"Temporal at {address}: {cure}.")
    if not tls and "after connection" in said and await _speaks_tls(address):
        return Misconfigured(f"Temporal at {address}: the server wants TLS: set TEMPORAL_TLS=true.")
    # The bridge prints its own types, with the system's message in the middle.
    words = re.search(r'(?:message|error): "([^"]+)"', said)
    return Unavailable(f"Temporal does not answer at {address}: {words[1] if words else said}")


async def _speaks_tls(address: str) -> bool:
    """Whether a TLS handshake succeeds there, with any certificate. Used only to name a wrong setting."""
    host, _, port = address.rpartition(":")
    anyone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    anyone.set_alpn_protocols(["h2"])
    try:
        async with asyncio.timeout(TLS_TRIED_WITHIN):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port), ssl=anyone)
    except ssl.SSLError as error:
        return "ALERT" in str(error).upper()  # a server that wants a client certificate says so in TLS
    except (OSError, TimeoutError, ValueError):
        return False
    writer.close()
    with suppress(OSError, ssl.SSLError):
        await writer.wait_closed()
    return True


async def _find_namespace(client: Client) -> None:
    """Check the namespace: without it every answer would be "not found", as if orders were missing."""
    request = DescribeNamespaceRequest(namespace=client.namespace)
    try:
        await client.workflow_service.describe_namespace(request, timeout=FOUND_WITHIN)
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            raise Misconfigured(f"Temporal has no namespace {client.namespace}: set TEMPORAL_NAMESPACE") from None
        # A client may be allowed to work in a namespace but not to describe it.
