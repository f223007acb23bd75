"""What an order carries from one run to the next, and what replaces a run that was lost."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from failed_tasks import failed_tasks
from order_crash_stage import QUICK, CrashStage, approved, strict_runner, travelled, until
from slow_worker import SlowWorker
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import ResetReapplyExcludeType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError
from temporalio.testing import TimeSkipper
from temporalio.worker import PollerBehaviorSimpleMaximum, Replayer
from waiting import WITHIN

import gateway
from core.errors import Refused
from core.ids import ORDER_WORKFLOW, TASK_QUEUE, refund_key
from core.votes import Voters
from demo.stage import StagedOrder
from ledger.people import People
from local.temporal import Temporal
from worker import plugin
from workflows import sandbox
from workflows.begun import asked_too_early

SUGGESTED_AT = 60
"""Events after which this file's server suggests to continue as new; some 4,000 in earnest."""


REACHES_THE_QUEUE = 0.3
"""Seconds for a query to wait in its queue before the event comes that it is to bring."""


class Impatient(Temporal):
    """A server that suggests it early."""

    def command(self, ports: Mapping[str, int]) -> Sequence[str]:
        """The usual one, and the limit."""
        limit = f"limit.historyCount.suggestContinueAsNew={SUGGESTED_AT}"
        return [*super().command(ports), "--dynamic-config-value", limit]


@pytest.fixture(scope="module")
def temporal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Temporal]:
    server = Impatient(tmp_path_factory.mktemp("temporal"), usual=False)
    server.start()
    yield server
    server.remove()


async def runs(order: StagedOrder) -> int:
    """How often the order went on in a new run."""
    found, run_id = 0, (await order.handle.describe()).run_id
    while run_id:
        handle = order.stage.client.get_workflow_handle(order.handle.id, run_id=run_id)
        first = await anext(handle.fetch_history_events(page_size=1))
        run_id = first.workflow_execution_started_event_attributes.continued_execution_run_id
        found += bool(run_id)
    return found


# --- continued as new ------------------------------------------------------------------------------------


