"""The command line on the real stack: `up`, and everything that is done beside it, from start to withdrawal.

One `up` serves all tests here; each test has an order, a payment and a merchant of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import ask, refusal, run
from up_stack import (
    COMES_UP_WITHIN,
    PROJECT,
    Up,
    books_have,
    fresh_order,
    fresh_waybill,
    numbers,
    play,
    settled,
    ship,
    shown,
    started,
)
from waiting import WITHIN, until_so

import gateway
from commands import account_changes
from commands import start as start_command
from config import load
from local.client import WorldClient
from local.stack import running

pytestmark = pytest.mark.usefixtures("up")


# --- one order, from start to withdrawal -----------------------------------------------------------------


def test_an_order_goes_from_start_to_withdrawal_by_the_command_line() -> None:
    order = settled()
    merchant = order["merchant_id"]
    view = until_so(lambda: ask("show", order["order_id"]), lambda view: view["workflow"] == "completed")
    assert (view["source"], view["state"]["closed"]) == ("workflow", True)
    assert [row["reference"] for row in view["money"]["transfers"]] == [
        f"order/{order['order_id']}/{step}" for step in ("fund", "credit", "credit", "settle")
    ]
    (source,) = view["traces"]["p1"]
    assert (source["provider"], source["how"], source["answer"]) == ("sandbox", "polled", "found")
    assert [scan["stage"] for scan in source["scans"]] == ["picked_up", "delivered"]
    output = run("show", order["order_id"]).stdout
    assert "What the carriers say of parcel p1 (sandbox polled 20" in output
    assert re.search(r"UTC  1 day +delivered", output), output
    assert ask("balance", merchant)["balances"][0]["available_minor"] == 12941

    assert refusal("withdraw", merchant, "1", "--account", "acc") == "unknown_account"
    by = ("--by", "operator:ann", "--reason", "papers seen")
    ask("accounts", "merchant", merchant, "--name", "王芳", *by)
    bind = ("accounts", "bind", merchant, f"acc-{merchant}", "--holder", "王 芳")
    assert ask(*bind, "--cooling", "0s", *by, stdin="6222 0212 3456 7894")["accounts"][0]["last4"] == "7894"
    withdrawal = f"w-{merchant}"
    paid = ask("withdraw", merchant, "100.50", "--account", f"acc-{merchant}", "--id", withdrawal, "--wait")
    assert paid["phase"] == "paid"
    again = ask("withdraw", merchant, "100.50", "--account", f"acc-{merchant}", "--id", withdrawal)
    assert again["attempts"][0]["key"] == paid["attempts"][0]["key"]
    different = refusal("withdraw", merchant, "100.51", "--account", f"acc-{merchant}", "--id", withdrawal)
    assert different == "withdrawal_exists_with_different_content"
    assert refusal("withdraw", merchant, "28.92", "--account", f"acc-{merchant}") == "insufficient_funds"
    books_have(f"withdrawal-{withdrawal}", "reserve", "close")
    assert ask("balance", merchant)["balances"][0]["available_minor"] == 2891
    assert [row["withdrawal_id"] for row in ask("withdrawals", "--merchant", merchant)["withdrawals"]] == [withdrawal]
    names = [notice["name"] for notice in ask("notices", "--subject", f"order/{order['order_id']}")["notices"]]
    assert names[:2] == ["ship", "shipped"]
    assert names[-1] == "settled"
    assert ask("prove")["ok"]


def test_while_temporal_is_away_show_has_what_the_register_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    order = started()
    monkeypatch.setenv("DATABASE_URL", load().needed("database_url"))
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    view = ask("show", order["order_id"])
    assert (view["workflow"], view["source"], view["state"]["phase"]) == ("unknown", "register", "awaiting_shipment")
    assert "Temporal does not answer at 127.0.0.1:1" in view["why"]
    output = " ".join(run("show", order["order_id"]).stdout.split())
    assert "Its workflow cannot answer: Temporal does not answer at 127.0.0.1:1" in output
    assert "rescue" not in output, "nobody knows that it is lost"


def test_an_account_is_verified_by_telling_what_arrived(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_changes, "KNOWN_WITHIN_S", WITHIN)
    merchant = f"m-{next(numbers)}"
    account, by = f"acc-{merchant}", ("--by", "operator:ann", "--reason", "papers seen")
    ask("accounts", "merchant", merchant, "--name", "王芳", *by)
    ask("accounts", "bind", merchant, account, "--holder", "王芳", stdin="6222021234567894")
    assert refusal("accounts", "drop", account, "--by", f"merchant:{merchant}", "--reason", "please") == "wrong_actor"
    output = ("accounts", "verify", account, "--by", f"merchant:{merchant}", "--amount")
    assert refusal(*output, "0.37") == "no_drop"
    once = ("accounts", "drop", account, "--id", "d-1")
    sent = ask(*once, *by)
    assert sent["state"] == "paid"
    assert ask(*once, *by) == sent, "the same command again sends nothing"
    other = ("--by", "operator:ann", "--reason", "to be sure")
    assert refusal(*once, *other) == "command_id_used_with_different_content"
    (arrived,) = asyncio.run(_arrived(account))
    assert refusal(*output, "1.00") == "wrong_drop_amount"
    assert refusal(*output, "0.001") == "bad_input"
    assert ask(*output, f"0.{arrived:02}")["verified_at"] is not None
    assert refusal("accounts", "drop", account, *by) == "already_verified"
    assert ask("prove")["ok"]


async def _arrived(token: str) -> list[int]:
    """What the bank has paid to an account, in minor units."""
    url = load().world_url
    assert url is not None
    async with WorldClient(url) as world:
        return [effect.amount_minor for effect in await world.journal("bank") if effect.subject == token]


def test_the_same_order_again_gets_the_same_answer_and_another_body_is_refused() -> None:
    order = fresh_order()
    first = ask("start", "-", stdin=json.dumps(order))
    assert ask("start", "-", stdin=json.dumps(order)) == first
    other = order | {"buyer_id": "somebody-else"}
    assert refusal("start", "-", stdin=json.dumps(other)) == "order_exists_with_different_content"


def test_the_same_order_again_gets_its_answer_when_it_is_over() -> None:
    order = started()
    buyer = f"buyer:{order['buyer_id']}"
    ask("send", "cancel_order", order["order_id"], "--as", buyer, "--body", '{"reason": "changed my mind"}')
    view = shown(order["order_id"], "cancelled")
    assert view["state"]["refunds"][0]["amount_minor"] == order["total_minor"]
    until_so(lambda: ask("show", order["order_id"])["workflow"], lambda found: found == "completed")
    assert ask("start", "-", stdin=json.dumps(order))["phase"] == "cancelled"
    other = order | {"buyer_id": "somebody-else"}
    assert refusal("start", "-", stdin=json.dumps(other)) == "order_exists_with_different_content"
    again = ("send", "cancel_order", order["order_id"], "--as", buyer, "--body", '{"reason": "again"}')
    assert refusal(*again) == "order_over"


def test_a_file_of_many_starts_the_good_ones_and_names_the_others(tmp_path: Path) -> None:
    good, forged, broken = fresh_order(), fresh_order(), fresh_order(surprise=1)
    forged["payment"]["reference"] = f"forged-{forged['order_id']}"
    file = tmp_path / "orders.jsonl"
    file.write_text("\n".join(json.dumps(order) for order in (good, forged, broken)))
    answered = run("start", str(file), "--json")
    assert answered.exit_code == 1
    outcomes = json.loads(answered.stdout)["orders"]
    assert outcomes[0]["phase"] == "awaiting_shipment"
    assert [outcome.get("error", {}).get("code") for outcome in outcomes] == [
        None,
        "payment_not_found",
        "invalid_order",
    ]
    assert refusal("show", forged["order_id"]) == "payment_not_found"
    assert refusal("show", broken["order_id"]) == "unknown_order"


def test_an_order_whose_payment_channel_is_away_says_so_and_opens_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(start_command, "OPENS_WITHIN", 0.5)
    order = fresh_order()
    reference = order["payment"]["reference"]
    away = {"kind": "status_before_effect", "verb": "payment", "match": reference, "times": None}
    play(lambda world: world.fault("channel", **away))

    def why() -> str:
        """The first try may not have come back yet; the same start again waits again."""
        answered = run("start", "-", "--json", stdin=json.dumps(order))
        assert answered.exit_code == 1
        error = json.loads(answered.stdout)["error"]
        assert error["code"] == "unavailable"
        return str(error["message"])

    until_so(why, lambda said: "still opening (open: channel answered 503)" in said)
    view = ask("show", order["order_id"])
    assert (view["state"]["phase"], view["retries"][0]["activity"]) == ("opening", "open")
    assert "channel answered 503" in run("show", order["order_id"]).stdout
    play(lambda world: world.clear_faults())
    shown(order["order_id"], "awaiting_shipment")


# --- commands --------------------------------------------------------------------------------------------


def test_the_same_command_again_gets_the_first_answer_and_is_called_a_duplicate() -> None:
    order = started()
    waybill = fresh_waybill()
    first = ship(order, waybill, "--id", "c1")
    again = ship(order, waybill, "--id", "c1")
    assert (first.pop("outcome"), again.pop("outcome")) == ("accepted", "duplicate")
    assert again == first


def test_a_refused_command_says_why_in_code_and_sentence() -> None:
    order = started()
    arguments = ("send", "confirm_receipt", order["order_id"], "--as", f"buyer:{order['buyer_id']}")
    assert refusal(*arguments) == "nothing_shipped"
    assert run(*arguments).stderr.startswith("nothing_shipped: Nothing was shipped yet.")
    assert refusal("send", "confirm_receipt", order["order_id"], "--as", "buyer:stranger") == "wrong_actor"
    assert refusal("send", "confirm_receipt", "never-was", "--as", "buyer:b") == "not_running"


def test_a_signal_is_answered_in_the_journal() -> None:
    order = started()
    arguments = ("send", "confirm_receipt", order["order_id"], "--as", f"buyer:{order['buyer_id']}", "--id", "s1")
    assert ask(*arguments, "--signal") == {"command_id": "s1", "outcome": "sent"}
    journal = until_so(lambda: ask("show", order["order_id"])["journal"])
    assert [(entry["command_id"], entry["outcome"], entry["code"]) for entry in journal] == [
        ("s1", "refused", "nothing_shipped")
    ]


def test_lists_are_filtered() -> None:
    order = started()
    mine = ("orders", "--merchant", order["merchant_id"])
    assert [row["order_id"] for row in ask(*mine)["orders"]] == [order["order_id"]]
    assert ask(*mine, "--phase", "awaiting_shipment", "--not-held", "--open")["orders"]
    assert ask(*mine, "--closed")["orders"] == []
    assert ask(*mine, "--overdue")["orders"] == []
    assert ask(*mine, "--held")["orders"] == [], "it waits for its shipment, and nothing holds it"
    hold = json.dumps({"name": "risk", "scope": "all", "reason": "a stolen card"})
    ask("send", "place_hold", order["order_id"], "--as", "operator:ann", "--body", hold)
    assert ask(*mine, "--held")["orders"][0]["holds"] == ["risk"]
    assert ask(*mine, "--not-held")["orders"] == []
    assert len(ask("orders", "--limit", "1")["orders"]) == 1


def test_goods_that_wait_for_a_reviewer_say_why_in_both_languages() -> None:
    order = fresh_order()
    order["lines"][0]["category"] = "medicine"
    assert ask("start", "-", stdin=json.dumps(order))["phase"] == "screening_held"

    def output(*more: str) -> str:
        queue = json.loads(run("reviews", "--json", *more).stdout)
        return str(next(one["evidence"] for one in queue if one["order_id"] == order["order_id"]))

    assert "The goods match the screening rule “Medicine” (line 1)" in output()
    assert "商品命中筛查规则“药品”（第 1 行）" in output("--lang", "zh")
    assert "“药品”" in run("show", order["order_id"], "--lang", "zh").stdout
    assert "“药品”" in run("--lang", "zh", "show", order["order_id"]).stdout
    assert "商品审核中" in run("--lang", "zh", "show", order["order_id"]).stdout
    listed = run("--lang", "zh", "orders", "--merchant", order["merchant_id"]).stdout
    assert "screening_held" not in listed
    assert {"1 个订单", "阶段", "商品审核中"} <= {part.strip() for part in re.split(r"\s{2,}|\n", listed)}
    assert "screening_held" in run("orders", "--merchant", order["merchant_id"]).stdout


@pytest.mark.parametrize(
    "arguments", [("orders",), ("withdrawals",), ("notices",), ("prove",), ("doctor",), ("accounts", "list", "m-1")]
)
def test_people_get_tables(arguments: tuple[str, ...]) -> None:
    answered = run(*arguments)
    assert answered.exit_code == 0, answered.output
    assert "─" in answered.stdout


def test_what_merchants_write_is_shown_and_never_obeyed() -> None:
    order = fresh_order()
    order["lines"][0]["title"] = "[bold red]:smile: [/nothing]"
    ask("start", "-", stdin=json.dumps(order))
    reason = json.dumps({"reason": "[link=http://x]free[/link] :gift:"})
    ask("send", "cancel_order", order["order_id"], "--as", f"buyer:{order['buyer_id']}", "--body", reason)
    assert "[link=http://x]free[/link] :gift:" in run("show", order["order_id"]).stdout


# --- when something is lost ------------------------------------------------------------------------------


def terminate(order_id: str) -> None:
    async def end() -> None:
        client = await gateway.connect(load())
        await client.get_workflow_handle(f"order-{order_id}").terminate("for a test")

    asyncio.run(end())


def test_a_lost_order_is_named_by_prove_and_goes_on_after_its_rescue() -> None:
    order = started()
    order_id = order["order_id"]
    assert refusal("rescue", order_id) == "still_running"
    assert refusal("rescue", "never-was") == "unknown_order"
    terminate(order_id)
    # Temporal's list has what was ended a moment ago as running.
    answered = until_so(lambda: run("prove", "--json"), lambda answered: answered.exit_code == 1)
    failed = [proof for proof in json.loads(answered.stdout)["proofs"] if not proof["holds"]]
    assert [proof["name"] for proof in failed] == ["workflows"]
    assert failed[0]["evidence"] == [{"workflow_id": f"order-{order_id}", "helps": f"starter.py rescue {order_id}"}]
    assert f"starter.py rescue {order_id}" in run("show", order_id).stdout
    assert ask("rescue", order_id)["state"]["phase"] == "awaiting_shipment"
    assert ask("prove")["ok"]
    ship(order, fresh_waybill())
    assert [row["reference"] for row in ask("show", order_id)["money"]["transfers"]] == [f"order/{order_id}/fund"]


def test_time_is_skipped_only_for_what_runs() -> None:
    order = started()
    assert ask("advance", order["order_id"], "1h30m")["next_deadline"]["name"] == "ship_reminder"
    assert refusal("advance", "never-was", "1h") == "not_running"


def test_a_second_up_in_the_same_home_is_refused(up: Up) -> None:
    assert refusal("up") == "misconfigured"


def test_a_worker_beside_up_drains_and_ends_with_zero(up: Up) -> None:
    process = subprocess.Popen(
        [sys.executable, str(PROJECT / "worker.py")],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"DAKUAN_HOME": str(up.home)},
    )
    assert process.stderr is not None
    assert "polling task queue dakuan" in process.stderr.readline()
    process.terminate()
    output = process.stderr.read()
    process.stderr.close()
    assert process.wait(COMES_UP_WITHIN) == 0
    assert "Traceback" not in output


def test_what_a_killed_up_left_behind_goes_on_in_the_next(up: Up) -> None:
    order = started()
    before = running(up.home)
    assert len(before) == 3
    assert up.end(signal.SIGKILL) == -signal.SIGKILL
    up.start()
    assert running(up.home) == before, "they are adopted"
    assert ask("show", order["order_id"])["state"]["phase"] == "awaiting_shipment"
    assert ship(order, fresh_waybill())["outcome"] == "accepted"
    assert ask("prove")["ok"]
    assert ask("doctor")["ok"]
