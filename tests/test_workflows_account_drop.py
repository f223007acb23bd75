"""Penny drops on the real stack: sent once, booked when paid, verified by its amount, unknown and not failed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from await_faults import Strikes
from databases import Database
from statement_lines import both_sides
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.worker import Interceptor, Worker
from waiting import WITHIN, until
from withdrawal_stage import STRICT, WithdrawalStage

import gateway
from activities.account_drops import AccountDropActivities
from activities.by_name import ByName
from activities.http import HttpClient
from activities.rails.sandbox import SandboxRail
from commands.lost import Restarted, find_lost, open_subjects, restart_all
from core.account_drop.deadlines import look_after
from core.account_drop.state import ACCOUNT_DROP_WORKFLOW, AccountDrop, DropAnswer
from core.ids import TASK_QUEUE
from core.messages import Actor
from core.payout_accounts import judge_number
from ledger.account_drops import StoredDrop
from ledger.payout_accounts import Binding
from ledger.vault import Vault
from worker import plugin

CARD = "6222021234567894"
VAULT = Vault({"k1": bytes(range(32))})
ANN = Actor(role="operator", id="ann")


@asynccontextmanager
async def working(
    stage: WithdrawalStage, vault: Vault = VAULT, interceptors: Sequence[Interceptor] = ()
) -> AsyncIterator[None]:
    async with HttpClient(f"{stage.world.url}/bank", name="bank") as bank:
        activities = AccountDropActivities(stage.register, ByName(stand_in=lambda _: SandboxRail(bank)), vault).all
        plugins = [plugin(activities, runner=STRICT)]
        async with Worker(stage.client, task_queue=TASK_QUEUE, plugins=plugins, interceptors=interceptors):
            yield


@pytest.fixture
async def stage(money_stage: WithdrawalStage) -> WithdrawalStage:
    """A merchant whose card is bound, with its number."""
    await money_stage.furnish()
    await money_stage.register.accounts.bind(
        Binding(
            account_id=money_stage.account,
            merchant_id=money_stage.merchant,
            currency="CNY",
            holder="Li Wei",
            rail="sandbox",
            rail_token=money_stage.token,
        ),
        number=judge_number("bank_card", CARD),
        vault=VAULT,
        now=datetime.now(UTC),
    )
    return money_stage


async def send(stage: WithdrawalStage, key: str, **limits: Any) -> WorkflowHandle[Any, Any]:
    drop = AccountDrop(key=f"{key}{stage.number}", account_id=stage.account, by=ANN, why="first payout", **limits)
    return await gateway.start_account_drop(stage.client, drop)


async def answered(handle: WorkflowHandle[Any, Any]) -> DropAnswer:
    return DropAnswer.model_validate(await handle.result())


async def row(stage: WithdrawalStage, key: str) -> StoredDrop:
    found = await stage.register.drops.get(f"{key}{stage.number}")
    assert found is not None
    return found


async def report(stage: WithdrawalStage, amount: int, at: datetime | None = None) -> str:
    """`verified`, or the reason code."""
    at = at or datetime.now(UTC)
    answer = await stage.register.drops.check_amount(stage.account, amount, by=ANN, why="told", now=at)
    return answer.refusal.code if answer.refusal else "verified"


async def cost(database: Database) -> tuple[int, int]:
    """What the books say that drops have cost, and what left the rail."""
    return await database.balance("expense/rail_fee"), await database.balance("rail/sandbox/cash")


async def test_a_drop_whose_workflow_is_lost_is_found_and_looked_up_and_not_sent_again(
    stage: WithdrawalStage,
) -> None:
    await stage.world.fault("bank", verb="payout", match=stage.token, kind="cut")
    async with working(stage):
        handle = await send(stage, "l")
        await _until(stage, "l", "unknown")
        there = [one async for one in open_subjects(stage.register) if one.workflow_id == handle.id]
        assert await find_lost(stage.client, stage.register, there) == []
        await handle.terminate("for a test")
        (lost,) = await until(lambda: find_lost(stage.client, stage.register, there))  # the list of what runs lags
        noted: list[Restarted] = []
        (done,) = await restart_all(stage.client, stage.register, [lost], noted.append)
        assert (done.outcome, noted) == ("goes_on", [done])
        assert (await restart_all(stage.client, stage.register, [lost], noted.append))[0].outcome == "runs"
        handle = stage.client.get_workflow_handle(handle.id)
        assert (await answered(handle)).state == "paid"
    assert await stage.world.payout_effects(stage.token) == 1
    assert [one async for one in open_subjects(stage.register) if one.workflow_id == handle.id] == []


async def test_a_drop_that_is_set_back_ends_as_the_register_says(stage: WithdrawalStage, database: Database) -> None:
    """At once, where it would wait for its next look."""
    await stage.world.fault("bank", verb="payout", match=stage.token, kind="cut")
    async with working(stage):
        handle = await send(stage, "r")
        await _until(stage, "r", "unknown")
        await stage.skip(handle, minutes=2)
        ended = await answered(handle)
        assert ended.state == "paid", ended
        run_id, first, spent = (await handle.describe()).run_id, await row(stage, "r"), await cost(database)
        assert run_id is not None
        done = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
        points = [event.event_id async for event in handle.fetch_history_events() if event.event_type == done]
        assert len(points) >= 4
        for point in points:
            await stage.reset(handle, run_id, point)
            newest = stage.client.get_workflow_handle(handle.id)
            assert await asyncio.wait_for(answered(newest), WITHIN) == ended, point
    assert await row(stage, "r") == first
    assert (await cost(database), await stage.effects()) == (spent, 1)


async def test_what_was_sent_is_booked_and_telling_it_verifies_the_account(
    stage: WithdrawalStage, database: Database
) -> None:
    async with working(stage):
        assert await answered(await send(stage, "a")) == DropAnswer(state="paid")
        again = await send(stage, "a")
        assert (await answered(again)).state == "paid"
    drop = await row(stage, "a")
    assert 1 <= drop.amount_minor <= 99
    assert await cost(database) == (drop.amount_minor, -drop.amount_minor)
    assert await stage.effects() == 1
    assert await stage.available() == 5_000_000

    wrong = drop.amount_minor % 99 + 1
    assert await report(stage, wrong) == "wrong_drop_amount"
    assert await report(stage, drop.amount_minor) == "verified"
    assert await report(stage, drop.amount_minor) == "already_verified"
    account = await stage.register.accounts.get(stage.account)
    assert account is not None
    assert account.verified_at is not None
    changes = [(change.what, change.detail) for change in await stage.register.accounts.changes(stage.merchant)]
    assert changes[-3:] == [("dropped", ""), ("told_wrong", "tries left: 2"), ("verified", "penny drop")]
    assert str(drop.amount_minor) not in [detail for _, detail in changes]


async def test_a_drop_whose_reports_are_lost_is_sent_and_booked_once(
    stage: WithdrawalStage, database: Database
) -> None:
    strikes = Strikes("unreported")
    async with working(stage, interceptors=[strikes]):
        assert (await answered(await send(stage, "a"))).state == "paid"
    assert set(strikes.struck) == {"open_account_drop", "pay_account_drop"}
    amount = (await row(stage, "a")).amount_minor
    assert (await cost(database), await stage.effects()) == ((amount, -amount), 1)


async def test_the_amount_is_in_no_history(stage: WithdrawalStage) -> None:
    async with working(stage):
        handle = await send(stage, "a")
        await answered(handle)
    history = (await handle.fetch_history()).to_json()
    assert "amount" not in history
    assert CARD not in history


async def test_three_wrong_amounts_are_enough(stage: WithdrawalStage) -> None:
    async with working(stage):
        await answered(await send(stage, "a"))
        amount = (await row(stage, "a")).amount_minor
        codes = await asyncio.gather(*(report(stage, other) for other in range(100, 106)))
        assert sorted(codes) == ["drop_tries_used_up"] * 3 + ["wrong_drop_amount"] * 3
        assert await report(stage, amount) == "drop_tries_used_up"
        for key in ("b", "c"):
            assert (await answered(await send(stage, key))).state == "paid"
        refusal = (await answered(await send(stage, "d"))).refusal
    assert refusal is not None
    assert refusal.code == "drops_used_up"
    assert await report(stage, (await row(stage, "c")).amount_minor) == "verified"


async def test_an_amount_is_worth_something_for_a_week(stage: WithdrawalStage) -> None:
    async with working(stage):
        await answered(await send(stage, "a"))
    amount, now = (await row(stage, "a")).amount_minor, datetime.now(UTC)
    assert await report(stage, amount, now + timedelta(days=7, seconds=1)) == "drop_expired"
    assert await report(stage, amount, now + timedelta(days=6.9)) == "verified"


async def test_a_change_of_the_account_makes_the_amount_worthless(stage: WithdrawalStage) -> None:
    async with working(stage):
        await answered(await send(stage, "a"))
    amount = (await row(stage, "a")).amount_minor
    await stage.register.accounts.bind(
        Binding(
            account_id=stage.account,
            merchant_id=stage.merchant,
            currency="CNY",
            holder="Li Wei",
            last4="9999",
            rail="sandbox",
            rail_token="other",
        ),
        now=datetime.now(UTC),
    )
    assert await report(stage, amount) == "no_drop"


async def test_a_timeout_is_unknown_and_becomes_paid_once(stage: WithdrawalStage, database: Database) -> None:
    await stage.world.fault("bank", verb="payout", match=stage.token, kind="status_after_effect", times=1)
    async with working(stage):
        handle = await send(stage, "a")
        await _until(stage, "a", "unknown")
        assert await cost(database) == (0, 0)
        refusal = (await answered(await send(stage, "b"))).refusal
        assert refusal is not None
        assert refusal.code == "drop_under_way"
        assert await report(stage, 100) == "wrong_drop_amount"  # the owner may name it before the bank confirms it
        await stage.skip(handle, minutes=1, seconds=1)
        assert (await answered(handle)).state == "paid"
    amount = (await row(stage, "a")).amount_minor
    assert await cost(database) == (amount, -amount)
    assert await stage.effects() == 1


async def test_what_never_becomes_known_is_lost_and_not_failed(stage: WithdrawalStage, database: Database) -> None:
    await stage.world.fault("bank", verb="payout", match=stage.token, kind="status_before_effect", times=1)
    async with working(stage):
        handle = await send(stage, "a", valid=timedelta(hours=2))
        await _until(stage, "a", "unknown")
        for wait in (61, 301, 3601, 21601):
            await stage.skip(handle, seconds=wait)
        assert (await answered(handle)).state == "lost"
        assert (await answered(await send(stage, "b"))).state == "paid"
    assert await stage.effects() == 1
    sides = await both_sides(database.pool, "rail", "sandbox")
    stands = {line.key: line.stand for line in sides.ours}
    assert stands == {f"a{stage.number}": "under_way", f"b{stage.number}": "booked"}


async def test_a_bank_that_refuses_says_why_and_nothing_is_booked(stage: WithdrawalStage, database: Database) -> None:
    await stage.world.refuse_account(stage.token, code="ACCOUNT_CLOSED")
    async with working(stage):
        answer = await answered(await send(stage, "a"))
        assert (answer.state, (answer.detail or "").split(":")[0]) == ("failed", "ACCOUNT_CLOSED")
    assert await cost(database) == (0, 0)
    assert await report(stage, (await row(stage, "a")).amount_minor) == "no_drop"


async def test_nothing_is_sent_to_a_suspended_or_verified_account(stage: WithdrawalStage) -> None:
    async with working(stage):
        await stage.register.accounts.suspend(stage.account, "fraud", datetime.now(UTC), by=ANN)
        suspended = (await answered(await send(stage, "a"))).refusal
        await stage.register.accounts.resume(stage.account, by=ANN, why="no fraud", now=datetime.now(UTC))
        await stage.register.accounts.verify(
            stage.account, 2, how="by hand", by=ANN, why="papers", now=datetime.now(UTC)
        )
        verified = (await answered(await send(stage, "b"))).refusal
    assert suspended is not None
    assert verified is not None
    assert (suspended.code, verified.code) == ("account_suspended", "already_verified")
    assert await stage.effects() == 0


async def test_a_worker_without_the_key_leaves_it_to_one_that_has_it(stage: WithdrawalStage) -> None:
    async with working(stage, Vault({})):
        handle = await send(stage, "a")
        await asyncio.sleep(0.5)
    assert (await row(stage, "a")).state == "open"
    async with working(stage):
        assert (await answered(handle)).state == "paid"
    assert await stage.effects() == 1


async def test_a_start_that_cannot_be_read_is_refused_with_the_field(stage: WithdrawalStage) -> None:
    good = {"key": f"z{stage.number}", "account_id": stage.account, "by": ANN.model_dump(), "why": "first payout"}
    wrong: list[tuple[Any, str]] = [
        ("no object", "(whole)"),
        ({**good, "key": "with a blank"}, "key"),
        ({**good, "why": "\x00"}, "why"),
        ({**good, "tries": 2**40}, "tries"),
        ({name: value for name, value in good.items() if name != "by"}, "by"),
    ]
    async with working(stage):
        for number, (body, field) in enumerate(wrong):
            with pytest.raises(WorkflowFailureError) as failed:
                await stage.client.execute_workflow(
                    ACCOUNT_DROP_WORKFLOW, body, id=f"account-drop-wrong-{stage.number}-{number}", task_queue=TASK_QUEUE
                )
            refusal = gateway.refusal_in(failed.value)
            assert (refusal.code, refusal.field) == ("malformed", field)
    assert await stage.effects() == 0


async def test_cancelling_the_workflow_does_not_stop_the_looks(stage: WithdrawalStage, database: Database) -> None:
    await stage.world.fault("bank", verb="payout", match=stage.token, kind="status_after_effect", times=1)
    async with working(stage):
        handle = await send(stage, "a")
        await _until(stage, "a", "unknown")
        await handle.cancel()
        await handle.signal("cancel", {"command_id": "c"})
        journal = await _journal(handle, 2)
        assert sorted((line["verb"], line["outcome"]) for line in journal) == [
            ("cancel", "refused"),
            ("cancel_workflow", "noted"),
        ]
        (hold,) = await handle.query("holds")
        assert (hold["reason"], hold["who_can_act"]) == ("outcome_unknown", "rail")
        state = await handle.query("account_drop")
        assert (state["phase"], state["next_deadline"]["name"]) == ("unknown", "query_at")
        await stage.skip(handle, minutes=1, seconds=1)
        assert (await answered(handle)).state == "paid"
        assert await handle.query("holds") == []
    assert await stage.effects() == 1


def test_looks_become_rarer() -> None:
    waits = [look_after(number) for number in range(7)]
    assert waits == sorted(waits)
    assert sum(waits[:6], timedelta()) > timedelta(days=2)


async def _until(stage: WithdrawalStage, key: str, state: str) -> None:
    await until(
        lambda: stage.register.drops.get(f"{key}{stage.number}"),
        lambda found: found is not None and found.state == state,
    )


async def _journal(handle: WorkflowHandle[Any, Any], lines: int) -> list[dict[str, Any]]:
    return await until(lambda: handle.query("journal"), lambda found: len(found) >= lines)
