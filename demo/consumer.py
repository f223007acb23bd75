"""A storefront's receiver of webhooks, as its docs would have it: it verifies, keeps, and answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from demo.waiting import until


@dataclass
class WebhookReceiver:
    """What came in. Until `secret` is known, nothing but the challenge is taken; it comes again."""

    url: str = ""
    secret: str | None = None
    events: list[dict[str, Any]] = field(default_factory=list)
    forged: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection with one request."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:-2]
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head)}
            status, text = self._take(await reader.readexactly(int(headers["content-length"])), headers)
            writer.write(
                f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode()
            )
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the sender went away: it comes again
        finally:
            writer.close()

    def _take(self, body: bytes, headers: dict[str, str]) -> tuple[str, str]:
        """Status and text of the answer."""
        event = json.loads(body)
        if event["type"] == "endpoint.challenge":
            return "200 OK", json.dumps({"challenge": event["data"]["challenge"]})
        if self.secret is None:
            return "503 Service Unavailable", ""
        try:
            self.events.append(Webhook(self.secret).verify(body, headers))
        except WebhookVerificationError:
            self.forged += 1
            return "401 Unauthorized", ""
        return "204 No Content", ""

    def about(self, subject: str) -> list[tuple[int, str]]:
        """The events of a subject as they came: number and type."""
        return [(one["data"]["seq"], one["type"]) for one in self.events if one["data"]["subject"] == subject]

    async def until(self, subject: str, kind: str) -> list[tuple[int, str]]:
        """The events of a subject once there is one of this type.

        Raises:
            Unavailable: none comes in time.
        """

        async def came() -> list[tuple[int, str]]:
            return self.about(subject)

        return await until(came, lambda found: any(kind == one for _, one in found))


@asynccontextmanager
async def receiving() -> AsyncIterator[WebhookReceiver]:
    """A receiver on this machine, while the block runs."""
    receiver = WebhookReceiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/webhooks"
    try:
        yield receiver
    finally:
        server.close()
