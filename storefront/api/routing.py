"""How a route is made: a function from request to response, and what the OpenAPI document says of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import wraps
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from storefront.api.paging import refuse_others
from storefront.problems import MEDIA_TYPE, HttpProblem

Handler = Callable[[Request], Awaitable[Response]]
REFERENCES = "#/components/schemas/{model}"
_PROBLEMS = {
    400: "It cannot be read.",
    401: "The API key is missing, not known, or has ended.",
    403: "The key may not do this.",
    404: "It is not known, or not yours.",
    408: "The body took too long to arrive.",
    409: "Its state forbids it, or the same request is being carried out.",
    413: "The body is too large.",
    415: "The body is no JSON in UTF-8.",
    422: "Its content forbids it.",
    429: "Too many requests.",
    503: "Something that is needed does not answer.",
}
WORD = {"type": "string", "pattern": "^[A-Za-z0-9_/-]{1,100}$"}
"""The schema of a name of ours."""
TEXT = {"type": "string", "minLength": 1, "maxLength": 255}
"""The schema of another party's name for something."""
DAY = {"type": "string", "format": "date"}
_IDEMPOTENCY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "The command's id. The same key and body again get the first answer.",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
}


OF_BODIES = (400, 401, 403, 404, 408, 413, 415, 422, 429, 503)
"""Statuses of problems where there is a body."""


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """These statuses, as the document says them."""
    content = {MEDIA_TYPE: _schema_of(HttpProblem)}
    return {status: {"description": _PROBLEMS[status], "content": content} for status in statuses}


def reading(
    router: APIRouter,
    path: str,
    handler: Handler,
    *,
    says: str,
    answers: dict[str, Any] | None = None,
    queries: tuple[dict[str, Any], ...] = (),
    more: tuple[int, ...] = (),
    forms: tuple[str, ...] = (),
    created: bool = False,
) -> None:
    """A route that reads.

    Args:
        answers: the JSON schema of its answer; any object unless given.
        queries: what its address may ask for. Anything else is refused: a mistyped filter would let everything through.
        more: further statuses of problems.
        forms: further media types of its answer.
        created: it may repeat the answer of a request that created something, with its status.
    """
    content: dict[str, Any] = {"application/json": {"schema": answers or {"type": "object"}}}
    content |= {form: {"schema": {"type": "string"}} for form in forms}
    found = {"description": "Found.", "content": content}
    router.add_api_route(
        path,
        asking_only(handler, [one["name"] for one in queries]),
        methods=["GET"],
        summary=says,
        operation_id=handler.__name__,
        response_class=Response,
        responses={
            200: found,
            **({201: {**found, "description": "It was created."}} if created else {}),
            **problems(400, 401, 403, 404, 422, 429, 503, *more),
        },
        openapi_extra={"parameters": [*_in_path(path), *queries]},
    )


def changing(
    router: APIRouter, path: str, handler: Handler, *, says: str, name: str, body: dict[str, Any], created: bool = False
) -> None:
    """A route that changes something.

    Args:
        name: the operation's name for client generators.
        body: the JSON schema of its body.
    """
    status = 201 if created else 200
    answer = {"description": "Done.", "content": {"application/json": {"schema": {"type": "object"}}}}
    # No body is read as an empty one, which is right where no field is needed.
    sent = {"required": bool(body.get("required")), "content": {"application/json": {"schema": body}}}
    later = {
        "description": "Written down, and carried out as soon as it can be; the header Location says where to look."
    }
    router.add_api_route(
        path,
        handler,
        methods=["POST"],
        summary=says,
        operation_id=name,
        status_code=status,
        response_class=Response,
        responses={status: answer, 202: later, **problems(*OF_BODIES, 409)},
        openapi_extra={
            "parameters": [*_in_path(path), _IDEMPOTENCY],
            "requestBody": sent,
        },
    )


def acting(
    router: APIRouter, method: str, path: str, handler: Handler, *, says: str, body: dict[str, Any] | None = None
) -> None:
    """A route that changes something and may be repeated: without an Idempotency-Key."""
    answer = {"description": "Done.", "content": {"application/json": {"schema": {"type": "object"}}}}
    sent = {"requestBody": {"content": {"application/json": {"schema": body}}}} if body is not None else {}
    router.add_api_route(
        path,
        handler,
        methods=[method],
        summary=says,
        operation_id=handler.__name__,
        response_class=Response,
        responses={200: answer, **problems(400, 401, 403, 404, 409, 422, 429, 503)},
        openapi_extra={"parameters": _in_path(path), **sent},
    )


def query(name: str, says: str, **schema: Any) -> dict[str, Any]:
    """A parameter in the address; any text unless its schema says otherwise."""
    return {"name": name, "in": "query", "description": says, "schema": schema or {"type": "string"}}


def listed(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a page: rows, and the cursor of the next page or null."""
    properties = {"data": {"type": "array", "items": schema}, "next_cursor": {"type": ["string", "null"]}}
    return {"type": "object", "properties": properties, "required": ["data", "next_cursor"]}


PAGES = (
    query("cursor", "The next_cursor of the page before.", **TEXT),
    query("limit", "At most so many.", type="integer", minimum=1, maximum=500),
)
"""What every list takes."""
OVERDUE = query("overdue", "Open and more than five minutes past a deadline, or all others.", type="boolean")
"""Of a list of what has deadlines."""


def asking_only(handler: Handler, names: Sequence[str]) -> Handler:
    @wraps(handler)
    async def asked(request: Request) -> Response:
        refuse_others(request, names)
        return await handler(request)

    return asked


def _in_path(path: str) -> list[dict[str, Any]]:
    names = [part[1:-1].partition(":")[0] for part in path.split("/") if part.startswith("{")]
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _schema_of(model: type[BaseModel]) -> dict[str, Any]:
    return {"schema": {"$ref": REFERENCES.format(model=model.__name__)}}
