"""The audit's bench is a measurement that can fail: its fakes are fakes, its honest parcels honest."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from bench.__main__ import app
from bench.parcels import FAKES, honest


def test_no_made_fake_is_approved_and_no_honest_dense_parcel_is_rejected(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    result = CliRunner().invoke(app, ["audit", "--parcels", "60", "--json", str(file)])
    assert result.exit_code == 0, result.output
    figures = json.loads(file.read_text())["figures"]
    assert (figures["fakes_approved"], figures["fake_recall"], figures["honest_rejected"]) == (0, 1, 0)
    assert figures["honest_review_rate"] <= 0.02
    assert figures["verdicts_per_s"] > 0


def test_there_are_at_least_fourteen_kinds_of_fakes() -> None:
    assert len(FAKES) >= 14


def test_an_honest_parcel_has_a_dense_trace_in_order_of_time() -> None:
    for number in range(50):
        scans = honest(number, seed=3).scans
        assert len(scans) >= 5
        assert list(scans) == sorted(scans, key=lambda one: one.at)
