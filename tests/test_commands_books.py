"""`statement`, `settlement` and `safeguarding` by the command line, on real books."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from databases import Database
from reconciliation_stage import ask, own_world, paid, run, stage
from withdrawal_stage import WithdrawalStage

from core.movements import Leg, adjustment
from ledger.adjusting import post_adjustments

__all__ = ["own_world", "stage"]

RAIL = ("--rail", "sandbox")
TOMORROW = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%d")


# --- the merchant's statement ----------------------------------------------------------------------------


async def test_a_merchants_statement_adds_up_to_what_they_have(stage: WithdrawalStage) -> None:
    await paid(stage, 12_345)
    answer = await ask("statement", stage.merchant, "--to", TOMORROW)
    (one,) = answer["statements"]
    assert [row["type"] for row in one["rows"]] == ["adjustment", "reserve", "payout"]
    assert one["opening"]["available_minor"] == 0
    assert one["closing"]["available_minor"] == await stage.available() == 5_000_000 - 12_345
    assert sum(row["amount_minor"] for row in one["rows"]) == 5_000_000 - 12_345
    assert [row["balance_minor"] for row in one["rows"]] == [5_000_000, 5_000_000, 5_000_000 - 12_345]
    shown = await run("statement", stage.merchant)
    assert all(word in shown.stdout for word in ("opening", "payout", "-123.45 CNY", "49,876.55 CNY", "closing"))


async def test_the_csv_has_plain_decimals_and_the_same_sums(stage: WithdrawalStage, tmp_path: Path) -> None:
    await paid(stage)
    file = tmp_path / "statement.csv"
    assert (await run("statement", stage.merchant, "--csv", str(file))).exit_code == 0
    rows = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))
    assert [row["type"] for row in rows] == ["opening", "adjustment", "reserve", "payout", "closing"]
    moved = sum(Decimal(row["amount"]) for row in rows[1:-1])
    assert Decimal(rows[0]["balance"]) + moved == Decimal(rows[-1]["balance"]) == Decimal("49900.00")
    printed = await run("statement", stage.merchant, "--csv", "-")
    assert printed.stdout.splitlines()[0].startswith("currency,at,type,about,reference,amount,balance,pending")


async def test_another_time_has_the_rest_as_opening_balance(stage: WithdrawalStage) -> None:
    await paid(stage)
    later = (datetime.now(UTC) + timedelta(days=3)).strftime("%Y-%m-%d")
    (one,) = (await ask("statement", stage.merchant, "--from", later, "--to", later))["statements"]
    assert (one["rows"], one["opening"], one["closing"]["available_minor"]) == ([], one["closing"], 4_990_000)
    assert (await ask("statement", "nobody"))["statements"] == []
    early = await run("statement", stage.merchant, "--from", "2020-01-01", "--to", "2020-01-31")
    assert early.stdout.strip() == f"Until 2020-01-31 nothing moved for {stage.merchant}."


async def test_a_statement_of_no_time_or_nowhere_is_refused(stage: WithdrawalStage) -> None:
    for arguments, code in (
        (("m-1", "--from", "2026-11-02", "--to", "2026-11-01"), 2),
        (("m-1", "--from", "yesterday"), 2),
        (("m-1", "--csv", "-", "--json"), 2),
        (("m/1",), 1),
        (("m-1", "--csv", "/no/such/folder/x.csv"), 1),
    ):
        answered = await run("statement", *arguments)
        assert (answered.exit_code, "Traceback" in answered.output) == (code, False), arguments


# --- what a merchant owes --------------------------------------------------------------------------------


async def test_a_debt_is_shown_paid_in_and_given_up_by_two_people(stage: WithdrawalStage) -> None:
    merchant = f"{stage.merchant}-owes"
    legs = [Leg(f"merchant/{merchant}/receivable", "suspense", 50_000)]
    await post_adjustments(stage.owner_dsn, [adjustment(f"debt/{merchant}", "CNY", datetime.now(UTC), legs)])
    (debt,) = (await ask("receivable", merchant))["debts"]
    assert (debt["owed_minor"], debt["days_30_minor"]) == (50_000, 50_000)
    paid_in = ("receivable", merchant, "--paid-in", "200.00", *RAIL, "--id", f"P-{merchant}")
    assert [(await ask(*paid_in))["outcome"] for _ in range(2)] == ["posted", "exists"]
    assert "amount   200.00 CNY" in (await run(*paid_in)).stdout
    over = await ask("receivable", merchant, "--paid-in", "300.01", *RAIL, "--id", f"Q-{merchant}", code=1)
    assert over["error"]["code"] == "above_receivable"
    give_up = ("receivable", merchant, "--write-off", "300.00", "--id", f"W-{merchant}", "--reason", "gone")
    assert (await ask(*give_up, "--as", "operator:ann"))["outcome"] == "asked"
    assert (await ask(*give_up, "--as", "operator:ann", code=1))["error"]["code"] == "needs_other_person"
    assert (await ask(*give_up, "--as", "merchant:m", code=1))["error"]["code"] == "wrong_actor"
    assert (await ask(*give_up, "--as", "reviewer:bob"))["outcome"] == "written_off"
    assert (await ask("receivable", merchant))["debts"] == []
    assert (await run("receivable", merchant)).exit_code == 0


# --- corrections -----------------------------------------------------------------------------------------


async def test_a_movement_is_taken_back_by_two_people_and_stands_in_the_statement(stage: WithdrawalStage) -> None:
    merchant = f"{stage.merchant}-gift"
    legs = [Leg("expense/goodwill", f"merchant/{merchant}/available", 50_000)]
    gift = f"gift/{merchant}"
    await post_adjustments(stage.owner_dsn, [adjustment(gift, "CNY", datetime.now(UTC), legs)])
    part = ("correct", gift, "--leg", "1:200.00", "--id", f"K-{merchant}", "--reason", "too much")
    assert (await ask(*part, "--as", "operator:ann"))["outcome"] == "asked"
    assert (await ask(*part, "--as", "operator:ann", code=1))["error"]["code"] == "needs_other_person"
    assert (await ask(*part, "--as", f"merchant:{merchant}", code=1))["error"]["code"] == "wrong_actor"
    assert gift in [one["reference"] for one in (await ask("correct"))["corrections"]]
    assert [(await ask(*part, "--as", "reviewer:bob"))["outcome"] for _ in range(2)] == ["corrected", "already"]
    rows = (await ask("statement", merchant, "--to", TOMORROW))["statements"][0]["rows"]
    assert [(row["type"], row["about"], row["amount_minor"]) for row in rows] == [
        ("adjustment", f"gift/{merchant}", 50_000),
        ("correction", gift, -20_000),
    ]
    whole = ("correct", gift, "--reason", "a mistake")
    answers = [await ask(*whole, "--as", person) for person in ("operator:ann", "operator:bob", "operator:bob")]
    assert [answer["outcome"] for answer in answers] == ["asked", "corrected", "already"]
    (leg,) = (await ask("correct", gift))["legs"]
    assert (leg["amount_minor"], leg["corrected_minor"]) == (50_000, 50_000)
    assert "reviewer:bob" not in (await run("correct", gift)).stdout
    assert (await run("correct")).exit_code == 0


async def test_what_cannot_be_taken_back_is_refused_by_name(stage: WithdrawalStage) -> None:
    said = ("--reason", "wrong", "--as", "operator:ann")
    gift = f"gift/{stage.merchant}-small"
    legs = [Leg("expense/goodwill", f"merchant/{stage.merchant}-small/available", 500)]
    await post_adjustments(stage.owner_dsn, [adjustment(gift, "CNY", datetime.now(UTC), legs)])
    for arguments, code in (
        (("no/such", *said), "unknown_movement"),
        ((gift, "--leg", "1:5.01", "--id", "K1", *said), "above_movement"),
        ((gift, "--leg", "2:5.00", "--id", "K1", *said), "no_such_leg"),
        ((gift, "--leg", "first", "--id", "K1", *said), "malformed"),
        ((gift, "--reason", " ", "--as", "operator:ann"), "reason_missing"),
        ((gift, "--reason", "wrong", "--as", "ann"), "malformed"),
    ):
        assert (await ask("correct", *arguments, code=1))["error"]["code"] == code, arguments
    assert (await run("correct", gift, "--leg", "1:1.00", *said)).exit_code == 2


# --- settlements -----------------------------------------------------------------------------------------


async def _a_funded_order(stage: WithdrawalStage, amount_minor: int = 100_000) -> None:
    """Money at the channel, as the channel knows it."""
    await stage.world.add_payment(f"pay-{stage.merchant}", amount_minor, "CNY")
    legs = [Leg("psp/wechat", "order/X/escrow", amount_minor)]
    await post_adjustments(stage.owner_dsn, [adjustment("opening/X", "CNY", datetime.now(UTC), legs)])


async def _balance(stage: WithdrawalStage, path: str) -> int:
    return {row.path: row.balance_minor for row in await stage.register.balances.by_purpose()}.get(path, 0)


async def test_what_a_channel_settled_is_booked_once_with_its_fee(stage: WithdrawalStage, database: Database) -> None:
    database.broken = True  # money of an order that was never registered
    await _a_funded_order(stage)
    await stage.world.settle(fee_bps=60)
    first = await ask("settlement", "wechat", *RAIL)
    (one,) = first["settlements"]
    assert (one["gross_minor"], one["fee_minor"], one["net_minor"], one["outcome"]) == (100_000, 600, 99_400, "posted")
    assert (await ask("settlement", "wechat", *RAIL))["settlements"][0]["outcome"] == "exists"
    assert await _balance(stage, "psp/wechat") == 0
    assert await _balance(stage, "rail/sandbox/cash") == 99_400
    assert await _balance(stage, "expense/psp_fee") == 600
    other = await ask("settlement", "wechat", "--rail", "sandbax", code=1)
    assert (other["error"]["code"], other["error"]["field"]) == ("unknown_rail", "rail")
    answer = await ask("reconcile", "--rail", "sandbox")
    assert (answer["ok"], answer["comparisons"][0]["ours"], answer["comparisons"][0]["theirs"]) == (True, 1, 1)


async def test_settlements_of_a_file_are_booked_and_bad_rows_told(
    stage: WithdrawalStage, database: Database, tmp_path: Path
) -> None:
    database.broken = True
    await _a_funded_order(stage)
    file = tmp_path / "settlements.csv"

    def write(*rows: str) -> str:
        file.write_text("\n".join(("settlement_id,gross,fee,net,currency,settled_at", *rows)), encoding="utf-8")
        return str(file)

    at = "2026-11-22T08:00:00Z"
    good = write(f"S1,600.00,3.60,596.40,CNY,{at}", f"S2,400.00,0,400,CNY,{at}")
    assert [one["outcome"] for one in (await ask("settlement", "wechat", *RAIL, "--file", good))["settlements"]] == [
        "posted"
    ] * 2
    assert [one["outcome"] for one in (await ask("settlement", "wechat", *RAIL, "--file", good))["settlements"]] == [
        "exists"
    ] * 2
    changed = write(f"S1,600.00,3.70,596.30,CNY,{at}")
    assert (await ask("settlement", "wechat", *RAIL, "--file", changed, code=1))["settlements"][0][
        "outcome"
    ] == "conflict"
    assert await _balance(stage, "psp/wechat") == 0
    more = write(f"S9,9999.00,0,9999.00,CNY,{at}")
    over = (await ask("settlement", "wechat", *RAIL, "--file", more, code=1))["settlements"][0]
    assert (over["outcome"], over["short_by_minor"]) == ("insufficient_funds", 999_900)
    assert await _balance(stage, "psp/wechat") == 0
    mistyped = await ask("settlement", "wechst", *RAIL, "--file", more, code=1)
    assert (mistyped["error"]["code"], mistyped["error"]["field"]) == ("unknown_channel", "channel")
    bad = write(
        f"S3,600.00,3.60,600,CNY,{at}",
        f"S/4,1,0,1,CNY,{at}",
        f"S5,1,2,1,CNY,{at}",
        f"S6,47.80,0.28680,47.51320,CNY,{at}",
        f"S7,10.00,0,10.001,CNY,{at}",
        f"S8,-5.00,0,-5.00,CNY,{at}",
    )
    answer = await ask("settlement", "wechat", *RAIL, "--file", bad, code=2)
    assert [(one["row"], one["field"]) for one in answer["error"]["reasons"]] == [
        (2, "net"),
        (3, "settlement_id"),
        (4, "net"),
        (5, "fee"),
        (6, "net"),
        (7, "gross"),
    ]
    assert (await run("settlement", "we chat")).exit_code == 1
    good = write(f"S1,600.00,3.60,596.40,CNY,{at}")
    unnamed = await ask("settlement", "wechat", "--file", good, code=1)
    assert unnamed["error"]["field"] == "rail", "only a local stack has a rail of its own to default to"


# --- safeguarding ----------------------------------------------------------------------------------------


async def test_client_money_is_covered_and_a_hole_is_told(stage: WithdrawalStage, database: Database) -> None:
    await paid(stage)
    answer = await ask("safeguarding")
    (one,) = answer["currencies"]
    assert (one["currency"], one["owed_minor"], one["held_minor"], one["short_minor"]) == (
        "CNY",
        4_990_000,
        4_990_000,
        0,
    )
    shown = await run("safeguarding")
    assert "CNY: covered" in shown.stdout
    assert "rail sandbox has paid out 100.00 CNY more than came in" in shown.stdout
    legs = [Leg("expense/goodwill", "psp/sandbox", 777)]
    await post_adjustments(stage.owner_dsn, [adjustment("adjustment/hole", "CNY", datetime.now(UTC), legs)])
    hole: Any = await ask("safeguarding", code=1)
    assert hole["currencies"][0]["short_minor"] == 777
    assert "client money is short by 7.77 CNY" in (await run("safeguarding")).stdout


async def test_statements_stand_beside_the_cash(stage: WithdrawalStage) -> None:
    await paid(stage)
    await ask("reconcile")
    (one,) = (await ask("safeguarding"))["currencies"]
    places = {(place["scope"], place["name"]): place for place in one["held"]}
    assert places["rail", "sandbox"] == {
        "scope": "rail",
        "name": "sandbox",
        "cash_minor": -10_000,
        "stated_minor": -10_000,
    }
    assert places["channel", "sandbox"]["stated_minor"] is None


# --- seals -----------------------------------------------------------------------------------------------


async def test_the_books_are_sealed_and_a_change_is_named(stage: WithdrawalStage, tmp_path: Path) -> None:
    await paid(stage)
    heads = tmp_path / "heads"
    made = await ask("seal", "--heads", str(heads))
    assert made["sealed"]["number"] == 1
    assert heads.read_text() == made["head"] + "\n"
    assert (await ask("seal", "--heads", str(heads)))["sealed"] is None
    assert heads.read_text() == made["head"] + "\n"
    assert (await ask("verify-chain", "--heads", str(heads)))["ok"]
    heads.write_text(f"1:{'0' * 64}\n")
    forged = await run("verify-chain", "--heads", str(heads))
    assert forged.exit_code == 1
    assert "Seal 1 is not the one whose head was kept" in forged.stdout + forged.stderr
    added = await run("seal", "--heads", str(heads))
    assert (added.exit_code, "the chain was written anew" in added.stderr) == (1, True)
    assert heads.read_text() == f"1:{'0' * 64}\n", "the kept head stays alone: beside another one it would prove less"
    heads.write_text(f"1:{'0' * 64}\n{made['head']}\n")
    both = await run("verify-chain", "--heads", str(heads))
    assert (both.exit_code, "Seal 1 is not the one" in both.stderr) == (1, True)
    heads.write_text("one\n")
    wrong = await run("verify-chain", "--heads", str(heads))
    assert (wrong.exit_code, "line 1 of" in wrong.stderr) == (1, True)
    heads.write_text("\n")
    empty = await run("verify-chain", "--heads", str(heads))
    assert (empty.exit_code, "holds no head" in empty.stderr) == (1, True)
