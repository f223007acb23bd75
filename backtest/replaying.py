"""A past order through the pure core alone, under any policy: no server, no database, no time that passes.

The same core decides as in a workflow, and the same audit judges. Only the outside is simplified. The ledger takes
every movement, and the carrier knows each scan as it happens. A person takes the whole time that the policy allows, and
then decides as the record says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from backtest.building import CARRIER, order_of, waybill_of
from backtest.expecting import Ending, expectation
from backtest.past import PastOrder
from backtest.timeline import timeline
from core.audit.facts import NoTrace, ParcelFacts
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
from core.order.auditing import apply_verdict, facts_of
from core.order.bookings import Booking, credit_due, movement_for, refund_due
from core.order.commands import receive
from core.order.deadlines import wake_at
from core.order.opening import Screening, apply_screening, begin
from core.order.passing import due_looks, pass_deadlines
from core.order.pausing import settles_at
from core.order.shipping import Claim
from core.order.state import OrderState
from core.order.steps import finish_posting
from core.parcels import Parcel
from core.policy import OrderPolicy, Policy, resolve

PARCEL = "p1"
MOST_TURNS = 400
"""Events and deadlines of one order; none in the record has a tenth of them."""
ALLOWED = Screening(verdict="allow")

LivedEnding = Literal["credited", "cancelled", "refunded", "waiting"]


@dataclass(frozen=True)
class Lived:
    """What became of one past order under one policy.

    `held` is how long the money was neither the merchant's to withdraw nor on its way back; None where it still waits.
    """

    order_id: str
    ending: LivedEnding
    expected: Ending
    held: timedelta | None
    credited_after: timedelta | None
    confirmed_by: str | None
    reviewed: bool

    @property
    def falsely_held(self) -> bool:
        """A person had to look, or it waits still, although the record says that the goods arrived."""
        return self.expected == "settled" and (self.reviewed or self.ending == "waiting")

    @property
    def falsely_refunded(self) -> bool:
        """The buyer has goods and money."""
        return self.expected == "settled" and self.ending in {"cancelled", "refunded"}


def paid_order(past: PastOrder) -> Order:
    """Our order, paid when the past one was."""
    assert past.paid_at is not None
    return order_of(past, past.paid_at, None)


class Replay:
    """Past orders under one policy."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._resolved: dict[Any, OrderPolicy] = {}

    def live(self, past: PastOrder, order: Order | None = None) -> Lived:
        """The whole life of a paid order. Who lives it several times hands over the order that was made of it."""
        order = order or paid_order(past)
        return _Life(past, order, self._policy, self._resolved_for(order)).lived()

    def _resolved_for(self, order: Order) -> OrderPolicy:
        """Orders to which the same rules apply share what they follow."""
        key = tuple(number for number, rule in enumerate(self._policy.rules) if rule.applies_to(order, None))
        if key not in self._resolved:
            self._resolved[key] = resolve(self._policy, order)
        return self._resolved[key]


