"""What is wrong with a field is said in plain words and in Chinese, for each field of what people and programs send."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from chinese import english_in
from pydantic import BaseModel, Field, StringConstraints, ValidationError

from commands.order_exports import OrderMapping
from config.providers import Providers
from config.rails import Rails
from core.account_requests import BindAccount, ReplaceAccount, StopAccount, VerifyAccount
from core.audit.policy import AuditPolicy
from core.field_faults import said_plainly
from core.fields import Message
from core.messages import ORDER_COMMANDS, WITHDRAWAL_COMMANDS, Order, ShiftDeadline, Withdrawal
from core.policy import Policy
from core.reading import reasons_of
from core.reason_details import field_zh
from core.screening.rules import ScreeningRule, ScreeningRules
from storefront.endpoints import EndpointAsked, EndpointChange, Redelivery

ROOTS: tuple[type[BaseModel], ...] = (
    *(Order, Withdrawal, Policy, AuditPolicy, ScreeningRules, EndpointAsked, EndpointChange, Redelivery),
    *(BindAccount, ReplaceAccount, StopAccount, VerifyAccount, Providers, Rails, OrderMapping),
    *ORDER_COMMANDS.values(),
    *WITHDRAWAL_COMMANDS.values(),
)
OF_PYTHON = (
    *("Input ", "String ", "Tuple ", "List ", "Set ", "Frozenset ", "Dictionary ", "Value ", "Field ", "Extra "),
    *("Unable ", "Datetimes ", "Instance "),
)
WRONG: tuple[Any, ...] = (
    *(None, True, 0, 1, -1, 1.5, 10**30, float("nan"), "", "1", "-", "x" * 1000, "\x00", "é", [], [None], ["x"] * 600),
    *({}, {"a": 1}, {"": {}}),
    *("2026-02-30", "2026-02-30T00:00:00Z", "2026-11-22T24:30:00Z", "0001-01-01T00:00:00Z", "3d", "-3d", "9999d"),
)


def models_of(*roots: type[BaseModel]) -> set[type[BaseModel]]:
    """These models and those of their fields."""
    found: set[type[BaseModel]] = set()
    waiting: list[Any] = list(roots)
    while waiting:
        one = waiting.pop()
        if isinstance(one, type) and issubclass(one, BaseModel) and one not in found:
            found.add(one)
            waiting += [field.annotation for field in one.model_fields.values()]
        waiting += list(getattr(one, "__args__", ()))
    return found


def faults_of(model: type[BaseModel]) -> Iterator[str]:
    for name, value in [(name, value) for name in model.model_fields for value in WRONG]:
        try:
            model.model_validate({name: value}, extra="forbid")
        except ValidationError as error:
            yield from (reason["message"] for reason in reasons_of(error, model))


@pytest.mark.parametrize("model", sorted(models_of(*ROOTS), key=str))
def test_no_field_is_refused_in_the_words_of_python_or_in_english_alone(model: type[BaseModel]) -> None:
    said = set(faults_of(model))
    assert {one for one in said if one.startswith(OF_PYTHON) or "datetime." in one} == set()
    assert {one for one in said if re.search(r"[\^$]|\[\w|form of this field", one)} == set(), "a regular expression"
    assert {one for one in said if field_zh(one) is None} == set()


def test_the_models_are_found_to_their_depth() -> None:
    names = {model.__name__ for model in models_of(*ROOTS)}
    assert {"Line", "Payment", "Actor", "OrderLimits", "ParcelReport"} <= names


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("order_id", "a b", "must be 1 to 64 characters of A-Z a-z 0-9 _ -"),
        ("order_id", 7, "must be a text"),
        ("total_minor", "7", "must be a whole number"),
        ("total_minor", 0, "must be at least 1"),
        ("currency", "cny", "must be an ISO 4217 code, such as CNY"),
        ("lines", [], "must have at least 1 item, not 0"),
        ("lines", {}, "must be a list"),
        ("payment", [], "must be an object"),
        ("delivery_mode", "pigeon", "must be one of 'express', 'local', 'pickup', 'virtual'"),
        ("policy", "Mine", "must be 1 to 64 characters of a-z 0-9 _ -"),
        ("ship_by", "2026-02-30T00:00:00Z", "must be a day and a time of day that exist"),
    ],
)
def test_a_wrong_field_says_what_would_be_right(field: str, value: object, said: str) -> None:
    with pytest.raises(ValidationError) as wrong:
        Order.model_validate({field: value})
    assert {one["field"]: one["message"] for one in reasons_of(wrong.value)}[field] == said


@pytest.mark.parametrize("wanted", ["order", "Order.Credited", "order.*.x", "notice.A", "订单.*"])
def test_a_name_that_no_event_can_have_is_refused_in_words(wanted: str) -> None:
    with pytest.raises(ValidationError) as wrong:
        EndpointAsked.model_validate({"url": "https://shop.example/", "types": [wanted]})
    (reason,) = reasons_of(wrong.value)
    assert reason["message"].startswith("must be the name of an event such as order.credited, or the beginning")
    assert field_zh(reason["message"]) == "须为事件名称，如 order.credited，或名称的开头，如 order.*"


def test_a_first_character_of_another_kind_is_said_in_words() -> None:
    with pytest.raises(ValidationError) as wrong:
        ScreeningRule.model_validate({"licence": "2nd"})
    said = {one["field"]: one["message"] for one in reasons_of(wrong.value)}["licence"]
    assert said == "must be 1 to 40 characters of a-z 0-9 _, the first of a-z"


class _Counted(Message):
    """A text and a list of one limit each."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=1)]
    texts: Annotated[str, StringConstraints(min_length=2, max_length=2)]
    one: Annotated[tuple[int, ...], Field(min_length=1, max_length=1)]
    two: Annotated[tuple[int, ...], Field(min_length=2, max_length=2)]


@pytest.mark.parametrize("given", [0, 1, 3, 4])
def test_one_and_several_are_said_in_chinese(given: int) -> None:
    """Also where the list goes on and was not counted to its end: `not more`."""
    with pytest.raises(ValidationError) as wrong:
        _Counted.model_validate({"text": "x" * given, "texts": "x" * given, "one": [7] * given, "two": (7,) * given})
    said = [field_zh(reason["message"]) for reason in reasons_of(wrong.value)]
    assert len(said) > 1
    assert [one for one in said if one is None or english_in(one)] == []
    generated = said_plainly({"type": "too_long", "ctx": {"max_length": 1, "actual_length": None}})
    assert (generated, field_zh(generated)) == ("must have at most 1 item, not more", "最多 1 项")


def test_a_limit_of_a_length_of_time_is_said_as_people_type_it() -> None:
    with pytest.raises(ValidationError) as wrong:
        ShiftDeadline.model_validate({"by": "61d"})
    assert {one["field"]: one["message"] for one in reasons_of(wrong.value)}["by"] == "must be at most 60d"
