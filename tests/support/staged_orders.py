"""What tests do with an order of the common stage: bring it somewhere, wait for something, read a refusal."""

from __future__ import annotations

from typing import Any, Literal

import gateway
from core.errors import Refused
from demo.stage import StagedOrder


async def shipped(play: StagedOrder) -> None:
    """Started and shipped."""
    await play.start()
    await play.ship()


async def delivered(play: StagedOrder) -> None:
    """Shipped, and delivered three days later."""
    await shipped(play)
    await play.travel()


async def code_of(play: StagedOrder, verb: str, command: dict[str, Any]) -> str:
    """The reason code of a command that is refused, or `accepted`."""
    try:
        await gateway.send(play.stage.client, play.handle.id, verb, command)
    except Refused as refusal:
        return refusal.code
    return "accepted"


async def late(play: StagedOrder) -> None:
    """Shipped and given up; then the goods arrive. A first part of the money is back, the rest is on its way still."""
    await shipped(play)
    plans: tuple[tuple[int | None, Literal["arrived", "processing"]], ...] = ((100, "arrived"), (None, "processing"))
    for part, plan in plans:
        await play.stage.world.plan_refunds(play.order.payment.reference, plan, looks=None)
        for person in ("ann", "bob"):
            body = {**play.command("operator", amount_minor=part, reason="it never came")}
            body["actor"] = {"role": "operator", "id": person}
            await gateway.refund_order(play.stage.client, play.order, body)
        if part is not None:
            await play.until(lambda state: [one["status"] for one in state["refunds"]] == ["arrived"])
    await play.until(lambda state: state["phase"] == "refunded")
    scan = {"at": play.now.isoformat(), "code": "80", "stage": "delivered"}
    await play.send("report_scan", "carrier", carrier="sandbox", waybill=play.waybill, scans=[scan], provider="test")


async def claimed(play: StagedOrder) -> None:
    """An operator claims back what is with the buyer already."""
    await late(play)
    await play.send("open_claim_back", "operator", reason="the carrier delivered it")


def first_scan(play: StagedOrder) -> dict[str, Any]:
    """What the carrier reports once it has picked the parcel up."""
    scan = {"at": play.now.isoformat(), "code": "1", "stage": "picked_up", "city": "杭州市"}
    return {"role": "carrier", "carrier": "sandbox", "waybill": play.waybill, "scans": [scan], "provider": "test"}


async def resolve_refund(play: StagedOrder) -> dict[str, Any]:
    """An order whose refund the channel refused, and what an operator says of it."""
    play.paid_with(f"refuse-{play.name}")
    await play.start()
    await play.send("cancel_order", "buyer", reason="no")
    await play.until(lambda state: state["refunds"][0]["status"] == "failed")
    return {"role": "operator", "cause": "cancel", "outcome": "arrived", "reference": "B-7", "reason": "paid by hand"}
