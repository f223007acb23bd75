"""Orders that no carrier takes along: brought by a courier of the city, collected by the buyer, or sent as data.

No tracking provider knows of them, so no audit polls one. What proves the delivery is the buyer's own code, the buyer's
confirmation, a courier's scan at the buyer's place, or for data the hash of what was sent, which the register lets
no one uses for two buyers. Each of these makes the parcel's verdict, and from there on the order is like any other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from core.audit.findings import Finding
from core.audit.places import agreement
from core.audit.verdict import Verdict
from core.command import LineQuantity
from core.handover_messages import ConfirmHandover, ReportDelivery, ReportReady
from core.messages import Scan
from core.order.auditing import approve, send_to_review
from core.order.state import OrderState, Receipt
from core.order.units import refuse_unknown_line, units_of
from core.parcels import Parcel
from core.reasons import Refusal, refuse

COLLECTED, SENT = "pickup", "virtual"
"""What stands for the carrier in a parcel that the buyer collects, and in one that is data."""
RULES = "handover"
"""Names these rules in a verdict, as a version names the audit's."""


def by_carrier(state: OrderState) -> bool:
    """Whether tracking providers know of its parcels."""
    return state.order.delivery_mode == "express"


def check_mode(state: OrderState, *modes: str) -> Refusal | None:
    """Whether the order is delivered in a way to which a command belongs."""
    mode = state.order.delivery_mode
    return None if mode in modes else refuse("wrong_delivery_mode", f"Its delivery mode is {mode}.")


def hash_of_code(order_id: str, code: str) -> str:
    """What the order has in place of the buyer's code."""
    return hashlib.sha256(f"{order_id}:{code}".encode()).hexdigest()


# --- reported by the merchant ----------------------------------------------------------------------------


def _check_report(state: OrderState, mode: str) -> Refusal | None:
    if (refusal := check_mode(state, mode)) is not None:
        return refusal
    if state.phase == "credited":
        return refuse("already_shipped")
    if state.phase in {"opening", "screening_held"}:
        return refuse("not_released", "Its goods are not screened yet.")
    return refuse("nothing_left_to_ship") if not state.left_to_ship() else None


def check_ready(state: OrderState, command: ReportReady) -> Refusal | None:
    """Whether there is something left for the buyer to collect."""
    return _check_report(state, COLLECTED)


def ready(state: OrderState, command: ReportReady, now: datetime) -> OrderState:
    """All that is left waits for the buyer, who is notified until when."""
    parcel = _parcel(state, COLLECTED, state.order.order_id, state.left_to_ship(), now)
    state = _handed(state, parcel, now)
    collect_by = now + state.policy.order.collect_within
    place = command.place or ""
    return state.with_notice("buyer", "ready_to_collect", now, place=place, collect_by=collect_by.isoformat())


def check_delivery(state: OrderState, command: ReportDelivery) -> Refusal | None:
    """Whether these units are left, and were not sent under the same hash before."""
    if (refusal := _check_report(state, SENT)) is not None:
        return refusal
    if any(parcel.waybill == command.sha256 for parcel in state.live_parcels):
        return refuse("evidence_used", field="sha256")
    left = state.left_to_ship()
    for line_id, quantity in units_of(command.lines).items():
        if (refusal := refuse_unknown_line(state, line_id)) is not None:
            return refusal
        if quantity > left.get(line_id, 0):
            hint = f"Line {line_id}: {left.get(line_id, 0)} left, {quantity} reported."
            return refuse("quantity_too_large", hint, field="lines")
    return None


def sent(state: OrderState, command: ReportDelivery, now: datetime) -> OrderState:
    """The evidence stands for the delivery, and the buyer has the receipt's time to object."""
    parcel = _parcel(state, SENT, command.sha256, units_of(command.lines) or state.left_to_ship(), now)
    state = _handed(state, parcel.changed(carrier_name=command.reference), now)
    state = state.with_notice("buyer", "sent", now, parcel_id=parcel.parcel_id, reference=command.reference)
    return prove(state, parcel.parcel_id, now)


def next_parcel_id(state: OrderState) -> str:
    """What the next parcel is called that its merchant does not name."""
    return f"{state.order.delivery_mode}-{len(state.parcels) + 1}"


def _parcel(state: OrderState, carrier: str, number: str, units: dict[str, int], now: datetime) -> Parcel:
    lines = tuple(LineQuantity(line_id=line_id, quantity=quantity) for line_id, quantity in units.items())
    parcel_id = next_parcel_id(state)
    return Parcel(parcel_id=parcel_id, carrier=carrier, waybill=number, lines=lines, uploaded_at=now, audit_since=now)


def _handed(state: OrderState, parcel: Parcel, now: datetime) -> OrderState:
    state = state.changed(parcels=(*state.parcels, parcel), phase="shipped")
    return state.changed(shipped_at=now) if state.fully_shipped else state


# --- proved ----------------------------------------------------------------------------------------------


