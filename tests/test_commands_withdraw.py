"""Withdrawals on the command line of a real stack: estimate, schedules, why the money is not here, and what is lost."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from command_line import ask, refusal, run
from temporalio.service import RPCError, RPCStatusCode
from up_stack import Up, books_have, fresh_order, play, settled, shown, started
from waiting import until_so

import gateway
from commands.schedules import _known
from config import load
from screens import Shown, width_of

LATER = "2199-01-01T00:00:00Z"
pytestmark = pytest.mark.usefixtures("up")
BY = ("--by", "operator:ann", "--reason", "papers seen")


@pytest.fixture(scope="module")
def earner(up: Up) -> tuple[str, str]:
    """A merchant who has earned 129.41 CNY, and the merchant's account."""
    merchant = settled()["merchant_id"]
    account = f"acc-{merchant}"
    ask("accounts", "merchant", merchant, "--name", "王芳", *BY)
    bind = ("accounts", "bind", merchant, account, "--holder", "王芳", "--cooling", "0s")
    ask(*bind, *BY, stdin="6222 0212 3456 7894")
    return merchant, account


def _codes(found: dict[str, Any]) -> list[str]:
    return [refusal["code"] for refusal in found["against"]]


def test_an_estimate_says_fee_arrival_and_what_stands_against_it_and_writes_nothing(earner: tuple[str, str]) -> None:
    merchant, account = earner
    asked_at = datetime.now(UTC)
    found = ask("withdraw", merchant, "100", "--account", account, "--estimate")
    assert (found["fee_minor"], found["net_minor"], found["needs_approval"]) == (0, 10_000, False)
    assert (found["available_minor"], found["count_left_today"], found["against"]) == (12_941, 10, [])
    assert datetime.fromisoformat(found["arrives_by"]) > asked_at
    assert datetime.fromisoformat(found["limits_turn_over_at"]) > asked_at
    assert _codes(ask("withdraw", merchant, "0.99", "--account", account, "--estimate")) == ["below_minimum"]
    much = ask("withdraw", merchant, "60000", "--account", account, "--estimate")
    assert _codes(much) == ["above_maximum", "insufficient_funds"]
    assert (much["needs_approval"], much["arrives_by"]) == (True, None)
    assert _codes(ask("withdraw", merchant, "1", "--account", "nobodys", "--estimate")) == ["unknown_account"]
    leaving = ("--leaving", "--as", "operator:ann")
    assert ask("withdraw", merchant, "0.99", "--account", account, "--estimate", *leaving)["against"] == []
    assert refusal("withdraw", merchant, "1", "--account", account, "--policy", "nobodys", "--estimate") == (
        "unknown_policy"
    )
    assert ask("withdrawals", "--merchant", merchant)["withdrawals"] == []
    output = run("withdraw", merchant, "60000", "--account", account, "--estimate")
    assert output.exit_code == 0
    assert "above_maximum" in output.stdout
    assert "two people" in output.stdout


