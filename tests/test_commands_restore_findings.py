"""What `doctor` says after one side was restored to an earlier moment than the other."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from databases import Database
from order_stage import Play
from reconciliation_stage import own_world, stage
from staged_orders import delivered, late
from temporalio.client import Client
from temporalio.worker import Worker
from waiting import until
from withdrawal_stage import STRICT, WithdrawalStage

import gateway
from activities.by_name import ByName
from activities.reconciliation import ReconciliationActivities
from commands import restore_findings
from commands.postgres_findings import DoctorFinding
from config import Settings
from core.ids import TASK_QUEUE
from demo.stage import Stage, StagedOrder
from gateway import sightings
from gateway.sightings import Sighting
from local.postgres import Postgres
from worker import plugin

__all__ = ["own_world", "stage"]

LARGE = 3_000_000
_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def _only_ours(stage: WithdrawalStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is shared, and other tests' workflows are in other databases. What just happened counts, too."""
    everything = sightings.newest

    async def newest(client: Client, _: int) -> list[Sighting]:
        return [
            one for one in await everything(client, 500) if one.workflow_id.startswith(f"withdrawal-w-{stage.number}-")
        ]

    monkeypatch.setattr(gateway, "newest", newest, raising=False)
    monkeypatch.setattr(restore_findings, "SETTLED", timedelta(0))


async def found(stage: WithdrawalStage) -> dict[str, DoctorFinding]:
    rows = await restore_findings.look_for_restore(Settings(database_url=stage.worker_dsn), stage.client)
    return {row.name: row for row in rows}


async def proven(stage: WithdrawalStage) -> dict[str, Any]:
    """A daily comparison of orders, newer than those of other tests."""
    activities = ReconciliationActivities(stage.register, ByName(), ByName())
    async with Worker(stage.client, task_queue=TASK_QUEUE, plugins=[plugin(activities.all, runner=STRICT)]):
        label = f"restored-{next(_numbers)}"
        handle = await gateway.start_reconciliation(stage.client, "orders", "books", datetime.now(UTC), label=label)
        said = dict((await handle.result())["proofs"])
    await until(lambda: sightings.last_proof(stage.client), lambda listed: listed == said)
    return said


async def listed(stage: WithdrawalStage, workflow_id: str, phase: str) -> None:
    """Wait until the list of Temporal, which lags, has it."""
    await until(
        lambda: gateway.newest(stage.client, 1),
        lambda newest: any((one.workflow_id, one.phase) == (workflow_id, phase) for one in newest),
    )


async def agree(order_stage: Stage, order: StagedOrder) -> None:
    """Wait until an order that has just moved agrees: it publishes its phase a moment before or after its record."""

    async def disagreement() -> Any:
        seen = await sightings.sighting(order_stage.client, order.handle.id)
        assert seen is not None
        return await restore_findings._side(order_stage.client, order_stage.register, seen)

    await until(disagreement, lambda found: found is None)


async def test_two_sides_that_agree_are_one_row(stage: WithdrawalStage) -> None:
    async with stage.worker():
        handle = await stage.start(LARGE)
        await stage.phase(handle, "in_approval")
    await listed(stage, handle.id, "in_approval")
    rows = await found(stage)
    assert (rows["restored sides"].ok, rows["restored sides"].found) == (
        True,
        "database and Temporal agree on the newest 1 orders and withdrawals",
    )


async def test_a_database_without_tables_has_its_own_finding_alone(
    stage: WithdrawalStage, postgres_server: Postgres
) -> None:
    without = f"{postgres_server.owner_dsn.rpartition('/')[0]}/postgres"
    assert await restore_findings.look_for_restore(Settings(database_url=without), stage.client) == []


async def test_lives_that_wait_are_watched_and_have_ended_agree(
    stage: WithdrawalStage, order_stage: Stage, play: Play
) -> None:
    async with stage.worker():
        watched = await stage.start()
        await stage.phase(watched, "paid")
        ended, refused = await stage.start(), await stage.start(2**40)
        await stage.phase(ended, "paid")
        await stage.skip(ended, days=12)
        await ended.result()
        await stage.phase(refused, "refused")
    await listed(stage, watched.id, "paid")
    row = (await found(stage))["restored sides"]
    assert row.ok, row.found
    orders = [play() for _ in range(4)]
    await orders[0].start()
    await delivered(orders[1])
    await delivered(orders[2])
    await orders[2].send("confirm_receipt", "buyer")
    await orders[2].days(8)
    await orders[2].handle.result()
    await late(orders[3])
    for order in orders:
        await agree(order_stage, order)


