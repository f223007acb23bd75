"""A withdrawal's payouts: paid, failed by class, sent again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from withdrawal_driver import LARGE, NO_WINDOW, T0, answered, asked, desk, names, reasons, unknown_desk

from core.answers import Answer
from core.withdrawal.calendar import after_working_days, next_day_starts
from core.withdrawal.deadlines import next_deadline
from core.withdrawal.payouts import RailTerms, attempt_key, seed_of
from core.withdrawal.policy import WithdrawalPolicy
from core.withdrawal.views import (
    withdrawal_view,
)

# --- paid --------------------------------------------------------------------------------------------------


def test_a_small_withdrawal_is_paid_and_final_after_seven_working_days() -> None:
    made = desk(answered("paid", amount_minor=10_000, currency="CNY"))
    assert made.phase == "paid"
    assert (made.books.cash_out, made.books.reserved) == (10_000, 0)
    assert made.steps == ["Reserve", "OpenAttempt", "Pay", "pay"]
    made.wait(days=8)
    assert made.phase == "paid"
    made.wait(days=1)
    assert made.phase == "final"
    assert made.state.over
    assert names(made) == ["merchant:withdrawal_paid"]
    made.check()


def test_an_accepted_payout_is_submitted_until_the_bank_says_more() -> None:
    made = desk(answered("accepted", reference="bank-1"))
    assert made.phase == "submitted"
    assert reasons(made) == ["with_the_bank"]
    answer = made.report("paid")
    assert isinstance(answer, Answer)
    assert (answer.outcome, answer.phase, answer.audit, answer.receipt) == ("accepted", "paid", "none", "none")
    assert made.books.cash_out == 10_000


def test_the_fee_is_kept_and_the_payee_gets_the_rest() -> None:
    made = desk(answered("paid"), policy=WithdrawalPolicy(fee_minor=100, fee_bps=10))
    assert (made.books.cash_out, made.books.fees) == (9_890, 110)
    assert made.sent[0].amount_minor == 9_890


def test_success_that_is_final_is_not_watched() -> None:
    made = desk(answered("paid"), terms=RailTerms(success_is_final=True))
    assert made.phase == "final"
    assert made.state.over


def test_a_policy_without_a_watch_ends_when_paid() -> None:
    assert desk(answered("paid"), policy=WithdrawalPolicy(return_watch_working_days=0)).state.over


def test_keys_are_short_and_not_made_of_our_ids() -> None:
    keys = {attempt_key(seed_of("w-1"), number) for number in range(1, 50)} | {attempt_key(seed_of("w-2"), 1)}
    assert len(keys) == 50
    assert all(len(key) == 26 and key.isalnum() for key in keys)
    made = desk()
    assert "w-1" not in made.sent[0].key
    assert made.state.seed not in str(withdrawal_view(made.state))


def test_a_withdrawal_whose_reservation_was_lost_is_paid_under_the_same_key() -> None:
    """The books were restored to a moment before it began; its storefront asks again."""
    assert desk(answered("paid")).sent[0].key == desk(answered("unknown")).sent[0].key


# --- failure, by class -------------------------------------------------------------------------------------


def test_a_bad_payee_is_given_back_and_the_account_suspended() -> None:
    made = desk(answered("failed", "payee", code="ACCOUNT_CLOSED"))
    assert made.phase == "failed"
    assert made.books.available == 5_000_000
    assert made.suspended == ["acc-1"]
    assert "ACCOUNT_CLOSED" in (made.state.reason or "")
    assert not made.state.over  # a late contradiction is waited for
    made.wait(days=9)
    assert made.state.over
    assert made.phase == "failed"


def test_a_payee_who_did_not_act_is_given_back_without_suspension() -> None:
    made = desk(answered("failed", "user"))
    assert made.phase == "failed"
    assert made.suspended == []


def test_a_quota_is_tried_again_in_the_next_window_under_a_new_key() -> None:
    made = desk(answered("failed", "quota"), answered("paid"))
    assert made.phase == "approved"
    assert reasons(made) == ["quota"]
    assert next_deadline(made.state) is not None
    assert next_deadline(made.state).at == datetime(2026, 11, 23, 16, 0, tzinfo=UTC)  # type: ignore[union-attr]
    made.wait(hours=14)
    assert made.phase == "paid"
    assert len({pay.key for pay in made.sent}) == 2
    assert made.books.cash_out == 10_000


def test_a_quota_that_never_opens_ends_as_failed() -> None:
    made = desk(*[answered("failed", "quota")] * 5)
    made.wait(days=6)
    assert made.phase == "failed"
    assert len(made.sent) == 5
    assert made.books.available == 5_000_000


def test_a_withdrawal_that_waits_for_a_quota_can_be_cancelled() -> None:
    made = desk(answered("failed", "quota"))
    made.send("cancel", "merchant", "m-7")
    assert made.books.available == 5_000_000


def test_our_own_trouble_holds_it_until_an_operator_says_go_on() -> None:
    made = desk(answered("failed", "ours", code="NOT_ENOUGH"), answered("paid"))
    assert made.phase == "approved"
    assert reasons(made) == ["our_side"]
    assert names(made) == ["operator:our_side"]
    assert made.books.reserved == 10_000
    made.wait(days=5)
    assert len(made.sent) == 1
    made.check()
    made.send("approve", "operator", "ann")
    assert made.phase == "paid"


def test_our_own_trouble_can_be_given_back() -> None:
    made = desk(answered("failed", "ours"))
    made.send("reject", "operator", "ann", reason="the rail is closed for good")
    assert made.phase == "rejected"
    assert made.books.available == 5_000_000


def test_risk_control_asks_two_people_again() -> None:
    made = desk(answered("failed", "risk"), answered("paid"))
    assert made.phase == "in_approval"
    made.send("approve", "reviewer", "bob")
    made.send("approve", "reviewer", "cleo")
    assert made.phase == "paid"


def test_a_code_that_nobody_knows_is_unknown_not_failed() -> None:
    made = desk(answered("failed", "unknown", code="E999"))
    assert made.phase == "unknown"
    assert made.books.reserved == 10_000


# --- sending again -----------------------------------------------------------------------------------------


def test_the_identical_request_goes_again_after_two_not_found_apart() -> None:
    made = unknown_desk()
    made.looks.extend([answered("not_found"), answered("not_found")])
    made.pays.append(answered("paid"))
    made.wait(minutes=1)
    assert len(made.sent) == 1
    made.wait(minutes=4)
    assert len(made.sent) == 2
    assert made.sent[0].key == made.sent[1].key
    assert made.sent[1].resend
    assert made.phase == "paid"


def test_a_rail_that_is_out_for_days_is_sent_the_same_ever_more_rarely() -> None:
    made = desk(*[answered("unknown")] * 30)
    made.looks.extend([answered("not_found")] * 60)
    made.wait(days=3)
    hours = [round((step.at - made.sent[0].at) / timedelta(hours=1), 1) for step in made.sent]
    assert hours == [0, 0.1, 1.1, 2.1, 3.1, 4.1]  # then half of the window of a day is over
    assert len({step.key for step in made.sent}) == 1


def test_two_not_found_too_near_are_one() -> None:
    made = unknown_desk(policy=WithdrawalPolicy(not_found_apart=timedelta(minutes=10)))
    made.looks.extend([answered("not_found"), answered("not_found")])
    made.wait(minutes=30)
    assert len(made.sent) == 1
    made.looks.append(answered("not_found"))
    made.wait(minutes=31)
    assert len(made.sent) == 2


def test_a_rail_that_promises_nothing_is_never_sent_to_again() -> None:
    made = unknown_desk(terms=NO_WINDOW)
    made.looks.extend([answered("not_found")] * 10)
    made.wait(days=5)
    assert len(made.sent) == 1
    assert made.phase == "unknown"


def test_nothing_goes_again_after_half_of_the_rails_window() -> None:
    made = unknown_desk(terms=RailTerms(dedup_window=timedelta(minutes=8)))
    made.looks.extend([answered("not_found")] * 10)
    made.wait(days=2)  # the second "not found" comes at 5 minutes
    assert len(made.sent) == 1


def test_a_no_to_a_second_sending_is_not_failed() -> None:
    made = unknown_desk()
    made.looks.extend([answered("not_found")] * 2)
    made.pays.append(answered("failed", "payee"))
    made.wait(minutes=5)
    assert len(made.sent) == 2
    assert made.phase == "unknown"
    assert made.books.reserved == 10_000


def test_an_instruction_that_never_left_gets_a_new_key_and_after_five_a_person_looks() -> None:
    made = desk(answered("not_sent"), answered("paid"))
    assert made.phase == "paid"
    assert [attempt.outcome for attempt in made.state.attempts] == ["unsent", "paid"]
    never = desk(*[answered("not_sent")] * 5)
    assert reasons(never) == ["our_side"]


# --- calendar ----------------------------------------------------------------------------------------------


def test_working_days_skip_the_weekend_by_local_midnight() -> None:
    friday_evening_utc = datetime(2026, 11, 27, 18, 0, tzinfo=UTC)  # already Saturday in China
    assert after_working_days(friday_evening_utc, 1, timedelta(hours=8)) == datetime(2026, 11, 29, 18, 0, tzinfo=UTC)
    assert after_working_days(T0, 7, timedelta(hours=8)) == T0 + timedelta(days=9)
    assert next_day_starts(T0, timedelta(hours=8)) == datetime(2026, 11, 23, 16, 0, tzinfo=UTC)


def test_a_command_at_the_very_instant_of_a_deadline_wins_when_it_is_heard_first() -> None:
    made = desk(withdrawal=asked(LARGE))
    made.send("approve", "reviewer", "bob")
    made.now = T0 + timedelta(hours=24)
    made.send("approve", "reviewer", "cleo")
    assert made.phase == "submitted"
