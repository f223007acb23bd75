"""`callback`, and the doctor's look at accounts with rails: by the command line, on real servers."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from command_line import run
from databases import Database
from ledger_samples import an_attempt
from typer.testing import Result
from wechatpay_adapters import Forge

import gateway
from commands.callback import headers_of
from commands.doctor import _accounts
from config import Settings, load, read_rails
from core.errors import BadInput
from core.messages import Actor, Withdrawal
from core.movements import Leg, adjustment
from core.withdrawal.payouts import RailTerms
from core.withdrawal.policy import WithdrawalPolicy
from inbound.wechatpay import TRANSFER
from ledger.adjusting import post_adjustments
from ledger.payout_accounts import Binding
from ledger.pool import open_pool
from ledger.register import Register
from local.standins import StandIns
from local.temporal import Temporal

KEY = "zyxwvutsrqponmlkjihgfedcba"
BILL = {
    "out_bill_no": KEY,
    "transfer_bill_no": "1330000071100999991182020050700019480001",
    "state": "SUCCESS",
    "transfer_amount": 10_000,
    "openid": "o-1",
}


@pytest.fixture
def forge_of_standins(standins: StandIns) -> Forge:
    """Signs as the stand-in WeChat Pay does."""
    return Forge(standins.rails_file.parent)


@pytest.fixture(autouse=True)
def _environment(
    standins: StandIns,
    database: Database,
    money_temporal: Temporal,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One test's own database, the session's Temporal, and an account at the stand-in as a file would name it."""
    text = standins.rails_file.read_text(encoding="utf-8").replace('"/wechatpay"', f'"{standins.url}/wechatpay"')
    for name in ("merchant_key.pem", "platform_public.pem"):
        text = text.replace(f'"{name}"', f'"{standins.rails_file.parent / name}"')
    (tmp_path / "rails.toml").write_text(text, encoding="utf-8")
    for name, value in {
        "DATABASE_URL": database.worker_dsn,
        "TEMPORAL_ADDRESS": money_temporal.address,
        "DAKUAN_RAILS": str(tmp_path / "rails.toml"),
        "DAKUAN_HOME": str(tmp_path / "var"),
    }.items():
        monkeypatch.setenv(name, value)


async def _payout(dsn: str, owner_dsn: str, withdrawal_id: str) -> None:
    """A payout of 100.00 over the transfer rail, on the wire."""
    now, pool = datetime.now(UTC), await open_pool(dsn)
    register = Register(pool)
    await register.accounts.bind(
        Binding(
            account_id="acc",
            merchant_id="m-1",
            kind="wallet",
            currency="CNY",
            holder="李伟",
            last4="4242",
            rail="wechatpay_transfer",
            rail_token="o-1",
        ),
        now=now,
    )
    legs = [Leg("psp/sandbox", "merchant/m-1/available", 10_000)]
    await post_adjustments(owner_dsn, [adjustment("opening/m-1", "CNY", now, legs)])
    withdrawal = Withdrawal(
        withdrawal_id=withdrawal_id,
        merchant_id="m-1",
        amount_minor=10_000,
        currency="CNY",
        account_id="acc",
        requested_by=Actor(role="merchant", id="m-1"),
    )
    await register.withdrawals.reserve(withdrawal, WithdrawalPolicy(), now=now)
    await register.payouts.open(an_attempt(withdrawal, key=KEY, at=now), RailTerms())
    await pool.close()


async def _end(withdrawal_id: str) -> list[str]:
    """End the notified workflow; returns its signals."""
    client = await gateway.connect(load())
    handle = client.get_workflow_handle(f"withdrawal-{withdrawal_id}")
    history = await handle.fetch_history()
    await handle.terminate()
    signals = (event.workflow_execution_signaled_event_attributes for event in history.events)
    return [attributes.signal_name for attributes in signals if attributes.signal_name]


def called_back(tmp_path: Path, body: bytes, headers: dict[str, str], *, as_lines: bool = False) -> Result:
    (tmp_path / "body").write_bytes(body)
    lines = "\n".join(f"{name}: {value}" for name, value in headers.items())
    (tmp_path / "headers").write_text(lines if as_lines else json.dumps(headers), encoding="utf-8")
    options = ("--file", str(tmp_path / "body"), "--headers", str(tmp_path / "headers"))
    return run("callback", "wechatpay", *options, "--json")


