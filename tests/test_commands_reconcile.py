"""`reconcile` by the command line: clean, broken, mended; files good and bad; reports to withdrawals; schedules."""

from __future__ import annotations

import re
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from databases import Database
from reconciliation_stage import ask, own_world, paid, run, stage
from statement_lines import line
from waiting import until
from withdrawal_stage import WithdrawalStage

from commands import reconcile
from core.reconciliation.lines import Break, TheirLine
from core.reconciliation.reporting import ChargebackFound
from ledger.register import Register

__all__ = ["own_world", "stage"]

HEADER = "line_id,kind,key,amount,currency,at"
NOW = datetime.now(UTC).isoformat()


def a_file(folder: Path, *rows: str, header: str = HEADER) -> str:
    file = folder / "statement.csv"
    file.write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")
    return str(file)


async def test_clean_books_end_with_0_and_say_what_was_compared(stage: WithdrawalStage) -> None:
    await paid(stage)
    answer = await ask("reconcile")
    assert answer["ok"] is True
    assert {(one["scope"], one["name"]) for one in answer["comparisons"]} == {
        ("orders", "books"),
        ("rail", "sandbox"),
        ("withdrawals", "books"),
    }
    shown = await run("reconcile")
    assert (shown.exit_code, "No breaks." in shown.stdout) == (0, True)


async def test_a_planted_payout_ends_with_1_and_is_gone_once_reversed(stage: WithdrawalStage) -> None:
    await paid(stage)
    await stage.world.bank_errs("planted1", 777, "CNY")
    answer = await ask("reconcile", "--rail", "sandbox", code=1)
    (found,) = answer["comparisons"][0]["breaks"]
    assert (found["reason"], found["key"], found["ours_minor"], found["theirs_minor"]) == (
        "extra",
        "planted1",
        None,
        777,
    )
    shown = await run("reconcile")
    assert shown.exit_code == 1
    assert all(word in shown.stdout for word in ("extra", "planted1", "nothing", "7.77 CNY", "have it reversed"))
    await stage.world.bank_errs("planted1", 777, "CNY", effect="return")
    assert (await ask("reconcile"))["by_reason"] == {}


async def test_a_statement_file_is_compared_and_stored_once(stage: WithdrawalStage, tmp_path: Path) -> None:
    key = await paid(stage)
    rows = [
        f"L1,payout,{key},100.00,CNY,{NOW}",
        f"L2,payout,{key},100.00,CNY,{NOW}",
        f'L3,return,{key},"100.00",CNY,{NOW}',
    ]
    file = a_file(tmp_path, *rows[:1])
    for _ in range(2):
        assert (await ask("reconcile", "--rail", "sandbox", "--statement", file))["ok"] is True
    assert len(await stage.register.statements.lines("rail", "sandbox")) == 1
    answer = await ask("reconcile", "--rail", "sandbox", "--statement", a_file(tmp_path, *rows[:2]), code=1)
    assert answer["by_reason"] == {"duplicate": 1}
    assert (await ask("reconcile", "--rail", "sandbox", "--statement", a_file(tmp_path, *rows)))["ok"] is True
    changed = await ask(
        "reconcile", "--rail", "sandbox", "--statement", a_file(tmp_path, rows[0].replace("100", "90")), code=2
    )
    assert "L1: given otherwise before" in changed["error"]["message"]


async def test_a_bad_row_is_told_with_its_number_and_field(stage: WithdrawalStage, tmp_path: Path) -> None:
    file = a_file(tmp_path, f"L0,payout,k0,1,CNY,{NOW}", f"L1,payout,k,1.234,CNY,{NOW}", f"L2,cat,k,1,CNY,{NOW}")
    answer = await ask("reconcile", "--rail", "sandbox", "--statement", file, code=2)
    assert [(one["row"], one["field"]) for one in answer["error"]["reasons"]] == [(3, "amount"), (4, "kind")]
    shown = await run("reconcile", "--rail", "sandbox", "--statement", file)
    assert (shown.exit_code, "row 4, kind: 'cat' is none of a rail's" in shown.stderr) == (2, True)
    chinese = await run("--lang", "zh", "reconcile", "--rail", "sandbox", "--statement", file)
    assert all(re.fullmatch(r"  第 \d+ 行，\w+：.*[\u4e00-\u9fff].*", line) for line in chinese.stderr.splitlines()[1:])
    assert all("message_zh" in reason for reason in answer["error"]["reasons"])
    assert await stage.register.statements.lines("rail", "sandbox") == []


