"""A withdrawal's core against a bank that hides what it did: the events, and the invariants that must always hold.

The state machine of hypothesis and the random walks draw from the same events. One step at a time may be under way.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from withdrawal_driver import RAIL, T0, WithdrawalDriver, answered, asked

from core.messages import WITHDRAWAL_COMMANDS
from core.reading import read_command
from core.reasons import Refusal
from core.withdrawal.commands import receive
from core.withdrawal.deadlines import deadlines, pass_deadlines
from core.withdrawal.page import details_of
from core.withdrawal.payouts import PayoutResult, RailTerms
from core.withdrawal.policy import WithdrawalPolicy
from core.withdrawal.recovering import resume
from core.withdrawal.state import ENDS
from core.withdrawal.steps import Pay, Query, WithdrawalResult, WithdrawalStep, finish, next_step
from core.withdrawal.views import holds_of, record_of

OPENING = 5_000_000
FAULTS = ("none", "none", "silent_before", "silent_after")
FATES = ("paid", "paid", "pending", "payee", "quota", "ours", "risk", "user")
WINDOWS = (None, timedelta(minutes=20), timedelta(days=6))
MINUTES = (1, 5, 60, 24 * 60, 3 * 24 * 60)
STARTS = ("from the beginning", "submitted", "submitted", "submitted")
"""Three of four begin where the payout was sent: the interesting events happen after that."""


class Bank:
    """Its callbacks may be lost, its look-ups stale, and after its window it forgets a key."""

    def __init__(self, window: timedelta | None) -> None:
        self.window = window or timedelta()
        self.payouts: dict[str, str] = {}
        self.since: dict[str, datetime] = {}
        self.returned: dict[str, int] = {}
        self.doubles = 0

    @property
    def effects(self) -> int:
        """How often it paid."""
        return self.doubles + sum(fate == "paid" for fate in self.payouts.values())

    def pay(self, step: Pay, fate: str, fault: str) -> PayoutResult:
        """Pay, unless the request is lost; the answer may be lost, too."""
        if fault == "silent_before":
            return answered("unknown")
        if step.key in self.payouts and step.at - self.since[step.key] > self.window:
            self.doubles += 1
        self.since.setdefault(step.key, step.at)
        self.payouts.setdefault(step.key, fate)
        return answered("unknown") if fault == "silent_after" else self.look(step.key, step.amount_minor)

    def query(self, step: Query, fault: str) -> PayoutResult:
        """Answer a look-up; one soon after the payout may miss it."""
        fresh = step.at - self.since.get(step.key, T0) < timedelta(minutes=30)
        if fault == "silent_before":
            return answered("unknown")
        if fault == "silent_after" and fresh:
            return answered("not_found")
        return self.look(step.key, step.amount_minor)

    def look(self, key: str, amount_minor: int) -> PayoutResult:
        """The truth about a key."""
        fate = self.payouts.get(key)
        if fate is None:
            return answered("not_found")
        if fate == "pending":
            return answered("accepted")
        if fate == "paid":
            back = self.returned.get(key, 0)
            return answered("returned", returned_minor=back) if back else answered("paid", amount_minor=amount_minor)
        return answered("failed", fate)


class WithdrawalLife:
    """One withdrawal, its bank, and everything that may happen to them in any order."""

    def __init__(self, amount: int, window: timedelta | None, fee: int, start: str, fate: str, fault: str) -> None:
        policy = WithdrawalPolicy(fee_minor=fee, attempts_max=3)
        self.driver = WithdrawalDriver(asked(amount), policy, terms=RailTerms(dedup_window=window), available=OPENING)
        self.bank = Bank(window)
        self.under_way: WithdrawalStep | None = None
        self.result: WithdrawalResult | None = None
        self.events = 0
        if start == "submitted":
            self.do_everything(fate, fault)
            for who in ("fay", "gus"):
                self.approve(who)
            self.do_everything(fate, fault)

    # --- the shell -------------------------------------------------------------------------------------

    def start_a_step(self, fate: str, fault: str) -> None:
        """The world does it. The core does not know of it yet."""
        if self.under_way is not None:
            return
        driver = self.driver
        driver.state = pass_deadlines(driver.state, driver.now)
        step = next_step(driver.state, driver.now)
        if isinstance(step, Pay):
            self.result = self.bank.pay(step, fate, fault) if driver.now < step.send_by else answered("not_sent")
        elif isinstance(step, Query):
            self.result = self.bank.query(step, fault)
        elif step is not None:
            self.result = driver.carry_out(step)
        self.under_way = step

    def hear_of_it(self) -> None:
        """The core gets the step's result."""
        if self.under_way is None or self.result is None:
            return
        self.driver.state = finish(self.driver.state, self.under_way, self.result, self.driver.now)
        self.under_way = None

    def do_everything(self, fate: str, fault: str) -> None:
        """Step after step until it waits."""
        for _ in range(100):
            self.hear_of_it()
            self.start_a_step(fate, fault)
            if self.under_way is None:
                return
        raise AssertionError("never waits")

    def pass_time(self, minutes: int) -> None:
        self.driver.now += timedelta(minutes=minutes)

    def pass_time_to_the_deadline(self, fate: str, fault: str) -> None:
        running = deadlines(self.driver.state)
        if running:
            self.driver.now = max(self.driver.now, running[0].at)
            self.do_everything(fate, fault)

    def lose_and_resume(self) -> None:
        """Go on from the register's state. A step under way may have happened."""
        record = record_of(self.driver.state, self.driver.now)
        self.driver.state = resume(record.state, -1).changed(notices=self.driver.state.notices)

    # --- people ----------------------------------------------------------------------------------------

    def send(self, verb: str, role: str, who: str, channel: Any = "signal", **fields: Any) -> None:
        self.events += 1
        body = {"command_id": f"c-{self.events}", "actor": {"role": role, "id": who}, **fields}
        command = read_command(WITHDRAWAL_COMMANDS, verb, body)
        assert not isinstance(command, Refusal), command
        self.driver.state, _ = receive(self.driver.state, command, self.driver.now, channel)

    def cancel(self, role: str) -> None:
        self.send("cancel", role, "m-7")

    def approve(self, who: str) -> None:
        self.send("approve", "operator", who)

    def reject(self, who: str) -> None:
        self.send("reject", "reviewer", who, reason="no")

    def read_the_banks_books(self, who: str) -> None:
        """People tell the truth, since nothing protects against two who lie."""
        state = self.driver.state
        number = state.incident or len(state.attempts)
        if number:
            happened = self.bank.payouts.get(state.attempt(number).key)
            if happened == "pending":
                return
            outcome = "paid" if happened == "paid" else "failed"
            self.send("resolve_unknown", "operator", who, reference="B-1", reason="read", outcome=outcome)

    # --- the bank --------------------------------------------------------------------------------------

    def call_back(self, which: int, twice: bool) -> None:
        """The bank calls back about one of its payouts."""
        if not self.bank.payouts:
            return
        keys = sorted(self.bank.payouts)
        key = keys[which % len(keys)]
        fate = self.bank.payouts[key]
        if fate == "pending" or self.driver.state.attempt_with_key(key) is None:
            return
        outcome = "paid" if fate == "paid" else "failed"
        failure = {} if fate == "paid" else {"failure": fate}
        for _ in range(1 + twice):
            self._report(key, outcome, f"{key}-{outcome}", self.driver.state.net_minor, **failure)

    def make_up_its_mind(self, fate: str) -> None:
        """What was pending at the bank comes to an end."""
        for key, known in self.bank.payouts.items():
            if known == "pending":
                self.bank.payouts[key] = fate

    def return_a_part(self, part: int, reported: bool) -> None:
        """The bank returns all or half of what it paid, and may say so."""
        state = self.driver.state
        key = next((key for key, fate in self.bank.payouts.items() if fate == "paid"), None)
        before = self.bank.returned.get(key or "", 0)
        amount = (state.net_minor - before) // part
        if key is None or amount <= 0:
            return
        self.bank.returned[key] = before + amount
        if reported and state.attempt_with_key(key) is not None:
            self._report(key, "returned", f"{key}-r{before}", amount)

    def _report(self, key: str, outcome: str, event_id: str, amount_minor: int, **fields: Any) -> None:
        body = {"key": key, "outcome": outcome, "event_id": event_id, "amount_minor": amount_minor, "currency": "CNY"}
        self.send("report_payout", "rail", RAIL, **body, **fields)

    # --- what must hold --------------------------------------------------------------------------------

    def check(self) -> None:
        """Everything that must hold after every event."""
        assert self.bank.effects <= 1, "the bank sees at most one effect"
        self.check_money()
        self.check_books_against_the_bank()
        self.check_attempts()
        self.check_waits()
        self.check_people()
        assert details_of(self.driver.state)

    def check_money(self) -> None:
        """Money is conserved, and closed once."""
        books, state = self.driver.books, self.driver.state
        assert books.total == OPENING
        assert set(books.references) <= {"reserve", "suspense", "close"} | {f"return/{k}" for k in range(1, 20)}
        assert books.cash_out <= state.net_minor
        held = state.withdrawal.amount_minor if "reserve" in books.references else 0
        if "close" in books.references:
            assert (books.reserved, books.suspense) == (0, 0)
        else:
            assert (books.reserved, books.suspense) == ((0, held) if "suspense" in books.references else (held, 0))

    def check_books_against_the_bank(self) -> None:
        """The bank did what the books say."""
        references = self.driver.books.references
        close = references.get("close")
        if close and close[0] == "pay":
            assert self.bank.effects == 1
        if close and close[0] == "void":
            assert self.bank.effects == 0
        back = [content[1] for name, content in references.items() if name.startswith("return/")]
        returned = sum(leg.amount_minor for legs in back for leg in legs)
        assert returned <= sum(self.bank.returned.values())

    def check_attempts(self) -> None:
        """Only one payout may be alive."""
        state = self.driver.state
        assert all(attempt.dead or attempt.outcome == "paid" for attempt in state.attempts[:-1])
        assert sum(attempt.outcome == "paid" for attempt in state.attempts) <= 1

    def check_waits(self) -> None:
        """Every wait has a deadline or an owner, and says why the money has not arrived."""
        state, now = self.driver.state, self.driver.now
        if self.under_way is None and next_step(state, now) is None and not state.over:
            assert deadlines(state) or state.holds, state.phase
        views = holds_of(state)
        assert views or state.phase in ENDS, state.phase
        assert all(view.who_can_act and view.what_helps and view.what_helps_zh and view.since <= now for view in views)

    def check_people(self) -> None:
        """Large amounts were approved by two people, neither of them the requester."""
        state = self.driver.state
        if state.attempts and state.policy.needs_approval(state.withdrawal.amount_minor):
            people = {approval.actor.id for approval in state.approvals}
            assert len(people) >= 2 or state.phase not in {"submitting", "submitted"}
            assert state.withdrawal.requested_by.id not in people

    def check_end(self) -> None:
        """When the noise stops and people tell the truth, it ends within bounded time."""
        self.make_up_its_mind("paid")
        for _ in range(80):
            self.do_everything("paid", "none")
            if self.driver.state.over:
                break
            for who in ("dora", "emil"):
                self.approve(who)
                self.read_the_banks_books(who)
            self.driver.now += timedelta(days=1)
        state = self.driver.state
        assert state.over, (state.phase, state.holds, deadlines(state))
        assert state.phase in ENDS
        assert (self.driver.books.reserved, self.driver.books.suspense) == (0, 0)
        self.check_books_against_the_bank()


