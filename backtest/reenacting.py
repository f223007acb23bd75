"""One past order, its carrier and its people, lived through the pure core turn by turn.

A turn is a wake at a deadline, a look or a decision, or one event of the record. Everything that a life keeps is
replaced and never changed in place, so a copy of it is another life that goes its own way from there.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal, NamedTuple

from backtest.building import CARRIER, return_waybill_of, sends_back, waybill_of
from backtest.past import PastOrder
from backtest.quick import QuickState, constructed
from backtest.timeline import Event
from core.aftersale.messages import AgreeAfterSale, Arbitrate, ConfirmReturn, OpenAfterSale, ReportReturn
from core.audit.facts import NoTrace, OrderFacts, ParcelFacts
from core.audit.policy import AuditPolicy
from core.audit.trace import Trace
from core.audit.verdict import Verdict, audit, remember
from core.messages import (
    Actor,
    Address,
    CancelOrder,
    Command,
    ConfirmReceipt,
    DecideAudit,
    Order,
    ParcelReport,
    ReportShipment,
    Scan,
)
from core.order.auditing import facts_of, facts_of_case_parcel
from core.order.bookings import Booking, credit_due, movement_for, refund_due, settle_due
from core.order.commands import receive
from core.order.deadlines import wake_at
from core.order.opening import Screening, apply_screening, begin
from core.order.passing import due_looks, pass_deadlines
from core.order.shipping import Claim
from core.order.state import OrderState
from core.order.steps import Look, finish, finish_posting
from core.order.watches import (
    RefundOutcome,
    apply_audit,
    apply_refund_outcome,
    audit_watches,
    refund_watches,
    tracked_parcel,
)
from core.parcels import Parcel
from core.policy import OrderPolicy

PARCEL = "p1"
MOST_TURNS = 600
"""Events and deadlines of one order; none in the record has a tenth of them."""
ALLOWED = Screening(verdict="allow")
ARRIVED = RefundOutcome(state="arrived")
CLAIMED: dict[type[Command], tuple[Claim, ...]] = {
    kind: (Claim(parcel_id=parcel_id, outcome="claimed"),)
    for kind, parcel_id in ((ReportShipment, PARCEL), (ReportReturn, "return-1"))
}
STAGES: dict[str, Literal["picked_up", "delivered"]] = {
    "picked_up": "picked_up",
    "delivered": "delivered",
    "back_picked_up": "picked_up",
    "back_delivered": "delivered",
}


EVER, NO_ONE = datetime.min.replace(tzinfo=UTC), Actor(role="buyer", id="x")
"""What each copy replaces."""


class Seen(NamedTuple):
    """What the carrier knows of a number, and what the looks at it brought."""

    scans: tuple[Scan, ...] = ()
    silences: tuple[NoTrace, ...] = ()
    looks: int = 0


class Enactment:
    """One order under one policy, from its payment on.

    Args:
        quick: keep neither journal, notices nor the findings of service rules; nothing decides by them.
    """

    def __init__(
        self,
        past: PastOrder,
        order: Order,
        events: tuple[Event, ...],
        policy: OrderPolicy,
        judged_by: AuditPolicy,
        *,
        quick: bool,
    ) -> None:
        self.past, self.judged_by, self._quick = past, judged_by, quick
        self.now = order.payment.paid_at
        self.events = events
        self.reviewed = False
        self.asked_at: datetime | None = None
        self.refunded_at: datetime | None = None
        self._seen: dict[str, Seen] = {}
        self._look_at: datetime | None = None
        self._facts: tuple[bool, OrderFacts] | None = None
        state = begin(order, policy, self.now)
        self.state: OrderState = QuickState.of(state) if quick else state
        self._book(Booking("fund"))
        self.state = apply_screening(self.state, ALLOWED, self.now)

    def under(self, policy: OrderPolicy, judged_by: AuditPolicy) -> None:
        """Go on under this policy."""
        self.state, self.judged_by = self.state.changed(policy=policy), judged_by

    # --- time --------------------------------------------------------------------------------------------

    def turn(self) -> bool:
        """The next wake or event; False once nothing more can happen."""
        at = self.state.order.payment.paid_at + self.events[0].after if self.events else None
        due = min(self._wakes(), default=None) if not self._is_done else None
        if due is not None and (at is None or due <= at):
            self.now = max(self.now, due)
            self._act()
        elif at is not None:
            event, self.events = self.events[0], self.events[1:]
            self.now = max(self.now, at)
            self._happens(event)
        else:
            return False
        return True

    @property
    def _is_done(self) -> bool:
        """Nothing can happen by itself: it is over, or only the settlement is left, whose time is known."""
        state = self.state
        if state.open_case is not None:
            return False
        return state.over or (state.credited_at is not None and not self.events and state.paused_since is None)

    def _wakes(self) -> Iterator[datetime]:
        state = self.state
        if (deadline := wake_at(state, self.now)) is not None:
            yield deadline.at
        for parcel in state.live_parcels:
            if parcel.audit == "in_review" and not _decided(parcel):
                yield parcel.audit_since + state.policy.order.review_sla
        if self._look_at is not None:
            yield self._look_at

    def _act(self) -> None:
        """What is due now: a person's decision, a look, then deadlines and money."""
        state = self.state
        for parcel in state.live_parcels:
            waits = parcel.audit == "in_review" and not _decided(parcel)
            if waits and parcel.audit_since + state.policy.order.review_sla <= self.now:
                verdict = "approved" if self.past.delivered_at else "rejected"
                self._send(DecideAudit, "reviewer", "r-1", verdict=verdict, reason="as the record says")
        case = state.open_case
        if case is not None and case.due is not None and case.due.name == "decide_by" and case.due.at <= self.now:
            self._send(Arbitrate, "reviewer", "r-1", decision="all", reason="as the record says")
        if self._look_at is not None and self._look_at <= self.now:
            self._audit()
        self._settle()

    def _settle(self) -> None:
        """Pass deadlines, ask the carrier where one needs it, and book what is due, until the order only waits."""
        while True:
            state = self.state = pass_deadlines(self.state, self.now)
            if state.refunds and (booking := refund_due(state)) is not None:
                self._book(booking)
                if booking.kind == "refund":
                    self.refunded_at = self.now
                    for watch in refund_watches(self.state):
                        self.state = apply_refund_outcome(self.state, watch, ARRIVED, self.now)
            elif looks := due_looks(state, self.now):
                look = Look(parcel_id=looks[0].parcel_id, waybill=looks[0].waybill)
                self.state = finish(state, look, self._verdict(looks[0]), self.now)
            elif credit_due(state):
                self._book(Booking("credit"))
            elif settle_due(state, self.now):
                self._book(Booking("settle"))
            else:
                self.reviewed = self.reviewed or any(parcel.audit == "in_review" for parcel in state.live_parcels)
                return

    def _book(self, booking: Booking) -> None:
        self.state = finish_posting(self.state, movement_for(self.state, booking, self.now))

    # --- what happens ------------------------------------------------------------------------------------

    def _happens(self, event: Event) -> None:
        order, what = self.state.order, event.what
        if what in STAGES:
            self._scan(what)
        elif what == "upload":
            parcels = (ParcelReport(parcel_id=PARCEL, carrier=CARRIER, waybill=waybill_of(order.order_id)),)
            self._send(ReportShipment, "merchant", order.merchant_id, parcels=parcels)
        elif what == "cancel":
            self.asked_at = self.now
            self._send(CancelOrder, "buyer", order.buyer_id, reason="canceled, says the record")
        elif what == "confirm":
            self._send(ConfirmReceipt, "buyer", order.buyer_id)
        else:
            self._after_sale(what)
        self._audit()
        self._settle()

    def _after_sale(self, what: str) -> None:
        """What buyer and merchant do about a case."""
        order, arrived = self.state.order, self.past.delivered_at is not None
        if what == "complain":
            self.asked_at = self.now
            kind = "return_and_refund" if arrived and sends_back(order.order_id) else "refund_only"
            reason = "quality" if arrived else "not_received"
            self._send(OpenAfterSale, "buyer", order.buyer_id, kind=kind, reason=reason, text="says the record")
        elif what == "agree":
            self._send(AgreeAfterSale, "merchant", order.merchant_id)
        elif what == "send_back":
            number = return_waybill_of(order.order_id)
            self._send(ReportReturn, "buyer", order.buyer_id, carrier=CARRIER, waybill=number)
        else:
            self._send(ConfirmReturn, "merchant", order.merchant_id)

    def _send(self, sent: type[Command], role: Any, who: str, **fields: Any) -> None:
        command_id, actor = f"{sent.verb}-{self.now.isoformat()}", Actor(role=role, id=who)
        command = constructed(_blank(sent), command_id=command_id, actor=actor, **fields)
        self.state, _ = receive(self.state, command, self.now, "signal", CLAIMED.get(sent, ()))

    # --- the carrier -------------------------------------------------------------------------------------

    def _scan(self, what: str) -> None:
        order, back = self.state.order, what.startswith("back_")
        where = order.ship_from if back == what.endswith("delivered") else order.ship_to
        number = return_waybill_of(order.order_id) if back else waybill_of(order.order_id)
        seen = self._seen.get(number, Seen())
        scan = _scanned(STAGES[what], self.now, where)
        self._seen = {**self._seen, number: seen._replace(scans=(*seen.scans, scan))}

    def _audit(self) -> None:
        """The audit looks at what it still follows, and says when it would look again."""
        looks = []
        for watch in () if self._is_done else audit_watches(self.state):
            parcel = tracked_parcel(self.state, watch.parcel_id)
            if parcel is not None:
                self.state = apply_audit(self.state, watch, self._verdict(parcel), self.now)
                looks.append(self._next_look(parcel))
        self._look_at = min((at for at in looks if at is not None), default=None)

    def _verdict(self, parcel: Parcel) -> Verdict:
        seen, number = self._seen.get(parcel.waybill, Seen()), parcel.waybill
        trace = constructed(
            _TRACE, waybill=number, fetched_at=self.now, answer="found" if seen.scans else "no_trace", scans=seen.scans
        )
        silences = remember(seen.silences, (trace,))
        facts = constructed(
            _FACTS,
            parcel_id=parcel.parcel_id,
            waybill=number,
            uploaded_at=parcel.uploaded_at,
            attempt=len(parcel.attempts) + 1,
            looks=seen.looks,
            known=parcel.verdict.milestones if parcel.verdict else None,
            no_trace=silences,
        )
        self._seen = {**self._seen, number: seen._replace(silences=silences, looks=seen.looks + 1)}
        return audit(self._facts_for(parcel), facts, (trace,), self.judged_by, self.now, services=not self._quick)

    def _facts_for(self, parcel: Parcel) -> OrderFacts:
        if parcel.parcel_id != PARCEL:
            return facts_of_case_parcel(self.state, parcel)
        in_person = self.state.receipt.in_person
        if self._facts is None or self._facts[0] != in_person:
            self._facts = (in_person, facts_of(self.state))
        return self._facts[1]

    def _next_look(self, parcel: Parcel) -> datetime | None:
        """When a look could say something new by itself: silence has its terms, and a trace that stops has one."""
        rules, seen = self.judged_by, self._seen[parcel.waybill]
        if seen.scans:
            terms = [seen.scans[-1].at + rules.horizon]
        else:
            terms = [parcel.uploaded_at + term for term in (rules.no_trace_strong, rules.no_trace_fatal)]
            if seen.looks == 1:  # the second of two looks that far apart makes an absence strong
                terms.append(self.now + rules.no_trace_apart)
        return min((at for at in terms if at > self.now), default=None)


@cache
def _blank(kind: type[Command]) -> Command:
    """A command with its defaults only."""
    return kind.model_construct(command_id="", actor=NO_ONE)


def _decided(parcel: Parcel) -> bool:
    return bool(parcel.decisions) and parcel.decisions[-1].at >= parcel.audit_since


_TRACE = Trace.model_construct(provider=CARRIER, carrier=CARRIER, waybill="", fetched_at=EVER, answer="found")
_FACTS = ParcelFacts.model_construct(parcel_id=PARCEL, carrier=CARRIER, waybill="", uploaded_at=EVER)
_SCAN = Scan.model_construct(at=EVER, code="", stage="picked_up", text=None)


def _scanned(stage: Literal["picked_up", "delivered"], at: datetime, where: Address) -> Scan:
    return constructed(_SCAN, at=at, code=stage, stage=stage, city=written_place(where))


def written_place(where: Address) -> str | None:
    """A place as the carrier of a replay writes it."""
    return ", ".join(part for part in (where.city, where.province) if part) or None
