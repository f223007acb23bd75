"""Withdrawals that an operator sets back: the register knows what became of them, and the workflow follows."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from databases import Database
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle, WorkflowHistory
from temporalio.worker import Replayer
from waiting import WITHIN
from withdrawal_stage import WithdrawalStage

from worker import plugin

LARGE = 3_000_000
Handle = WorkflowHandle[Any, Any]


async def final(stage: WithdrawalStage) -> Handle:
    """Approved by two people, paid, and no longer watched."""
    handle = await stage.start(LARGE)
    await stage.phase(handle, "in_approval")
    await stage.send(handle, "approve", "reviewer", "bob")
    await handle.signal("approve", stage.command("operator", "cleo"))
    await stage.phase(handle, "paid")
    await stage.skip(handle, days=12)
    return handle


async def returned(stage: WithdrawalStage) -> Handle:
    """Paid, and come back in two parts."""
    handle = await stage.start()
    await stage.phase(handle, "paid")
    await stage.report(handle, "returned", "ev-1", 4_000)
    await stage.report(handle, "returned", "ev-2", 6_000)
    await stage.until(handle, lambda state: state["returns_minor"] == [4_000, 6_000])
    await stage.skip(handle, days=12)
    return handle


async def failed(stage: WithdrawalStage) -> Handle:
    """Refused by the bank, and given back."""
    await stage.world.refuse_account(stage.token, code="ACCOUNT_CLOSED")
    handle = await stage.start()
    await stage.phase(handle, "failed")
    await stage.skip(handle, days=12)
    return handle


async def cancelled(stage: WithdrawalStage) -> Handle:
    """Called off while it waited for the second person."""
    handle = await stage.start(LARGE)
    await stage.phase(handle, "in_approval")
    await stage.send(handle, "approve", "reviewer", "bob")
    await stage.send(handle, "cancel", "merchant")
    return handle


STORIES = {story.__name__: story for story in (final, returned, failed, cancelled)}


async def tasks(handle: Handle) -> list[int]:
    """The workflow tasks that it can be set back to."""
    done = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    return [event.event_id async for event in handle.fetch_history_events() if event.event_type == done]


async def end_of(stage: WithdrawalStage, handle: Handle) -> dict[str, Any]:
    """How its newest run ends; a handle waits for the run that it began with."""
    newest = stage.client.get_workflow_handle(handle.id)
    return dict(await asyncio.wait_for(newest.result(), WITHIN))


async def run_of(handle: Handle) -> str:
    run_id = (await handle.describe()).run_id
    assert run_id is not None
    return run_id


class Known:
    """What is known of a withdrawal, apart from its workflow."""

    def __init__(self, stage: WithdrawalStage, database: Database, handle: Handle) -> None:
        self.stage, self.database = stage, database
        self.withdrawal_id = handle.id.removeprefix("withdrawal-")

    async def all(self) -> dict[str, Any]:
        """The register's row, the books, the notices, and what the bank did."""
        stored = await self.stage.register.withdrawals.known(self.withdrawal_id)
        assert stored is not None
        assert stored.state is not None
        # What it says of commands that came twice may differ, and nothing else.
        said = {name: value for name, value in stored.state.items() if name not in {"inbox", "revision"}}
        pool = self.database.pool
        moved = await pool.fetch(
            "SELECT reference FROM movements WHERE starts_with(reference, $1)", f"withdrawal/{self.withdrawal_id}/"
        )
        notices = await pool.fetch(
            "SELECT seq, name FROM notices WHERE subject = $1 ORDER BY seq", f"withdrawal/{self.withdrawal_id}"
        )
        return {
            "row": {**stored.model_dump(exclude={"state", "revision"}), **said},
            "movements": Counter(row["reference"] for row in moved),
            "notices": [(row["seq"], row["name"]) for row in notices],
            "available": await self.stage.available(),
            "effects": await self.stage.effects(),
        }


