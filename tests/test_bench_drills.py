"""The drills can fail: a breach ends with exit code 1, and a movement too many or too few is one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.__main__ import app
from bench.drills import command
from bench.drills.steps import Steps


async def _passes(count: int, steps: Steps) -> None:
    with steps.step("counted", "count_s"):
        steps.expect(count > 0, "none")


async def _breaks(count: int, steps: Steps) -> None:
    steps.expect(False, f"{count} are lost")


@pytest.fixture
def drills(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "DRILLS", {"passes": ("one", _passes), "breaks": ("another", _breaks)})


@pytest.mark.usefixtures("drills")
def test_a_drill_that_passes_ends_with_its_figures(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    done = CliRunner().invoke(app, ["drill", "passes", "--orders", "10", "--json", str(file)])
    assert (done.exit_code, "Verdict: passed." in done.stdout) == (0, True)
    assert json.loads(file.read_text())["figures"]["breaches"] == 0


@pytest.mark.usefixtures("drills")
def test_a_breach_ends_with_exit_code_one_and_the_other_drills_run() -> None:
    done = CliRunner().invoke(app, ["drill", "breaks", "passes"])
    assert done.exit_code == 1
    assert "BREACH  1000 are lost" in done.stdout
    assert "Verdict: 1 breaches." in done.stdout
    assert "Verdict: passed." in done.stdout


def test_a_drill_that_does_not_exist_is_named_with_those_that_do() -> None:
    done = CliRunner().invoke(app, ["drill", "nonsense"])
    assert done.exit_code == 2
    assert "loss" in done.output
