"""The composition root of the gateway: settings → pool, Temporal client, desks → one application."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from temporalio.client import Client

import gateway
from config import Settings
from core.errors import DakuanError
from gateway.tracing import tracing_of
from ledger.inspecting import refuse_unready
from ledger.pool import open_pool
from ledger.register import Register
from ledger.replica import ReadPool
from ledger.vault import Vault
from storefront import inbound, payloads
from storefront.api import accounts, endpoints, events, merchants, orders, others, payments, withdrawals
from storefront.api.documents import document_of
from storefront.changing import Changes
from storefront.console.app import console_app, is_served
from storefront.delivery import Deliveries
from storefront.endpoints import EndpointDesk
from storefront.headers import VERSION, add_headers, check_headers, read_absolute
from storefront.identities import address_of
from storefront.limits import Limits
from storefront.methods import methods_at
from storefront.posting import Poster
from storefront.problems import HttpProblem, ProblemError, problem_in, problem_of, respond
from storefront.service import HttpService, service_of
from storefront.targets import reach_of
from storefront.tracing import Traced
from wiring.desks import callback_desk, push_desk
from wiring.watching import watched

DRAINS_WITHIN = 10.0
"""Seconds that tries have for their ends when the gateway ends."""
READY_FOR = 1.0
"""Seconds for which an answer about readiness stands: many who ask cost no more than one."""
_ASKED = ["GET", "HEAD"]
"""Monitors ask with either."""
_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}

log = logging.getLogger("dakuan.storefront")


@asynccontextmanager
async def running_service(settings: Settings) -> AsyncIterator[HttpService]:
    """The gateway's parts, with the forwarder at work. While Temporal is away, requests are written down.

    Raises:
        Unavailable: PostgreSQL does not answer; a retry may help.
        Misconfigured: a setting is missing, or migrations are.
    """
    async with AsyncExitStack() as stack:
        tracing = tracing_of(settings)
        pool = await open_pool(settings.needed("database_url"), note=None if tracing is None else tracing.note_query)
        stack.push_async_callback(pool.close)
        await refuse_unready(pool)
        register = Register(pool)
        reads = ReadPool(pool, settings.database_read_url)
        stack.push_async_callback(reads.close)
        await reads.look()
        client: Client = await stack.enter_async_context(gateway.connected(settings, later=True, measured=True))
        pushes = await stack.enter_async_context(push_desk(settings, register, client))
        await stack.enter_async_context(watched(settings, pool, client, reads))
        changes = Changes(register, client, settings.peppers_needed)
        vault = Vault(settings.account_keys)
        poster, asked = [await stack.enter_async_context(Poster(reach_of(settings))) for _ in range(2)]
        await stack.enter_async_context(_at_work(Deliveries(register, vault, poster).run()))
        forwarding = asyncio.create_task(changes.forward())
        try:
            yield HttpService(
                settings=settings,
                register=register,
                client=client,
                changes=changes,
                pushes=pushes,
                callbacks=callback_desk(settings, register, client),
                limits=Limits(),
                endpoints=EndpointDesk(register, vault, asked),
                copies=Register(reads.as_pool) if settings.database_read_url is not None else None,
            )
        finally:
            forwarding.cancel()
            with suppress(asyncio.CancelledError):
                await forwarding
            # An answer that is there must be kept before the pool closes.
            await changes.drain(DRAINS_WITHIN)


@asynccontextmanager
async def _at_work(running: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run this until the block ends."""
    task = asyncio.create_task(running)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def application(service: HttpService) -> FastAPI:
    """The application around its running parts."""
    app = FastAPI(
        title="Dakuan",
        version=VERSION,
        summary="Durable payment verification for marketplace orders",
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        # Such a redirect would have the scheme and the host that the request came with, and not those of its sender.
        redirect_slashes=False,
    )
    app.state.service = service
    for room in (orders, withdrawals, merchants, accounts, endpoints, events, others, payments, inbound):
        app.include_router(room.router)
    if is_served(service.settings):
        app.add_api_route("/console", _to_console, include_in_schema=False)
        app.mount("/console", console_app(service))
    app.router.routes.extend(payloads.ROUTES)
    app.add_api_route("/healthz", healthy, methods=_ASKED, include_in_schema=False)
    app.add_api_route("/readyz", ready, methods=_ASKED, include_in_schema=False)
    app.add_exception_handler(ProblemError, _ended)
    app.add_exception_handler(DakuanError, _refused)
    app.add_exception_handler(HTTPException, _unrouted)
    app.add_middleware(_Named)
    if (tracing := tracing_of(service.settings)) is not None:
        app.add_middleware(Traced, tracing=tracing)
    app.openapi = lambda: document_of(app)  # type: ignore[method-assign]  # FastAPI's own way to replace it
    return app


async def _to_console(request: Request) -> RedirectResponse:
    query = request.url.query
    return RedirectResponse(f"/console/{f'?{query}' if query else ''}")


async def healthy() -> JSONResponse:
    """This process answers."""
    return JSONResponse({"ok": True})


async def ready(request: Request) -> JSONResponse:
    """PostgreSQL and Temporal answer, and a worker takes tasks."""
    service = service_of(request)
    service.limits.count_unknown(address_of(request))
    async with service.asked.lock:
        if time.monotonic() >= service.asked.until:
            service.asked.problems = await _unready(service)
            service.asked.until = time.monotonic() + READY_FOR
        problems = service.asked.problems
    return JSONResponse({"ok": not problems, **problems}, 503 if problems else 200)


async def _unready(service: HttpService) -> dict[str, str]:
    problems = {}
    try:
        await refuse_unready(service.register.pool)
    except DakuanError as error:
        problems["database"] = str(problem_in(error).code)
    try:
        idle = (await gateway.workers(service.client)).why_idle
        if idle is not None:
            problems["worker"] = idle
    except Exception as error:  # any failure of the connection means the same: it is not ready
        problems["temporal"] = type(error).__name__
    return problems


# --- errors ------------------------------------------------------------------------------------------------


async def _ended(request: Request, error: Any) -> Response:
    return respond(_of(request, error.problem), error.headers)


async def _refused(request: Request, error: Any) -> Response:
    problem = problem_in(error)
    if problem.status >= 500:
        log.warning("%s %s: %s", request.method, request.url.path, error)
    return respond(_of(request, problem))


async def _unrouted(request: Request, error: Any) -> Response:
    headers = error.headers
    if error.status_code == 405:
        headers = {**(headers or {}), "Allow": ", ".join(methods_at(request.app.routes, request.scope))}
    return respond(_of(request, problem_of(_CODES.get(error.status_code, "unreadable"))), headers)


def _of(request: Request, problem: HttpProblem) -> HttpProblem:
    return problem.model_copy(update={"request_id": request.state.request_id})


class _Named:
    """Gives each request a name, and lets no defect show its insides.

    It is no `BaseHTTPMiddleware`: under one, a route that waits never hears that its reader is gone.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        read_absolute(scope)
        request, begun = Request(scope, receive), False
        name = request.state.request_id = uuid.uuid4().hex

        async def send_named(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                add_headers(MutableHeaders(scope=message), name)
            await send(message)

        try:
            check_headers(request, service_of(request).hosts)
            await self._app(scope, receive, send_named)
        except ProblemError as error:
            await (await _ended(request, error))(scope, receive, send_named)
        except Exception:  # a defect: the caller gets a problem, the log has the trace
            log.exception("%s %s failed", request.method, request.url.path)
            if begun:
                raise  # the connection breaks: an answer that is cut off must not look whole
            await respond(_of(request, problem_of("internal_error")))(scope, receive, send_named)
