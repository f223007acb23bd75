"""Withdrawals over WeChat Pay, whole: real Temporal, PostgreSQL and HTTP, the real adapters and the real callbacks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from temporalio.worker import Worker
from wechatpay_adapters import fresh, standin_adapters
from withdrawal_stage import STRICT, WithdrawalStage

import gateway
from activities.by_name import ByName
from activities.money import MoneyActivities
from activities.wechatpay.signing import PlatformKeys
from activities.withdrawal import WithdrawalActivities
from config import read_rails
from core.ids import TASK_QUEUE
from inbound.callbacks import CallbackDesk
from inbound.desk import VendorAnswer
from inbound.wechatpay import WechatPayCallbacks
from ledger.payout_accounts import Binding
from local.standins import StandIns
from worker import plugin


@asynccontextmanager
async def on_wechat_pay(stage: WithdrawalStage, standins: StandIns, rail: str) -> AsyncIterator[CallbackDesk]:
    """A merchant with money and an account on this rail, a worker, and the desk for callbacks."""
    await stage.furnish()
    stage.token = fresh("o-")
    await stage.register.accounts.bind(
        Binding(
            account_id=stage.account,
            merchant_id=stage.merchant,
            kind="wallet" if rail == "wechatpay_transfer" else "bank_card",
            currency="CNY",
            holder="李伟",
            last4="4242",
            rail=rail,
            rail_token=stage.token,
        ),
        now=datetime.now(UTC),
    )
    account = read_rails(standins.rails_file, {}).accounts["wechatpay"]
    reader = WechatPayCallbacks(
        "wechatpay",
        PlatformKeys(account.platform_keys),
        account.apiv3_key,
        transfers=["wechatpay_transfer"],
        withdraws=["wechatpay_withdraw"],
    )
    report, charge = partial(gateway.report_payout, stage.client), partial(gateway.report_chargeback, stage.client)
    desk = CallbackDesk(stage.register, {"wechatpay": reader}, report, charge)
    async with standin_adapters(standins) as adapters:
        rails: Any = {"wechatpay_transfer": adapters.transfer, "wechatpay_withdraw": adapters.withdraw}
        worker = Worker(
            stage.client,
            task_queue=TASK_QUEUE,
            plugins=[
                plugin(
                    [
                        MoneyActivities(stage.book, ByName()).post,
                        *WithdrawalActivities(stage.register, ByName(rails)).all,
                    ],
                    runner=STRICT,
                )
            ],
            graceful_shutdown_timeout=timedelta(seconds=5),
            sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
        )
        async with worker:
            yield desk


async def called_back(stage: WithdrawalStage, desk: CallbackDesk, about: str, key: str) -> VendorAnswer:
    return await desk.receive("wechatpay", *await stage.world.wechatpay_callback(about, key))


async def test_a_transfer_whose_answer_was_lost_turns_out_paid_once(
    money_stage: WithdrawalStage, standins: StandIns
) -> None:
    async with on_wechat_pay(money_stage, standins, "wechatpay_transfer"):
        await money_stage.world.fault("bank", verb="payout", match=money_stage.token, kind="wrong_signature")
        handle = await money_stage.start(250_000)
        state = await money_stage.phase(handle, "unknown")
        assert await money_stage.available() == 4_750_000
        await money_stage.skip(handle, minutes=2)
        state = await money_stage.phase(handle, "final")
    assert state["attempts"][-1]["outcome"] == "paid"
    assert await money_stage.effects() == 1


async def test_a_payee_who_must_take_the_money_is_waited_for_and_may_let_it_pass(
    money_stage: WithdrawalStage, standins: StandIns
) -> None:
    stage = money_stage
    async with on_wechat_pay(stage, standins, "wechatpay_transfer") as desk:
        await stage.world.plan_payouts(stage.token, "processing", looks=None)
        handle = await stage.start(10_000)
        attempt = (await stage.phase(handle, "submitted"))["attempts"][-1]
        assert attempt["to_confirm"] == f"package-{attempt['key']}"
        assert await stage.reasons(handle) == ["awaiting_payee"]
        await stage.world.finish_payout(attempt["key"], state="failed", code="PAYEE_OVERDUE")
        assert (await called_back(stage, desk, "transfer", attempt["key"])).outcome == "reported"
        state = await stage.phase(handle, "failed")
    assert state["attempts"][-1]["failure"]["code"] == "OVERDUE_CLOSE"
    assert await stage.available() == 5_000_000
    assert await stage.effects() == 0


async def test_a_withdraw_is_paid_by_callback_and_comes_back_by_callback(
    money_stage: WithdrawalStage, standins: StandIns
) -> None:
    stage = money_stage
    async with on_wechat_pay(stage, standins, "wechatpay_withdraw") as desk:
        handle = await stage.start(10_000)
        state = await stage.phase(handle, "submitted")
        key = state["attempts"][-1]["key"]
        answers = [await called_back(stage, desk, "withdraw", key) for _ in range(3)]
        assert [answer.outcome for answer in answers] == ["reported", "repeated", "repeated"]
        await stage.phase(handle, "paid")
        await stage.world.return_payout(key)
        assert (await called_back(stage, desk, "withdraw", key)).outcome == "reported"
        await stage.phase(handle, "returned")
        # The same news again, newly signed, credits nothing again.
        assert (await called_back(stage, desk, "withdraw", key)).outcome == "repeated"
    assert await stage.available() == 5_000_000
    assert await stage.effects() == 1


async def test_a_return_that_comes_after_the_watch_is_over_is_booked(
    money_stage: WithdrawalStage, standins: StandIns
) -> None:
    stage = money_stage
    async with on_wechat_pay(stage, standins, "wechatpay_withdraw") as desk:
        handle = await stage.start(10_000)
        key = (await stage.phase(handle, "submitted"))["attempts"][-1]["key"]
        await called_back(stage, desk, "withdraw", key)
        await stage.phase(handle, "paid")
        await stage.skip(handle, days=20)
        await stage.phase(handle, "final")
        await handle.result()
        await stage.world.return_payout(key)
        assert (await called_back(stage, desk, "withdraw", key)).outcome == "reported"
        await stage.phase(stage.client.get_workflow_handle(handle.id), "returned")
    assert await stage.available() == 5_000_000
