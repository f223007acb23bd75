"""The truth rules: is the number this order's, did the parcel exist, and did it move as claimed?

One function a rule. Each passes, fails with a weight, or does not know. What a trace does not say never counts against
anyone. The weights here are defaults; the policy can change them.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any

from core.audit.absence import looked_apart, outage
from core.audit.case import Case
from core.audit.contests import may_still_decide, whose_parcel
from core.audit.facts import NoTrace, remember
from core.audit.findings import PASS, UNKNOWN, Cause, Finding
from core.audit.places import (
    REMEMBERED,
    Agreement,
    Level,
    addresses_apart,
    agreement,
    different_cities,
    least_distance_km,
    same_province,
)
from core.audit.policy import TruthRule, Weight
from core.audit.waybills import CARRIERS
from core.audit.waybills import carrier as known_carrier
from core.messages import Scan

_LAST_MILE = frozenset({"out_for_delivery", "locker"})


def _fail(rule: TruthRule, weight: Weight, cause: Cause, **evidence: Any) -> Finding:
    return Finding(rule, "fail", weight, cause, evidence)


def _hours(time: timedelta) -> float:
    return round(time.total_seconds() / 3600, 1)


def _at(moment: datetime) -> str:
    return moment.isoformat()


# --- the number ------------------------------------------------------------------------------------------


def number_possible(case: Case) -> Finding:
    """Characters, length, and the check digit where the carrier has one."""
    number = case.parcel.waybill
    if CARRIERS.fits(case.carrier, number):
        return PASS["number_possible"]
    judged = CARRIERS.judge(case.carrier, number)
    if judged.answer == "impossible":
        return _fail(
            "number_possible", "fatal", "number", number=number, reason=judged.reason, reason_zh=judged.reason_zh
        )
    if judged.answer == "other_carrier_likelier":
        likelier = [candidate.carrier for candidate in CARRIERS.candidates(judged.normalised)]
        return Finding("number_possible", "unknown", evidence={"number": number, "likelier": likelier})
    return PASS["number_possible"]


def carrier_known(case: Case) -> Finding:
    """The carrier is in the table; `other` cannot be asked, so it cannot be verified."""
    if known_carrier(case.carrier) is not None:
        return PASS["carrier_known"]
    name = case.parcel.carrier_name or case.carrier
    return _fail("carrier_known", "strong", "carrier", carrier=case.carrier, name=name)


def number_unclaimed(case: Case) -> Finding:
    """No other order holds a live claim of the number, or the trace shows that it is this order's.

    While the trace may still decide, it counts against neither order. Where it ends undecided, the later claim weighs
    more. Merged parcels of one buyer are no rivals.
    """
    window = case.policy.reuse_window
    rivals = [rival for rival in case.parcel.rivals if case.now - rival.claimed_at <= window]
    if not rivals:
        return PASS["number_unclaimed"]
    first = min(rival.claimed_at for rival in rivals)
    later = first <= case.parcel.uploaded_at
    evidence: dict[str, Any] = {"rivals": len(rivals), "first_at": _at(first), "later": later}
    whose = whose_parcel(case, rivals)
    if whose == "ours":
        return Finding("number_unclaimed", "pass", evidence={**evidence, "what": whose})
    if whose == "theirs":
        return _fail("number_unclaimed", "fatal", "claim", **evidence, what=whose)
    if may_still_decide(case, rivals):
        return Finding("number_unclaimed", "unknown", evidence=evidence)
    return _fail("number_unclaimed", "strong" if later else "weak", "claim", **evidence)


def carrier_agrees(case: Case) -> Finding:
    """A provider found the number with another carrier: that trace is judged. A wrong choice in a list is no fraud."""
    if not case.run:
        return UNKNOWN["carrier_agrees"]
    if case.carrier == case.parcel.carrier:
        return PASS["carrier_agrees"]
    evidence = {"claimed": case.parcel.carrier, "found": case.carrier}
    if case.parcel.carrier != "other" and len(CARRIERS.recognise(case.parcel.waybill).candidates) > 1:
        return Finding("carrier_agrees", "fail", "weak", "carrier", evidence)
    return Finding("carrier_agrees", "pass", evidence=evidence)


# --- the trace -------------------------------------------------------------------------------------------


def trace_exists(case: Case) -> Finding:
    """The carrier knows the number: three days after upload it should, after seven it must."""
    # A parcel that was seen once exists, even if the provider forgets it.
    if case.run or (case.parcel.known is not None and case.parcel.known.last_scan_at is not None):
        return PASS["trace_exists"]
    silent = remember(case.parcel.no_trace, case.traces)
    if not silent:
        return UNKNOWN["trace_exists"]
    policy, share = case.policy, case.parcel.carrier_no_trace_share
    last = max(entry.last_at for entry in silent)
    waited = case.waited(case.parcel.uploaded_at, last)
    evidence: dict[str, Any] = {
        "waited_h": _hours(waited),
        "looks": sum(entry.looks for entry in silent),
        "providers": list(dict.fromkeys(entry.provider for entry in silent)),
    }
    if all(entry.lacking for entry in silent):
        evidence["what"] = silent[0].lacking
    if waited < policy.no_trace_strong:
        return Finding("trace_exists", "unknown", evidence=evidence)
    if outage(case):
        return Finding("trace_exists", "unknown", evidence={**evidence, "outage_share": round(share or 0, 2)})
    certain = waited >= policy.no_trace_fatal and _looked_apart(case, silent)
    return Finding("trace_exists", "fail", "fatal" if certain else "strong", "trace", evidence)


def _looked_apart(case: Case, silent: tuple[NoTrace, ...]) -> bool:
    """A strong absence, confirmed by a second provider where one is configured."""
    said = {entry.provider for entry in silent}
    return looked_apart(case, silent) and len(said) >= min(2, case.parcel.providers)


def contact_matches(case: Case) -> Finding:
    """A carrier that answers only with the buyer's last four digits has answered, or refused them.

    The sender's digits open the trace too, and say nothing about the buyer.
    """
    answers = {trace.contact for trace in case.traces}
    if "matched" in answers:
        return Finding("contact_matches", "pass", "confirms")
    if "sender" in answers:
        return Finding("contact_matches", "unknown", evidence={"what": "sender"})
    if "refused" in answers:
        return _fail("contact_matches", "weak", "contact", last4=case.order.ship_to.phone_last4)
    return UNKNOWN["contact_matches"]


def weight_plausible(case: Case) -> Finding:
    """What the carrier weighed against what the merchant said it sent."""
    weighed = next((trace.weight_g for trace in case.traces if trace.weight_g is not None), None)
    claimed = case.parcel.weight_g
    if weighed is None or claimed is None:
        return UNKNOWN["weight_plausible"]
    evidence = {"weighed_g": weighed, "claimed_g": claimed}
    factor = case.policy.weight_factor
    if claimed > weighed * factor or weighed > claimed * factor:
        return Finding("weight_plausible", "fail", "weak", "weight", evidence)
    return Finding("weight_plausible", "pass", evidence=evidence)


# --- times -----------------------------------------------------------------------------------------------


def not_recycled(case: Case) -> Finding:
    """The parcel was not on its way before the buyer paid; labels are printed early, so only physical scans count."""
    if not case.physical:
        return UNKNOWN["not_recycled"]
    first = case.physical[0].at
    early = case.order.paid_at - first
    if early <= timedelta():
        if case.older:
            return Finding("not_recycled", "pass", evidence={"older_scans": case.older})
        return PASS["not_recycled"]
    evidence = {"first_at": _at(first), "paid_at": _at(case.order.paid_at), "early_h": _hours(early)}
    if early <= case.policy.early_unknown:
        return Finding("not_recycled", "unknown", evidence=evidence)
    weight: Weight = "weak" if early <= case.policy.early_weak else "strong"
    return Finding("not_recycled", "fail", weight, "clock", evidence)


def time_order(case: Case) -> Finding:
    """Nothing lies in the future, and nothing is delivered before it was picked up, or before it was reported."""
    if not case.run:
        return UNKNOWN["time_order"]
    skew, last = case.policy.clock_skew, case.run[-1]
    if last.at - case.now > skew:
        return _fail("time_order", "strong", "clock", what="future", at=_at(last.at), now=_at(case.now))
    delivered, picked_up = case.delivered, case.picked_up
    if delivered is None:
        return PASS["time_order"]
    if picked_up is not None and picked_up.at - delivered.at > skew:
        return _fail(
            "time_order", "weak", "clock", what="before_pickup", at=_at(delivered.at), picked_up_at=_at(picked_up.at)
        )
    uploaded = case.parcel.uploaded_at
    # A corrected number may be reported after the delivery. A first number that is reported so late was probably picked
    # from delivered parcels.
    if case.parcel.attempt <= 1 and uploaded - delivered.at > skew:
        return _fail(
            "time_order", "weak", "claim", what="before_upload", at=_at(delivered.at), uploaded_at=_at(uploaded)
        )
    return PASS["time_order"]


def speed_possible(case: Case) -> Finding:
    """From door to door, and between any two scans, no faster than the distance allows."""
    if len(case.placed) < 2:
        return UNKNOWN["speed_possible"]
    if case.delivered is not None and (found := _door_to_door(case, case.placed[0][1], case.delivered)):
        return found
    skew, speed = case.policy.clock_skew, case.policy.speed_max_kmh
    for (one_city, one), (other_city, other) in pairwise(case.placed):
        if one_city == other_city:
            continue
        took, least = other.at - one.at, _flight(one_city, other_city, case.inland, speed)
        if took + skew < least:
            # Single scans are recorded late and in bulk, so a pair of them weighs less than the whole way.
            return _too_fast("weak", one, other, took, least)
    return PASS["speed_possible"]


def _door_to_door(case: Case, first: Scan, end: Scan) -> Finding | None:
    if not first.city or not end.city:
        return None
    took = end.at - first.at
    if not different_cities(first.city, end.city):
        return None
    least = max(case.policy.between_cities_min, _flight(first.city, end.city, case.inland, case.policy.speed_max_kmh))
    return _too_fast("strong", first, end, took, least) if took < least else None


@lru_cache(maxsize=REMEMBERED)
def _flight(one: str, other: str, country: str | None, speed_kmh: int) -> timedelta:
    distance = least_distance_km(one, other, country)
    return timedelta() if distance is None else timedelta(hours=distance / speed_kmh)


def _too_fast(weight: Weight, one: Scan, other: Scan, took: timedelta, least: timedelta) -> Finding:
    evidence = {"from": one.city, "to": other.city, "took_h": _hours(took), "least_h": _hours(least)}
    return Finding("speed_possible", "fail", weight, "clock", evidence)


# --- places ----------------------------------------------------------------------------------------------


def destination_matches(case: Case) -> Finding:
    """The parcel was signed for, or is being delivered, where the buyer lives, as finely as both sides know."""
    scan, signed = _last_place(case)
    if scan is None or scan.city is None:
        return UNKNOWN["destination_matches"]
    found = agreement(case.order.ship_to, scan.city)
    if found.agrees is None:
        return Finding("destination_matches", "unknown", evidence={"place": scan.city})
    if found.agrees:
        return _here("destination_matches", scan.city, found.level)
    evidence = {"place": scan.city, "level": found.level, "expected": _written(case)}
    if case.detoured(scan.city):
        return Finding("destination_matches", "unknown", evidence=evidence)
    return _elsewhere(found, signed, evidence)


@lru_cache(maxsize=REMEMBERED)
def _here(rule: TruthRule, place: str, level: Level | None) -> Finding:
    """A place that agrees. Cached, since the same cities come again and again."""
    return Finding(rule, "pass", evidence={"place": place, "level": level})


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
    near = next((scan for _, scan in reversed(case.placed) if scan.stage in _LAST_MILE), None)
    return near, False


def _written(case: Case) -> str:
    to = case.order.ship_to
    return " ".join(part for part in (to.province, to.city, to.district) if part) or to.country


def origin_matches(case: Case) -> Finding:
    """The first scan is in the merchant's province. It is weak: a merchant may have several warehouses."""
    first = case.own[0] if case.own else None
    if first is None or not first.city:
        return UNKNOWN["origin_matches"]
    same = same_province(case.order.ship_from, first.city)
    if same is None:
        return Finding("origin_matches", "unknown", evidence={"place": first.city})
    if same:
        return _here("origin_matches", first.city, "province")
    origin = case.order.ship_from
    return _fail("origin_matches", "weak", "origin", place=first.city, expected=origin.province or origin.city)


