"""Past orders under two policies through the pure core: the same ends as on a stack, and what another limit changes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import ask_any, refusal, run
from past_orders import BROUGHT, PICKED, Folder

from backtest.past import PastOrder, past_orders
from backtest.replaying import Replay
from backtest.rows import read_folder
from backtest.what_if import BUCKETS, compare
from core.errors import BadInput
from core.policy import parse_policy

OLIST = (Path(__file__).parents[1] / "policies" / "olist.toml").read_text(encoding="utf-8")
SHORTER = OLIST.replace('receipt_within = "7d"', 'receipt_within = "4d"')


def a_past() -> Folder:
    """One order of each kind of life."""
    folder = Folder()
    for order_id in ("settled", "silent-1", "silent-2"):
        folder.order(order_id, picked=PICKED, delivered=BROUGHT)
    folder.order("cancelled", status="canceled")
    folder.order("lost", status="shipped", picked=PICKED)
    folder.order("never-sent", status="processing")
    return folder


def pasts(tmp_path: Path) -> list[PastOrder]:
    orders, bad_rows = past_orders(read_folder(a_past().write(tmp_path)))
    assert bad_rows == []
    return orders


def test_every_past_order_ends_as_its_record_says(tmp_path: Path) -> None:
    replay = Replay(parse_policy(OLIST))
    ends = {past.order_id: replay.live(past) for past in pasts(tmp_path)}
    assert {order_id: life.ending for order_id, life in ends.items()} == {
        "settled": "credited",
        "silent-1": "credited",
        "silent-2": "credited",
        "cancelled": "cancelled",
        "lost": "refunded",
        "never-sent": "cancelled",
    }
    assert not [life for life in ends.values() if life.falsely_held or life.falsely_refunded]
    assert all(life.held is not None for life in ends.values())


def test_a_life_is_the_same_each_time(tmp_path: Path) -> None:
    for past in pasts(tmp_path):
        assert Replay(parse_policy(OLIST)).live(past) == Replay(parse_policy(OLIST)).live(past)


def test_a_shorter_receipt_window_holds_money_for_less_and_changes_no_end(tmp_path: Path) -> None:
    found = compare(SHORTER, OLIST, a_past().write(tmp_path))
    old, new = found.old.figures, found.new.figures
    assert (old["orders"], old["credited"], found.changed) == (6, 3, ())
    assert new["held_days_mean"] <= old["held_days_mean"]
    for before, after in zip(found.old.lived, found.new.lived, strict=True):
        assert before.held is not None
        assert after.held is not None
        assert after.held <= before.held
    assert sum(found.old.chart) == 6
    assert len(found.old.chart) == len(BUCKETS) + 1
    assert found.orders_per_second > 0


def test_a_pickup_that_may_not_take_its_time_refunds_honest_orders(tmp_path: Path) -> None:
    harsh = OLIST.replace('undelivered_within = "82d"', 'undelivered_within = "2d"').replace(
        'undelivered_end = "7d"', 'undelivered_end = "1d"'
    )
    found = compare(harsh, OLIST, a_past().write(tmp_path))
    assert found.new.figures["false_refunds"] > found.old.figures["false_refunds"] == 0
    assert {old.ending for old, _ in found.changed} == {"credited"}


def test_the_command_shows_figures_and_chart_and_answers_scripts(tmp_path: Path) -> None:
    folder, file = str(a_past().write(tmp_path / "past")), tmp_path / "new.toml"
    file.write_text(SHORTER, encoding="utf-8")
    answer = ask_any("policy", "what-if", str(file), folder)
    assert (answer["old"]["orders"], answer["new"]["credited"], answer["unusable_rows"]) == (6, 3, 0)
    json.dumps(answer)
    shown = run("policy", "what-if", str(file), folder, "--limit", "4").stdout
    assert all(
        word in shown for word in ("days held, mean", "false holds", "Orders by days held", "█", "lives a second")
    )
    assert refusal("policy", "what-if", str(file), str(tmp_path / "none")) == "bad_input"
    nameless = tmp_path / "other.toml"
    nameless.write_text('name = "other"\n', encoding="utf-8")
    assert refusal("policy", "what-if", str(nameless), folder) == "bad_input"


def test_a_folder_without_a_paid_order_is_refused(tmp_path: Path) -> None:
    folder = Folder().order("unpaid", status="created", paid="").write(tmp_path)
    with pytest.raises(BadInput, match="no paid order"):
        compare(OLIST, OLIST, folder)
