"""The console as one application under `/console`: its pages, its headers, and whom it answers."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from importlib import resources
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles

from config import Settings
from core.errors import DakuanError
from storefront.console import (
    acting,
    breaks_page,
    cases_page,
    codes_page,
    endpoints_page,
    figures_pages,
    live,
    merchant_page,
    oidc,
    order_page,
    reviews_page,
    search_page,
    signing_in,
    statement_page,
    withdrawals_page,
)
from storefront.console.cookies import jar_of
from storefront.console.provider_keys import ProviderKeys
from storefront.console.rendering import render, said_of
from storefront.console.visits import Visit, keep_browser, visit_of
from storefront.methods import methods_at
from storefront.problems import HttpProblem, ProblemError, problem_in, problem_of
from storefront.service import HttpService

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
_CODES = {404: "not_found", 405: "method_not_allowed"}

log = logging.getLogger("dakuan.console")


def is_served(settings: Settings) -> bool:
    """Whether anyone can sign in: a provider of identities is set, or the stack is local."""
    return settings.console is not None or settings.world_url is not None


def console_app(service: HttpService) -> Starlette:
    """The console around the gateway's running parts."""
    settings = service.settings
    app = Starlette(
        routes=_routes(),
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=_guarded)],
        exception_handlers={ProblemError: _ended, DakuanError: _refused, HTTPException: _unrouted},
    )
    app.state.service = service
    app.state.jar = jar_of(settings)
    app.state.provider_keys = ProviderKeys()
    app.state.hosts = {settings.console.host} if settings.console is not None else None
    return app


def _routes() -> list[BaseRoute]:
    static = StaticFiles(directory=str(resources.files("storefront.console") / "static"))
    return [
        Mount("/static", static),
        *signing_in.ROUTES,
        *oidc.ROUTES,
        *live.ROUTES,
        *search_page.ROUTES,
        *order_page.ROUTES,
        *reviews_page.ROUTES,
        *withdrawals_page.ROUTES,
        *merchant_page.ROUTES,
        *statement_page.ROUTES,
        *endpoints_page.ROUTES,
        *cases_page.ROUTES,
        *figures_pages.ROUTES,
        *breaks_page.ROUTES,
        *codes_page.ROUTES,
        *acting.ROUTES,
    ]


async def _guarded(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
    """Answer only who names this host, and send the headers that keep other sites out."""
    if not _is_own_host(request):
        response: Response = PlainTextResponse("Unknown host.\n", 421)
    else:
        try:
            response = await call(request)
        except Exception:  # a defect: the reader gets a page, the log has the trace
            log.exception("%s %s failed", request.method, request.url.path)
            response = await _problem(request, problem_of("internal_error"))
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _is_own_host(request: Request) -> bool:
    """Whether the Host header is ours: a site whose name was made to lead here would get a person's pages."""
    given = request.headers.get("host", "").lower()
    hosts = request.app.state.hosts
    if hosts is not None:
        return given in hosts
    return given.rpartition(":")[0] in LOOPBACK or given in LOOPBACK


async def _ended(request: Request, error: Any) -> Response:
    return await _problem(request, error.problem, error.headers)


async def _refused(request: Request, error: Any) -> Response:
    return await _problem(request, problem_in(error))


async def _unrouted(request: Request, error: Any) -> Response:
    headers = error.headers
    if error.status_code == 405:
        # What no route has is a file: files are mounted, and read.
        found = methods_at(request.app.routes, request.scope) or ["GET", "HEAD"]
        headers = {**(headers or {}), "Allow": ", ".join(found)}
    return await _problem(request, problem_of(_CODES.get(error.status_code, "unreadable")), headers)


async def _problem(request: Request, problem: HttpProblem, headers: Mapping[str, str] | None = None) -> Response:
    """An error as a page. While the register is away, no one's session can be read: then it is a line of text."""
    try:
        visit: Visit = getattr(request.state, "visit", None) or await visit_of(request)
    except DakuanError:
        return PlainTextResponse(f"{problem.detail}\n", problem.status, headers)
    said, name = said_of(visit, problem), getattr(request.state, "request_id", "")
    page = render(visit, "problem.html", problem.status, problem=problem, said=said, request_id=name)
    page.headers.update(headers or {})
    keep_browser(visit, page)
    return page
