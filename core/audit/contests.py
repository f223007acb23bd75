"""Whose parcel is it?

Two orders claim one number: the trace decides where it fits one and contradicts the other. A place decides at the level
of a city, a time only by days, a phone's digits wherever the carrier answers to them. If the trace fits both or
neither, a person decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from core.audit.case import Case
from core.audit.facts import Rival
from core.audit.places import agreement
from core.messages import Address

_FINE = frozenset({"city", "district"})


def whose_parcel(case: Case, rivals: Sequence[Rival]) -> Literal["ours", "theirs"] | None:
    """Whose parcel the delivered trace is; None where it does not decide."""
    if case.delivered is None:
        return None
    ours = _fits(case, case.order.ship_to, case.order.paid_at, _digits_of_ours(case))
    theirs = [_rival_fits(case, rival) for rival in rivals]
    if ours is True and all(fits is False for fits in theirs):
        return "ours"
    return "theirs" if ours is False and any(theirs) else None


def may_still_decide(case: Case, rivals: Sequence[Rival]) -> bool:
    """Whether the trace may still decide: it has not ended, and something is known of a rival's order.

    A receipt confirmed by the buyer ends the waiting, since money would follow at once.
    """
    ended = case.delivered is not None or case.back is not None or case.cancelled is not None
    return not ended and not case.order.buyer_confirmed_in_person and any(rival.ship_to for rival in rivals)


def _digits_of_ours(case: Case) -> bool | None:
    return True if any(trace.contact == "matched" for trace in case.traces) else None


def _rival_fits(case: Case, rival: Rival) -> bool | None:
    if rival.ship_to is None or rival.paid_at is None:
        return None
    digits, known = _digits_of_ours(case), case.order.ship_to.phone_last4
    # The carrier answered to our buyer's digits, so the parcel is addressed to a phone that ends in them.
    other_phone = digits and rival.ship_to.phone_last4 is not None and rival.ship_to.phone_last4 != known
    return _fits(case, rival.ship_to, rival.paid_at, False if other_phone else None)


def _fits(case: Case, ship_to: Address, paid_at: datetime, digits: bool | None) -> bool | None:
    """Whether the trace fits an order (True), contradicts it (False), or does not decide (None)."""
    early = paid_at - case.physical[0].at if case.physical else timedelta()
    if early > case.policy.early_weak or digits is False:
        return False
    place = case.delivered.city if case.delivered is not None else None
    found = agreement(ship_to, place) if place else None
    if found is not None and found.agrees is False and found.level in ("city", "province", "country"):
        return None if case.detoured(place or "") else False
    if early > case.policy.early_unknown:
        return None
    here = found is not None and found.agrees is True and found.level in _FINE
    return True if digits or here else None
