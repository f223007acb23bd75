"""`shift`: a deadline of many orders, first as a dry run, then moved, with a notice of old, new and why for each."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from command_line import ask, refusal, run
from up_stack import started
from waiting import until_so

from commands.shift import conditions_of
from core.errors import Refused

pytestmark = pytest.mark.usefixtures("up")

BY = ("--by", "3d", "--reason", "Spring Festival", "--as", "operator:ann")

LONG = ("--by", "90d", "--reason", "x", "--as", "operator:ann")


def ship_by(order: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(ask("show", order["order_id"])["state"]["ship_by"])


def test_the_orders_of_a_merchant_are_shown_first_and_then_moved_once() -> None:
    first = started()
    merchant = first["merchant_id"]
    second = started(merchant_id=merchant)
    other = started()
    before = {order["order_id"]: ship_by(order) for order in (first, second, other)}
    asked = ("shift", "ship_by", "--where", f"merchant={merchant}", *BY)
    dry = ask(*asked)
    assert (dry["applied"], {one["outcome"] for one in dry["orders"]}) == (False, {"would_move"})
    assert {one["order_id"] for one in dry["orders"]} == {first["order_id"], second["order_id"]}
    assert "this is a dry run" in run(*asked).stdout
    assert ship_by(first) == before[first["order_id"]]
    moved = ask(*asked, "--apply")
    assert {one["outcome"] for one in moved["orders"]} == {"moved"}
    for order in (first, second):
        assert ship_by(order) == before[order["order_id"]] + timedelta(days=3)
    assert ship_by(other) == before[other["order_id"]]
    again = ask(*asked, "--apply")
    assert {one["outcome"] for one in again["orders"]} == {"moved_before"}
    assert ship_by(first) == before[first["order_id"]] + timedelta(days=3)
    assert f"--by -3d --undo {moved['command_id']}" not in run(*asked, "--apply").stdout, "nothing was moved"
    shifted = [one for one in ask("notices", "--limit", "1000")["notices"] if one["name"] == "deadline_shifted"]
    mine = [one for one in shifted if one["subject"].endswith(first["order_id"])]
    assert {one["facts"]["reason"] for one in mine} == {"Spring Festival"}


def test_a_move_is_taken_back_of_the_orders_that_it_moved() -> None:
    first = started()
    before = ship_by(first)
    where = ("--where", f"merchant={first['merchant_id']}")
    reason = ("--reason", "Spring Festival", "--as", "operator:ann")
    (planned,) = ask("shift", "ship_by", *where, "--by", "3d", *reason)["orders"]
    assert [datetime.fromisoformat(planned[name]) for name in ("old", "new")] == [before, before + timedelta(days=3)]
    said = run("shift", "ship_by", *where, "--by", "3d", *reason, "--id", "the-move", "--apply").stdout
    assert "the same with --by -3d --undo the-move" in " ".join(said.split())
    (other,) = ask("shift", "ship_by", *where, "--by", "4d", *reason, "--id", "the-move")["orders"]
    assert (other["outcome"], other["code"]) == ("not_moved", "command_id_used_with_different_content")
    later = started(merchant_id=first["merchant_id"])
    untouched = ship_by(later)
    back = ("shift", "ship_by", *where, "--by", "-3d", "--reason", "typed by mistake", "--as", "operator:bob")
    assert refusal(*back) == "malformed"
    assert refusal("shift", "ship_by", *where, "--by", "3d", *reason, "--undo", "the-move") == "malformed"
    taken = ask(*back, "--undo", "the-move", "--apply")
    outcomes = {one["order_id"]: (one["outcome"], one.get("code")) for one in taken["orders"]}
    assert outcomes == {first["order_id"]: ("moved", None)}
    assert (ship_by(first), ship_by(later)) == (before, untouched)
    again = ask(*back, "--undo", "the-move", "--apply")
    assert [one["outcome"] for one in again["orders"]] == ["moved_before"]
    assert ship_by(first) == before
    assert refusal(*back, "--undo", "no-such-move") == "malformed"
    said = run(*back, "--undo", "the-move", "--id", "once-more").stdout
    assert "It was moved by 0s together." in " ".join(said.split())
    said = run("--lang", "zh", *back, "--undo", "the-move", "--id", "once-more").stdout
    assert "累计顺延了 0s" in said


def test_an_undo_names_every_order_of_the_move_and_why_one_stays() -> None:
    stays, closed, other = started(), started(), started()
    merchants = {one["order_id"]: one["merchant_id"] for one in (stays, closed, other)}
    apply = ("--reason", "Spring Festival", "--as", "operator:ann", "--id", "three-orders", "--apply")
    for merchant in merchants.values():
        ask("shift", "ship_by", "--where", f"merchant={merchant}", "--by", "3d", *apply)
    before = ship_by(other)
    cancel = {"actor": {"role": "buyer", "id": closed["buyer_id"]}, "reason": "no more"}
    ask("send", "cancel_order", closed["order_id"], "--body", json.dumps(cancel))
    back = ("shift", "ship_by", "--by", "-3d", "--reason", "typed by mistake", "--as", "operator:bob")
    undo = ("--undo", "three-orders")

    def shown() -> dict[str, dict[str, Any]]:
        return {one["order_id"]: one for one in ask(*back, *undo)["orders"]}

    found = until_so(shown, lambda seen: seen[closed["order_id"]]["outcome"] == "not_moved")
    assert found.keys() == merchants.keys(), "without a condition: all that it moved"
    assert found[closed["order_id"]]["why"]
    one = ("--where", f"merchant={other['merchant_id']}")
    assert ask(*back, *undo, *one)["not_chosen"] == 2
    assert "2 more orders that --where leaves out" in run(*back, *undo, *one).stdout
    assert "在 --where 以外还有 2 个订单。" in run("--lang", "zh", *back, *undo, *one).stdout
    ask(*back, *undo, "--apply")
    assert ship_by(other) == before - timedelta(days=3)
    assert "three-orders moved ship_by, not pickup_by" in " ".join(
        run("shift", "pickup_by", *back[2:], *undo).stderr.split()
    )
    assert refusal("shift", "ship_by", *BY) == "malformed", "of which orders?"


def test_orders_in_which_no_such_deadline_runs_are_named_and_not_moved() -> None:
    order = started()
    where = ("--where", f"merchant={order['merchant_id']}", "--where", "phase=awaiting_shipment")
    (one,) = ask("shift", "receipt_by", *where, *BY)["orders"]
    assert (one["outcome"], one["code"]) == ("not_moved", "no_such_deadline")
    assert ask("shift", "ship_by", "--where", "carrier=canpar", *BY)["orders"] == []


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (("--where", "colour=red", *BY), "malformed"),
        (("--where", "merchant=", *BY), "malformed"),
        # Nothing is called so: it would find no order, and read as if none had to be moved.
        (("--where", "phase=banana", *BY), "malformed"),
        (("--where", "carrier=yt0", *BY), "malformed"),
        (("--where", "to_country=China", *BY), "malformed"),
        (("--where", "policy=none-such", *BY), "unknown_policy"),
        (("--where", "merchant=m", "--by", "soon", "--reason", "x", "--as", "operator:ann"), "malformed"),
        (("--where", "merchant=m", "--by", "90d", "--reason", "x", "--as", "operator:ann"), "malformed"),
    ],
)
def test_what_cannot_be_meant_is_refused(more: tuple[str, ...], code: str) -> None:
    assert refusal("shift", "ship_by", *more) == code


def test_a_limit_of_a_length_of_time_is_said_as_it_is_typed() -> None:
    printed = run("--lang", "zh", "shift", "ship_by", "--where", "merchant=m", *LONG)
    assert "by: 不得大于 60d" in printed.stderr
    assert "timedelta" not in run("shift", "ship_by", "--where", "merchant=m", *LONG).stderr


def test_a_value_that_is_nearly_right_is_named() -> None:
    with pytest.raises(Refused, match="no carrier is called 'yund'; there is yunda"):
        conditions_of(["carrier=yund"])


def test_a_condition_that_stands_twice_is_refused() -> None:
    with pytest.raises(Refused, match="stands twice"):
        conditions_of(["merchant=a", "merchant=b"])
    assert conditions_of(["to_province=新疆", "carrier=sf"]) == {"to_province": "新疆", "carrier": "sf"}
