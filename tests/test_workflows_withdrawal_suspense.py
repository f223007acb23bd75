"""A payout that two people call failed: its money stands in suspense for days, on the real stack, killed in between."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from databases import Database
from temporalio.client import WorkflowHandle
from withdrawal_stage import WithdrawalStage

from core.ids import TASK_QUEUE, WITHDRAWAL_WORKFLOW

FAILED = {"outcome": "failed", "reference": "B-1", "reason": "the bank's letter"}
PAID = {"outcome": "paid", "reference": "B-2", "reason": "the bank's second letter"}


async def _two_people(stage: WithdrawalStage, handle: WorkflowHandle[Any, Any], said: dict[str, str]) -> None:
    for person in ("ann", "bob"):
        await stage.send(handle, "resolve_unknown", "operator", person, **said)


async def _stuck(stage: WithdrawalStage, *, effect: bool) -> WorkflowHandle[Any, Any]:
    """A withdrawal whose payout is unknown and late enough for people; the bank has paid where `effect` says so."""
    await stage.furnish()
    kind: Any = "status_after_effect" if effect else "status_before_effect"
    await stage.world.fault("bank", verb="payout", match=stage.token, kind=kind, times=None)
    await stage.world.fault("bank", verb="payout_status", kind="status_before_effect", times=None)
    # A worker that is killed is missed after 2 s, and not after 10.
    handle = await stage.client.start_workflow(
        WITHDRAWAL_WORKFLOW,
        stage.asked(),
        id=f"withdrawal-w-{stage.number}-1",
        task_queue=TASK_QUEUE,
        task_timeout=timedelta(seconds=2),
    )
    await stage.phase(handle, "unknown")
    await stage.skip(handle, days=8)
    return handle


async def test_failed_by_hand_stands_in_suspense_and_is_given_back_days_later(
    money_stage: WithdrawalStage, database: Database
) -> None:
    stage = money_stage
    async with stage.worker():
        handle = await _stuck(stage, effect=False)
        await _two_people(stage, handle, FAILED)
        await stage.phase(handle, "in_suspense")
        assert await database.balance("suspense") == 10_000
        assert await stage.reasons(handle) == ["in_suspense"]
        await stage.skip(handle, days=4)
        assert await stage.available() == 4_990_000
        await stage.skip(handle, days=1, seconds=1)
        await stage.phase(handle, "failed")
    assert await database.balance("suspense") == 0
    assert (await stage.available(), await stage.effects()) == (5_000_000, 0)


async def test_a_bank_that_paid_after_all_is_paid_out_of_suspense(
    money_stage: WithdrawalStage, database: Database
) -> None:
    stage = money_stage
    async with stage.worker():
        handle = await _stuck(stage, effect=True)
        await _two_people(stage, handle, FAILED)
        await stage.phase(handle, "in_suspense")
        await stage.skip(handle, days=2)
        await stage.report(handle, "paid", "ev-1")
        await stage.report(handle, "paid", "ev-1")
        await stage.phase(handle, "paid")
    assert await database.balance("suspense") == 0
    assert await database.balance("rail/sandbox/cash") == -10_000
    assert (await stage.available(), await stage.effects()) == (4_990_000, 1)


async def test_a_word_at_the_very_end_of_suspense_closes_it_once(
    money_stage: WithdrawalStage, database: Database
) -> None:
    """People's "paid" and the deadline that gives the money back, at once: one of them, and the other is a case."""
    stage = money_stage
    async with stage.worker():
        handle = await _stuck(stage, effect=True)
        await _two_people(stage, handle, FAILED)
        await stage.phase(handle, "in_suspense")
        key = (await handle.query("withdrawal"))["attempts"][0]["key"]
        report = stage.command(
            "rail", "sandbox", outcome="paid", event_id="ev-1", key=key, amount_minor=10_000, currency="CNY"
        )
        await asyncio.gather(stage.skip(handle, days=5), handle.signal("report_payout", report))
        state = await stage.until(handle, lambda state: state["booked"] is not None)
        holds = await stage.reasons(handle)
    assert await database.balance("suspense") == 0
    assert state["booked"] == "paid" or "paid_after_failed" in holds


async def test_a_worker_killed_right_after_suspense_moves_it_once(
    money_stage: WithdrawalStage, database: Database, tmp_path: Path
) -> None:
    stage = money_stage
    async with stage.worker():
        handle = await _stuck(stage, effect=False)
    withdrawal_id = f"w-{stage.number}-1"
    with stage.crashing_worker(tmp_path, {"suspense": withdrawal_id}):
        await _two_people(stage, handle, FAILED)
        await stage.phase(handle, "in_suspense")
        await stage.until(handle, lambda state: state["suspended"])
        assert "suspense" in os.listdir(tmp_path)
        await stage.skip(handle, days=5, seconds=1)
        await stage.phase(handle, "failed")
    rows = await database.pool.fetch("SELECT reference FROM movements WHERE reference LIKE 'withdrawal/%'")
    base = f"withdrawal/{withdrawal_id}"
    assert sorted(row["reference"] for row in rows) == [f"{base}/close", f"{base}/reserve", f"{base}/suspense"]
    assert await database.balance("suspense") == 0
    assert await stage.available() == 5_000_000
