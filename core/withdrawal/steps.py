"""What the shell must do next for a withdrawal, and what its result means.

The shell decides nothing. `next_step` names the most urgent thing. `finish` applies its result to the withdrawal. A
step that books or opens something carries the record of the state as it will be afterwards, so that both are one
database transaction. `at` is the time to record. Technical time limits belong to the shell.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from core import movements
from core.fields import Message, Time, omitted_at
from core.merchants import MERCHANT_STOPS
from core.messages import Actor, Withdrawal
from core.movements import Movement
from core.reasons import Refusal
from core.records import WithdrawalRecord
from core.steps import KeepRecord, Post, Posted, Step
from core.withdrawal.opening import apply_reservation, refuse_request
from core.withdrawal.outcomes import (
    ask_approval,
    contradicts,
    give_back,
    go_on,
    learn,
    mark_unknown,
    mark_unsent,
    wait_for_merchant,
)
from core.withdrawal.payouts import Attempt, PayoutResult, RailTerms, attempt_key
from core.withdrawal.policy import WithdrawalPolicy
from core.withdrawal.recovering import Overtaken, go_on_from
from core.withdrawal.state import GIVEN_BACK, PAID_OUT, WAITS_AT_HOME, WithdrawalState
from core.withdrawal.views import record_of


class Reserve(Step):
    """Check balance, receivable, account and the day's limits under the merchant's lock, write the row, set aside."""

    label: ClassVar[str] = "reserve"
    at: Time
    record: WithdrawalRecord
    withdrawal: Withdrawal
    policy: WithdrawalPolicy


class OpenAttempt(Step):
    """Write the attempt's row before anything is sent. An existing attempt of this number is returned unchanged."""

    at: Time
    record: WithdrawalRecord
    withdrawal: Withdrawal
    number: int
    key: str
    amount_minor: int
    approvals: tuple[Actor, ...] = ()

    @property
    def summary(self) -> str:
        return f"open payout {self.number} {self.key}"

    @property
    def decided_once(self) -> bool:
        """Where people approved it: the last approval may be lost with worker and server while the register has it."""
        return bool(self.approvals)


class _AboutPayout(Step):
    at: Time
    withdrawal_id: str
    merchant_id: str
    account_id: str
    account_version: int
    number: int
    key: str
    rail: str
    amount_minor: int
    currency: str


class Pay(_AboutPayout):
    """Send the instruction once, unless `send_by` has passed.

    Where it may have been sent before, look it up instead. `resend`: the identical request may be sent again under the
    same key. `ask_first`: the register may not know that it was sent, so look it up before the first sending.
    """

    send_by: Time
    resend: bool = False
    ask_first: bool = omitted_at(False)

    @property
    def summary(self) -> str:
        return f"{'send again' if self.resend else 'pay'} {self.key} by {self.rail}"


class Query(_AboutPayout):
    """Look the payout up. `decided` is the outcome known when the question was asked."""

    decided: str

    @property
    def summary(self) -> str:
        return f"look {self.key} up at {self.rail}"


class CheckStanding(Step):
    """Whether the account is still in order and the merchant owes nothing, while the withdrawal waits."""

    label: ClassVar[str] = "check account and debts"
    withdrawal_id: str
    merchant_id: str
    account_id: str
    currency: str


class SuspendAccount(Step):
    """No more money to this payout account, and no automatic withdrawal to it."""

    label: ClassVar[str] = "suspend the payout account"
    at: Time
    withdrawal_id: str
    merchant_id: str
    account_id: str
    reason: str


class Done(Message):
    """The step was carried out, now or before."""


class Disagrees(Message):
    """The register refused a step for good although the core decided it."""

    message: str


class AttemptOpened(Message):
    """The attempt's row as the register has it. The row wins over the request."""

    key: str
    rail: str
    terms: RailTerms
    account_version: int
    account_last4: str | None = None
    opened_at: Time


