"""`/v1/orders`: start, list, one with its regions, its journal, holds, money, traces, and every verb."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.messages import ORDER_COMMANDS, Order, ReportScan
from core.order import views
from core.order.state import OrderState
from ledger.orders import OrderRow, StoredOrder
from storefront.api.documents import schema_of
from storefront.api.paging import id_in, limit_of, page_of, word_in
from storefront.api.routing import changing, query, reading
from storefront.api.verbs import add_verbs
from storefront.bodies import message_of, object_of
from storefront.changing import idempotency_key_of
from storefront.problems import ProblemError
from storefront.service import HttpService, service_of

NEVER_BY_KEY = frozenset({ReportScan.verb})
"""Carriers prove themselves by their own signature, at `/v1/in`."""

KEPT_TO_OURSELVES = frozenset({"handover_hash", "device_hash", "place_hash"})
"""Of an order: from the hash of a short code a merchant could find the code that only the buyer knows."""

router = APIRouter(prefix="/v1", tags=["orders"])


async def start_order(request: Request) -> Response:
    """Start an order, as the storefront."""
    service = service_of(request)
    caller = await service.caller(request, "orders:write")
    key = idempotency_key_of(request)
    order = message_of(Order, await object_of(request), "invalid_order")
    if caller.key.merchant_id is not None:
        raise ProblemError("wrong_actor", "Only a storefront starts orders: it is the one that saw the payment.")
    body = order.model_dump(mode="json", exclude_unset=True)
    pending = service.changes.pending(caller, key, "order", order.order_id, body)
    return await service.changes.answer(pending, request)


async def list_orders(request: Request) -> Response:
    """Orders that the key may see, the newest first."""
    service = service_of(request)
    caller = await service.caller(request, "orders:read")
    rows = await service.register.orders.rows(
        merchant_id=caller.key.merchant_id or word_in(request, "merchant_id"),
        phase=word_in(request, "phase"),
        audit=word_in(request, "audit"),
        hold_reason=word_in(request, "held_by"),
        limit=limit_of(request),
    )
    return JSONResponse(page_of(rows))


async def get_order(request: Request) -> Response:
    """One order: its regions, parcels, refunds, holds and next deadline."""
    _, known = await _known(request)
    state = _state(known)
    if state is None:
        return JSONResponse({"order_id": known.order.order_id, "phase": "opening", "holds": []})
    holds = [hold.model_dump(mode="json", exclude_none=True) for hold in views.holds_of(state)]
    view = views.order_view(state)
    view["order"] = {name: value for name, value in view["order"].items() if name not in KEPT_TO_OURSELVES}
    return JSONResponse({**view, "holds": holds})


async def get_order_journal(request: Request) -> Response:
    """What came in, and what was answered."""
    _, known = await _known(request)
    state = _state(known)
    return JSONResponse({"data": views.journal_view(state) if state is not None else []})


async def get_order_money(request: Request) -> Response:
    """The accounts and movements of an order."""
    service, known = await _known(request)
    money = await service.register.balances.of_order(known.order.order_id)
    return JSONResponse(money.model_dump(mode="json"))


async def _known(request: Request) -> tuple[HttpService, StoredOrder]:
    service = service_of(request)
    caller = await service.caller(request, "orders:read")
    return service, await service.order(caller, id_in(request, "order_id"))


def _state(known: StoredOrder) -> OrderState | None:
    if known.state is None:
        return None
    return OrderState.model_validate({**known.state, "order": known.order})


changing(router, "/orders", start_order, says="Start an order", name="start_order", body=schema_of(Order), created=True)
reading(
    router,
    "/orders",
    list_orders,
    says="List orders",
    answers={"type": "object", "properties": {"data": {"type": "array", "items": schema_of(OrderRow)}}},
    queries=(
        query("merchant_id", "Of this merchant."),
        query("phase", "In this phase."),
        query("audit", "With this audit."),
        query("held_by", "Held for this reason."),
        query("limit", "At most so many.", type="integer", minimum=1, maximum=500),
    ),
)
reading(router, "/orders/{order_id}", get_order, says="One order")
reading(router, "/orders/{order_id}/journal", get_order_journal, says="What came in, and what was answered")
reading(router, "/orders/{order_id}/money", get_order_money, says="An order's accounts and movements")
add_verbs(router, "order", ORDER_COMMANDS, without=NEVER_BY_KEY)
