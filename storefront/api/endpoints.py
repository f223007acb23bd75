"""`/v1/endpoints`: where webhooks go. A merchant's key makes and sees endpoints of that merchant alone."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.fields import Message
from core.reading import content_hash
from ledger.endpoints import StoredAttempt, StoredEndpoint
from storefront.api.documents import closed, schema_of
from storefront.api.paging import id_in, limit_of, number_of
from storefront.api.routing import acting, changing, query, reading
from storefront.bodies import message_of, object_of
from storefront.changing import idempotency_key_of
from storefront.endpoints import (
    EndpointAsked,
    EndpointChange,
    Redelivery,
    view_of_answer,
)
from storefront.identities import Caller
from storefront.problems import ProblemError
from storefront.service import HttpService, service_of

SCOPE = "endpoints:write"
_OURS = frozenset({"position", "event", "echoed_at", "advanced_at"})
"""Fields that say how we deliver."""

router = APIRouter(prefix="/v1/endpoints", tags=["endpoints"])


async def make_endpoint(request: Request) -> Response:
    """Make an endpoint. Its URL is challenged at once; it is active once it has echoed."""
    service, caller = await _caller(request)
    key = idempotency_key_of(request)
    asked = message_of(EndpointAsked, await object_of(request))
    if asked.merchant_id is not None and not caller.sees(asked.merchant_id):
        raise ProblemError("wrong_actor", f"This key speaks for merchant {caller.key.merchant_id} alone.")
    given = f"{caller.sender}/{key}"
    made = await service.endpoints.make(
        asked,
        {
            "endpoint_id": f"ep-{hashlib.sha256(given.encode()).hexdigest()[:24]}",
            "merchant_id": caller.key.merchant_id or asked.merchant_id,
            "created_by": caller.key.key_id,
            "digest": content_hash(asked),
            "asked_as": given,
        },
        datetime.now(UTC),
    )
    challenge = {"challenge": view_of_answer(made.challenge)} if made.challenge is not None else {}
    return JSONResponse({**view_of(made.endpoint), "verify_with": made.verify_with, **challenge}, 201)


async def list_endpoints(request: Request) -> Response:
    """Endpoints of the key's merchant; of a storefront's key, all."""
    service, caller = await _caller(request)
    rows = await service.register.endpoints.rows(caller.key.merchant_id)
    return JSONResponse({"data": [view_of(row) for row in rows]})


async def get_endpoint(request: Request) -> Response:
    """One endpoint, with how many subjects wait and the next of them."""
    service, _, endpoint = await _endpoint(request)
    parts = service.register.endpoints
    waiting = [row.model_dump(mode="json") for row in await parts.parked(endpoint.endpoint_id, 10)]
    count = await parts.count_parked(endpoint.endpoint_id)
    return JSONResponse({**view_of(endpoint), "waiting": count, "next_waiting": waiting})


async def change_endpoint(request: Request) -> Response:
    """Change it, disable it, or let it go on."""
    service, _, endpoint = await _endpoint(request)
    change = message_of(EndpointChange, await object_of(request))
    made = await service.endpoints.change(endpoint, change, datetime.now(UTC))
    return JSONResponse(view_of(made.endpoint))


async def remove_endpoint(request: Request) -> Response:
    """Remove it, with what waits for it."""
    service, _, endpoint = await _endpoint(request)
    await service.register.endpoints.remove(endpoint.endpoint_id)
    return JSONResponse({"endpoint_id": endpoint.endpoint_id, "removed": True})


async def rotate_endpoint(request: Request) -> Response:
    """Make another secret; both sign for a day."""
    service, caller, endpoint = await _endpoint(request)
    await _nothing_in(request)
    asked_as = f"{caller.sender}/{idempotency_key_of(request)}"
    secret, ends = await service.endpoints.rotate(endpoint, asked_as, datetime.now(UTC))
    answer = {"endpoint_id": endpoint.endpoint_id, "verify_with": secret, "old_ends_at": ends.isoformat()}
    return JSONResponse(answer)


async def test_endpoint(request: Request) -> Response:
    """Send an `endpoint.test` now, and say what came back."""
    service, _, endpoint = await _endpoint(request)
    await _nothing_in(request)
    return JSONResponse(view_of_answer(await service.endpoints.test(endpoint, datetime.now(UTC))))


async def redeliver(request: Request) -> Response:
    """Send an event again now, or queue a subject or everything since a time."""
    service, _, endpoint = await _endpoint(request)
    what = message_of(Redelivery, await object_of(request))
    answer = await service.endpoints.redeliver(endpoint, what, datetime.now(UTC))
    return JSONResponse({"queued": True} if answer is None else view_of_answer(answer))


async def list_attempts(request: Request) -> Response:
    """Posts that failed, and those that mended it, the newest first."""
    service, _, endpoint = await _endpoint(request)
    before, limit = number_of(request, "before", 2**62, 1, 2**62), limit_of(request)
    rows = await service.register.endpoints.attempts(endpoint.endpoint_id, before=before, limit=limit)
    return JSONResponse({"data": [row.model_dump(mode="json") for row in rows]})


def view_of(endpoint: StoredEndpoint) -> dict[str, Any]:
    """An endpoint as people see it."""
    return endpoint.model_dump(mode="json", exclude=set(_OURS))


async def _caller(request: Request) -> tuple[HttpService, Caller]:
    service = service_of(request)
    return service, await service.caller(request, SCOPE)


async def _endpoint(request: Request) -> tuple[HttpService, Caller, StoredEndpoint]:
    """An endpoint that the caller may see; another merchant's is not found."""
    service, caller = await _caller(request)
    endpoint = await service.endpoints.get(id_in(request, "endpoint_id"))
    if caller.key.merchant_id not in (None, endpoint.merchant_id):
        raise ProblemError("not_found")
    return service, caller, endpoint


