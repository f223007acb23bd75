"""Breaks that are open: what differs between a statement and our books, by how much, and what to do about it."""

from __future__ import annotations

from typing import Any, get_args

from starlette.responses import Response
from starlette.routing import Route

from core.reconciliation.lines import Scope
from core.reconciliation.texts import helps
from ledger.breaks import KnownBreak
from storefront.api.paging import cursor_in
from storefront.console.lists import OF_LISTS, ROWS, addresses, csv_of, decimal, limit_of, wants_csv
from storefront.console.rendering import render
from storefront.console.visits import STAFF, Visit, for_people

SCOPES: tuple[Scope, ...] = get_args(Scope)


async def breaks_page(visit: Visit) -> Response:
    """The open breaks, the oldest first."""
    given = visit.chosen("scope", SCOPES)
    scope = next((one for one in SCOPES if one == given), None)
    rows = await visit.lists.breaks.known(scope=scope, after=cursor_in(visit.request), limit=limit_of(visit))
    if wants_csv(visit):
        return csv_of("breaks", _COLUMNS, (_cells(visit, row) for row in rows))
    links = addresses(visit, rows, lambda row: row.position)
    return render(visit, "breaks.html", rows=rows[:ROWS], helps=helps, scopes=("", *SCOPES), scope=scope or "", **links)


_COLUMNS = ("what", "reason", "scope", "name", "key", "about", "ours", "theirs", "since", "what helps")


def _cells(visit: Visit, row: KnownBreak) -> tuple[Any, ...]:
    found = row.found
    sides = (
        "" if minor is None or currency is None else f"{decimal(minor, currency)} {currency}"
        for minor, currency in (
            (found.ours_minor, found.ours_currency),
            (found.theirs_minor, found.theirs_currency),
        )
    )
    what = (found.kind, found.reason, found.scope, found.name, found.key, found.subject)
    return (*what, *sides, row.first_seen_at, helps(found, visit.language))


ROUTES = [Route("/money/breaks", for_people(breaks_page, STAFF, asks=("scope", *OF_LISTS)))]
