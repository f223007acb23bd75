"""`chargeback` by the command line: one order, and a payment of several that share it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from command_line import ask, refusal, run
from up_stack import a_basket, fresh_order, play, shown, started
from waiting import until_so

pytestmark = pytest.mark.usefixtures("up")
SAID = ("--as", "operator:o-1")


def charged(payment: str, reference: str, *more: str) -> dict[str, Any]:
    return ask("chargeback", payment, "--case-reference", reference, *SAID, *more)


def stages(orders: list[dict[str, Any]]) -> list[tuple[str, int]]:
    cases = [ask("show", order["order_id"])["state"]["cases"][-1] for order in orders]
    return [(case["stage"], case["amount_minor"]) for case in cases]


def test_a_payment_of_one_order_is_its_orders() -> None:
    order = started()
    reference, payment = f"d-{order['order_id']}", order["payment"]["reference"]
    opened = charged(payment, reference, "--amount", "100", "--fee", "15")
    assert (opened["order_id"], opened["outcome"]) == (order["order_id"], "accepted")
    assert charged(order["order_id"], reference, "--amount", "100", "--fee", "15")["outcome"] == "duplicate"
    other = ("chargeback", payment, "--case-reference", reference, *SAID, "--amount", "99")
    assert refusal(*other) == "chargeback_exists_with_different_content"
    assert charged(payment, reference, "--won")["outcome"] == "accepted"
    assert stages([order]) == [("won", 10_000)]
    assert refusal("chargeback", "no-such", "--case-reference", "d", *SAID, "--won") == "unknown_payment"


def test_its_answer_and_that_of_a_refund_show_the_deadline_as_people_read_it() -> None:
    order = started()
    one = order["order_id"]
    first = run("refund", one, "--amount", "1", "--as", "operator:o-1", "--reason", "late")
    second = run("chargeback", one, "--case-reference", f"d-{one}", *SAID, "--amount", "1")
    for printed in (first, second):
        assert printed.exit_code == 0, printed.output
        assert re.search(r"next_deadline  [a-z_]+ at \d{4}-\d\d-\d\d \d\d:\d\d UTC", printed.stdout), printed.stdout


def test_a_payment_of_several_orders_is_divided_shown_and_ends_for_all() -> None:
    payment, orders = a_basket(3)
    orders.sort(key=lambda order: str(order["order_id"]))
    total, reference = orders[0]["total_minor"], f"d-{payment}"
    ask(
        "send",
        "cancel_order",
        orders[2]["order_id"],
        "--as",
        f"buyer:{orders[2]['buyer_id']}",
        "--body",
        json.dumps({"reason": "no"}),
    )
    # What went back of it counts once the register has its end.
    shown(orders[2]["order_id"], "cancelled")
    amounts = ("--amount", f"{(total + 101) / 100:.2f}", "--fee", "0.25")
    looked = charged(payment, reference, *amounts, "--dry-run")
    halves = [(total + 101) - (total + 101) // 2, (total + 101) // 2]
    assert [one["amount_minor"] for one in looked["orders"]] == halves
    assert looked["sent"] is False
    printed = run("chargeback", payment, "--case-reference", reference, *SAID, *amounts)
    assert printed.exit_code == 0, printed.output
    lines = printed.stdout.splitlines()
    listed = next(number for number, line in enumerate(lines) if f"{halves[0] / 100:.2f} CNY" in line)
    answered = next(number for number, line in enumerate(lines) if "accepted" in line)
    assert listed < answered
    again = charged(payment, reference, *amounts)
    assert [one["outcome"] for one in again["orders"]] == ["duplicate", "duplicate"]
    other = ("chargeback", payment, "--case-reference", reference, *SAID, "--amount", "1")
    assert refusal(*other) == "chargeback_exists_with_different_content"
    assert stages(orders[:2]) == [("disputed", halves[0]), ("disputed", halves[1])]
    assert [one["outcome"] for one in charged(payment, reference, "--lost")["orders"]] == ["accepted", "accepted"]
    assert [stage for stage, _ in stages(orders[:2])] == ["lost", "lost"]
    # What is left of the two, and what the third had back: none loses again what the channel took before.
    rest = ("--amount", f"{(2 * total - 101) / 100:.2f}", "--dry-run")
    second = [one["amount_minor"] for one in charged(payment, f"{reference}-2", *rest)["orders"]]
    assert second == [total - halves[0], total - halves[1], total]
    assert ask("prove")["ok"]


def test_a_statement_matches_what_was_booked_and_with_apply_reports_what_was_not(tmp_path: Path) -> None:
    """A channel of its own: a statement that covers a channel's days speaks about all of its orders, and no other's."""
    order = fresh_order()
    channel, payment = f"card-{order['order_id'].lower()}", order["payment"]["reference"]
    started(**{**order, "payment": order["payment"] | {"channel": channel}})
    total, at = order["total_minor"], (datetime.now(UTC) - timedelta(hours=2)).isoformat()
    rows = [
        f"d1,chargeback,du-1,{total / 100:.2f},CNY,{at},{payment}",
        f"d1/fee,chargeback_fee,du-1,15.00,CNY,{at},{payment}",
        f"d9,chargeback,du-9,1.00,CNY,{at},nobodys",
    ]

    def compare(*more: str) -> dict[str, Any]:
        file = tmp_path / "statement.csv"
        file.write_text("\n".join(["line_id,kind,key,amount,currency,at,reference", *rows]) + "\n")
        return dict(
            json.loads(run("reconcile", "--channel", channel, "--statement", str(file), "--json", *more).stdout)
        )

    def breaks(answer: dict[str, Any]) -> set[tuple[str, str, str]]:
        return {(one["reason"], one["kind"], one["key"]) for one in answer["comparisons"][0]["breaks"]}

    # The channel's own statement has the payment, and nothing of another channel.
    assert ask("reconcile", "--channel", channel)["comparisons"][0]["breaks"] == []
    unknown = {("extra", "chargeback", "du-9")}
    of_ours = {("extra", "chargeback", "du-1"), ("extra", "chargeback_fee", "du-1")}
    assert breaks(compare()) == of_ours | unknown
    told = compare("--apply")["told"]
    reported = {(one["key"], one.get("order_id"), one["outcome"]) for one in told}
    assert reported == {("du-1", order["order_id"], "chargeback accepted"), ("du-9", None, "unknown_payment")}
    assert stages([order]) == [("disputed", total)]
    assert breaks(compare()) == unknown
    rows.append(f"d2,chargeback_won,du-1,{total / 100:.2f},CNY,{at},{payment}")
    assert breaks(compare("--apply")) == unknown | {("extra", "chargeback_won", "du-1")}
    until_so(lambda: breaks(compare()), lambda found: found == unknown)
    assert stages([order]) == [("won", total)]
    loaded = next(one for one in reversed(ask("loads")["loads"]) if one["name"] == channel and one["lines"] == 3)
    for person in ("operator:o-1", "operator:o-2"):
        ask("loads", "--withdraw", str(loaded["load_no"]), "--as", person, "--reason", "d9 is another shop's")
    rows.pop(2)
    assert breaks(compare()) == set()
    assert ask("prove")["ok"]


def test_what_the_channels_own_statement_lists_is_reported_with_apply() -> None:
    order = fresh_order()
    channel, payment = f"own-{order['order_id'].lower()}", order["payment"]["reference"]
    started(**{**order, "payment": order["payment"] | {"channel": channel}})
    dispute, total = f"d-{order['order_id']}", order["total_minor"]

    def compare(*more: str) -> tuple[set[tuple[str, str]], list[str]]:
        answer = json.loads(run("reconcile", "--channel", channel, "--json", *more).stdout)
        found = {(one["reason"], one["kind"]) for one in answer["comparisons"][0]["breaks"]}
        return found, [one["outcome"] for one in answer.get("told", ())]

    assert compare() == (set(), [])
    at = (datetime.now(UTC) - timedelta(hours=2)).isoformat()
    play(lambda world: world.charge_back(dispute, payment, total, fee_minor=1500, at=at))
    of_ours = {("extra", "chargeback"), ("extra", "chargeback_fee")}
    assert compare() == (of_ours, [])
    assert compare("--apply") == (of_ours, ["chargeback accepted"])
    assert stages([order]) == [("disputed", total)]
    assert compare("--apply") == (set(), [])
    play(lambda world: world.charge_back(dispute, payment, total, won=True, at=at))
    assert compare("--apply")[1] == ["chargeback_won accepted"]
    assert stages([order]) == [("won", total)]
    assert ask("prove")["ok"]


def test_one_order_that_refuses_stops_no_other_and_is_named() -> None:
    payment, orders = a_basket(2)
    first = orders[0]["order_id"]
    charged(first, f"own-{payment}", "--amount", "1")
    told = run("chargeback", payment, "--case-reference", f"d-{payment}", *SAID, "--amount", "20", "--json")
    assert told.exit_code == 1
    answers = {one["order_id"]: one for one in json.loads(told.stdout)["orders"]}
    assert answers[first]["error"]["code"] == "case_open"
    assert answers[orders[1]["order_id"]]["outcome"] == "accepted"