async def _nothing_in(request: Request) -> None:
    """Refuse a body with any field: there is nothing to say.

    Raises:
        ProblemError: `malformed`.
    """
    message_of(_Nothing, await object_of(request))


class _Nothing(Message):
    """A body without fields."""


def _listed(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {"data": {"type": "array", "items": schema}}, "required": ["data"]}


_VIEW = schema_of(StoredEndpoint)
_VIEW = {**_VIEW, "properties": {name: of for name, of in _VIEW["properties"].items() if name not in _OURS}}
_VIEW["required"] = [name for name in _VIEW["required"] if name not in _OURS]

changing(
    router,
    "",
    make_endpoint,
    says="Make an endpoint for webhooks",
    name="make_endpoint",
    body=schema_of(EndpointAsked),
    created=True,
)
reading(router, "", list_endpoints, says="List endpoints", answers=_listed(_VIEW))
reading(router, "/{endpoint_id}", get_endpoint, says="One endpoint, and what waits for it")
acting(router, "PATCH", "/{endpoint_id}", change_endpoint, says="Change an endpoint", body=schema_of(EndpointChange))
acting(router, "DELETE", "/{endpoint_id}", remove_endpoint, says="Remove an endpoint")
changing(
    router,
    "/{endpoint_id}/rotate",
    rotate_endpoint,
    says="Make another secret",
    name="rotate_endpoint",
    body=closed({"type": "object"}),
)
acting(router, "POST", "/{endpoint_id}/test", test_endpoint, says="Send a test now")
acting(router, "POST", "/{endpoint_id}/redeliver", redeliver, says="Send again", body=schema_of(Redelivery))
reading(
    router,
    "/{endpoint_id}/attempts",
    list_attempts,
    says="Posts that failed, and those that mended it",
    answers=_listed(schema_of(StoredAttempt)),
    queries=(
        query("before", "Only those before this number.", type="integer", minimum=1),
        query("limit", "At most so many.", type="integer", minimum=1, maximum=500),
    ),
)
