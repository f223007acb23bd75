"""A withdrawal without Temporal: its steps are carried out against a scripted bank and books in memory."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Any

from core.answers import Answer
from core.messages import WITHDRAWAL_COMMANDS, Withdrawal
from core.movements import Movement
from core.reading import read_command
from core.reasons import Refusal, refuse
from core.steps import KeepRecord, Post, Posted, PostingOutcome
from core.withdrawal.commands import receive
from core.withdrawal.deadlines import deadlines, next_wake, pass_deadlines, spare
from core.withdrawal.opening import begin
from core.withdrawal.payouts import PayoutResult, RailTerms
from core.withdrawal.policy import WithdrawalPolicy
from core.withdrawal.state import WithdrawalState
from core.withdrawal.steps import (
    AttemptOpened,
    CheckStanding,
    Disagrees,
    Done,
    OpenAttempt,
    Pay,
    Query,
    Reserve,
    SuspendAccount,
    WithdrawalResult,
    WithdrawalStep,
    finish,
    next_step,
)
from core.withdrawal.views import holds_of, record_of

T0 = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)  # a Monday, 10:00 in China
RAIL = "sandbox"
LARGE = 3_000_000
"""An amount that needs approval."""
WINDOW = RailTerms(dedup_window=timedelta(hours=24), query_window=timedelta(days=30))
NO_WINDOW = RailTerms()


def asked(amount_minor: int = 10_000, **fields: Any) -> Withdrawal:
    """A merchant's request for 100.00 CNY."""
    return Withdrawal.model_validate(
        {
            "withdrawal_id": "w-1",
            "merchant_id": "m-7",
            "amount_minor": amount_minor,
            "currency": "CNY",
            "account_id": "acc-1",
            "requested_by": {"role": "merchant", "id": "m-7"},
            **fields,
        }
    )


def answered(outcome: Any, failure: Any = None, **fields: Any) -> PayoutResult:
    return PayoutResult(outcome=outcome, failure=failure, **fields)


class Books:
    """One merchant's balances; every posting under its reference, once."""

    def __init__(self, available: int) -> None:
        self.available, self.reserved, self.suspense, self.cash_out, self.fees = available, 0, 0, 0, 0
        self.references: dict[str, Any] = {}
        self.broken: str | None = None

    @property
    def total(self) -> int:
        return self.available + self.reserved + self.suspense + self.cash_out + self.fees

    @property
    def held(self) -> str:
        """Where a close takes the money from."""
        return "suspense" if "suspense" in self.references else "reserved"

    def move(self, reference: str, content: Any, **moves: int) -> WithdrawalResult:
        """Each balance by its change, once under a reference."""
        if self.broken:
            return Disagrees(message=self.broken)
        if reference in self.references:
            assert self.references[reference] == content, f"{reference} was posted with other content"
            return Done()
        assert sum(moves.values()) == 0
        self.references[reference] = content
        for name, change in moves.items():
            setattr(self, name, getattr(self, name) + change)
            assert getattr(self, name) >= 0, f"{name} is below zero after {reference}"
        return Done()

    def post(self, movement: Movement) -> Posted:
        """A movement of the one withdrawal; a close takes the money from where it stands."""
        moves: dict[str, int] = {}
        for leg in movement.legs:
            for name, change in ((self.name(leg.debit), -leg.amount_minor), (self.name(leg.credit), leg.amount_minor)):
                name = self.held if name == "reserved" else name
                moves[name] = moves.get(name, 0) + change
        result = self.move(movement.reference.split("/", 2)[2], (movement.kind, movement.legs), **moves)
        outcome: PostingOutcome = "conflict" if isinstance(result, Disagrees) else "posted"
        return Posted(reference=movement.reference, outcome=outcome)

    @staticmethod
    def name(account: str) -> str:
        """The balance that stands for an account of the ledger."""
        names = {"cash": "cash_out", "withdrawal_fee": "fees"}
        last = account.rsplit("/", 1)[-1]
        return names.get(last, last)


