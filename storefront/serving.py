"""The gateway as a server, inside a running event loop."""

from __future__ import annotations

import asyncio
import errno
import socket
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from ipaddress import IPv6Address, ip_address
from typing import Any

import h11
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from config import Settings
from config.gateway import Connections
from core.errors import Misconfigured, PortInUse
from storefront.app import application, running_service
from storefront.headers import add_headers
from storefront.problems import problem_of, respond

ENDS_WITHIN = 10
"""Seconds that open requests have when the server ends."""
LOOK_EVERY = 0.02
IDLE_FOR = 30
"""Seconds that a connection is kept between two requests."""
HEADERS_WITHIN = 10.0
"""Seconds for the head of a request. uvicorn sets no limit: a sender of one byte a minute would hold a connection."""


class _Protocol(H11Protocol):
    """HTTP/1.1 that waits for the head of a request only so long, and gives one address only so many connections."""

    open_by_address: Counter[str]
    most_of_one: int
    most: int
    """All three are set for each server."""
    _waits: asyncio.TimerHandle | None = None
    _counted: str | None = None

    @property
    def app(self) -> Any:
        """What answers the next request: uvicorn's own answer to one beyond its limit would be plain text."""
        is_full = len(self.connections) >= self.most or len(self.tasks) >= self.most
        return _answer_busy if is_full else self._app

    @app.setter
    def app(self, given: Any) -> None:
        self._app = given

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP as everything else is; uvicorn's own answer is plain text."""
        body, headers = _rendered("unreadable", f"{msg.rstrip('.')}.")
        for part in (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(part) or b"")
        self.transport.close()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        if self._has_room(transport):
            self._expect_head()
        else:
            transport.abort()

    def _has_room(self, transport: asyncio.Transport) -> bool:
        peer = transport.get_extra_info("peername")
        address = str(peer[0]) if isinstance(peer, tuple) else ""
        if not address or _is_this_machine(address):
            return True
        self._counted = address
        self.open_by_address[address] += 1
        return self.open_by_address[address] <= self.most_of_one

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._expect_head()
        else:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        if self._counted is not None:
            self.open_by_address[self._counted] -= 1
            if not self.open_by_address[self._counted]:
                del self.open_by_address[self._counted]
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        if self._waits is None:
            self._waits = self.loop.call_later(HEADERS_WITHIN, self._give_up)

    def _stop_waiting(self) -> None:
        if self._waits is not None:
            self._waits.cancel()
            self._waits = None

    def _give_up(self) -> None:
        self._waits = None
        if not self.transport.is_closing():
            self.transport.close()


def _rendered(code: str, detail: str = "") -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """A problem's body and headers, where no application answers; the connection ends with it."""
    name = uuid.uuid4().hex
    response = respond(problem_of(code, detail).model_copy(update={"request_id": name}), {"Connection": "close"})
    add_headers(response.headers, name)
    return bytes(response.body), response.raw_headers


async def _answer_busy(scope: Scope, receive: Receive, send: Send) -> None:
    body, headers = _rendered("unavailable")
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _is_this_machine(address: str) -> bool:
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return (mapped or found).is_loopback


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        PortInUse: another program has the port.
        Misconfigured: there is no such address on this machine, or this user may not listen there.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(f"Another program listens at port {port} of {host}: choose another with --port") from None
        raise Misconfigured(f"The gateway cannot listen at port {port} of {host}: {error.strerror or error}") from None


class _Server(uvicorn.Server):
    """A server that leaves signals to the program around it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """It takes none."""
        yield


def server_of(app: Any, connections: Connections = Connections()) -> uvicorn.Server:
    """A server for an application, with the limits of the gateway; it leaves signals alone."""
    of_this_server = {"open_by_address": Counter(), "most_of_one": connections.each, "most": connections.most}
    config = uvicorn.Config(
        app,
        http=type("GatewayProtocol", (_Protocol,), of_this_server),
        ws="none",
        loop="asyncio",
        log_level="warning",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=IDLE_FOR,
        timeout_graceful_shutdown=ENDS_WITHIN,
    )
    return _Server(config)


@asynccontextmanager
async def serving(settings: Settings, listener: socket.socket) -> AsyncIterator[asyncio.Task[Any]]:
    """Serve while the block runs.

    Raises:
        Unavailable: PostgreSQL does not answer; a retry may help.
        Misconfigured: a setting is missing, or migrations are.
    """
    async with AsyncExitStack() as stack:
        stack.callback(listener.close)
        service = await stack.enter_async_context(running_service(settings))
        server = server_of(application(service), settings.http_connections)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            # uvicorn sets a flag and no event.
            while not server.started and not task.done():  # noqa: ASYNC110
                await asyncio.sleep(LOOK_EVERY)
            yield task
        finally:
            service.streams.end()
            server.should_exit = True
            await task
