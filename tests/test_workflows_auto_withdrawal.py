"""Automatic withdrawals: by a real Temporal Schedule for a merchant, and of an order's own proceeds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import ScheduleHandle, ScheduleIntervalSpec, ScheduleSpec, WorkflowFailureError
from temporalio.testing import ActivityEnvironment
from waiting import until
from withdrawal_stage import WithdrawalStage

import gateway
from activities.payout import PayoutActivities
from activities.requests import ScheduledWithdrawalRequest, StartWithdrawalRequest
from core.errors import Refused
from core.ids import AUTO_WITHDRAWAL_WORKFLOW, TASK_QUEUE, automatic_withdrawal_id, scheduled_withdrawal_id
from core.messages import AutomaticWithdrawals, Withdrawal
from core.movements import Leg, adjustment
from core.order.steps import StartedWithdrawal
from core.policy import parse_policy
from core.withdrawal.policy import WithdrawalPolicy
from gateway.schedules import create_schedule, schedule_of
from ledger.adjusting import post_adjustments
from ledger.policies import move_policy

DAILY = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(days=1))])
DUE = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)


def plan_of(stage: WithdrawalStage, **fields: Any) -> AutomaticWithdrawals:
    return AutomaticWithdrawals.model_validate({"merchant_id": stage.merchant, "currency": "CNY", **fields})


@pytest_asyncio.fixture
async def scheduled(money_stage: WithdrawalStage) -> AsyncIterator[WithdrawalStage]:
    """A stage whose schedule ends with the test."""
    yield money_stage
    await _delete(money_stage)
    with pytest.raises(Refused) as gone:
        await _delete(money_stage)
    assert gone.value.code == "unknown_schedule"


async def _delete(stage: WithdrawalStage) -> None:
    async with schedule_of(stage.client, stage.merchant, "CNY") as handle:
        await handle.delete()


async def ran(handle: ScheduleHandle, times: int = 1) -> list[str]:
    """The ids of the workflows that the schedule has started, once there are so many."""
    known = await until(handle.describe, lambda found: len(found.info.recent_actions) >= times)
    return [getattr(one.action, "workflow_id", "") for one in known.info.recent_actions]


# --- by schedule -----------------------------------------------------------------------------------------


async def test_a_schedule_withdraws_what_is_available_less_what_stays(scheduled: WithdrawalStage) -> None:
    stage = scheduled
    await stage.furnish(available=100_000)
    async with stage.worker():
        await create_schedule(stage.client, plan_of(stage, keep_minor=30_000), DAILY, paused=False)
        async with schedule_of(stage.client, stage.merchant, "CNY") as handle:
            await handle.trigger()
            (workflow_id,) = await ran(handle)
        result = await stage.client.get_workflow_handle(workflow_id).result()
        assert result["amount_minor"] == 70_000
        due_at = datetime.fromisoformat(result["due_at"])
        assert result["withdrawal_id"] == scheduled_withdrawal_id(stage.merchant, "CNY", due_at)
        paid = stage.client.get_workflow_handle(f"withdrawal-{result['withdrawal_id']}")
        state = await stage.phase(paid, "paid")
        assert state["withdrawal"]["requested_by"] == {"role": "system", "id": "schedule"}
        await paid.terminate()
    assert (await stage.available(), await stage.effects()) == (30_000, 1)


async def test_a_schedule_that_is_created_twice_is_one_and_another_is_refused(scheduled: WithdrawalStage) -> None:
    stage = scheduled
    await stage.furnish()
    for _ in range(2):
        await create_schedule(stage.client, plan_of(stage), DAILY, paused=True)
    with pytest.raises(Refused) as refused:
        await create_schedule(stage.client, plan_of(stage, keep_minor=1), DAILY, paused=True)
    assert refused.value.code == "schedule_exists"


async def test_a_schedule_of_impossible_times_is_refused(money_stage: WithdrawalStage) -> None:
    spec = ScheduleSpec(cron_expressions=["99 * * * *"])
    with pytest.raises(Refused) as refused:
        await create_schedule(money_stage.client, plan_of(money_stage), spec, paused=True)
    assert refused.value.code == "malformed"


async def test_a_plan_that_cannot_be_read_fails_at_once(money_stage: WithdrawalStage) -> None:
    async with money_stage.worker():
        handle = await money_stage.client.start_workflow(
            AUTO_WITHDRAWAL_WORKFLOW, {"merchant_id": "m 7"}, id="auto-junk", task_queue=TASK_QUEUE
        )
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
    assert gateway.refusal_in(failed.value).code == "malformed"


# --- what is started, and what is not --------------------------------------------------------------------


class Desk:
    """The activities of a stage, and what they started."""

    def __init__(self, stage: WithdrawalStage) -> None:
        self.stage, self.started = stage, list[Withdrawal]()
        self.activities = PayoutActivities(stage.register, self._start)

    async def _start(self, withdrawal: Withdrawal) -> None:
        self.started.append(withdrawal)

    async def due(self, due_at: datetime = DUE, **fields: Any) -> StartedWithdrawal:
        request = ScheduledWithdrawalRequest(plan=plan_of(self.stage, **fields), due_at=due_at, now=datetime.now(UTC))
        return await ActivityEnvironment().run(self.activities.start_scheduled_withdrawal, request)

    async def skipped(self, **fields: Any) -> str:
        answer = await self.due(**fields)
        assert answer.skipped is not None
        assert self.started == []
        return answer.skipped.code

    async def of_order(self, proceeds_minor: int) -> StartedWithdrawal:
        request = StartWithdrawalRequest(
            order_id="A1", merchant_id=self.stage.merchant, currency="CNY", proceeds_minor=proceeds_minor
        )
        return await ActivityEnvironment().run(self.activities.start_withdrawal, request)


async def test_a_time_that_is_tried_again_starts_what_it_started_before(money_stage: WithdrawalStage) -> None:
    stage = money_stage
    await stage.furnish(available=100_000)
    desk = Desk(stage)
    first = await desk.due()
    await stage.register.withdrawals.reserve(desk.started[0], WithdrawalPolicy(), now=datetime.now(UTC))
    await stage.earn("more", 50_000)
    assert await desk.due() == first
    assert desk.started[1] == desk.started[0]
    assert (await desk.due(DUE + timedelta(days=1))).amount_minor == 50_000
    assert len({withdrawal.withdrawal_id for withdrawal in desk.started}) == 2


async def test_more_than_the_policy_allows_at_once_is_withdrawn_in_parts(money_stage: WithdrawalStage) -> None:
    stage = money_stage
    await stage.furnish(available=7_000_000)
    assert (await Desk(stage).due()).amount_minor == 5_000_000


async def test_what_stands_against_it_is_said_and_nothing_is_started(money_stage: WithdrawalStage) -> None:
    stage = money_stage
    await stage.furnish(available=10_000)
    desk, now = Desk(stage), datetime.now(UTC)
    assert await desk.skipped(keep_minor=10_000) == "nothing_available"
    assert await desk.skipped(minimum_minor=10_001) == "below_minimum"
    assert await desk.skipped(account_id="nobodys") == "unknown_account"
    assert await desk.skipped(policy="nobodys") == "unknown_policy"
    text = 'name = "default"\n[withdrawal]\ndaily_count_max = 0\n'
    await move_policy(stage.owner_dsn, parse_policy(text), text, who="ann", why="no more today")
    assert await desk.skipped() == "daily_limit"
    await stage.register.accounts.suspend(stage.account, "stolen", now)
    assert await desk.skipped() == "account_suspended"
    assert await desk.skipped(account_id=stage.account) == "account_suspended"


async def test_who_owes_money_in_a_currency_is_not_paid_in_it_by_schedule(money_stage: WithdrawalStage) -> None:
    stage = money_stage
    await stage.furnish(available=10_000)
    legs = [Leg(f"merchant/{stage.merchant}/receivable", "psp/sandbox", 500)]
    await post_adjustments(stage.owner_dsn, [adjustment(f"clawback/{stage.merchant}", "USD", datetime.now(UTC), legs)])
    assert (await Desk(stage).due()).skipped is None
    assert await Desk(stage).skipped(currency="USD") == "unknown_account"


# --- of an order -----------------------------------------------------------------------------------------


async def test_an_order_withdraws_the_lesser_of_its_proceeds_and_what_is_available(
    money_stage: WithdrawalStage,
) -> None:
    stage = money_stage
    await stage.furnish(available=10_000)
    desk = Desk(stage)
    assert (await desk.of_order(4_000)).amount_minor == 4_000
    assert (await desk.of_order(40_000)).amount_minor == 10_000
    assert {withdrawal.withdrawal_id for withdrawal in desk.started} == {automatic_withdrawal_id("A1")}
    assert {withdrawal.account_id for withdrawal in desk.started} == {stage.account}


async def test_an_order_withdraws_nothing_to_a_suspended_account(money_stage: WithdrawalStage) -> None:
    stage = money_stage
    await stage.furnish(available=10_000)
    await stage.register.accounts.suspend(stage.account, "returned", datetime.now(UTC))
    desk = Desk(stage)
    answer = await desk.of_order(4_000)
    assert answer.skipped is not None
    assert (answer.skipped.code, desk.started) == ("account_suspended", [])
