"""Late scans: scans of parcels that no one waits for any more, after a refund, the credit or the end of the order.

They change no decision. They are kept with the parcel, and merchant and operator are notified once of each kind of
news: one party may now have both goods and money. Where the policy says so, an operator looks at it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from core.audit.places import addresses_apart, agreement
from core.messages import Order, Scan, Stage
from core.order.holds import LATE_SCAN
from core.order.state import OrderState
from core.order.texts import LATE
from core.parcels import LateNews, LateWord, Parcel
from core.states import Hold

_MOST_TELLING: tuple[LateWord, ...] = ("came_back", "delivered", "coming_back", "moving")
"""Where the goods are, the most decisive news first."""
_MOVES: frozenset[Stage] = frozenset({"out_for_delivery", "in_transit", "picked_up", "arrived"})
_AFTER_DELIVERY = timedelta(hours=1)
"""Carriers repeat scans of the last mile shortly after the delivery; a way back begins later."""


def late_parcels(state: OrderState) -> tuple[Parcel, ...]:
    """Parcels that ended, all of an order that is credited or over, and those of cases that are decided."""
    paid = state.over or state.credited_at is not None
    ended = tuple(parcel for parcel in state.parcels if parcel.ended or paid)
    return (*ended, *(parcel for case in state.cases if not case.open for parcel in case.parcels))


def _returned(state: OrderState) -> tuple[Parcel, ...]:
    return tuple(case.parcel for case in state.cases if case.parcel is not None and not case.open)


def _replaced(state: OrderState) -> dict[str, bool]:
    """The new goods of exchanges that are decided, by parcel, with whether the money went back all the same."""
    return {
        case.replacement.parcel_id: case.stage in {"refunding", "refunded"}
        for case in state.cases
        if case.replacement is not None and not case.open
    }


def note_late_scans(state: OrderState, parcel: Parcel, kept: Sequence[Scan], now: datetime) -> OrderState:
    """The order with these scans of a late parcel, and with notices where they bring news of the goods."""
    back = parcel in _returned(state)
    known = parcel.verdict.last_scan_at if parcel.verdict is not None else None
    news = [scan for scan in kept if known is None or scan.at > known]
    words = _words(state, parcel, (*parcel.pushed, *kept), back=back)
    before = {*_words(state, parcel, parcel.pushed, back=back).values(), *(one.what for one in parcel.late)}
    new = {words[scan]: scan for scan in reversed(news) if scan in words and words[scan] not in before}
    what = next((word for word in _MOST_TELLING if word in new), None)
    parcel = parcel.changed(pushed=(*parcel.pushed, *kept))
    if what is None or (state.phase == "credited" and not (back or what in _GOODS_ARE_BACK or _ended(state, parcel))):
        return _with(state, parcel)
    found = LateNews(what=what, stage=new[what].stage, at=new[what].at, noted_at=now)
    state = _with(state, parcel.changed(late=(*parcel.late, found)))
    return _call_operator(_notify(state, parcel, found, now), parcel, found, now, back=back)


def _ended(state: OrderState, parcel: Parcel) -> bool:
    return parcel.ended or parcel.parcel_id in _replaced(state)


_GOODS_ARE_BACK: tuple[LateWord, ...] = ("came_back", "coming_back")


def _words(state: OrderState, parcel: Parcel, scans: Iterable[Scan], *, back: bool) -> dict[Scan, LateWord]:
    """What each scan says of where the goods are. A return has no way back of its own."""
    ordered = sorted(scans, key=lambda scan: scan.at)
    seen = [scan.at for scan in ordered if scan.stage == "delivered"]
    judged = parcel.verdict.delivered_at if parcel.verdict is not None else None
    first = min((at for at in (*seen, judged) if at is not None), default=None)
    after = first + _AFTER_DELIVERY if first is not None and not back else None
    words = ((scan, _word(state.order, scan, again=after is not None and scan.at > after)) for scan in ordered)
    return {scan: word for scan, word in words if word is not None}


def _word(order: Order, scan: Scan, *, again: bool) -> LateWord | None:
    """`again`: the scan comes some time after a delivery."""
    if scan.stage == "returned" or (scan.stage == "delivered" and again and _at_dispatch(order, scan)):
        return "came_back"
    if scan.stage == "delivered":
        return "delivered"
    if scan.stage in {"returning", "refused"} or (scan.stage in _MOVES and again):
        return "coming_back"
    return "moving" if scan.stage in _MOVES else None


def _at_dispatch(order: Order, scan: Scan) -> bool:
    """Whether it was scanned where the parcel came from, and that is another place than its destination."""
    if scan.city is None or not addresses_apart(order.ship_from, order.ship_to):
        return False
    found = agreement(order.ship_from, scan.city)
    return found.agrees is True and found.level in {"city", "district"}


def _with(state: OrderState, changed: Parcel) -> OrderState:
    for case in state.cases:
        if changed.parcel_id in {parcel.parcel_id for parcel in case.parcels}:
            return state.with_case(case.with_parcel(changed))
    return state.with_parcel(changed)


def _notify(state: OrderState, parcel: Parcel, found: LateNews, now: datetime) -> OrderState:
    facts = {
        "parcel_id": parcel.parcel_id,
        "waybill": parcel.waybill,
        "what": found.what,
        "stage": found.stage,
        "at": found.at.isoformat(),
        "phase": state.phase,
    }
    state = state.with_notice("merchant", "late_scan", now, **facts)
    return state.with_notice("operator", "late_scan", now, **facts)


def _call_operator(state: OrderState, parcel: Parcel, found: LateNews, now: datetime, *, back: bool) -> OrderState:
    """The order with a hold until an operator has looked, if one party has both the goods and the money."""
    if not state.policy.after_sale.late_scan_review:
        return state
    # A parcel that an exchange emptied was delivered before; what else ended a parcel gave its money back.
    given_up = parcel.ended and parcel.delivered_at is None
    over = state.phase in {"refused", "cancelled", "refunded"}
    refunded = over or given_up or _replaced(state).get(parcel.parcel_id, False)
    at_merchant = found.what == "came_back" or (back and found.what == "delivered")
    at_buyer = found.what == "delivered" and not back
    coming = found.what == "coming_back" and not back
    if not ((at_buyer and refunded) or ((at_merchant or coming) and not refunded)):
        return state
    what = "came_back" if back else found.what
    hold = Hold(
        name=LATE_SCAN,
        subject=parcel.parcel_id,
        scope="credit",
        reason=LATE[what].en,
        owner="operator",
        since=now,
        facts={"what": what, "at": found.at.isoformat()},
    )
    return state.with_hold(hold)  # `late_scan` has called the operator
