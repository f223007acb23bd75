"""What decided something after a moment is found, and goes on from there: the database was restored to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from waiting import until
from withdrawal_stage import WithdrawalStage

import gateway
from gateway.setting_back import MARGIN

LARGE = 3_000_000


async def test_a_withdrawal_that_was_paid_since_is_set_back_and_pays_nothing_again(
    money_stage: WithdrawalStage,
) -> None:
    stage = money_stage
    await stage.furnish()
    async with stage.worker():
        handle = await stage.start(LARGE)
        await stage.phase(handle, "in_approval")
        await stage.send(handle, "approve", "reviewer", "bob")
        await handle.signal("approve", stage.command("operator", "cleo"))
        await stage.phase(handle, "paid")
        begun = (await handle.describe()).start_time
        found = await gateway.ahead_of(stage.client, handle.id, begun + MARGIN)
        assert found is not None
        await until(lambda: _moved_since(stage, begun), lambda ids: handle.id in ids)  # Temporal's list lags
        await gateway.set_back(stage.client, found)
        newest = stage.client.get_workflow_handle(handle.id)
        await stage.phase(newest, "paid")
        assert (await newest.describe()).run_id != found.run_id
    assert await stage.effects() == 1


async def _moved_since(stage: WithdrawalStage, moment: datetime) -> list[str]:
    return [one async for one in gateway.moved_since(stage.client, moment)]


async def test_what_decided_nothing_since_is_left_alone(money_stage: WithdrawalStage) -> None:
    stage = money_stage
    await stage.furnish()
    async with stage.worker():
        handle = await stage.start(LARGE)
        await stage.phase(handle, "in_approval")
        later = datetime.now(UTC) + MARGIN + timedelta(minutes=1)
        assert await gateway.ahead_of(stage.client, handle.id, later) is None
