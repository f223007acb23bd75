"""`/codec`: the codec server that Temporal's Web UI and command line ask to open payloads, for operators alone.

They post `{"payloads": [{"metadata": {"encoding": …}, "data": …}]}`, all values in base64, to `/codec/decode`, and show
what comes back; `/codec/encode` seals what is typed there. A browser proves its person by the console's session, from
the Web UI's own origin only; a command line sends an API key with the scope `payloads:read`. What is opened is never
logged.
Protocol: https://docs.temporal.io/production-deployment/data-encryption#codec-server-setup
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.converter import WorkflowSerializationContext

from core.api_keys import PAYLOADS
from core.errors import Unavailable
from gateway.codec import SealingCodec
from storefront.bodies import raw_of
from storefront.console import cookies
from storefront.console.cookies import jar_of
from storefront.console.visits import Visitor
from storefront.problems import ProblemError, respond
from storefront.service import HttpService, service_of

LARGEST = 8 * 1024 * 1024
"""Bytes of a body: the Web UI sends a page of a history at once."""
MOST = 20_000
"""Payloads and their marks in one body: each is an object, and millions of them fit into its bytes."""
WORKFLOW_HEADER = "x-workflow-id"
"""The workflow that a payload is sealed for: `temporal … --codec-header X-Workflow-Id=order-A1001`."""
_WORKFLOW_ID = re.compile(r"[A-Za-z0-9_:.-]{1,255}")
_ALLOWED = f"authorization, content-type, x-namespace, {WORKFLOW_HEADER}"

log = logging.getLogger("dakuan.storefront")


async def decode(request: Request) -> Response:
    """Open what is sealed; what cannot be opened comes back as it is."""
    service = service_of(request)
    who = await _operator(request, service)
    codec, payloads = _codec(service), await _payloads(request, service)
    opened = [await _opened(codec, payload) for payload in payloads]
    log.info("%s had %d payloads opened", who, len(opened))
    return await _answer(opened)


async def encode(request: Request) -> Response:
    """Seal what is sent to the workflow that the header X-Workflow-Id names.

    A payload is bound to its workflow. Given back as it is, it would stand open in a history whose other payloads are
    sealed, and its sender would take it for sealed: so a request that names no workflow is refused.
    """
    service = service_of(request)
    await _operator(request, service)
    codec, workflow_id = _codec(service), request.headers.get(WORKFLOW_HEADER, "")
    if not _WORKFLOW_ID.fullmatch(workflow_id):
        raise ProblemError("workflow_unnamed")
    payloads, namespace = await _payloads(request, service), service.settings.temporal_namespace
    bound = codec.with_context(WorkflowSerializationContext(namespace, workflow_id))
    return await _answer(await bound.encode(payloads))


def _codec(service: HttpService) -> SealingCodec:
    keys = service.settings.codec_keys
    if keys is None:
        raise ProblemError("not_found", "No codec is set here: payloads are plain.")
    return SealingCodec(keys)


async def _opened(codec: SealingCodec, payload: Payload) -> Payload:
    try:
        return (await codec.decode([payload]))[0]
    except Unavailable:
        return payload


async def _payloads(request: Request, service: HttpService) -> list[Payload]:
    namespace = request.headers.get("x-namespace", service.settings.temporal_namespace)
    if namespace != service.settings.temporal_namespace:
        raise ProblemError("not_found", f"The namespace {namespace[:80]!r} is not ours.")
    raw = await raw_of(request, LARGEST)
    try:
        # In a thread, as the answer: a large body takes long, and this process has others to answer.
        return await asyncio.to_thread(_read, raw)
    except (ParseError, ValueError, RecursionError):
        raise ProblemError("unreadable", "Send an object with the list `payloads`, as Temporal's tools do.") from None


def _read(raw: bytes) -> list[Payload]:
    asked = json.loads(raw)
    if not isinstance(asked, dict):
        raise ValueError
    given = asked.get("payloads")
    if isinstance(given, list) and (len(given) > MOST or len(given) + sum(map(_marks_of, given)) > MOST):
        raise ProblemError("too_large", f"Send at most {MOST:,} payloads and marks at once.")
    return list(ParseDict(asked, Payloads(), ignore_unknown_fields=True, max_recursion_depth=10).payloads)


def _marks_of(payload: Any) -> int:
    marks = payload.get("metadata") if isinstance(payload, dict) else None
    return len(marks) if isinstance(marks, dict) else 0


async def _answer(payloads: list[Payload]) -> Response:
    return JSONResponse({"payloads": [], **await asyncio.to_thread(MessageToDict, Payloads(payloads=payloads))})


async def _operator(request: Request, service: HttpService) -> str:
    """Who asks: a key with the scope, or an operator who is signed in at the console.

    Raises:
        ProblemError: `unauthorized`, `missing_scope`, `too_many_requests`.
    """
    if request.headers.get("authorization", "").lower().startswith("bearer dk_"):
        caller = await service.caller(request, PAYLOADS)
        if caller.key.merchant_id is not None:
            raise ProblemError("missing_scope", "A merchant's key opens no payloads: they are everyone's.")
        return f"key {caller.key.key_id}"
    if request.headers.get("origin") != _origin(service):
        raise ProblemError("unauthorized", "Ask from Temporal's Web UI (DAKUAN_TEMPORAL_UI), or with an API key.")
    jar = jar_of(service.settings)
    session_id, now = jar.get(request, cookies.SESSION), datetime.now(UTC)
    person = await service.register.people.signed_in(jar.digest(session_id), now) if session_id else None
    if person is None:
        raise ProblemError("unauthorized", "Sign in at the console first, in this browser.")
    if person.role != "operator":
        raise ProblemError("missing_scope", "Payloads are for operators.")
    service.limits.count(Visitor(person).sender, changing=False)
    return f"operator {person.person_id}"


def _origin(service: HttpService) -> str | None:
    """The Web UI's origin, as browsers write it: in small letters, without the scheme's own port."""
    if service.settings.temporal_ui_url is None:
        return None
    parts = urlsplit(service.settings.temporal_ui_url.lower())
    usual = ":443" if parts.scheme == "https" else ":80"
    return f"{parts.scheme}://{parts.netloc.removesuffix(usual)}"


def _for_the_ui(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """A route that pages of the Web UI's origin may call, with their cookies; pages of others may not."""

    async def answer(request: Request) -> Response:
        service = service_of(request)
        if request.method == "OPTIONS":
            response = Response(status_code=204)
        else:
            try:
                response = await handler(request)
            except ProblemError as error:
                named = error.problem.model_copy(update={"request_id": request.state.request_id})
                response = respond(named, error.headers)
        response.headers["Vary"] = "Origin"
        if (origin := _origin(service)) is not None and request.headers.get("origin") == origin:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Allow-Credentials"] = "true"
            response.headers["Access-Control-Allow-Methods"] = "POST"
            response.headers["Access-Control-Allow-Headers"] = _ALLOWED
        return response

    return answer


ROUTES = [
    Route("/codec/decode", _for_the_ui(decode), methods=["POST", "OPTIONS"]),
    Route("/codec/encode", _for_the_ui(encode), methods=["POST", "OPTIONS"]),
]
