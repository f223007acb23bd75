"""A parcel laid out for the rules: its scans in order, what they add up to, and how long was waited."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from core.audit.facts import OrderFacts, ParcelFacts
from core.audit.places import agreement
from core.audit.policy import AuditPolicy
from core.audit.trace import PHYSICAL_STAGES, SILENT_ANSWERS, Trace, merge
from core.audit.waybills import carrier as known_carrier
from core.messages import Scan

_BACK = frozenset({"returning", "returned", "refused"})
_DAY = timedelta(days=1)


@dataclass(slots=True)
class Case:
    """All that the rules look at. Made by `lay_out`; rules read it and change nothing.

    `run` are the scans of this use of the number, ascending; `older` counts those of a former use. `physical` are
    those of the run with the parcel in the carrier's hands. `own` are the physical ones that can be this order's:
    not from long before the payment, not from the future; the milestones come from them.
    """

    order: OrderFacts
    parcel: ParcelFacts
    traces: Sequence[Trace]
    policy: AuditPolicy
    now: datetime
    carrier: str
    run: list[Scan]
    older: int
    physical: list[Scan]
    own: list[Scan]
    delivered: Scan | None = None
    back: Scan | None = None
    back_unclear: bool = False
    cancelled: Scan | None = None
    answered: bool = False

    def waited(self, start: datetime, end: datetime) -> timedelta:
        """Time between two moments without the closed days of the carrier's country; never negative."""
        waited = end - start
        if self.policy.closed_days and waited > timedelta():
            waited -= self._rested(start, end)
        return max(waited, timedelta())

    def _rested(self, start: datetime, end: datetime) -> timedelta:
        carrier = known_carrier(self.carrier)
        country = carrier.country if carrier is not None else self.order.ship_from.country
        rested = timedelta()
        for closed in self.policy.closed_days:
            if closed.country == country:
                opens = datetime(closed.last.year, closed.last.month, closed.last.day, tzinfo=UTC) + _DAY
                closes = datetime(closed.first.year, closed.first.month, closed.first.day, tzinfo=UTC)
                first, last = max(start, closes - closed.utc_offset), min(end, opens - closed.utc_offset)
                rested += max(last - first, timedelta())
        return rested


def lay_out(
    order: OrderFacts, parcel: ParcelFacts, traces: Sequence[Trace], policy: AuditPolicy, now: datetime
) -> Case:
    """The case for the rules. Answers that say nothing about the parcel are left out before anything else."""
    telling = [trace for trace in traces if trace.answer not in SILENT_ANSWERS]
    scans = merge(telling)
    older = _older_use(scans, order, policy)
    run = scans[older:] if older else scans
    physical = [scan for scan in run if scan.stage in PHYSICAL_STAGES]
    skew = policy.clock_skew
    early = policy.early_weak
    own = [s for s in physical if order.paid_at - s.at <= early and s.at - now <= skew]
    case = Case(
        order=order,
        parcel=parcel,
        traces=telling,
        policy=policy,
        now=now,
        carrier=_adopted(parcel, telling),
        run=run,
        older=older,
        physical=physical,
        own=own,
        answered=any(trace.answer != "unknown_carrier" for trace in telling) or bool(parcel.no_trace),
    )
    _follow(case)
    return case


def _adopted(parcel: ParcelFacts, traces: Sequence[Trace]) -> str:
    """The carrier whose trace it is: the merchant's word, unless a provider found the number elsewhere only."""
    found = [trace.carrier for trace in traces if trace.scans]
    if not found or parcel.carrier in found:
        return parcel.carrier
    return next((carrier for carrier in found if known_carrier(carrier) is not None), parcel.carrier)


def _older_use(scans: list[Scan], order: OrderFacts, policy: AuditPolicy) -> int:
    """How many of the first scans belong to a former use of the number: long silence, then a new life after payment."""
    if not scans or order.paid_at - scans[0].at <= policy.number_rests:
        return 0
    for index in range(len(scans) - 1, 0, -1):
        late = scans[index].at
        if order.paid_at - late > policy.early_unknown:
            return 0
        if late - scans[index - 1].at >= policy.number_rests and scans[index - 1].at < order.paid_at:
            return index
    return 0


def _follow(case: Case) -> None:
    """Walk the scans and note where the parcel ended: with the buyer, on its way back, called off."""
    for scan in case.run:
        if scan.stage == "cancelled":
            case.cancelled = scan
        elif scan.stage in PHYSICAL_STAGES:
            case.cancelled = None
    for scan in case.own:
        stage = scan.stage
        if stage in _BACK:
            case.back = case.back if case.back is not None and case.back.stage != "refused" else scan
            case.back_unclear = False
        elif stage == "out_for_delivery" and case.back is not None and case.back.stage == "refused":
            case.back = None
        elif stage == "delivered":
            _follow_delivery(case, scan)


def _follow_delivery(case: Case, scan: Scan) -> None:
    if case.back is None:
        case.delivered = case.delivered or scan
    elif not _signed_back(case):
        # Signed after it turned around: by the buyer after all, or by the sender? Only a place can tell.
        to = agreement(case.order.ship_to, scan.city or "")
        origin = agreement(case.order.ship_from, scan.city or "")
        if to.agrees and not origin.agrees:
            case.back, case.delivered = None, scan
        else:
            case.back_unclear = True


def _signed_back(case: Case) -> bool:
    return any(scan.stage == "returned" for scan in case.own)
