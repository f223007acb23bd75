"""Records a history of a withdrawal for each of its waits and ends.

Old histories are never deleted once the workflow was released; new ones get new names.
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
from databases import lift_safeguards
from temporalio.client import Client, WorkflowHandle
from withdrawal_stage import WithdrawalStage

import gateway
from commands.schedules import spec_of
from core.messages import AutomaticWithdrawals, ReportPayout
from gateway.connecting import LAST_PAUSE
from gateway.schedules import create_schedule, latest_run, schedule_of
from ledger.book import Book
from ledger.migrate import migrate
from ledger.pool import open_pool
from ledger.register import Register
from local.client import WorldClient
from local.postgres import Postgres
from local.standins import StandIns
from local.temporal import Temporal

HISTORIES = Path(__file__).parents[1] / "histories"
LARGE = 3_000_000
FAILED = {"outcome": "failed", "reference": "B-1", "reason": "the bank's letter"}
Handle = WorkflowHandle[Any, Any]
Story = Callable[[WithdrawalStage], Awaitable[Handle]]


async def in_approval(stage: WithdrawalStage) -> Handle:
    handle = await stage.start(LARGE)
    await stage.phase(handle, "in_approval")
    await stage.send(handle, "approve", "reviewer", "bob")
    return handle


async def rejected(stage: WithdrawalStage) -> Handle:
    handle = await in_approval(stage)
    await stage.send(handle, "reject", "reviewer", "cleo", reason="not this merchant")
    await handle.result()
    return handle


async def rejected_by_silence(stage: WithdrawalStage) -> Handle:
    handle = await in_approval(stage)
    await stage.skip(handle, hours=25)
    await handle.result()
    return handle


async def cancelled(stage: WithdrawalStage) -> Handle:
    handle = await stage.start(LARGE)
    await stage.phase(handle, "in_approval")
    await handle.signal("nonsense", 7)
    await handle.signal("cancel", stage.command("merchant"))
    await handle.result()
    return handle


async def refused(stage: WithdrawalStage) -> Handle:
    handle = await stage.start(4_999_999, withdrawal_id="w-poor", merchant_id="m-poor")
    await stage.until(handle, lambda state: state["phase"] == "refused")
    return handle


async def waits_for_quota(stage: WithdrawalStage) -> Handle:
    await stage.world.refuse_account(stage.token, code="DAILY_LIMIT")
    handle = await stage.start()
    await stage.phase(handle, "approved")
    return handle


async def our_side(stage: WithdrawalStage) -> Handle:
    await stage.world.refuse_account(stage.token, code="OUR_FUNDS")
    handle = await stage.start()
    await stage.phase(handle, "approved")
    await stage.send(handle, "approve", "operator", "ann")
    await stage.until(handle, lambda state: len(state["attempts"]) == 2 and bool(state["holds"]))
    return handle


async def submitted(stage: WithdrawalStage) -> Handle:
    await stage.world.plan_payouts(stage.token, "processing", looks=None)
    handle = await stage.start()
    await stage.phase(handle, "submitted")
    await stage.skip(handle, minutes=10)
    return handle


async def unknown(stage: WithdrawalStage) -> Handle:
    await stage.world.fault("bank", verb="payout", match=stage.token, kind="cut")
    await stage.world.fault("bank", verb="payout_status", match=stage.token, kind="html", times=None)
    handle = await stage.start()
    await stage.phase(handle, "unknown")
    await stage.skip(handle, minutes=10)
    return handle


async def stuck(stage: WithdrawalStage) -> Handle:
    handle = await unknown(stage)
    await stage.skip(handle, days=8)
    await stage.until(handle, lambda state: bool(state["holds"]))
    return handle


async def in_suspense(stage: WithdrawalStage) -> Handle:
    handle = await stuck(stage)
    for person in ("ann", "bob"):
        await stage.send(
            handle, "resolve_unknown", "operator", person, outcome="failed", reference="B-1", reason="told"
        )
    await stage.phase(handle, "in_suspense")
    return handle


async def sent_again(stage: WithdrawalStage) -> Handle:
    await stage.world.fault("bank", verb="payout", match=stage.token, kind="cut_before_effect")
    handle = await stage.start()
    await stage.phase(handle, "unknown")
    await stage.skip(handle, minutes=6)
    await stage.phase(handle, "paid")
    return handle


async def paid(stage: WithdrawalStage) -> Handle:
    handle = await stage.start()
    await stage.phase(handle, "paid")
    return handle


async def final(stage: WithdrawalStage) -> Handle:
    handle = await paid(stage)
    await stage.skip(handle, days=12)
    await handle.result()
    return handle


async def returned(stage: WithdrawalStage) -> Handle:
    handle = await paid(stage)
    await stage.report(handle, "returned", "e-1", 4_000)
    await stage.phase(handle, "returned")
    return handle


async def failed(stage: WithdrawalStage) -> Handle:
    await stage.world.refuse_account(stage.token)
    handle = await stage.start()
    await stage.phase(handle, "failed")
    return handle


async def paid_after_failed(stage: WithdrawalStage) -> Handle:
    handle = await failed(stage)
    await stage.report(handle, "paid", "e-1")
    return handle


async def resumed(stage: WithdrawalStage) -> Handle:
    """A return that comes after the end."""
    handle = await final(stage)
    state = await handle.query("withdrawal")
    fields = {"event_id": "e-1", "key": state["attempts"][0]["key"], "outcome": "returned"}
    body = stage.command("rail", "sandbox", amount_minor=10_000, currency="CNY", **fields)
    again = await gateway.report_payout(stage.client, state["withdrawal_id"], ReportPayout.model_validate(body))
    await again.result()
    return again


async def account_suspended(stage: WithdrawalStage) -> Handle:
    handle = await in_approval(stage)
    await stage.register.accounts.suspend(stage.account, "stolen", datetime.now(UTC))
    await gateway.recheck_withdrawal(stage.client, f"w-{stage.number}-1")
    await handle.result()
    return handle


async def by_schedule(stage: WithdrawalStage) -> Handle:
    """Not the withdrawal, but the workflow that the schedule starts."""
    plan = AutomaticWithdrawals(merchant_id=stage.merchant, currency="CNY", keep_minor=500)
    await create_schedule(stage.client, plan, spec_of("1d", None, None), paused=False)
    async with schedule_of(stage.client, stage.merchant, "CNY") as schedule:
        await schedule.trigger()
        while (workflow_id := latest_run(await schedule.describe())) is None:  # noqa: ASYNC110  # no event to await
            await asyncio.sleep(0.05)
        await schedule.delete()
    handle = stage.client.get_workflow_handle(workflow_id)
    await handle.result()
    return handle


STORIES: tuple[Story, ...] = (
    *(in_approval, rejected, rejected_by_silence, cancelled, refused, waits_for_quota, our_side, submitted, unknown),
    *(stuck, in_suspense, sent_again, paid, final, returned, failed, paid_after_failed),
    *(resumed, account_suspended, by_schedule),
)


async def record(postgres: Postgres, temporal: Temporal, standins: StandIns) -> None:
    """Play each story and write its history."""
    connection = await asyncpg.connect(postgres.owner_dsn)
    await connection.execute("CREATE DATABASE recording")
    await connection.close()
    owner, worker = (f"{dsn.rpartition('/')[0]}/recording" for dsn in (postgres.owner_dsn, postgres.worker_dsn))
    await migrate(owner)
    await lift_safeguards(owner)
    pool = await open_pool(worker)
    client = await Client.connect(temporal.address, data_converter=gateway.DATA_CONVERTER, identity="recorder")
    HISTORIES.mkdir(exist_ok=True)
    async with WorldClient(standins.url) as world:
        for story in [story for story in STORIES if story.__name__ in (sys.argv[1:] or [story.__name__])]:
            stage = WithdrawalStage(client, Book(pool), Register(pool), world, temporal.address, worker, owner)
            await stage.furnish()
            async with stage.worker():
                history = await (await story(stage)).fetch_history()
            await stage.clear()
            await world.clear_faults()
            file = HISTORIES / f"withdrawal_{story.__name__}.json"
            file.write_text(_without_paths(history.to_json()) + "\n", encoding="utf-8")
            print(f"{file.name}: {len(history.events)} events")
    await pool.close()
    await asyncio.sleep(LAST_PAUSE)


def _without_paths(text: str) -> str:
    """A failure's stack trace names files of this machine; replay does not read it."""
    return re.sub(r'"stackTrace": *"(?:[^"\\]|\\.)*"', '"stackTrace": ""', text)


def main() -> None:
    """Start what is needed, record, and leave nothing behind."""
    with tempfile.TemporaryDirectory() as folder:
        servers = (
            Postgres(Path(folder, "pg"), durable=False),
            Temporal(Path(folder, "t")),
            StandIns(Path(folder, "w")),
        )
        try:
            for server in servers:
                server.start()
            asyncio.run(record(*servers))
        finally:
            for server in servers:
                server.stop()
            servers[0].remove()


if __name__ == "__main__":
    main()
