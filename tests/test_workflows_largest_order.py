"""The largest lawful order, and messages as large as the service lets through: nothing ends a workflow from outside."""

from __future__ import annotations

import pytest
from largest_order import largest_lines, largest_shipments
from order_crash_stage import CrashStage, until
from temporalio.client import WorkflowExecutionStatus

import gateway
from core.errors import Refused
from core.messages import Line
from demo.stage import StagedOrder

LARGE_SIGNALS = 6
"""Each of 1.9 MB. The service itself ends a workflow whose history has 50 MB."""


def largest(stage: CrashStage) -> StagedOrder:
    """An order with as many lines as there may be, and long titles."""
    order = stage.order("largest")
    lines = tuple(Line.model_validate(line) for line in largest_lines())
    total = sum(line.price_minor for line in lines)
    paid = order.order.payment.model_copy(update={"paid_minor": total})
    given = {"lines": lines, "freight_minor": 0, "total_minor": total, "payment": paid, "policy": "patient"}
    order.order = order.order.model_copy(update=given)
    return order


async def audits_under_way(order: StagedOrder) -> int:
    pending = (await order.handle.describe()).raw_description.pending_activities
    return sum(one.activity_type.name == "audit" for one in pending)


async def test_the_largest_order_is_audited_rescued_and_given_back(stage: CrashStage) -> None:
    order = largest(stage)
    async with stage.worker():
        await order.start()
        for parcels in largest_shipments():
            await order.send("report_shipment", "merchant", parcels=parcels)
        assert await until(lambda: audits_under_way(order), lambda count: count == 200)
        await order.handle.terminate("somebody slipped")
        await gateway.opened(await gateway.start_order(stage.client, order.order, rescue=True))
        assert len((await order.state())["parcels"]) == 200
        assert await until(lambda: audits_under_way(order), lambda count: count == 200)
        await order.send("cancel_order", "buyer", reason="no longer wanted")
        await until(order.state, lambda state: state["refunds"][0]["status"] == "arrived")
        assert (await order.handle.result())["phase"] == "cancelled"
    assert await stage.world.refund_effects(order.order.payment.reference) == 1
    assert set((await stage.references()).values()) == {1}


async def test_what_is_too_large_is_refused_before_it_is_sent_and_a_plain_client_ends_nothing(
    stage: CrashStage,
) -> None:
    order = stage.order("deaf")
    async with stage.worker():
        await order.start()
        for size in (2_000_000, 3_900_000):
            body = order.command("merchant", parcels=[], note="x" * size)
            for way in (gateway.send, gateway.signal):
                with pytest.raises(Refused) as refused:
                    await way(stage.client, order.handle.id, "report_shipment", body)
                assert refused.value.code == "malformed"
                assert "at most 1,500,000" in str(refused.value)
        for _ in range(LARGE_SIGNALS):
            await order.handle.signal("report_shipment", {"note": "x" * 1_900_000})
        await order.send("place_hold", "operator", name="risk", scope="credit", reason="large signals")
        journal = await order.handle.query("journal")
        assert sum("1,500,000 bytes" in entry.get("message", "") for entry in journal) == LARGE_SIGNALS
        assert (await order.handle.describe()).status == WorkflowExecutionStatus.RUNNING
        await order.send("cancel_order", "buyer", reason="no longer wanted")
        assert (await order.handle.result())["phase"] == "cancelled"
