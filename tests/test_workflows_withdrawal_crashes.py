"""Workers killed right after a withdrawal's money moved, while the bank says something else in the gap."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from databases import Database
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle
from waiting import until
from withdrawal_stage import WithdrawalStage

from core.ids import TASK_QUEUE, WITHDRAWAL_WORKFLOW
from ledger.payout_accounts import Binding

Handle = WorkflowHandle[Any, Any]


async def _started(stage: WithdrawalStage, withdrawal_id: str, **fields: Any) -> Handle:
    """A withdrawal whose worker is missed after 2 s, and not after 10."""
    return await stage.client.start_workflow(
        WITHDRAWAL_WORKFLOW,
        stage.asked(withdrawal_id=withdrawal_id, **fields),
        id=f"withdrawal-{withdrawal_id}",
        task_queue=TASK_QUEUE,
        task_timeout=timedelta(seconds=2),
    )


async def _died(folder: Path, effect: str) -> None:
    await until(lambda: asyncio.to_thread((folder / effect).exists))


async def _says(
    stage: WithdrawalStage, handle: Handle, outcome: str, event_id: str, amount_minor: int = 10_000
) -> None:
    """The bank calls back, whether anybody works or not."""
    (attempt,) = await stage.register.payouts.of_withdrawal(handle.id.removeprefix("withdrawal-"))
    money = {"amount_minor": amount_minor, "currency": "CNY"}
    fields = {"key": attempt.key, "outcome": outcome, "event_id": event_id, **money}
    await handle.signal("report_payout", stage.command("rail", "sandbox", **fields))


async def _references(database: Database, withdrawal_id: str) -> list[str]:
    base = f"withdrawal/{withdrawal_id}/"
    rows = await database.pool.fetch("SELECT reference FROM movements WHERE starts_with(reference, $1)", base)
    return sorted(row["reference"].removeprefix(base) for row in rows)


async def test_what_the_bank_says_between_a_closing_and_its_report_contradicts_no_books(
    money_stage: WithdrawalStage, database: Database, tmp_path: Path
) -> None:
    """Paid, and at once back; given back, and then said to be paid; a part back, and then another part.

    Each begins after the last one's worker died: a payout on its way to the bank at that moment would be unknown, and
    the bank is asked about it only after a minute.
    """
    stage = money_stage
    await stage.furnish()
    paid, given, back = (f"w-{stage.number}-{effect}" for effect in ("pay", "void", "return"))
    await _bind_a_closed_account(stage)
    with stage.crashing_worker(tmp_path, {"pay": paid, "void": given, "return": back}):
        handles = [await _started(stage, paid)]
        await _died(tmp_path, "pay")
        await _says(stage, handles[0], "failed", "ev-1")
        handles.append(await _started(stage, given, account_id=f"closed-{stage.number}"))
        await _died(tmp_path, "void")
        await _says(stage, handles[1], "paid", "ev-1")
        handles.append(await _started(stage, back))
        await stage.phase(handles[2], "paid")
        await _says(stage, handles[2], "returned", "ev-1", 4_000)
        await _died(tmp_path, "return")
        await _says(stage, handles[2], "returned", "ev-2", 2_500)
        for handle, wanted in zip(handles, ([10_000], [], [4_000, 2_500]), strict=True):
            await stage.until(handle, _booked(wanted))
        assert [await stage.reasons(handle) for handle in handles] == [[], ["paid_after_failed"], []]
        for handle in handles:
            await handle.terminate()
    assert await _references(database, paid) == ["close", "reserve", "return/1"]
    assert await _references(database, given) == ["close", "reserve"]
    assert await _references(database, back) == ["close", "reserve", "return/1", "return/2"]
    assert (await stage.available(), await stage.effects()) == (4_996_500, 2)


async def test_a_cancel_between_an_attempt_and_its_report_comes_too_late(
    money_stage: WithdrawalStage, database: Database, tmp_path: Path
) -> None:
    """The second approval is an update: history knows of it before the attempt that it allows is opened. If Temporal
    died too, it would be lost otherwise, and nothing would wake the withdrawal that the register says is submitted.
    """
    stage = money_stage
    await stage.furnish()
    withdrawal_id = f"w-{stage.number}-attempt"
    handle = await _started(stage, withdrawal_id, amount_minor=3_000_000)
    with stage.crashing_worker(tmp_path, {"attempt": withdrawal_id}):
        await stage.phase(handle, "in_approval")
        await stage.send(handle, "approve", "reviewer", "bob")
        approving = asyncio.create_task(stage.send(handle, "approve", "reviewer", "cleo"))
        await _died(tmp_path, "attempt")
        accepted = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED
        known = [event async for event in handle.fetch_history_events() if event.event_type == accepted]
        assert len(known) == 2
        cancel = stage.command("merchant")
        await handle.signal("cancel", cancel)
        assert (await approving)["outcome"] in {"accepted", "duplicate"}
        await stage.until(handle, lambda state: state.get("booked") == "paid")
        journal = await handle.query("journal")
        assert await stage.reasons(handle) == []
        await handle.terminate()
    answers = [(entry["verb"], entry.get("code")) for entry in journal]
    assert ("cancel", "already_submitted") in answers
    assert await _references(database, withdrawal_id) == ["close", "reserve"]
    assert (await stage.available(), await stage.effects()) == (2_000_000, 1)


def _booked(returns_minor: list[int]) -> Callable[[dict[str, Any]], bool]:
    return lambda state: state.get("booked") is not None and state["returns_minor"] == returns_minor


async def _bind_a_closed_account(stage: WithdrawalStage) -> None:
    token = f"closed-{stage.number}"
    await stage.world.refuse_account(token, code="PAYEE_REFUSED")
    await stage.register.accounts.bind(
        Binding(
            account_id=token,
            merchant_id=stage.merchant,
            kind="bank_card",
            currency="CNY",
            holder="Li Wei",
            last4="1881",
            rail="sandbox",
            rail_token=token,
            is_default=False,
        ),
        now=datetime.now(UTC),
    )