class WithdrawalDriver:
    """Begins a withdrawal, and carries out what the core asks until it waits."""

    def __init__(
        self,
        withdrawal: Withdrawal | None = None,
        policy: WithdrawalPolicy | None = None,
        *,
        terms: RailTerms = WINDOW,
        available: int = 5_000_000,
        account: Refusal | None = None,
    ) -> None:
        self.now = T0
        self.expected: datetime | None = None
        self.state: WithdrawalState = begin(withdrawal or asked(), policy or WithdrawalPolicy(), T0)
        self.terms, self.account = terms, account
        self.standing: Refusal | None = None
        self.books = Books(available)
        self.pays: deque[PayoutResult] = deque()
        self.looks: deque[PayoutResult] = deque()
        self.sent: list[Pay] = []
        self.looked: list[datetime] = []
        self.suspended: list[str] = []
        self.records: list[Any] = []
        self.noticed: dict[int, tuple[str, str]] = {}
        self.steps: list[str] = []
        self.commands = 0

    @property
    def phase(self) -> str:
        return self.state.phase

    # --- the loop --------------------------------------------------------------------------------------

    def run(self) -> WithdrawalDriver:
        """Do every step that is due now."""
        for _ in range(200):
            if self.expected is not None:
                self.state = spare(self.state, self.expected, self.now)
            self.state = pass_deadlines(self.state, self.now)
            due = next_wake(self.state)
            self.expected = due.at if due is not None else None
            step = next_step(self.state, self.now)
            if step is None:
                return self
            self.steps.append(step.movement.kind if isinstance(step, Post) else type(step).__name__)
            self.state = finish(self.state, step, self.carry_out(step), self.now)
        raise AssertionError(f"never waits: {self.steps[-10:]}")

    def wait(self, **delta: float) -> WithdrawalDriver:
        """Time passes, deadline by deadline."""
        until = self.now + timedelta(**delta)
        while (due := next((d for d in deadlines(self.state) if d.at <= until), None)) is not None:
            self.now = max(due.at, self.now)
            self.run()
        self.now = until
        return self.run()

    def carry_out(self, step: WithdrawalStep) -> WithdrawalResult:
        result = self._result(step)
        record = getattr(step, "record", None)
        refused = isinstance(result, Refusal | Disagrees) or (isinstance(result, Posted) and not result.moved)
        if record is not None and not refused:
            self._keep(record)
        return result

    def _result(self, step: WithdrawalStep) -> WithdrawalResult:
        match step:
            case Reserve():
                if step.withdrawal.amount_minor > self.books.available:
                    return refuse("insufficient_funds")
                amount = step.withdrawal.amount_minor
                return self.books.move("reserve", amount, available=-amount, reserved=amount)
            case OpenAttempt():
                if self.account:
                    return self.account
                return AttemptOpened(
                    key=step.key,
                    rail=RAIL,
                    terms=self.terms,
                    account_version=1,
                    opened_at=step.at,
                    account_last4="4242",
                )
            case Pay():
                assert step.at < step.send_by, "sent too late"
                self.sent.append(step)
                return self.pays.popleft() if self.pays else answered("accepted")
            case Query():
                self.looked.append(self.now)
                return self.looks.popleft() if self.looks else answered("accepted")
            case Post():
                return self.books.post(step.movement)
            case CheckStanding():
                return self.standing or Done()
            case SuspendAccount():
                self.suspended.append(step.account_id)
            case KeepRecord():
                pass
        return Done()

    def _keep(self, record: Any) -> None:
        assert not self.records or record.revision >= self.records[-1].revision
        self.records.append(record)
        for notice in record.notices:
            assert self.noticed.setdefault(notice.seq, (notice.to, notice.name)) == (notice.to, notice.name)

    # --- commands --------------------------------------------------------------------------------------

    def send(self, verb: str, role: str, who: str, channel: Any = "update", **fields: Any) -> Answer | Refusal:
        """One command, under a new id unless one is given; then what follows from it."""
        self.commands += 1
        body = {"command_id": f"c-{self.commands}", "actor": {"role": role, "id": who}, **fields}
        command = read_command(WITHDRAWAL_COMMANDS, verb, body)
        assert not isinstance(command, Refusal), command
        self.state, answer = receive(self.state, command, self.now, channel)
        self.run()
        return answer

    def report(
        self, outcome: str, event_id: str = "e-1", amount_minor: int | None = None, **fields: Any
    ) -> Answer | Refusal:
        """A callback about the latest payout."""
        body = {
            "key": self.state.attempts[-1].key,
            "currency": "CNY",
            "amount_minor": self.state.net_minor if amount_minor is None else amount_minor,
            **fields,
        }
        return self.send("report_payout", "rail", RAIL, outcome=outcome, event_id=event_id, **body)

    def code(self, *args: Any, **fields: Any) -> str:
        """The reason code of a command that is refused."""
        answer = self.send(*args, **fields)
        assert isinstance(answer, Refusal), answer
        return answer.code

    # --- what must hold --------------------------------------------------------------------------------

    def check(self) -> None:
        """The invariants after every step: one effect, conserved money, each wait has a deadline or an owner."""
        state, books = self.state, self.books
        owed = state.withdrawal.amount_minor if state.reserved and state.booked is None else 0
        assert (books.reserved, books.suspense) == ((0, owed) if state.suspended else (owed, 0))
        assert books.cash_out >= 0
        if books.broken is None:
            waits = deadlines(state) or state.holds
            assert state.over or waits, f"{state.phase} waits for nothing"
        assert sum(attempt.outcome == "paid" for attempt in state.attempts) <= 1
        assert all(attempt.dead or attempt.outcome == "paid" for attempt in state.attempts[:-1])
        if state.phase != "refused" and self.records:
            kept = self.records[-1]
            assert (kept.revision, kept.state) == (state.revision, record_of(state, self.now).state)


