"""Where a parcel is that the buyer does not have: whether a default refunds it, and the reason that it gives.

A refund's reason is permanent. "Never delivered" is false for a parcel that was delivered and came back, and a buyer or
a merchant would rightly dispute it.
"""

from __future__ import annotations

from collections.abc import Mapping

from core.parcels import Parcel

CAME_BACK: Mapping[str, str] = {
    "after_delivery_back": "came back to its sender after its delivery",
    "refused": "refused at its delivery",
    "returning": "sent back to its sender",
    "returned": "returned to its sender",
    "cancelled": "its shipment was called off",
}
"""What happened to it, by the evidence of the rule `not_returned`."""
NEVER_PICKED_UP = "no carrier picked it up"
NEVER_DELIVERED = "never delivered"


def why_missing(parcel: Parcel) -> str | None:
    """What happened, by the carriers, to a parcel that is not with the buyer.

    None: they leave it open. They do if they cannot be asked. They also do if a delivered parcel moved on to a place
    that is not its sender's, or was signed for on its way back: the buyer may have it.
    """
    verdict = parcel.verdict
    if verdict is None or verdict.carrier_says not in {"absent", "scans"}:
        return None
    if _turned_back(parcel):
        return came_back(parcel)
    return NEVER_DELIVERED if parcel.moved else NEVER_PICKED_UP


def came_back(parcel: Parcel) -> str | None:
    """Why a parcel did not stay with the buyer, by the carriers' last answer; None where they do not say."""
    verdict = parcel.verdict
    if verdict is None:
        return None
    seen = _seen(parcel)
    if seen is not None:
        return CAME_BACK.get(seen)
    if verdict.refused_at is not None:
        return CAME_BACK["refused"]
    if verdict.returned_at is None:
        return None
    return CAME_BACK["after_delivery_back" if verdict.delivered_at is not None else "returning"]


def _turned_back(parcel: Parcel) -> bool:
    return _seen(parcel) is not None or (parcel.verdict is not None and parcel.verdict.returned_at is not None)


def was_delivered(parcel: Parcel) -> bool:
    """Whether it has a delivered scan, also one that its way back has overtaken."""
    return parcel.verdict is not None and parcel.verdict.delivered_at is not None


def _seen(parcel: Parcel) -> str | None:
    """The evidence of the rule `not_returned`, where it failed."""
    findings = parcel.verdict.findings if parcel.verdict is not None else ()
    failed = next((f for f in findings if f.rule == "not_returned" and f.outcome == "fail"), None)
    return None if failed is None else failed.evidence.get("what")
