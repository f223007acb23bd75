"""The demo, whole, as its user runs it: every story once, on a stack of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from demo.stories import STORIES

PROJECT = Path(__file__).parents[1]
PATIENCE_S = 240


def test_every_story_ends_as_it_should_and_every_proof_holds(tmp_path: Path) -> None:
    report = tmp_path / "demo.json"
    command = [
        sys.executable,
        "starter.py",
        "demo",
        "--orders",
        str(len(STORIES)),
        "--seed",
        "7",
        "--json",
        str(report),
    ]
    environment = {**os.environ, "DAKUAN_HOME": str(tmp_path / "var")}
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=PATIENCE_S)
    result = json.loads(report.read_text(encoding="utf-8")) if report.exists() else {}
    wrong = [story for story in result.get("stories", []) if not story["ok"]]
    assert wrong == []
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert result["ok"] is True
    assert len(result["stories"]) == len(STORIES)
    assert result["proofs"]
    assert all(proof["holds"] for proof in result["proofs"])
    assert result["orders_per_s"] > 0


def test_orders_below_one_are_bad_usage() -> None:
    done = subprocess.run([sys.executable, "starter.py", "demo", "--orders", "0"], cwd=PROJECT, capture_output=True)
    assert done.returncode == 2