WithdrawalStep = Reserve | OpenAttempt | Post | Pay | Query | CheckStanding | SuspendAccount | KeepRecord
WithdrawalResult = Done | Posted | Refusal | Disagrees | AttemptOpened | PayoutResult | Overtaken


class StepAnswer(Message):
    """A result as it crosses processes. At most one field is set; none means done.

    `left` is beside the result: those who were asked about and may not decide any more.
    """

    refusal: Refusal | None = None
    disagrees: Disagrees | None = None
    opened: AttemptOpened | None = None
    overtaken: Overtaken | None = None
    left: tuple[str, ...] = omitted_at(())

    @property
    def result(self) -> WithdrawalResult:
        return self.refusal or self.disagrees or self.opened or self.overtaken or Done()


# --- which step ------------------------------------------------------------------------------------------


def next_step(state: WithdrawalState, now: datetime) -> WithdrawalStep | None:
    """The step that must be done now; None: wait for a command or a deadline, or it is over."""
    if state.phase == "refused":
        return None
    if not state.reserved:
        return _reserve(state, now)
    step = None
    if not state.has_hold("ledger_disagrees"):
        step = _booking(state, now) or _sending(state, now)
    step = step or _aside(state, now)
    if step is None and state.revision > state.recorded_revision:
        return KeepRecord(record=record_of(state, now))
    return step


def _reserve(state: WithdrawalState, now: datetime) -> WithdrawalStep | None:
    if state.has_hold("ledger_disagrees"):
        return None
    record = record_of(apply_reservation(state, now).next_revision(), now)
    return Reserve(at=now, record=record, withdrawal=state.withdrawal, policy=state.policy)


def _booking(state: WithdrawalState, now: datetime) -> Post | None:
    movement = _movement_due(state, now)
    if movement is None:
        return None
    after = _apply_movement(state, movement).next_revision()
    return Post(movement=movement, record=record_of(after, now))


def _movement_due(state: WithdrawalState, now: datetime) -> Movement | None:
    """The movement that the phase requires and the books do not have yet."""
    withdrawal, paid = state.withdrawal, state.paid_attempt
    withdrawal_id, merchant_id, amount = withdrawal.withdrawal_id, withdrawal.merchant_id, withdrawal.amount_minor
    currency, at = withdrawal.currency, now
    if state.phase in PAID_OUT and state.booked is None and paid is not None:
        return movements.pay(
            withdrawal_id,
            rail=paid.rail,
            amount_minor=state.net_minor,
            fee_minor=state.fee_minor,
            currency=currency,
            occurred_at=at,
        )
    if state.phase in GIVEN_BACK and state.booked is None and state.incident is None:
        return movements.void(
            withdrawal_id, merchant_id=merchant_id, amount_minor=amount, currency=currency, occurred_at=at
        )
    if state.phase == "in_suspense" and not state.suspended:
        return movements.move_to_suspense(withdrawal_id, amount_minor=amount, currency=currency, occurred_at=at)
    if state.booked == "paid" and state.return_due_minor and paid is not None:
        return movements.bank_return(
            withdrawal,
            k=len(state.returns_minor) + 1,
            rail=paid.rail,
            amount_minor=state.return_due_minor,
            occurred_at=at,
        )
    return None


def _sending(state: WithdrawalState, now: datetime) -> WithdrawalStep | None:
    latest = state.latest
    if state.incident is not None:
        return None
    if state.phase == "submitting":
        if latest is None or latest.dead:
            return _open_attempt(state, now)
        if latest.outcome == "open":
            return _pay(state, latest, now)
    if state.phase != "unknown" or latest is None or latest.look_due:
        return None
    return _pay(state, latest, now) if latest.may_resend(state.policy.not_found_apart, now) else None


