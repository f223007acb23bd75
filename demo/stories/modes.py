"""Orders in part, later than promised, and delivered without a carrier."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from core.order.handover import hash_of_code
from demo.stage import StagedOrder
from demo.stories.cases import LINES, TEA, kept, settle, three_lines
from demo.stories.outcomes import Chapter, Outcome, ending, settled

MODES = Chapter()
CODE = "KX7-3F9-22Q"
"""The code that the storefront gave the buyer."""


def _delivered_by(play: StagedOrder, mode: str) -> None:
    code = hash_of_code(play.order.order_id, CODE) if mode != "virtual" else None
    play.order = play.order.model_copy(update={"delivery_mode": mode, "handover_hash": code})


@MODES.story("partly shipped: the merchant gives a line up, the rest is settled")
async def partly_shipped(play: StagedOrder) -> Outcome:
    three_lines(play)
    await play.start()
    lines = [{"line_id": line_id, "quantity": 1} for line_id in ("1", "3")]
    await play.send("report_shipment", "merchant", parcels=[{**play.parcel(), "lines": lines}])
    await play.send("decline_shipment", "merchant", reason="the tea is sold out", lines=TEA)
    await play.travel()
    await play.days(1)
    return kept(play, LINES[1].price_minor), await settle(play)


@MODES.story("presale: a later date with the buyer's consent")
async def presale(play: StagedOrder) -> Outcome:
    ship_by = play.now + timedelta(days=10)
    play.order = play.order.model_copy(update={"ship_by": ship_by})
    await play.start()
    later = (ship_by + timedelta(days=5)).isoformat()
    await play.send("request_delay", "merchant", ship_by=later, reason="the factory is late")
    await play.send("answer_delay", "buyer", answer="accept")
    await play.days(12)
    waits = (await play.state())["phase"]
    await play.ship()
    await play.travel()
    await play.days(1)
    return f"awaiting_shipment, {settled(play)}", f"{waits}, {await settle(play)}"


@MODES.story("by a courier of the city: the code at the door, and hours of silence")
async def by_courier(play: StagedOrder) -> Outcome:
    _delivered_by(play, "local")
    await play.start()
    await play.send("report_shipment", "merchant", parcels=[_couriers(play)])
    await play.send("confirm_handover", "merchant", code=CODE)
    await play.days(1.1)
    phase = (await play.state())["phase"]
    await play.days(8)
    return f"credited, {settled(play)}", f"{phase}, {await ending(play)}"


def _couriers(play: StagedOrder) -> dict[str, Any]:
    return {**play.parcel(), "carrier": "other", "carrier_name": "闪送"}


@MODES.story("collected: a wrong code is a try, the right one is the receipt")
async def collected(play: StagedOrder) -> Outcome:
    _delivered_by(play, "pickup")
    await play.start()
    await play.send("report_ready", "merchant", place="杭州市西湖区")
    await play.send("confirm_handover", "merchant", code="guess")
    await play.send("confirm_handover", "merchant", code=CODE)
    by = (await play.state())["receipt"]["by"]
    await play.days(8)
    return f"code, {settled(play)}", f"{by}, {await ending(play)}"


@MODES.story("sent as data: the hash of what was sent, and a day of silence")
async def as_data(play: StagedOrder) -> Outcome:
    _delivered_by(play, "virtual")
    await play.start()
    evidence = hash_of_code(play.order.order_id, "the key that was sent")
    await play.send("report_delivery", "merchant", reference="mail-4711", sha256=evidence)
    await play.days(1.1)
    phase = (await play.state())["phase"]
    await play.days(8)
    return f"credited, {settled(play)}", f"{phase}, {await ending(play)}"
