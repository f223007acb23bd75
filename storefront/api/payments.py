"""`/v1/in/payments/{channel}`: a storefront's payment events start orders, by a mapping of the platform's own.

The sender proves itself by its API key. The event's id is the command's id: the same event starts an order once.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.messages import Order
from core.payment_events import Ignored, OrderWanted, read_event
from storefront.api.routing import OF_BODIES, problems
from storefront.bodies import message_of, object_of
from storefront.identities import Caller
from storefront.problems import ProblemError
from storefront.service import HttpService, service_of

router = APIRouter(prefix="/v1/in/payments", tags=["inbound"])


async def take_payment(request: Request) -> Response:
    """Start the order of a payment event; an event that the mapping does not want is answered, and starts nothing."""
    service, caller, wanted = await _read(request, "orders:write")
    if isinstance(wanted, Ignored):
        return JSONResponse({"outcome": "ignored", "why": wanted.why})
    order = message_of(Order, wanted.order, "invalid_order")
    body = order.model_dump(mode="json", exclude_unset=True)
    pending = await service.pending(caller, wanted.command_id, "order", order.order_id, body)
    return await service.changes.answer(pending, request)


async def try_payment(request: Request) -> Response:
    """Show the order that an event would start; nothing is written."""
    _, _, wanted = await _read(request, "orders:read")
    if isinstance(wanted, Ignored):
        return JSONResponse({"outcome": "ignored", "why": wanted.why})
    order = message_of(Order, wanted.order, "invalid_order")
    view = {"outcome": "starts", "idempotency_key": wanted.command_id}
    return JSONResponse({**view, "order": order.model_dump(mode="json", exclude_unset=True)})


async def _read(request: Request, scope: str) -> tuple[HttpService, Caller, OrderWanted | Ignored]:
    service = service_of(request)
    caller = await service.caller(request, scope)
    if caller.key.merchant_id is not None:
        raise ProblemError("wrong_actor", "Only a storefront starts orders: it is the one that saw the payment.")
    mapping = service.settings.payment_events.get(request.path_params["channel"])
    if mapping is None:
        raise ProblemError("not_found", "The file of DAKUAN_PAYMENT_EVENTS has no such channel.")
    return service, caller, read_event(mapping, await object_of(request))


_ANSWER: dict[str, Any] = {"application/json": {"schema": {"type": "object"}}}
for _path, _handler, _says in (
    ("/{channel}", take_payment, "Start the order of a payment event"),
    ("/{channel}/try", try_payment, "The order that a payment event would start"),
):
    router.add_api_route(
        _path,
        _handler,
        methods=["POST"],
        summary=_says,
        operation_id=_handler.__name__,
        response_class=Response,
        responses={
            200: {"description": "Read; it may start nothing.", "content": _ANSWER},
            **({201: {"description": "Started.", "content": _ANSWER}} if _handler is take_payment else {}),
            **({202: {"description": "Written down."}} if _handler is take_payment else {}),
            **problems(*OF_BODIES, 409),
        },
        openapi_extra={
            "parameters": [{"name": "channel", "in": "path", "required": True, "schema": {"type": "string"}}],
            "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
        },
    )
