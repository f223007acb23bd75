"""The order's page in the Web UI, in markdown: regions, what is awaited and until when, why money is held.

It uses lists instead of tables: the Web UI shows a table without space between its columns.
"""

from __future__ import annotations

from collections.abc import Iterator

from core.money import format_minor
from core.order.deadlines import deadlines
from core.order.state import OrderState
from core.order.views import findings_of, holds_of
from core.parcels import Parcel
from core.texts import clock

SHOWN = 20
"""Parcels, and reasons to wait. The page is written anew with each event of its order: two hundred parcels in review
would make 240 KB of it, in as much time as everything else that the event does.
"""


def details_of(state: OrderState) -> str:
    """The current details of the order's workflow: of many parcels and holds the first ones. `show` has all."""
    return "\n".join((*_regions(state), *_waits(state), *_money(state), *_holds(state), *_parcels(state)))


def _regions(state: OrderState) -> Iterator[str]:
    order = state.order
    yield f"### Order {order.order_id}: {format_minor(order.total_minor, order.currency)} for {order.merchant_id}\n"
    by = f" by {state.receipt.by}" if state.receipt.by else ""
    yield f"- phase **{state.phase}**"
    if state.screening_edition is not None and state.screening_reason is not None:
        yield f"- screening by {state.screening_reason}, rules {state.screening_edition}"
    yield f"- audit **{state.audit}**"
    yield f"- receipt **{state.receipt.status}**{by}"
    yield f"- after-sale **{state.after_sale}**{_cases(state)}"


def _cases(state: OrderState) -> str:
    """Each case with its kind and stage."""
    cases = [f"case {case.case_id} {case.kind} `{case.stage}`" for case in state.cases]
    return f": {', '.join(cases)}" if cases else ""


def _waits(state: OrderState) -> Iterator[str]:
    for deadline in deadlines(state)[:1]:
        yield f"\n**Next deadline** `{deadline.name}` at {clock(deadline.at)}\n"


def _money(state: OrderState) -> Iterator[str]:
    currency = state.order.currency
    gone = sum(line.refunded_minor for line in state.lines)
    if state.credited_at is not None:
        yield f"\nCredited {format_minor(state.credited_minor, currency)} on {clock(state.credited_at)}.\n"
    elif gone:
        yield f"\nGoods worth {format_minor(gone, currency)} go back to the buyer.\n"
    for refund in state.refunds:
        yield f"- refund `{refund.cause}`: {format_minor(refund.amount_minor, currency)}, {refund.status}"


def _holds(state: OrderState) -> Iterator[str]:
    views = holds_of(state, audits=SHOWN)
    if views:
        yield "\n**Why the money is not here**\n"
    for view in views[:SHOWN]:
        until = f", expected by {clock(view.expected_release)}" if view.expected_release else ""
        yield f"- `{view.reason}` since {clock(view.since)}{until}; {view.who_can_act}: {view.what_helps}"
    if len(views) > SHOWN:
        yield f"- and {len(views) - SHOWN} more"


def _parcels(state: OrderState) -> Iterator[str]:
    for parcel in state.parcels[:SHOWN]:
        yield from _parcel(parcel)
    if len(state.parcels) > SHOWN:
        yield f"\nand {len(state.parcels) - SHOWN} more parcels"


def _parcel(parcel: Parcel) -> Iterator[str]:
    said = "delivered" if parcel.delivered_at else "moving" if parcel.moved else "nothing physical yet"
    fate = "ended" if parcel.ended else parcel.audit
    yield (
        f"\n**Parcel {parcel.parcel_id}** {parcel.carrier} `{parcel.waybill}`: audit {fate}; the carrier says {said}\n"
    )
    for english, chinese in zip(findings_of(parcel, "en"), findings_of(parcel, "zh"), strict=True):
        yield f"- {english}"
        yield f"- {chinese}"
