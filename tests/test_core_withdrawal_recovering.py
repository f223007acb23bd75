"""A withdrawal whose register is ahead: what a workflow that was set back goes on from."""

from __future__ import annotations

import pytest
from withdrawal_driver import T0, WithdrawalDriver, answered

from core.records import WithdrawalRecord
from core.steps import Post, Posted
from core.withdrawal.recovering import Overtaken, ask_register, judge_register, may_be_overtaken, resume
from core.withdrawal.state import WithdrawalState
from core.withdrawal.steps import Pay, finish, next_step
from core.withdrawal.views import record_of


def paid() -> WithdrawalDriver:
    made = WithdrawalDriver()
    made.pays.append(answered("paid", amount_minor=10_000, currency="CNY"))
    return made.run()


def last_record(made: WithdrawalDriver) -> WithdrawalRecord:
    record = made.records[-1]
    assert isinstance(record, WithdrawalRecord)
    return record


def behind(made: WithdrawalDriver) -> tuple[WithdrawalState, Post]:
    """The same withdrawal before it was booked, and the posting that it asks for."""
    state = made.state.changed(booked=None, revision=made.state.revision - 1, recorded_revision=1)
    step = next_step(state, made.now)
    assert isinstance(step, Post)
    return state, step


def test_a_record_says_which_one_it_follows() -> None:
    made = paid()
    assert [(record.follows, record.revision) for record in made.records] == [(-1, 1), (1, 1), (1, 4)]
    assert record_of(made.state, made.now).follows == made.state.recorded_revision == 4


def test_a_register_that_is_ahead_gives_the_state_to_go_on_from() -> None:
    made = paid()
    state, _ = behind(made)
    record = last_record(made)
    found = judge_register(ask_register(state), record.revision, record.state)
    assert found == Overtaken(state=made.state.changed(notices=(), asks_first=True))


def test_a_register_that_holds_what_is_known_is_not_ahead() -> None:
    made = paid()
    record = last_record(made)
    assert judge_register(ask_register(made.state), record.revision, record.state) is None


def test_what_this_run_wrote_and_did_not_hear_of_is_not_ahead() -> None:
    made = paid()
    state, _ = behind(made)
    record = last_record(made)
    asked = ask_register(state, record)
    assert judge_register(asked, record.revision, record.state) is None
    assert judge_register(asked, record.revision, {**record.state, "suspended": True}) is not None
    assert judge_register(asked, record.revision + 1, record.state) is not None


def test_a_step_that_an_old_state_asked_for_counts_for_nothing() -> None:
    made = paid()
    state, step = behind(made)
    newer = made.state.changed(returns_minor=(4_000,))
    assert finish(state, step, Overtaken(state=newer), T0) == newer


@pytest.mark.parametrize(
    ("outcome", "overtaken", "asked"),
    [("posted", False, False), ("exists", False, False), ("exists", True, True), ("conflict", False, True)],
)
def test_the_register_is_asked_only_where_the_answer_leaves_it_open(outcome: str, overtaken: bool, asked: bool) -> None:
    posted = Posted.model_validate({"reference": "withdrawal/w-1/close", "outcome": outcome, "overtaken": overtaken})
    assert may_be_overtaken(posted) is asked


def test_a_withdrawal_that_goes_on_from_the_register_asks_before_its_first_instruction() -> None:
    """The database may have been restored to a moment before it was sent."""
    made = paid()
    opened = made.state.attempts[0].changed(outcome="open", sends=0)
    submitting = made.state.changed(phase="submitting", booked=None, attempts=(opened,))
    fresh, resumed = (next_step(one, T0) for one in (submitting, resume(submitting.model_dump(mode="json"), 4)))
    assert isinstance(fresh, Pay)
    assert isinstance(resumed, Pay)
    assert (fresh.ask_first, resumed.ask_first) == (False, True)
