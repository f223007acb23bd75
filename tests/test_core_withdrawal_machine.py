"""A withdrawal's core against a bank that lies by silence, by every sequence that chance finds: the invariants."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sizes import MACHINE_EXAMPLES
from withdrawal_driver import RAIL, T0, WithdrawalDriver, answered, asked

from core.messages import WITHDRAWAL_COMMANDS, read_command
from core.reasons import Refusal
from core.withdrawal.deadlines import deadlines, pass_deadlines
from core.withdrawal.deciding import receive
from core.withdrawal.payouts import PayoutResult, RailTerms
from core.withdrawal.policy import WithdrawalPolicy
from core.withdrawal.state import ENDS
from core.withdrawal.stepping import Pay, Query, Result, Step, finish, next_step
from core.withdrawal.viewing import details_of, holds_of, record_of, resume

OPENING = 5_000_000
Fault = st.sampled_from(["none", "none", "silent_before", "silent_after"])
Fate = st.sampled_from(["paid", "paid", "pending", "payee", "quota", "ours", "risk", "user"])


class Bank:
    """Careless about telling, stale in its look-ups, and after its window blind to a key it has seen."""

    def __init__(self, window: timedelta | None) -> None:
        self.window = window or timedelta()
        self.payouts: dict[str, str] = {}
        self.since: dict[str, datetime] = {}
        self.returned: dict[str, int] = {}
        self.doubles = 0

    @property
    def effects(self) -> int:
        return self.doubles + sum(fate == "paid" for fate in self.payouts.values())

    def pay(self, step: Pay, fate: str, fault: str) -> PayoutResult:
        if fault == "silent_before":
            return answered("unknown")
        if step.key in self.payouts and step.at - self.since[step.key] > self.window:
            self.doubles += 1
        self.since.setdefault(step.key, step.at)
        self.payouts.setdefault(step.key, fate)
        return answered("unknown") if fault == "silent_after" else self.look(step.key, step.amount_minor)

    def look(self, key: str, amount_minor: int) -> PayoutResult:
        fate = self.payouts.get(key)
        if fate is None:
            return answered("not_found")
        if fate == "pending":
            return answered("accepted")
        if fate == "paid":
            back = self.returned.get(key, 0)
            return answered("returned", returned_minor=back) if back else answered("paid", amount_minor=amount_minor)
        return answered("failed", fate)


class Withdrawing(RuleBasedStateMachine):
    """Steps, callbacks, people and time in any order; one thing at a time may be under way."""

    @initialize(
        amount=st.sampled_from([10_000, 3_000_000]),
        window=st.sampled_from([None, timedelta(minutes=20), timedelta(days=6)]),
        fee=st.sampled_from([0, 150]),
        start=st.sampled_from(["from the beginning", "submitted", "submitted", "submitted"]),
        fate=Fate,
        fault=Fault,
    )
    def begin(self, amount: int, window: timedelta | None, fee: int, start: str, fate: str, fault: str) -> None:
        """Three of four begin where the payout has gone out: the interesting things happen after that."""
        policy = WithdrawalPolicy(fee_minor=fee, attempts_max=3)
        self.desk = WithdrawalDriver(asked(amount), policy, terms=RailTerms(dedup_window=window), available=OPENING)
        self.bank = Bank(window)
        self.under_way: Step | None = None
        self.result: Result | None = None
        self.events = 0
        if start == "submitted":
            self.do_everything(fate, fault)
            for who in ("fay", "gus"):
                self._send("approve", "operator", who)
            self.do_everything(fate, fault)

    # --- the shell -------------------------------------------------------------------------------------

    @rule(fate=Fate, fault=Fault)
    def start_a_step(self, fate: str, fault: str) -> None:
        """The world does it; the core has not heard of it yet."""
        if self.under_way is not None:
            return
        desk = self.desk
        desk.state = pass_deadlines(desk.state, desk.now)
        step = next_step(desk.state, desk.now)
        if isinstance(step, Pay):
            self.result = self.bank.pay(step, fate, fault) if desk.now < step.send_by else answered("not_sent")
        elif isinstance(step, Query):
            fresh = step.at - self.bank.since.get(step.key, T0) < timedelta(minutes=30)
            if fault == "silent_before":
                self.result = answered("unknown")
            elif fault == "silent_after" and fresh:
                self.result = answered("not_found")
            else:
                self.result = self.bank.look(step.key, step.amount_minor)
        elif step is not None:
            self.result = desk.carry_out(step)
        self.under_way = step

    @rule()
    def hear_of_it(self) -> None:
        if self.under_way is None or self.result is None:
            return
        self.desk.state = finish(self.desk.state, self.under_way, self.result, self.desk.now)
        self.under_way = None

    @rule(fate=Fate, fault=Fault)
    def do_everything(self, fate: str, fault: str) -> None:
        for _ in range(100):
            self.hear_of_it()
            self.start_a_step(fate, fault)
            if self.under_way is None:
                return
        raise AssertionError("never waits")

    @rule(minutes=st.sampled_from([1, 5, 60, 24 * 60, 3 * 24 * 60]))
    def time_passes(self, minutes: int) -> None:
        self.desk.now += timedelta(minutes=minutes)

    @rule(fate=Fate, fault=Fault)
    def the_next_deadline_comes(self, fate: str, fault: str) -> None:
        running = deadlines(self.desk.state)
        if running:
            self.desk.now = max(self.desk.now, running[0].at)
            self.do_everything(fate, fault)

    @rule()
    def the_workflow_is_lost_and_resumed(self) -> None:
        """From the state as the register would have it. What was under way may have happened."""
        record = record_of(self.desk.state, self.desk.now)
        self.desk.state = resume(record.state, -1).changed(notices=self.desk.state.notices)

    # --- people ----------------------------------------------------------------------------------------

    def _send(self, verb: str, role: str, who: str, channel: Any = "signal", **fields: Any) -> None:
        self.events += 1
        body = {"command_id": f"c-{self.events}", "actor": {"role": role, "id": who}, **fields}
        command = read_command(WITHDRAWAL_COMMANDS, verb, body)
        assert not isinstance(command, Refusal), command
        self.desk.state, _ = receive(self.desk.state, command, self.desk.now, channel)

    @rule(role=st.sampled_from(["merchant", "operator"]), really=st.integers(0, 4))
    def someone_cancels(self, role: str, really: int) -> None:
        if not really:
            self._send("cancel", role, "m-7")

    @rule(who=st.sampled_from(["ann", "bob", "m-7"]))
    def someone_approves(self, who: str) -> None:
        self._send("approve", "operator", who)

    @rule(who=st.sampled_from(["ann", "bob"]), really=st.integers(0, 4))
    def someone_rejects(self, who: str, really: int) -> None:
        if not really:
            self._send("reject", "reviewer", who, reason="no")

    @rule(who=st.sampled_from(["ann", "bob", "cleo"]))
    def someone_reads_the_banks_books(self, who: str) -> None:
        """People say what is true, since nothing protects against two who lie."""
        state = self.desk.state
        number = state.incident or len(state.attempts)
        if number:
            happened = self.bank.payouts.get(state.attempt(number).key)
            if happened == "pending":
                return
            self._send("resolve_unknown", "operator", who, reference="B-1", reason="read",
                       outcome="paid" if happened == "paid" else "failed")  # fmt: skip

    # --- the bank --------------------------------------------------------------------------------------

    @precondition(lambda self: self.bank.payouts)
    @rule(data=st.data(), twice=st.booleans())
    def the_bank_calls_back(self, data: st.DataObject, twice: bool) -> None:
        key = data.draw(st.sampled_from(sorted(self.bank.payouts)))
        fate = self.bank.payouts[key]
        if fate == "pending" or self.desk.state.attempt_with_key(key) is None:
            return
        outcome = "paid" if fate == "paid" else "failed"
        failure = {} if fate == "paid" else {"failure": fate}
        for _ in range(1 + twice):
            self._send("report_payout", "rail", RAIL, key=key, outcome=outcome, event_id=f"{key}-{outcome}",
                       amount_minor=self.desk.state.net_minor, currency="CNY", **failure)  # fmt: skip

    @precondition(lambda self: "pending" in self.bank.payouts.values())
    @rule(fate=st.sampled_from(["paid", "payee", "user"]))
    def the_bank_makes_up_its_mind(self, fate: str) -> None:
        for key, known in self.bank.payouts.items():
            if known == "pending":
                self.bank.payouts[key] = fate

    @precondition(lambda self: "paid" in self.bank.payouts.values())
    @rule(part=st.sampled_from([1, 2]), tell=st.booleans())
    def the_bank_returns(self, part: int, tell: bool) -> None:
        state = self.desk.state
        key = next(key for key, fate in self.bank.payouts.items() if fate == "paid")
        before = self.bank.returned.get(key, 0)
        amount = (state.net_minor - before) // part
        if amount <= 0:
            return
        self.bank.returned[key] = before + amount
        if tell and state.attempt_with_key(key) is not None:
            self._send("report_payout", "rail", RAIL, key=key, outcome="returned", event_id=f"{key}-r{before}",
                       amount_minor=amount, currency="CNY")  # fmt: skip

    # --- what must hold --------------------------------------------------------------------------------

    @invariant()
    def the_bank_sees_at_most_one_effect(self) -> None:
        assert self.bank.effects <= 1

    @invariant()
    def money_is_conserved_and_closed_once(self) -> None:
        books, state = self.desk.books, self.desk.state
        assert books.total == OPENING
        assert set(books.references) <= {"reserve", "suspense", "close"} | {f"return/{k}" for k in range(1, 20)}
        assert books.cash_out <= state.net_minor
        held = state.withdrawal.amount_minor if "reserve" in books.references else 0
        if "close" in books.references:
            assert (books.reserved, books.suspense) == (0, 0)
        else:
            assert (books.reserved, books.suspense) == ((0, held) if "suspense" in books.references else (held, 0))

    @invariant()
    def what_the_books_say_the_bank_did(self) -> None:
        close = self.desk.books.references.get("close")
        if close and close[0] == "paid":
            assert self.bank.effects == 1
        if close and close[0] == "void":
            assert self.bank.effects == 0
        assert sum(v for k, v in self.desk.books.references.items() if k.startswith("return/")) <= sum(
            self.bank.returned.values()
        )

    @invariant()
    def only_one_payout_may_be_alive(self) -> None:
        state = self.desk.state
        assert all(attempt.dead or attempt.outcome == "paid" for attempt in state.attempts[:-1])
        assert sum(attempt.outcome == "paid" for attempt in state.attempts) <= 1

    @invariant()
    def every_wait_has_a_deadline_or_an_owner(self) -> None:
        state = self.desk.state
        if self.under_way is None and next_step(state, self.desk.now) is None and not state.over:
            assert deadlines(state) or state.holds, state.phase

    @invariant()
    def large_amounts_had_two_people(self) -> None:
        state = self.desk.state
        if state.attempts and state.policy.needs_approval(state.withdrawal.amount_minor):
            people = {approval.actor.id for approval in state.approvals}
            assert len(people) >= 2 or state.phase not in {"submitting", "submitted"}
            assert state.withdrawal.requested_by.id not in people

    @invariant()
    def everything_can_be_shown(self) -> None:
        assert details_of(self.desk.state)

    @invariant()
    def it_says_why_the_money_is_not_there(self) -> None:
        state = self.desk.state
        views = holds_of(state)
        assert views or state.phase in ENDS, state.phase
        assert all(
            view.who_can_act and view.what_helps and view.what_helps_zh and view.since <= self.desk.now
            for view in views
        )

    def teardown(self) -> None:
        """When the noise stops and people speak the truth, it ends within bounded time."""
        if not hasattr(self, "desk"):
            return
        for key, fate in self.bank.payouts.items():
            self.bank.payouts[key] = "paid" if fate == "pending" else fate
        for _ in range(80):
            self.do_everything("paid", "none")
            if self.desk.state.over:
                break
            for who in ("dora", "emil"):
                self._send("approve", "operator", who)
                self.someone_reads_the_banks_books(who)
            self.desk.now += timedelta(days=1)
        state = self.desk.state
        assert state.over, (state.phase, state.holds, deadlines(state))
        assert state.phase in ENDS
        assert (self.desk.books.reserved, self.desk.books.suspense) == (0, 0)
        self.what_the_books_say_the_bank_did()


TestWithdrawing = Withdrawing.TestCase
TestWithdrawing.settings = settings(
    max_examples=MACHINE_EXAMPLES,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
