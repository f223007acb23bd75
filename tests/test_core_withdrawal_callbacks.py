"""A withdrawal's callbacks, and their races with its own steps."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from withdrawal_driver import RAIL, WithdrawalDriver, answered, desk, names, pending, reasons, resolution

from core.answers import Answer
from core.withdrawal.steps import Pay, Query, finish

# --- callbacks ---------------------------------------------------------------------------------------------


def test_each_event_counts_once_for_ever() -> None:
    made = desk(answered("accepted"))
    made.report("paid", "e-1")
    for _ in range(3):
        answer = made.report("paid", "e-1")
        assert isinstance(answer, Answer)
        assert answer.outcome == "duplicate"
    made.report("returned", "e-2", 4_000)
    made.report("returned", "e-2", 4_000)
    assert made.books.cash_out == 6_000
    assert made.code("report_payout", "rail", RAIL, key=made.sent[0].key, outcome="paid", event_id="e-2",
                     amount_minor=10_000, currency="CNY") == "event_exists_with_different_content"  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"amount_minor": 9_999}, "wrong_amount"),
        ({"key": "nobodyknowsthiskey"}, "unknown_payout"),
        ({"currency": "USD"}, "wrong_currency"),
        ({"outcome": "returned", "amount_minor": 10_001}, "wrong_amount"),
    ],
)
def test_a_callback_that_does_not_fit_moves_nothing(fields: dict[str, Any], code: str) -> None:
    made = desk(answered("accepted"))
    body = {"outcome": "paid", "event_id": "e-1", "amount_minor": 10_000, "currency": "CNY", "key": made.sent[0].key}
    assert made.code("report_payout", "rail", RAIL, **{**body, **fields}) == code
    assert made.code("report_payout", "rail", "other", **body) == "wrong_actor"
    assert made.code("report_payout", "merchant", "m-7", **body) == "wrong_actor"
    assert made.books.reserved == 10_000
    assert made.phase == "submitted"


def test_callbacks_in_any_order_end_with_the_same_money() -> None:
    events = [("paid", "e-1", None), ("returned", "e-2", 3_000), ("returned", "e-3", 7_000), ("paid", "e-4", None)]
    ends = set()
    for order in permutations([*events, events[1]]):
        made = desk(answered("accepted"))
        for outcome, event_id, amount in order:
            made.report(outcome, event_id, amount)
        made.check()
        ends.add((made.phase, made.books.available, made.books.cash_out, tuple(made.suspended)))
    assert ends == {("returned", 5_000_000, 0, ("acc-1",))}


def test_a_return_days_after_paid_is_credited_again_and_suspends_the_account() -> None:
    made = desk(answered("paid"))
    made.wait(days=3)
    made.report("returned", "e-9")
    assert made.phase == "returned"
    assert made.books.available == 5_000_000
    assert made.suspended == ["acc-1"]
    assert names(made)[-1] == "merchant:withdrawal_returned"
    made.wait(days=9)
    assert (made.phase, made.state.over) == ("returned", True)


def test_a_return_is_accepted_after_the_watch_has_ended() -> None:
    made = desk(answered("paid"))
    made.wait(days=30)
    assert made.phase == "final"
    made.report("returned", "e-9")
    assert made.phase == "returned"
    assert made.books.available == 5_000_000
    assert made.state.over


def test_a_return_whose_callback_was_lost_is_found_by_looking_and_counts_once() -> None:
    made = desk(answered("paid"))
    made.looks.append(answered("returned", returned_minor=10_000))
    made.wait(days=1)
    assert made.phase == "returned"
    made.report("returned", "e-late")
    assert made.books.available == 5_000_000
    assert made.books.cash_out == 0


def test_late_failed_after_paid_is_a_return() -> None:
    made = desk(answered("paid"))
    made.report("failed", "e-2")
    assert made.phase == "returned"
    assert made.books.available == 5_000_000
    made.report("returned", "e-3")  # the bank says it in its other word, too
    assert made.books.available == 5_000_000


def test_late_paid_after_failed_is_a_case_and_never_a_posting() -> None:
    made = desk(answered("failed", "payee"))
    before = dict(made.books.references)
    made.report("paid")
    assert made.phase == "failed"
    assert reasons(made) == ["paid_after_failed"]
    assert names(made)[-1] == "operator:paid_after_failed"
    assert made.books.references == before
    made.wait(days=30)
    assert not made.state.over
    for person in ("ann", "bob"):
        made.send("resolve_unknown", "operator", person, **resolution())
    assert made.books.references == before
    assert made.state.over


def test_a_case_stops_new_payouts_and_cancels_and_is_paid_from_what_is_still_reserved() -> None:
    made = desk(answered("failed", "quota"))
    made.report("paid")
    assert made.code("cancel", "merchant", "m-7") == "already_submitted"
    made.wait(days=3)
    assert len(made.sent) == 1
    for person in ("ann", "bob"):
        made.send("resolve_unknown", "operator", person, **resolution("paid"))
    assert made.phase == "paid"
    assert made.books.cash_out == 10_000


def test_a_failed_callback_with_an_unknown_code_is_looked_at_before_it_is_believed() -> None:
    made = desk(answered("accepted"))
    made.report("failed", failure="unknown", code="E999")
    assert made.phase == "submitted"
    assert len(made.looked) == 1


def test_a_failed_callback_is_classified_by_whoever_verified_it() -> None:
    made = desk(answered("accepted"))
    made.report("failed", failure="payee", code="ACCOUNT_CLOSED")
    assert made.phase == "failed"
    assert made.suspended == ["acc-1"]


def test_a_return_before_paid_is_both() -> None:
    made = desk(answered("unknown"))
    made.report("returned")
    assert made.phase == "returned"
    assert made.books.available == 5_000_000
    assert list(made.books.references) == ["reserve", "close", "return/1"]


# --- races between a step and a command --------------------------------------------------------------------


def report_only(made: WithdrawalDriver, outcome: str, **fields: Any) -> None:
    """A callback arrives while a step is under way."""
    run, made.run = made.run, lambda: made  # type: ignore[method-assign]
    made.report(outcome, **fields)
    made.run = run  # type: ignore[method-assign]


def test_a_callback_that_overtakes_the_answer_decides() -> None:
    made = WithdrawalDriver()
    step = pending(made, Pay)
    report_only(made, "paid")
    made.state = finish(made.state, step, answered("accepted"), made.now)
    made.run()
    assert made.phase == "paid"
    assert made.books.cash_out == 10_000


def test_an_answer_that_contradicts_a_callback_is_looked_into_before_it_counts() -> None:
    made = WithdrawalDriver()
    step = pending(made, Pay)
    report_only(made, "paid")
    made.looks.append(answered("paid"))
    made.state = finish(made.state, step, answered("failed", "payee"), made.now)
    made.run()
    assert len(made.looked) == 1
    assert made.phase == "paid"
    assert made.books.cash_out == 10_000


def test_an_old_look_that_contradicts_a_callback_is_asked_again() -> None:
    made = desk(answered("accepted"))
    made.now += timedelta(minutes=1)
    made.state = made.state.with_attempt(made.state.attempts[0].model_copy(update={"look_due": True}))
    step = pending(made, Query)
    report_only(made, "paid")
    made.looks.append(answered("paid"))
    made.state = finish(made.state, step, answered("failed", "payee"), made.now)
    made.run()
    assert made.phase == "paid"
    assert made.state.return_due_minor == 0


def test_a_paid_answer_after_a_failed_callback_is_a_case() -> None:
    made = WithdrawalDriver()
    step = pending(made, Pay)
    report_only(made, "failed", failure="user")
    made.looks.append(answered("paid"))
    made.state = finish(made.state, step, answered("paid"), made.now)
    made.run()
    assert made.state.incident == 1
