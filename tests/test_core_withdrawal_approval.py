"""A withdrawal before it is submitted: approval, cancelling, waiting."""

from __future__ import annotations

from datetime import timedelta

import pytest
from withdrawal_driver import LARGE, WithdrawalDriver, answered, asked, desk, names, pending, reasons, receive_only

from core.reasons import refuse
from core.withdrawal.deadlines import deadlines, next_deadline
from core.withdrawal.policy import WithdrawalPolicy
from core.withdrawal.steps import CheckStanding, Pay, finish, next_step

# --- approval ----------------------------------------------------------------------------------------------


def test_a_large_withdrawal_needs_two_people_neither_of_them_the_requester() -> None:
    made = desk(withdrawal=asked(LARGE, requested_by={"role": "operator", "id": "ann"}))
    assert made.phase == "in_approval"
    assert made.books.reserved == LARGE
    assert [made.code("approve", "operator", who) for who in ("ann", "Ann")] == ["needs_other_person"] * 2
    assert made.code("approve", "merchant", "m-7") == "wrong_actor"
    made.send("approve", "reviewer", "bob")
    assert made.phase == "in_approval"
    assert [made.code("approve", "operator", who) for who in ("bob", "BOB")] == ["needs_other_person"] * 2
    made.send("approve", "operator", "cleo")
    assert made.phase == "submitted"
    assert names(made) == ["reviewer:approval_needed"]
    assert "awaiting_approval" not in reasons(made)


def test_exactly_the_threshold_needs_nobody() -> None:
    assert desk(withdrawal=asked(2_000_000)).state.phase == "submitted"
    assert desk(withdrawal=asked(2_000_001)).state.phase == "in_approval"


def test_silence_within_the_sla_rejects_and_gives_back() -> None:
    made = desk(withdrawal=asked(LARGE))
    made.send("approve", "reviewer", "bob")
    made.wait(hours=23.9)
    assert made.phase == "in_approval"
    made.wait(hours=0.1)
    assert made.phase == "rejected"
    assert made.books.available == 5_000_000
    assert made.state.over
    assert made.code("approve", "reviewer", "cleo") == "withdrawal_over"


def test_an_outage_gives_the_approvers_a_day_and_the_merchant_knows() -> None:
    made = desk(withdrawal=asked(LARGE))
    old = made.state.approve_by
    made.now += timedelta(hours=30)
    made.run()
    assert (made.phase, made.state.approve_by) == ("in_approval", made.now + timedelta(days=1))
    assert names(made) == ["reviewer:approval_needed", "merchant:deadline_shifted", "reviewer:deadline_shifted"]
    said = [entry.message or "" for entry in made.state.inbox.journal if entry.verb == "deadline_shifted"]
    assert old is not None
    assert said == [f"approve_by: {old.isoformat()} → {(made.now + timedelta(days=1)).isoformat()}, outage"]
    made.wait(hours=23)
    assert made.phase == "in_approval"
    made.wait(hours=1)
    assert (made.phase, made.books.available) == ("rejected", 5_000_000)


def test_short_of_an_outage_or_without_a_grace_silence_rejects() -> None:
    made = desk(withdrawal=asked(LARGE))
    made.wait(hours=23)
    made.now += timedelta(hours=2)
    assert made.run().phase == "rejected"
    made = desk(withdrawal=asked(LARGE), policy=WithdrawalPolicy(outage_grace=timedelta(0)))
    made.now += timedelta(days=9)
    assert made.run().phase == "rejected"


def test_no_other_deadline_of_a_withdrawal_waits_after_an_outage() -> None:
    """They are our own looks, and terms of banks."""
    made = desk(answered("unknown"))
    made.now += timedelta(days=9)
    made.looks.extend([answered("unknown")] * 5)
    made.run()
    assert all(deadline.at > made.now for deadline in deadlines(made.state))
    assert "merchant:deadline_shifted" not in names(made)
    assert "payout_stuck" in reasons(made)


def test_a_person_rejects_with_a_reason() -> None:
    made = desk(withdrawal=asked(LARGE))
    assert made.code("reject", "reviewer", "bob", reason="") == "reason_missing"
    made.send("reject", "reviewer", "bob", reason="not this merchant")
    assert (made.phase, made.state.reason) == ("rejected", "not this merchant")
    assert names(made) == ["reviewer:approval_needed", "merchant:withdrawal_rejected"]
    assert made.code("reject", "reviewer", "bob", reason="again") == "withdrawal_over"


# --- cancel ------------------------------------------------------------------------------------------------


