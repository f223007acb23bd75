"""The list of notices says what the code writes: each name, its readers and its facts, and none that is not written."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from core.aftersale.deadlines import CASE_REMINDER
from core.aftersale.texts import CASE_NOTICES, REMINDED
from core.aftersale.views import CASE_FACTS
from core.withdrawal.state import GIVEN_BACK
from docs.notices import BY_NAME, NOTICES

ROOT = Path(__file__).parents[1]
READERS = {"buyer", "merchant", "reviewer", "operator"}


class Written(NamedTuple):
    """One place that writes a notice."""

    name: str
    to: str
    facts: frozenset[str]


def _written_in(file: Path) -> Iterator[Written]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
            if isinstance(call.func, ast.Attribute) and call.func.attr in {"with_notice", "stop_for"}:
                yield from _notices_of(call, function)


def _notices_of(call: ast.Call, function: ast.FunctionDef) -> Iterator[Written]:
    assert isinstance(call.func, ast.Attribute)
    first, second = call.args[0], call.args[1]
    to, name = (first, second) if call.func.attr == "with_notice" else (second, first)
    readers = _readers(to, function)
    if readers:
        yield from (Written(one, reader, _facts_of(call, function)) for one in _names(name) for reader in readers)


def _readers(to: ast.expr, function: ast.FunctionDef) -> list[str]:
    """The reader, or those that a loop of the function goes through; none where it passes on what its callers say."""
    if isinstance(to, ast.Constant):
        return [str(to.value)]
    return [
        str(one.value)
        for node in ast.walk(function)
        if isinstance(node, ast.For)
        and ast.unparse(node.target) == ast.unparse(to)
        and isinstance(node.iter, ast.Tuple)
        for one in node.iter.elts
        if isinstance(one, ast.Constant)
    ]


def _names(name: ast.expr) -> list[str]:
    if isinstance(name, ast.Constant):
        return [str(name.value)]
    assert ast.unparse(name) == "f'withdrawal_{phase}'", "say here which names it stands for"
    return [f"withdrawal_{phase}" for phase in GIVEN_BACK]


def _facts_of(call: ast.Call, function: ast.FunctionDef) -> frozenset[str]:
    named = {keyword.arg for keyword in call.keywords if keyword.arg}
    for keyword in call.keywords:
        if keyword.arg is None and isinstance(keyword.value, ast.Name):
            named |= _keys_of(keyword.value.id, function)
    return frozenset(named)


def _keys_of(variable: str, function: ast.FunctionDef) -> set[str]:
    """The keys of the dictionary that a variable of the function is."""
    for node in ast.walk(function):
        if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)):
            continue
        if [ast.unparse(target) for target in node.targets] == [variable]:
            return {str(key.value) for key in node.value.keys if isinstance(key, ast.Constant)}
    raise AssertionError(f"{variable} in {function.name} is no dictionary that can be read here")


def _by_sql() -> Iterator[Written]:
    for file in ("0011_reconciliation.sql", "0019_corrections_and_rests.sql", "0025_webhooks.sql", "0042_watched.sql"):
        text = (ROOT / "ledger" / "migrations" / file).read_text(encoding="utf-8")
        found = re.findall(r"'to', '(\w+)', 'name', '(\w+)'.*?'facts'(.*?)(?:FROM|;)", text, re.DOTALL)
        assert found
        facts = r"(?<!>> )'(\w+)',\s+(?:f\.body|b\.name|coalesce|p_|v_)"
        yield from (Written(name, reader, frozenset(re.findall(facts, written))) for reader, name, written in found)


def _of_cases() -> Iterator[Written]:
    """Those of after-sale cases are written for every reader at once, from a table."""
    facts, asked = frozenset(CASE_FACTS), frozenset({*CASE_FACTS, "payment_key", "currency"})
    for name, readers in CASE_NOTICES.items():
        of = asked if name in {"after_sale_charging", "claim_stuck"} else facts
        yield from (Written(name, reader, of) for reader in readers)
    yield from (Written(CASE_REMINDER, reader, facts) for reader in set(REMINDED.values()))


def _of_merchants() -> Iterator[Written]:
    """Those of merchants are written by the database, for the merchant and the operators."""
    text = (ROOT / "ledger" / "migrations" / "0017_merchants.sql").read_text(encoding="utf-8")
    for name, facts in re.findall(
        r"tell_of_merchant\(p_merchant_id, '(\w+)', jsonb_build_object\((.*?)\), p_now\)", text, re.DOTALL
    ):
        keys = frozenset(re.findall(r"'(what|value|reason|amount_minor|currency|since)',", facts))
        yield from (Written(name, reader, keys) for reader in ("merchant", "operator"))


def _of_callbacks() -> Iterator[Written]:
    """Those of callbacks are written for operators, from the one dictionary of facts of their file."""
    for file, name in (("callbacks.py", "chargeback_unplaced"), ("wechatpay.py", "complaint")):
        text = (ROOT / "inbound" / file).read_text(encoding="utf-8")
        (facts,) = re.findall(r"^ +(?:facts|told) = \{(.*?)\}", text, re.DOTALL | re.MULTILINE)
        yield Written(name, "operator", frozenset(re.findall(r'"(\w+)": ', facts)))


@pytest.fixture(scope="module")
def written() -> list[Written]:
    """Every place that writes a notice."""
    core = sorted((ROOT / "core").rglob("*.py"))
    tables = (*_by_sql(), *_of_merchants(), *_of_cases(), *_of_callbacks())
    return [*tables, *(one for file in core for one in _written_in(file))]


def test_every_notice_that_is_written_is_listed_and_no_other(written: list[Written]) -> None:
    assert {one.name for one in written} == BY_NAME.keys()
    assert len(BY_NAME) == len(NOTICES)


def test_the_readers_and_the_facts_are_those_that_are_written(written: list[Written]) -> None:
    for kind in NOTICES:
        places = [one for one in written if one.name == kind.name]
        assert {one.to for one in places} == set(kind.to), kind.name
        assert {frozenset(kind.facts)} == {one.facts for one in places}, kind.name
        assert set(kind.to) <= READERS
        assert kind.when[0].islower(), kind.name
        assert not kind.when.endswith("."), kind.name
