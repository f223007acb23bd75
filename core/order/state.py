"""What an order is: four regions (phase, audit, receipt, after-sale), its parcels, refunds and holds.

Here are data and questions about it. The changes are in the files named after them, such as `shipping`, `refunding`,
`deadlines` and `steps`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field

from core.aftersale.state import AfterSaleCase, Dispute
from core.durations import Duration
from core.fields import Id, Reason, Time, omitted_at
from core.messages import Order
from core.order.holds import OWN_HOLDS
from core.order.lines import LineState
from core.order.refunds import Frozen, OpenRefundRequest, Refund
from core.parcels import AuditStage, Parcel
from core.parts import Part
from core.policy import OrderPolicy
from core.states import Hold, State

Phase = Literal[
    "opening",
    "screening_held",
    "awaiting_shipment",
    "shipped",
    "credited",
    "settled",
    "refused",
    "cancelled",
    "refunded",
]
AfterSale = Literal["none", "open", "decided"]
ENDS: frozenset[Phase] = frozenset({"settled", "refused", "cancelled", "refunded"})
"""Phases that an order does not leave. It is *closed* once its money has also arrived."""

WORST_FIRST: tuple[AuditStage, ...] = ("rejected", "in_review", "collecting", "not_started", "approved")


class Receipt(Part):
    """The buyer's confirmation: not due, awaited until, paused with time left, or confirmed."""

    status: Literal["not_due", "awaited", "paused", "confirmed"] = "not_due"
    deadline: Time | None = None
    remaining: timedelta | None = None
    by: Literal["buyer", "timeout", "operator", "code"] | None = None
    at: Time | None = None
    extensions: int = 0

    @property
    def in_person(self) -> bool:
        """A person confirmed it, by word or by the code of a handover, not a timeout."""
        return self.status == "confirmed" and self.by != "timeout"


class Doing(Part):
    """A step that was decided and is being carried out.

    Commands that arrive now cannot stop it. `notice_seq` is reserved for its notice, so that notices of commands that
    overtake it get other numbers.
    """

    verb: str
    about: str = ""
    notice_seq: int | None = None
    claims: tuple[str, ...] = ()


class ScreeningHit(Part):
    """A rule of the screening that matched: its names, and the lines that it matched."""

    rule: str
    rule_zh: str | None = None
    lines: tuple[Id, ...] = ()
    rule_id: str | None = omitted_at(None)
    """Its id in the rules file."""


class DelayRequest(Part):
    """A later date that the merchant asked for. Once it was answered only `asked` is left: how often that happened, and
    `agreed`: the date to which the buyer agreed last.
    """

    asked: int
    ship_by: Time | None = None
    reason: str | None = None
    answer_by: Time | None = None
    agreed: Time | None = omitted_at(None)


def above_due(case: AfterSaleCase) -> Literal["chargeback_above", "chargeback_above_won"] | None:
    """Which movement is due of what a channel took above what was left: that it is gone, or that it was won back."""
    above = case.dispute.above if case.dispute is not None else None
    if above is None:
        return None
    if above.status == "owed":
        return "chargeback_above"
    return "chargeback_above_won" if above.status == "booked" and case.stage == "won" else None


def _above_of(case: AfterSaleCase) -> int:
    """What a chargeback of the order's payment took above what was left, and has not given back."""
    dispute = case.dispute
    if dispute is None or dispute.claim is not None or dispute.above is None or dispute.above.status != "booked":
        return 0
    return dispute.above.amount_minor


def _bearer_of(case: AfterSaleCase) -> str | None:
    return case.dispute.above.bearer if case.dispute is not None and case.dispute.above is not None else None


class Move(Part):
    """An operator's move of a deadline to later: the id of its command, and the deadline's name."""

    move_id: str
    deadline: str


