"""The table of money paths is whole: each movement has its rows, and the tests that they name are about it."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from all_paths import LISTS, PATHS
from crashing_worker import EFFECTS
from ledger_samples import account_of
from money_paths import MoneyPath
from test_workflows_await_points import STRUCK, points

from core.chart import ACCOUNTS, KINDS, ChartLeg, MovementKind, names_in

TESTS = Path(__file__).parent
TABLE: dict[str, Any] = tomllib.loads((TESTS / "money_paths.toml").read_text(encoding="utf-8"))
ROWS: dict[str, dict[str, Any]] = TABLE["movement"]
COLUMNS = ("happy", "twice", "concurrent", "killed")
BY_THE_WORKER = {"rest_closed": "close_return"}
"""The database posts these inside another call: the name of that call."""
TAKEN_FROM = ("order/{order}/frozen", "merchant/{merchant}/available", "merchant/{merchant}/deposit")
"""Where an order's movement takes what it asks of a debt, before anything is owed."""


def paths_of(kind: str) -> list[MoneyPath]:
    """Every path of this kind of movement."""
    return [path for path in PATHS.values() if path.kind == kind]


@cache
def functions(file: str) -> dict[str, str]:
    """Each function of a file of tests, by name."""
    text = (TESTS / file).read_text(encoding="utf-8")
    found = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return {node.name: ast.get_source_segment(text, node) or "" for node in found}


def source(node: str) -> str:
    """The text of the test of this name, and of what it calls in its own file; empty where there is none."""
    file, _, name = node.partition("::")
    known = functions(file) if (TESTS / file).is_file() else {}
    text = known.get(name, "")
    called = (known[word] for word in set(re.findall(r"\w+", text)) if word in known and word != name)
    return "\n".join((text, *called)) if text else ""


def test_every_movement_of_the_chart_has_its_rows() -> None:
    kinds = {kind.name for kind in KINDS}
    assert ROWS.keys() == kinds
    assert {path.kind for path in PATHS.values()} == kinds
    assert len(PATHS) == sum(map(len, LISTS))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_each_place_of_a_movement_has_a_path(kind: MovementKind) -> None:
    """Both ends of each leg, and each place that pays before something is owed."""
    moved = {name for path in paths_of(kind.name) for name in path.moves}
    for pattern in {end for leg in kind.legs for end in _ends(kind, leg)}:
        assert any(names_in(pattern, name) is not None for name in moved), f"no {kind.name} touches {pattern}"


def _ends(kind: MovementKind, leg: ChartLeg) -> Iterator[str]:
    yield from leg
    if kind.subject == "order" and leg.debit == "merchant/{merchant}/receivable":
        yield from TAKEN_FROM


def test_a_path_moves_between_accounts_of_the_chart_and_balances() -> None:
    sides = {account.path: 1 if account.kind in {"liability", "income"} else -1 for account in ACCOUNTS}
    for name, path in PATHS.items():
        found = [(account_of(one), amount) for one, amount in path.moves.items() if not one.startswith("line ")]
        assert sum(sides[account.path] * amount for account, amount in found if account is not None) == 0, name
        assert all(account is not None for account, _ in found), name


def test_each_cell_names_a_test_that_exists() -> None:
    assert tuple(TABLE["every"]) == COLUMNS
    beside = [node for row in ROWS.values() for node in row.get("beside", ())]
    for node in (*TABLE["every"].values(), *TABLE["died"].values(), *beside):
        assert source(node), node


@pytest.mark.parametrize("kind", ROWS)
def test_what_a_row_names_is_about_its_movement(kind: str) -> None:
    references = {path.reference.split("/")[2] for path in paths_of(kind) if path.reference.count("/") > 1}
    words = {kind, kind.split("_")[0].removesuffix("ion"), *references}
    for node in ROWS[kind].get("beside", ()):
        assert any(word in source(node) for word in words), f"{node} says none of {sorted(words)}"


@pytest.mark.parametrize("kind", ROWS)
def test_who_posts_a_movement_is_killed_between_the_effect_and_the_report(kind: str) -> None:
    row = ROWS[kind]
    assert ("person" in row) != ("worker" in row), "either a worker posts it or people do"
    if "person" in row:
        assert (TESTS.parent / row["person"]).is_file()
    for death in row.get("worker", ()):
        node = TABLE["died"][death["died"]]
        for effect in death.get("dies_after", ()):
            assert f'"{effect}"' in (TESTS / node.partition("::")[0]).read_text(encoding="utf-8"), effect
            assert kind in _kinds_of(effect), f"the effect {effect} is no {kind}"
        if "unreported" in death:
            assert death["unreported"] in points()
            assert death["unreported"] in STRUCK or f'"{death["unreported"]}"' in source(node)


def _kinds_of(effect: str) -> set[str]:
    """The kinds of movement that an effect posts."""
    _, name, *kind = EFFECTS[effect]
    return set(kind[:1]) or {posted for posted, call in {**BY_THE_WORKER, "fund": "open"}.items() if call == name}
