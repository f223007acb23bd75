"""The screening rules that ship, measured: exactly these misses and false hits on titles that a person has judged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench import screening
from bench.__main__ import app
from bench.screening import RULES, TITLES, judge_titles
from core.screening.checking import check_rules
from core.screening.matching import Screener
from core.screening.simplified import simplified_characters
from wiring.screening import rules_in

FIGURES = {
    "titles": 1082,
    "forbidden": 102,
    "disguised": 109,
    "held": 68,
    "licensed": 63,
    "innocent": 272,
    "fresh_disguised": 30,
    "fresh_innocent": 50,
    "held_out_forbidden": 108,
    "held_out_innocent": 130,
    "second_held_out_forbidden": 50,
    "second_held_out_innocent": 50,
    "third_held_out_forbidden": 25,
    "third_held_out_innocent": 25,
    "disguised: miss": 2,
    "disguised: softer": 1,
    "forbidden: softer": 1,
    "fresh_disguised: miss": 2,
    "fresh_innocent: false hit": 4,
    "held_out_forbidden: softer": 5,
    "held_out_innocent: false hit": 21,
    "second_held_out_forbidden: softer": 3,
    "second_held_out_innocent: false hit": 15,
    "third_held_out_forbidden: softer": 10,
}


def test_the_rules_make_exactly_these_mistakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screening, "ROUNDS", 1)  # of the speed, which is another machine's anyway
    file = tmp_path / "figures.json"
    result = CliRunner().invoke(app, ["screening", "--json", str(file)])
    assert result.exit_code == 0, result.output
    figures = json.loads(file.read_text())["figures"]
    del figures["titles_per_s"]
    assert figures == FIGURES
    assert "xiangya" in result.output


def test_no_title_stands_twice() -> None:
    titles = [one.title for one in judge_titles(Screener(rules_in(RULES), {}), TITLES)]
    assert len(set(titles)) == len(titles)


def test_nothing_is_wrong_with_the_rules_that_ship() -> None:
    assert check_rules(RULES.read_text(encoding="utf-8"), simplified_characters()) == []


@pytest.mark.parametrize("error", ["innocent: false hit", "held: miss", "licensed: miss", "forbidden: miss"])
def test_of_the_titles_that_shaped_the_rules_none_is_judged_so(error: str) -> None:
    assert error not in FIGURES


@pytest.mark.parametrize("name", ["actions", "growth", "screening", "drill", "faults"])
def test_a_file_that_cannot_be_written_is_named_before_anything_is_measured(name: str, tmp_path: Path) -> None:
    for file in (tmp_path / "missing" / "figures.json", tmp_path):
        result = CliRunner().invoke(app, [name, "--json", str(file)])
        assert result.exit_code == 2, result.output
        assert "--json" in result.output