def _aside(state: WithdrawalState, now: datetime) -> WithdrawalStep | None:
    withdrawal = state.withdrawal
    if state.account_suspension == "wanted":
        return SuspendAccount(
            at=now,
            withdrawal_id=withdrawal.withdrawal_id,
            merchant_id=withdrawal.merchant_id,
            account_id=withdrawal.account_id,
            reason=state.reason or state.phase,
        )
    if state.standing_due and state.phase in WAITS_AT_HOME:
        return CheckStanding(
            withdrawal_id=withdrawal.withdrawal_id,
            merchant_id=withdrawal.merchant_id,
            account_id=withdrawal.account_id,
            currency=withdrawal.currency,
        )
    looking = next((attempt for attempt in state.attempts if attempt.look_due), None)
    return Query(**_about(state, looking, now), decided=looking.outcome) if looking else None


def _open_attempt(state: WithdrawalState, now: datetime) -> WithdrawalStep:
    number = len(state.attempts) + 1
    return OpenAttempt(
        at=now,
        record=record_of(state, now),
        withdrawal=state.withdrawal,
        number=number,
        key=attempt_key(state.seed, number),
        amount_minor=state.net_minor,
        approvals=tuple(approval.actor for approval in state.approvals),
    )


def _pay(state: WithdrawalState, attempt: Attempt, now: datetime) -> WithdrawalStep:
    send_by = attempt.send_by(state.policy.send_within)
    again = attempt.sends > 0
    return Pay(**_about(state, attempt, now), send_by=send_by, resend=again, ask_first=state.asks_first and not again)


def _about(state: WithdrawalState, attempt: Attempt, now: datetime) -> dict[str, object]:
    return {
        "at": now,
        "withdrawal_id": state.withdrawal.withdrawal_id,
        "merchant_id": state.withdrawal.merchant_id,
        "account_id": state.withdrawal.account_id,
        "account_version": attempt.account_version,
        "number": attempt.number,
        "key": attempt.key,
        "rail": attempt.rail,
        "amount_minor": state.net_minor,
        "currency": state.withdrawal.currency,
    }


# --- what its result means -------------------------------------------------------------------------------


def finish(state: WithdrawalState, step: WithdrawalStep, result: WithdrawalResult, now: datetime) -> WithdrawalState:
    """The withdrawal after a step's result.

    Commands may have arrived since it began; their decisions stand. Where the register is ahead, an outdated state
    asked for the step, and its result does not count.
    """
    if isinstance(result, Overtaken):
        return go_on_from(result.state, state)
    if isinstance(step, KeepRecord):
        return state.note_record(step.record)
    state = _apply_result(state, step, result, now).next_revision()
    wrote = isinstance(result, Done | AttemptOpened) or (isinstance(result, Posted) and result.moved)
    return state.note_record(step.record) if wrote and isinstance(step, Reserve | OpenAttempt | Post) else state


def _apply_result(
    state: WithdrawalState, step: WithdrawalStep, result: WithdrawalResult, now: datetime
) -> WithdrawalState:
    if isinstance(step, Reserve) and isinstance(result, Refusal):
        return refuse_request(state, result, now)
    if isinstance(result, Disagrees):
        return state.stop_for("ledger_disagrees", "operator", now, step=type(step).__name__, told=result.message)
    if isinstance(step, Post):
        assert isinstance(result, Posted)
        if result.moved:
            return _apply_movement(state, step.movement)
        answer = f"{result.outcome}: {result.detail}"
        return state.stop_for("ledger_disagrees", "operator", now, step=step.movement.kind, told=answer)
    if isinstance(step, CheckStanding):
        return _apply_check(state, result, now)
    if isinstance(step, OpenAttempt):
        return _apply_attempt(state, step, result, now)
    if isinstance(step, Pay):
        return _apply_sending(state, step, _payout(result), now)
    if isinstance(step, Query):
        return _apply_look(state, step, _payout(result), now)
    if isinstance(step, SuspendAccount):
        return state.changed(account_suspension="done")
    assert isinstance(step, Reserve)
    return apply_reservation(state, now)


