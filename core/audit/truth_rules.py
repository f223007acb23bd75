"""The truth rules: is the number this order's, did the parcel exist, and did it move as claimed?

One function a rule. Each passes, fails with a weight, or does not know; what a trace does not say is never held against
anybody. Weights here are a rule's own; the policy can change them.
"""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import Any

from core.audit.case import Case
from core.audit.facts import NoTrace, remember
from core.audit.findings import Cause, Finding
from core.audit.places import Agreement, agreement, different_cities, least_distance_km, same_province
from core.audit.policy import TruthRule, Weight
from core.audit.waybills import CARRIERS
from core.audit.waybills import carrier as known_carrier
from core.messages import Scan

_FORWARDED = ("转寄", "转投", "改寄", "更址", "forward", "redirect")
_LAST_MILE = frozenset({"out_for_delivery", "locker"})


def _fail(rule: TruthRule, weight: Weight, cause: Cause, **evidence: Any) -> Finding:
    return Finding(rule, "fail", weight, cause, evidence)


def _hours(seconds: float) -> float:
    return round(seconds / 3600, 1)


def _at(moment: datetime) -> str:
    return moment.isoformat()


# --- the number ------------------------------------------------------------------------------------------


def number_possible(case: Case) -> Finding:
    """Characters, length, and the check digit where the carrier has one."""
    number = case.parcel.waybill
    if CARRIERS.fits(case.carrier, number):
        return Finding("number_possible", "pass")
    judged = CARRIERS.judge(case.carrier, number)
    if judged.answer == "impossible":
        return _fail("number_possible", "fatal", "number", number=number, reason=judged.reason)
    if judged.answer == "other_carrier_likelier":
        likelier = [candidate.carrier for candidate in judged.candidates]
        return Finding("number_possible", "unknown", evidence={"number": number, "likelier": likelier})
    return Finding("number_possible", "pass")


def carrier_known(case: Case) -> Finding:
    """The carrier is in the table; `other` cannot be asked, so it cannot be verified."""
    if known_carrier(case.carrier) is not None:
        return Finding("carrier_known", "pass")
    name = case.parcel.carrier_name or case.carrier
    return _fail("carrier_known", "strong", "carrier", carrier=case.carrier, name=name)


def number_unclaimed(case: Case) -> Finding:
    """No other merchant holds a live claim of the number. Who claimed later has to explain more."""
    window = case.policy.reuse_window
    rivals = [rival for rival in case.parcel.rivals if case.now - rival.claimed_at <= window]
    if not rivals:
        return Finding("number_unclaimed", "pass")
    first = min(rival.claimed_at for rival in rivals)
    later = first <= case.parcel.uploaded_at
    return _fail(
        "number_unclaimed", "strong" if later else "weak", "claim", rivals=len(rivals), first_at=_at(first), later=later
    )


def carrier_agrees(case: Case) -> Finding:
    """A provider found the number with another carrier: its trace is judged; a wrong drop-down is no fraud."""
    if not case.run:
        return Finding("carrier_agrees", "unknown")
    if case.carrier == case.parcel.carrier:
        return Finding("carrier_agrees", "pass")
    evidence = {"claimed": case.parcel.carrier, "found": case.carrier}
    if case.parcel.carrier != "other" and len(CARRIERS.recognise(case.parcel.waybill).candidates) > 1:
        return Finding("carrier_agrees", "fail", "weak", "carrier", evidence)
    return Finding("carrier_agrees", "pass", evidence=evidence)


# --- the trace -------------------------------------------------------------------------------------------


def trace_exists(case: Case) -> Finding:
    """The carrier knows the number: three days after upload it should, after seven it must."""
    if case.run:
        return Finding("trace_exists", "pass")
    silent = remember(case.parcel.no_trace, case.traces)
    if not silent:
        return Finding("trace_exists", "unknown")
    policy, share = case.policy, case.parcel.carrier_no_trace_share
    last = max(entry.last_at for entry in silent)
    waited = case.waited(case.parcel.uploaded_at, last)
    evidence: dict[str, Any] = {
        "waited_h": _hours(waited.total_seconds()),
        "looks": sum(entry.looks for entry in silent),
        "providers": [entry.provider for entry in silent],
    }
    if waited < policy.no_trace_strong:
        return Finding("trace_exists", "unknown", evidence=evidence)
    if share is not None and share >= policy.outage_share and case.parcel.carrier_answers >= policy.outage_answers_min:
        return Finding("trace_exists", "unknown", evidence={**evidence, "outage_share": round(share, 2)})
    certain = waited >= policy.no_trace_fatal and _looked_apart(case, silent)
    return Finding("trace_exists", "fail", "fatal" if certain else "strong", "trace", evidence)