async def refused_to_ann(order: StagedOrder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order asks the register whose word counts; ann's access has ended."""

    async def left(people: People, voters: Voters) -> list[str]:
        return [one for one in voters.people if one == "ann"]

    with monkeypatch.context() as patched:
        patched.setattr(People, "left", left)
        body = {"command_id": f"{order.name}-ann", "actor": {"role": "operator", "id": "ann"}, "reason": "kind"}
        with pytest.raises(Refused) as refused:
            await gateway.refund_order(order.stage.client, order.order, {**body, "amount_minor": 1})
    assert refused.value.code == "wrong_actor"


async def test_an_order_goes_on_in_new_runs_with_all_that_it_knows(
    stage: CrashStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = stage.order("long")
    async with stage.worker():
        await order.start()
        place = order.command("operator", name="first", scope="payout", reason="unusual")
        first = await gateway.send(stage.client, order.handle.id, "place_hold", place)
        for number in range(12):
            await order.send("place_hold", "operator", name=f"h{number}", scope="credit", reason="unusual")
            await order.send("lift_hold", "operator", name=f"h{number}", reason="checked")
        await until(lambda: runs(order), lambda found: found >= 2)
        again = await gateway.send(stage.client, order.handle.id, "place_hold", place)
        assert again == {**first, "outcome": "duplicate"}
        assert [hold["name"] for hold in (await order.state())["holds"]] == ["first"]
        verbs = [(entry["verb"], entry["outcome"]) for entry in await order.handle.query("journal")]
        assert verbs[0] == ("place_hold", "accepted")
        assert verbs[-1] == ("place_hold", "duplicate")
        assert len(verbs) == 26
        await refused_to_ann(order, monkeypatch)
        await travelled(order)
        await order.ship()
        await until(order.state, lambda state: state["audit"] == "approved")
        await order.send("confirm_receipt", "buyer")
        await order.send("lift_hold", "operator", name="first", reason="checked")
        assert (await order.handle.result())["phase"] == "settled"
        assert order.name in str(await order.handle.query("__temporal_workflow_metadata"))
    assert await stage.references() == Counter(f"order/{order.name}/{move}" for move in ("fund", "credit", "settle"))


async def test_no_command_is_lost_where_runs_meet(stage: CrashStage) -> None:
    order = stage.order("crowded")
    async with stage.worker():
        await order.start()
        await gateway.send(
            stage.client,
            order.handle.id,
            "place_hold",
            order.command("operator", name="h", scope="payout", reason="r"),
        )

        async def update(number: int) -> str:
            command = order.command("operator", name=f"u{number}", scope="payout", reason="unusual")
            # The server refuses what comes while a run ends; the same again is right.
            answer = await until(lambda: gateway.send(stage.client, order.handle.id, "place_hold", command), bool)
            return str(answer["outcome"])

        async def signal(number: int) -> None:
            command = order.command("operator", name=f"s{number}", scope="payout", reason="unusual")
            await gateway.signal(stage.client, order.handle.id, "place_hold", command)

        updates = await asyncio.gather(*(update(n) for n in range(40)), *(signal(n) for n in range(60)))
        # The client asks the next run again where a run ended with its answer on the way; nothing is done twice.
        assert set(updates[:40]) <= {"accepted", "duplicate"}
        state = await until(order.state, lambda state: len(state["holds"]) == 101)
        assert {hold["name"] for hold in state["holds"]} == {
            "h",
            *(f"u{n}" for n in range(40)),
            *(f"s{n}" for n in range(60)),
        }
        assert await runs(order) >= 1


# --- lost and rescued ------------------------------------------------------------------------------------


async def test_a_request_to_cancel_the_workflow_does_not_orphan_the_money(stage: CrashStage) -> None:
    order = stage.order("clicked")
    async with stage.worker():
        await approved(order)
        await order.handle.cancel()
        await until(lambda: order.handle.query("journal"), lambda journal: journal[-1]["verb"] == "cancel_workflow")
        assert (await order.handle.describe()).status == WorkflowExecutionStatus.RUNNING
        await order.send("confirm_receipt", "buyer")
        assert (await order.handle.result())["phase"] == "settled"


async def paid(order: StagedOrder) -> None:
    await order.start()


async def on_its_way(order: StagedOrder) -> None:
    await order.start()
    await order.ship()


async def held(order: StagedOrder) -> None:
    await approved(order)
    await order.send("place_hold", "operator", name="risk", scope="credit", reason="unusual")
    await order.send("confirm_receipt", "buyer")


async def credited(order: StagedOrder) -> None:
    order.under("default")
    await approved(order)
    await order.send("confirm_receipt", "buyer")
    await until(order.state, lambda state: state["phase"] == "credited")


async def refund_sent(order: StagedOrder) -> None:
    await order.stage.world.plan_refunds(order.order.payment.reference, "processing", looks=None)
    await order.start()
    await order.send("cancel_order", "buyer", reason="no longer wanted")
    await until(order.state, lambda state: bool(state["refunds"]) and state["refunds"][0]["status"] == "booked")


async def _to_the_end(order: StagedOrder) -> str:
    """Send what this order still needs; returns the phase in which it ends."""
    phase = (await order.state())["phase"]
    if phase == "cancelled":
        await order.stage.world.finish_refund(refund_key(order.name, "cancel"))
    elif phase == "credited":
        await order.days(8)
    else:
        if phase == "awaiting_shipment":
            await order.ship()
        await travelled(order)
        await order.days(1)
        await until(order.state, lambda state: state["audit"] == "approved")
        for hold in (await order.state())["holds"]:
            await order.send("lift_hold", "operator", name=hold["name"], reason="checked")
        assert await order.refused("confirm_receipt", "buyer") in {"accepted", "already_confirmed"}
    return str((await order.handle.result())["phase"])


WAITS: dict[Callable[[StagedOrder], Awaitable[None]], str] = {
    paid: "settled",
    on_its_way: "settled",
    held: "settled",
    credited: "settled",
    refund_sent: "cancelled",
}
"""Where an order may be lost, and how it ends all the same."""


@pytest.mark.parametrize("wait", WAITS, ids=lambda wait: wait.__name__)
async def test_a_terminated_order_is_rescued_where_it_was(
    wait: Any, stage: CrashStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = stage.order("lost")
    async with stage.worker():
        await wait(order)
        before = await order.state()
        await order.handle.terminate("somebody slipped")
        with pytest.raises(Refused) as refused:
            await order.start()
        assert refused.value.code in {"order_already_open", "order_over"}
        await gateway.opened(await gateway.start_order(stage.client, order.order, rescue=True))
        after = await order.state()
        for region in ("phase", "audit", "holds", "refunds", "credited_minor"):
            assert after[region] == before[region]
        if WAITS[wait] == "settled":
            await refused_to_ann(order, monkeypatch)
        assert await _to_the_end(order) == WAITS[wait]
    assert set((await stage.references()).values()) == {1}
    expected = 1 if WAITS[wait] == "cancelled" else 0
    assert await stage.world.refund_effects(order.order.payment.reference) == expected


async def test_an_order_that_is_over_is_not_rescued_and_gives_a_plain_client_its_stored_end(
    stage: CrashStage,
) -> None:
    """A client that sets no reuse policy starts it again, and so does any once Temporal's retention forgot it."""
    order = stage.order("again")
    async with stage.worker():
        await order.start()
        await order.send("cancel_order", "buyer", reason="no longer wanted")
        first = await order.handle.result()
        with pytest.raises(Refused) as over:
            await gateway.opened(await gateway.start_order(stage.client, order.order, rescue=True))
        assert over.value.code == "order_over"
        references = await stage.references()
        for _ in range(2):
            again = await stage.client.start_workflow(
                ORDER_WORKFLOW, order.order, id=order.handle.id, task_queue=TASK_QUEUE
            )
            assert await again.result() == first
            assert (await order.state())["phase"] == "cancelled"
        other = order.order.model_copy(update={"buyer_id": "b-another"})
        another = await stage.client.start_workflow(ORDER_WORKFLOW, other, id=order.handle.id, task_queue=TASK_QUEUE)
        with pytest.raises(WorkflowFailureError) as failed:
            await another.result()
        assert getattr(failed.value.cause, "type", None) == "order_exists_with_different_content"
        seen = await order.state()
        assert (seen["phase"], seen["refusal"]["code"]) == ("cancelled", "order_exists_with_different_content")
        never = stage.order("never")
        never.paid_with(f"forged-{never.name}")
        with pytest.raises(Refused):
            await never.start()
        seen = await never.state()
        assert (seen["phase"], seen["refusal"]["code"]) == ("not_opened", "payment_not_found")
    assert await stage.references() == references
    assert await stage.world.refund_effects(order.order.payment.reference) == 1


# --- set back --------------------------------------------------------------------------------------------


NO_COMMANDS = (
    ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL,
    ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE,
)


async def reset(order: StagedOrder, run_id: str, event_id: int, *, again: bool = True) -> None:
    """Set the order back to the end of a run's workflow task.

    Args:
        again: whether the commands that came in later are given to it again.
    """
    request = ResetWorkflowExecutionRequest(
        namespace=order.stage.client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=order.handle.id, run_id=run_id),
        reason="an operator wants to see it again",
        workflow_task_finish_event_id=event_id,
        request_id=f"{order.name}-{event_id}-{again}",
        reset_reapply_exclude_types=() if again else NO_COMMANDS,
    )
    await order.stage.client.workflow_service.reset_workflow_execution(request)


async def test_a_reset_to_any_point_moves_no_money_again(stage: CrashStage) -> None:
    order = stage.order("again")
    async with stage.worker():
        await approved(order)
        await order.send("confirm_receipt", "buyer")
        await order.handle.result()
        history = await order.handle.fetch_history()
        run_id = (await order.handle.describe()).run_id
        money = await stage.references()
        points = [e.event_id for e in history.events if e.HasField("workflow_task_completed_event_attributes")]
        for point in points:
            await reset(order, run_id, point)
            result = await asyncio.wait_for(order.handle.result(), WITHIN)
            assert result["phase"] == "settled", point
    assert await stage.references() == money
    assert set(money.values()) == {1}


async def test_an_order_that_was_set_back_goes_on_from_what_is_known(stage: CrashStage) -> None:
    """To each task of its first run; with the commands that came after it, and without them."""
    order = stage.order("set back")
    order.under("default")

    async def known() -> tuple[str, str]:
        """The phase that the order says, and the one that the register has."""
        row = await stage.register.orders.row(order.name)
        assert row is not None
        return (await order.state())["phase"], row.phase

    async with stage.worker():
        await approved(order)
        await order.send("confirm_receipt", "buyer")
        await until(known, lambda got: got == ("credited", "credited"))
        history, money = await order.handle.fetch_history(), await stage.references()
        run_id = (await order.handle.describe()).run_id
        points = [e.event_id for e in history.events if e.HasField("workflow_task_completed_event_attributes")]
        for again, point in itertools.product((True, False), points):
            await reset(order, run_id, point, again=again)
            await until(known, lambda got: got == ("credited", "credited"))
        await order.days(30)
        assert (await order.handle.result())["phase"] == "settled"
        assert await known() == ("settled", "settled")
    assert await stage.references() == money + Counter([f"order/{order.name}/settle"])


# --- nothing kept in memory ------------------------------------------------------------------------------


async def test_a_worker_that_keeps_no_workflow_in_memory_does_the_same(stage: CrashStage) -> None:
    happy, given_back = stage.order("happy"), stage.order("given back")
    async with stage.worker(cached=0, runner=strict_runner()):
        await approved(happy)
        await happy.handle.signal("confirm_reciept", {})
        await happy.handle.cancel()
        await happy.send("place_hold", "operator", name="risk", scope="credit", reason="unusual")
        await happy.send("confirm_receipt", "buyer")
        await happy.send("lift_hold", "operator", name="risk", reason="checked")
        assert (await happy.handle.result())["phase"] == "settled"
        await given_back.start()
        await given_back.send("cancel_order", "buyer", reason="no longer wanted")
        assert (await given_back.handle.result())["phase"] == "cancelled"
        for order in (happy, given_back):
            history = await order.handle.fetch_history()
            assert failed_tasks(history) == []
            await Replayer(workflows=[], plugins=[plugin(runner=strict_runner())]).replay_workflow(history)


# --- queries that no task has gone before ----------------------------------------------------------------


async def test_a_query_that_waited_for_a_worker_decides_nothing(
    stage: CrashStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It brings a confirmation whose own task waits. Without a refusal the order is credited for the query's sake."""
    early: list[str] = []

    def noted(act: WorkflowActivation) -> WorkflowActivationCompletion:
        early.append(act.run_id)
        return asked_too_early(act)

    monkeypatch.setattr(sandbox, "asked_too_early", noted)
    for longer in (1, 3, 9):  # no sign says that it waits: on a busy machine it may come after the confirmation
        order = stage.order(f"asked-{longer}")
        async with stage.worker():
            await approved(order)
        asked = asyncio.create_task(order.state())
        await asyncio.sleep(longer * REACHES_THE_QUEUE)
        await gateway.signal(stage.client, order.handle.id, "confirm_receipt", order.command("buyer"))
        async with stage.worker(cached=0, workflow_task_poller_behavior=PollerBehaviorSimpleMaximum(1)):
            assert (await asked)["phase"] in {"confirmed", "credited", "settled"}
            assert (await order.handle.result())["phase"] == "settled"
        assert failed_tasks(await order.handle.fetch_history()) == []
        if early:
            break
    assert early == [(await order.handle.describe()).run_id]
    assert set((await stage.references()).values()) == {1}


async def test_a_query_amid_a_task_is_answered_after_it_and_the_order_replays(
    stage: CrashStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The credit runs while it is asked, and a hold arrives. Were it answered at once, the credit's end would come with
    the hold in memory, and before it in a replay.
    """
    stage.client = await gateway.connect(stage.settings)  # not the hasty one: a task may take its usual ten seconds
    order, slow = stage.order("amid"), SlowWorker(monkeypatch)
    order.under("default")  # it settles in days, and not while the hold is on its way
    async with stage.worker():
        await approved(order)
        slow.arm()
        await order.handle.signal("confirm_reciept", {})
        await slow.at(1)
        asked = asyncio.create_task(order.state())
        await asyncio.sleep(REACHES_THE_QUEUE)
        await gateway.signal(stage.client, order.handle.id, "confirm_receipt", order.command("buyer"))
        slow.let_go()
        await slow.at(0)
        place = order.command("operator", name="risk", scope="payout", reason="unusual")
        await gateway.send(stage.client, order.handle.id, "place_hold", place)
        assert (await asked)["phase"] == "credited"
        await order.send("lift_hold", "operator", name="risk", reason="checked")
        await order.days(30)
        assert (await order.handle.result())["phase"] == "settled"
    history = await order.handle.fetch_history()
    assert failed_tasks(history) == []
    await Replayer(workflows=[], plugins=[plugin()]).replay_workflow(history)


# --- an outage -------------------------------------------------------------------------------------------

OUTAGE = QUICK.replace('"quick"', '"outage"').replace(
    "[order]", '[order]\noutage_limit = "100ms"\nship_reminder = "48h"'
)
"""A worker that is away for a tenth of a second is an outage: a clock stands while an order waits for its worker."""


async def test_a_deadline_that_passed_while_no_worker_ran_moves_and_the_order_replays(stage: CrashStage) -> None:
    order = stage.order("late")
    order.under(await stage.policy_of(OUTAGE))
    async with stage.worker(cached=0):
        await order.start()
        old = datetime.fromisoformat((await order.state())["ship_by"])
    skipping = asyncio.create_task(order.days(1.5))
    away = old + timedelta(milliseconds=300)
    assert await until(lambda: TimeSkipper(stage.client).get_current_time(order.handle), lambda now: now > away)
    skipping.cancel()
    async with stage.worker(cached=0):
        state = await until(order.state, lambda state: state["ship_by"] != old.isoformat())
        assert timedelta(days=1) < datetime.fromisoformat(state["ship_by"]) - old < timedelta(days=1, seconds=30)
        said = [line["message"] for line in await order.handle.query("journal") if line["verb"] == "deadline_shifted"]
        assert len(said) == 1
        assert said[0].endswith(", outage")
        await order.ship()
        assert (await order.state())["phase"] == "shipped"
    history = await order.handle.fetch_history()
    await Replayer(workflows=[], plugins=[plugin()]).replay_workflow(history)
