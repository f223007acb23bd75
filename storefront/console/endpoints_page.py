"""Endpoints of webhooks: how each is, what waits for it, what came back; and what its owner may do about it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from core.webhooks import PostAnswer, outcome_of
from ledger.endpoints import StoredEndpoint
from storefront.bodies import message_of
from storefront.console.lists import csv_of, wants_csv
from storefront.console.reading import id_in
from storefront.console.rendering import render
from storefront.console.visits import STAFF, Visit, for_people, go
from storefront.endpoints import EndpointChange, Redelivery
from storefront.problems import ProblemError

WAITING_SHOWN, ATTEMPTS_SHOWN = 10, 20
AGES = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}
"""From when on everything is sent again."""


async def endpoints_page(visit: Visit) -> Response:
    """All endpoints, the platform's and the merchants'."""
    rows = await visit.register.endpoints.rows()
    if wants_csv(visit):
        columns = ("endpoint", "merchant", "url", "state", "failing since", "advanced", "why disabled")
        return csv_of("endpoints", columns, (_cells(row) for row in rows))
    return render(visit, "endpoints.html", rows=rows, csv="/console/endpoints?format=csv")


def _cells(row: StoredEndpoint) -> tuple[Any, ...]:
    owner = (row.endpoint_id, row.merchant_id, row.url)
    return (*owner, row.state, row.failing_since, row.advanced_at, row.disabled_for)


async def endpoint_page(visit: Visit) -> Response:
    """One endpoint."""
    endpoint, parts = await _endpoint(visit), visit.register.endpoints
    return render(
        visit,
        "endpoint.html",
        endpoint=endpoint,
        waiting=await parts.count_parked(endpoint.endpoint_id),
        parked=await parts.parked(endpoint.endpoint_id, WAITING_SHOWN),
        attempts=await parts.attempts(endpoint.endpoint_id, limit=ATTEMPTS_SHOWN),
        ages=AGES,
        acts=_may_act(visit),
        said=visit.given("said"),
    )


async def act(visit: Visit) -> Response:
    """Try it, send again, let it go on, or send nothing there."""
    form, endpoint = await visit.form(), await _endpoint(visit)
    if not _may_act(visit):
        raise ProblemError("not_found")
    desk, now = visit.service.endpoints, visit.now
    match form.get("do"):
        case "test":
            said = _said(await desk.test(endpoint, now))
        case "subject":
            wanted = message_of(Redelivery, {"subject": str(form.get("subject", "")).strip()})
            said = _said(await desk.redeliver(endpoint, wanted, now))
        case "since":
            since = now - AGES.get(str(form.get("since")), AGES["hour"])
            said = _said(await desk.redeliver(endpoint, Redelivery(since=since), now))
        case "active" | "disabled" as state:
            await desk.change(endpoint, EndpointChange(state=state), now)
            said = state
        case _:
            raise ProblemError("malformed")
    return go(f"/console/endpoints/{endpoint.endpoint_id}?said={said}")


def _said(answer: PostAnswer | None) -> str:
    if answer is None:
        return "queued"
    return "delivered" if outcome_of(answer) == "delivered" else "failed"


def _may_act(visit: Visit) -> bool:
    """Operators, and the staff of the merchant whose endpoint it is."""
    return visit.who.known.role != "reviewer"


async def _endpoint(visit: Visit) -> StoredEndpoint:
    """The endpoint of the address; another merchant's, and the platform's for a merchant, is not found."""
    found = await visit.register.endpoints.get(id_in(visit))
    if found is None or visit.who.known.merchant_id not in (None, found.merchant_id):
        raise ProblemError("not_found")
    return found


ROUTES = [
    Route("/endpoints", for_people(endpoints_page, STAFF, asks=("format",))),
    Route("/endpoints/{id}", for_people(endpoint_page, asks=("said",))),
    Route("/endpoints/{id}", for_people(act), methods=["POST"]),
]
