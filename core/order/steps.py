"""What the shell must do next for an order, and what its result means.

The shell decides nothing. `next_step` names the most urgent thing. `start` marks it as in progress, so that commands
that arrive meanwhile see that it was decided. `finish` applies its result to the order.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from core.audit.verdict import Verdict
from core.fields import Message
from core.merchants import MERCHANT_FROZEN, MERCHANT_STOPS
from core.movements import Movement
from core.order.auditing import apply_verdict
from core.order.bookings import (
    AT_MOST,
    NOTIFYING,
    Booking,
    apply_movement,
    credit_due,
    freeze_due,
    movement_for,
    refund_due,
    settle_due,
    thaw_due,
)
from core.order.calling import hold_money, merchant_hold
from core.order.cases import apply_case_verdict
from core.order.claims import claims_to_release, key_of, release_claims
from core.order.holds import LEDGER_DISAGREES
from core.order.opening import Screening, apply_screening
from core.order.passing import due_looks
from core.order.state import Doing, OrderState
from core.order.views import record_of
from core.order.watches import apply_judgement, parcel_to_judge
from core.reasons import Refusal
from core.records import LedgerFacts
from core.states import Hold
from core.steps import KeepRecord, Post, Posted, Step


class Screen(Step):
    """Screen the goods by the platform's rules."""

    label: ClassVar[str] = "screen the goods"


class Look(Step):
    """Ask a carrier once more before a deadline that depends on its answer."""

    parcel_id: str
    waybill: str

    @property
    def summary(self) -> str:
        return f"look at {self.waybill} before the deadline"


class Judge(Step):
    """Judge a parcel's pushed scans by what is stored, without a question to the carrier.

    `scans`: how many of them it has.
    """

    parcel_id: str
    waybill: str
    scans: int

    @property
    def summary(self) -> str:
        return f"judge the pushed scans of {self.waybill}"


class ReleaseClaims(Step):
    """Release waybill numbers in the register. The list is read while nothing else is being decided."""

    label: ClassVar[str] = "release waybill claims"


class StartWithdrawal(Step):
    """Start the automatic withdrawal of the order's own proceeds."""

    label: ClassVar[str] = "start the automatic withdrawal"


class StartedWithdrawal(Message):
    """The withdrawal that was started, or why none was. The money stays available, and the merchant can ask for it."""

    withdrawal_id: str | None = None
    amount_minor: int = 0
    skipped: Refusal | None = None


OrderStep = Post | KeepRecord | Screen | Look | Judge | ReleaseClaims | StartWithdrawal
OrderResult = Posted | LedgerFacts | Screening | Verdict | StartedWithdrawal | None


# --- what to do ------------------------------------------------------------------------------------------


def next_step(state: OrderState, now: datetime) -> OrderStep | None:
    """The most urgent step that is due; None where the order only waits. Ask again after each step."""
    if state.holds and any(state.has_hold(name) for name in MERCHANT_STOPS) and (record := _keep_record(state, now)):
        return record  # the register answers whether the merchant was let go meanwhile
    money_stands = bool(state.held("all"))
    if not state.funded:
        return _keep_record(state, now) if money_stands else post(state, Booking("fund"), now)
    if state.phase == "opening":
        return Screen()
    # A freeze moves nothing away: a hold does not stop it, unless it is this that the ledger refuses.
    if (booking := freeze_due(state)) is not None and not state.has_hold(LEDGER_DISAGREES):
        return post(state, booking, now)
    if not money_stands and (booking := refund_due(state) or thaw_due(state)) is not None:
        return post(state, booking, now)
    if state.claims_unknown or claims_to_release(state):
        return ReleaseClaims()
    if looks := due_looks(state, now):
        return Look(parcel_id=looks[0].parcel_id, waybill=looks[0].waybill)
    if (parcel := parcel_to_judge(state)) is not None:
        return Judge(parcel_id=parcel.parcel_id, waybill=parcel.waybill, scans=len(parcel.pushed))
    if credit_due(state):
        return post(state, Booking("credit"), now)
    if settle_due(state, now):
        return post(state, Booking("settle"), now)
    if state.withdrawal_due and not state.held("payout", "all"):
        return StartWithdrawal()
    return _keep_record(state, now)


def post(state: OrderState, booking: Booking, now: datetime) -> Post:
    """The step of a movement, with the record of the order as it will be once the movement stands."""
    movement = movement_for(state, booking, now)
    after = finish_posting(_begin(state, movement), movement)
    return Post(movement=movement, record=record_of(after, now))


def _keep_record(state: OrderState, now: datetime) -> KeepRecord | None:
    return KeepRecord(record=record_of(state, now)) if state.revision > state.recorded_revision else None


# --- while it is done ------------------------------------------------------------------------------------


def start(state: OrderState, step: OrderStep) -> OrderState:
    """The order while a step is carried out: a command that arrives before the result cannot undo the decision.

    It is not a new revision: nothing has happened yet that a record must show.
    """
    if isinstance(step, Post):
        return _begin(state, step.movement)
    if isinstance(step, ReleaseClaims):
        claims = tuple(key_of(claim) for claim in claims_to_release(state))
        return state.changed(doing=Doing(verb="release_claims", claims=claims))
    return state.changed(doing=Doing(verb="start_withdrawal")) if isinstance(step, StartWithdrawal) else state


