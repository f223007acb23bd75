"""After-sale cases that are open: what is asked for, whose turn it is, until when."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from ledger.cases import CaseRow
from ledger.register_part import Position
from storefront.api.paging import cursor_in
from storefront.console.lists import OF_LISTS, ROWS, addresses, csv_of, limit_of, wants_csv
from storefront.console.rendering import render
from storefront.console.visits import STAFF, Visit, for_people

STAGES = (
    *("", "applied", "proposed", "refused", "awaiting_return", "returning", "inspecting", "replacing"),
    *("replacement_sent", "replacement_delivered", "arbitration", "disputed", "claimed", "charging"),
)


async def cases_page(visit: Visit) -> Response:
    """The open cases."""
    stage = visit.chosen("stage", STAGES)
    rows = await visit.lists.cases.open(stage=stage or None, after=cursor_in(visit.request), limit=limit_of(visit))
    if wants_csv(visit):
        return csv_of("cases", _COLUMNS, (_cells(row) for row in rows))
    links = addresses(visit, rows, lambda row: Position(row.opened_at, row.order_id))
    return render(visit, "cases.html", rows=rows[:ROWS], stages=STAGES, stage=stage, **links)


_COLUMNS = ("order", "case", "merchant", "buyer", "kind", "reason", "stage", "since", "until")


def _cells(row: CaseRow) -> tuple[Any, ...]:
    case = row.case
    who = (row.order_id, case["case_id"], row.merchant_id, row.buyer_id)
    return (*who, case["kind"], case["reason"], case["stage"], case["since"], (case.get("due") or {}).get("at"))


ROUTES = [Route("/cases", for_people(cases_page, STAFF, asks=("stage", *OF_LISTS)))]
