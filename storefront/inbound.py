"""`/v1/in`: what carriers and rails push. Their raw bytes go to a desk; its status and its very answer go back.

A vendor proves itself by its signature, never by a key of ours.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from inbound.desk import Desk
from storefront.api.routing import problems
from storefront.bodies import first_of
from storefront.problems import ProblemError
from storefront.service import service_of

_ANY: dict[str, Any] = {"text/plain": {}, "application/json": {}}
"""A vendor gets refusals, too, in the form that it knows."""

router = APIRouter(prefix="/v1/in", tags=["inbound"])


async def take_push(request: Request) -> Response:
    """Take a push of a tracking provider."""
    return await _taken(service_of(request).pushes, request, request.path_params["provider"])


async def take_callback(request: Request) -> Response:
    """Take a callback of a rail's or channel's account."""
    return await _taken(service_of(request).callbacks, request, request.path_params["account"])


async def _taken(desk: Desk[Any, Any], request: Request, vendor: str) -> Response:
    if not desk.knows(vendor):
        raise ProblemError("not_found")
    # One byte more than the desk reads, so that the desk itself refuses and journals what is too large.
    body = await first_of(request, desk.largest + 1)
    answer = await desk.receive(vendor, body, dict(request.headers))
    kind = "application/json" if answer.body.lstrip()[:1] in (b"{", b"[") else "text/plain"
    return Response(answer.body, answer.status, media_type=kind)


for _path, _take, _whom in (
    ("/carriers/{provider}", take_push, "provider"),
    ("/rails/{account}", take_callback, "account"),
):
    router.add_api_route(
        _path,
        _take,
        methods=["POST"],
        operation_id=_take.__name__,
        response_class=Response,
        responses={
            200: {"description": "The vendor's own acknowledgement.", "content": _ANY},
            **{
                status: {**said, "content": {**said["content"], **_ANY}}
                for status, said in problems(400, 401, 404, 408, 413, 422, 503).items()
            },
        },
        openapi_extra={
            "parameters": [{"name": _whom, "in": "path", "required": True, "schema": {"type": "string"}}],
            "security": [],
        },
    )
