"""Money is whole minor units: words become them exactly or not at all, and splits lose nothing."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadInput
from core.money import CURRENCIES, MAX_AMOUNT_MINOR, format_minor, given_back, parse_amount, share_bps, spread

AMOUNTS = st.integers(0, MAX_AMOUNT_MINOR)


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("135.80", "CNY", 13580),
        ("135.8", "CNY", 13580),
        ("135", "CNY", 13500),
        ("0.01", "CNY", 1),
        ("1,234.50", "CNY", 123450),
        (" 12 ", "CNY", 1200),
        ("1.5000", "CNY", 150),
        ("500", "JPY", 500),
        ("007.50", "CNY", 750),
        ("1.250", "KWD", 1250),
        ("10000000000000", "CNY", MAX_AMOUNT_MINOR),
        ("1000000000000000", "JPY", MAX_AMOUNT_MINOR),
    ],
)
def test_an_amount_in_words_is_whole_minor_units(text: str, currency: str, minor: int) -> None:
    assert parse_amount(text, currency) == minor


@pytest.mark.parametrize(
    ("text", "currency", "said"),
    [
        ("", "CNY", "not a positive number"),
        ("ten", "CNY", "not a positive number"),
        ("-5", "CNY", "not a positive number"),
        ("+5", "CNY", "not a positive number"),
        ("NaN", "CNY", "not a positive number"),
        ("Infinity", "CNY", "not a positive number"),
        ("1e3", "CNY", "not a positive number"),
        ("1e-999999", "CNY", "not a positive number"),
        ("0x10", "CNY", "not a positive number"),
        ("1_000", "CNY", "not a positive number"),
        ("１２", "CNY", "not a positive number"),
        ("1,50", "CNY", "not a positive number"),
        ("1.234,50", "CNY", "not a positive number"),
        ("12,34,567", "CNY", "not a positive number"),
        (".5", "CNY", "not a positive number"),
        ("5.", "CNY", "not a positive number"),
        ("9" * 20, "CNY", "more than can be moved"),
        ("9" * 10_000, "CNY", "more than can be moved"),
        ("0." + "1" * 10_000, "CNY", "2 decimals"),
        ("0", "CNY", "above zero"),
        ("0.00", "CNY", "above zero"),
        ("0.001", "CNY", "2 decimals"),
        ("1.000000000000001", "CNY", "2 decimals"),
        ("1.5", "JPY", "0 decimals"),
        ("10000000000000.01", "CNY", "more than can be moved"),
        ("1000000000000000", "CNY", "more than can be moved"),
        ("1", "RMB", "ISO 4217"),
        ("1", "", "ISO 4217"),
    ],
)
def test_an_amount_that_is_none_or_too_fine_or_too_large_is_refused(text: str, currency: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        parse_amount(text, currency)


@pytest.mark.parametrize("text", ["0.28680", "-0.06", "0", "9" * 20])
def test_a_refusal_names_what_the_amount_is_called(text: str) -> None:
    with pytest.raises(BadInput, match=r"^fee: "):
        parse_amount(text, "CNY", "fee")


@given(st.text())
def test_words_are_read_exactly_or_refused(text: str) -> None:
    try:
        minor = parse_amount(text, "CNY")
    except BadInput:
        return
    assert Fraction(text.strip().replace(",", "")) * 100 == minor


@given(st.integers(1, MAX_AMOUNT_MINOR), st.sampled_from(sorted(CURRENCIES)))
def test_what_is_written_is_read_back(minor: int, currency: str) -> None:
    assert parse_amount(format_minor(minor, currency).removesuffix(f" {currency}"), currency) == minor


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (13580, "CNY", "135.80 CNY"),
        (0, "CNY", "0.00 CNY"),
        (-5, "CNY", "-0.05 CNY"),
        (1234567, "JPY", "1,234,567 JPY"),
        (1250, "KWD", "1.250 KWD"),
    ],
)
def test_minor_units_are_written_with_the_currencys_decimals(minor: int, currency: str, text: str) -> None:
    assert format_minor(minor, currency) == text


def test_the_currencies_of_large_markets_have_the_decimals_of_the_standard() -> None:
    expected = {"CNY": 2, "USD": 2, "EUR": 2, "BRL": 2, "JPY": 0, "KRW": 0, "KWD": 3, "BHD": 3}
    assert {code: CURRENCIES[code] for code in expected} == expected
    assert "XAU" not in CURRENCIES  # gold has no smallest unit


@given(AMOUNTS, st.integers(0, 10_000))
def test_a_rate_never_takes_more_than_its_share(amount: int, bps: int) -> None:
    share = share_bps(amount, bps)
    assert 0 <= share <= Fraction(amount * bps, 10_000) < share + 1


@given(st.data())
def test_commission_goes_back_step_by_step_and_exactly_at_the_end(data: st.DataObject) -> None:
    gross = data.draw(st.integers(1, MAX_AMOUNT_MINOR), "gross")
    commission = data.draw(st.integers(0, gross), "commission")
    refunded = sorted(data.draw(st.lists(st.integers(0, gross), max_size=6), "refunded so far"))
    steps = [given_back(commission, so_far, gross) for so_far in [0, *refunded, gross]]
    assert steps[0] == 0
    assert steps == sorted(steps)
    assert steps[-1] == commission
    assert all(
        step <= Fraction(commission * so_far, gross) for step, so_far in zip(steps, [0, *refunded], strict=False)
    )


def test_a_free_line_gives_its_commission_back_at_once() -> None:
    assert given_back(0, 0, 0) == 0


@given(AMOUNTS, st.lists(AMOUNTS, min_size=1, max_size=20).filter(any))
def test_a_split_loses_nothing_and_is_fair_to_a_unit(amount: int, weights: list[int]) -> None:
    parts = spread(amount, weights)
    total = sum(weights)
    assert sum(parts) == amount
    assert all(abs(part - Fraction(amount * weight, total)) < 1 for part, weight in zip(parts, weights, strict=True))
    assert all(part == 0 for part, weight in zip(parts, weights, strict=True) if weight == 0)


def test_earlier_parts_win_ties() -> None:
    assert spread(100, [1, 1, 1]) == [34, 33, 33]
    assert spread(1, [1, 1]) == [1, 0]


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=20).filter(any), st.data())
def test_a_part_is_never_larger_than_its_weight_while_the_amount_is_not(
    weights: list[int], data: st.DataObject
) -> None:
    parts = spread(data.draw(st.integers(0, sum(weights))), weights)
    assert all(part <= weight for part, weight in zip(parts, weights, strict=True))


def test_nothing_is_split_over_nothing() -> None:
    assert spread(0, [0, 0]) == [0, 0]
    assert spread(0, []) == []