def moved(case: Case) -> Finding:
    """Between pickup and signature it was in another city, where the buyer lives in another than the merchant."""
    end = case.delivered
    if end is None or not addresses_apart(case.order.ship_from, case.order.ship_to):
        return UNKNOWN["moved"]
    if case.picked_up is not None and case.picked_up.at > end.at:
        return _moved_after(case.picked_up, end)
    if len(case.placed) < 2 or case.own[0] is end:
        return UNKNOWN["moved"]
    start, scans, unknown = case.placed[0][0], 0, False
    for place, scan in case.placed:
        if scan.at > end.at:
            break
        scans += 1
        apart = different_cities(start, place) if place != start else False
        if apart:
            return PASS["moved"]
        unknown = unknown or apart is None
    if unknown or scans < 2:
        return UNKNOWN["moved"]
    return _fail("moved", "weak", "movement", place=start, scans=scans)


def _moved_after(picked_up: Scan, end: Scan) -> Finding:
    """Picked up in one city after it was signed for in another: the journey does not lead to the signature."""
    if picked_up.city and end.city and different_cities(picked_up.city, end.city):
        evidence = {"what": "after", "place": end.city, "picked_up": picked_up.city}
        return Finding("moved", "fail", "weak", "movement", evidence)
    return UNKNOWN["moved"]


def not_returned(case: Case) -> Finding:
    """It was not refused, sent back, or called off."""
    if case.cancelled is not None:
        return _fail("not_returned", "fatal", "trace", what="cancelled", at=_at(case.cancelled.at))
    if case.back is None:
        return PASS["not_returned"] if case.own else UNKNOWN["not_returned"]
    back = case.back
    if case.journey is not None and case.delivered is not None:
        place, delivered_at = case.journey.end.city or "", _at(case.delivered.at)
        what = f"after_delivery_{case.journey.ended}"
        return _fail(
            "not_returned", "strong", "trace", what=what, at=_at(back.at), place=place, delivered_at=delivered_at
        )
    if case.back_unclear:
        return _fail("not_returned", "strong", "trace", what="unclear", at=_at(back.at))
    return _fail("not_returned", "fatal", "trace", what=back.stage, at=_at(back.at))