def _apply_movement(state: WithdrawalState, movement: Movement) -> WithdrawalState:
    """The withdrawal once this movement stands in the books."""
    if movement.kind == "pay":
        return state.changed(booked="paid")
    if movement.kind == "void":
        return state.changed(booked="void")
    if movement.kind == "suspense":
        return state.changed(suspended=True)
    assert movement.kind == "bank_return"
    return state.changed(returns_minor=(*state.returns_minor, movement.legs[0].amount_minor))


def _apply_attempt(
    state: WithdrawalState, step: OpenAttempt, result: WithdrawalResult, now: datetime
) -> WithdrawalState:
    if isinstance(result, Refusal) and result.code == "needs_other_person":
        return ask_approval(state, now)
    if isinstance(result, Refusal):
        return _stop_or_give_back(state, result, now)
    assert isinstance(result, AttemptOpened)
    attempt = Attempt(number=step.number, **result.model_dump())
    return state.changed(attempts=(*state.attempts, attempt))


def _apply_check(state: WithdrawalState, result: WithdrawalResult, now: datetime) -> WithdrawalState:
    state = state.changed(standing_due=False, standing_checked_at=now)
    if state.phase not in WAITS_AT_HOME or state.incident is not None:
        return state
    if isinstance(result, Refusal):
        return _stop_or_give_back(state, result, now)
    held = any(state.has_hold(stop) for stop in MERCHANT_STOPS)
    return go_on(state.without_holds(*MERCHANT_STOPS), now) if held else state


def _stop_or_give_back(state: WithdrawalState, refusal: Refusal, now: datetime) -> WithdrawalState:
    """Why nothing may be sent: a stopped merchant waits; for any other reason the money is available again."""
    if refusal.code in MERCHANT_STOPS:
        return wait_for_merchant(state, refusal.code, refusal.message, now)
    return give_back(state, "cancelled", f"{refusal.code}: {refusal.message}", now)


def _payout(result: WithdrawalResult) -> PayoutResult:
    return result if isinstance(result, PayoutResult) else PayoutResult(outcome="unknown")


def _apply_sending(state: WithdrawalState, step: Pay, result: PayoutResult, now: datetime) -> WithdrawalState:
    attempt = state.attempt(step.number)
    if result.outcome == "not_sent" and not step.resend:
        return mark_unsent(state, attempt, now) if attempt.outcome == "open" else state
    attempt = attempt.changed(
        sends=attempt.sends + (result.outcome != "not_sent"),
        first_sent_at=attempt.first_sent_at or now,
        last_sent_at=now,
        not_found_at=(),
    )
    state = state.with_attempt(attempt)
    if attempt.outcome == "paid" or attempt.dead:
        return _ask_again(state, attempt, result, now)
    negative = result.outcome in {"failed", "not_sent"}
    # A "no" to a second sending may only mean that the first one was already accepted.
    if negative and (step.resend or result.failure in (None, "unknown")):
        return mark_unknown(state, attempt, now)
    return learn(state, step.number, result, now)


def _apply_look(state: WithdrawalState, step: Query, result: PayoutResult, now: datetime) -> WithdrawalState:
    attempt = state.attempt(step.number).changed(looked_at=now, look_due=False)
    state = state.with_attempt(attempt)
    if attempt.outcome != step.decided and (attempt.outcome == "paid" or attempt.dead):
        return _ask_again(state, attempt, result, now)
    return learn(state, step.number, result, now)


def _ask_again(state: WithdrawalState, attempt: Attempt, result: PayoutResult, now: datetime) -> WithdrawalState:
    """An answer to a question from before the decision. If it contradicts the decision, ask once more."""
    if contradicts(attempt, result):
        return state.with_attempt(attempt.changed(look_due=True))
    return learn(state, attempt.number, result, now)
