"""Orders on a real Temporal, a real PostgreSQL and stand-ins over real HTTP; days are skipped."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from order_stage import Play
from staged_orders import code_of, delivered, first_scan, resolve_refund, shipped
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowFailureError
from waiting import until

import gateway
from core.errors import Refused
from demo.stage import StagedOrder

# --- shape -----------------------------------------------------------------------------------------------


def _names(history: Any) -> list[str]:
    skipped = ("TIME_SKIPPING", "OPTIONS_UPDATED")
    names = [EventType.Name(event.event_type).removeprefix("EVENT_TYPE_") for event in history.events]
    return [name for name in names if not any(word in name for word in skipped)]


async def _happy_history(order: StagedOrder) -> list[str]:
    payment = order.order.payment.model_copy(update={"paid_at": order.now - timedelta(days=1)})
    order.order = order.order.model_copy(update={"payment": payment})
    await order.start()
    origin, target = order.order.ship_from.city, order.order.ship_to.city
    at = order.now
    picked_up = (at - timedelta(hours=10), "picked_up", origin)
    await order.scans_at(picked_up, (at + timedelta(minutes=1), "delivered", target))
    await order.ship()
    await order.until(lambda state: state["audit"] == "approved")
    await order.send("confirm_receipt", "buyer")
    await order.days(8)
    await order.handle.result()
    return _names(await order.handle.fetch_history())


async def test_a_happy_order_takes_five_tasks_and_forty_two_events(play: Play) -> None:
    # A busy machine makes the SDK report a long task half done, which costs a task of its own: the best of five counts.
    counts = []
    for _ in range(5):
        names = await _happy_history(play())
        counts.append((names.count("WORKFLOW_TASK_COMPLETED"), len(names)))
        if counts[-1] <= (5, 42):
            return
    raise AssertionError(f"tasks and events: {counts}")


async def test_search_attributes_are_upserted_at_most_once_a_task(play: Play) -> None:
    order = play()
    await delivered(order)
    await order.send("confirm_receipt", "buyer")
    await order.days(8)
    names = _names(await order.handle.fetch_history())
    assert names.count("UPSERT_WORKFLOW_SEARCH_ATTRIBUTES") <= names.count("WORKFLOW_TASK_COMPLETED")


async def test_an_operator_sees_summary_attributes_timer_and_details(play: Play) -> None:
    order = play()
    await shipped(order)
    # A step that takes long is a task of its own: then they follow the answer a moment later.
    await until(lambda: _timers(order), lambda timers: "pickup_by" in timers)
    description = await order.handle.describe()
    attributes = {pair.key.name: pair.value for pair in description.typed_search_attributes}
    assert attributes["OrderPhase"] == "shipped"
    assert attributes["AuditState"] == "collecting"
    assert attributes["MerchantId"] == order.order.merchant_id
    assert attributes["AmountMinor"] == order.order.total_minor
    assert "audit_collecting" in attributes["HoldReasons"]
    assert order.name in (await description.static_summary() or "")
    metadata = await order.handle.query("__temporal_workflow_metadata")
    assert order.waybill in str(metadata)
    summaries = [
        event.user_metadata.summary.data.decode()
        for event in (await order.handle.fetch_history()).events
        if event.event_type in (EventType.EVENT_TYPE_TIMER_STARTED, EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
    ]
    assert any("pickup_by" in summary for summary in summaries)
    assert any(order.waybill in summary for summary in summaries)
    assert all(summaries)


async def test_a_parcel_on_its_way_gets_no_timer_of_its_own_before_the_earlier_one_rings(play: Play) -> None:
    order = play()
    await shipped(order)
    await order.scan("picked_up")
    await order.days(1)
    moved = await order.until(lambda state: state["parcels"][0]["verdict"] is not None)
    assert moved["next_deadline"]["name"] == "undelivered_by"
    assert (await _timers(order))[-1] == "pickup_by"
    shown = await _shown_deadline(order)
    assert shown < datetime.fromisoformat(moved["next_deadline"]["at"])
    await order.days(5)
    await until(lambda: _timers(order), lambda timers: timers[-1] == "undelivered_by")
    assert await _shown_deadline(order) == datetime.fromisoformat(moved["next_deadline"]["at"])
    assert (await order.state())["phase"] == "shipped"


async def _timers(order: StagedOrder) -> list[str]:
    """What the order's timers wait for, the last one last."""
    events = (await order.handle.fetch_history()).events
    started = [event for event in events if event.HasField("timer_started_event_attributes")]
    return [json.loads(event.user_metadata.summary.data) for event in started]