@pytest.mark.parametrize("story", STORIES)
async def test_a_reset_to_any_task_ends_as_the_register_says(
    money_stage: WithdrawalStage, database: Database, story: str
) -> None:
    """To each task of its first run; with the commands that came after it, and without them."""
    stage, histories = money_stage, list[WorkflowHistory]()
    await stage.furnish()
    async with stage.worker():
        handle = await STORIES[story](stage)
        first = await handle.result()
        known, run_id, points = Known(stage, database, handle), await run_of(handle), await tasks(handle)
        before = await known.all()
        for again in (True, False):
            for point in points:
                await stage.reset(handle, run_id, point, again=again)
                assert await end_of(stage, handle) == first, (again, point)
                assert await known.all() == before, (again, point)
            histories.append(await handle.fetch_history())
    assert set(before["movements"].values()) == {1}
    for history in histories:
        await Replayer(plugins=[plugin()], workflows=[]).replay_workflow(history)


async def _approved_task(handle: Handle) -> int:
    """The task that took the first approval: what it is set back to waits for approvals."""
    async for event in handle.fetch_history_events():
        accepted = event.workflow_execution_update_accepted_event_attributes
        if accepted.accepted_request.input.name == "approve":
            return int(accepted.accepted_request_sequencing_event_id) + 2
    raise AssertionError("nobody approved it")


async def test_money_that_was_paid_cannot_be_called_off_before_its_approval(
    money_stage: WithdrawalStage, database: Database
) -> None:
    """Set back while no worker runs, so that the cancel is the first message that the workflow gets."""
    stage = money_stage
    await stage.furnish()
    async with stage.worker():
        handle = await final(stage)
        first, run_id = await handle.result(), await run_of(handle)
        known, point = Known(stage, database, handle), await _approved_task(handle)
        before = await known.all()
    for _ in range(2):
        await stage.reset(handle, run_id, point, again=False)
        cancel = stage.command("merchant")
        await handle.signal("cancel", cancel)
        await handle.signal("cancel", cancel)
        rejected = stage.command("reviewer", "dan", reason="not this merchant")
        updates = [asyncio.create_task(stage.code(handle, "reject", rejected)) for _ in range(2)]
        async with stage.worker():
            assert await end_of(stage, handle) == first
            assert await asyncio.gather(*updates) == ["withdrawal_over"] * 2
            journal = await handle.query("journal")
        refused = [entry for entry in journal if entry.get("command_id") == cancel["command_id"]]
        assert [(entry["outcome"], entry["code"]) for entry in refused] == [("refused", "withdrawal_over")] * 2
        assert await known.all() == before


async def test_a_withdrawal_that_waits_follows_a_reset_and_goes_on(
    money_stage: WithdrawalStage, database: Database
) -> None:
    """With nothing due and nothing said: it is where it was, and what comes next is counted once."""
    stage = money_stage
    await stage.furnish()
    async with stage.worker():
        handle = await stage.start(LARGE)
        await stage.phase(handle, "in_approval")
        for person in ("bob", "cleo"):
            await stage.send(handle, "approve", "reviewer", person)
        await stage.phase(handle, "paid")
        await stage.report(handle, "returned", "ev-1", 1_000)
        await stage.until(handle, lambda state: state["returns_minor"] == [1_000])
        await stage.at_rest(handle)
        known, run_id = Known(stage, database, handle), await run_of(handle)
        before = await known.all()
        for point in await tasks(handle):
            await stage.reset(handle, run_id, point, again=False)
            state = await stage.until(handle, lambda state: state.get("returns_minor") == [1_000])
            assert state["phase"] == "returned", point
            await stage.at_rest(handle)
            assert await known.all() == before, point
        await stage.report(handle, "returned", "ev-1", 1_000)
        await stage.report(handle, "returned", "ev-2", LARGE - 1_000)
        await stage.until(handle, lambda state: state["returns_minor"] == [1_000, LARGE - 1_000])
        await stage.skip(handle, days=12)
        assert (await end_of(stage, handle))["phase"] == "returned"
    assert (await stage.available(), await stage.effects()) == (5_000_000, 1)
