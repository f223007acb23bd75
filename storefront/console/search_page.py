"""Search: whole ids and numbers, and what has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from core.audit.waybills import judge
from core.codes import meanings_of
from ledger.orders import OrderRow
from storefront.console.reading import ID
from storefront.console.rendering import render
from storefront.console.visits import Visit, for_people, go

ROWS_MOST = 20


async def start_page(visit: Visit) -> Response:
    """The newest orders, and the field to search in."""
    rows = await visit.lists.orders.rows(merchant_id=visit.who.known.merchant_id, limit=ROWS_MOST)
    return render(visit, "search.html", text="", groups=[{"kind": "lately", "orders": rows}] if rows else [])


async def search_page(visit: Visit) -> Response:
    """What has this id or number; where it is one order or withdrawal alone, its page."""
    text = visit.given("q")
    if not text:
        return await start_page(visit)
    groups = await _found(visit, text)
    if len(groups) == 1 and groups[0]["kind"] == "by_order":
        return go(f"/console/orders/{text}")
    if len(groups) == 1 and groups[0]["kind"] == "by_withdrawal":
        return go(f"/console/withdrawals/{text}")
    if len(groups) == 1 and groups[0]["kind"] == "by_code":
        return go(f"/console/codes/{text}")
    return render(visit, "search.html", text=text, groups=groups)


async def _found(visit: Visit, text: str) -> list[dict[str, Any]]:
    """Groups of what was found, each with its kind; what the person may not see is not found."""
    register, who = visit.register, visit.who
    own = who.known.merchant_id
    groups: list[dict[str, Any]] = []
    if ID.fullmatch(text):
        order = await register.orders.row(text)
        if order is not None and who.sees(order.merchant_id):
            groups.append({"kind": "by_order", "orders": [order]})
        withdrawal = await register.withdrawals.row(text)
        if withdrawal is not None and who.sees(withdrawal.merchant_id):
            groups.append({"kind": "by_withdrawal", "withdrawals": [withdrawal]})
    number = judge(None, text).normalised
    for kind, rows in (
        ("by_waybill", await _rows(visit, [one.order_id for one in await register.claims.claimants(number)])),
        ("by_payment", await _rows(visit, await register.orders.paid_with(text))),
        ("by_buyer", await register.orders.rows(merchant_id=own, buyer_id=text, limit=ROWS_MOST)),
    ):
        if rows:
            groups.append({"kind": kind, "orders": rows})
    if who.is_staff and ID.fullmatch(text) and await _is_merchant(visit, text):
        groups.append({"kind": "by_merchant", "merchant": text})
    if meanings_of(text):
        groups.append({"kind": "by_code", "code": text})
    return groups


async def _rows(visit: Visit, order_ids: Sequence[str]) -> list[OrderRow]:
    """The orders of these ids that the person may see."""
    rows = [await visit.register.orders.row(order_id) for order_id in order_ids[:ROWS_MOST]]
    return [row for row in rows if row is not None and visit.who.sees(row.merchant_id)]


async def _is_merchant(visit: Visit, text: str) -> bool:
    register = visit.register
    if await register.orders.rows(merchant_id=text, limit=1):
        return True
    return await register.accounts.legal_name(text) is not None


ROUTES = [Route("/", for_people(start_page)), Route("/search", for_people(search_page, asks=("q",)))]
