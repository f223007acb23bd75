"""The back-test end to end: a folder of past orders, the command as a person types it, and its report."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import run
from past_orders import BROUGHT, PICKED, Folder

PROJECT = Path(__file__).parents[1]
LONGEST = 120
"""Seconds; a run of this size takes about fifteen."""


def backtest(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """`python starter.py backtest …` in an environment that names no servers."""
    environ = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
    return subprocess.run(
        [sys.executable, "starter.py", "backtest", *map(str, arguments)],
        cwd=PROJECT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )


def sample() -> Folder:
    """One order of each kind of life, one that was never paid, and one without items. `silent-` buyers say nothing."""
    folder = (
        Folder()
        .order("o1", picked=PICKED, delivered=BROUGHT)
        .order("silent-1", picked=PICKED, delivered=BROUGHT, payment="121.89")
        .order("two-merchants", picked=PICKED, delivered=BROUGHT, sellers=("merchant-1", "merchant-2"))
        .order("late-pickup", picked="2018-03-08 12:00:00", delivered=BROUGHT)
        .order("early-pickup", picked="2018-03-01 11:00:00", delivered=BROUGHT)
        .order("never-delivered", "shipped", picked=PICKED)
        .order("never-shipped", "invoiced")
        .order("canceled", "canceled")
        .order("canceled-moving", "canceled", picked=PICKED)
        .order("canceled-late", "canceled", picked=PICKED, delivered=BROUGHT)
        .order("canceled-sent", "canceled", picked=PICKED, delivered=BROUGHT)
        .order("never-paid", "canceled", paid="")
        .order("no-items")
    )
    folder.rows["order_items"].pop()
    return folder


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The report of the sample, once for all tests that read it."""
    folder = tmp_path_factory.mktemp("past")
    done = backtest(sample().write(folder), "--report", folder / "report.json")
    assert done.returncode == 0, done.stderr
    assert "proofs" in done.stdout.casefold()
    found: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return found


def test_past_orders_end_as_their_data_say(report: dict[str, Any]) -> None:
    got = {life["order_id"]: life["got"] for life in report["lives"]}
    assert got == {
        "o1": "settled",
        "silent-1": "settled",
        "two-merchants-1": "settled",
        "two-merchants-2": "settled",
        "late-pickup": "settled",
        "early-pickup": "settled",
        "never-delivered": "refunded",
        "never-shipped": "cancelled",
        "canceled": "cancelled",
        "canceled-moving": "refunded",
        "canceled-late": "refunded",
        "canceled-sent": "refunded",
        "never-paid": "never_paid",
    }
    assert report["orders"] == sum(report["outcomes"].values()) == 13


def test_orders_canceled_once_a_carrier_had_them_end_by_a_case(report: dict[str, Any]) -> None:
    assert report["surprises"] == []
    assert report["cases"] == {"refund_only": 2, "return_and_refund": 1}
    cases = {life["order_id"]: life["case"] for life in report["lives"] if life["case"]}
    assert cases == {
        "canceled-moving": "refund_only",
        "canceled-late": "refund_only",
        "canceled-sent": "return_and_refund",
    }


def test_report_says_how_long_money_was_held_and_how_long_buyers_waited(report: dict[str, Any]) -> None:
    lives = {life["order_id"]: life for life in report["lives"] if life["waited_days"] is not None}
    waited = {order_id: life["waited_days"] for order_id, life in lives.items()}
    assert waited["canceled"] < 0.1, "called off before a carrier had it"
    assert 2 <= waited["canceled-moving"] < 2.1, ("the merchant said nothing for two days", lives["canceled-moving"])
    assert 1 <= waited["canceled-late"] < 1.1, "the merchant agreed after a day"
    assert 9 <= waited["canceled-sent"] < 9.2, "agreed, sent back, six days on the way, looked at"
    assert report["durations"]["buyer_waited"]["orders"] == 4
    assert report["durations"]["buyer_waited_with_case"] == {
        "orders": 3,
        "p50_days": pytest.approx(2, abs=0.1),
        "p90_days": pytest.approx(9, abs=0.2),
    }
    assert report["durations"]["held_until_settled"]["orders"] == 6
    assert 0 < report["durations"]["held_until_settled"]["p50_days"] <= 30


def test_proofs_hold_and_no_centavo_is_lost(report: dict[str, Any]) -> None:
    assert report["proofs"]
    assert all(proof["holds"] for proof in report["proofs"])
    assert report["money"]["open_minor"] == 0
    assert report["money"]["paid_minor"] == 12189 + 12 * 11000 - 11000
    silent = next(life for life in report["lives"] if life["order_id"] == "silent-1")
    assert silent["credited_minor"] + silent["commission_minor"] == 12189
    assert silent["commission_minor"] == 999  # a tenth of the goods, nothing of freight and surcharge


def test_order_without_items_is_told_and_stops_nothing(report: dict[str, Any]) -> None:
    reason = "order no-items: it has no items"
    assert report["bad_rows"] == [{"file": "orders.csv", "line": 14, "reason": reason}]
    assert report["orders_per_s"] > 0


@pytest.fixture
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No servers are named, and no stack is up."""
    for name in ("TEMPORAL_ADDRESS", "DATABASE_URL", "DATABASE_OWNER_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DAKUAN_HOME", str(tmp_path / "var"))


@pytest.mark.usefixtures("_no_settings")
def test_missing_folder_is_one_sentence_without_a_stack(tmp_path: Path) -> None:
    done = run("backtest", str(tmp_path / "nowhere"), "--json")
    assert done.exit_code in {1, 2}
    assert "is no folder that can be read" in json.loads(done.stdout)["error"]["message"]
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("_no_settings")
def test_policy_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("name = ")
    done = run("backtest", str(sample().write(tmp_path)), "--policy", str(broken))
    assert done.exit_code == 1
    assert done.stderr.startswith("bad_input: policy: not TOML")


@pytest.mark.parametrize("limit", ["0", "-1", "many"])
def test_senseless_limit_is_bad_usage(tmp_path: Path, limit: str) -> None:
    assert run("backtest", str(tmp_path), "--limit", limit).exit_code == 2
