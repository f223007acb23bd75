"""A withdrawal's core: every state and branch, without Temporal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any, get_args

import pytest
from withdrawal_driver import NO_WINDOW, RAIL, SEED, T0, WithdrawalDriver, answered, asked, names

from core.answers import Answer
from core.messages import WITHDRAWAL_COMMANDS
from core.money import CURRENCIES
from core.policy import parse_policy
from core.reading import read_command
from core.reasons import SENTENCES, Refusal, refuse
from core.withdrawal.calendar import after_working_days, next_day_starts
from core.withdrawal.commands import receive
from core.withdrawal.deadlines import next_deadline
from core.withdrawal.page import details_of
from core.withdrawal.payouts import RailTerms, attempt_key
from core.withdrawal.policy import CurrencyLimits, WithdrawalPolicy
from core.withdrawal.state import ENDS, Phase
from core.withdrawal.steps import CheckStanding, Pay, Query, finish, next_step
from core.withdrawal.views import (
    holds_of,
    journal_view,
    record_of,
    resume,
    search_values,
    withdrawal_view,
)

LARGE = 3_000_000


def desk(*pays: Any, **fields: Any) -> WithdrawalDriver:
    """A desk whose bank gives these answers to instructions, run until it waits."""
    made = WithdrawalDriver(**fields)
    made.pays.extend(pays)
    made.run()
    return made


def unknown_desk(**fields: Any) -> WithdrawalDriver:
    return desk(answered("unknown"), **fields)


def reasons(made: WithdrawalDriver) -> list[str]:
    return [view.reason for view in holds_of(made.state)]


# --- paid ------------------------------------------------------------------------------------------------


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


def test_keys_are_short_random_and_not_made_of_our_ids() -> None:
    keys = {attempt_key(SEED, number) for number in range(1, 50)} | {attempt_key("other", 1)}
    assert len(keys) == 50
    assert all(len(key) == 26 and key.isalnum() for key in keys)
    made = desk()
    assert "w-1" not in made.sent[0].key
    assert SEED not in str(withdrawal_view(made.state))


# --- limits of a currency ----------------------------------------------------------------------------------


def test_each_currency_has_its_own_amounts_and_one_without_is_refused() -> None:
    vnd = CurrencyLimits(minimum_minor=3_500, maximum_minor=180_000_000)
    policy = WithdrawalPolicy(amounts_in="CNY", maximum_minor=5_000_000, limits={"VND": vnd})
    cny, dong, dollars = (policy.in_currency(currency) for currency in ("CNY", "VND", "USD"))
    assert isinstance(cny, WithdrawalPolicy)
    assert isinstance(dong, WithdrawalPolicy)
    assert isinstance(dollars, Refusal)
    assert (cny.minimum_minor, cny.maximum_minor) == (100, 5_000_000)
    assert (dong.minimum_minor, dong.maximum_minor, dong.daily_count_max) == (3_500, 180_000_000, 10)
    assert (dollars.code, "[withdrawal.limits.USD]" in dollars.message) == ("wrong_currency", True)
    # What is folded in needs no room in the state and in records.
    assert not {"amounts_in", "limits"} & dong.model_dump().keys()


def test_amounts_without_a_currency_hold_for_all() -> None:
    assert WithdrawalPolicy(maximum_minor=7).in_currency("JPY") == WithdrawalPolicy(maximum_minor=7)


def test_the_default_policys_limits_are_worth_about_the_same_in_each_currency() -> None:
    """Units of a currency in a US dollar, roughly, as they were in 2026: no limit is off by its decimals."""
    rates = {"CNY": 7.1, "JPY": 150, "KRW": 1400, "VND": 25_500, "IDR": 16_500, "KWD": 0.31, "INR": 87, "THB": 34}
    rates |= {"USD": 1, "EUR": 0.87, "GBP": 0.76, "HKD": 7.8, "TWD": 31, "BRL": 5.5, "MXN": 18.5, "PHP": 57, "MYR": 4.2}
    rates |= {"AUD": 1.5, "CAD": 1.38, "CHF": 0.82, "NZD": 1.7, "SGD": 1.3, "MOP": 8}
    text = (Path(__file__).parents[1] / "policies" / "default.toml").read_text(encoding="utf-8")
    policy = parse_policy(text).withdrawal
    assert {*policy.limits, policy.amounts_in} == rates.keys()
    for currency, rate in rates.items():
        own = policy.in_currency(currency)
        assert isinstance(own, WithdrawalPolicy)
        dollar = rate * 10 ** CURRENCIES[currency]
        assert 5_500 < own.maximum_minor / dollar < 8_500, currency
        assert 2_000 < own.approval_above_minor / dollar < 3_500, currency
        assert 0.05 < own.minimum_minor / dollar < 1.5, currency


# --- never reserved --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "policy", "code"),
    [
        ({"amount_minor": 99}, WithdrawalPolicy(), "below_minimum"),
        ({"amount_minor": 150}, WithdrawalPolicy(fee_minor=150), "below_minimum"),
        ({"amount_minor": 5_000_001}, WithdrawalPolicy(), "above_maximum"),
        ({"currency": "USD"}, WithdrawalPolicy(currencies=("CNY",)), "wrong_currency"),
        ({"requested_by": {"role": "merchant", "id": "m-8"}}, WithdrawalPolicy(), "wrong_actor"),
        ({"requested_by": {"role": "buyer", "id": "m-7"}}, WithdrawalPolicy(), "wrong_actor"),
    ],
)
def test_a_request_outside_the_limits_is_refused_before_anything(
    fields: dict[str, Any], policy: WithdrawalPolicy, code: str
) -> None:
    made = desk(withdrawal=asked(**fields), policy=policy)
    assert made.phase == "refused"
    assert made.state.refusal is not None
    assert made.state.refusal.code == code
    assert made.steps == []
    assert made.state.over


def test_a_reservation_that_is_refused_ends_it_with_the_ledgers_reason() -> None:
    made = desk(available=9_999)
    assert made.state.refusal == refuse("insufficient_funds")
    assert made.books.available == 9_999
    assert made.records == []
    assert made.state.over


# --- approval --------------------------------------------------------------------------------------------


def test_a_large_withdrawal_needs_two_people_neither_of_them_the_requester() -> None:
    made = desk(withdrawal=asked(LARGE, requested_by={"role": "operator", "id": "ann"}))
    assert made.phase == "in_approval"
    assert made.books.reserved == LARGE
    assert made.code("approve", "operator", "ann") == "needs_other_person"
    assert made.code("approve", "merchant", "m-7") == "wrong_actor"
    made.send("approve", "reviewer", "bob")
    assert made.phase == "in_approval"
    assert made.code("approve", "operator", "bob") == "needs_other_person"
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


def test_a_person_rejects_with_a_reason() -> None:
    made = desk(withdrawal=asked(LARGE))
    assert made.code("reject", "reviewer", "bob", reason="") == "reason_missing"
    made.send("reject", "reviewer", "bob", reason="not this merchant")
    assert (made.phase, made.state.reason) == ("rejected", "not this merchant")
    assert names(made) == ["reviewer:approval_needed", "merchant:withdrawal_rejected"]
    assert made.code("reject", "reviewer", "bob", reason="again") == "withdrawal_over"


# --- cancel ----------------------------------------------------------------------------------------------


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


# --- failure, by class -----------------------------------------------------------------------------------


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


# --- unknown ---------------------------------------------------------------------------------------------


def test_unknown_posts_nothing_and_looks_on_schedule() -> None:
    made = unknown_desk()
    made.looks.extend([answered("unknown")] * 40)
    made.wait(days=2, hours=1)
    expected = [timedelta(minutes=1), timedelta(minutes=5), timedelta(hours=1), timedelta(days=1), timedelta(days=2)]
    assert [at - T0 for at in made.looked] == expected
    assert len(made.sent) == 1
    assert made.books.reserved == 10_000
    assert reasons(made) == ["outcome_unknown"]


def test_unknown_turns_out_paid() -> None:
    made = unknown_desk()
    made.looks.append(answered("paid", amount_minor=10_000))
    made.wait(minutes=1)
    assert made.phase == "paid"
    assert made.books.cash_out == 10_000


def test_unknown_turns_out_failed_and_is_given_back() -> None:
    made = unknown_desk()
    made.looks.append(answered("failed", "payee"))
    made.wait(minutes=1)
    assert made.phase == "failed"
    assert made.books.available == 5_000_000
    assert len(made.sent) == 1


def test_after_three_days_a_person_is_asked_and_looking_goes_on() -> None:
    made = unknown_desk()
    made.looks.extend([answered("unknown")] * 5)
    made.wait(days=3)
    assert reasons(made) == ["outcome_unknown", "payout_stuck"]
    assert "operator:payout_stuck" in names(made)
    made.check()
    made.wait(days=40)
    assert made.looked[-1] - T0 <= timedelta(days=30)
    made.check()


def test_a_payout_the_bank_never_finishes_is_unknown_after_three_days() -> None:
    made = desk(answered("accepted"))
    made.wait(days=3)
    assert made.phase == "unknown"
    made.wait(days=1)  # the bank still says accepted: it stays with the person
    assert made.phase == "unknown"
    made.report("paid")
    assert made.phase == "paid"
    assert reasons(made) == []


def test_no_answer_takes_nothing_away_from_an_acknowledgement() -> None:
    made = desk(answered("accepted"))
    made.looks.append(answered("unknown"))
    made.wait(minutes=1)
    assert made.phase == "submitted"
    made.looks.append(answered("not_found"))
    made.wait(minutes=4)
    assert made.phase == "unknown"


def test_another_amount_than_told_is_unknown_and_a_person_is_asked() -> None:
    made = desk(answered("paid", amount_minor=9_999))
    assert made.phase == "unknown"
    assert "amount_disagrees" in reasons(made)
    assert made.books.reserved == 10_000


# --- sending again ---------------------------------------------------------------------------------------


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


# --- people resolve --------------------------------------------------------------------------------------


def stuck_desk(**fields: Any) -> WithdrawalDriver:
    made = unknown_desk(**fields)
    made.looks.extend([answered("unknown")] * 50)
    return made


def said(outcome: str = "paid", reference: str = "B-77", reason: str = "the bank's letter") -> dict[str, str]:
    return {"outcome": outcome, "reference": reference, "reason": reason}


def test_two_people_with_the_banks_reference_settle_an_unknown_payout() -> None:
    made = stuck_desk()
    made.wait(hours=47)
    assert made.code("resolve_unknown", "operator", "ann", **said()) == "too_early"
    made.wait(hours=1)  # a window of 24 h and a margin of 24 h
    assert made.code("resolve_unknown", "operator", "m-7", **said()) == "needs_other_person"
    made.send("resolve_unknown", "operator", "ann", **said())
    assert made.phase == "unknown"
    assert made.code("resolve_unknown", "operator", "ann", **said()) == "needs_other_person"
    made.send("resolve_unknown", "operator", "bob", **said())
    assert made.phase == "paid"
    assert made.books.cash_out == 10_000


def test_two_people_who_differ_settle_nothing() -> None:
    made = stuck_desk()
    made.wait(days=3)
    made.send("resolve_unknown", "operator", "ann", **said("paid"))
    made.send("resolve_unknown", "operator", "bob", **said("failed"))
    assert made.state.statements == ()
    made.send("resolve_unknown", "operator", "ann", **said("paid", "B-77"))
    made.send("resolve_unknown", "operator", "bob", **said("paid", "B-78"))
    assert made.phase == "unknown"


def test_failed_by_hand_stays_put_for_days_before_it_is_given_back() -> None:
    made = stuck_desk()
    made.wait(days=3)
    for person in ("ann", "bob"):
        made.send("resolve_unknown", "operator", person, **said("failed"))
    assert made.phase == "in_suspense"
    assert (made.books.reserved, made.books.suspense) == (0, 10_000)
    assert made.code("cancel", "merchant", "m-7") == "already_submitted"
    made.wait(days=4.9)
    assert made.phase == "in_suspense"
    made.wait(days=0.1)
    assert made.phase == "failed"
    assert (made.books.available, made.books.suspense) == (5_000_000, 0)


def test_a_payout_found_while_in_suspense_is_paid() -> None:
    made = stuck_desk()
    made.wait(days=3)
    for person in ("ann", "bob"):
        made.send("resolve_unknown", "operator", person, **said("failed"))
    assert made.code("resolve_unknown", "operator", "cleo", **said("failed")) == "not_unknown"
    made.report("paid")
    assert made.phase == "paid"
    assert (made.books.cash_out, made.books.suspense) == (10_000, 0)


def test_two_people_who_learn_better_pay_out_of_suspense() -> None:
    made = stuck_desk()
    made.wait(days=3)
    for person in ("ann", "bob"):
        made.send("resolve_unknown", "operator", person, **said("failed"))
    made.wait(days=1)
    for person in ("ann", "bob"):
        made.send("resolve_unknown", "operator", person, **said("paid", "B-78"))
    assert made.phase == "paid"
    assert (made.books.cash_out, made.books.suspense, made.books.reserved) == (10_000, 0, 0)
    made.wait(days=20)
    assert made.state.over


def test_nobody_resolves_what_is_not_unknown() -> None:
    assert desk(answered("accepted")).code("resolve_unknown", "operator", "ann", **said()) == "not_unknown"
    assert desk(answered("paid")).code("resolve_unknown", "operator", "ann", **said()) == "not_unknown"
    made = stuck_desk()
    made.wait(days=3)
    assert made.code("resolve_unknown", "operator", "ann", **said(reason="")) == "reason_missing"
    assert made.code("resolve_unknown", "merchant", "m-7", **said()) == "wrong_actor"


# --- while it waits --------------------------------------------------------------------------------------


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


# --- limits of a policy ----------------------------------------------------------------------------------


def test_a_merchant_who_leaves_takes_the_last_cent_along() -> None:
    policy = WithdrawalPolicy(minimum_minor=1_000)
    operator = {"role": "operator", "id": "ann"}
    assert desk(withdrawal=asked(7), policy=policy).state.refusal.code == "below_minimum"  # type: ignore[union-attr]
    made = desk(answered("paid"), withdrawal=asked(7, leaving=True, requested_by=operator), policy=policy)
    assert made.phase == "paid"
    feeding = WithdrawalPolicy(fee_minor=10)
    refused = desk(withdrawal=asked(10, leaving=True, requested_by=operator), policy=feeding).state.refusal
    assert refused is not None
    assert refused.code == "below_minimum"  # the fee would leave nothing to pay


@pytest.mark.parametrize(("field", "value"), [("leaving", True), ("policy", "large")])
def test_a_merchant_chooses_neither_the_policy_nor_to_be_leaving(field: str, value: Any) -> None:
    refused = desk(withdrawal=asked(**{field: value})).state.refusal
    assert refused is not None
    assert (refused.code, refused.field) == ("wrong_actor", field)


def test_a_request_from_before_policies_could_be_named_is_still_the_same_content() -> None:
    assert set(asked().model_dump()) == {
        *("withdrawal_id", "merchant_id", "amount_minor", "currency", "account_id", "requested_by")
    }
    operator = {"role": "operator", "id": "ann"}
    assert asked(leaving=True, policy="large", requested_by=operator).model_dump()["policy"] == "large"


# --- callbacks -------------------------------------------------------------------------------------------


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
        made.send("resolve_unknown", "operator", person, **said())
    assert made.books.references == before
    assert made.state.over


def test_a_case_stops_new_payouts_and_cancels_and_is_paid_from_what_is_still_reserved() -> None:
    made = desk(answered("failed", "quota"))
    made.report("paid")
    assert made.code("cancel", "merchant", "m-7") == "already_submitted"
    made.wait(days=3)
    assert len(made.sent) == 1
    for person in ("ann", "bob"):
        made.send("resolve_unknown", "operator", person, **said("paid"))
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


# --- races between a step and a command ------------------------------------------------------------------


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


# --- the ledger disagrees --------------------------------------------------------------------------------


def test_books_that_refuse_for_good_hold_it_until_a_person_says_try_again() -> None:
    made = WithdrawalDriver()
    made.pays.append(answered("paid"))
    pending(made, Pay)
    made.books.broken = "conflict: withdrawal/w-1/close"
    made.run()
    assert reasons(made) == ["ledger_disagrees"]
    assert made.phase == "paid"
    made.books.broken = None
    made.send("approve", "operator", "ann")
    assert made.books.cash_out == 10_000
    made.check()


# --- duplicates, limits, journal -------------------------------------------------------------------------


def test_a_duplicate_gets_the_first_answer_and_changes_nothing() -> None:
    made = desk(withdrawal=asked(LARGE))
    first = made.send("approve", "reviewer", "bob", command_id="same")
    again = made.send("approve", "reviewer", "bob", command_id="same")
    assert isinstance(first, Answer)
    assert isinstance(again, Answer)
    assert again == first.model_copy(update={"outcome": "duplicate"})
    assert len(made.state.approvals) == 1


def test_a_refused_update_leaves_nothing_and_a_refused_signal_uses_up_its_id() -> None:
    made = desk(answered("accepted"))
    before = made.state
    assert made.code("cancel", "merchant", "m-7", command_id="x") == "already_submitted"
    assert made.state == before
    assert made.code("cancel", "merchant", "m-7", "signal", command_id="x") == "already_submitted"
    assert journal_view(made.state)[-1]["code"] == "already_submitted"
    assert made.code("cancel", "merchant", "m-7", command_id="x") == "already_submitted"
    assert made.state.inbox.counted == 1


def test_commands_are_limited_and_some_are_kept_for_people_who_decide() -> None:
    made = desk(withdrawal=asked(LARGE), policy=WithdrawalPolicy(commands_max=30))
    for _ in range(10):
        made.send("reject", "merchant", "m-7", "signal", reason="x")
    assert made.code("cancel", "merchant", "m-7") == "too_many_commands"
    assert isinstance(made.send("approve", "reviewer", "bob"), Answer)


def test_a_thousand_callbacks_lock_out_no_person() -> None:
    made = desk(withdrawal=asked(LARGE), policy=WithdrawalPolicy(callbacks_max=50))
    for number in range(60):
        made.send("report_payout", "rail", RAIL, "signal", key="junk", outcome="paid", event_id=f"e{number}",
                  amount_minor=1, currency="CNY")  # fmt: skip
    assert made.state.callbacks == 50
    assert journal_view(made.state)[-1]["code"] == "too_many_commands"
    assert isinstance(made.send("cancel", "merchant", "m-7"), Answer)


def test_every_refusal_has_a_sentence() -> None:
    for code in ("unknown_payout", "wrong_amount", "event_exists_with_different_content", "not_unknown"):
        assert SENTENCES[code]


# --- records and views -----------------------------------------------------------------------------------


def test_a_record_is_enough_to_go_on_from() -> None:
    made = stuck_desk()
    made.wait(days=3)
    record = record_of(made.state, made.now)
    assert record.state_name == "unknown"
    assert not record.closed
    resumed = resume(record.state, record.revision)
    assert resumed.changed(notices=(), notice_seq=0) == made.state.changed(notices=(), notice_seq=0)
    assert next_step(resumed, made.now) is None


def test_a_record_is_closed_once_the_reservation_is() -> None:
    made = desk(answered("paid"))
    assert made.records[-1].closed
    assert made.records[-1].state_name == "paid"


def test_the_page_says_state_deadline_holds_and_payouts() -> None:
    made = desk(answered("unknown"))
    page = details_of(made.state)
    for part in ("100.00 CNY", "**unknown**", "query_at", "outcome_unknown", made.sent[0].key, "…4242"):
        assert part in page
    values = search_values(made.state)
    assert values["WithdrawalState"] == "unknown"
    assert values["HoldReasons"] == ["outcome_unknown"]


def test_every_hold_says_who_and_what_helps() -> None:
    made = stuck_desk()
    made.wait(days=3)
    for view in holds_of(made.state):
        assert view.who_can_act
        assert view.what_helps
    assert "resolve_unknown" in holds_of(made.state)[-1].what_helps


def test_each_phase_in_which_money_waits_says_why_since_when_and_who_must_act() -> None:
    waits = {
        "requested": (WithdrawalDriver(), "being_submitted", "system", False),
        "in_approval": (desk(withdrawal=asked(LARGE)), "awaiting_approval", "reviewer", True),
        "approved": (desk(answered("failed", "quota")), "quota", "system", True),
        "submitting": (desk(withdrawal=asked(LARGE)), "being_submitted", "system", False),
        "submitted": (desk(answered("accepted")), "with_the_bank", "rail", True),
        "unknown": (unknown_desk(), "outcome_unknown", "rail", True),
        "in_suspense": (stuck_desk(), "in_suspense", "operator", True),
    }
    for person in ("ann", "bob"):
        waits["submitting"][0].state = receive_only(waits["submitting"][0], "approve", "operator", person)
    waits["in_suspense"][0].wait(days=3)
    for person in ("ann", "bob"):
        waits["in_suspense"][0].send("resolve_unknown", "operator", person, **said("failed"))
    for phase, (made, reason, who, expected) in waits.items():
        (view,) = holds_of(made.state)
        assert (made.phase, view.reason, view.who_can_act) == (phase, reason, who)
        assert view.since == made.state.phase_since
        assert (view.expected_release is not None) == expected
        assert view.what_helps
    assert set(waits) == set(get_args(Phase)) - ENDS


def test_a_refusal_is_not_an_answer_by_signal_either() -> None:
    made = desk(answered("accepted"))
    answer = made.send("approve", "operator", "ann", "signal")
    assert isinstance(answer, Refusal)
    assert answer.code == "not_in_approval"


def test_receive_never_raises_in_any_phase() -> None:
    for made in (
        WithdrawalDriver(),
        desk(),
        desk(available=1),
        desk(answered("paid")),
        unknown_desk(),
        desk(withdrawal=asked(LARGE)),
    ):
        for verb in ("cancel", "approve"):
            for role in ("merchant", "operator", "rail", "buyer"):
                made.send(verb, role, "m-7", "signal")


# --- calendar --------------------------------------------------------------------------------------------


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