async def _shown_deadline(order: StagedOrder) -> datetime:
    """The last value of the search attribute, from the history: lists lag behind."""
    shown: dict[str, datetime] = {}
    for event in (await order.handle.fetch_history()).events:
        changed = event.upsert_workflow_search_attributes_event_attributes.search_attributes.indexed_fields
        if "NextDeadline" in changed:
            shown["last"] = datetime.fromisoformat(json.loads(changed["NextDeadline"].data))
    return shown["last"]


async def test_holds_say_why_the_money_is_not_here_and_who_can_act(play: Play) -> None:
    order = play()
    await shipped(order)
    holds = await order.handle.query("holds")
    assert {hold["reason"] for hold in holds} == {"audit_collecting", "receipt"}
    assert all(hold["who_can_act"] and hold["what_helps"] and hold["since"] for hold in holds)


# --- twice, at once, too late ----------------------------------------------------------------------------


async def test_the_same_order_a_hundred_times_at_once_is_one_order(play: Play) -> None:
    order = play()
    handles = await asyncio.gather(*(gateway.start_order(order.stage.client, order.order) for _ in range(100)))
    assert len({handle.id for handle in handles}) == 1
    state = await gateway.opened(handles[0])
    assert state["phase"] == "awaiting_shipment"
    money = await order.stage.register.balances.of_order(order.name)
    assert [transfer.reference for transfer in money.transfers] == [f"order/{order.name}/fund"]


async def test_two_orders_cannot_claim_more_than_their_payment(play: Play) -> None:
    first, second = play(), play()
    second.paid_with(first.order.payment.reference)
    second.order = second.order.model_copy(update={"payment": first.order.payment})
    await first.start()
    if second.order.total_minor <= first.order.payment.paid_minor:
        with pytest.raises(Refused) as refused:
            await second.start()
        assert refused.value.code == "payment_over_claimed"
    assert await second.stage.register.orders.row(second.name) is None


async def test_confirm_and_cancel_at_once_do_not_both_move_money(play: Play) -> None:
    order = play()
    await shipped(order)
    answers = await asyncio.gather(
        order.refused("confirm_receipt", "buyer"), order.refused("cancel_order", "buyer", reason="no")
    )
    assert sorted(answers).count("accepted") == 1


async def test_a_malformed_order_fails_at_once_with_its_fields(play: Play) -> None:
    client = play().stage.client
    with pytest.raises(WorkflowFailureError) as failed:
        await client.execute_workflow("OrderWorkflow", {"order_id": "x"}, id="order-bad-1", task_queue="dakuan")
    refusal = gateway.refusal_in(failed.value)
    assert refusal.code == "invalid_order"
    assert "merchant_id" in str(refusal)


# --- refunds, holds, parcels -----------------------------------------------------------------------------


async def test_a_refused_refund_is_settled_by_two_people_and_no_fewer(play: Play) -> None:
    order = play()
    body = await resolve_refund(order)
    body.pop("role")
    assert "refund_failed" in {hold["reason"] for hold in await order.handle.query("holds")}
    codes = []
    for person in ("ann", "ann", "bob"):
        order.commands += 1
        actor = {"role": "operator", "id": person}
        command = {"command_id": f"{order.name}-r{order.commands}", "actor": actor, **body}
        codes.append(await code_of(order, "resolve_refund", command))
    assert codes == ["accepted", "needs_other_person", "accepted"]
    await order.handle.result()
    row = await order.stage.register.orders.row(order.name)
    assert row is not None
    assert row.closed


async def test_a_hold_on_everything_stops_a_refund_until_it_is_lifted(play: Play) -> None:
    order = play()
    await order.start()
    await order.send("place_hold", "operator", name="law", scope="all", reason="court order")
    await order.send("cancel_order", "buyer", reason="no")
    await asyncio.sleep(0.3)
    assert await order.stage.world.refund_effects(order.order.payment.reference) == 0
    await order.send("lift_hold", "operator", name="law", reason="lifted")
    await order.handle.result()
    assert await order.stage.world.refund_effects(order.order.payment.reference) == 1


async def test_a_hold_is_to_be_looked_at_later_than_it_is_placed(play: Play) -> None:
    """A date of the past would call an operator at once and never again. A signal has no answer, and is carried out:
    what histories accepted, a replay accepts, too."""
    order = play()
    await order.start()
    hold = {"name": "risk", "scope": "payout", "reason": "odd", "actor": {"role": "operator", "id": "o-1"}}
    dates = {"c-1": order.now - timedelta(days=365), "c-2": order.now, "c-3": order.now + timedelta(days=1)}
    bodies = {one: {**hold, "command_id": one, "review_at": at.isoformat()} for one, at in dates.items()}
    said = {one: await code_of(order, "place_hold", body) for one, body in bodies.items()}
    assert said == {"c-1": "impossible_date", "c-2": "impossible_date", "c-3": "accepted"}
    await gateway.signal(order.stage.client, order.handle.id, "place_hold", {**bodies["c-1"], "name": "old"})
    await order.until(lambda state: {hold["name"] for hold in state["holds"]} == {"risk", "old"})


