"""`/v1/merchants/{id}`: balance and statement."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.errors import Refused
from ledger.balances import Balance
from ledger.merchant_statements import merchant_statements
from storefront.api.documents import schema_of
from storefront.api.paging import id_in, page_of
from storefront.api.routing import query, reading
from storefront.problems import ProblemError
from storefront.service import HttpService, service_of

DAYS, DAYS_AT_MOST = 30, 92
YEARS = range(1970, 2200)

router = APIRouter(prefix="/v1/merchants", tags=["merchants"])


async def get_balance(request: Request) -> Response:
    """What a merchant will have, may withdraw, is being paid, and owes; a line a currency."""
    service, merchant_id = await _merchant(request)
    return JSONResponse(page_of(await service.register.balances.of_merchant(merchant_id), merchant_id=merchant_id))


async def get_statement(request: Request) -> Response:
    """Every movement of a merchant's money, with opening and closing balance."""
    service, merchant_id = await _merchant(request)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    last = _day(request, "to") or today
    first = _day(request, "from") or last - timedelta(days=DAYS)
    if not timedelta(0) <= last - first <= timedelta(days=DAYS_AT_MOST):
        raise Refused("malformed", f"to: must be from 0 to {DAYS_AT_MOST} days after from.", "to")
    found = await merchant_statements(service.register.pool, merchant_id, first, last + timedelta(days=1))
    return JSONResponse(page_of(found, merchant_id=merchant_id))


async def _merchant(request: Request) -> tuple[HttpService, str]:
    service, merchant_id = service_of(request), id_in(request, "merchant_id")
    caller = await service.caller(request, "merchants:read")
    if not caller.sees(merchant_id):
        raise ProblemError("not_found")
    return service, merchant_id


def _day(request: Request, name: str) -> datetime | None:
    given = request.query_params.get(name)
    if given is None:
        return None
    try:
        day = datetime.strptime(given, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        day = None
    if day is None or day.year not in YEARS:
        raise Refused("malformed", f"{name}: {given[:40]!r} is not a day such as 2026-12-01.", name)
    return day


reading(
    router,
    "/{merchant_id}/balance",
    get_balance,
    says="A merchant's money",
    answers={"type": "object", "properties": {"data": {"type": "array", "items": schema_of(Balance)}}},
)
reading(
    router,
    "/{merchant_id}/statement",
    get_statement,
    says="What moved for a merchant",
    queries=(query("from", "First day, UTC."), query("to", "Last day, UTC.")),
)
