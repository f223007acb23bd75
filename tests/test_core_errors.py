"""Every error says whether a retry can help, and every refusal has a code with a sentence."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest
from arrows import sources

import core.errors
from core.errors import DakuanError, FinalError, Refused, RetryableError, every_error, final_error_names
from core.reasons import SENTENCES, refuse

OURS = [error for error in every_error() if error.__module__ == core.errors.__name__]


@pytest.mark.parametrize("error", OURS[1:])
def test_every_error_is_either_final_or_retryable(error: type[DakuanError]) -> None:
    assert issubclass(error, FinalError) != issubclass(error, RetryableError)
    assert error.retryable == issubclass(error, RetryableError)


def test_temporal_never_retries_a_final_error_and_always_may_a_retryable_one() -> None:
    final = final_error_names()
    assert {"Refused", "BadInput", "Misconfigured"} <= set(final)
    assert not {"Unavailable", "UnreadableAnswer", "OutcomeUnknown", "RetryableError"} & set(final)


def test_a_new_final_error_is_not_forgotten() -> None:
    class GoodsVanished(FinalError):
        """The goods vanished."""

    try:
        assert "GoodsVanished" in final_error_names()
    finally:
        del GoodsVanished


def test_no_two_errors_have_one_name() -> None:
    """Temporal matches by the class's name alone."""
    names = [error.__name__ for error in OURS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("error", [error for error in OURS if error is not Refused])
def test_an_error_without_words_says_its_docstring(error: type[DakuanError]) -> None:
    said = str(error())
    assert error.__doc__
    assert said == error.__doc__.splitlines()[0]
    assert said.endswith(".")
    assert str(error("the bank is shut")) == "the bank is shut"


def test_the_tree_at_the_top_of_the_file_draws_every_error() -> None:
    drawn = core.errors.__doc__ or ""
    assert [error.__name__ for error in OURS if error.__name__ not in drawn] == []


def test_a_refusal_carries_code_sentence_and_field() -> None:
    error = Refused("too_early", "It is too early.", "deadline")
    assert (error.code, error.message, error.field, str(error)) == (
        "too_early",
        "It is too early.",
        "deadline",
        "It is too early.",
    )


# --- reason codes ----------------------------------------------------------------------------------------


CODES: list[str] = re.findall(
    r"\w+",
    """
    invalid_order malformed unknown_verb wrong_actor order_over too_many_commands
    order_exists_with_different_content payment_not_found payment_over_claimed payment_time already_shipped
    already_moving nothing_left_to_ship unknown_line quantity_too_large unknown_carrier impossible_waybill
    waybill_in_use unknown_parcel parcel_required too_many_corrections parcel_approved nothing_shipped
    not_fully_shipped already_confirmed case_open too_early too_many_extensions not_in_review not_rejected
    appeal_used reason_missing not_held already_credited no_such_hold insufficient_funds below_minimum
    above_maximum daily_limit unknown_account account_cooling account_suspended wrong_currency already_submitted
    needs_other_person receivable_outstanding withdrawal_exists_with_different_content
    """,
)
"""What storefronts rely on: never renamed, never taken away."""


REFUSING = ("refuse", "Refused")
"""What is called to refuse."""


def codes_in_use() -> Iterator[tuple[str, str]]:
    """(code, file and line) of every `refuse("…")` and `Refused("…")` in the product."""
    for source in sources():
        if source.room == "tests" or not any(f"{name}(" in source.text for name in REFUSING):
            continue  # to parse all files takes two seconds
        for node in ast.walk(ast.parse(source.text)):
            if isinstance(node, ast.Call) and node.args and getattr(node.func, "id", None) in REFUSING:
                yield from ((code, f"{source.path}:{node.lineno}") for code in _codes_of(node.args[0]))


def _codes_of(argument: ast.expr) -> Iterator[str]:
    if isinstance(argument, ast.Constant):
        yield str(argument.value)
    elif isinstance(argument, ast.IfExp):
        yield from (*_codes_of(argument.body), *_codes_of(argument.orelse))


def test_every_code_in_use_has_a_sentence() -> None:
    used = list(codes_in_use())
    assert len({code for code, _ in used}) > 40  # the search itself works
    assert [(code, where) for code, where in used if code not in SENTENCES] == []


def test_every_code_of_the_contract_has_a_sentence() -> None:
    assert [code for code in CODES if code not in SENTENCES] == []


@pytest.mark.parametrize(("code", "sentence"), SENTENCES.items())
def test_a_code_is_a_word_and_its_sentence_is_one(code: str, sentence: str) -> None:
    assert code.replace("_", "").isalpha()
    assert code.islower()
    assert sentence[0].isupper()
    assert sentence.endswith(".")
    assert len(sentence) <= 120


def test_a_refusal_says_its_sentence_and_then_the_detail() -> None:
    refusal = refuse("unknown_line", "Line 9.", field="parcels.0.lines")
    assert refusal.message == "The order has no such line. Line 9."
    assert refusal.field == "parcels.0.lines"
    assert refuse("unknown_line").message == "The order has no such line."