async def test_what_is_not_shipped_in_time_goes_back_and_the_rest_goes_on(play: Play) -> None:
    order = play()
    while len(order.order.lines) < 2:
        order = play()
    await order.start()
    first = order.order.lines[0]
    lines = [{"line_id": first.line_id, "quantity": first.quantity}]
    parcel = {"parcel_id": "p1", "carrier": "sandbox", "waybill": order.waybill, "lines": lines}
    await order.send("report_shipment", "merchant", parcels=[parcel])
    await order.travel()
    state = await order.until(lambda state: bool(state["refunds"]))
    assert [refund["cause"] for refund in state["refunds"]] == ["ship_by"]
    await order.send("confirm_receipt", "buyer")
    await order.days(8)
    row = await order.stage.register.orders.row(order.name)
    assert row is not None
    assert (row.phase, row.closed) == ("settled", True)


async def test_a_pushed_scan_is_judged_at_once(play: Play) -> None:
    order = play()
    await shipped(order)
    body = first_scan(order)
    returning = {**body["scans"][0], "code": "2", "stage": "returning"}
    body["scans"].append(returning)
    await gateway.send(order.stage.client, order.handle.id, "report_scan", order.command(**body))
    state = await order.until(lambda state: state["audit"] == "rejected")
    assert state["parcels"][0]["verdict"]["returned_at"]
    assert await order.refused("cancel_order", "buyer", reason="no") == "already_moving"


@pytest.mark.parametrize("kind", ["html", "garbage", "cut", "wrong_types", "status_before_effect"])
async def test_nonsense_from_a_carrier_is_never_a_verdict(kind: str, play: Play) -> None:
    order = play()
    await order.start()
    await order.stage.world.fault("carrier", match=order.waybill, kind=kind, times=2)
    await order.ship()
    await order.days(0.1)
    state = await order.state()
    assert (state["phase"], state["audit"]) == ("shipped", "collecting")
    await order.travel()
    await order.days(1)
    await order.until(lambda state: state["audit"] == "approved")


@pytest.mark.parametrize("kind", ["html", "garbage", "cut", "status_after_effect", "status_before_effect"])
async def test_nonsense_from_a_channel_refunds_once_all_the_same(kind: str, play: Play) -> None:
    order = play()
    await order.start()
    await order.stage.world.fault("channel", match=order.order.payment.reference, kind=kind, verb="refund", times=1)
    await order.send("cancel_order", "buyer", reason="no")
    with suppress(Refused):  # its second try may have ended it by now
        await order.days(0.2)
    await order.handle.result()
    assert await order.stage.world.refund_effects(order.order.payment.reference) == 1


async def test_a_terminated_order_is_rescued_and_nothing_is_posted_twice(play: Play) -> None:
    order = play()
    await shipped(order)
    await order.handle.terminate("an operator slipped")
    await gateway.opened(await gateway.start_order(order.stage.client, order.order, rescue=True))
    await order.travel()
    await order.send("confirm_receipt", "buyer")
    await order.until(lambda state: state["phase"] == "credited")
    money = await order.stage.register.balances.of_order(order.name)
    references = Counter(transfer.reference for transfer in money.transfers)
    assert references[f"order/{order.name}/fund"] == 1


async def test_a_reset_changes_no_money(play: Play) -> None:
    from temporalio.api.common.v1 import WorkflowExecution
    from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

    order = play()
    await delivered(order)
    await order.send("confirm_receipt", "buyer")
    await order.until(lambda state: state["phase"] == "credited")
    before = await order.stage.register.balances.of_order(order.name)
    run = (await order.handle.describe()).run_id
    request = ResetWorkflowExecutionRequest(
        namespace="default",
        workflow_execution=WorkflowExecution(workflow_id=order.handle.id, run_id=run),
        reason="test",
        workflow_task_finish_event_id=4,
        request_id=f"reset-{order.name}",
    )
    await order.stage.client.workflow_service.reset_workflow_execution(request)
    await order.until(lambda state: state["phase"] != "opening")
    after = await order.stage.register.balances.of_order(order.name)
    assert [t.reference for t in after.transfers] == [t.reference for t in before.transfers]
