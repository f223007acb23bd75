"""A parcel prepared for the rules: its scans in order, what they add up to, and how long the audit has waited."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from core.audit.facts import OrderFacts, ParcelFacts
from core.audit.places import agreement
from core.audit.policy import AuditPolicy
from core.audit.trace import PHYSICAL_STAGES, SILENT_ANSWERS, Trace, merge
from core.audit.waybills import carrier as known_carrier
from core.messages import Scan

_FORWARDED = ("转寄", "转投", "改寄", "更址", "redirected", "new address")
_NOTED = frozenset({"picked_up", "out_for_delivery", "locker", "delivered", "returning", "returned", "refused"})


class SecondJourney(NamedTuple):
    """The same number on its way again after it was delivered: its first and last scan, and where it ended."""

    start: Scan
    end: Scan
    ended: Literal["back", "elsewhere", "moving", "unclear"]


@dataclass(slots=True)
class Case:
    """All that the rules look at. Made by `lay_out`; rules read it and change nothing.

    `silent` are the providers that were asked and said nothing about the parcel; `traces` are what the others said.
    `run` are the scans of this use of the number, ascending; `older` counts those of a former use. `physical` are
    those of the run with the parcel in the carrier's hands. `own` are the physical ones that can be this order's:
    not from long before the payment, not from the future. What follows is about those: `placed` are their places and
    times; `attempt`, `locker` and `delivered` the first of their kind; `back` where it turned around, which may be the
    start of a second `journey` under the same number; `returned` whether any says that it is back.
    """

    order: OrderFacts
    parcel: ParcelFacts
    traces: Sequence[Trace]
    silent: frozenset[str]
    policy: AuditPolicy
    now: datetime
    carrier: str
    answered: bool
    run: list[Scan]
    older: int
    physical: list[Scan] = field(default_factory=list)
    own: list[Scan] = field(default_factory=list)
    placed: list[tuple[str, Scan]] = field(default_factory=list)
    label: Scan | None = None
    cancelled: Scan | None = None
    picked_up: Scan | None = None
    attempt: Scan | None = None
    locker: Scan | None = None
    delivered: Scan | None = None
    back: Scan | None = None
    back_unclear: bool = False
    returned: bool = False
    journey: SecondJourney | None = None

    @property
    def inland(self) -> str | None:
        """The country that the parcel does not leave; None if it crosses a border."""
        country = self.order.ship_from.country
        return country if country == self.order.ship_to.country else None

    def waited(self, start: datetime, end: datetime) -> timedelta:
        """Time between two moments without the closed days of the carrier's country; never negative."""
        waited = end - start
        if self.policy.closed_days and waited > timedelta():
            waited -= self._rested(start, end)
        return max(waited, timedelta())

    def detoured(self, place: str) -> bool:
        """Whether a place is a consolidation hub, or the parcel was forwarded on the buyer's wish."""
        if any(hub in place for hub in self.policy.hubs):
            return True
        return any(word in (scan.text or "").casefold() for scan in self.own for word in _FORWARDED)

    def _rested(self, start: datetime, end: datetime) -> timedelta:
        rested = timedelta()
        for closed in self.policy.closed_days:
            closes, opens = closed.span
            if closes < end and start < opens and closed.country == self._country():
                rested += min(end, opens) - max(start, closes)
        return rested

    def _country(self) -> str:
        carrier = known_carrier(self.carrier)
        return carrier.country if carrier is not None else self.order.ship_from.country


def lay_out(
    order: OrderFacts, parcel: ParcelFacts, traces: Sequence[Trace], policy: AuditPolicy, now: datetime
) -> Case:
    """The case for the rules. Answers that say nothing about the parcel are left out first."""
    speaking = [trace for trace in traces if trace.answer not in SILENT_ANSWERS]
    scans = merge(speaking)
    older = _older_use(scans, order, policy)
    case = Case(
        order=order,
        parcel=parcel,
        traces=speaking,
        silent=frozenset(trace.provider for trace in traces if trace.answer in SILENT_ANSWERS),
        policy=policy,
        now=now,
        carrier=_adopted(parcel, speaking),
        answered=bool(scans or parcel.no_trace) or any(trace.answer != "unknown_carrier" for trace in speaking),
        run=scans[older:] if older else scans,
        older=older,
    )
    _follow(case, _shifted(order.paid_at, -policy.early_weak), _shifted(now, policy.clock_skew))
    return case


