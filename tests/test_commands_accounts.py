"""`accounts …` on a real database: what people may bind, and the refusal where they may not."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from command_line import WIDE
from databases import Database
from typer.testing import CliRunner, Result
from withdrawal_stage import WithdrawalStage

from commands.account_changes import print_waiting
from local.wechatpay_keys import RAILS_FILE
from starter import app

CARD, OTHER_CARD = "6222021234567894", "4111111111111111"
KEYS = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
ROTATED = f"k2:AgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fICE=,{KEYS}"
ANN = ("--by", "operator:ann", "--reason", "papers seen")
NAMES = ("TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "DATABASE_OWNER_URL")
OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"


@pytest.fixture(autouse=True)
def _settings(database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Commands find this test's database, and keys."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABASE_URL", database.worker_dsn)
    monkeypatch.setenv("DAKUAN_HOME", str(tmp_path))
    monkeypatch.setenv("DAKUAN_ACCOUNT_KEYS", KEYS)
    monkeypatch.setenv("DAKUAN_BANK_URL", "http://127.0.0.1:9")


def run(*arguments: str, stdin: str | None = None) -> Result:
    """A command. Its output never contains the number."""
    rail = ("--rail", "sandbox") if arguments[0] == "bind" and "--rail" not in arguments else ()
    answered = CliRunner().invoke(app, ["accounts", *arguments, *rail], input=stdin, env=WIDE)
    assert CARD not in answered.output
    assert OTHER_CARD not in answered.output
    return answered


def ask(*arguments: str, stdin: str | None = None) -> dict[str, Any]:
    answered = run(*arguments, "--json", stdin=stdin)
    assert answered.exit_code == 0, answered.output
    return dict(json.loads(answered.stdout))


def refusal(*arguments: str, stdin: str | None = None) -> tuple[str, str | None]:
    """Reason code and field."""
    answered = run(*arguments, "--json", stdin=stdin)
    error = json.loads(answered.stdout)["error"]
    assert answered.exit_code == (2 if error["code"] == "misconfigured" else 1), answered.output
    return error["code"], error["field"]


def named(merchant: str = "m-1", name: str = "杭州茶店(上海)有限公司") -> None:
    ask("merchant", merchant, "--name", name, *ANN)


def bound(
    account: str = "acc", card: str = CARD, *more: str, holder: str = "杭州茶店（上海）有限公司"
) -> dict[str, Any]:
    return ask("bind", "m-1", account, "--holder", holder, *more, stdin=card)


def changes(account: str | None = None) -> list[tuple[str, str]]:
    rows = ask("history", "m-1", *(("--account", account) if account else ()))["changes"]
    return [(row["what"], f"{row['role']}:{row['who']}") for row in rows]


# --- rails -----------------------------------------------------------------------------------------------


@pytest.fixture
def wechatpay(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, rails_folder: Path) -> None:
    """The rails of a WeChat Pay account, and no bank beside them."""
    shutil.copytree(rails_folder, tmp_path, dirs_exist_ok=True)
    rails = (tmp_path / RAILS_FILE).read_text(encoding="utf-8").replace('"/wechatpay"', '"http://127.0.0.1:9"')
    (tmp_path / RAILS_FILE).write_text(rails, encoding="utf-8")
    monkeypatch.setenv("DAKUAN_RAILS", str(tmp_path / RAILS_FILE))
    monkeypatch.delenv("DAKUAN_BANK_URL")


@pytest.mark.usefixtures("wechatpay")
@pytest.mark.parametrize(
    ("more", "number", "refused"),
    [
        (
            ("--kind", "wallet", "--rail", "wechatpay_transfer", "--currency", "JPY"),
            OPENID,
            ("wrong_currency", "currency"),
        ),
        (("--rail", "wechatpay_transfer"), CARD, ("rail_cannot_pay", "kind")),
        (("--kind", "wallet", "--rail", "wechatpay_transfer"), "2088102146225135", ("rail_cannot_pay", "number")),
        (("--rail", "wechatpay_withdraw", "--currency", "USD"), CARD, ("wrong_currency", "currency")),
        (("--kind", "wallet", "--rail", "wechatpay_withdraw"), OPENID, ("rail_cannot_pay", "kind")),
        (("--rail", "sandbox"), CARD, ("rail_cannot_pay", "rail")),
        (("--rail", "mistyped"), CARD, ("rail_cannot_pay", "rail")),
    ],
)
def test_an_account_that_its_rail_can_never_pay_is_refused(
    more: tuple[str, ...], number: str, refused: tuple[str, str]
) -> None:
    named(name="茶店")
    assert refusal("bind", "m-1", "acc", "--holder", "茶店", *more, stdin=number) == refused
    assert ask("list", "m-1")["accounts"] == []


@pytest.mark.usefixtures("wechatpay")
def test_a_misspelt_rail_is_not_paid_by_the_bank_that_takes_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAKUAN_BANK_URL", "http://127.0.0.1:9/bank")
    named(name="茶店")
    given = ("--holder", "茶店", "--kind", "wallet", "--rail")
    for misspelt in ("wechatpay_transferr", "wechatpay-transfer"):
        assert refusal("bind", "m-1", "acc", *given, misspelt, stdin=OPENID) == ("rail_cannot_pay", "rail")
    ask("bind", "m-1", "acc", *given, "our_bank", stdin=OPENID)
    ask("bind", "m-1", "acc2", *given, "wechatpay_transfer_2", stdin=OPENID)


@pytest.mark.usefixtures("wechatpay")
def test_an_account_that_its_rail_can_pay_is_bound_and_not_replaced_by_one_that_it_cannot() -> None:
    named(name="茶店")
    wallet = ("--kind", "wallet", "--rail", "wechatpay_transfer")
    ask("bind", "m-1", "acc", "--holder", "茶店", *wallet, stdin=OPENID)
    change = ("replace", "acc", "--kind", "bank_card", "--reason", "a card")
    assert refusal(*change, stdin=CARD) == ("rail_cannot_pay", "kind")


def test_outside_of_a_local_stack_the_rail_must_be_named() -> None:
    named(name="茶店")
    bind = ["accounts", "bind", "m-1", "acc", "--holder", "茶店", "--json"]
    answered = CliRunner().invoke(app, bind, input=CARD, env=WIDE)
    error = json.loads(answered.stdout)["error"]
    assert (error["code"], error["field"]) == ("malformed", "rail")


# --- binding ---------------------------------------------------------------------------------------------


def test_a_card_is_bound_cools_off_and_shows_only_its_last_four() -> None:
    named()
    answer = bound("acc", "6222 0212-3456 7894\n")
    (account,) = answer["accounts"]
    assert (account["last4"], account["has_number"], account["version"]) == ("7894", True, 1)
    assert account["state"].startswith("cools off until")
    assert answer["hint"] == "UnionPay"
    assert "rail_token" not in account
    assert changes() == [("named", "operator:ann"), ("bound", "merchant:m-1")]
    assert "…7894" in run("list", "m-1").output


def test_the_same_again_is_the_same_and_another_number_must_be_replaced() -> None:
    named()
    bound()
    assert bound("acc", "６２２２０２１２３４５６７８９４")["accounts"][0]["version"] == 1
    bind = ("bind", "m-1", "acc", "--holder", "杭州茶店(上海)有限公司")
    assert refusal(*bind, stdin=OTHER_CARD) == ("account_exists", "account_id")
    replaced = ask("replace", "acc", "--reason", "lost the card", stdin=OTHER_CARD)
    (account,) = replaced["accounts"]
    assert (account["last4"], account["version"], replaced["hint"]) == ("1111", 2, "Visa")
    assert account["state"].startswith("cools off until")
    assert changes()[-1] == ("replaced", "merchant:m-1")


def test_a_number_comes_from_a_file_an_option_or_standard_input(tmp_path: Path) -> None:
    named()
    file = tmp_path / "number"
    file.write_text(f"{CARD}\r\nanother line\n")
    bind = ("bind", "m-1", "acc", "--holder", "杭州茶店(上海)有限公司")
    assert ask(*bind, "--number-file", str(file))["accounts"][0]["version"] == 1
    assert ask(*bind, "--number-file", "-", stdin=CARD)["accounts"][0]["version"] == 1
    assert ask(*bind, "--number", CARD)["accounts"][0]["version"] == 1
    assert refusal(*bind, "--number", CARD, "--number-file", str(file)) == ("malformed", "number")
    assert refusal(*bind, "--number-file", str(tmp_path / "none")) == ("malformed", "number_file")
    assert refusal(*bind, stdin="") == ("malformed", "number")
    file.write_bytes(b"\xff\xfe")
    assert refusal(*bind, "--number-file", str(file)) == ("malformed", "number_file")


@pytest.mark.parametrize(
    ("arguments", "stdin", "refused"),
    [
        (("--holder", "茶店"), "6222021234567895", ("account_number_invalid", "number")),
        (("--holder", "茶店"), "12", ("account_number_invalid", "number")),
        (("--holder", "酒店"), CARD, ("holder_mismatch", "holder")),
        (("--holder", "\u200b"), CARD, ("malformed", "holder")),
        (("--holder", "茶店", "--currency", "XXZ"), CARD, ("malformed", "currency")),
        (("--holder", "茶店", "--kind", "company_account"), "33050161678100000123", ("bank_missing", "bank")),
        (("--holder", "茶店", "--bank-code", "12"), CARD, ("malformed", "bank_code")),
        (("--holder", "茶店", "--kind", "wallet"), CARD, ("account_number_invalid", "number")),
        (("--holder", "茶店", "--kind", "iban"), CARD, ("account_number_invalid", "number")),
        (("--holder", "茶店", "--last4", "1234"), None, ("malformed", "last4")),
        (("--holder", "茶店", "--last4", "12345", "--token", "t"), None, ("malformed", "last4")),
        (("--holder", "茶店", "--last4", "1234", "--token", "t", "--number", CARD), None, ("malformed", "last4")),
        (("--holder", "茶店", "--token", "\n"), CARD, ("malformed", "token")),
        (("--holder", "茶店", "--rail", "a b"), CARD, ("malformed", "rail")),
        (("--holder", "茶店", "--cooling", "soon"), CARD, ("malformed", "cooling")),
        (("--holder", "茶店", "--cooling", "0s"), CARD, ("wrong_actor", "actor")),
        (("--holder", "茶店", "--cooling", "0s", "--by", "operator:ann"), CARD, ("reason_missing", "reason")),
        (("--holder", "茶店", "--by", "merchant:m-2", "--reason", "x"), CARD, ("wrong_actor", "actor")),
        (("--holder", "茶店", "--by", "buyer:b", "--reason", "x"), CARD, ("wrong_actor", "actor")),
        (("--holder", "茶店", "--by", "king:k", "--reason", "x"), CARD, ("malformed", "role")),
        (("--holder", "茶店", "--by", "ann", "--reason", "x"), CARD, ("malformed", "actor")),
        (("--holder", "茶店", "--reason", "x" * 501), CARD, ("malformed", "reason")),
    ],
)
def test_what_cannot_be_bound_says_which_field(
    arguments: tuple[str, ...], stdin: str | None, refused: tuple[str, str]
) -> None:
    named(name="茶店")
    assert refusal("bind", "m-1", "acc", *arguments, stdin=stdin) == refused
    assert ask("list", "m-1")["accounts"] == []
    assert changes() == [("named", "operator:ann")]


def test_a_merchant_nobody_named_binds_nothing() -> None:
    assert refusal("bind", "m-1", "acc", "--holder", "茶店", stdin=CARD) == ("merchant_unnamed", "holder")


def test_without_a_key_no_number_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    named(name="茶店")
    monkeypatch.delenv("DAKUAN_ACCOUNT_KEYS")
    answered = run("bind", "m-1", "acc", "--holder", "茶店", stdin=CARD)
    assert answered.exit_code == 2
    assert "DAKUAN_ACCOUNT_KEYS is not set" in answered.output
    assert "openssl rand -base64 32" in answered.output
    token = ask("bind", "m-1", "acc", "--holder", "茶店", "--token", "tok-1", "--last4", "1234")
    assert token["accounts"][0]["has_number"] is False


@pytest.mark.parametrize("keys", ["k1", "k1:short", "k1:!!", f"{KEYS},{KEYS}", ":" + KEYS[3:], f"{KEYS},"])
def test_a_key_that_is_none_is_refused_without_being_repeated(keys: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAKUAN_ACCOUNT_KEYS", keys)
    answered = run("list", "m-1")
    assert answered.exit_code == 2
    assert "DAKUAN_ACCOUNT_KEYS: entry" in answered.output
    assert KEYS[3:20] not in answered.output


def test_an_operator_shortens_the_cooling_with_a_reason(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    named()
    assert refusal("bind", "m-1", "acc", "--holder", "杭州茶店(上海)有限公司", "--cooling", "0s", *ANN, stdin=CARD) == (
        "misconfigured",
        None,
    )
    monkeypatch.setenv("DATABASE_OWNER_URL", database.owner_dsn)
    assert bound("acc", CARD, "--cooling", "0s", *ANN)["accounts"][0]["state"] == "ready"
    longer = bound("b", CARD, "--cooling", "200h", "--reason", "holidays")
    assert longer["accounts"][0]["state"].startswith("cools off")


def test_a_companys_account_keeps_its_bank_when_only_the_number_changes() -> None:
    named()
    company = ("--kind", "company_account", "--bank", "中国银行", "--bank-code", "102331000013")
    bound("acc", "33050161678100000123", *company)
    (account,) = ask("replace", "acc", "--reason", "moved", stdin="33050161678100000456")["accounts"]
    assert (account["bank_name"], account["bank_code"], account["last4"]) == ("中国银行", "102331000013", "0456")
    assert refusal("replace", "nowhere", "--reason", "moved", stdin=CARD) == ("unknown_account", "account")
    assert refusal("replace", "acc", stdin="33050161678100000456") == ("reason_missing", "reason")


# --- suspending, verifying -------------------------------------------------------------------------------


def test_a_suspended_account_is_resumed_by_an_operator_only() -> None:
    named()
    bound()
    assert refusal("suspend", "acc", "--by", "merchant:m-1") == ("reason_missing", "reason")
    assert refusal("suspend", "acc", "--reason", "lost") == ("malformed", "by")
    answer = ask("suspend", "acc", "--by", "merchant:m-1", "--reason", "lost phone")
    assert answer["state"] == "suspended by merchant:m-1: lost phone"
    assert refusal("suspend", "acc", *ANN) == ("account_suspended", "account")
    assert refusal("resume", "acc", "--by", "merchant:m-1", "--reason", "found it") == ("wrong_actor", "actor")
    assert "suspended_at" in ask("resume", "acc", *ANN)
    assert refusal("resume", "acc", *ANN) == ("not_suspended", "account")
    assert [what for what, _ in changes("acc")] == ["bound", "suspended", "resumed"]


def test_a_new_name_suspends_accounts_under_the_old_one_until_they_are_replaced() -> None:
    named(name="茶店")
    bound(holder="茶店")
    (account,) = ask("merchant", "m-1", "--name", "新茶店", *ANN)["accounts"]
    assert account["state"] == "suspended by operator:ann: holder_mismatch"
    assert refusal("resume", "acc", *ANN) == ("holder_mismatch", "holder")
    replaced = ask("replace", "acc", "--holder", "新茶店", "--reason", "renamed", stdin=CARD)
    assert replaced["accounts"][0]["state"].startswith("suspended by operator:ann")
    ask("resume", "acc", *ANN)
    assert ask("merchant", "m-1")["legal_name"] == "新茶店"


def test_an_account_is_verified_once_for_each_version() -> None:
    named()
    bound()
    assert refusal("verify", "acc", "--by", "merchant:m-1", "--reason", "it is mine") == ("wrong_actor", "actor")
    assert ask("verify", "acc", *ANN)["verified_at"] is not None
    assert refusal("verify", "acc", *ANN) == ("already_verified", "account")
    (account,) = ask("replace", "acc", "--reason", "lost", stdin=OTHER_CARD)["accounts"]
    assert account["verified_at"] is None
    ask("verify", "acc", *ANN)


def test_only_operators_name_merchants() -> None:
    assert refusal("merchant", "m-1", "--name", "x", "--by", "merchant:m-1", "--reason", "me") == (
        "wrong_actor",
        "actor",
    )
    assert refusal("merchant", "m-1", "--name", " ", *ANN) == ("malformed", "name")
    assert refusal("merchant", "m 1", "--name", "x", *ANN) == ("malformed", "merchant")
    assert ask("merchant", "m-1") == {"merchant_id": "m-1", "legal_name": None, "accounts": []}


async def test_what_waits_for_a_suspended_account_is_told_at_once(
    money_stage: WithdrawalStage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = money_stage
    await stage.furnish()
    async with stage.worker():
        handle = await stage.start(3_000_000)
        await stage.phase(handle, "in_approval")
        await stage.register.accounts.suspend(stage.account, "stolen", datetime.now(UTC))
        monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
        await print_waiting(stage.register, stage.merchant, [stage.account])
        assert "Withdrawals that wait for it (1) could not be reached" in capsys.readouterr().err
        monkeypatch.setenv("TEMPORAL_ADDRESS", stage.address)
        await print_waiting(stage.register, stage.merchant, [stage.account])
        assert (await handle.result())["phase"] == "cancelled"


# --- rotation --------------------------------------------------------------------------------------------


def test_a_rotation_seals_all_again_and_the_old_key_can_go(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    named()
    bound()
    monkeypatch.setenv("DATABASE_OWNER_URL", database.owner_dsn)
    monkeypatch.setenv("DAKUAN_ACCOUNT_KEYS", ROTATED)
    assert ask("reseal", *ANN) == {"resealed": 1, "secrets": 0, "key_id": "k2"}
    assert ask("reseal", *ANN) == {"resealed": 0, "secrets": 0, "key_id": "k2"}
    monkeypatch.setenv("DAKUAN_ACCOUNT_KEYS", ROTATED.split(",")[0])
    assert bound()["accounts"][0]["version"] == 1
    monkeypatch.setenv("DAKUAN_ACCOUNT_KEYS", f"k3:{KEYS[3:]}")
    assert refusal("reseal", *ANN)[0] == "unavailable"
    monkeypatch.delenv("DAKUAN_ACCOUNT_KEYS")
    assert refusal("reseal", *ANN)[0] == "misconfigured"
    assert refusal("reseal", "--by", "merchant:m-1", "--reason", "x")[0] == "wrong_actor"


# --- command ids -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("again", "another"),
    [
        (("suspend", "acc", "--by", "operator:ann", "--reason", "stolen"), ("suspend", "acc", *ANN)),
        (("verify", "acc", *ANN), ("verify", "acc", "--by", "operator:ann", "--reason", "seen twice")),
        (("merchant", "m-1", "--name", "Tea", *ANN), ("merchant", "m-1", "--name", "Coffee", *ANN)),
    ],
    ids=lambda words: words[0],
)
def test_a_command_under_its_id_changes_accounts_once(again: tuple[str, ...], another: tuple[str, ...]) -> None:
    named()
    bound()
    first = ask(*again, "--id", "c-1")
    before = changes()
    assert ask(*again, "--id", "c-1") == first
    assert refusal(*another, "--id", "c-1") == ("command_id_used_with_different_content", "command_id")
    assert refusal("suspend", "acc", *ANN, "--id", "c-1") == ("command_id_used_with_different_content", "command_id")
    assert changes() == before


def test_an_account_is_bound_and_replaced_once_under_an_id() -> None:
    """A replacement that is sent again must not undo the one that came after it."""
    named()
    typed = ("bind", "m-1", "acc", "--holder", "杭州茶店（上海）有限公司", "--id", "c-1")
    first = ask(*typed, stdin=CARD)
    assert ask(*typed, stdin=CARD) == first
    different = ("command_id_used_with_different_content", "command_id")
    assert refusal(*typed, stdin=OTHER_CARD) == different
    lost = ("replace", "acc", "--reason", "lost the card")
    ask(*lost, "--id", "c-2", stdin=OTHER_CARD)
    ask(*lost, "--id", "c-3", stdin=CARD)
    (account,) = ask(*lost, "--id", "c-2", stdin=OTHER_CARD)["accounts"]
    assert (account["last4"], account["version"]) == (CARD[-4:], 3)
    assert refusal(*lost, "--id", "c-2", stdin=CARD) == different
    assert [what for what, _ in changes("acc")] == ["bound", "replaced", "replaced"]


def test_a_command_that_was_refused_may_be_sent_again_under_its_id() -> None:
    named()
    bound()
    resume = ("resume", "acc", *ANN, "--id", "c-1")
    assert refusal(*resume)[0] == "not_suspended"
    ask("suspend", "acc", *ANN)
    ask(*resume)
    assert [what for what, _ in changes("acc")] == ["bound", "suspended", "resumed"]
    assert refusal("suspend", "acc", *ANN, "--id", "no id")[0] == "malformed"
