"""A withdrawal's core against a bank that lies by silence, by every sequence that chance finds: the invariants."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sizes import MACHINE_EXAMPLES, WITHDRAWAL_WALKS
from withdrawal_life import FATES, FAULTS, MINUTES, STARTS, WINDOWS, WithdrawalLife, walk

Fault = st.sampled_from(FAULTS)
Fate = st.sampled_from(FATES)


class Withdrawing(RuleBasedStateMachine):
    """Steps, callbacks, people and time in any order; one thing at a time may be under way."""

    life: WithdrawalLife

    @initialize(
        amount=st.sampled_from([10_000, 3_000_000]),
        window=st.sampled_from(WINDOWS),
        fee=st.sampled_from([0, 150]),
        start=st.sampled_from(STARTS),
        fate=Fate,
        fault=Fault,
    )
    def begin(self, amount: int, window: timedelta | None, fee: int, start: str, fate: str, fault: str) -> None:
        self.life = WithdrawalLife(amount, window, fee, start, fate, fault)

    @rule(fate=Fate, fault=Fault)
    def start_a_step(self, fate: str, fault: str) -> None:
        self.life.start_a_step(fate, fault)

    @rule()
    def hear_of_it(self) -> None:
        self.life.hear_of_it()

    @rule(fate=Fate, fault=Fault)
    def do_everything(self, fate: str, fault: str) -> None:
        self.life.do_everything(fate, fault)

    @rule(minutes=st.sampled_from(MINUTES))
    def time_passes(self, minutes: int) -> None:
        self.life.pass_time(minutes)

    @rule(fate=Fate, fault=Fault)
    def the_next_deadline_comes(self, fate: str, fault: str) -> None:
        self.life.pass_time_to_the_deadline(fate, fault)

    @rule()
    def the_workflow_is_lost_and_resumed(self) -> None:
        self.life.lose_and_resume()

    @rule(role=st.sampled_from(["merchant", "operator"]), really=st.integers(0, 4))
    def someone_cancels(self, role: str, really: int) -> None:
        if not really:
            self.life.cancel(role)

    @rule(who=st.sampled_from(["ann", "bob", "m-7"]))
    def someone_approves(self, who: str) -> None:
        self.life.approve(who)

    @rule(who=st.sampled_from(["ann", "bob"]), really=st.integers(0, 4))
    def someone_rejects(self, who: str, really: int) -> None:
        if not really:
            self.life.reject(who)

    @rule(who=st.sampled_from(["ann", "bob", "cleo"]))
    def someone_reads_the_banks_books(self, who: str) -> None:
        self.life.read_the_banks_books(who)

    @precondition(lambda self: self.life.bank.payouts)
    @rule(which=st.integers(0, 8), twice=st.booleans())
    def the_bank_calls_back(self, which: int, twice: bool) -> None:
        self.life.call_back(which, twice)

    @precondition(lambda self: "pending" in self.life.bank.payouts.values())
    @rule(fate=st.sampled_from(["paid", "payee", "user"]))
    def the_bank_makes_up_its_mind(self, fate: str) -> None:
        self.life.make_up_its_mind(fate)

    @precondition(lambda self: "paid" in self.life.bank.payouts.values())
    @rule(part=st.sampled_from([1, 2]), reported=st.booleans())
    def the_bank_returns(self, part: int, reported: bool) -> None:
        self.life.return_a_part(part, reported)

    @invariant()
    def what_must_hold(self) -> None:
        self.life.check()

    def teardown(self) -> None:
        if hasattr(self, "life"):
            self.life.check_end()


TestWithdrawing = Withdrawing.TestCase
TestWithdrawing.settings = settings(
    max_examples=MACHINE_EXAMPLES,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


@pytest.mark.parametrize("first", range(0, WITHDRAWAL_WALKS, 50))
def test_nothing_breaks_on_a_long_random_walk(first: int) -> None:
    assert sum(map(walk, range(first, first + 50))) == 50 * 40
