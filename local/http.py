"""The stand-ins' HTTP: requests read as models, and answers as a fault spoils them."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from core.reading import reasons_of
from local.faults import Fault, about_another

Answer = tuple[int, dict[str, Any]]
Render = Callable[[int, dict[str, Any]], Response]
"""Turns a desk's answer into a vendor's response."""
M = TypeVar("M", bound=BaseModel)

LARGEST_REQUEST = 4 * 1024 * 1024
_WEB_PAGE = b"<!doctype html><html><head><title>502</title></head><body><h1>Bad gateway</h1></body></html>"
_NAMES = {"key", "reference", "waybill", "nu", "LogisticCode", "tracking_code", "number", "tracking_number"}
"""Fields that identify the thing an answer is about."""
_TEN_MEGABYTES = 10 * 1024 * 1024


class UnreadableRequest(Exception):
    """The request cannot be read: 400 with field and reason."""


# --- requests --------------------------------------------------------------------------------------------


async def raw_body(request: Request) -> bytes:
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > LARGEST_REQUEST:
            raise UnreadableRequest("too large")
    return bytes(raw)


async def body_of(request: Request, model: type[M]) -> M:
    try:
        return model.model_validate_json(await raw_body(request))
    except ValidationError as error:
        raise UnreadableRequest(_first_reason(error)) from None


def query_of(request: Request, model: type[M]) -> M:
    try:
        return model.model_validate(dict(request.query_params))
    except ValidationError as error:
        raise UnreadableRequest(_first_reason(error)) from None


def _first_reason(error: ValidationError) -> str:
    reason = reasons_of(error)[0]
    return f"{reason['field']}: {reason['message']}"


async def malformed(request: Request, error: Exception) -> Response:
    return json_response(400, {"code": "MALFORMED", "message": str(error)})


def posted(model: type[M], handle: Callable[[M], Answer | dict[str, Any]]) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that passes its body to a desk."""

    async def endpoint(request: Request) -> Response:
        answer = handle(await body_of(request, model))
        return json_response(*answer) if isinstance(answer, tuple) else json_response(200, answer)

    return endpoint


# --- answers ---------------------------------------------------------------------------------------------


def json_response(status: int, answer: dict[str, Any]) -> Response:
    return Response(json.dumps(answer, ensure_ascii=False), status, media_type="application/json")


def fault_status(fault: Fault) -> Response:
    headers = {} if fault.retry_after_s is None else {"Retry-After": str(fault.retry_after_s)}
    return Response(_WEB_PAGE, fault.status, headers, "text/html")


def spoiled(fault: Fault, status: int, answer: dict[str, Any], render: Render) -> Response:
    """The answer as the fault demands, after the effect has happened."""
    whole = json.dumps(answer, ensure_ascii=False).encode()
    match fault.kind:
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "status_after_effect":
            return fault_status(fault)
        case "cut":
            return Cut()
        case "html":
            return Response(_WEB_PAGE, 200, media_type="text/html")
        case "garbage":
            return Response(whole[: len(whole) // 2], status, media_type="application/json")
        case "huge":
            return Response(whole[:-1] + b', "more": "' + b"x" * _TEN_MEGABYTES + b'"}', status)
        case "wrong_types":
            return json_response(status, {name: [value] for name, value in answer.items()})
        case "wrong_amount" if "amount_minor" in answer:
            return render(status, {**answer, "amount_minor": answer["amount_minor"] + 1})
        case "wrong_key":
            return render(status, about_another(answer, _NAMES))
        case "unsigned" | "wrong_signature":
            return _unsigned(render(status, answer), wrong=fault.kind == "wrong_signature")
    return render(status, answer)


def _unsigned(response: Response, *, wrong: bool) -> Response:
    """An answer whose signature is missing or wrong."""
    for name in [name for name in response.headers if name.endswith("-signature")]:
        if wrong:
            response.headers[name] = response.headers[name][::-1]
        else:
            del response.headers[name]
    return response


class Cut(Response):
    """An answer that is cut: the server closes the connection because less was sent than announced."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"key": ', "more_body": True})
