"""A span around each request, named by its route: an address has ids in it, a route has none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from storefront.service import service_of

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
        request = Request(scope)
        traceparent = request.headers.get("traceparent")
        # A stranger could write into anyone's trace, or have ours not kept by a flag of its own.
        joins = traceparent is not None and await service_of(request).has_valid_key(request)
        with self._tracing.request(scope["method"], traceparent, joins=joins) as span:

            async def send_noted(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.note_status(message["status"])
                await send(message)

            try:
                await self._app(scope, receive, send_noted)
            finally:
                if (path := getattr(scope.get("route"), "path", None)) is not None:
                    span.note_route(path)