def test_a_schedule_is_created_triggered_paused_and_deleted(earner: tuple[str, str]) -> None:
    merchant, account = earner
    create = ("schedules", "create", merchant, "--account", account, "--keep-balance", "120", "--minimum", "1")
    (made,) = ask(*create, "--cron", "0 9 * * MON", "--timezone", "Asia/Shanghai")["schedules"]
    assert (made["keep_minor"], made["minimum_minor"], made["paused"]) == (12_000, 100, False)
    assert datetime.fromisoformat(made["next_at"]).hour == 1  # nine in the morning in China
    ask(*create, "--cron", "0 9 * * MON", "--timezone", "Asia/Shanghai")
    assert refusal(*create, "--every", "1d") == "schedule_exists"
    ask("schedules", "trigger", merchant)
    withdrawal_id = _last(merchant)["withdrawal_id"]
    assert shown(f"withdrawal-{withdrawal_id}", "paid")["state"]["withdrawal"]["amount_minor"] == 941
    assert ask("schedules", "pause", merchant, "--reason", "checking")["schedules"][0]["note"] == "checking"
    assert ask("schedules", "resume", merchant)["schedules"][0]["paused"] is False
    ask("accounts", "suspend", account, *BY)
    try:
        time.sleep(1)  # two times in one second are one time
        ask("schedules", "trigger", merchant)
        assert _last(merchant, runs=2)["skipped"]["code"] in {"nothing_available", "account_suspended"}
    finally:
        ask("accounts", "resume", account, *BY)
    table = run("schedules", "list", "--merchant", merchant).stdout
    assert "skipped:" in table
    assert ask("schedules", "delete", merchant)["deleted"] is True
    for cron, zone, said in (
        ("0 9 30 2 *", "UTC", "0 9 30 2 * never comes"),
        ("0 9 * * MON", "Mars/Base", "'Mars/Base' is no time zone"),
        ("99 9 * * MON", "UTC", "not in range"),
    ):
        assert said in run(*create, "--cron", cron, "--timezone", zone).stderr
    assert refusal("schedules", "delete", merchant) == "unknown_schedule", "one that never comes is not kept"
    assert ask(*create, "--every", "36h", "--paused")["schedules"][0]["when"] == "every 36h"
    ask("schedules", "delete", merchant)
    assert refusal("schedules", "delete", merchant) == "unknown_schedule"
    assert refusal("schedules", "pause", merchant) == "unknown_schedule"


def _last(merchant: str, runs: int = 1) -> dict[str, Any]:
    """What the schedule's last time came to, once it has come to something."""

    def last() -> dict[str, Any]:
        views = ask("schedules", "list", "--merchant", merchant)["schedules"]  # a new one appears after a moment
        return (views[0]["last"] or {}) if views else {}

    wanted = {"skipped"} if runs > 1 else {"skipped", "withdrawal_id"}
    return until_so(last, lambda found: wanted & found.keys())


