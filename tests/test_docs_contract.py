"""The contract's page and schemas are what the models say, and its examples are messages."""

from __future__ import annotations

import json
from typing import Any

import pytest
from arrows import ROOT

from core.messages import ORDER_COMMANDS, WITHDRAWAL_COMMANDS, Order, Withdrawal
from core.reading import read, read_command
from core.reasons import Refusal
from docs import examples
from docs.generate import ANSWERED, RECEIVED, pages

NAMES = (
    "contract.md",
    "events.md",
    "codes.md",
    *(f"schemas/{model.__name__}.json" for model in (*RECEIVED, *ANSWERED)),
)


@pytest.fixture(scope="module")
def generated() -> dict[str, str]:
    """Made when a test needs it: every process of a run reads this file, and the pages take a second."""
    return pages()


def test_the_pages_are_those_that_are_compared(generated: dict[str, str]) -> None:
    assert generated.keys() == set(NAMES)


@pytest.mark.parametrize("path", NAMES)
def test_a_page_is_what_the_models_say(path: str, generated: dict[str, str]) -> None:
    file = ROOT / "docs" / path
    assert file.is_file(), "missing: run `make docs`"
    assert file.read_text(encoding="utf-8") == generated[path], "out of date: run `make docs`"


def test_no_schema_is_left_of_a_message_that_is_gone() -> None:
    there = {f"schemas/{file.name}" for file in (ROOT / "docs" / "schemas").iterdir()}
    assert there == set(NAMES) - {"contract.md", "events.md", "codes.md"}


def test_every_verb_and_input_has_a_schema_and_an_example() -> None:
    commands = {**ORDER_COMMANDS, **WITHDRAWAL_COMMANDS}
    assert {model.__name__ for model in RECEIVED} == {"Order", "Withdrawal"} | {c.__name__ for c in commands.values()}
    assert examples.COMMANDS.keys() == commands.keys()


@pytest.mark.parametrize(("model", "body"), [(Order, examples.ORDER), (Withdrawal, examples.WITHDRAWAL)])
def test_the_example_of_an_input_is_accepted(model: Any, body: Any) -> None:
    assert not isinstance(read(model, body, strictly=True), Refusal)


@pytest.mark.parametrize("verb", examples.COMMANDS)
def test_the_example_of_a_command_is_accepted_and_comes_from_one_who_may(verb: str, generated: dict[str, str]) -> None:
    command = read_command({**ORDER_COMMANDS, **WITHDRAWAL_COMMANDS}, verb, examples.command(verb), strictly=True)
    assert not isinstance(command, Refusal), command
    row = next(line for line in generated["contract.md"].splitlines() if line.startswith(f"| [`{verb}`]"))
    assert command.actor.role in row.split(" | ")[1]


@pytest.mark.parametrize("model", RECEIVED)
def test_a_schema_requires_what_the_model_requires(model: Any, generated: dict[str, str]) -> None:
    schema = json.loads(generated[f"schemas/{model.__name__}.json"])
    assert set(schema["required"]) == {name for name, field in model.model_fields.items() if field.is_required()}
    assert schema["properties"].keys() == model.model_fields.keys()
