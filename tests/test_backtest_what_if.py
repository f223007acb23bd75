"""Past orders under two policies through the pure core: the same ends as on a stack, and what another limit changes."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from command_line import ask_any, refusal, run
from past_orders import BROUGHT, PICKED, Folder

from backtest.lives import Lived
from backtest.past import PastOrder, past_orders
from backtest.replaying import Pair, Replay
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


CASES = ("on-its-way", "received", "received-too", "third", "fourth")
"""Of orders that were canceled once a carrier had them; some buyers send the goods back, others keep them."""


def with_cases() -> Folder:
    folder = a_past().order("on-its-way", status="canceled", picked=PICKED)
    for order_id in CASES[1:]:
        folder.order(order_id, status="canceled", picked=PICKED, delivered=BROUGHT)
    return folder


def lives_of(folder: Folder, to: Path, text: str, *, quick: bool = False) -> list[Lived]:
    orders, _ = past_orders(read_folder(folder.write(to)))
    replay = Replay(parse_policy(text), quick=quick)
    return [replay.live(past) for past in orders]


def test_an_order_that_was_canceled_late_lives_through_a_case(tmp_path: Path) -> None:
    lives = {one.order_id: one for one in lives_of(with_cases(), tmp_path, OLIST)}
    assert {lives[order_id].ending for order_id in CASES} == {"refunded"}
    assert {lives[order_id].case for order_id in CASES} == {"refund_only", "return_and_refund"}
    silent = lives["on-its-way"]
    assert (silent.case, silent.waited) == ("refund_only", timedelta(days=2)), "the merchant's silence agrees"
    waited = {one.case: one.waited for one in lives.values() if one.order_id in CASES[1:]}
    assert waited["refund_only"] == timedelta(days=1), "the merchant of the record agrees after a day"
    assert (waited["return_and_refund"] or timedelta()) > timedelta(days=7), (
        "the way back takes as long as the way there"
    )
    assert all(one.case is None for one in lives.values() if one.order_id not in CASES)


def test_a_case_after_the_settlement_refunds_too(tmp_path: Path) -> None:
    """The buyer complains a day after the delivery; by then it was confirmed by timeout and settled."""
    hasty = OLIST
    for limit, value in (("receipt_within", "2h"), ("after_sale_window", "3d"), ("receipt_reminder", "1h")):
        hasty = re.sub(rf"^{limit} = .*$", "", hasty, flags=re.MULTILINE)
        hasty = hasty.replace("[order]", f'[order]\n{limit} = "{value}"', 1)
    hasty = hasty.replace("[order]", '[order]\nsettlement_delay = "1h"', 1)
    folder = with_cases()
    lives = {one.order_id: one for one in lives_of(folder, tmp_path, hasty)}
    assert {lives[order_id].ending for order_id in CASES[1:]} == {"refunded"}
    assert {lives[order_id].confirmed_by for order_id in CASES[1:]} == {"timeout"}


CHANGES = (
    ("receipt_within", '"7d"', '"4d"'),
    ("ship_within", '"6d"', '"1d"'),
    ("undelivered_within", '"82d"', '"3d"'),
    ("commission_bps", "1000", "900"),
    ("horizon", '"90d"', '"4d"'),
    ("early_weak", '"5d"', '"6d"'),
    ("answer_within", "", '"1d"'),
    ("return_delivery_within", "", '"2d"'),
    ("review_sla", "", '"3d"'),
    ("commands_max", "", "3"),
)
PART = {"answer_within": "after_sale", "return_delivery_within": "after_sale"}


def changed(limit: str, old: str, new: str) -> str:
    if old:
        assert f"{limit} = {old}" in OLIST
        return OLIST.replace(f"{limit} = {old}", f"{limit} = {new}", 1)
    if PART.get(limit) is not None:
        return OLIST.replace("[audit]", f"[after_sale]\n{limit} = {new}\n\n[audit]", 1)
    return OLIST.replace("[order]", f"[order]\n{limit} = {new}", 1)


@pytest.mark.parametrize(("limit", "old", "new"), CHANGES, ids=[change[0] for change in CHANGES])
def test_lives_that_share_their_beginning_are_those_that_are_lived_apart(
    limit: str, old: str, new: str, tmp_path: Path
) -> None:
    """Without journal and notices, and once for what two policies have in common: every life is the same."""
    other, folder = changed(limit, old, new), with_cases()
    orders, _ = past_orders(read_folder(folder.write(tmp_path)))
    pair = Pair(parse_policy(OLIST), parse_policy(other))
    apart = zip(lives_of(folder, tmp_path, OLIST), lives_of(folder, tmp_path, other), strict=True)
    assert [pair.live(past) for past in orders] == list(apart)


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
