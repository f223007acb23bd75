"""Shipment, corrections and scans: what the merchant and the carriers say about parcels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from core.aftersale.messages import ReportReplacement, ReportReturn
from core.audit.masking import mask
from core.audit.trace import PHYSICAL_STAGES
from core.audit.waybills import judge
from core.budgets import PARTS_MOST, SCANS_WEIGH
from core.fields import Message
from core.handover_messages import ReportDelivery
from core.messages import CorrectWaybill, LineQuantity, ParcelReport, ReportScan, ReportShipment, Scan, Stage
from core.order.cases import replacement_parcel_id, return_parcel_id
from core.order.handover import SENT, by_carrier, check_mode, follow_courier, next_parcel_id
from core.order.holds import REVIEW_OVERDUE
from core.order.late import late_parcels, note_late_scans
from core.order.state import OrderState
from core.parcels import AuditAttempt, Parcel, check_number, is_unchanged, normalised
from core.reasons import Refusal, refuse

ClaimingCommand = ReportShipment | CorrectWaybill | ReportReturn | ReportReplacement | ReportDelivery
"""Commands whose numbers the register must have claimed before they are accepted."""
PARCELS_MAX = 200
"""Parcels of an order. Each has an audit of its own, and the engine takes 2,000 at a time."""


_BACK: frozenset[Stage] = frozenset({"returning", "returned", "refused"})


class Claim(Message):
    """The register's answer to a waybill claim.

    `merged`: another order of the same buyer has the number, which is allowed.
    """

    parcel_id: str
    outcome: Literal["claimed", "merged", "in_use", "contested"]


class WaybillToClaim(Message):
    """One number that must be claimed in the register before its parcel is accepted."""

    parcel_id: str
    carrier: str
    waybill: str


def check_shipment(state: OrderState, command: ReportShipment) -> Refusal | None:
    """Whether these parcels fit what is left of the order."""
    if (refusal := check_mode(state, "express", "local")) is not None:
        return refusal
    if state.phase == "credited":
        return refuse("already_shipped")
    if state.phase in {"opening", "screening_held"}:
        return refuse("not_released", "Its goods are not screened yet.")
    left = state.left_to_ship()
    if not left:
        return refuse("nothing_left_to_ship")
    if len(state.parcels) + len(command.parcels) > PARCELS_MAX:
        return refuse("too_many_parcels", f"At most {PARCELS_MAX}.", field="parcels")
    parts = sum(len(parcel.lines) for parcel in state.parcels) + sum(len(r.lines or ()) for r in command.parcels)
    if parts > PARTS_MOST:
        hint = f"At most {PARTS_MOST} lines over all parcels; one without `lines` takes all that is left."
        return refuse("too_many_parcels", hint, field="parcels")
    known = {line.line_id for line in state.lines}
    seen: set[str] = set()
    for index, report in enumerate(command.parcels):
        field = f"parcels.{index}."
        if report.parcel_id in seen or _is_named(state, report.parcel_id):
            return refuse("parcel_exists", report.parcel_id, field=f"{field}parcel_id")
        seen.add(report.parcel_id)
        refusal = check_number(report.carrier, report.carrier_name, report.waybill, field)
        refusal = refusal or _take(report, left, known, field)
        if refusal is not None:
            return refusal
    return None


def _is_named(state: OrderState, parcel_id: str) -> bool:
    """Whether a parcel has this name, those of cases included."""
    parcels = (*state.parcels, *state.case_parcels)
    return any(parcel.parcel_id == parcel_id for parcel in parcels)


def _take(report: ParcelReport, left: dict[str, int], known: set[str], field: str) -> Refusal | None:
    """Take a parcel's units out of `left`, or return the refusal."""
    if report.lines is None:
        if not left:
            return refuse("nothing_left_to_ship", field=f"{field}lines")
        left.clear()
        return None
    if not report.lines:
        return refuse("unknown_line", "A parcel needs at least one line, or null for all.", field=f"{field}lines")
    for part in report.lines:
        if part.line_id not in known:
            return refuse("unknown_line", f"Known: {', '.join(sorted(known))}.", field=f"{field}lines")
        if part.quantity > left.get(part.line_id, 0):
            return refuse(
                "quantity_too_large",
                f"Line {part.line_id}: {left.get(part.line_id, 0)} left, {part.quantity} reported.",
                field=f"{field}lines",
            )
        left[part.line_id] -= part.quantity
        if not left[part.line_id]:
            del left[part.line_id]
    return None


def _note_package(state: OrderState, parcel: Parcel, typed: str, now: datetime) -> OrderState:
    """Notify the merchant where a package number from a label was read as its waybill."""
    changes = [change for change in judge(parcel.carrier, typed).changes if change.startswith("package")]
    if not changes:
        return state
    facts = {"parcel_id": parcel.parcel_id, "typed": typed, "waybill": parcel.waybill, "changes": changes[0]}
    return state.with_notice("merchant", "waybill_read_from_package", now, **facts)