async def test_a_database_of_an_earlier_moment_is_named_with_what_to_do(
    stage: WithdrawalStage, database: Database
) -> None:
    async with stage.worker():
        handle = await stage.start(LARGE)
        await stage.phase(handle, "in_approval")
    await listed(stage, handle.id, "in_approval")
    database.broken = True  # as a restore leaves it: an earlier state, recorded earlier
    await database.owner.execute(
        "UPDATE withdrawals SET state_name = 'reserving', recorded_at = recorded_at - INTERVAL '1 minute'"
    )
    row = (await found(stage))["restored sides"]
    assert (row.ok, row.required) == (False, True)
    assert f"the database is behind Temporal, for {handle.id}" in row.found
    assert "rescue --restored-to" in row.helps


async def test_of_what_has_just_moved_it_is_too_early_to_say(
    stage: WithdrawalStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Doctor is asked right after a restore: that they agree would be false."""
    async with stage.worker():
        handle = await stage.start(LARGE)
        await stage.phase(handle, "in_approval")
    await listed(stage, handle.id, "in_approval")

    async def none(*_: object) -> None: ...

    monkeypatch.setattr(restore_findings, "_row", none)
    monkeypatch.setattr(restore_findings, "SETTLED", timedelta(minutes=5))
    row = (await found(stage))["restored sides"]
    assert row.ok
    assert "agree on 0 of the newest 1 orders" in row.found
    assert "within 300 s it is too early to say" in row.found


async def test_one_that_the_database_lost_is_named(stage: WithdrawalStage, monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage.worker():
        handle = await stage.start(LARGE)
        await stage.phase(handle, "in_approval")
    await listed(stage, handle.id, "in_approval")

    async def none(*_: object) -> None: ...

    monkeypatch.setattr(restore_findings, "_row", none)
    assert f"the database is behind Temporal, for {handle.id}" in (await found(stage))["restored sides"].found


async def test_a_temporal_that_lost_a_workflow_is_named_with_what_to_do(stage: WithdrawalStage) -> None:
    async with stage.worker():
        handle = await stage.start(LARGE)
        await stage.phase(handle, "in_approval")
    await handle.terminate()
    rows = await until(lambda: found(stage), lambda rows: not rows["restored sides"].ok)
    row = rows["restored sides"]
    assert row.required
    assert f"Temporal is behind the database, for {handle.id}" in row.found
    assert "rescue --all" in row.helps


async def test_the_head_of_the_seals_is_compared_with_what_temporal_remembers(
    stage: WithdrawalStage, database: Database
) -> None:
    said = await proven(stage)
    assert said["head"] is not None
    database.broken = True
    rows = await found(stage)
    assert (rows["seals"].ok, "cluster" in rows) == (True, False)
    await database.owner.execute("UPDATE seals SET hash = sha256('another') WHERE number = 1")
    another = (await found(stage))["seals"]
    assert (another.ok, "seal 1 is another than Temporal remembers" in another.found) == (False, True)
    await database.owner.execute("TRUNCATE seals CASCADE")
    lacking = (await found(stage))["seals"]
    assert (lacking.ok, lacking.helps) == (False, restore_findings.BEHIND)
    assert "lacks seal 1, which Temporal remembers (it has none)" in lacking.found


@pytest.mark.parametrize(("cluster", "said"), [("7/2", "another server"), ("{0}/999", "another timeline")])
async def test_books_on_another_server_or_timeline_are_a_remark(
    stage: WithdrawalStage, monkeypatch: pytest.MonkeyPatch, cluster: str, said: str
) -> None:
    proof = await proven(stage)
    system = proof["cluster"].partition("/")[0]

    async def last_proof(_: Client) -> dict[str, Any]:
        return {**proof, "cluster": cluster.format(system)}

    monkeypatch.setattr(gateway, "last_proof", last_proof, raising=False)
    row = (await found(stage))["cluster"]
    assert (row.ok, row.required, said in row.found) == (False, False, True)