class _Life:
    """One order, its carrier and its people."""

    def __init__(self, past: PastOrder, order: Order, policy: Policy, resolved: OrderPolicy) -> None:
        self._past, self._policy = past, policy
        self._now = order.payment.paid_at
        self._scans: list[Scan] = []
        self._silences: tuple[NoTrace, ...] = ()
        self._looks = 0
        self._reviewed = False
        self._look_at: datetime | None = None
        self._refunded_at: datetime | None = None
        state = begin(order, resolved, self._now)
        state = finish_posting(state, movement_for(state, Booking("fund"), self._now))
        self._state = apply_screening(state, ALLOWED, self._now)

    def lived(self) -> Lived:
        """Everything that happened, then the deadlines that are left."""
        for event in timeline(self._past):
            self._until(self._state.order.payment.paid_at + event.after)
            self._happens(event.what)
        self._until(None)
        state, paid_at = self._state, self._state.order.payment.paid_at
        credited = state.credited_at
        end = settles_at(state) if credited is not None else self._refunded_at if state.over else None
        return Lived(
            order_id=self._past.order_id,
            ending=_ending(state),
            expected=expectation(self._past).ending,
            held=end - paid_at if end is not None else None,
            credited_after=credited - paid_at if credited is not None else None,
            confirmed_by=state.receipt.by,
            reviewed=self._reviewed,
        )

    # --- time --------------------------------------------------------------------------------------------

    def _until(self, at: datetime | None) -> None:
        """Wake for every deadline, look and decision up to a time; without one, until nothing more can happen."""
        for _ in range(MOST_TURNS):
            due = min(self._wakes(), default=None)
            if due is None or (at is not None and due > at) or self._is_done:
                break
            self._now = max(self._now, due)
            self._act()
        if at is not None and not self._is_done:
            self._now = max(self._now, at)

    @property
    def _is_done(self) -> bool:
        return self._state.over or self._state.credited_at is not None

    def _wakes(self) -> Iterator[datetime]:
        if (deadline := wake_at(self._state, self._now)) is not None:
            yield deadline.at
        for parcel in self._state.live_parcels:
            if parcel.audit == "in_review" and not self._decided(parcel):
                yield parcel.audit_since + self._state.policy.order.review_sla
        if self._look_at is not None:
            yield self._look_at

    def _decided(self, parcel: Parcel) -> bool:
        return bool(parcel.decisions) and parcel.decisions[-1].at >= parcel.audit_since

    def _act(self) -> None:
        """What is due now: a person's decision, a look, then deadlines and money."""
        limits = self._state.policy.order
        for parcel in self._state.live_parcels:
            due = parcel.audit == "in_review" and parcel.audit_since + limits.review_sla <= self._now
            if due and not self._decided(parcel):
                verdict: Literal["approved", "rejected"] = "approved" if self._past.delivered_at else "rejected"
                self._send(DecideAudit, "reviewer", "r-1", verdict=verdict, reason="as the record says")
        if self._look_at is not None and self._look_at <= self._now:
            self._audit()
        self._settle()

    def _settle(self) -> None:
        """Pass deadlines, ask the carrier where one needs it, and book what is due, until the order only waits."""
        while True:
            self._state = pass_deadlines(self._state, self._now)
            if looks := due_looks(self._state, self._now):
                self._apply(looks[0], self._verdict(looks[0]), looked=True)
            elif (booking := refund_due(self._state)) is not None:
                self._book(booking)
                self._refunded_at = self._now
            elif credit_due(self._state):
                self._book(Booking("credit"))
            else:
                self._reviewed |= any(parcel.audit == "in_review" for parcel in self._state.live_parcels)
                return

    def _book(self, booking: Booking) -> None:
        self._state = finish_posting(self._state, movement_for(self._state, booking, self._now))

    # --- what happens ------------------------------------------------------------------------------------

    def _happens(self, what: str) -> None:
        order = self._state.order
        if what in {"picked_up", "delivered"}:
            self._scans.append(_scan(what, self._now, order.ship_from if what == "picked_up" else order.ship_to))
            self._audit()
        elif what == "upload":
            parcels = (ParcelReport(parcel_id=PARCEL, carrier=CARRIER, waybill=waybill_of(order.order_id)),)
            self._send(ReportShipment, "merchant", order.merchant_id, parcels=parcels)
            self._audit()
        elif what == "cancel":
            self._send(CancelOrder, "buyer", order.buyer_id, reason="canceled, says the record")
        elif what == "confirm":
            self._send(ConfirmReceipt, "buyer", order.buyer_id)
            self._audit()
        # Cases are lived on a whole stack only; here an order that was cancelled on its way ends by its deadlines.
        self._settle()

    def _send(self, kind: type[Command], role: Any, who: str, **fields: Any) -> None:
        command_id, actor = f"{kind.verb}-{self._now.isoformat()}", Actor(role=role, id=who)
        command = kind.model_construct(command_id=command_id, actor=actor, **fields)
        claims = [Claim(parcel_id=PARCEL, outcome="claimed")] if kind is ReportShipment else []
        self._state, _ = receive(self._state, command, self._now, "signal", claims)

    # --- the carrier -------------------------------------------------------------------------------------

    def _audit(self) -> None:
        """The audit looks at a parcel that it still collects for, and says when it would look again."""
        self._look_at = None
        parcel = self._state.parcel(PARCEL)
        if parcel is None or not parcel.live or self._is_done:
            return
        self._apply(parcel, self._verdict(parcel))
        self._look_at = self._next_look(parcel)

    def _verdict(self, parcel: Parcel) -> Verdict:
        trace = Trace(
            provider=CARRIER,
            carrier=parcel.carrier,
            waybill=parcel.waybill,
            fetched_at=self._now,
            answer="found" if self._scans else "no_trace",
            scans=tuple(self._scans),
        )
        self._silences = remember(self._silences, (trace,))
        facts = ParcelFacts.model_construct(
            parcel_id=parcel.parcel_id,
            carrier=parcel.carrier,
            waybill=parcel.waybill,
            uploaded_at=parcel.uploaded_at,
            attempt=len(parcel.attempts) + 1,
            looks=self._looks,
            known=parcel.verdict.milestones if parcel.verdict else None,
            no_trace=self._silences,
        )
        self._looks += 1
        return audit(facts_of(self._state), facts, (trace,), self._policy.audit, self._now)

    def _apply(self, parcel: Parcel, verdict: Verdict, *, looked: bool = False) -> None:
        if looked:
            self._state = self._state.with_parcel(parcel.changed(looked_at=self._now))
        self._state = apply_verdict(self._state, parcel.parcel_id, parcel.waybill, verdict, self._now)

    def _next_look(self, parcel: Parcel) -> datetime | None:
        """When a look could say something new by itself: silence has its terms, and a trace that stops has one."""
        rules = self._policy.audit
        if self._scans:
            terms = [self._scans[-1].at + rules.horizon]
        else:
            terms = [parcel.uploaded_at + term for term in (rules.no_trace_strong, rules.no_trace_fatal)]
        # The second of two looks that far apart makes an absence strong.
        terms.append(self._now + rules.no_trace_apart if self._looks == 1 and not self._scans else terms[0])
        return min((at for at in terms if at > self._now), default=None)


def _scan(what: str, at: datetime, where: Address) -> Scan:
    stage: Literal["picked_up", "delivered"] = "picked_up" if what == "picked_up" else "delivered"
    city = ", ".join(part for part in (where.city, where.province) if part)
    return Scan.model_construct(at=at, code=what, stage=stage, city=city or None, text=None)


def _ending(state: OrderState) -> LivedEnding:
    if state.credited_at is not None:
        return "credited"
    if state.phase in {"cancelled", "refused"}:
        return "cancelled"
    return "refunded" if state.over else "waiting"