def to_claim(state: OrderState, command: ClaimingCommand) -> tuple[WaybillToClaim, ...]:
    """The numbers of a command that must be claimed before it is accepted."""
    if isinstance(command, ReportReturn | ReportReplacement):
        name = return_parcel_id(state) if isinstance(command, ReportReturn) else replacement_parcel_id(state)
        number = normalised(command.carrier, command.waybill)
        return (WaybillToClaim(parcel_id=name, carrier=command.carrier, waybill=number),)
    if isinstance(command, ReportDelivery):
        return (WaybillToClaim(parcel_id=next_parcel_id(state), carrier=SENT, waybill=command.sha256),)
    reports = command.parcels if isinstance(command, ReportShipment) else (command,)
    return tuple(
        WaybillToClaim(
            parcel_id=report.parcel_id,
            carrier=report.carrier,
            waybill=normalised(report.carrier, report.waybill),
        )
        for report in reports
    )


def check_claims(claims: Sequence[Claim]) -> Refusal | None:
    """A number that this merchant used for another buyer or address is refused.

    Another merchant's claim is not a refusal.
    """
    taken = next((claim for claim in claims if claim.outcome == "in_use"), None)
    return refuse("waybill_in_use", f"Parcel {taken.parcel_id}.", field="waybill") if taken else None


def ship(state: OrderState, command: ReportShipment, now: datetime) -> OrderState:
    """The parcels join the order, the buyer gets a notice, and the audits begin."""
    for report in command.parcels:
        left = state.left_to_ship()
        lines = report.lines or tuple(LineQuantity(line_id=k, quantity=v) for k, v in left.items())
        parcel = Parcel(
            parcel_id=report.parcel_id,
            carrier=report.carrier,
            carrier_name=report.carrier_name,
            waybill=normalised(report.carrier, report.waybill),
            lines=lines,
            weight_g=report.weight_g,
            uploaded_at=now,
            audit_since=now,
        )
        state = state.changed(parcels=(*state.parcels, parcel), phase="shipped")
        state = state.with_notice(
            "buyer", "shipped", now, parcel_id=parcel.parcel_id, carrier=parcel.carrier, waybill=parcel.waybill
        )
        state = _note_package(state, parcel, report.waybill, now)
    return state.changed(shipped_at=now) if state.fully_shipped else state


def check_correction(state: OrderState, command: CorrectWaybill) -> Refusal | None:
    """Whether this parcel's number may still be corrected."""
    if (refusal := check_mode(state, "express", "local")) is not None:
        return refusal
    parcel = state.parcel(command.parcel_id)
    if parcel is None or not parcel.live:
        return refuse("unknown_parcel", field="parcel_id")
    if not command.reason:
        return refuse("reason_missing", field="reason")
    if parcel.audit == "approved" or state.phase == "credited":
        return refuse("parcel_approved")
    if parcel.corrections >= state.policy.order.corrections_max:
        return refuse("too_many_corrections", f"At most {state.policy.order.corrections_max}.")
    refusal = check_number(command.carrier, command.carrier_name, command.waybill, "")
    if refusal is None and is_unchanged(parcel, command.carrier, command.carrier_name, command.waybill):
        return refuse("same_waybill", "To have a rejection looked at again: appeal_audit.", field="waybill")
    return refusal


def correct(state: OrderState, command: CorrectWaybill, now: datetime) -> OrderState:
    """The old number stays in the record, a new audit attempt begins."""
    parcel = state.parcel(command.parcel_id)
    assert parcel is not None
    corrected = parcel.changed(
        attempts=(*parcel.attempts, closed_attempt(parcel, now, command.reason)),
        carrier=command.carrier,
        carrier_name=command.carrier_name,
        waybill=normalised(command.carrier, command.waybill),
        uploaded_at=now,
        audit="collecting",
        audit_since=now,
        verdict=None,
        pushed=(),
        pushed_physical_at=None,
        pushed_due=None,
        looked_at=None,
        delivered_known_at=None,
        corrections=parcel.corrections + 1,
        correction_left=None,
        findings_of_review=(),
        evidence_of_review={},
        pickup_again_at=None,
        pickup_again_moved=timedelta(),
    )
    state = state.with_parcel(corrected).without_hold(REVIEW_OVERDUE, parcel.parcel_id)
    # A released number may be used again: it is claimed again, and can be released again.
    again = claim_key(parcel.parcel_id, corrected.carrier, corrected.waybill)
    released = tuple(key for key in state.claims_released if key != again)
    state = state.changed(claims_released=released)
    state = _note_package(state, corrected, command.waybill, now)
    return state.with_notice("buyer", "waybill_corrected", now, parcel_id=parcel.parcel_id, waybill=corrected.waybill)


def claim_key(parcel_id: str, carrier_id: str, waybill: str) -> str:
    """The claim of a number as `claims_released` remembers it."""
    return f"{parcel_id}:{carrier_id}:{waybill}"


def closed_attempt(parcel: Parcel, now: datetime, reason: str | None) -> AuditAttempt:
    """The record of the number a parcel had until now."""
    return AuditAttempt(
        carrier=parcel.carrier,
        waybill=parcel.waybill,
        claimed_at=parcel.uploaded_at,
        replaced_at=now,
        reason=reason,
        outcome=parcel.audit,
        reasons=parcel.verdict.reasons if parcel.verdict else (),
    )


