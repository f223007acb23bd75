"""What the shell must do now, and what its result means. The shell decides nothing.

A step that books something carries the record of the state as it will be afterwards, so that posting and record are one
database transaction. `at` is the time to write down; technical limits are the shell's.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from core.messages import Actor, Message, Time, Withdrawal
from core.reasons import Refusal
from core.records import WithdrawalRecord
from core.withdrawal.opening import refused, reserved
from core.withdrawal.outcomes import contradicts, give_back, learn, unknown, unsent
from core.withdrawal.payouts import Attempt, PayoutResult, RailTerms, attempt_key
from core.withdrawal.policy import WithdrawalPolicy
from core.withdrawal.state import GIVEN_BACK, PAID_OUT, WAITS_AT_HOME, WithdrawalState
from core.withdrawal.viewing import record_of


class Step(Message):
    """One thing to do. Repeating it changes nothing: what it names is its key."""

    told: ClassVar[str] = ""
    at: Time

    @property
    def summary(self) -> str:
        """For people who look at the activity."""
        return self.told


class Recorded(Step):
    """A step that also writes the register's row, in the same transaction."""

    record: WithdrawalRecord


class Reserve(Recorded):
    """Check balance, receivable, account and the day's limits under the merchant's lock, write the row, set aside."""

    told: ClassVar[str] = "reserve"
    withdrawal: Withdrawal
    policy: WithdrawalPolicy


class OpenAttempt(Recorded):
    """Write the attempt's row before anything is sent. An attempt of this number that exists is given back as it is."""

    withdrawal: Withdrawal
    number: int
    key: str
    amount_minor: int
    approvals: tuple[Actor, ...] = ()

    @property
    def summary(self) -> str:
        return f"open payout {self.number} {self.key}"


class _AboutPayout(Step):
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
    """Send the instruction, once, unless `send_by` has passed; where it may have been sent before, look it up instead.

    `resend`: the identical request may go again under the same key.
    """

    send_by: Time
    resend: bool = False

    @property
    def summary(self) -> str:
        return f"{'send again' if self.resend else 'pay'} {self.key} by {self.rail}"


class Query(_AboutPayout):
    """Look the payout up. `decided` is what was known when the question was asked."""

    decided: str

    @property
    def summary(self) -> str:
        return f"look {self.key} up at {self.rail}"


class Closing(Recorded):
    """Money leaves the reservation, or comes back: which way and how much is decided once."""

    withdrawal_id: str
    merchant_id: str
    currency: str


class ClosePaid(Closing):
    """Reserved, or what stands in suspense, to the rail's cash, and the fee to income."""

    told: ClassVar[str] = "book it as paid"
    rail: str
    amount_minor: int
    fee_minor: int


class CloseVoid(Closing):
    """Reserved, or what stands in suspense, back to what the merchant owes first, then to available."""

    told: ClassVar[str] = "give the reserved money back"
    amount_minor: int
    reason: str


class MoveToSuspense(Closing):
    """Reserved to suspense: two people said "failed", and may be wrong."""

    told: ClassVar[str] = "move the reserved money to suspense"
    amount_minor: int


class BankReturn(Closing):
    """The rail's cash back to the merchant: the `k`-th return of this withdrawal."""

    told: ClassVar[str] = "book what came back"
    rail: str
    k: int
    amount_minor: int


class CheckStanding(Step):
    """Whether the account is still in order and the merchant owes nothing, while the withdrawal waits."""

    told: ClassVar[str] = "check account and debts"
    withdrawal_id: str
    merchant_id: str
    account_id: str
    currency: str


class SuspendAccount(Step):
    """No more money to this payout account, and no automatic withdrawal to it."""

    told: ClassVar[str] = "suspend the payout account"
    withdrawal_id: str
    merchant_id: str
    account_id: str
    reason: str


class Record(Recorded):
    """Write the register's row and the notices."""

    told: ClassVar[str] = "record"


class Done(Message):
    """The step was carried out, now or before."""


class Disagrees(Message):
    """The ledger refused for good: a conflict, or a balance that should have been there."""

    message: str


