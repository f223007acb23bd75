"""`basket` and `unclaimed` by the command line: one payment over several merchants, and what no order claims of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from command_line import ask, refusal, run
from up_stack import REST, a_basket, play, shown, started
from waiting import until_so

pytestmark = pytest.mark.usefixtures("up")


def people(*arguments: str, persons: tuple[str, ...] = ("ann", "bob")) -> list[dict[str, Any]]:
    return [ask(*arguments, "--reason", "the shops closed", "--as", f"operator:{person}") for person in persons]


def test_the_basket_shows_each_order_and_where_its_money_is() -> None:
    reference, orders = a_basket()
    view = ask("basket", reference)
    total = orders[0]["total_minor"]
    assert (view["paid_minor"], view["claimed_minor"], view["rest_minor"]) == (2 * total + REST, 2 * total, REST)
    assert [(one["order_id"], one["merchant_id"], one["held_minor"]) for one in view["orders"]] == sorted(
        (order["order_id"], order["merchant_id"], total) for order in orders
    )
    table = run("basket", reference).stdout
    assert all(word in table for word in (*(order["order_id"] for order in orders), "unclaimed", "20.00 CNY"))
    assert "20.00 CNY of its payment is no order's" in run("show", orders[0]["order_id"]).stdout
    assert ask("show", orders[0]["order_id"])["unclaimed"]["rest_minor"] == REST
    assert ask("balance", orders[1]["merchant_id"])["unclaimed"][0]["payment"] == reference
    assert refusal("basket", "no-such-payment") == "unknown_payment"


def test_two_people_refund_named_orders_of_a_basket_and_each_follows_its_own_rules() -> None:
    reference, orders = a_basket(3)
    kept, *gone = sorted(orders, key=lambda order: order["order_id"])
    named = [part for order in gone for part in ("--refund", order["order_id"])]
    first, second = people("basket", reference, *named)
    assert [answer["phase"] for answer in first["orders"]] == ["awaiting_shipment"] * 2
    assert [answer["phase"] for answer in second["orders"]] == ["refunded"] * 2
    for order in gone:
        shown(order["order_id"], "refunded")
    phases = {kept["order_id"]: "awaiting_shipment"} | {order["order_id"]: "refunded" for order in gone}
    until_so(lambda: {one["order_id"]: one["phase"] for one in ask("basket", reference)["orders"]}, phases.__eq__)
    again = run("basket", reference, *named, "--reason", "again", "--as", "operator:ann", "--json")
    assert again.exit_code == 1
    assert {one["error"]["code"] for one in json.loads(again.stdout)["orders"]} <= {"above_refundable", "order_over"}
    rest = people("basket", reference, "--refund", "all")
    assert [[one["order_id"] for one in answer["orders"]] for answer in rest] == [[kept["order_id"]]] * 2
    shown(kept["order_id"], "refunded")


def test_a_basket_is_refunded_by_people_of_the_platform_and_only_its_own_orders() -> None:
    reference, orders = a_basket(1)
    other = started()
    said = ("--reason", "gone", "--as")
    assert refusal("basket", reference, "--refund", other["order_id"], *said, "operator:ann") == "unknown_order"
    assert refusal("basket", reference, "--refund", "all", *said, f"buyer:{orders[0]['buyer_id']}") == "wrong_actor"
    assert refusal("basket", reference, "--refund", "all", "--as", "operator:ann") == "reason_missing"
    assert run("basket", reference, "--refund", "all", "--reason", "gone").exit_code == 2


def test_the_rest_of_a_payment_goes_back_to_the_buyer_once() -> None:
    reference, orders = a_basket()
    assert reference in [one["payment"] for one in ask("unclaimed", "--limit", "1000")["payments"]]
    give_back = ("unclaimed", "--return", reference)
    said = ("--reason", "the third shop closed", "--as")
    assert ask(*give_back, *said, "operator:ann")["outcome"] == "asked"
    assert refusal(*give_back, *said, "operator:ann") == "needs_other_person"
    assert "waits for another person" in run("unclaimed").stdout
    answers = [ask(*give_back, *said, "operator:bob") for _ in range(1)]
    assert (answers[0]["outcome"], answers[0]["amount_minor"]) == ("owed", REST)
    view = until_so(lambda: ask("basket", reference), lambda view: view["returns"][0]["state"] == "arrived")
    assert (view["rest_minor"], view["returned_minor"]) == (0, REST)
    assert refusal(*give_back, *said, "operator:eve") == "nothing_unclaimed"
    assert ask(*give_back, *said, "operator:eve", "--id", answers[0]["id"])["outcome"] == "already"
    play(lambda world: _refunded_once(world, reference))
    assert "unclaimed" not in ask("show", orders[0]["order_id"])
    assert ask("prove")["ok"]


async def _refunded_once(world: Any, reference: str) -> None:
    assert (await world.refund_effects(reference), await world.refunded_minor(reference)) == (1, REST)
