"""An account's number reaches the rail when it is paid to, and nothing else: no table, history, log or answer."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ledger_samples import NOW, a_withdrawal, an_attempt, bound, earned
from temporalio.testing import ActivityEnvironment
from temporalio.worker import Worker
from waiting import until
from withdrawal_stage import STRICT, WithdrawalStage

from activities.by_name import ByName
from activities.http import HttpClient
from activities.money import MoneyActivities
from activities.rails.base import Payee, PayoutInstruction
from activities.rails.sandbox import SandboxRail
from activities.withdrawal import WithdrawalActivities
from core.errors import Unavailable
from core.ids import TASK_QUEUE
from core.messages import Actor
from core.payout_accounts import Bank, judge_number
from core.withdrawal.payouts import PayoutResult, RailTerms
from core.withdrawal.policy import WithdrawalPolicy
from core.withdrawal.steps import Pay, Query
from ledger.book import Book
from ledger.payout_accounts import Binding
from ledger.register import Register
from ledger.vault import Vault
from local.client import WorldClient
from local.postgres import Postgres
from worker import plugin

CARD, OTHER_CARD = "6222021234567894", "4111111111111111"
VAULT = Vault({"k1": bytes(range(32))})
ROTATED = Vault({"k2": bytes(range(2, 34)), "k1": bytes(range(32))})
ANN = Actor(role="operator", id="ann")
KEY = "key1"
_ABOUT: dict[str, Any] = {
    "at": NOW,
    "withdrawal_id": "W1",
    "merchant_id": "m-1",
    "account_id": "acc-m-1",
    "account_version": 2,
    "number": 1,
    "key": KEY,
    "rail": "sandbox",
    "amount_minor": 500,
    "currency": "CNY",
}


class Talkative:
    """A rail that keeps its instructions, and repeats the number in its answers, as real ones do."""

    name = "sandbox"
    terms = RailTerms(dedup_window=timedelta(days=6), query_window=timedelta(days=90))
    key_pattern = re.compile(r"[A-Za-z0-9]{1,32}")

    def __init__(self, inner: SandboxRail | None = None) -> None:
        self.instructions: list[PayoutInstruction] = []
        self.looked: list[PayoutInstruction] = []
        self._inner = inner

    @property
    def numbers(self) -> list[str]:
        """The numbers of its instructions, opened."""
        return [one.account.number.get_secret_value() for one in self.instructions if one.account.number]

    async def pay(self, instruction: PayoutInstruction) -> PayoutResult:
        self.instructions.append(instruction)
        logging.getLogger("rail").info("paying %r %s %s", instruction, instruction.model_dump(), instruction)
        result = await self._inner.pay(instruction) if self._inner else PayoutResult(outcome="unknown")
        about = self.numbers[-1] if self.numbers else instruction.account.token
        return result.model_copy(update={"message": f"account {about} accepted"})

    async def query(self, instruction: PayoutInstruction) -> PayoutResult:
        self.looked.append(instruction)
        spaced = " ".join(re.findall("....", CARD))
        return PayoutResult(outcome="unknown", message=f"account {spaced} is being looked at")


# --- paying ----------------------------------------------------------------------------------------------


async def _opened(register: Register, book: Book, card: str = CARD, bank: Bank | None = None) -> None:
    """A withdrawal with an attempt that was not sent yet."""
    await earned(register, book, 1000)
    number = judge_number("bank_card", card)
    await bound(register, number=number, vault=VAULT, bank=bank or Bank())
    await register.withdrawals.reserve(a_withdrawal(), WithdrawalPolicy(), now=NOW)
    await register.payouts.open(an_attempt(a_withdrawal(), key=KEY), Talkative.terms)


def _paying(register: Register, book: Book, rail: Talkative, vault: Vault) -> WithdrawalActivities:
    return WithdrawalActivities(register, ByName(stand_in=lambda _: rail), vault=vault)


def _pay(*, resend: bool = False) -> Pay:
    return Pay(**_ABOUT, send_by=NOW + timedelta(hours=1), resend=resend)


async def test_a_rail_is_told_the_number_and_answers_are_kept_without_it(register: Register, book: Book) -> None:
    rail = Talkative()
    await _opened(register, book, bank=Bank("中国银行", "102331000013"))
    result = await ActivityEnvironment().run(_paying(register, book, rail, VAULT).pay, _pay())
    assert rail.numbers == [CARD]
    assert result.message == "account …7894 accepted"
    account = rail.instructions[0].account
    assert (account.kind, account.bank_name, account.bank_code) == ("bank_card", "中国银行", "102331000013")
    looked = await ActivityEnvironment().run(
        _paying(register, book, rail, VAULT).query, Query(**_ABOUT, decided="unknown")
    )
    assert looked.message == "account …7894 is being looked at"
    assert rail.looked[0].account.number is None


async def test_the_identical_request_goes_again_after_a_rotation_and_a_change(
    register: Register, owners: Register, book: Book
) -> None:
    rail = Talkative()
    await _opened(register, book)
    await ActivityEnvironment().run(_paying(register, book, rail, VAULT).pay, _pay())
    await register.payouts.update(KEY, "unknown", when=["sending"], now=NOW)
    await owners.accounts.reseal(ROTATED, by=ANN, why="rotation", now=NOW)
    await bound(register, number=judge_number("bank_card", OTHER_CARD), vault=ROTATED)
    await ActivityEnvironment().run(_paying(register, book, rail, ROTATED).pay, _pay(resend=True))
    assert rail.instructions[0] == rail.instructions[1]
    assert rail.numbers == [CARD, CARD]


async def test_a_worker_without_the_key_sends_nothing_and_leaves_it_to_one_that_has_it(
    register: Register, book: Book
) -> None:
    rail = Talkative()
    await _opened(register, book)
    for vault in (Vault({}), Vault({"k1": bytes(32)})):
        with pytest.raises(Unavailable):
            await ActivityEnvironment().run(_paying(register, book, rail, vault).pay, _pay())
    attempt = await register.payouts.get(KEY)
    assert attempt is not None
    assert (attempt.state, rail.instructions) == ("open", [])
    await ActivityEnvironment().run(_paying(register, book, rail, VAULT).pay, _pay())
    assert rail.numbers == [CARD]


async def test_an_account_that_only_its_rail_knows_is_paid_by_its_token(register: Register, book: Book) -> None:
    rail = Talkative()
    await earned(register, book, 1000)
    await register.withdrawals.reserve(a_withdrawal(), WithdrawalPolicy(), now=NOW)
    await register.payouts.open(an_attempt(a_withdrawal(), key=KEY), rail.terms)
    result = await ActivityEnvironment().run(_paying(register, book, rail, Vault({})).pay, _pay())
    assert result.message == "account tok accepted"
    assert (rail.instructions[0].account.token, rail.instructions[0].account.number) == ("tok", None)


def test_no_text_of_an_instruction_holds_the_number() -> None:
    payee = Payee(token="tok", last4="7894", holder="茶店", number=judge_number("bank_card", CARD).number)
    instruction = PayoutInstruction(key=KEY, amount_minor=1, currency="CNY", account=payee)
    shown = (
        repr(instruction),
        str(instruction),
        instruction.model_dump_json(),
        str(instruction.model_dump()),
        f"{payee.number}",
        repr([payee]),
    )
    assert not [text for text in shown if CARD in text or "1234567" in text]


# --- from the request to the bank ------------------------------------------------------------------------


async def test_the_number_is_in_no_table_no_file_no_history_and_no_log(
    postgres_server: Postgres,
    money_stage: WithdrawalStage,
    world: WorldClient,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    stage, number = money_stage, judge_number("bank_card", CARD)
    await stage.furnish()
    now = datetime.now(UTC)
    await stage.register.accounts.bind(
        Binding(
            account_id=stage.account,
            merchant_id=stage.merchant,
            currency="CNY",
            holder="Li Wei",
            rail="sandbox",
            rail_token=stage.token,
        ),
        number=number,
        vault=VAULT,
        now=now,
    )
    async with _worker(stage) as rail:
        handle = await stage.start()
        await stage.phase(handle, "paid")
    assert rail.numbers == [CARD]
    assert await stage.effects() == 1

    history = await handle.fetch_history()
    assert CARD not in _everything_in(history.to_json_dict())
    assert CARD not in caplog.text
    assert "paying" in caplog.text
    await _written(postgres_server, "bank_card …7894")
    assert not _files_with(postgres_server, CARD)
    payout = (await world.journal("bank"))[-1]
    assert CARD not in str(payout)


async def _written(server: Postgres, text: str) -> None:
    """Once the server has written a text to its disk: some moments after the commit, since tests give up durability."""
    await until(lambda: asyncio.to_thread(_files_with, server, text))


def _files_with(server: Postgres, text: str) -> list[str]:
    """The files of the server's log of changes with this text: all that it ever wrote is in there first."""
    files = [file for file in (server.data / "pg_wal").glob("*") if file.is_file()]
    return [file.name for file in files if text.encode() in file.read_bytes()]


@asynccontextmanager
async def _worker(stage: WithdrawalStage) -> AsyncIterator[Talkative]:
    async with HttpClient(f"{stage.world.url}/bank", name="bank") as bank:
        rail = Talkative(SandboxRail(bank))
        steps = WithdrawalActivities(stage.register, ByName(stand_in=lambda _: rail), vault=VAULT).all
        activities = [MoneyActivities(stage.book, ByName()).post, *steps]
        async with Worker(
            stage.client,
            task_queue=TASK_QUEUE,
            plugins=[plugin(activities, runner=STRICT)],
            max_cached_workflows=9,
        ):
            yield rail


def _everything_in(value: Any) -> str:
    """All texts of a history; payloads as they were before they became base64."""
    texts = [json.dumps(value)]

    def walk(part: Any) -> None:
        if isinstance(part, dict):
            if isinstance(part.get("data"), str):
                texts.append(base64.b64decode(part["data"]).decode())
            for inner in part.values():
                walk(inner)
        elif isinstance(part, list):
            for inner in part:
                walk(inner)

    walk(value)
    assert any("7894" in text for text in texts)
    return "\n".join(texts)
