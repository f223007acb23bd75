"""A withdrawal's limits: amounts of a currency, of a policy, and refused reservations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from withdrawal_driver import answered, asked, desk

from core.money import CURRENCIES
from core.policy import parse_policy
from core.reasons import Refusal, refuse
from core.withdrawal.policy import CurrencyLimits, WithdrawalPolicy

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


# --- never reserved ----------------------------------------------------------------------------------------


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


# --- limits of a policy ------------------------------------------------------------------------------------


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
