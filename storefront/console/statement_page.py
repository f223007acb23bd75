"""A merchant's statement of one month: each movement and the balance after it, and the same as CSV."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from starlette.responses import Response
from starlette.routing import Route

from core.errors import Refused
from ledger.merchant_statements import newest_rows, statement_csv
from storefront.console.lists import wants_csv
from storefront.console.reading import id_in
from storefront.console.rendering import render
from storefront.console.visits import Visit, for_people
from storefront.problems import ProblemError

ROWS_MOST = 200
"""Of one currency, the newest; the file has all."""
_MONTH = re.compile(r"20\d\d-(0[1-9]|1[0-2])")


async def statement_page(visit: Visit) -> Response:
    """One month, in days of UTC."""
    merchant_id, since = id_in(visit), _month(visit)
    if not visit.who.sees(merchant_id):
        raise ProblemError("not_found")
    until = _next(since)
    if wants_csv(visit):
        text = await statement_csv(visit.lists.pool, merchant_id, since, until)
        headers = {"Content-Disposition": f'attachment; filename="{merchant_id}-{since:%Y-%m}.csv"'}
        return Response(text, media_type="text/csv", headers=headers)
    found = await newest_rows(visit.lists.pool, merchant_id, since, until, most=ROWS_MOST)
    here = f"/console/merchants/{merchant_id}/statement?month="
    return render(
        visit,
        "statement.html",
        merchant_id=merchant_id,
        month=f"{since:%Y-%m}",
        found=found,
        csv=f"{here}{since:%Y-%m}&format=csv",
        earlier=f"{here}{since - timedelta(days=1):%Y-%m}",
        later=f"{here}{until:%Y-%m}" if until <= visit.now else None,
    )


def _month(visit: Visit) -> datetime:
    """When the month of the address begins; this month where it names none.

    Raises:
        Refused: `malformed`.
    """
    given = visit.given("month") or f"{visit.now:%Y-%m}"
    if not _MONTH.fullmatch(given):
        raise Refused("malformed", f"month: {given!r} is not a month such as 2026-12.", "month")
    return datetime.strptime(given, "%Y-%m").replace(tzinfo=UTC)


def _next(month: datetime) -> datetime:
    return (month + timedelta(days=32)).replace(day=1)


ROUTES = [Route("/merchants/{id}/statement", for_people(statement_page, asks=("month", "format")))]
