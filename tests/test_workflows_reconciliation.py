"""Reconciliation on a real Temporal, a real PostgreSQL, and a bank and a channel of its own over real HTTP."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from await_faults import Strikes
from databases import Database
from ledger_samples import NOW, an_order
from reconciliation_stage import own_world, paid, stage
from statement_lines import line, loaded
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.worker import Replayer, Worker
from waiting import until
from withdrawal_stage import STRICT, WithdrawalStage

import gateway
from activities.by_name import ByName
from activities.channels.sandbox import SandboxChannel
from activities.http import HttpClient
from activities.rails.sandbox import SandboxRail
from activities.reconciliation import ReconciliationActivities
from core.errors import BadInput, Refused, Unavailable, UnreadableAnswer
from core.ids import RECONCILIATION_WORKFLOW, TASK_QUEUE
from core.messages import Actor, Order
from core.movements import Leg, adjustment
from core.reading import content_hash
from core.reconciliation.lines import Comparison
from ledger.adjusting import post_adjustments
from worker import plugin

__all__ = ["own_world", "stage"]

DAY = timedelta(days=1)
_numbers = itertools.count(1)


@asynccontextmanager
async def desk(stage: WithdrawalStage) -> AsyncIterator[ReconciliationActivities]:
    async with (
        HttpClient(f"{stage.world.url}/bank", name="bank") as bank,
        HttpClient(f"{stage.world.url}/channel", name="channel") as channel,
    ):
        yield ReconciliationActivities(
            stage.register,
            ByName(stand_in=lambda _: SandboxRail(bank)),
            ByName(stand_in=lambda name: SandboxChannel(channel, name)),
        )


@asynccontextmanager
async def reconciling(stage: WithdrawalStage) -> AsyncIterator[None]:
    """A worker that compares."""
    async with desk(stage) as activities:
        comparing = plugin(activities.all, runner=STRICT)
        async with Worker(stage.client, task_queue=TASK_QUEUE, plugins=[comparing]):
            yield


async def run(stage: WithdrawalStage, scope: str = "rail", name: str = "sandbox") -> WorkflowHandle[Any, Any]:
    """A comparison of now, under an id of its own."""
    body = {"scope": scope, "name": name, "now": datetime.now(UTC).isoformat()}
    workflow_id = f"reconciliation-{next(_numbers)}"
    handle = await stage.client.start_workflow(RECONCILIATION_WORKFLOW, body, id=workflow_id, task_queue=TASK_QUEUE)
    await handle.result()
    return handle


async def compared(stage: WithdrawalStage, scope: str = "rail", name: str = "sandbox") -> Any:
    return await (await run(stage, scope, name)).result()


async def test_a_clean_day_is_empty(stage: WithdrawalStage) -> None:
    await paid(stage)
    async with reconciling(stage):
        summary = await compared(stage)
        assert (summary["count"], summary["ours"], summary["theirs"], summary["not_fetched"]) == (0, 1, 1, None)
        assert (await compared(stage, "withdrawals", "books"))["count"] == 0


async def test_a_payout_that_nobody_asked_for_is_found_told_once_and_gone_when_reversed(stage: WithdrawalStage) -> None:
    await paid(stage)
    await stage.world.bank_errs("planted1", 777, "CNY")
    async with reconciling(stage):
        first = await compared(stage)
        assert first["by_reason"] == {"extra": 1}
        assert first["breaks"][0]["theirs_minor"] == 777
        assert first["new"] == ["rail/sandbox/payout/planted1/extra"]
        again = await compared(stage)
        assert (again["count"], again["new"], again["new_count"]) == (1, [], 0)
        await stage.world.bank_errs("planted1", 777, "CNY", effect="return")
        assert (await compared(stage))["count"] == 0
    notices = await stage.register.notices.read(subject="reconciliation/rail/sandbox")
    assert [(notice.name, notice.facts["reason"]) for notice in notices] == [("break_found", "extra")]
    assert await stage.register.breaks.known() == []


async def test_the_comparison_of_orders_seals_and_proves_the_books(stage: WithdrawalStage) -> None:
    await paid(stage)
    async with reconciling(stage):
        handle = await run(stage, "orders", "books")
        answer = await handle.result()
        page, history = await handle.query("__temporal_workflow_metadata"), await handle.fetch_history()
    seal = await stage.register.seals.last()
    assert seal is not None
    assert {**answer["proofs"], "cluster": None} == {
        "broken": [],
        "since_seal": None,
        "head": seal.head,
        "cluster": None,
    }
    assert "Every proof holds." in str(page)
    await Replayer(workflows=[], plugins=[plugin(runner=STRICT)]).replay_workflow(history)


async def test_what_a_comparison_did_and_did_not_report_is_done_again(
    stage: WithdrawalStage, database: Database
) -> None:
    await paid(stage)
    deposit = f"merchant/{stage.merchant}/deposit"
    legs = [Leg(f"merchant/{stage.merchant}/available", deposit, 800)]
    await post_adjustments(stage.owner_dsn, [adjustment("deposit", "CNY", datetime.now(UTC), legs)])
    long_ago: dict[str, Any] = {
        "by": Actor(role="operator", id="ann"),
        "why": "it closes",
        "now": datetime.now(UTC) - 60 * DAY,
    }
    assert await stage.register.merchants.stop(stage.merchant, "leaving", on=True, **long_ago)
    database.broken = True
    await database.owner.execute("UPDATE withdrawals SET closed = TRUE, state_name = 'failed'")
    strikes = Strikes("unreported")
    async with desk(stage) as activities:
        comparing = plugin(activities.all, runner=STRICT)
        async with Worker(stage.client, task_queue=TASK_QUEUE, plugins=[comparing], interceptors=[strikes]):
            answer = await compared(stage, "orders", "books")
    assert set(strikes.struck) == {"fetch_statements", "compare", "prove_books"}
    broken = answer["proofs"]["broken"]
    notices = [one.facts["proof"] for one in await stage.register.notices.read() if one.name == "proof_broken"]
    assert notices == sorted(broken) != []
    back = "SELECT array_agg(reference) FROM movements WHERE reference LIKE '%/deposit_back/%'"
    assert await database.owner.fetchval(back) == [f"merchant/{stage.merchant}/deposit_back/1"]
    assert await database.balance(deposit) == 0


async def test_a_day_is_compared_under_one_id(stage: WithdrawalStage) -> None:
    now = datetime.now(UTC)
    async with reconciling(stage):
        first = await gateway.start_reconciliation(stage.client, "channel", "wechat", now)
        await first.result()
        again = await gateway.start_reconciliation(stage.client, "channel", "wechat", now)
        assert await again.result() == await first.result()
        assert first.id == f"reconciliation-channel-wechat-{now:%Y-%m-%d}"
        assert len(await stage.register.breaks.last_runs()) == 1


async def test_the_page_shows_the_breaks(stage: WithdrawalStage) -> None:
    await stage.world.bank_errs("planted2", 777, "CNY")
    async with reconciling(stage):
        handle = await run(stage)
        page = await handle.query("__temporal_workflow_metadata")
        assert (await handle.query("summary"))["count"] == 1
        history = await handle.fetch_history()
    assert "`extra` payout planted2: ours nothing, theirs 7.77 CNY" in str(page)
    await Replayer(workflows=[], plugins=[plugin(runner=STRICT)]).replay_workflow(history)
    await stage.world.bank_errs("planted2", 777, "CNY", effect="return")
    async with desk(stage) as activities:
        await activities.fetch_statements(Comparison(scope="rail", name="sandbox", now=datetime.now(UTC)))


async def test_of_very_many_breaks_a_result_has_the_first(stage: WithdrawalStage, database: Database) -> None:
    """After an outage there may be tens of thousands: a result with each of their ids would be refused at every try."""
    database.broken = True
    await loaded(stage.register, "rail", "sandbox", *(line("payout", f"k{number:03}", 5) for number in range(60)))
    async with desk(stage) as activities:
        summary = await activities.compare(Comparison(scope="rail", name="sandbox", now=datetime.now(UTC)))
    assert (summary.count, len(summary.breaks), len(summary.new), summary.new_count) == (60, 50, 50, 60)
    assert len(await stage.register.breaks.known()) == 60


async def test_a_bank_that_does_not_answer_is_asked_again(stage: WithdrawalStage) -> None:
    await paid(stage)
    await stage.world.fault("bank", kind="status_before_effect", verb="statement", times=1)
    async with reconciling(stage):
        summary = await compared(stage)
    assert (summary["theirs"], summary["not_fetched"]) == (1, None)


async def test_a_statement_that_cannot_be_read_stores_nothing(stage: WithdrawalStage) -> None:
    await stage.world.bank_errs("planted3", 777, "CNY")
    async with desk(stage) as activities:
        for kind in ("html", "garbage", "wrong_types", "cut", "huge"):
            await stage.world.fault("bank", kind=kind, verb="statement")
            with pytest.raises((Unavailable, UnreadableAnswer)):
                await activities.fetch_statements(Comparison(scope="rail", name="sandbox", now=datetime.now(UTC)))
    assert await stage.register.statements.lines("rail", "sandbox") == []


async def test_a_start_without_sense_fails_with_its_reason(stage: WithdrawalStage) -> None:
    bodies: tuple[Any, ...] = (None, {}, {"scope": "moon", "name": "x"}, {"scope": "rail", "name": "a b"}, [1])
    async with reconciling(stage):
        for number, body in enumerate(bodies):
            handle = await stage.client.start_workflow(
                RECONCILIATION_WORKFLOW, body, id=f"senseless-{number}", task_queue=TASK_QUEUE
            )
            with pytest.raises(WorkflowFailureError) as caught:
                await handle.result()
            assert getattr(caught.value.cause, "type", None) == "malformed"


async def test_a_schedule_compares_by_itself(stage: WithdrawalStage) -> None:
    await paid(stage)
    async with reconciling(stage):
        assert await gateway.schedule_reconciliation(stage.client, "rail", "sandbox", DAY, timedelta(hours=3))
        assert not await gateway.schedule_reconciliation(stage.client, "rail", "sandbox", DAY, timedelta(hours=3))
        await stage.client.get_schedule_handle("reconciliation-rail-sandbox").trigger()
        runs = await until(stage.register.breaks.last_runs)
        assert [(run.name, run.breaks) for run in runs] == [("sandbox", 0)]
        assert await gateway.unschedule_reconciliation(stage.client, "rail", "sandbox")
        assert not await gateway.unschedule_reconciliation(stage.client, "rail", "sandbox")


async def _known(stage: WithdrawalStage, order: Order) -> None:
    """The order is registered, and its channel known by it."""
    policy = await stage.register.policies.newest(None)
    assert policy is not None
    await stage.register.orders.open(
        order,
        content_hash(order),
        opened_by="run-1",
        paid_minor_confirmed=order.payment.paid_minor,
        policy_hash=policy.content_hash,
        now=NOW,
    )


async def test_a_line_that_is_told_otherwise_is_refused(stage: WithdrawalStage) -> None:
    await stage.world.add_payment("p-changed", 100, "CNY")
    await _known(stage, an_order("A1", 100, payment="p-changed"))
    async with desk(stage) as activities:
        asked = Comparison(scope="channel", name="wechat", now=datetime.now(UTC))
        await activities.fetch_statements(asked)
        await stage.world.add_payment("p-changed", 200, "CNY")
        with pytest.raises(BadInput, match="given otherwise before"):
            await activities.fetch_statements(asked.model_copy(update={"now": datetime.now(UTC)}))
    assert [line.amount_minor for line in await stage.register.statements.lines("channel", "wechat")] == [100]


async def test_a_name_that_nothing_knows_is_not_asked_for_its_statement(stage: WithdrawalStage) -> None:
    await stage.world.add_payment("p-1", 100, "CNY")
    async with desk(stage) as activities:
        for scope, name in (("channel", "wehcat"), ("rail", "sandbocks")):
            asked = Comparison.model_validate({"scope": scope, "name": name, "now": datetime.now(UTC)})
            with pytest.raises(Refused, match="knows this"):
                await activities.fetch_statements(asked)
    assert await stage.register.statements.loads() == []


async def test_an_operator_is_told_of_what_no_order_claims_when_the_channel_is_compared(
    stage: WithdrawalStage,
) -> None:
    await _known(stage, an_order("A1", 100, payment="p-1", paid=150))
    async with desk(stage) as activities:
        for days in (2, 4, 5):
            await activities.compare_all(Comparison(scope="channel", name="wechat", now=NOW + days * DAY))
    notices = [one for one in await stage.register.notices.read() if one.name == "payment_unclaimed"]
    assert [(one.to, one.at, one.facts["amount_minor"]) for one in notices] == [("operator", NOW + 4 * DAY, "50")]


async def test_a_return_whose_command_died_is_started_with_the_comparison_of_its_channel(
    stage: WithdrawalStage,
) -> None:
    name = f"swept-{next(_numbers)}"
    order = an_order(name, 1000, paid=1500, payment=f"pay-{name}", channel=f"c-{name}")
    await _known(stage, order)
    for person in ("ann", "bob"):
        await stage.register.payments.return_rest(
            name, order.payment.channel, order.payment.reference, person=person, reason="no order", now=NOW
        )
    started: list[str] = []

    async def start(return_id: str) -> None:
        started.append(return_id)

    activities = ReconciliationActivities(stage.register, ByName(), ByName(), start)
    for channel in ("wechat", order.payment.channel):
        await activities.compare(Comparison(scope="channel", name=channel, now=NOW))
    assert started == [name]
