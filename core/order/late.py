"""Late truth: scans of parcels that nobody waits for any more, after a refund, or after the order ended.

They change no decision. They are kept with the parcel, and merchant and operator are told: goods and money may both be
with the buyer now.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from core.messages import Scan, Stage
from core.order.state import OrderState
from core.parcels import Parcel

_TELLS: tuple[Stage, ...] = (
    *("delivered", "returned", "returning", "refused"),
    *("out_for_delivery", "in_transit", "picked_up"),
)
"""What a late scan may tell of where the goods are, the most telling first."""


def late_parcels(state: OrderState) -> tuple[Parcel, ...]:
    """Parcels that ended, all of an order that is over, and returns whose case is decided."""
    ended = tuple(parcel for parcel in state.parcels if parcel.ended or state.over)
    return (*ended, *(case.parcel for case in state.cases if case.parcel is not None and not case.open))


def note_late_scans(state: OrderState, parcel: Parcel, kept: Sequence[Scan], now: datetime) -> OrderState:
    """The order with these scans of a late parcel, and with notices where they tell of the goods."""
    state = _with_scans(state, parcel, parcel.changed(pushed=(*parcel.pushed, *kept)))
    known = parcel.verdict.last_scan_at if parcel.verdict is not None else None
    news = [scan for scan in kept if known is None or scan.at > known]
    found = next((scan for stage in _TELLS for scan in news if scan.stage == stage), None)
    if found is None or any(scan.stage == found.stage for scan in parcel.pushed):
        return state
    facts = {
        "parcel_id": parcel.parcel_id,
        "waybill": parcel.waybill,
        "stage": found.stage,
        "at": found.at.isoformat(),
        "phase": state.phase,
    }
    state = state.with_notice("merchant", "late_scan", now, **facts)
    return state.with_notice("operator", "late_scan", now, **facts)


def _with_scans(state: OrderState, parcel: Parcel, changed: Parcel) -> OrderState:
    for case in state.cases:
        if case.parcel is parcel:
            return state.with_case(case.changed(parcel=changed))
    return state.with_parcel(changed)