def check_handover(state: OrderState, command: ConfirmHandover) -> Refusal | None:
    """Whether a parcel waits for its code, and tries are left."""
    if (refusal := check_mode(state, "local", COLLECTED)) is not None:
        return refusal
    if state.order.handover_hash is None:
        return refuse("no_handover_code")
    if state.phase == "credited" or state.receipt.status == "confirmed":
        return refuse("already_confirmed")
    if not _waiting(state):
        return refuse("nothing_shipped")
    most = state.policy.order.handover_tries
    return refuse("handover_tries_used_up", f"At most {most}.") if state.handover_tries >= most else None


def _waiting(state: OrderState) -> tuple[Parcel, ...]:
    return tuple(parcel for parcel in state.live_parcels if parcel.delivered_at is None)


def confirm_handover(state: OrderState, command: ConfirmHandover, now: datetime) -> OrderState:
    """The right code proves what waits; where the buyer collects, it is the receipt, too. A wrong one is a try.

    A wrong code is no refusal: a refused update leaves nothing behind, and a thief could try for as long as it takes.
    """
    if hash_of_code(state.order.order_id, command.code) != state.order.handover_hash:
        state = state.changed(handover_tries=state.handover_tries + 1)
        left = str(state.policy.order.handover_tries - state.handover_tries)
        state = state.with_notice("merchant", "handover_code_wrong", now, tries_left=left)
        return state.with_notice("buyer", "handover_code_wrong", now, tries_left=left)
    for parcel in _waiting(state):
        state = prove(state, parcel.parcel_id, now)
    if state.order.delivery_mode == COLLECTED and state.fully_shipped:
        receipt = Receipt(status="confirmed", by="code", at=now, extensions=state.receipt.extensions)
        return state.changed(receipt=receipt).with_notice("merchant", "receipt_confirmed", now, by="code")
    return state


def prove(state: OrderState, parcel_id: str, now: datetime) -> OrderState:
    """The parcel is with the buyer, and its logistics information is true."""
    parcel = state.parcel(parcel_id)
    assert parcel is not None
    verdict = replace(_verdict(state, parcel, now), delivered_at=now)
    parcel = parcel.changed(verdict=verdict, delivered_known_at=parcel.delivered_known_at or now)
    return approve(state.with_parcel(parcel), parcel, now)


def _verdict(state: OrderState, parcel: Parcel, now: datetime) -> Verdict:
    return Verdict(
        outcome="approved",
        reasons=(),
        findings=(),
        carrier=parcel.carrier,
        policy=state.policy.name,
        rule_set=RULES,
        judged_at=now,
        carrier_answered=True,
        first_physical_at=now,
        last_scan_at=now,
    )


def follow_confirmation(state: OrderState, now: datetime) -> OrderState:
    """The buyer's own word proves what no carrier was asked about."""
    if by_carrier(state) or not state.receipt.in_person:
        return state
    for parcel in state.live_parcels:
        state = prove(state, parcel.parcel_id, now) if parcel.audit == "collecting" else state
    return state


def follow_courier(state: OrderState, parcel_id: str, scans: Sequence[Scan], now: datetime) -> OrderState:
    """What a courier's scans say of a parcel in the city: delivered at the buyer's place, elsewhere, or coming back."""
    for scan in sorted(scans, key=lambda scan: scan.at):
        parcel = state.parcel(parcel_id)
        assert parcel is not None
        if not parcel.live or state.phase != "shipped" or state.crediting or scan.at > now + state.policy.clock_skew:
            continue
        if scan.stage in {"returned", "returning", "refused"}:
            state = _came_back(state, parcel, scan, now)
        elif scan.stage == "delivered" and parcel.delivered_at is None:
            state = _delivered(state, parcel, scan, now)
    return state


def _delivered(state: OrderState, parcel: Parcel, scan: Scan, now: datetime) -> OrderState:
    ship_to = state.order.ship_to
    if agreement(ship_to, scan.city or "").agrees is not False:
        return prove(state, parcel.parcel_id, now) if parcel.audit == "collecting" else state
    expected = ", ".join(filter(None, (ship_to.province, ship_to.city)))
    evidence = {"place": scan.city, "expected": expected}
    return _doubt(state, parcel, Finding("destination_matches", "fail", "strong", "destination", evidence), now)


def _came_back(state: OrderState, parcel: Parcel, scan: Scan, now: datetime) -> OrderState:
    """Goods that come back before the credit are no delivery, also if one was proved before."""
    finding = Finding("not_returned", "fail", "fatal", evidence={"what": "returned", "at": scan.at.isoformat()})
    return _doubt(state, parcel, finding, now, returned_at=scan.at)


def _doubt(
    state: OrderState, parcel: Parcel, finding: Finding, now: datetime, returned_at: datetime | None = None
) -> OrderState:
    if parcel.audit not in {"collecting", "approved"}:
        return state
    verdict = replace(
        _verdict(state, parcel, now),
        outcome="needs_review",
        reasons=(finding.rule,),
        findings=(finding,),
        returned_at=returned_at,
    )
    parcel = parcel.changed(verdict=verdict)
    return send_to_review(state.with_parcel(parcel), parcel, (finding.rule,), now)
