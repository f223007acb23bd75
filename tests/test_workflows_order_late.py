"""A closed order runs again for a late scan, from a push or from a person, and ends once that is recorded."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from order_stage import Play

import gateway
from core.errors import Refused
from demo.stage import StagedOrder
from ledger.notices import StoredNotice

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def _refunded(play: StagedOrder) -> None:
    """Two people gave the money back, the buyer has it, and the order's workflow has ended."""
    await play.start()
    await play.ship()
    for person in ("ann", "bob"):
        body = {**play.command("operator", reason="the buyer waited too long"), "actor": _operator(person)}
        await gateway.refund_order(play.stage.client, play.order, body)
    assert (await play.handle.result())["phase"] == "refunded"


def _operator(person: str) -> dict[str, str]:
    return {"role": "operator", "id": person}


def _scan(play: StagedOrder, number: int, stage: str = "delivered") -> dict[str, Any]:
    at = play.now.replace(microsecond=0).isoformat()
    return {
        "command_id": f"{play.name}-push-{number}",
        "actor": {"role": "carrier", "id": "sandbox"},
        "carrier": play.carrier,
        "waybill": play.waybill,
        "scans": [{"at": at, "code": stage, "stage": stage}],
        "provider": "sandbox",
    }


async def _notices(play: StagedOrder) -> list[StoredNotice]:
    found = await play.stage.register.notices.read(subject=f"order/{play.name}")
    return [notice for notice in found if notice.name == "late_scan"]


async def test_a_delivery_after_the_refund_of_a_closed_order_is_recorded_and_told_once(play: Play) -> None:
    order = play()
    await _refunded(order)
    register = order.stage.register
    money = await register.balances.of_order(order.name)
    scans = [_scan(order, number) for number in (1, 2, 3)]
    await asyncio.gather(
        *(gateway.signal_reopening(order.stage.client, order.order, "report_scan", scan) for scan in scans)
    )
    await order.handle.result()
    row = await register.orders.row(order.name)
    assert row is not None
    assert (row.phase, row.closed, row.holds) == ("refunded", True, ("late_scan",))
    assert [(notice.to, notice.facts["what"]) for notice in await _notices(order)] == [
        ("merchant", "delivered"),
        ("operator", "delivered"),
    ]
    known = await register.orders.known(order.name)
    assert known is not None
    assert known.state is not None
    assert known.state["parcels"][0]["late"][0]["what"] == "delivered"
    again = await gateway.send_reopening(order.stage.client, order.order, "report_scan", scans[0])
    assert again["outcome"] == "duplicate"
    assert await register.balances.of_order(order.name) == money


async def test_an_operator_settles_it_on_the_closed_order(play: Play) -> None:
    order = play()
    await _refunded(order)
    await gateway.send_reopening(order.stage.client, order.order, "report_scan", _scan(order, 1))
    lift = {**order.command("operator", name="late_scan", reason="the buyer paid again"), "actor": _operator("ann")}
    assert (await gateway.send_reopening(order.stage.client, order.order, "lift_hold", lift))["outcome"] == "accepted"
    await order.handle.result()
    row = await order.stage.register.orders.row(order.name)
    assert row is not None
    assert (row.closed, row.holds) == (True, ())


async def test_other_commands_do_not_wake_it(play: Play) -> None:
    order = play()
    await _refunded(order)
    before = await order.stage.register.orders.row(order.name)
    with pytest.raises(Refused) as refused:
        await gateway.send_reopening(order.stage.client, order.order, "confirm_receipt", order.command("buyer"))
    assert refused.value.code == "order_over"
    after = await order.stage.register.orders.row(order.name)
    assert before is not None
    assert after is not None
    assert (after.phase, after.holds, after.closed) == (before.phase, before.holds, before.closed)
