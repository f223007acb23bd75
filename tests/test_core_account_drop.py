"""The penny drop's core: sent once, looked up until known, given up when the amount is worth nothing any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core.account_drop import commands
from core.account_drop.deadlines import next_deadline, pass_deadlines
from core.account_drop.opening import begin
from core.account_drop.page import details_of
from core.account_drop.state import AccountDrop, AccountDropState, DropAnswer, DropState
from core.account_drop.steps import GiveUp, LookUp, Send, finish, next_step
from core.account_drop.views import drop_view, holds_of, journal_view, summary_of
from core.messages import Actor
from core.reasons import refuse

NOW = datetime(2026, 5, 1, tzinfo=UTC)
DROP = AccountDrop(key="k1", account_id="card-1", by=Actor(role="operator", id="ann"), why="first payout")


def begun(valid: timedelta = timedelta(days=7)) -> AccountDropState:
    return begin(DROP.model_copy(update={"valid": valid}), DropAnswer(state="open"), NOW)


def sent(phase: DropState, valid: timedelta = timedelta(days=7)) -> AccountDropState:
    return finish(begun(valid), Send(key="k1"), DropAnswer(state=phase), NOW)


def test_it_is_sent_once_whatever_the_rail_answers() -> None:
    assert next_step(begun(), NOW) == Send(key="k1")
    phases: tuple[DropState, ...] = ("open", "sending", "accepted", "unknown")
    for phase in phases:
        assert next_step(sent(phase), NOW) is None


def test_it_is_looked_up_more_and_more_rarely_until_it_is_known() -> None:
    state, waits, now = sent("unknown"), [], NOW
    for _ in range(5):
        due = next_deadline(state)
        assert due is not None
        waits.append(due.at - now)
        now = due.at
        assert next_step(pass_deadlines(state, now - timedelta(seconds=1)), now) is None
        state = pass_deadlines(state, now)
        assert next_step(state, now) == LookUp(key="k1")
        state = finish(state, LookUp(key="k1"), DropAnswer(state="accepted"), now)
    assert waits == [
        timedelta(minutes=1),
        timedelta(minutes=5),
        timedelta(hours=1),
        timedelta(hours=6),
        timedelta(days=1),
    ]
    state = finish(pass_deadlines(state, now), LookUp(key="k1"), DropAnswer(state="paid"), now)
    assert (state.over, next_step(state, now), next_deadline(state), holds_of(state)) == (True, None, None, ())
    assert summary_of(state) == DropAnswer(state="paid")


def test_it_is_asked_a_last_time_before_it_is_given_up() -> None:
    state = sent("unknown", timedelta(seconds=30))
    due = next_deadline(state)
    assert due is not None
    assert due.at == NOW + timedelta(seconds=30)
    state = pass_deadlines(state, due.at)
    assert next_step(state, due.at) == LookUp(key="k1")
    state = finish(state, LookUp(key="k1"), DropAnswer(state="unknown"), due.at)
    assert next_deadline(state) is None
    # The shell passes deadlines before each step: a look that is due again at once would be made without end.
    state = pass_deadlines(state, due.at)
    assert next_step(state, due.at) == GiveUp(key="k1")
    state = finish(state, GiveUp(key="k1"), DropAnswer(state="lost"), due.at)
    assert summary_of(state) == DropAnswer(state="lost")


def test_a_refused_drop_is_over_and_says_why() -> None:
    state = begin(DROP, DropAnswer(refusal=refuse("drops_used_up")), NOW)
    assert (state.over, next_step(state, NOW)) == (True, None)
    assert summary_of(state) == DropAnswer(refusal=refuse("drops_used_up"))
    assert "drops_used_up" in details_of(state)


@pytest.mark.parametrize("phase", ["open", "sending", "accepted", "unknown"])
def test_each_phase_that_waits_says_for_what(phase: DropState) -> None:
    (hold,) = holds_of(sent(phase))
    assert hold.what_helps
    assert hold.what_helps_zh
    assert hold.reason in details_of(sent(phase))
    assert "amount_minor" not in str(drop_view(sent(phase)))


def test_what_comes_in_stands_in_the_journal_and_changes_nothing_else() -> None:
    state = commands.note_unreadable(sent("unknown"), "cancel", refuse("unknown_verb"), NOW)
    state = commands.count_unreadable(commands.note_cancellation(state, NOW), "unknown_verb", 3)
    assert [line.get("verb") for line in journal_view(state)] == ["cancel", "cancel_workflow", None]
    assert journal_view(state)[-1] == {"dropped": {"unknown_verb": 3}}
    assert next_step(pass_deadlines(state, NOW + timedelta(minutes=1)), NOW) == LookUp(key="k1")
