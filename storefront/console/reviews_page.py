"""Reviews: what waits for a person, the longest first, and each with the evidence of both sides."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from starlette.responses import Response
from starlette.routing import Route

from core.audit.explain import sentence
from core.order.state import OrderState, ScreeningHit
from core.order.texts import screening_sentence
from core.texts import joined
from ledger.register_part import Position
from ledger.reviews import CLAIMED_FOR, Review
from storefront.api.paging import cursor_in
from storefront.console.lists import OF_LISTS, ROWS, addresses, csv_of, decimal, limit_of, wants_csv
from storefront.console.offers import Offer, offers_of_order
from storefront.console.order_page import parcel_views
from storefront.console.reading import known_order, state_of_order
from storefront.console.rendering import render
from storefront.console.visits import STAFF, Visit, for_people, go
from storefront.problems import ProblemError

KINDS = ("audit", "screening", "arbitration")
_ENDS = {"audit": "decide_audit", "screening": "decide_screening", "arbitration": "arbitrate"}
"""Kind of review → the command that ends it."""


class ReviewRow(NamedTuple):
    """One review as the list shows it."""

    review: Review
    due: datetime
    overdue: bool
    claimed_by: str | None
    why: str

    @property
    def place(self) -> str:
        """Its page."""
        return f"/console/reviews/{self.review.order_id}/{self.review.parcel_id or 'goods'}"


async def reviews_page(visit: Visit) -> Response:
    """The queue."""
    kind = visit.chosen("kind", KINDS)
    found = await visit.register.reviews.waiting(
        kind=kind or None, after=cursor_in(visit.request), limit=limit_of(visit)
    )
    rows = [_row(visit, one) for one in found]
    if wants_csv(visit):
        columns = ("kind", "order", "parcel", "merchant", "amount", "currency", "since", "due", "reviewer", "why")
        return csv_of("reviews", columns, (_cells(row) for row in rows))
    links = addresses(visit, found, lambda one: Position(one.since, f"{one.order_id}/{one.parcel_id}"))
    return render(visit, "reviews.html", rows=rows[:ROWS], kinds=KINDS, kind=kind, **links)


def _cells(row: ReviewRow) -> tuple[Any, ...]:
    one = row.review
    amount = decimal(one.total_minor, one.currency)
    who = (one.kind, one.order_id, one.parcel_id, one.merchant_id)
    return (*who, amount, one.currency, one.since, row.due, row.claimed_by, row.why)


def _row(visit: Visit, one: Review) -> ReviewRow:
    due = one.since + one.sla
    free = one.claimed_at is None or visit.now - one.claimed_at > CLAIMED_FOR
    return ReviewRow(one, due, due < visit.now, None if free else one.reviewer, _why(visit, one))


def _why(visit: Visit, one: Review) -> str:
    """Why a person must look, in sentences."""
    language, evidence = visit.language, one.evidence or {}
    if one.kind == "screening":
        hits = [ScreeningHit.model_validate(hit) for hit in evidence.get("hits") or ()]
        return screening_sentence(hits, language)
    if one.kind == "arbitration":
        kind, reason = (visit.words.of(f"case_{what}", evidence.get(what)) for what in ("kind", "reason"))
        return f"{kind}{'：' if visit.language == 'zh' else ': '}{reason}"
    against = {found["rule"]: found.get("evidence", {}) for found in (one.verdict or {}).get("findings", ())}
    return joined(
        (sentence(rule, "fail", {**against, **evidence}.get(rule, {}), language) for rule in one.reasons), language
    )


async def review_page(visit: Visit) -> Response:
    """One review: what the merchant said, what the carriers said, what objects, and the decision."""
    known, parcel_id = await known_order(visit), _parcel_of(visit)
    order_id, state = known.order.order_id, state_of_order(known)
    waiting = await visit.register.reviews.waiting(order_id=order_id)
    review = next((one for one in waiting if one.parcel_id == parcel_id), None)
    if state is None or review is None:
        return render(visit, "review_done.html", order_id=order_id, next_review=await _next_of(visit, order_id))
    row = _row(visit, review)
    parcels = await parcel_views(visit, order_id, state)
    return render(
        visit,
        "review.html",
        order=known.order,
        state=state,
        row=row,
        review=review,
        ends_claim=review.claimed_at + CLAIMED_FOR if review.claimed_at and row.claimed_by else None,
        mine=row.claimed_by == visit.who.known.person_id,
        parcels=[view for view in parcels if review.kind != "audit" or view.parcel.parcel_id == parcel_id],
        case=state.cases[-1] if review.kind == "arbitration" and state.cases else None,
        offers=_offers(visit, state, review),
        next_review=await _next_of(visit, order_id),
    )


def _offers(visit: Visit, state: OrderState, review: Review) -> tuple[Offer, ...]:
    """What ends this review, from this person."""
    found = offers_of_order(state, visit.who.actor, visit.now)
    return tuple(
        offer
        for offer in found
        if offer.verb == _ENDS[review.kind] and offer.preset.get("parcel_id", review.parcel_id) == review.parcel_id
    )


async def _next_of(visit: Visit, order_id: str) -> ReviewRow | None:
    """The longest waiting review that no one else has claimed, of another order."""
    for one in await visit.register.reviews.waiting(limit=ROWS):
        row = _row(visit, one)
        if one.order_id != order_id and row.claimed_by in (None, visit.who.known.person_id):
            return row
    return None


def _parcel_of(visit: Visit) -> str:
    given: str = visit.request.path_params["parcel_id"]
    return "" if given == "goods" else given


async def claim(visit: Visit) -> Response:
    """Take a review for half an hour, or give it back."""
    form, known, parcel_id = await visit.form(), await known_order(visit), _parcel_of(visit)
    order_id, reviewer = known.order.order_id, visit.who.known.person_id
    if not any(one.parcel_id == parcel_id for one in await visit.register.reviews.waiting(order_id=order_id)):
        raise ProblemError("not_in_review")
    if form.get("release"):
        await visit.register.reviews.release(order_id, parcel_id, reviewer)
    elif await visit.register.reviews.claim(order_id, parcel_id, reviewer, visit.now) != reviewer:
        raise ProblemError("needs_other_person", "Another reviewer has claimed it.")
    return go(f"/console/reviews/{order_id}/{parcel_id or 'goods'}")


ROUTES = [
    Route("/reviews", for_people(reviews_page, STAFF, asks=("kind", *OF_LISTS))),
    Route("/reviews/{id}/{parcel_id}", for_people(review_page, STAFF)),
    Route("/reviews/{id}/{parcel_id}/claim", for_people(claim, STAFF), methods=["POST"]),
]
