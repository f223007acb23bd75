"""`merchant`: one command stops all money of a merchant, and lets it go; terms, deposit, exit, history."""

from __future__ import annotations

import json
from typing import Any

import pytest
from command_line import ask, ask_any, refusal, run
from up_stack import fresh_order, fresh_waybill, numbers, scan, settled, ship, shown, started
from waiting import until_so

pytestmark = pytest.mark.usefixtures("up")
BY = ("--by", "operator:ann", "--reason", "looks odd")


def holds(order: dict[str, Any]) -> list[str]:
    return [hold["reason"] for hold in ask("show", order["order_id"])["holds"]]


def test_a_freeze_holds_every_open_order_refuses_new_ones_and_is_lifted() -> None:
    order, waybill = started(), fresh_waybill()
    merchant = order["merchant_id"]
    ship(order, waybill)
    scan(order, waybill, "picked_up", 0)
    frozen = ask("merchant", "freeze", merchant, *BY, "--id", "f-1")
    assert (frozen["changed"], frozen["reached"], frozen["state"]) == (True, [order["order_id"]], "frozen")
    assert "merchant_frozen" in holds(order)
    again = ask("merchant", "freeze", merchant, *BY, "--id", "f-1")
    assert (again["changed"], again["reached"]) == (False, [])
    assert refusal("start", "-", stdin=json.dumps(fresh_order(merchant_id=merchant))) == "merchant_frozen"
    ask("advance", order["order_id"], "1d")
    scan(order, waybill, "delivered", 1)
    ask("advance", order["order_id"], "1d")
    ask("send", "confirm_receipt", order["order_id"], "--as", f"buyer:{order['buyer_id']}")
    assert ask("show", order["order_id"])["state"]["phase"] == "shipped"
    freed = ask("merchant", "unfreeze", merchant, *BY, "--id", "u-1")
    assert (freed["changed"], freed["reached"], freed["state"]) == (True, [order["order_id"]], "in order")
    shown(order["order_id"], "credited")
    assert [one["value"] for one in freed["history"]] == [None, "yes"]
    notices = ask("notices", "--subject", f"merchant/{merchant}")["notices"]
    assert [(one["to"], one["facts"]["value"]) for one in notices] == [
        ("merchant", "yes"),
        ("operator", "yes"),
        ("merchant", ""),
        ("operator", ""),
    ]


def test_a_hold_for_a_freeze_that_is_over_goes_by_itself() -> None:
    order = started()
    freeze = '{"name": "merchant_frozen", "scope": "credit", "reason": "came late"}'
    ask("send", "place_hold", order["order_id"], "--as", "operator:ann", "--body", freeze)
    until_so(lambda: holds(order), lambda found: "merchant_frozen" not in found)


def test_a_frozen_merchant_withdraws_nothing() -> None:
    merchant = settled()["merchant_id"]
    account = f"acc-{merchant}"
    ask("accounts", "merchant", merchant, "--name", "王芳", *BY)
    bind = ("accounts", "bind", merchant, account, "--holder", "王芳", "--cooling", "0s")
    ask(*bind, *BY, stdin="6222 0212 3456 7894")
    ask("merchant", "suspend", merchant, *BY)
    assert refusal("withdraw", merchant, "1", "--account", account) == "merchant_suspended"
    estimate = ask("withdraw", merchant, "1", "--account", account, "--estimate")
    assert [one["code"] for one in estimate["against"]] == ["merchant_suspended"]
    assert [one["merchant_id"] for one in ask("merchant", "list", "--stopped")["merchants"]].count(merchant) == 1
    ask("merchant", "resume", merchant, *BY)
    ask("merchant", "exit", merchant, *BY)
    paid = ask("withdraw", merchant, "0.50", "--account", account)
    assert paid["phase"] in {"approved", "submitting", "submitted", "paid"}, (
        "a merchant that leaves may take the last cent"
    )
    assert refusal("start", "-", stdin=json.dumps(fresh_order(merchant_id=merchant))) == "merchant_leaving"
    assert ask("merchant", "stay", merchant, *BY)["state"] == "in order"