class AttemptOpened(Message):
    """The attempt's row as the register has it; the row wins over what was asked for."""

    key: str
    rail: str
    terms: RailTerms
    account_version: int
    account_last4: str | None = None
    opened_at: Time


Result = Done | Refusal | Disagrees | AttemptOpened | PayoutResult


class StepAnswer(Message):
    """A result as it crosses processes: at most one field is set, none means done."""

    refusal: Refusal | None = None
    disagrees: Disagrees | None = None
    opened: AttemptOpened | None = None

    @property
    def result(self) -> Result:
        return self.refusal or self.disagrees or self.opened or Done()


def next_step(state: WithdrawalState, now: datetime) -> Step | None:
    """What must be done now; None: wait for a command or a deadline, or it is over."""
    if state.phase == "refused":
        return None
    if not state.reserved:
        return _reserve(state, now)
    step = None
    if state.hold("ledger_disagrees") is None:
        step = _booking(state, now) or _sending(state, now)
    step = step or _aside(state, now)
    if step is None and state.revision > state.recorded_revision:
        return Record(at=now, record=record_of(state, now))
    return step


def finish(state: WithdrawalState, step: Step, result: Result, now: datetime) -> WithdrawalState:
    """The state after a step's result. Commands may have come meanwhile; what they decided stands."""
    if isinstance(step, Reserve) and isinstance(result, Refusal):
        state = refused(state, result, now)
    elif isinstance(result, Disagrees):
        state = state.holding("ledger_disagrees", "operator", now, step=type(step).__name__, told=result.message)
    elif isinstance(step, CheckStanding):
        state = _checked(state, result, now)
    elif isinstance(step, OpenAttempt):
        state = _opened(state, step, result, now)
    elif isinstance(step, Pay):
        state = _sent(state, step, _payout(result), now)
    elif isinstance(step, Query):
        state = _looked(state, step, _payout(result), now)
    elif not isinstance(step, Record):
        state = _done(state, step, now)
    if not isinstance(step, Record):
        state = state.changed(revision=state.revision + 1)
    wrote = isinstance(step, Recorded) and not isinstance(result, Refusal | Disagrees)
    return _recorded(state, step) if wrote and isinstance(step, Recorded) else state


# --- which step ------------------------------------------------------------------------------------------


def _reserve(state: WithdrawalState, now: datetime) -> Step | None:
    if state.hold("ledger_disagrees"):
        return None
    step = Reserve(at=now, withdrawal=state.withdrawal, policy=state.policy, record=record_of(state, now))
    return _with_record_after(state, step, now)


def _booking(state: WithdrawalState, now: datetime) -> Step | None:
    whose = {
        "at": now,
        "withdrawal_id": state.withdrawal.withdrawal_id,
        "merchant_id": state.withdrawal.merchant_id,
        "currency": state.withdrawal.currency,
        "record": record_of(state, now),
    }
    step: Closing | None = None
    paid = state.paid_attempt
    if state.phase in PAID_OUT and state.booked is None and paid is not None:
        step = ClosePaid(**whose, rail=paid.rail, amount_minor=state.net_minor, fee_minor=state.fee_minor)
    elif state.phase in GIVEN_BACK and state.booked is None and state.incident is None:
        step = CloseVoid(**whose, amount_minor=state.withdrawal.amount_minor, reason=state.reason or state.phase)
    elif state.phase == "in_suspense" and not state.suspended:
        step = MoveToSuspense(**whose, amount_minor=state.withdrawal.amount_minor)
    elif state.booked == "paid" and state.return_due_minor and paid is not None:
        k = len(state.returns_minor) + 1
        step = BankReturn(**whose, rail=paid.rail, k=k, amount_minor=state.return_due_minor)
    return _with_record_after(state, step, now) if step else None


def _sending(state: WithdrawalState, now: datetime) -> Step | None:
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


def _aside(state: WithdrawalState, now: datetime) -> Step | None:
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
            at=now,
            withdrawal_id=withdrawal.withdrawal_id,
            merchant_id=withdrawal.merchant_id,
            account_id=withdrawal.account_id,
            currency=withdrawal.currency,
        )
    looking = next((attempt for attempt in state.attempts if attempt.look_due), None)
    return Query(**_about(state, looking, now), decided=looking.outcome) if looking else None