def _looked_apart(case: Case, silent: tuple[NoTrace, ...]) -> bool:
    """Two looks far enough apart, and a second provider's word where one is configured."""
    apart = any(entry.last_at - entry.first_at >= case.policy.no_trace_apart for entry in silent)
    return apart and len(silent) >= min(2, case.parcel.providers)


def contact_matches(case: Case) -> Finding:
    """A carrier that answers only with the buyer's last four digits has answered, or refused them."""
    answers = {trace.contact for trace in case.traces}
    if "matched" in answers:
        return Finding("contact_matches", "pass", "confirms")
    if "refused" in answers:
        return _fail("contact_matches", "weak", "contact", last4=case.order.ship_to.phone_last4)
    return Finding("contact_matches", "unknown")


def weight_plausible(case: Case) -> Finding:
    """What the carrier weighed against what the merchant said it sent."""
    weighed = next((trace.weight_g for trace in case.traces if trace.weight_g is not None), None)
    claimed = case.parcel.weight_g
    if weighed is None or claimed is None:
        return Finding("weight_plausible", "unknown")
    evidence = {"weighed_g": weighed, "claimed_g": claimed}
    factor = case.policy.weight_factor
    if claimed > weighed * factor or weighed > claimed * factor:
        return Finding("weight_plausible", "fail", "weak", "weight", evidence)
    return Finding("weight_plausible", "pass", evidence=evidence)


# --- times -----------------------------------------------------------------------------------------------


def not_recycled(case: Case) -> Finding:
    """The parcel was not on its way before the buyer paid; labels are printed early, so only physical scans count."""
    if not case.physical:
        return Finding("not_recycled", "unknown")
    first = case.physical[0].at
    early = case.order.paid_at - first
    if early.total_seconds() <= 0:
        return Finding("not_recycled", "pass", evidence={"older_scans": case.older} if case.older else {})
    evidence = {"first_at": _at(first), "paid_at": _at(case.order.paid_at), "early_h": _hours(early.total_seconds())}
    if early <= case.policy.early_unknown:
        return Finding("not_recycled", "unknown", evidence=evidence)
    weight: Weight = "weak" if early <= case.policy.early_weak else "strong"
    return Finding("not_recycled", "fail", weight, "clock", evidence)


def time_order(case: Case) -> Finding:
    """Nothing lies in the future, and nothing is delivered before it was picked up, or before it was reported."""
    if not case.run:
        return Finding("time_order", "unknown")
    skew, last = case.policy.clock_skew, case.run[-1]
    if last.at - case.now > skew:
        return _fail("time_order", "strong", "clock", what="future", at=_at(last.at), now=_at(case.now))
    delivered = next((scan for scan in case.physical if scan.stage == "delivered"), None)
    if delivered is None:
        return Finding("time_order", "pass")
    picked_up = next((scan for scan in case.physical if scan.stage == "picked_up"), None)
    if picked_up is not None and picked_up.at - delivered.at > skew:
        return _fail(
            "time_order", "weak", "clock", what="before_pickup", at=_at(delivered.at), picked_up_at=_at(picked_up.at)
        )
    uploaded = case.parcel.uploaded_at
    # A corrected number may be reported after the delivery; a first one that is was looked for among delivered parcels.
    if case.parcel.attempt <= 1 and uploaded - delivered.at > skew:
        return _fail(
            "time_order", "weak", "clock", what="before_upload", at=_at(delivered.at), uploaded_at=_at(uploaded)
        )
    return Finding("time_order", "pass")


def speed_possible(case: Case) -> Finding:
    """From door to door, and between any two scans, no faster than the distance allows."""
    placed = [scan for scan in case.own if scan.city]
    if len(placed) < 2:
        return Finding("speed_possible", "unknown")
    first, end = placed[0], case.delivered
    if end is not None and end.city and first.city and different_cities(first.city, end.city):
        least = case.policy.between_cities_min.total_seconds()
        least = max(least, _flight_s(case, first.city, end.city))
        took = (end.at - first.at).total_seconds()
        if took < least:
            return _too_fast("strong", first, end, took, least)
    for one, other in pairwise(placed):
        if one.city is None or other.city is None or one.city == other.city:
            continue
        took, least = (other.at - one.at).total_seconds(), _flight_s(case, one.city, other.city)
        if took + case.policy.clock_skew.total_seconds() < least:
            # Single scans are recorded late and in bulk, so a pair of them weighs less than the whole way.
            return _too_fast("weak", one, other, took, least)
    return Finding("speed_possible", "pass")


