"""`/v1/merchants/{id}`: balance, statement, why money is held, and when it becomes available."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.answers import HoldView
from core.days import day_of
from core.errors import Refused
from core.fields import Message, Time
from core.merchant_calendar import ComingDay, calendar
from core.merchant_statement import MerchantStatement
from core.order import views
from core.order.state import OrderState
from ledger.balances import Balance
from ledger.merchant_statements import PAGE, StatementPosition, merchant_statement_page, statement_csv
from ledger.orders import OrderInHand
from ledger.register import Register
from ledger.register_part import Position
from storefront.api.documents import schema_of
from storefront.api.paging import USUAL, cursor_in, id_in, limit_of, number_of, one_in, page_of, page_until
from storefront.api.routing import DAY, PAGES, listed, query, reading
from storefront.identities import digest_of
from storefront.problems import ProblemError
from storefront.service import HttpService, service_of

DAYS, DAYS_AT_MOST = 30, 92
FORMS = ("json", "csv")

router = APIRouter(prefix="/v1/merchants", tags=["merchants"])


async def get_balance(request: Request) -> Response:
    """What a merchant will have, may withdraw, is being paid, and owes; a line a currency."""
    service, merchant_id, _ = await _merchant(request)
    return JSONResponse(page_of(await service.register.balances.of_merchant(merchant_id), merchant_id=merchant_id))


class _Place(StatementPosition):
    """Where a page of a statement begins, and the statement's first and last day: those that a cursor names alone are
    the cursor's, also after midnight.
    """

    first: Time
    last: Time


async def get_statement(request: Request) -> Response:
    """Every movement of a merchant's money, with opening and closing balance, page by page; the CSV has all pages."""
    service, merchant_id, reads = await _merchant(request)
    place = _place_in(request, merchant_id, service.settings.peppers_needed)
    first, last = _days_in(request, place)
    if not timedelta(0) <= last - first <= timedelta(days=DAYS_AT_MOST):
        raise Refused("malformed", f"to: must be from 0 to {DAYS_AT_MOST} days after from.", "to")
    form = one_in(request, "format", FORMS) or "json"
    until = last + timedelta(days=1)
    if form == "csv":
        text = await statement_csv(reads.pool, merchant_id, first, until)
        name = f"{merchant_id}-{first:%Y%m%d}-{last:%Y%m%d}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(text, media_type="text/csv", headers=headers)
    limit = number_of(request, "limit", USUAL, 1, PAGE)
    page = await merchant_statement_page(reads.pool, merchant_id, first, until, after=place, limit=limit)
    following = _Place(**dict(page.after), first=first, last=last) if page.after is not None else None
    cursor = _sealed(following, merchant_id, service.settings.pepper_needed) if following is not None else None
    return JSONResponse(page_of(page.statements, merchant_id=merchant_id, next_cursor=cursor))


def _days_in(request: Request, place: _Place | None) -> tuple[datetime, datetime]:
    """The first and the last day that the address asks for.

    Raises:
        Refused: `malformed`; one is none, or they are not those of the cursor.
    """
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    last = _day(request, "to") or (place.last if place is not None else today)
    first = _day(request, "from") or (place.first if place is not None else last - timedelta(days=DAYS))
    if place is not None and (first, last) != (place.first, place.last):
        raise _no_cursor()
    return first, last


def _sealed(place: _Place, merchant_id: str, pepper: bytes) -> str:
    """A cursor. It carries balances, so its seal says that they are ours, and of this merchant."""
    text = base64.urlsafe_b64encode(place.model_dump_json().encode()).decode()
    return f"{text}.{digest_of(f'statement/{merchant_id}/{text}', pepper).hex()}"


def _place_in(request: Request, merchant_id: str, peppers: Sequence[bytes]) -> _Place | None:
    """Where the page begins that the address asks for.

    Raises:
        Refused: `malformed`; no statement of this merchant gave it.
    """
    given = request.query_params.get("cursor")
    if given is None:
        return None
    text, _, seal = given.rpartition(".")
    right = (digest_of(f"statement/{merchant_id}/{text}", pepper).hex().encode() for pepper in peppers)
    if not any(hmac.compare_digest(one, seal.encode()) for one in right):
        raise _no_cursor()
    return _Place.model_validate_json(base64.b64decode(text, altchars=b"-_"))


def _no_cursor() -> Refused:
    says = "cursor: is not the next_cursor of a statement of these days; leave it out for the first page."
    return Refused("malformed", says, "cursor")


class MerchantHold(Message):
    """An open order of a merchant, and why its money has not arrived."""

    order_id: str
    phase: str
    total_minor: int
    currency: str
    opened_at: datetime
    holds: tuple[HoldView, ...]


async def get_merchant_holds(request: Request) -> Response:
    """A merchant's open orders, the newest first, each with why its money has not arrived."""
    service, merchant_id, reads = await _merchant(request)
    limit = limit_of(request)
    rows = await reads.orders.open_of(merchant_id, after=cursor_in(request), limit=limit + 1)
    page = page_until([_hold_of(row) for row in rows], limit, lambda row: Position(row.opened_at, row.order_id))
    standing = await service.register.merchants.standing(merchant_id)
    return JSONResponse({**page, "frozen": standing.frozen, "suspended": standing.suspended})


def _hold_of(row: OrderInHand) -> MerchantHold:
    known = row.model_dump(include={"order_id", "phase", "total_minor", "currency", "opened_at"})
    state = OrderState.model_validate({**row.state, "order": row.body}) if row.state is not None else None
    return MerchantHold(**known, holds=views.holds_of(state) if state is not None else ())


async def get_calendar(request: Request) -> Response:
    """What becomes available on which day, UTC; a sum without a day is held."""
    service, merchant_id, _ = await _merchant(request)
    days = calendar(await service.register.balances.coming(merchant_id))
    return JSONResponse(page_of(days, merchant_id=merchant_id))


async def _merchant(request: Request) -> tuple[HttpService, str, Register]:
    """The service, the merchant, and the register for what may be a moment old."""
    service, merchant_id = service_of(request), id_in(request, "merchant_id")
    caller = await service.caller(request, "merchants:read")
    if not caller.sees(merchant_id):
        raise ProblemError("not_found")
    return service, merchant_id, service.lists(caller.sender)


def _day(request: Request, name: str) -> datetime | None:
    given = request.query_params.get(name)
    if given is None:
        return None
    try:
        return day_of(given)
    except ValueError as error:
        raise Refused("malformed", f"{name}: {error}", name) from None


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
    answers=listed(schema_of(MerchantStatement)),
    queries=(
        query("cursor", "The next_cursor of the page before.", type="string", maxLength=8_000),
        query("limit", "At most so many movements; a file has all.", type="integer", minimum=1, maximum=PAGE),
        query("from", "First day, UTC.", **DAY),
        query("to", "Last day, UTC.", **DAY),
        query("format", "csv answers with a file for spreadsheets.", type="string", enum=list(FORMS)),
    ),
    forms=("text/csv",),
)
reading(
    router,
    "/{merchant_id}/holds",
    get_merchant_holds,
    says="Why a merchant's money has not arrived",
    answers=listed(schema_of(MerchantHold)),
    queries=PAGES,
)
reading(
    router,
    "/{merchant_id}/calendar",
    get_calendar,
    says="What becomes available on which day",
    answers={"type": "object", "properties": {"data": {"type": "array", "items": schema_of(ComingDay)}}},
)