def check_scan(state: OrderState, command: ReportScan) -> Refusal | None:
    """Whether this number is one of the order's."""
    known = _scanned(command, _awaited(state)) or _scanned(command, late_parcels(state))
    return None if known else refuse("unknown_parcel", field="waybill")


def _awaited(state: OrderState) -> tuple[Parcel, ...]:
    """Parcels that something still waits for; the order's own only until the credit."""
    if state.over and state.phase != "settled":
        return ()
    own = state.awaited_by_case
    return own if state.credited_at is not None else (*state.live_parcels, *own)


def _scanned(command: ReportScan, parcels: Sequence[Parcel]) -> tuple[Parcel, ...]:
    """Those of the parcels that have the scanned number."""
    number = normalised(command.carrier, command.waybill)
    return tuple(
        parcel
        for parcel in parcels
        if parcel.waybill == number
        and (parcel.carrier == command.carrier or "other" in (parcel.carrier, command.carrier))
    )


def new_scans(state: OrderState, parcel: Parcel, scans: Sequence[Scan]) -> tuple[Scan, ...]:
    """Scans not seen before, as many as may still be kept. The same (time, code) is the same scan."""
    seen = {(scan.at, scan.code) for scan in parcel.pushed}
    fresh = []
    for scan in scans:
        if (scan.at, scan.code) not in seen:
            seen.add((scan.at, scan.code))
            fresh.append(scan)
    return tuple(fresh)


def append_scans(state: OrderState, command: ReportScan, now: datetime) -> OrderState:
    """The scans are added to the parcel's.

    They are judged, and the audit reopens if the parcel comes back before the credit.
    """
    awaited = _scanned(command, _awaited(state))
    for parcel in awaited or _scanned(command, late_parcels(state)):
        fresh = new_scans(state, parcel, command.scans)
        kept = _with_room(state, [_masked(scan) for scan in fresh])
        state = state.changed(
            scans_kept=state.scans_kept + len(kept), scans_dropped=state.scans_dropped + len(fresh) - len(kept)
        )
        if not kept:
            continue
        if not awaited:
            state = note_late_scans(state, parcel, kept, now)
            continue
        of_case = parcel in state.awaited_by_case
        since = parcel.uploaded_at if of_case else state.order.payment.paid_at
        physical = parcel.pushed_physical_at or _first_physical(state, kept, since, now)
        changed = parcel.changed(pushed=(*parcel.pushed, *kept), pushed_physical_at=physical)
        if of_case:
            state = state.with_awaited_by_case(changed)
            continue
        if (
            by_carrier(state)
            and _may_come_back(parcel, kept)
            and parcel.audit == "approved"
            and state.phase == "shipped"
            and not state.crediting
        ):
            changed = changed.changed(audit="collecting", audit_since=now)
        if by_carrier(state):
            state = state.with_parcel(changed.changed(pushed_due="judge"))
        else:
            state = follow_courier(state.with_parcel(changed), parcel.parcel_id, kept, now)
    return state


def _may_come_back(parcel: Parcel, scans: Sequence[Scan]) -> bool:
    """Whether new scans may show a return, also under the same number after its delivery."""
    delivered_at = parcel.delivered_at
    return any(
        scan.stage in _BACK or (delivered_at is not None and scan.at > delivered_at and scan.stage in PHYSICAL_STAGES)
        for scan in scans
    )


def _with_room(state: OrderState, scans: Sequence[Scan]) -> tuple[Scan, ...]:
    """As many of these scans, from the first, as may still be kept."""
    scans = scans[: max(0, state.policy.order.scans_max - state.scans_kept)]
    if not scans:
        return ()
    parcels = (*state.parcels, *state.case_parcels)
    left = SCANS_WEIGH - sum(_weight(scan) for parcel in parcels for scan in parcel.pushed)
    kept = []
    for scan in scans:
        left -= _weight(scan)
        if left < 0:
            break
        kept.append(scan)
    return tuple(kept)


def _weight(scan: Scan) -> int:
    """The approximate size of a scan as JSON. Characters that must be escaped count twice."""
    return 110 + sum(len(json.dumps(text, ensure_ascii=False).encode()) - 2 for text in _texts(scan) if text)


def _texts(scan: Scan) -> tuple[str | None, ...]:
    return scan.code, scan.city, scan.text


def _masked(scan: Scan) -> Scan:
    """The scan without personal data: the sender may not have masked its text."""
    return scan.model_copy(update={name: mask(text) for name in ("city", "text") if (text := getattr(scan, name))})


def _first_physical(state: OrderState, scans: Sequence[Scan], since: datetime, now: datetime) -> datetime | None:
    """The first scan that shows this order's parcel with a carrier; the audit's own limits say which cannot be its."""
    limits = state.policy
    earliest, latest = since - limits.early_weak, now + limits.clock_skew
    return min(
        (scan.at for scan in scans if scan.stage in PHYSICAL_STAGES and earliest <= scan.at <= latest), default=None
    )