Event = Callable[[WithdrawalLife, random.Random], object]

EVENTS: dict[str, Event] = {
    "a step starts": lambda life, chance: life.start_a_step(chance.choice(FATES), chance.choice(FAULTS)),
    "it is heard of": lambda life, _: life.hear_of_it(),
    "everything is done": lambda life, chance: life.do_everything(chance.choice(FATES), chance.choice(FAULTS)),
    "time passes": lambda life, chance: life.pass_time(chance.choice(MINUTES)),
    "the deadline comes": lambda life, chance: life.pass_time_to_the_deadline(
        chance.choice(FATES), chance.choice(FAULTS)
    ),
    "it is lost and resumed": lambda life, _: life.lose_and_resume(),
    "someone approves": lambda life, chance: life.approve(chance.choice(("ann", "bob", "m-7"))),
    "someone reads the bank's books": lambda life, chance: life.read_the_banks_books(
        chance.choice(("ann", "bob", "cleo"))
    ),
    "the bank calls back": lambda life, chance: life.call_back(chance.randrange(9), chance.random() < 0.5),
    "the bank makes up its mind": lambda life, chance: life.make_up_its_mind(chance.choice(("paid", "payee", "user"))),
    "the bank returns": lambda life, chance: life.return_a_part(chance.choice((1, 2)), chance.random() < 0.5),
}
SELDOM: dict[str, Event] = {
    "someone cancels": lambda life, chance: life.cancel(chance.choice(("merchant", "operator"))),
    "someone rejects": lambda life, chance: life.reject(chance.choice(("ann", "bob"))),
}
"""Events that end most lives early are drawn a fifth as often as the others."""


def walk(seed: int, steps: int = 40) -> int:
    """A random life of a withdrawal, checked after every event; returns the number of events."""
    events = {**EVENTS, **SELDOM}
    names = [*(name for name in EVENTS for _ in range(5)), *SELDOM]
    chance = random.Random(seed)
    amount, fee = chance.choice((10_000, 3_000_000)), chance.choice((0, 150))
    window, start = chance.choice(WINDOWS), chance.choice(STARTS)
    happened = [start]
    try:
        life = WithdrawalLife(amount, window, fee, start, chance.choice(FATES), chance.choice(FAULTS))
        for _ in range(steps):
            happened.append(chance.choice(names))
            events[happened[-1]](life, chance)
            life.check()
        life.check_end()
    except Exception as error:
        raise AssertionError(f"walk {seed}, after {happened}: {error!r}") from error
    return steps
