"""A span around each request, named by its route: an address has ids in it, a route has none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from gateway.spans import Tracing

NOT_TRACED = frozenset({"/healthz", "/readyz"})
"""Asked every few seconds."""


class Traced:
    """The application inside a span. It is no `BaseHTTPMiddleware`; see `_Named`."""

    def __init__(self, app: ASGIApp, tracing: Tracing) -> None:
        self._app, self._tracing = app, tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or scope["path"] in NOT_TRACED:
            return await self._app(scope, receive, send)
        method = scope["method"]
        with self._tracing.request(method, Headers(scope=scope).get("traceparent")) as span:

            async def send_noted(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                await send(message)

            try:
                await self._app(scope, receive, send_noted)
            finally:
                if (path := getattr(scope.get("route"), "path", None)) is not None:
                    span.update_name(f"{method} {path}")
                    span.set_attribute("http.route", path)
