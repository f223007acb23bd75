"""Callbacks: verified, journaled, given to their withdrawal once. One with any error moves nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from databases import Database
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger_samples import an_attempt
from sizes import at_least
from wechatpay_adapters import Forge

from activities.wechatpay.signing import PlatformKeys
from core.errors import Refused, Unavailable, UnreadableAnswer
from core.messages import Actor, ReportPayout, Withdrawal
from core.movements import Leg, adjustment
from core.withdrawal.payouts import RailTerms
from core.withdrawal.policy import WithdrawalPolicy
from inbound.callbacks import LARGEST_CALLBACK, CallbackDesk
from inbound.desk import KEPT_OF_REFUSED, VendorAnswer
from inbound.wechatpay import TRANSFER, WITHDRAW, WechatPayCallbacks
from ledger.book import Book
from ledger.payout_accounts import Binding
from ledger.register import Register

KEY = "abcdefghijklmnopqrstuvwxyz"
NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
BILL = {
    "mch_id": "1900000001",
    "out_bill_no": KEY,
    "transfer_bill_no": "1330000071100999991182020050700019480001",
    "state": "SUCCESS",
    "transfer_amount": 10_000,
    "openid": "o-1",
}
WITHDRAWN = {
    "sub_mchid": "o-1",
    "out_request_no": KEY,
    "withdraw_id": "12321937198237912739132791732912",
    "status": "REFUND",
    "amount": 10_000,
    "reason": "账户冻结",
}
REFUND = {
    "mchid": "1900000001",
    "out_refund_no": "r1",
    "refund_id": "50000000382019052709732678859",
    "refund_status": "SUCCESS",
    "amount": {"total": 999, "refund": 999, "payer_total": 999, "payer_refund": 999},
}


class Heard:
    """A stand-in for withdrawals: keeps the reports, and answers them."""

    def __init__(self) -> None:
        self.events: list[tuple[str, ReportPayout]] = []
        self.error: Exception | None = None

    async def __call__(self, withdrawal_id: str, event: ReportPayout) -> None:
        if self.error is not None:
            raise self.error
        self.events.append((withdrawal_id, event))


async def _charged_nothing(order: object, report: object) -> dict[str, str]:
    raise AssertionError("no order is charged here")


class Ground:
    """A desk with one payout of 100.00 on a rail of WeChat Pay."""

    def __init__(self, database: Database, forge: Forge) -> None:
        self.register, self.book, self.forge, self.database = (
            Register(database.pool),
            Book(database.pool),
            forge,
            database,
        )
        self.heard = Heard()
        account = forge.rails.accounts["wechatpay"]
        self.reader = WechatPayCallbacks(
            "wechatpay",
            PlatformKeys(account.platform_keys),
            account.apiv3_key,
            transfers=["wallet"],
            withdraws=["wechatpay_withdraw"],
        )
        self.desk = CallbackDesk(self.register, {"wechatpay": self.reader}, self.heard, _charged_nothing)

    async def payout(self, rail: str = "wallet") -> None:
        await self.register.accounts.bind(
            Binding(
                account_id="acc",
                merchant_id="m-1",
                kind="wallet",
                currency="CNY",
                holder="李伟",
                last4="4242",
                rail=rail,
                rail_token="o-1",
            ),
            now=NOW,
        )
        legs = [Leg("psp/sandbox", "merchant/m-1/available", 20_000)]
        await Book(self.database.owner).post_all([adjustment("opening/m-1", "CNY", NOW, legs)])
        withdrawal = Withdrawal(
            withdrawal_id="w-1",
            merchant_id="m-1",
            amount_minor=10_000,
            currency="CNY",
            account_id="acc",
            requested_by=Actor(role="merchant", id="m-1"),
        )
        assert (await self.register.withdrawals.reserve(withdrawal, WithdrawalPolicy(), now=NOW)).outcome == "reserved"
        await self.register.payouts.open(an_attempt(withdrawal, key=KEY), RailTerms())

    async def hear(self, event: str, resource: Mapping[str, Any], /, **changed: Any) -> VendorAnswer:
        return await self.desk.receive("wechatpay", *self.forge.callback(event, resource, **changed))

    async def rows(self) -> list[tuple[str, int]]:
        rows = await self.database.pool.fetch("SELECT outcome, repeats FROM callbacks ORDER BY id")
        return [(row["outcome"], row["repeats"]) for row in rows]

    async def journaled(self, key: str) -> list[tuple[str, str, str]]:
        """Outcome, subject and event of the callbacks about a payout or a refund, in order."""
        query = "SELECT outcome, about, event_id FROM callbacks WHERE key = $1 ORDER BY id"
        return [tuple(row) for row in await self.database.pool.fetch(query, key)]


@pytest.fixture
def ground(database: Database, forge: Forge) -> Ground:
    return Ground(database, forge)


# --- what is right -----------------------------------------------------------------------------------------


async def test_a_complaint_calls_an_operator_once_and_moves_nothing(ground: Ground) -> None:
    news = {"complaint_id": "200201820200101080076610000", "action_type": "CREATE_COMPLAINT"}
    answers = [await ground.hear("COMPLAINT.CREATE", news) for _ in range(2)]
    assert [(answer.status, answer.outcome) for answer in answers] == [(200, "noted")] * 2
    (notice,) = await ground.register.notices.read()
    assert (notice.to, notice.name) == ("operator", "complaint")
    assert notice.facts == {"provider": "wechatpay", "complaint": news["complaint_id"], "action": news["action_type"]}


async def test_the_end_of_a_transfer_is_told_to_its_withdrawal(ground: Ground) -> None:
    await ground.payout()
    answer = await ground.hear(TRANSFER, BILL)
    assert (answer.status, answer.outcome, answer.subjects) == (200, "reported", ("w-1",))
    assert answer.body == '{"code":"SUCCESS","message":"成功"}'.encode()
    [(withdrawal_id, event)] = ground.heard.events
    assert withdrawal_id == "w-1"
    assert (event.actor.role, event.actor.id) == ("rail", "wallet")
    assert (event.key, event.outcome, event.amount_minor, event.currency) == (KEY, "paid", 10_000, "CNY")
    assert event.event_id == f"{KEY}-SUCCESS"
    assert await ground.journaled(KEY) == [("reported", "payout", event.event_id)]


async def test_a_failure_comes_with_its_class(ground: Ground) -> None:
    await ground.payout()
    await ground.hear(TRANSFER, {**BILL, "state": "FAIL", "fail_reason": "ACCOUNT_FROZEN"})
    await ground.hear(TRANSFER, {**BILL, "state": "CANCELLED", "fail_reason": "NEVER\u0007SEEN"})
    assert [(event.outcome, event.failure, event.code) for _, event in ground.heard.events] == [
        ("failed", "payee", "ACCOUNT_FROZEN"),
        ("failed", "risk", "NEVERSEEN"),
    ]


async def test_a_bank_return_of_a_withdraw_is_told_as_a_return(ground: Ground) -> None:
    await ground.payout("wechatpay_withdraw")
    assert (await ground.hear(WITHDRAW, WITHDRAWN)).outcome == "reported"
    [(_, event)] = ground.heard.events
    assert (event.outcome, event.amount_minor, event.actor.id) == ("returned", 10_000, "wechatpay_withdraw")


async def test_a_refunds_callback_is_kept_and_its_order_asks_by_itself(ground: Ground) -> None:
    answer = await ground.hear("REFUND.SUCCESS", REFUND)
    assert (answer.status, answer.outcome) == (200, "noted")
    assert [about for _, about, _ in await ground.journaled("r1")] == ["refund"]
    assert ground.heard.events == []


async def test_a_payee_is_known_by_the_end_of_a_number_that_only_the_vault_knows(ground: Ground) -> None:
    await ground.payout()
    assert (await ground.hear(TRANSFER, {**BILL, "openid": "o-MYE42l80oelYMDE34nYD4564242"})).outcome == "reported"


# --- again and again ---------------------------------------------------------------------------------------


async def test_a_callback_that_comes_a_thousand_times_is_told_once(ground: Ground) -> None:
    await ground.payout()
    body, headers = ground.forge.callback(TRANSFER, BILL)
    for _ in range(200):
        answer = await ground.desk.receive("wechatpay", body, headers)
    assert (answer.repeated, answer.outcome, answer.status) == (True, "reported", 200)
    assert len(ground.heard.events) == 1
    assert await ground.rows() == [("reported", 199)]


async def test_an_event_under_new_numbers_and_signatures_is_told_once(ground: Ground) -> None:
    await ground.payout()
    for _ in range(5):
        await ground.hear(TRANSFER, BILL)
    assert len(ground.heard.events) == 1
    assert [outcome for outcome, _ in await ground.rows()] == ["reported", *["repeated"] * 4]
    assert await ground.database.pool.fetchval("SELECT count(*) FROM callbacks WHERE body IS NOT NULL") == 1


async def test_callbacks_at_the_same_moment_are_one_command(ground: Ground) -> None:
    await ground.payout()
    body, headers = ground.forge.callback(TRANSFER, BILL)
    answers = await asyncio.gather(*(ground.desk.receive("wechatpay", body, headers) for _ in range(8)))
    assert {answer.status for answer in answers} == {200}
    assert len({event.command_id for _, event in ground.heard.events}) == 1
    assert [outcome for outcome, _ in await ground.rows()] == ["reported"]


async def test_what_broke_off_is_taken_up_when_it_comes_again(ground: Ground) -> None:
    await ground.payout()
    body, headers = ground.forge.callback(TRANSFER, BILL)
    ground.heard.error = Unavailable("Temporal did not answer")
    with pytest.raises(Unavailable):
        await ground.desk.receive("wechatpay", body, headers)
    ground.heard.error = None
    answer = await ground.desk.receive("wechatpay", body, headers)
    assert (answer.outcome, answer.repeated, len(ground.heard.events)) == ("reported", False, 1)


# --- what is wrong -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "outcome"),
    [
        ({"out_bill_no": "nobodys"}, "unknown_payout"),
        ({"transfer_amount": 10_001}, "wrong_amount"),
        ({"transfer_amount": 9_999, "state": "FAIL", "fail_reason": "TRANSFER_RISK"}, "wrong_amount"),
        ({"openid": "o-2"}, "wrong_payee"),
        ({"state": "PROCESSING"}, "nothing_new"),
        ({"state": "BRAND_NEW"}, "nothing_new"),
    ],
)
async def test_a_callback_that_is_not_about_our_payout_moves_nothing(
    ground: Ground, changed: dict[str, Any], outcome: str
) -> None:
    await ground.payout()
    answer = await ground.hear(TRANSFER, {**BILL, **changed})
    assert (answer.status, answer.outcome) == (200, outcome)
    assert ground.heard.events == []
    assert await ground.rows() == [(outcome, 0)]


async def test_a_callback_for_another_rail_moves_nothing(ground: Ground) -> None:
    await ground.payout("sandbox")
    assert (await ground.hear(TRANSFER, BILL)).outcome == "other_rail"
    assert (await ground.hear(WITHDRAW, WITHDRAWN)).outcome == "other_rail"
    assert ground.heard.events == []


async def test_a_withdrawal_that_does_not_take_it_is_noted(ground: Ground) -> None:
    await ground.payout()
    ground.heard.error = Refused("not_running", "No workflow runs.")
    answer = await ground.hear(TRANSFER, BILL)
    assert (answer.status, answer.outcome) == (200, "refused")
    assert "not_running" in answer.detail


@pytest.mark.parametrize(
    "change",
    [
        {"wechatpay-signature": "AAAA"},
        {"wechatpay-signature": ""},
        {"wechatpay-signature": "WECHATPAY/SIGNTEST/abc"},
        {"wechatpay-nonce": "other"},
        {"wechatpay-serial": "PUB_KEY_ID_OTHER"},
        {"wechatpay-timestamp": "1700000000"},
        {"wechatpay-timestamp": "soon"},
        {"wechatpay-signature-type": "WECHATPAY2-SM2-WITH-SM3"},
    ],
)
async def test_a_callback_that_wechat_pay_did_not_sign_is_refused(ground: Ground, change: dict[str, str]) -> None:
    await ground.payout()
    body, headers = ground.forge.callback(TRANSFER, BILL)
    forged = {**{name.lower(): value for name, value in headers.items()}, **change}
    answer = await ground.desk.receive("wechatpay", body, forged)
    assert (answer.status, answer.outcome) == (401, "wrong_signature")
    assert json.loads(answer.body)["code"] == "FAIL"
    assert ground.heard.events == []
    # The forged one does not stand in the way of the true one.
    assert (await ground.desk.receive("wechatpay", body, headers)).outcome == "reported"


async def test_a_changed_body_is_refused(ground: Ground) -> None:
    body, headers = ground.forge.callback(TRANSFER, BILL)
    assert (await ground.desk.receive("wechatpay", body + b" ", headers)).outcome == "wrong_signature"


async def test_a_callback_that_is_too_large_is_refused_and_hardly_kept(ground: Ground) -> None:
    answer = await ground.desk.receive("wechatpay", b"x" * (LARGEST_CALLBACK + 1), {})
    assert (answer.status, answer.outcome) == (413, "too_large")
    assert await ground.database.pool.fetchval("SELECT max(length(body)) FROM callbacks") == KEPT_OF_REFUSED


@pytest.mark.parametrize(
    ("event", "resource", "changed"),
    [
        (TRANSFER, {}, {}),
        (TRANSFER, {**BILL, "transfer_amount": "10000"}, {}),
        (TRANSFER, {**BILL, "transfer_amount": None}, {}),
        (TRANSFER, {**BILL, "out_bill_no": "drop table; --"}, {}),
        (TRANSFER, {**BILL, "out_bill_no": "a\u0000b"}, {}),
        (TRANSFER, BILL, {"resource": {"algorithm": "NONE", "ciphertext": "", "nonce": ""}}),
        (
            TRANSFER,
            BILL,
            {"resource": {"algorithm": "AEAD_AES_256_GCM", "ciphertext": "AAAA", "nonce": "0123456789ab"}},
        ),
        (TRANSFER, BILL, {"resource": None}),
        (TRANSFER, BILL, {"resource_type": "plain"}),
    ],
)
async def test_a_signed_callback_that_cannot_be_read_is_refused(
    ground: Ground, event: str, resource: dict[str, Any], changed: dict[str, Any]
) -> None:
    await ground.payout()
    answer = await ground.hear(event, resource, **changed)
    assert (answer.status, answer.outcome) == (400, "unreadable")
    assert ground.heard.events == []


@pytest.mark.parametrize("event", ["TRANSACTION.SUCCESS", "PROFITSHARING", "COUPON.USE"])
async def test_a_signed_callback_about_something_else_is_received(ground: Ground, event: str) -> None:
    await ground.payout()
    answer = await ground.hear(event, {"transaction_id": "4200"})
    assert (answer.status, answer.outcome, json.loads(answer.body)["code"]) == (200, "noted", "SUCCESS")
    assert event in answer.detail
    assert ground.heard.events == []


async def test_a_provider_that_nobody_configured_is_refused(ground: Ground) -> None:
    with pytest.raises(Refused, match="those that do: wechatpay"):
        await ground.desk.receive("alipay", b"{}", {})


@settings(max_examples=at_least(200), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=300), headers=st.dictionaries(st.text(max_size=20), st.text(max_size=30), max_size=4))
def test_no_bytes_break_the_reader(forge: Forge, body: bytes, headers: dict[str, str]) -> None:
    account = forge.rails.accounts["wechatpay"]
    reader = WechatPayCallbacks("wechatpay", PlatformKeys(account.platform_keys), account.apiv3_key)
    assert reader.why_not(body, headers) is not None
    with pytest.raises(UnreadableAnswer):
        reader.read(body)


# --- what is kept ------------------------------------------------------------------------------------------


async def test_raw_bodies_are_forgotten_after_their_time_and_outcomes_are_not(ground: Ground) -> None:
    await ground.payout()
    body, headers = ground.forge.callback(TRANSFER, BILL)
    await ground.desk.receive("wechatpay", body, headers)
    await ground.desk.receive("wechatpay", b"{}", {})
    assert await ground.register.callbacks.purge(datetime.now(UTC) - timedelta(days=90)) == (0, 0)
    await ground.database.owner.execute("UPDATE dakuan.callbacks SET received_at = now() - interval '91 days'")
    assert await ground.register.callbacks.purge(datetime.now(UTC) - timedelta(days=90)) == (1, 1)
    [row] = await ground.database.pool.fetch("SELECT body, outcome FROM callbacks")
    assert (row["body"], row["outcome"]) == (None, "reported")
    assert await ground.register.callbacks.purge(datetime.now(UTC) - timedelta(days=7)) == (0, 0)
    # That it came, and its outcome, are never purged.
    assert (await ground.desk.receive("wechatpay", body, headers)).repeated