async def test_bad_usage_ends_with_2(stage: WithdrawalStage, tmp_path: Path) -> None:
    file = a_file(tmp_path)
    for arguments in (
        ("--statement", file),
        ("--rail", "a", "--channel", "b"),
        ("--schedule", "daily", "--unschedule"),
        ("--schedule", "yearly"),
        ("--days", "0"),
        ("--rail", "sandbox", "--statement", str(tmp_path / "absent.csv")),
        ("--rail", "sandbox", "--statement", file, "--from", "2026-11-03", "--to", "2026-11-01"),
    ):
        answered = await run("reconcile", *arguments)
        assert (answered.exit_code, "Traceback" in answered.output) == (2, False), arguments


async def test_a_file_says_of_which_days_it_tells_everything(
    stage: WithdrawalStage, tmp_path: Path, database: Database
) -> None:
    await paid(stage)
    await database.owner.execute(
        "ALTER TABLE movements DISABLE TRIGGER USER;"
        " UPDATE movements SET recorded_at = recorded_at - INTERVAL '2 days';"
        " UPDATE payout_attempts SET created_at = created_at - INTERVAL '2 days';"
        " ALTER TABLE movements ENABLE TRIGGER USER"
    )
    empty = a_file(tmp_path)
    assert (await ask("reconcile", "--rail", "sandbox", "--statement", empty))["ok"] is True, "it tells of no time"
    since, today = (datetime.now(UTC) - timedelta(days=3)).strftime("%Y-%m-%d"), datetime.now(UTC).strftime("%Y-%m-%d")
    whole = ("reconcile", "--rail", "sandbox", "--statement", empty, "--from", since, "--to", today)
    assert (await ask(*whole, code=1))["by_reason"] == {"missing": 1}
    database.broken = True  # and the proof of the statements says so, too