def _flight_s(case: Case, one: str, other: str) -> float:
    distance = least_distance_km(one, other)
    return 0.0 if distance is None else distance / case.policy.speed_max_kmh * 3600


def _too_fast(weight: Weight, one: Scan, other: Scan, took: float, least: float) -> Finding:
    evidence = {"from": one.city, "to": other.city, "took_h": _hours(took), "least_h": _hours(least)}
    return Finding("speed_possible", "fail", weight, "clock", evidence)


# --- places ----------------------------------------------------------------------------------------------


def destination_matches(case: Case) -> Finding:
    """The parcel was signed for, or is being delivered, where the buyer lives, as finely as both sides know."""
    scan, signed = _last_place(case)
    if scan is None or scan.city is None:
        return Finding("destination_matches", "unknown")
    found = agreement(case.order.ship_to, scan.city)
    if found.agrees is None:
        return Finding("destination_matches", "unknown", evidence={"place": scan.city})
    evidence = {"place": scan.city, "expected": _written(case), "level": found.level}
    if found.agrees:
        return Finding("destination_matches", "pass", evidence=evidence)
    if _detoured(case, scan):
        return Finding("destination_matches", "unknown", evidence=evidence)
    return _elsewhere(found, signed, evidence)


def _elsewhere(found: Agreement, signed: bool, evidence: dict[str, Any]) -> Finding:
    if found.level == "district":
        # Delivery districts do not follow the map; only a signature says where the parcel went.
        if not signed:
            return Finding("destination_matches", "unknown", evidence=evidence)
        return Finding("destination_matches", "fail", "weak", "destination", evidence)
    return Finding("destination_matches", "fail", "strong" if signed else "weak", "destination", evidence)


def _last_place(case: Case) -> tuple[Scan | None, bool]:
    """The scan whose place is the parcel's end, and whether it is the signature itself."""
    if case.delivered is not None and case.delivered.city:
        return case.delivered, True
    near = next((scan for scan in reversed(case.own) if scan.city and scan.stage in _LAST_MILE), None)
    return near, False


def _written(case: Case) -> str:
    to = case.order.ship_to
    return " ".join(part for part in (to.province, to.city, to.district) if part) or to.country


def _detoured(case: Case, scan: Scan) -> bool:
    """Through a consolidation hub, or forwarded to another address on the buyer's wish."""
    place = scan.city or ""
    if any(hub in place for hub in case.policy.hubs):
        return True
    return any(word in (s.text or "").casefold() for s in case.own for word in _FORWARDED)


def origin_matches(case: Case) -> Finding:
    """The first scan is in the merchant's province; it is weak, since warehouses are many."""
    first = case.own[0] if case.own else None
    if first is None or not first.city:
        return Finding("origin_matches", "unknown")
    same = same_province(case.order.ship_from, first.city)
    if same is None:
        return Finding("origin_matches", "unknown", evidence={"place": first.city})
    if same:
        return Finding("origin_matches", "pass", evidence={"place": first.city})
    origin = case.order.ship_from
    return _fail("origin_matches", "weak", "origin", place=first.city, expected=origin.province or origin.city)


def moved(case: Case) -> Finding:
    """Between pickup and signature it was in another city, where the buyer lives in another than the merchant."""
    order, end = case.order, case.delivered
    if end is None or not case.own or case.own[0] is end:
        return Finding("moved", "unknown")
    if order.ship_from.city is None or order.ship_to.city is None:
        return Finding("moved", "unknown")
    if not different_cities(
        _city(order.ship_from.province, order.ship_from.city), _city(order.ship_to.province, order.ship_to.city)
    ):
        return Finding("moved", "unknown")
    way = [scan for scan in case.own if scan.at <= end.at and scan.city]
    if len(way) < 2:
        return Finding("moved", "unknown")
    start = way[0]
    apart = [different_cities(start.city or "", scan.city or "") for scan in way[1:]]
    if any(apart):
        return Finding("moved", "pass")
    if None in apart:
        return Finding("moved", "unknown")
    return _fail("moved", "weak", "movement", place=start.city, scans=len(way))


def _city(province: str | None, city: str) -> str:
    return f"{city}, {province}" if province and city.isascii() else f"{province or ''}{city}"


def not_returned(case: Case) -> Finding:
    """It was not refused, sent back, or called off."""
    if case.cancelled is not None:
        return _fail("not_returned", "fatal", "trace", what="cancelled", at=_at(case.cancelled.at))
    if case.back is None:
        return Finding("not_returned", "pass" if case.own else "unknown")
    back = case.back
    if case.back_unclear:
        return _fail("not_returned", "strong", "trace", what="unclear", at=_at(back.at))
    return _fail("not_returned", "fatal", "trace", what=back.stage, at=_at(back.at))