def names(desk: WithdrawalDriver) -> list[str]:
    """Notices as `to:name`, in order."""
    return [f"{to}:{name}" for _, (to, name) in sorted(desk.noticed.items())]


def desk(*pays: Any, **fields: Any) -> WithdrawalDriver:
    """A desk whose bank gives these answers to instructions, run until it waits."""
    made = WithdrawalDriver(**fields)
    made.pays.extend(pays)
    made.run()
    return made


def unknown_desk(**fields: Any) -> WithdrawalDriver:
    """A desk whose payout has an unknown outcome."""
    return desk(answered("unknown"), **fields)


def stuck_desk(**fields: Any) -> WithdrawalDriver:
    """A desk whose payout stays unknown through fifty queries."""
    made = unknown_desk(**fields)
    made.looks.extend([answered("unknown")] * 50)
    return made


def resolution(outcome: str = "paid", reference: str = "B-77", reason: str = "the bank's letter") -> dict[str, str]:
    """The fields of `resolve_unknown`."""
    return {"outcome": outcome, "reference": reference, "reason": reason}


def reasons(made: WithdrawalDriver) -> list[str]:
    """The reasons of its holds."""
    return [view.reason for view in holds_of(made.state)]


def receive_only(made: WithdrawalDriver, verb: str, role: str, who: str) -> Any:
    """The state after a command, before anything follows from it."""
    made.commands += 1
    body = {"command_id": f"r-{made.commands}", "actor": {"role": role, "id": who}}
    command = read_command(WITHDRAWAL_COMMANDS, verb, body)
    assert not isinstance(command, Refusal)
    return receive(made.state, command, made.now, "update")[0]


def pending(made: WithdrawalDriver, kind: type[Any]) -> Any:
    """Run until the core asks for a step of this kind, and leave it undone."""
    while not isinstance(step := next_step(made.state, made.now), kind):
        assert step is not None
        made.state = finish(made.state, step, made.carry_out(step), made.now)
    return step