def test_a_callback_of_the_command_line_reaches_its_withdrawal_once(
    forge_of_standins: Forge, database: Database, tmp_path: Path
) -> None:
    asyncio.run(_payout(database.worker_dsn, database.owner_dsn, "w-callback"))
    body, headers = forge_of_standins.callback(TRANSFER, BILL)
    first = json.loads(called_back(tmp_path, body, headers).stdout)
    assert (first["outcome"], first["withdrawal_id"], first["status"]) == ("reported", "w-callback", 200)
    assert json.loads(first["acknowledgement"]) == {"code": "SUCCESS", "message": "成功"}
    again = json.loads(called_back(tmp_path, body, headers, as_lines=True).stdout)
    assert (again["outcome"], again["repeated"]) == ("reported", True)
    assert asyncio.run(_end("w-callback")) == ["report_payout"]


def test_a_wrong_signature_is_refused_and_an_unknown_number_is_kept(forge_of_standins: Forge, tmp_path: Path) -> None:
    body, headers = forge_of_standins.callback(TRANSFER, {**BILL, "out_bill_no": "nobodys"})
    forged = called_back(tmp_path, body + b" ", headers)
    assert (forged.exit_code, json.loads(forged.stdout)["outcome"]) == (1, "wrong_signature")
    kept = called_back(tmp_path, body, headers)
    assert (kept.exit_code, json.loads(kept.stdout)["outcome"]) == (0, "unknown_payout")


@pytest.mark.parametrize("raw", [b"\xff", b"no colon", b": empty", b'{"a": 1}', b"{", b"[" * 100_000])
def test_headers_in_no_known_form_are_refused(raw: bytes, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--headers"):
        headers_of(raw)
    (tmp_path / "headers").write_bytes(raw)
    (tmp_path / "body").write_bytes(b"{}")
    options = ("--file", str(tmp_path / "body"), "--headers", str(tmp_path / "headers"))
    refused = run("callback", "wechatpay", *options)
    assert refused.exit_code in {1, 2}
    assert "Traceback" not in refused.output


def test_a_provider_that_nobody_configured_is_named(tmp_path: Path) -> None:
    for name in ("body", "headers"):
        (tmp_path / name).write_bytes(b"")
    options = ("--file", str(tmp_path / "body"), "--headers", str(tmp_path / "headers"))
    refused = run("callback", "alipay", *options)
    assert refused.exit_code != 0
    assert "wechatpay" in refused.output


# --- the doctor --------------------------------------------------------------------------------------------


def _found(settings: Settings) -> tuple[bool, str, str]:
    [finding] = asyncio.run(_accounts(settings))
    assert finding.name == "account wechatpay"
    return finding.ok, finding.found, finding.helps


def _changed(settings: Settings, **fields: Any) -> Settings:
    assert settings.rails is not None
    account = settings.rails.accounts["wechatpay"].model_copy(update=fields)
    return settings.model_copy(update={"rails": settings.rails.model_copy(update={"accounts": {"wechatpay": account}})})


def test_the_doctor_says_whether_an_account_is_taken() -> None:
    ok, found, _ = _found(load())
    assert ok
    assert "wechatpay_transfer, wechatpay_withdraw, wechatpay" in found


def test_the_doctor_says_whose_keys_are_wrong(forge: Forge) -> None:
    ok, found, helps = _found(_changed(load(), serial="0" * 40))
    assert (ok, "SIGN_ERROR" in found, "private_key" in helps) == (False, True, True)
    others = forge.rails.accounts["wechatpay"]
    ok, found, helps = _found(_changed(load(), platform_keys=others.platform_keys))
    assert (ok, "signature is wrong" in found, "platform_keys" in helps) == (False, True, True)
    ok, found, helps = _found(_changed(load(), url="http://127.0.0.1:9"))
    assert (ok, "does not answer" in found, "url" in helps) == (False, True, True)


def test_the_doctor_says_which_key_is_none() -> None:
    for fields in ({"private_key": "secret words"}, {"platform_keys": {"PUB_KEY_ID_9": "secret words"}}):
        [finding] = asyncio.run(_accounts(_changed(load(), **fields)))
        assert (finding.ok, "DAKUAN_RAILS: account of merchant 1900000001" in finding.found) == (False, True)
        assert "secret" not in finding.found


def test_without_a_file_there_is_nothing_to_say() -> None:
    assert asyncio.run(_accounts(Settings())) == []
    assert read_rails(load().rails_file or Path(), {}) == load().rails
