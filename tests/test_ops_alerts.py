"""The alert rules, by Prometheus's own tool: each fires, stays silent, and asks for what is measured."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

OPS = Path(__file__).parents[1] / "ops"
MEASURED_BY = ("ledger/gauges.py", "wiring/watching.py")


def test_each_rule_fires_and_stays_silent() -> None:
    done = subprocess.run(
        ["promtool", "test", "rules", "alerts_test.yml"], cwd=OPS, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_rule_has_a_test_and_a_line_of_advice() -> None:
    names = re.findall(r"alert: (\w+)", (OPS / "alerts.yml").read_text())
    tests, page = (OPS / "alerts_test.yml").read_text(), (OPS.parent / "docs" / "watching.md").read_text()
    assert len(names) >= 12
    assert [name for name in names if tests.count(f"alertname: {name}") < 2] == []
    assert [name for name in names if f"`{name}`" not in page] == []


def test_each_rule_asks_what_is_measured() -> None:
    asked = set(re.findall(r"dakuan_(\w+)", (OPS / "alerts.yml").read_text()))
    measured = "".join((OPS.parent / file).read_text() for file in MEASURED_BY)
    assert {name for name in asked if f'"{name}"' not in measured and f"'{name}'" not in measured} == set()