def test_a_deposit_is_filled_by_a_settlement_and_what_is_too_much_comes_back() -> None:
    order = fresh_order()
    merchant = order["merchant_id"]
    asked = ask("merchant", "deposit", merchant, "50.00", *BY)
    assert (asked["required_minor"], asked["changed"]) == (5000, True)
    settled(merchant_id=merchant)
    assert "deposit CNY  50.00 CNY" in run("merchant", "show", merchant).stdout
    (deposit,) = ask("merchant", "show", merchant)["deposits"]
    assert (deposit["required_minor"], deposit["held_minor"]) == (5000, 5000)
    (money,) = ask("balance", merchant)["balances"]
    assert (money["available_minor"], money["deposit_minor"]) == (12_941 - 5000, 5000)
    ask("merchant", "exit", merchant, *BY)
    assert refusal("merchant", "deposit-back", merchant) == "deposit_kept"
    assert ask("merchant", "look-after")["paid_back"] == 0
    ask("merchant", "stay", merchant, *BY)
    ask("merchant", "deposit", merchant, "20.00", *BY)
    back = ask("merchant", "deposit-back", merchant)
    assert (back["outcome"], back["amount_minor"]) == ("paid_back", 3000)
    assert ask("merchant", "deposit-back", merchant)["outcome"] == "nothing"


def test_terms_and_grade_are_given_once_and_kept_in_the_history() -> None:
    merchant = f"m-{next(numbers)}"
    given = ask("merchant", "terms", merchant, "--settlement-delay", "9d", "--auto-withdraw", "no", *BY)
    assert (given["changed"], given["terms"]) == (True, {"settlement_delay": "9d", "auto_withdraw": False})
    assert ask("merchant", "terms", merchant, "--settlement-delay", "9d", *BY)["changed"] is False
    cleared = ask("merchant", "terms", merchant, "--settlement-delay", "none", *BY)
    assert cleared["terms"] == {"auto_withdraw": False}
    ask_any("merchant", "grade", merchant, "gold", *BY)
    ask("merchant", "deposit", "10.00", "--grade", "gold", *BY)
    view = ask("merchant", "show", merchant)
    assert (view["grade"], view["deposits"][0]["required_minor"]) == ("gold", 1000)
    assert {one["what"] for one in view["history"]} == {"settlement_delay", "auto_withdraw", "grade"}
    printed = run("merchant", "show", merchant).stdout
    assert "History" in printed
    ask("merchant", "deposit", "0", "--grade", "gold", *BY)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("freeze", "m-1", "--by", "merchant:m-1", "--reason", "me"), "wrong_actor"),
        (("freeze", "m-1", "--by", "operator:ann"), "reason_missing"),
        (("freeze", "m-1", "--reason", "odd"), "malformed"),
        (("freeze", "no such id!", *BY), "malformed"),
        (("terms", "m-1", *BY), "malformed"),
        (("terms", "m-1", "--settlement-delay", "soon", *BY), "malformed"),
        (("terms", "m-1", "--commission-bps", "10001", *BY), "malformed"),
        (("terms", "m-1", "--commission-bps", "-1", *BY), "malformed"),
        (("deposit", "m-1", "1.005", *BY), "bad_input"),
        (("deposit", "1.00", "--grade", "GOLD", *BY), "malformed"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(arguments: tuple[str, ...], code: str) -> None:
    assert refusal("merchant", *arguments) == code


def test_a_command_id_stands_for_one_decision() -> None:
    merchant = f"m-{next(numbers)}"
    ask("merchant", "freeze", merchant, *BY, "--id", f"x-{merchant}")
    ask("merchant", "unfreeze", merchant, *BY, "--id", f"y-{merchant}")
    assert ask("merchant", "freeze", merchant, *BY, "--id", f"x-{merchant}")["state"] == "in order"
    clash = refusal("merchant", "suspend", merchant, *BY, "--id", f"x-{merchant}")
    assert clash == "command_id_used_with_different_content"


def test_a_hold_on_a_settled_order_keeps_its_money_from_being_withdrawn() -> None:
    order = settled()
    name = ("--as", "operator:ann", "--body")
    ask("send", "place_hold", order["order_id"], *name, '{"name": "risk", "scope": "payout", "reason": "odd"}')
    merchant = order["merchant_id"]
    _until_available(merchant, 0)
    assert "risk" in holds(order)
    ask("send", "lift_hold", order["order_id"], *name, '{"name": "risk", "reason": "seen"}')
    _until_available(merchant, 12_941)


def _until_available(merchant: str, amount: int) -> None:
    until_so(lambda: ask("balance", merchant), lambda found: found["balances"][0]["available_minor"] == amount)
