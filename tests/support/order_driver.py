"""An order without Temporal: the shell's loop by hand, a clock, and books, register, carrier and channel in memory.

It does what `workflows/order.py` does, in the same order, and checks after every posting what must be true of money.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from order_books import Books
from order_invariants import check_order, check_votes
from order_samples import PEOPLE, T0, a_parcel, a_policy, a_verdict, an_order

from core.answers import Answer
from core.audit.verdict import Verdict
from core.inbox import Channel
from core.messages import ORDER_COMMANDS, Command, Order
from core.movements import Movement
from core.order.bookings import AT_MOST, credit_due
from core.order.claims import claims_to_release
from core.order.commands import first_answer, note_unreadable, receive, refusal_of
from core.order.deadlines import deadlines, wake_at
from core.order.opening import Screening, begin
from core.order.passing import pass_deadlines
from core.order.recovering import follow, recover
from core.order.shipping import Claim, ClaimingCommand, to_claim
from core.order.sparing import spare
from core.order.state import OrderState
from core.order.steps import (
    Judge,
    Look,
    OrderStep,
    ReleaseClaims,
    Screen,
    StartedWithdrawal,
    StartWithdrawal,
    finish,
    next_step,
    start,
)
from core.order.views import record_of
from core.order.watches import (
    RefundOutcome,
    apply_audit,
    apply_charge_outcome,
    apply_refund_outcome,
    audit_watches,
    charge_watches,
    refund_watches,
)
from core.policy import OrderPolicy
from core.reading import read_command
from core.reasons import Refusal
from core.records import LedgerFacts, Notice, OrderRecord, WithdrawalRecord
from core.steps import KeepRecord, Post, Posted

MOST_STEPS = 60
"""More steps than any order needs between two events. Beyond them it is in an endless loop."""


def verb_of(step: OrderStep) -> str:
    """A step by name: `fund`, `credit` … for a movement, else its class."""
    if isinstance(step, Post):
        return step.movement.kind
    names = {Screen: "screen", Look: "look", Judge: "judge", ReleaseClaims: "release_claims", KeepRecord: "record"}
    return names.get(type(step), "start_withdrawal")


class OrderDriver:
    """One order, played by hand. `say` holds the carrier's answers at the next looks, by parcel."""

    def __init__(
        self, order: Order | None = None, policy: OrderPolicy | None = None, screening: Screening | None = None
    ) -> None:
        self.order = order or an_order()
        self.now = T0
        self.expected: datetime | None = None
        self.screening = screening or Screening(verdict="allow")
        self.state = begin(self.order, policy or a_policy(), self.now)
        self.books = Books()
        self.ledger_says: deque[Any] = deque()
        self.say: dict[str, Verdict] = {}
        self.register_says: dict[str, Any] = {}
        self.record: OrderRecord | None = None
        self.noticed: dict[int, Notice] = {}
        self.released: list[str] = []
        self.let_go: set[str] = set()
        self.withdrawals = 0
        self.judged = 0
        self.steps: list[OrderStep] = []
        self.during: Callable[[OrderStep], None] | None = None
        self.loses_report: Callable[[], object] | None = None
        self.lost_reports = 0
        self._unheard = self._scripted = False
        self._down = False
        self._ids = 0

    def fork(self) -> OrderDriver:
        """Another order with the same past, for another future."""
        other = copy.copy(self)
        other.books = Books()
        other.books.balances, other.books.movements = dict(self.books.balances), dict(self.books.movements)
        other.books.transfers = dict(self.books.transfers)
        other.ledger_says, other.say = deque(self.ledger_says), dict(self.say)
        other.register_says, other.noticed = dict(self.register_says), dict(self.noticed)
        other.let_go = set(self.let_go)
        other.released, other.steps = list(self.released), list(self.steps)
        return other

    # --- the shell's loop --------------------------------------------------------------------------------

    def open(self) -> OrderDriver:
        """Fund, screen and wait."""
        self.do_what_is_due()
        return self

    def do_what_is_due(self) -> None:
        """Pass deadlines and carry out steps until the order only waits."""
        for _ in range(0 if self._down else MOST_STEPS):
            if self.expected is not None:
                self.state = spare(self.state, self.expected, self.now)
            self.state = pass_deadlines(self.state, self.now)
            due = wake_at(self.state, self.now)
            self.expected = due.at if due is not None else None
            step = next_step(self.state, self.now)
            if step is None:
                return
            self.carry_out(step)
        assert self._down, f"it runs in circles: {self.steps[-6:]}"

    def carry_out(self, step: OrderStep) -> None:
        """One step of the shell; `during` is called while it is under way."""
        self.steps.append(step)
        if isinstance(step, Post):
            self._check_decision(step.movement.kind)
            if self.loses_report is not None and not step.decided_once:
                self._lose_report(step)
                return
        self.state = start(self.state, step)
        claims = [f"{claim.carrier}:{claim.waybill}" for claim in claims_to_release(self.state)]
        if self.during is not None and isinstance(step, Post | ReleaseClaims | StartWithdrawal):
            self.during(step)
        if isinstance(step, ReleaseClaims):
            self.released += claims
        result = self._result_of(step)
        self.state = finish(self.state, step, result, self.now)
        if isinstance(result, LedgerFacts):
            self._follow(result)
        nothing = (
            isinstance(step, Post) and step.movement.kind in AT_MOST and not self.state.has_hold("ledger_disagrees")
        )
        refused = isinstance(result, Posted) and not result.moved
        stopped = any(self.state.has_hold(name) for name in ("ledger_disagrees", "merchant_frozen"))
        assert not refused or nothing or stopped

    def _result_of(self, step: OrderStep) -> Any:
        if isinstance(step, Screen):
            return self.screening
        if isinstance(step, Judge):
            return self._judged(step)
        if isinstance(step, Look):
            return self.say.get(step.parcel_id) or a_verdict(now=self.now, carrier_answered=False)
        if isinstance(step, StartWithdrawal):
            self.withdrawals += 1
            return StartedWithdrawal(withdrawal_id="auto-A1001")
        if isinstance(step, KeepRecord):
            return self._recorded(step.record)
        return self._booked(step) if isinstance(step, Post) else None

    def _judged(self, step: Judge) -> Any:
        """No verdict yet: nothing is known but what was known before, and what pushed scans show."""
        self.judged += 1
        parcel = self.state.parcel(step.parcel_id)
        assert parcel is not None
        if parcel.verdict is not None:
            return replace(parcel.verdict, outcome="pending", reasons=(), judged_at=self.now)
        return a_verdict(now=self.now, carrier_answered=False, first_physical_at=parcel.first_physical_at)

    def _recorded(self, record: OrderRecord | WithdrawalRecord) -> LedgerFacts:
        before, known = self._revision, tuple(self.books.movements)
        assert isinstance(record, OrderRecord)
        kept, first = self._keep(record), record.first_notice_seq
        taken = () if kept else tuple(one for seq, one in sorted(self.noticed.items()) if seq >= first)
        recorded = {hold["name"] for hold in record.state["holds"]} if kept else set()
        gone = tuple(sorted(self.let_go & recorded))
        return LedgerFacts(kept=kept, revision=before, references=known, notices=taken, let_go=gone)

    def _booked(self, step: Post) -> Posted:
        check_votes(step)
        posted = self._posted(step.movement)
        return posted.model_copy(update={"overtaken": not self._keep(step.record)}) if posted.moved else posted

    @property
    def _revision(self) -> int:
        """The register's."""
        return self.record.revision if self.record is not None else -1

    def _lose_report(self, step: Post) -> None:
        """The worker dies once this stands in the books: what arrives now meets the order as it was before."""
        arrives, self.loses_report = self.loses_report, None
        assert arrives is not None
        self.lost_reports += 1
        self._unheard = True
        self._booked(step)
        self._down = True
        arrives()
        self._down = False

    def _follow(self, standing: LedgerFacts) -> None:
        followed = follow(self.state, standing, self.now)
        assert followed is not None, "what this order decided it could have decided"
        self.state = followed
        if self._unheard and not self._scripted:
            assert not self.state.has_hold("ledger_disagrees"), "the order knows by now where its money is"
        self._unheard = False

    def _posted(self, movement: Movement) -> Posted:
        if self.ledger_says and movement.kind not in AT_MOST:  # of those a refusal says that nothing is there
            outcome, self._scripted = self.ledger_says.popleft(), True
        else:
            outcome = self.books.post(movement)
            nothing = movement.kind in AT_MOST and outcome == "insufficient_funds"
            # After a lost report the same is asked for again, or a refund out of money that has moved on meanwhile.
            late = self._unheard and (outcome in {"exists", "insufficient_funds"} or movement.kind == "freeze")
            assert outcome == "posted" or nothing or late, (
                f"{movement.reference} is posted once, out of money that is there: {outcome}"
            )
        return Posted(reference=movement.reference, outcome=outcome)

    def _check_decision(self, kind: str) -> None:
        state = self.state
        assert kind == "freeze" or not state.held("all"), f"{kind} under a hold on all"
        if kind in {"credit", "settle"}:
            assert state.open_case is None
        if kind == "settle":
            assert not {hold.name for hold in state.held("credit", "payout")} - {"refund_stuck"}
        if kind != "credit":
            return
        assert credit_due(state)
        assert all(parcel.audit == "approved" for parcel in state.live_parcels)
        assert state.receipt.status == "confirmed"
        assert not state.left_to_ship()
        assert not state.held("credit", "all")

    def _keep(self, record: OrderRecord | WithdrawalRecord) -> bool:
        """The register: keep a record with its notices where it follows the last one, else nothing of it."""
        assert isinstance(record, OrderRecord)
        kept: bool = record.revision > self._revision == record.state["recorded_revision"]
        if kept:
            self.record = record
        for notice in record.notices if kept else ():
            assert self.noticed.setdefault(notice.seq, notice) == notice, "two notices with one number"
        return kept

    # --- time --------------------------------------------------------------------------------------------

    def advance(self, by: timedelta) -> OrderDriver:
        """Let time pass as the timer does: wake at every deadline, and at the end."""
        target = self.now + by
        while not self.state.closed:
            deadline = wake_at(self.state, self.now)
            if deadline is None or deadline.at > target:
                break
            self.now = deadline.at
            self.do_what_is_due()
        self.now = target
        if not self.state.closed:
            self.do_what_is_due()
        return self

    def until(self, at: datetime) -> OrderDriver:
        return self.advance(at - self.now)

    def outage(self, by: timedelta) -> OrderDriver:
        """No worker of ours runs for a while."""
        self.now += by
        return self

    def deadline(self, name: str, subject: str | None = None) -> datetime:
        """When the running deadline of this name passes."""
        return next(d.at for d in deadlines(self.state) if d.name == name and subject in (None, d.subject))

    def waits_for(self) -> set[str]:
        return {deadline.name for deadline in deadlines(self.state)}

    # --- what comes in -----------------------------------------------------------------------------------

    def command(self, verb: str, role: str, **fields: Any) -> Command:
        """A well-formed command of this role's person, under a new id unless one is given."""
        self._ids += 1
        body = {"command_id": f"c{self._ids}", "actor": {"role": role, "id": PEOPLE.get(role, "x")}, **fields}
        command = read_command(ORDER_COMMANDS, verb, body)
        assert isinstance(command, Command), command
        return command

    def reopen(self) -> None:
        """The workflow of an order that is closed runs again, from what the register and the ledger know."""
        assert self.state.closed
        assert self.record is not None
        references = [reference for reference in self.books.movements if reference.startswith("order/")]
        self.state = recover(self.order, self.state.policy, self.record.state, references, self.now)

    def send(self, verb: str, role: str, *, channel: Any = "update", **fields: Any) -> Answer | Refusal:
        """A command arrives, is answered, and its effects are carried out."""
        answer = self.arrive(self.command(verb, role, **fields), channel)
        self.do_what_is_due()
        return answer

    def arrive(self, command: Command, channel: Channel = "update") -> Answer | Refusal:
        """A command is answered, and nothing else happens yet."""
        before = self.state
        self.state, answer = receive(self.state, command, self.now, channel, self._claims(command))
        if channel == "update" and isinstance(answer, Refusal):
            assert self.state is before, "a refused update leaves nothing behind"
            self._ids -= command.command_id == f"c{self._ids}"  # nor does it use up its id
        return answer

    def _claims(self, command: Command) -> Sequence[Claim]:
        if not isinstance(command, ClaimingCommand) or first_answer(self.state, command):
            return ()
        if refusal_of(self.state, command, self.now) is not None:
            return ()
        numbers = to_claim(self.state, command)
        return [Claim(parcel_id=n.parcel_id, outcome=self.register_says.get(n.waybill, "claimed")) for n in numbers]

    def junk(self, verb: str, body: Any) -> None:
        """A signal that cannot be read."""
        refusal = read_command(ORDER_COMMANDS, verb, body)
        assert isinstance(refusal, Refusal)
        self.state = note_unreadable(self.state, verb, refusal, self.now)
        self.do_what_is_due()

    # --- what is heard -----------------------------------------------------------------------------------

    def hear(self, parcel_id: str, outcome: Any = "pending", *reasons: str, **fields: Any) -> bool:
        """The audit's watch of this parcel reports; False where none runs."""
        verdict = a_verdict(outcome, *reasons, now=self.now, **fields)
        self.say[parcel_id] = verdict
        watch = next((watch for watch in audit_watches(self.state) if watch.parcel_id == parcel_id), None)
        if watch is None:
            return False
        self.state = apply_audit(self.state, watch, verdict, self.now)
        self.do_what_is_due()
        return True

    def channel_says(self, outcome: Any, cause: str | None = None) -> bool:
        """The payment channel's final answer to a refund; False where none is awaited."""
        watch = next((watch for watch in refund_watches(self.state) if cause in (None, watch.cause)), None)
        if watch is None:
            return False
        self.state = apply_refund_outcome(self.state, watch, RefundOutcome(state=outcome, reference="ref"), self.now)
        self.do_what_is_due()
        return True

    def buyer_pays(self, outcome: Any = "arrived") -> bool:
        """The payment channel's final answer to what is claimed from the buyer; False where none is awaited."""
        watch = next(iter(charge_watches(self.state)), None)
        if watch is None:
            return False
        answer = RefundOutcome(state=outcome, reference="ref")
        self.state = apply_charge_outcome(self.state, watch, answer, self.now)
        self.do_what_is_due()
        return True

    # --- short ways --------------------------------------------------------------------------------------

    def ship(self, *parcels: Mapping[str, Any]) -> Answer | Refusal:
        """Report parcels; without any, one parcel `p1` with everything."""
        return self.send("report_shipment", "merchant", parcels=list(parcels) or [a_parcel()])

    def deliver(self, *parcel_ids: str) -> None:
        """The carrier delivered these parcels (all), and their audits approve."""
        for parcel_id in parcel_ids or tuple(parcel.parcel_id for parcel in self.state.live_parcels):
            self.hear(parcel_id, "approved", first_physical_at=self.now, delivered_at=self.now)

    def confirm(self) -> Answer | Refusal:
        return self.send("confirm_receipt", "buyer")

    def hold(self, name: str = "risk", scope: str = "credit") -> Answer | Refusal:
        return self.send("place_hold", "operator", name=name, scope=scope, reason="looks odd")

    def lift(self, name: str = "risk") -> Answer | Refusal:
        return self.send("lift_hold", "operator", name=name, reason="checked")

    def decide(self, verdict: str, parcel_id: str | None = None) -> Answer | Refusal:
        return self.send("decide_audit", "reviewer", verdict=verdict, reason="seen", parcel_id=parcel_id)

    @property
    def phase(self) -> str:
        return self.state.phase

    @property
    def audit(self) -> str:
        return self.state.audit

    @property
    def receipt(self) -> str:
        return self.state.receipt.status

    def parcel(self, parcel_id: str = "p1") -> Any:
        parcel = self.state.parcel(parcel_id)
        assert parcel is not None
        return parcel

    def notices(self, name: str) -> list[Notice]:
        """Notices of this name, as the register has them."""
        return [notice for notice in self.noticed.values() if notice.name == name]

    def holds(self) -> set[str]:
        return {hold.name for hold in self.state.holds}

    def refund_status(self) -> list[str]:
        return [refund.status for refund in self.state.refunds]

    def refunds(self) -> dict[str, int]:
        return {refund.cause: refund.amount_minor for refund in self.state.refunds}

    # --- what must be true -------------------------------------------------------------------------------

    def check(self) -> None:
        """The invariants that can be seen from one state and the books."""
        check_order(self)

    def check_json(self) -> None:
        """A state survives its own JSON, and the register's record is enough to restart from."""
        assert OrderState.model_validate(self.state.model_dump(mode="json")) == self.state
        if self.record is not None and not self.state.closed:
            unlike = {"order", "policy", "recorded_revision"}
            kept = {name: value for name, value in self.record.state.items() if name not in unlike}
            assert kept == self.state.model_dump(mode="json", exclude=unlike)


def waiting(order_id: str, **parcel: Any) -> OrderRecord:
    """The record of an order that waits for its one parcel, which has these fields."""
    driver = OrderDriver().open()
    driver.ship()
    state = driver.state.with_parcel(driver.parcel().changed(**parcel))
    record = record_of(state.changed(recorded_revision=-1), driver.now)
    return record.model_copy(update={"order_id": order_id})