def test_the_merchant_cancels_before_it_is_submitted() -> None:
    made = desk(withdrawal=asked(LARGE))
    assert made.code("cancel", "merchant", "m-8") == "wrong_actor"
    made.send("cancel", "merchant", "m-7")
    assert made.phase == "cancelled"
    assert made.books.available == 5_000_000
    assert made.sent == []
    assert made.code("cancel", "merchant", "m-7") == "withdrawal_over"
    made.check()


def test_cancel_before_the_reservation_reserves_and_gives_back() -> None:
    made = WithdrawalDriver()
    made.send("cancel", "merchant", "m-7")
    assert made.steps == ["Reserve", "void"]
    assert made.phase == "cancelled"


@pytest.mark.parametrize("pay", ["accepted", "unknown"])
def test_cancel_is_refused_once_it_is_submitted(pay: str) -> None:
    made = desk(answered(pay))
    assert made.code("cancel", "merchant", "m-7") == "already_submitted"
    assert made.code("reject", "operator", "o", reason="no") == "already_submitted"


def test_no_cancel_slips_between_the_decision_to_submit_and_the_submission() -> None:
    made = WithdrawalDriver()
    while not isinstance(step := next_step(made.state, made.now), Pay):
        assert step is not None
        made.state = finish(made.state, step, made.carry_out(step), made.now)
        if made.state.attempts:
            break
    assert made.phase == "submitting"
    assert made.code("cancel", "merchant", "m-7") == "already_submitted"


def test_what_the_merchant_owes_cancels_a_withdrawal_that_is_not_submitted() -> None:
    made = desk(account=refuse("receivable_outstanding"))
    assert made.phase == "cancelled"
    assert (made.state.reason or "").startswith("receivable_outstanding")
    assert made.books.available == 5_000_000
    waiting = desk(withdrawal=asked(LARGE))
    waiting.send("cancel", "system", "clawback", reason="receivable_outstanding")
    assert waiting.state.reason == "receivable_outstanding"


# --- while it waits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["account_suspended", "receivable_outstanding"])
def test_what_waits_for_people_is_given_back_once_it_may_not_be_paid_any_more(reason: str) -> None:
    made = desk(withdrawal=asked(3_000_000))
    made.wait(hours=6)
    assert (made.phase, made.steps.count("CheckStanding")) == ("in_approval", 1)
    made.standing = refuse(reason)
    made.wait(hours=6)
    assert made.phase == "cancelled"
    assert made.state.reason is not None
    assert made.state.reason.startswith(reason)
    assert made.books.available == 5_000_000
    assert names(made)[-1] == "merchant:withdrawal_cancelled"


def test_who_is_told_looks_at_once() -> None:
    made = desk(answered("failed", "ours"))
    assert reasons(made) == ["our_side"]
    made.send("recheck", "operator", "ann")
    assert made.phase == "approved"
    made.standing = refuse("account_suspended")
    made.send("recheck", "system", "accounts")
    assert made.phase == "cancelled"
    assert made.code("recheck", "operator", "ann") == "withdrawal_over"


def test_nothing_that_was_submitted_is_looked_at_again() -> None:
    made = desk(answered("accepted"))
    assert made.code("recheck", "operator", "ann") == "already_submitted"
    assert made.code("recheck", "merchant", "m-7") == "wrong_actor"
    made.standing = refuse("account_suspended")
    made.wait(days=2)
    assert made.phase == "submitted"


def test_an_approval_that_overtakes_the_look_is_judged_before_it_is_sent() -> None:
    made = desk(withdrawal=asked(3_000_000))
    made.state = receive_only(made, "recheck", "operator", "ann")
    step = pending(made, CheckStanding)
    for person in ("ann", "bob"):
        made.state = receive_only(made, "approve", "operator", person)
    made.state = finish(made.state, step, refuse("account_suspended"), made.now)
    assert made.phase == "submitting"
    made.account = refuse("account_suspended")  # the same is found once more, in the transaction that opens the payout
    assert made.run().phase == "cancelled"
    assert made.sent == []


def test_people_are_not_told_that_we_look_after_ourselves() -> None:
    made = desk(withdrawal=asked(3_000_000))
    deadline = next_deadline(made.state)
    assert deadline is not None
    assert deadline.name == "approve_by"


def test_the_journal_keeps_why_a_person_approved_or_rejected() -> None:
    made = desk(withdrawal=asked(LARGE))
    made.send("approve", "reviewer", "bob", reason="invoice seen")
    made.send("reject", "operator", "cleo", reason="not the merchant's account")
    said = [entry.message for entry in made.state.inbox.journal if entry.verb in {"approve", "reject"}]
    assert said == ["invoice seen", "not the merchant's account"]