def _open_attempt(state: WithdrawalState, now: datetime) -> Step:
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


def _pay(state: WithdrawalState, attempt: Attempt, now: datetime) -> Step:
    send_by = attempt.send_by(state.policy.send_within)
    return Pay(**_about(state, attempt, now), send_by=send_by, resend=attempt.sends > 0)


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


def _done(state: WithdrawalState, step: Step, now: datetime) -> WithdrawalState:
    if isinstance(step, Reserve):
        return reserved(state, now)
    if isinstance(step, ClosePaid):
        return state.changed(booked="paid")
    if isinstance(step, CloseVoid):
        return state.changed(booked="void")
    if isinstance(step, MoveToSuspense):
        return state.changed(suspended=True)
    if isinstance(step, BankReturn):
        return state.changed(returns_minor=(*state.returns_minor, step.amount_minor))
    return state.changed(account_suspension="done") if isinstance(step, SuspendAccount) else state


def _with_record_after(state: WithdrawalState, step: Recorded, now: datetime) -> Step:
    after = _done(state, step, now).changed(revision=state.revision + 1)
    return step.model_copy(update={"record": record_of(after, now)})


def _recorded(state: WithdrawalState, step: Recorded) -> WithdrawalState:
    """What the record told is told; commands that came meanwhile have raised the revision beyond the record's."""
    told = max((notice.seq for notice in step.record.notices), default=0)
    return state.changed(
        recorded_revision=step.record.revision, notices=tuple(n for n in state.notices if n.seq > told)
    )


def _opened(state: WithdrawalState, step: OpenAttempt, result: Result, now: datetime) -> WithdrawalState:
    if isinstance(result, Refusal):
        return give_back(state, "cancelled", f"{result.code}: {result.message}", now)
    assert isinstance(result, AttemptOpened)
    attempt = Attempt(number=step.number, **result.model_dump())
    return state.changed(attempts=(*state.attempts, attempt))


def _checked(state: WithdrawalState, result: Result, now: datetime) -> WithdrawalState:
    state = state.changed(standing_due=False, standing_checked_at=now)
    if not isinstance(result, Refusal) or state.phase not in WAITS_AT_HOME or state.incident is not None:
        return state
    return give_back(state, "cancelled", f"{result.code}: {result.message}", now)


def _payout(result: Result) -> PayoutResult:
    return result if isinstance(result, PayoutResult) else PayoutResult(outcome="unknown")


def _sent(state: WithdrawalState, step: Pay, result: PayoutResult, now: datetime) -> WithdrawalState:
    attempt = state.attempt(step.number)
    if result.outcome == "not_sent" and not step.resend:
        return unsent(state, attempt, now) if attempt.outcome == "open" else state
    attempt = attempt.model_copy(
        update={
            "sends": attempt.sends + (result.outcome != "not_sent"),
            "first_sent_at": attempt.first_sent_at or now,
            "last_sent_at": now,
            "not_found_at": (),
        }
    )
    state = state.with_attempt(attempt)
    if attempt.outcome == "paid" or attempt.dead:
        return _against_decided(state, attempt, result, now)
    negative = result.outcome in {"failed", "not_sent"}
    # A "no" to a second sending may only mean that the first was already taken.
    if negative and (step.resend or result.failure in (None, "unknown")):
        return unknown(state, attempt, now)
    return learn(state, step.number, result, now)


def _looked(state: WithdrawalState, step: Query, result: PayoutResult, now: datetime) -> WithdrawalState:
    attempt = state.attempt(step.number).model_copy(update={"looked_at": now, "look_due": False})
    state = state.with_attempt(attempt)
    if attempt.outcome != step.decided and (attempt.outcome == "paid" or attempt.dead):
        return _against_decided(state, attempt, result, now)
    return learn(state, step.number, result, now)


def _against_decided(state: WithdrawalState, attempt: Attempt, result: PayoutResult, now: datetime) -> WithdrawalState:
    """An answer to a question from before the decision: where it speaks against it, ask once more."""
    if contradicts(attempt, result):
        return state.with_attempt(attempt.model_copy(update={"look_due": True}))
    return learn(state, attempt.number, result, now)