def _shifted(moment: datetime, by: timedelta) -> datetime:
    """A moment earlier or later.

    At the ends of the calendar it stays itself, so that no input makes the audit raise.
    """
    try:
        return moment + by
    except OverflowError:
        return moment


def _adopted(parcel: ParcelFacts, traces: Sequence[Trace]) -> str:
    """The trace's carrier: the one the merchant named, unless a provider found the number only with another."""
    adopted = parcel.carrier
    for trace in traces:
        if not trace.scans:
            continue
        if trace.carrier == parcel.carrier:
            return parcel.carrier
        if adopted == parcel.carrier and known_carrier(trace.carrier) is not None:
            adopted = trace.carrier
    return adopted


def _older_use(scans: list[Scan], order: OrderFacts, policy: AuditPolicy) -> int:
    """How many of the first scans belong to a former use of the number: long silence, then a new life after payment."""
    if not scans or order.paid_at - scans[0].at <= policy.number_rests:
        return 0
    for index in range(len(scans) - 1, 0, -1):
        late, before = scans[index].at, scans[index - 1].at
        if order.paid_at - late > policy.early_unknown:
            return 0
        if late - before >= policy.number_rests and before < order.paid_at:
            return index
    return 0


def _follow(case: Case, earliest: datetime, latest: datetime) -> None:
    """Go through the scans once and note what they add up to."""
    physical, own, placed = case.physical, case.own, case.placed
    for scan in case.run:
        stage = scan.stage
        if stage not in PHYSICAL_STAGES:
            if stage == "label":
                case.label = case.label or scan
            else:
                case.cancelled = scan
            continue
        case.cancelled = None
        physical.append(scan)
        if earliest <= scan.at <= latest:
            own.append(scan)
            if scan.city:
                placed.append((scan.city, scan))
            if stage in _NOTED:
                _note(case, scan, stage)
    if case.delivered is not None and case.back is None:
        case.journey = _second_journey(case, case.delivered)
        case.back = case.journey.start if case.journey is not None else None


def _second_journey(case: Case, delivered: Scan) -> SecondJourney | None:
    """Find a second journey: carriers use the outbound number for the way back as well.

    The parcel is delivered, picked up there, and delivered where it came from. Two deliveries at the buyer's place
    (first to a locker, for example) make no second journey, nor do scans that were recorded late. It takes a new
    pickup, or a scan in another place.
    """
    later = [scan for scan in case.own if scan.at - delivered.at > case.policy.clock_skew]
    if not later or case.own[0].at >= delivered.at:
        return None
    start = next((scan for scan in later if scan.stage == "picked_up"), None)
    end = next((scan for scan in reversed(later) if scan.stage == "delivered"), later[-1])
    origin = agreement(case.order.ship_from, end.city or "").agrees
    to = agreement(case.order.ship_to, end.city or "").agrees
    if origin is True and to is not True:
        return SecondJourney(start or later[0], end, "back")
    if start is not None:
        if end.stage != "delivered" or end.at < start.at:
            return SecondJourney(start, later[-1], "moving")
        return SecondJourney(start, end, "elsewhere" if to is False else "unclear")
    if end.stage == "delivered":
        return SecondJourney(later[0], end, "elsewhere") if to is False else None
    # It travels again. Whether it goes back to the sender may be known only after the credit.
    away = next((s for s in later if agreement(case.order.ship_to, s.city or "").agrees is False), None)
    return SecondJourney(away, later[-1], "moving") if away is not None else None


def _note(case: Case, scan: Scan, stage: str) -> None:
    """Where the parcel ended: with the buyer, in a locker, or back with its sender."""
    if stage == "delivered":
        _note_delivery(case, scan)
    elif stage == "picked_up":
        case.picked_up = case.picked_up or scan
    elif stage == "locker":
        case.locker = case.locker or scan
    elif stage == "out_for_delivery":
        case.attempt = case.attempt or scan
        if case.back is not None and case.back.stage == "refused":
            case.back = None
    else:
        case.back = case.back if case.back is not None and case.back.stage != "refused" else scan
        case.back_unclear = False
        case.returned = case.returned or stage == "returned"


def _note_delivery(case: Case, scan: Scan) -> None:
    if case.back is None:
        case.delivered = case.delivered or scan
    elif not case.returned:
        # Signed after it turned around: by the buyer after all, or by the sender? Only a place decides.
        to = agreement(case.order.ship_to, scan.city or "")
        origin = agreement(case.order.ship_from, scan.city or "")
        if to.agrees and not origin.agrees:
            case.back, case.delivered = None, scan
        else:
            case.back_unclear = True