def _begin(state: OrderState, movement: Movement) -> OrderState:
    """A movement under way. The number of its notice is kept now, so that what overtakes it gets other numbers."""
    notifying = movement.kind in NOTIFYING
    cause = movement.name("cause")
    doing = Doing(verb=movement.kind, about=cause, notice_seq=state.notice_seq + 1 if notifying else None)
    return state.changed(doing=doing, notice_seq=state.notice_seq + notifying)


# --- what came of it -------------------------------------------------------------------------------------


def finish(state: OrderState, step: OrderStep, result: OrderResult, now: datetime) -> OrderState:
    """The order after a step's result. Commands may have arrived since it began; their decisions stand."""
    if isinstance(step, Post):
        assert isinstance(result, Posted)
        return _finish_post(state, step, result, now)
    if isinstance(step, KeepRecord):
        assert isinstance(result, LedgerFacts)
        return state.note_record(step.record) if result.kept else state
    if isinstance(step, Screen):
        assert isinstance(result, Screening)
        return apply_screening(state, result, now).next_revision()
    if isinstance(step, Look):
        assert isinstance(result, Verdict)
        return _apply_look(state, step, result, now)
    if isinstance(step, Judge):
        assert isinstance(result, Verdict | None)
        return apply_judgement(state, (step.parcel_id, step.waybill), step.scans, result, now)
    if isinstance(step, ReleaseClaims):
        return release_claims(state).changed(doing=None).next_revision()
    assert isinstance(result, StartedWithdrawal)
    return _note_withdrawal(state, result, now)


def _finish_post(state: OrderState, step: Post, posted: Posted, now: datetime) -> OrderState:
    if posted.outcome == "held":
        return _wait_for_merchant(state, now)
    if not posted.moved and not _had_nothing(step.movement, posted):
        return _stop_money(state, step, posted, now)
    state = finish_posting(state, step.movement)
    return state if posted.overtaken or not posted.moved else state.note_record(step.record)


def _had_nothing(movement: Movement, posted: Posted) -> bool:
    """There was nothing to freeze, or nothing frozen is left."""
    return movement.kind in AT_MOST and posted.outcome == "insufficient_funds"


def finish_posting(state: OrderState, movement: Movement) -> OrderState:
    """The order once a movement stands, whose notice gets the number that was kept for it."""
    doing = state.doing or _begin(state, movement).doing
    state = apply_movement(state, movement)
    if doing is not None and doing.notice_seq is not None and state.notices:
        notice = state.notices[-1].changed(seq=doing.notice_seq)
        last = max(doing.notice_seq, state.notice_seq - 1)
        state = state.changed(notices=(*state.notices[:-1], notice), notice_seq=last)
    return state.changed(doing=None).next_revision()


def _wait_for_merchant(state: OrderState, now: datetime) -> OrderState:
    """The merchant is frozen. If the hold is lifted too early, it comes back: the ledger decides.

    It is recorded before the next movement: a merchant that was let go between the ledger's answer and the record did
    not find this order.
    """
    before_credit = state.credited_at is None and not state.over
    hold = merchant_hold(MERCHANT_FROZEN, "credit" if before_credit else "payout", now)
    return hold_money(state, hold, now).changed(doing=None).next_revision()


def _stop_money(state: OrderState, step: Post, posted: Posted, now: datetime) -> OrderState:
    """The ledger refuses a movement that the core decided: no money moves until an operator has looked."""
    hold = Hold(
        name=LEDGER_DISAGREES,
        scope="all",
        reason=f"{step.summary}: {posted.outcome} {posted.detail}".strip(),
        owner="operator",
        since=now,
        facts={"movement": step.movement.kind, "outcome": posted.outcome},
    )
    return hold_money(state, hold, now).changed(doing=None).next_revision()


def _apply_look(state: OrderState, step: Look, verdict: Verdict, now: datetime) -> OrderState:
    """A silent carrier says nothing about the parcel."""
    own = next((p for p in state.awaited_by_case if (p.parcel_id, p.waybill) == (step.parcel_id, step.waybill)), None)
    if own is not None:
        state = state.with_awaited_by_case(own.changed(looked_at=now))
        return apply_case_verdict(state, step.parcel_id, step.waybill, verdict, now).next_revision()
    parcel = state.parcel(step.parcel_id)
    if parcel is not None and parcel.waybill == step.waybill:
        # The deadline uses this look's verdict: the carrier's answer of days ago may be out of date.
        state = state.with_parcel(parcel.changed(looked_at=now))
        state = apply_verdict(state, step.parcel_id, step.waybill, verdict, now)
    return state.next_revision()


def _note_withdrawal(state: OrderState, started: StartedWithdrawal, now: datetime) -> OrderState:
    """The order's journal keeps the outcome of its withdrawal. If there is none, a notice to the merchant says why."""
    message = f"withdrawal {started.withdrawal_id}"
    inbox = state.inbox.note(now, "system", "start_withdrawal", "noted", refusal=started.skipped, message=message)
    state = state.changed(withdrawal_started=True, doing=None, inbox=inbox).next_revision()
    if started.skipped is None:
        return state
    return state.with_notice("merchant", "withdrawal_skipped", now, reason=started.skipped.code)
