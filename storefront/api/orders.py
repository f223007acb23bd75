"""`/v1/orders`: start, list, one with its regions, its journal, holds, traces, money, and every verb."""

from __future__ import annotations

from functools import partial
from typing import Any, get_args

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.answers import HoldView
from core.audit.normalising import normalise
from core.codes import likely_holds
from core.fields import UNPRINTABLE
from core.messages import ORDER_COMMANDS, Order, ReportScan
from core.order import views
from core.order.state import OrderState, Phase
from core.parcels import AuditStage
from core.personal import without_personal
from ledger.balances import Money
from ledger.orders import OrderRow, StoredOrder
from ledger.register_part import Position
from storefront.api.documents import closed, schema_of
from storefront.api.paging import cursor_in, flag_in, id_in, limit_of, one_in, page_until, text_in, word_in
from storefront.api.routing import OVERDUE, PAGES, TEXT, WORD, changing, listed, query, reading
from storefront.api.verbs import add_verbs
from storefront.bodies import message_of, object_of
from storefront.changing import idempotency_key_of
from storefront.problems import ProblemError
from storefront.service import HttpService, service_of
from wiring.tracing import traces_of

NEVER_BY_KEY = frozenset({ReportScan.verb})
"""Carriers prove themselves by their own signature, at `/v1/in`."""

KEPT_TO_OURSELVES = frozenset({"handover_hash", "device_hash", "place_hash"})
"""Of an order: from the hash of a short code a merchant could find the code that only the buyer knows."""

PHASES: tuple[str, ...] = get_args(Phase)
AUDIT_STAGES: tuple[str, ...] = get_args(AuditStage)

router = APIRouter(prefix="/v1", tags=["orders"])


async def start_order(request: Request) -> Response:
    """Start an order, as the storefront. Unknown fields about a person are dropped, and named in the answer."""
    service = service_of(request)
    caller = await service.caller(request, "orders:write")
    key = idempotency_key_of(request)
    fields, dropped = without_personal(await object_of(request))
    order = message_of(Order, fields, "invalid_order")
    if caller.key.merchant_id is not None:
        raise ProblemError("wrong_actor", "Only a storefront starts orders: it is the one that saw the payment.")
    body = order.model_dump(mode="json", exclude_unset=True)
    pending = await service.pending(caller, key, "order", order.order_id, body)
    more = {"dropped": [UNPRINTABLE.sub("\ufffd", path) for path in dropped]} if dropped else {}
    return await service.changes.answer(pending, request, **more)


async def list_orders(request: Request) -> Response:
    """Orders that the key may see, the newest first."""
    service = service_of(request)
    caller = await service.caller(request, "orders:read")
    waybill, limit = text_in(request, "waybill"), limit_of(request)
    hold = word_in(request, "held_by")
    asked = word_in(request, "merchant_id")
    # Every filter is read first: a wrong one is refused also where the answer is empty.
    read = partial(
        service.lists(caller.sender).orders.rows,
        merchant_id=caller.key.merchant_id or asked,
        buyer_id=word_in(request, "buyer_id"),
        phase=one_in(request, "phase", PHASES),
        audit=one_in(request, "audit", AUDIT_STAGES),
        hold_reason=hold,
        overdue=flag_in(request, "overdue"),
        waybill=normalise(waybill)[0] if waybill is not None else None,
        payment=text_in(request, "payment"),
        after=cursor_in(request),
        limit=limit + 1,
    )
    rows = await read() if asked is None or caller.sees(asked) else ()
    # An operator names a hold freely: one that no order has now is no mistake, and may be one.
    likely = likely_holds(hold) if hold is not None and not rows else []
    return JSONResponse(page_until(rows, limit, _position, **({"did_you_mean": likely} if likely else {})))


def _position(row: OrderRow) -> Position:
    return Position(row.opened_at, row.order_id)


async def get_order(request: Request) -> Response:
    """One order: its regions, parcels, refunds, holds and next deadline."""
    _, known = await _known(request)
    state = _state(known)
    if state is None:
        return JSONResponse({"order_id": known.order.order_id, "phase": "opening", "holds": []})
    view = views.order_view(state)
    view["order"] = {name: value for name, value in view["order"].items() if name not in KEPT_TO_OURSELVES}
    return JSONResponse({**view, "holds": _holds(state)})


def _holds(state: OrderState) -> list[dict[str, Any]]:
    return [hold.model_dump(mode="json", exclude_none=True) for hold in views.holds_of(state)]


async def get_order_holds(request: Request) -> Response:
    """Why the money has not arrived: since when, until when, who can act, what helps."""
    _, known = await _known(request)
    state = _state(known)
    return JSONResponse({"data": _holds(state) if state is not None else []})


async def get_parcel_trace(request: Request) -> Response:
    """What the carriers said of a parcel, by source; texts are masked."""
    service, known = await _known(request)
    state, parcel_id = _state(known), id_in(request, "parcel_id")
    parcels = [parcel for parcel in state.parcels if parcel.parcel_id == parcel_id] if state is not None else []
    if not parcels:
        raise ProblemError("not_found", "The order has no such parcel.")
    views = [parcel.model_dump(mode="json") for parcel in parcels]
    found = await traces_of(service.register, known.order.order_id, views)
    return JSONResponse({"parcel_id": parcel_id, "data": found[parcel_id]})


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


_ORDERS: dict[str, Any] = listed(schema_of(OrderRow))
_ORDERS["properties"]["did_you_mean"] = {
    "type": "array",
    "items": {"type": "string"},
    "description": "Where nothing is found: the holds of ours whose name `held_by` may misspell.",
}
changing(
    router,
    "/orders",
    start_order,
    says="Start an order",
    name="start_order",
    body=closed(schema_of(Order)),
    created=True,
)
reading(
    router,
    "/orders",
    list_orders,
    says="List orders",
    answers=_ORDERS,
    queries=(
        query("merchant_id", "Of this merchant.", **WORD),
        query("buyer_id", "Of this buyer.", **WORD),
        query("phase", "In this phase.", type="string", enum=list(PHASES)),
        query("audit", "With this audit.", type="string", enum=list(AUDIT_STAGES)),
        query("held_by", "Held for this reason, or waiting for it.", **WORD),
        OVERDUE,
        query("waybill", "With a parcel of this number, now or before.", **TEXT),
        query("payment", "Paid with the payment of this reference.", **TEXT),
        *PAGES,
    ),
)
reading(router, "/orders/{order_id}", get_order, says="One order")
reading(router, "/orders/{order_id}/journal", get_order_journal, says="What came in, and what was answered")
reading(
    router,
    "/orders/{order_id}/holds",
    get_order_holds,
    says="Why an order's money has not arrived",
    answers={"type": "object", "properties": {"data": {"type": "array", "items": schema_of(HoldView)}}},
)
reading(
    router,
    "/orders/{order_id}/money",
    get_order_money,
    says="An order's accounts and movements",
    answers=schema_of(Money),
)
reading(
    router,
    "/orders/{order_id}/parcels/{parcel_id}/trace",
    get_parcel_trace,
    says="What the carriers said of a parcel",
)
add_verbs(router, "order", ORDER_COMMANDS, without=NEVER_BY_KEY)
