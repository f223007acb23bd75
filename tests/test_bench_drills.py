"""The drills can fail: a breach ends with exit code 1, and a movement too many or too few is one."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from typer.testing import CliRunner

import gateway
from bench.__main__ import app
from bench.drills import command, restored
from bench.drills.lives import Life
from bench.drills.steps import Steps
from core.errors import Refused
from core.messages import Withdrawal
from demo.stage import Stage


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


async def test_a_storefront_that_repeats_the_start_of_an_ended_order_asks_for_the_withdrawal_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was set back goes on at once, and may have ended before the storefront repeats."""
    asked: list[Withdrawal] = []

    async def start_order(*_: Any) -> None:
        raise Refused("order_over", "It has ended.")

    async def start_withdrawal(_: Any, withdrawal: Withdrawal) -> None:
        asked.append(withdrawal)

    async def row(_: str) -> Any:
        return SimpleNamespace(closed=True)

    monkeypatch.setattr(gateway, "start_order", start_order, raising=False)
    monkeypatch.setattr(gateway, "start_withdrawal", start_withdrawal, raising=False)
    register = cast(Any, SimpleNamespace(orders=SimpleNamespace(row=row)))
    life = Life("unknown", Stage(cast(Any, None), cast(Any, None), register, seed=1, tag="t").play(1))
    drill = cast(Any, SimpleNamespace(steps=Steps("restored")))
    await restored._repeat(drill, life)  # the step alone: the drill takes minutes
    assert drill.steps.breaches == []
    assert [one.withdrawal_id for one in asked] == [life.withdrawal_id]
