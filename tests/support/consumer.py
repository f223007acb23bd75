"""A consumer of webhooks on this machine, as it should be or misbehaving, over TLS or plain HTTP.

Its answers are raw bytes: some are not HTTP at all.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks import Webhook
from waiting import WITHIN

Reply = bytes | None
"""None: no answer ever comes."""
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
FAILING = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"


def status(code: int, *headers: str, body: str = "") -> bytes:
    """An answer of this status."""
    lines = [f"HTTP/1.1 {code} X", *headers, f"Content-Length: {len(body.encode())}", "", body]
    return "\r\n".join(lines).encode()


@dataclass
class Consumer:
    """What came in, and how it is answered."""

    answer: Callable[[dict[str, Any], int], Reply | AsyncIterator[bytes]] = lambda event, count: OK
    challenged: Callable[[str], bytes] | None = None
    """How a challenge is answered; as it should be unless given."""
    secret: str | None = None
    """Given, each webhook is verified as a consumer does, and one that is forged counts in `forged`."""
    port: int = 0
    tls: bool = False
    events: list[dict[str, Any]] = field(default_factory=list)
    """What was answered with a success, in order."""
    asked: int = 0
    connections: int = 0
    forged: int = 0
    hosts: list[str] = field(default_factory=list)
    serving: set[asyncio.Task[None]] = field(default_factory=set)
    raw: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    """The last request."""

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/hooks"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, as many requests as come over it."""
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self.serving.add(task)
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # cancelled only when the consumer ends; asyncio's own callback would log it as an error
        finally:
            self.serving.discard(task)
            writer.close()
            with suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = (line.split(": ", 1) for line in head.split("\r\n")[1:-2])
        self.headers = {name.lower(): value for name, value in lines}
        self.raw = await reader.readexactly(int(self.headers["content-length"]))
        event, self.asked = json.loads(self.raw), self.asked + 1
        self.hosts.append(self.headers["host"])
        if event["type"] == "endpoint.challenge":
            reply: Any = (self.challenged or _echo)(event["data"]["challenge"])
        else:
            if self.secret is not None:
                self._verify()
            reply = self.answer(event, self.asked)
        if reply is None:
            await reader.read()
            return False
        if isinstance(reply, bytes):
            if reply.startswith(b"HTTP/1.1 2") and event["type"] not in ("endpoint.challenge", "endpoint.test"):
                self.events.append(event)
            writer.write(reply)
            await writer.drain()
            return reply.startswith(b"HTTP/1.1") and b"Connection: close" not in reply
        async for part in reply:
            writer.write(part)
            await writer.drain()
        return False

    def _verify(self) -> None:
        try:
            Webhook(str(self.secret)).verify(self.raw, self.headers)
        except Exception:
            self.forged += 1

    @contextmanager
    def in_a_thread(self) -> Iterator[None]:
        """Serve beside a test that is not asynchronous."""
        loop, up = asyncio.new_event_loop(), threading.Event()

        async def serve() -> None:
            async with consuming(self):
                up.set()
                await ended.wait()

        ended = asyncio.Event()
        thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
        thread.start()
        try:
            assert up.wait(WITHIN)
            yield
        finally:
            loop.call_soon_threadsafe(ended.set)
            thread.join(WITHIN)
            loop.close()


def _echo(text: str) -> bytes:
    return status(200, body=json.dumps({"challenge": text}))


@asynccontextmanager
async def consuming(consumer: Consumer, tls: ssl.SSLContext | None = None) -> AsyncIterator[Consumer]:
    """Serve a consumer while the block runs."""
    server = await asyncio.start_server(consumer.serve, "127.0.0.1", 0, ssl=tls)
    consumer.port, consumer.tls = server.sockets[0].getsockname()[1], tls is not None
    try:
        yield consumer
    finally:
        server.close()
        left = list(consumer.serving)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