def test_a_schedule_that_was_deleted_a_moment_ago_is_left_out_of_the_list() -> None:
    class Lagging:
        """A Temporal whose list has one that it does not know any more."""

        async def list_schedules(self) -> AsyncIterator[SimpleNamespace]:
            return self._listed()

        async def _listed(self) -> AsyncIterator[SimpleNamespace]:
            for name in ("auto-withdrawal-deleted", "auto-withdrawal-known", "nobodys"):
                yield SimpleNamespace(id=name)

        def get_schedule_handle(self, name: str) -> SimpleNamespace:
            async def describe() -> str:
                if "deleted" in name:
                    raise RPCError("no rows in result set", RPCStatusCode.NOT_FOUND, b"")
                return name

            return SimpleNamespace(describe=describe)

    client: Any = Lagging()
    known: Any = asyncio.run(_known(client))
    assert known == ["auto-withdrawal-known"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--every", "1d", "--cron", "0 9 * * *"), "either"),
        ((), "either"),
        (("--every", "never"), "every"),
        (("--every", "30s"), "a minute"),
        (("--cron", "99 99 * * *"), "cron"),
        (("--every", "1d", "--keep-balance", "-5"), "positive"),
        (("--every", "1d", "--minimum", "1.005"), "decimals"),
        (("--every", "1d", "--currency", "yuan"), "ISO 4217"),
        (("--every", "1d", "--account", "nobodys"), "no such payout account"),
        (("--every", "1d", "--policy", "nobodys"), "No policy"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused_in_a_sentence(arguments: tuple[str, ...], said: str) -> None:
    answered = run("schedules", "create", "m-nobody", *arguments)
    assert answered.exit_code == 1
    assert said in answered.stderr
    assert "Traceback" not in answered.output


def test_a_withdrawal_whose_workflow_is_lost_is_shown_rescued_and_paid(earner: tuple[str, str]) -> None:
    merchant, account = earner
    play(lambda world: world.fault("bank", verb="payout", match=account, kind="status_after_effect", times=1))
    state = ask("withdraw", merchant, "5", "--account", account, "--id", f"lost-{merchant}", "--wait")
    assert state["phase"] == "unknown"
    subject = f"withdrawal-lost-{merchant}"
    (held,) = ask("show", subject)["holds"]
    assert (held["reason"], held["who_can_act"]) == ("outcome_unknown", "rail")
    assert held["expected_release"]
    assert refusal("rescue", subject) == "still_running"
    _terminate(subject)
    view = ask("show", subject)
    assert (view["workflow"], view["holds"][0]["reason"]) == ("terminated", "outcome_unknown")
    assert f"starter.py rescue {subject}" in run("show", subject).stdout
    assert ask("rescue", subject)["state"]["phase"] == "unknown"
    ask("advance", subject, "2h")
    shown(subject, "paid")
    books_have(subject, "reserve", "close")
    assert refusal("rescue", "withdrawal-never-was") == "unknown_withdrawal"


def test_all_that_is_lost_is_shown_first_and_goes_on_once_it_is_applied(earner: tuple[str, str]) -> None:
    merchant, account = earner
    lost = [f"order-{started()['order_id']}" for _ in range(2)]
    play(lambda world: world.fault("bank", verb="payout", match=account, kind="status_after_effect", times=1))
    ask("withdraw", merchant, "4", "--account", account, "--id", f"all-{merchant}", "--wait")
    lost.append(f"withdrawal-all-{merchant}")
    for workflow_id in lost:
        _terminate(workflow_id)
    # Temporal's list has what was ended a moment ago as running.
    seen = until_so(
        lambda: ask("rescue", "--all"),
        lambda seen: set(lost) <= {one["workflow_id"] for one in seen["workflows"]},
    )
    assert {"workflow_id": lost[0], "outcome": "would_restart", "why": ""} in seen["workflows"]
    assert (seen["applied"], seen["outcomes"], seen["lost"]["withdrawal"]) == (False, {}, 1)
    assert "--apply restarts" in run("rescue", "--all").stdout
    done = ask("rescue", "--all", "--apply")
    assert done["outcomes"] == {"goes_on": len(seen["workflows"])}
    assert ask("rescue", "--all", "--apply")["workflows"] == []
    assert "nothing was lost" in run("rescue", "--all", "--apply").stdout
    assert ask("show", lost[0].removeprefix("order-"))["state"]["phase"] == "awaiting_shipment"
    ask("advance", lost[-1], "2h")
    shown(lost[-1], "paid")
    books_have(lost[-1], "reserve", "close")


def test_what_decided_something_since_a_restore_is_shown_first() -> None:
    moment = datetime.now(UTC)
    since = f"order-{started()['order_id']}"
    ahead = {"workflow_id": since, "outcome": "would_be_set_back", "why": ""}
    seen = until_so(lambda: ask("rescue", "--restored-to", moment.isoformat()), lambda seen: ahead in seen["workflows"])
    assert (seen["applied"], seen["restored_to"]) == (False, moment.isoformat())
    assert "this is a dry run" in run("rescue", "--restored-to", moment.isoformat()).stdout
    assert refusal("rescue", "--restored-to", LATER, "--apply") == "worker_polls"
    later = ask("rescue", "--restored-to", LATER, "--apply", "--while-polling")
    assert (later["applied"], later["workflows"]) == (True, [])
    assert "Set back: 0." in run("rescue", "--restored-to", LATER, "--apply", "--while-polling").stdout


@pytest.mark.parametrize(
    "arguments",
    [(), ("L1", "--all"), ("L1", "--apply"), ("--all", "--restored-to", LATER), ("--all", "--while-polling")],
)
def test_a_rescue_of_one_and_of_all_are_two_things(arguments: tuple[str, ...]) -> None:
    assert refusal("rescue", *arguments) == "malformed"


def _terminate(workflow_id: str) -> None:
    async def end() -> None:
        async with gateway.connected(load()) as client:
            await client.get_workflow_handle(workflow_id).terminate()

    asyncio.run(end())


def test_a_report_after_the_end_is_taken_by_the_command_line(earner: tuple[str, str]) -> None:
    merchant, account = earner
    subject = f"withdrawal-back-{merchant}"
    state = ask("withdraw", merchant, "7", "--account", account, "--id", f"back-{merchant}", "--wait")
    key = state["attempts"][0]["key"]
    ask("advance", subject, "12d")
    shown(subject, "final")
    assert refusal("advance", subject, "1h") == "not_running"
    body = f'{{"event_id": "ev-1", "key": "{key}", "outcome": "returned", "amount_minor": 700, "currency": "CNY"}}'
    output = ask("send", "report_payout", subject, "--as", "rail:sandbox", "--body", body, "--signal")
    assert output["outcome"] == "sent"
    shown(subject, "returned")
    books_have(subject, "reserve", "close", "return/1")


# --- narrow screens --------------------------------------------------------------------------------------

LISTS = (
    *(
        ("orders",),
        ("orders", "--held"),
        ("orders", "--overdue"),
        ("withdrawals",),
        ("withdrawals", "--overdue"),
        ("notices",),
        ("reviews",),
        ("reviews", "--trace", "--lang", "zh"),
    ),
    *(("prove",), ("doctor",), ("loads",), ("safeguarding",), ("reconcile",), ("schedules", "list")),
    ("waybill", "SF6026131434978", "1Z5R89390357567127", "RR123456785CN"),
)
ABOUT_ONE = (
    *(("balance",), ("statement",), ("accounts", "list"), ("accounts", "history")),
    *(("receivable",), ("grades", "list"), ("licences", "list")),
)
TERMS = (
    *(("grades", "list"), ("licences", "list"), ("policy", "list"), ("policy", "show", "default")),
    *(("policy", "diff", "default", "policies/olist.toml"), ("policy", "check", "policies/default.toml")),
    *(("screening", "check"), ("screening", "try", "玩具手枪", "野生象牙雕件", "处方药 阿莫西林胶囊 0.25g 一盒装")),
)
_DATES = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d( UTC)?)?")
_NEEDED = re.compile(r"-?[\d,]+\.\d\d [A-Z]{3}|[\w/.:-]*[0-9][\w/.:-]*")
"""Amounts, and words with digits, as all ids here have."""


def _check_tables(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    """At 80 columns no line is wider, and every id and amount of a wide screen is there, whole."""
    seen: list[Shown] = []

    def note(self: Shown, console: Any, options: Any) -> list[Any]:
        seen.append(self)
        return []

    monkeypatch.setattr(Shown, "__rich_console__", note)
    assert run(*arguments).exit_code in {0, 1}
    assert seen, arguments
    for one in seen:
        wide, narrow = (
            "\n".join("".join(text for text, _ in line) for line in one.lines(width)) for width in (240, 80)
        )
        assert [line for line in narrow.splitlines() if width_of(line) > 80] == [], arguments
        needed = set(_NEEDED.findall(_DATES.sub("", wide)))
        assert [part for part in needed if part.strip(".:") not in narrow and len(part) < 78] == [], narrow


def test_every_table_can_be_read_at_80_columns(
    earner: tuple[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    merchant, account = earner
    wrong = tmp_path / "wrong-0001.toml"
    wrong.write_text('name = "wrong"\n[order]\nship_wthin = "3d"\nrefund_stuck_after = "soon"\n[rules]\n')
    run("grades", "give", merchant, "gold-2026", *BY)
    in_a_year = f"{datetime.now(UTC) + timedelta(days=365):%Y-%m-%d}"
    run("licences", "note", merchant, "food-licence-01", "--number", "JY13101050012345", "--until", in_a_year, *BY)
    run("accounts", "resume", account, *BY)  # money that came back in an earlier test has suspended it
    subject = f"W{merchant}"
    run("accounts", "resume", account, *BY)  # a bank return suspends it, where another test had one
    ask("withdraw", merchant, "1.10", "--account", account, "--id", subject, "--wait")
    held = fresh_order()
    held["lines"][0]["category"] = "medicine"
    ask("start", "-", stdin=json.dumps(held))
    orders = ask("orders", "--limit", "2")["orders"]
    for arguments in (
        *LISTS,
        *TERMS,
        ("policy", "check", str(wrong)),
        ("screening", "check", str(wrong)),
        *((*command, merchant) for command in ABOUT_ONE),
        *(("show", order["order_id"]) for order in orders),
        ("show", f"withdrawal-{subject}"),
        ("withdraw", merchant, "60000", "--account", account, "--estimate"),
    ):
        _check_tables(monkeypatch, *arguments)