async def test_a_bank_that_is_away_is_told_and_the_rest_is_compared(
    stage: WithdrawalStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await paid(stage)
    monkeypatch.setenv("DAKUAN_BANK_URL", "http://127.0.0.1:9")
    answer = await ask("reconcile", code=1)
    reasons = {one["scope"]: one["not_fetched"] for one in answer["comparisons"]}
    assert "cannot be reached" in reasons["rail"]
    assert (reasons["orders"], reasons["withdrawals"], answer["by_reason"]) == (None, None, {})


async def test_a_return_that_only_the_statement_knows_is_said_and_with_apply_told(
    stage: WithdrawalStage, tmp_path: Path
) -> None:
    long_ago = (datetime.now(UTC) - timedelta(hours=5)).isoformat()
    async with stage.worker():
        handle = await stage.start(10_000)
        state = await stage.phase(handle, "paid")
        key = state["attempts"][-1]["key"]
        file = a_file(tmp_path, f"L1,payout,{key},100,CNY,{long_ago}", f"L2,return,{key},100,CNY,{long_ago}")
        said = await ask("reconcile", "--rail", "sandbox", "--statement", file, code=1)
        assert (said["by_reason"], said["told"]) == ({"returned": 1}, [])
        assert await stage.available() == 4_990_000
        reasons = await ask("reconcile", "--rail", "sandbox", "--statement", file, "--apply", code=1)
        assert [one["outcome"] for one in reasons["told"]] == ["paid", "returned"]
        await stage.phase(handle, "returned")
        assert await stage.available() == 5_000_000
        assert (await ask("reconcile", "--rail", "sandbox", "--statement", file, "--apply"))["told"] == []
        assert await stage.available() == 5_000_000


async def test_a_payout_that_was_given_back_and_paid_waits_for_two_people_once_it_is_told(
    stage: WithdrawalStage, tmp_path: Path, database: Database
) -> None:
    await stage.world.refuse_account(stage.token, code="PAYEE_REFUSED")
    async with stage.worker():
        handle = await stage.start(10_000)
        state = await stage.phase(handle, "failed")
        key, resolution = (
            state["attempts"][-1]["key"],
            {"outcome": "paid", "reference": "b-1", "reason": "a letter"},
        )
        file = a_file(tmp_path, f"L1,payout,{key},100,CNY,{NOW}")
        told = ("reconcile", "--rail", "sandbox", "--statement", file, "--apply")
        said = await ask(*told[:-1], code=1)
        assert (said["by_reason"], said["told"]) == ({"paid_after_failed": 1}, [])
        assert [one["outcome"] for one in (await ask(*told, code=1))["told"]] == ["paid"]
        await until(lambda: stage.reasons(handle), lambda reasons: reasons == ["paid_after_failed"])
        assert (await ask(*told, code=1))["told"] == []
        await stage.skip(handle, days=8)
        for person in ("bob", "cleo"):
            await stage.send(handle, "resolve_unknown", "operator", person, **resolution)
        assert await stage.reasons(handle) == []
        assert await stage.available() == 5_000_000
    database.broken = True  # the proof of the statements says that the money is out twice


async def test_schedules_are_made_again_and_taken_away(stage: WithdrawalStage) -> None:
    await paid(stage)
    made = await ask("reconcile", "--schedule", "daily")
    assert {one["comparison"] for one in made["schedules"]} == {"orders/books", "rail/sandbox", "withdrawals/books"}
    assert {one["outcome"] for one in made["schedules"]} == {"scheduled"}
    again = await ask("reconcile", "--schedule", "hourly")
    assert {one["outcome"] for one in again["schedules"]} == {"scheduled again"}
    assert {one["outcome"] for one in (await ask("reconcile", "--unschedule"))["schedules"]} == {"scheduled no more"}
    assert {one["outcome"] for one in (await ask("reconcile", "--unschedule"))["schedules"]} == {"was not scheduled"}


async def test_a_mistyped_name_is_refused_and_loads_nothing(stage: WithdrawalStage, tmp_path: Path) -> None:
    await paid(stage)
    file = a_file(tmp_path, f"L1,payout,k,100.00,CNY,{NOW}")
    answer = await ask("reconcile", "--rail", "sandbax", "--statement", file, code=1)
    assert (answer["error"]["code"], answer["error"]["field"]) == ("unknown_rail", "rail")
    assert "sandbox" in answer["error"]["message"]
    assert await stage.register.statements.lines("rail", "sandbax") == []
    wrong = await ask("reconcile", "--channel", "wechst", "--statement", file, code=1)
    assert wrong["error"]["code"] == "unknown_channel"
    assert (await ask("reconcile"))["ok"] is True


async def test_a_statement_that_was_loaded_by_mistake_is_taken_back_by_two_people(
    stage: WithdrawalStage, tmp_path: Path
) -> None:
    await paid(stage)
    file = a_file(tmp_path, f"L1,payout,nobodys,100.00,CNY,{NOW}")
    assert (await ask("reconcile", "--rail", "sandbox", "--statement", file, code=1))["ok"] is False
    (load,) = [one for one in (await ask("loads"))["loads"] if one["lines"] == 1 and not one["withdrawn_by"]][:1]
    take = ("loads", "--withdraw", str(load["load_no"]), "--reason", "another bank's file")
    assert (await ask(*take, "--as", "merchant:m-1", code=1))["error"]["code"] == "wrong_actor"
    assert (await ask(*take, "--as", "operator:o-1"))["outcome"] == "asked"
    for again in ("operator:o-1", "reviewer:O-1"):
        assert (await ask(*take, "--as", again, code=1))["error"]["code"] == "needs_other_person"
    assert [line.line_id for line in await stage.register.statements.lines("rail", "sandbox")].count("L1") == 1
    assert (await ask(*take, "--as", "operator:o-2"))["outcome"] == "withdrawn"
    assert (await ask(*take, "--as", "operator:o-2"))["outcome"] == "already"
    assert "L1" not in [line.line_id for line in await stage.register.statements.lines("rail", "sandbox")]
    assert (await ask("reconcile"))["ok"] is True
    missing = ("loads", "--withdraw", "999999", "--reason", "x", "--as", "operator:o-1")
    assert (await ask(*missing, code=1))["error"]["code"] == "unknown_load"


async def test_a_break_is_told_by_the_lines_of_its_own_statement_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dispute may have the id of an order. After an outage, no statement is asked for thousands of deadlines."""
    asked, told = [], []

    class Statements:
        async def lines(self, scope: str, name: str, key: str) -> list[TheirLine]:
            asked.append((scope, name, key))
            fee = line("chargeback_fee", key, 15)
            return [line("chargeback", key, 700, reference="p-1"), fee] if scope == "channel" else []

    async def report(register: Any, _client: Any, found: Break, news: ChargebackFound) -> list[dict[str, str]]:
        told.append((found.scope, news.payments))
        return []

    monkeypatch.setattr(reconcile, "temporal", nullcontext)
    monkeypatch.setattr(reconcile, "_report_chargeback", report)
    of_one_key = {"key": "A1", "since": datetime.now(UTC)}
    await reconcile._apply(
        cast("Register", SimpleNamespace(statements=Statements())),
        [
            Break.model_validate({**of_one_key, **fields})
            for fields in (
                {"scope": "channel", "name": "card", "reason": "extra", "kind": "chargeback_fee"},
                {"scope": "channel", "name": "card", "reason": "extra", "kind": "chargeback"},
                {"scope": "orders", "name": "books", "reason": "stuck", "kind": "deadline"},
                {"scope": "rail", "name": "sandbox", "reason": "extra", "kind": "payout"},
            )
        ],
    )
    assert asked == [("channel", "card", "A1")] * 2 + [("rail", "sandbox", "A1")]
    assert told == [("channel", ("p-1",))]