class OrderState(State):
    """One order between two events. Frozen: every change is a new state with a higher `revision`."""

    order: Order
    policy: OrderPolicy
    opened_at: Time
    phase: Phase = "opening"
    funded: bool = False
    screened: bool = False
    screening_reason: str | None = None
    screening_hits: tuple[ScreeningHit, ...] = ()
    screening_since: Time | None = None
    # The fields below are left out at their defaults: the state is in every record.
    screening_edition: str | None = omitted_at(None)
    """The version of the screening rules, with the beginning of their text's hash."""
    screening_refused: bool = omitted_at(False)
    """A rule refused the goods, and the merchant may still appeal."""
    screening_appeal: Reason | None = omitted_at(None)
    """The merchant's statement for the person who looks at the goods."""
    shifts: dict[str, Duration] = omitted_at({})
    """By how much an operator has moved a deadline to later, by its name, over all moves."""
    moves: tuple[Move, ...] = omitted_at(())
    """The moves to later, each by the id of its command: `shift --undo` finds its orders by them."""
    spared: dict[str, Time] = omitted_at({})
    """Until when deadlines that are derived wait at least, by `Deadline.about`: they moved after an outage of ours."""
    released_at: Time | None = None
    ship_by: Time | None = None
    delay: DelayRequest | None = omitted_at(None)
    """That the merchant asked to ship later."""
    handover_tries: int = omitted_at(0)
    """How often a wrong code was said."""
    shipped_at: Time | None = None
    """When the last line was reported as shipped."""
    lines: tuple[LineState, ...]
    parcels: tuple[Parcel, ...] = ()
    receipt: Receipt = Field(default_factory=Receipt)
    cases: tuple[AfterSaleCase, ...] = omitted_at(())
    paused_since: Time | None = omitted_at(None)
    """Since when the clocks of receipt and settlement are paused, for an open case."""
    paused_for: timedelta = omitted_at(timedelta(0))
    """How long they were paused before."""
    settle_not_before: Time | None = omitted_at(None)
    """Where a pause moved the settlement to."""
    refunds: tuple[Refund, ...] = ()
    refund_request: OpenRefundRequest | None = None
    freeze: Frozen | None = omitted_at(None)
    freight_refunded_minor: int = 0
    """What goes back of the freight; `freight_goodwill_minor` of it the platform bears."""
    freight_goodwill_minor: int = 0
    credited_at: Time | None = None
    credited_minor: int = 0
    commission_minor: int = 0
    undelivered_asked_at: Time | None = None
    settled_at: Time | None = None
    settled_minor: int | None = None
    withdrawal_started: bool = False
    claims_released: tuple[str, ...] = ()
    """Waybill claims that were released, as `parcel_id:carrier:waybill`."""
    claims_unused: tuple[tuple[str, str, str], ...] = ()
    """Parcel, carrier and number of claims whose command was refused after all; to be released."""
    claims_unknown: bool = omitted_at(False)
    """A try whose worker died may have claimed numbers that no parcel of this order stands for; to be released."""
    reminders: tuple[str, ...] = ()
    """Deadlines that passed and only brought a notice, by key."""
    doing: Doing | None = None
    staff_commands: int = 0
    """Of the commands that the inbox counts, those of people of the platform."""
    scans_kept: int = 0
    scans_dropped: int = 0

    # --- questions -------------------------------------------------------------------------------------

    def parcel(self, parcel_id: str) -> Parcel | None:
        return next((parcel for parcel in self.parcels if parcel.parcel_id == parcel_id), None)

    def refund(self, cause: str) -> Refund | None:
        return next((refund for refund in self.refunds if refund.cause == cause), None)

    def case(self, subject: str) -> AfterSaleCase | None:
        return next((case for case in self.cases if case.subject == subject), None)

    @property
    def open_case(self) -> AfterSaleCase | None:
        """The case whose money is not decided; there is one at a time."""
        return self.cases[-1] if self.cases and self.cases[-1].open else None

    @property
    def after_sale(self) -> AfterSale:
        """The fourth region."""
        return "open" if self.open_case else "decided" if self.cases else "none"

    @property
    def awaited_by_case(self) -> tuple[Parcel, ...]:
        """The parcel that the open case waits for, or waited for last: on its way back, or with new goods."""
        case = self.open_case
        return (case.on_its_way,) if case is not None and case.on_its_way is not None else ()

    @property
    def case_parcels(self) -> tuple[Parcel, ...]:
        """The parcels of all cases: returned goods, and the new ones of exchanges after the credit."""
        return tuple(parcel for case in self.cases for parcel in case.parcels)

    @property
    def live_parcels(self) -> tuple[Parcel, ...]:
        return tuple([parcel for parcel in self.parcels if not parcel.ended])

    @property
    def over(self) -> bool:
        """No command changes it any more, except those about a stuck refund or a hold."""
        return self.phase in ENDS

    @property
    def closed(self) -> bool:
        """Over, without an open case or a hold, and all its money is booked and paid."""
        people = self.refund_request is not None or self.open_case is not None or self.held_back
        waits = self.withdrawal_due or people or self.frozen or bool(self.unbooked_disputes)
        return self.over and not waits and all(refund.status == "arrived" for refund in self.refunds)

    @property
    def held_back(self) -> bool:
        """A person keeps the settled order's money from being withdrawn."""
        return self.phase == "settled" and any(hold.name not in OWN_HOLDS for hold in self.held("payout", "all"))

    @property
    def disputed(self) -> bool:
        """Whether the channel has taken money back that it may still give back, or that is not with us again yet."""
        waits = self.open_case is not None and self.open_case.dispute is not None
        return waits or any(case.stage == "won" for case in self.unbooked_disputes)

    @property
    def unbooked_disputes(self) -> tuple[AfterSaleCase, ...]:
        """Chargebacks whose fee is not in the books yet, or which were won and are not reversed."""
        return tuple(case for case in self.cases if case.dispute is not None and self._unbooked(case, case.dispute))

    def _unbooked(self, case: AfterSaleCase, dispute: Dispute) -> bool:
        won_back = case.stage == "won" and self.refund(case.chargeback) is not None
        return won_back or (dispute.fee_minor > 0 and not dispute.fee_booked) or above_due(case) is not None

    @property
    def frozen(self) -> bool:
        """Whether money of the merchant may be frozen for this order."""
        return self.freeze is not None and self.freeze.asked_minor > 0

    @property
    def proceeds_minor(self) -> int:
        """What the merchant will get when the order is settled."""
        return self.credited_minor - sum(
            refund.from_merchant_minor for refund in self.refunds if refund.source == "proceeds"
        )

    @property
    def waiting_minor(self) -> int:
        """What has reached neither side yet: what is in escrow, the proceeds, or what is settled and held back."""
        if self.settled_at is not None:
            return self.settled_minor or 0
        if self.credited_at is not None:
            return self.proceeds_minor
        return max(self.order.total_minor - sum(refund.amount_minor for refund in self.refunds), 0)

    @property
    def freight_left_minor(self) -> int:
        """What may still go back of the freight."""
        return self.order.freight_minor - self.freight_refunded_minor

    @property
    def freight_borne_minor(self) -> int:
        """What of the freight's refunds the merchant bears."""
        return self.freight_refunded_minor - self.freight_goodwill_minor

    @property
    def withdrawal_due(self) -> bool:
        return self.phase == "settled" and self.policy.order.auto_withdraw and not self.withdrawal_started

    @property
    def crediting(self) -> bool:
        """The credit was decided; the ledger has not answered yet."""
        return self.doing is not None and self.doing.verb == "credit"

    @property
    def being_paid(self) -> bool:
        """A credit or a settlement is being posted: what is given or taken back now would change its amounts."""
        return self.doing is not None and self.doing.verb in {"credit", "settle"}

    @property
    def audit(self) -> AuditStage:
        """The worst of the live parcels."""
        stages = {parcel.audit for parcel in self.live_parcels}
        return next((stage for stage in WORST_FIRST if stage in stages), "not_started")

    def left_to_ship(self) -> dict[str, int]:
        """Units by line that are in no parcel and not refunded.

        Units that were paid back while in a parcel may have left it since, in an exchange: they are not shipped again.
        """
        shipped: dict[str, int] = {}
        for parcel in self.parcels:
            if not parcel.ended:
                for part in parcel.lines:
                    shipped[part.line_id] = shipped.get(part.line_id, 0) + part.quantity
        left = {}
        for line in self.lines:
            units = line.quantity - line.ended - max(shipped.get(line.line_id, 0), line.returned)
            if units > 0:
                left[line.line_id] = units
        return left

    @property
    def fully_shipped(self) -> bool:
        return bool(self.live_parcels) and not self.left_to_ship()

    @property
    def all_delivered_at(self) -> datetime | None:
        """The delivered scan of the last parcel, where every live parcel has one."""
        if not self.fully_shipped:
            return None
        times = [parcel.delivered_at for parcel in self.live_parcels]
        known = [at for at in times if at is not None]
        return max(known) if len(known) == len(times) else None

    def held(self, *scopes: str) -> tuple[Hold, ...]:
        return tuple(hold for hold in self.holds if hold.scope in scopes)

    # --- small changes ---------------------------------------------------------------------------------

    def with_parcel(self, changed: Parcel) -> OrderState:
        return self.changed(parcels=tuple(changed if p.parcel_id == changed.parcel_id else p for p in self.parcels))

    def with_case(self, changed: AfterSaleCase) -> OrderState:
        """The state with this case: another of its id, or a new one."""
        if self.case(changed.subject) is None:
            return self.changed(cases=(*self.cases, changed))
        return self.changed(cases=tuple(changed if case.case_id == changed.case_id else case for case in self.cases))

    def with_awaited_by_case(self, changed: Parcel) -> OrderState:
        """The state with this parcel of the open case."""
        case = self.open_case
        assert case is not None
        return self.with_case(case.with_parcel(changed))

    def covering(self, refund: Refund) -> AfterSaleCase | None:
        """The chargeback that, with those before it, took enough above what was left of the order for a refund which
        did not arrive.
        """
        return next((case for case in self.cases if _above_of(case) and refund.amount_minor <= self._room(case)), None)

    def _room(self, case: AfterSaleCase) -> int:
        """What this chargeback, and lost ones before it, took above of the same side, less what they cover already."""
        same = [one for one in self.cases if _bearer_of(one) == _bearer_of(case)]
        took = sum(
            _above_of(one) for one in same if one is case or (one.case_id < case.case_id and one.stage == "lost")
        )
        ids = {one.case_id for one in same}
        return took - sum(refund.amount_minor for refund in self.refunds if refund.covered_by in ids)

    def with_refund(self, changed: Refund) -> OrderState:
        return self.changed(refunds=tuple(changed if r.cause == changed.cause else r for r in self.refunds))
