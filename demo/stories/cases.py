"""After-sale cases: what a buyer gets back, by agreement, by silence, or by a person's decision."""

from __future__ import annotations

from typing import Any

from core.messages import Line
from core.money import share_bps
from demo.stage import COMMISSION_BPS, StagedOrder
from demo.stories.outcomes import Chapter, Outcome, ending, given_back, money, settled

CASES = Chapter()
LINES = (
    Line(line_id="1", title="手工酥饼 500g", category="food.snacks", quantity=1, unit_price_minor=1990),
    Line(line_id="2", title="茶叶 100g", category="food.tea", quantity=1, unit_price_minor=8800),
    Line(line_id="3", title="陶瓷茶杯", category="home.kitchen", quantity=1, unit_price_minor=3450),
)
TEA: list[dict[str, Any]] = [{"line_id": "2", "quantity": 1}]


def three_lines(play: StagedOrder) -> None:
    """Make it an order of three lines, one unit each, without freight."""
    total = sum(line.price_minor for line in LINES)
    paid = play.order.payment.model_copy(update={"paid_minor": total})
    play.order = play.order.model_copy(
        update={"lines": LINES, "freight_minor": 0, "total_minor": total, "payment": paid}
    )


async def _delivered(play: StagedOrder) -> None:
    three_lines(play)
    await play.start()
    await play.ship()
    await play.travel()
    await play.days(1)


async def _ask(play: StagedOrder, kind: str, reason: str, **fields: Any) -> None:
    await play.send("open_after_sale", "buyer", kind=kind, reason=reason, **fields)


async def _stage(play: StagedOrder) -> str:
    return str((await play.state())["cases"][-1]["stage"])


async def _sent_back(play: StagedOrder) -> None:
    """The buyer sends the goods back, with a number of their own; the carrier brings them."""
    waybill = play.new_waybill()
    await play.send("report_return", "buyer", carrier=play.carrier, waybill=waybill)
    await play.way_back(waybill)


def kept(play: StagedOrder, back_minor: int) -> str:
    """What the merchant has in the end, after this much for goods went back to the buyer."""
    commission = 0
    for line in play.order.lines:
        whole = share_bps(line.price_minor, COMMISSION_BPS)
        commission += whole - (whole if line.price_minor == back_minor else 0)
    return f"settled; merchant has {money(play.order, play.order.total_minor - back_minor - commission)}"


async def settle(play: StagedOrder) -> str:
    """The buyer confirms, and the settlement's days pass; how it ended."""
    await play.send("confirm_receipt", "buyer")
    await play.days(8)
    return await ending(play)


@CASES.story("case before shipment: all of it refunded")
async def before_shipment(play: StagedOrder) -> Outcome:
    await play.start()
    await _ask(play, "refund_only", "changed_mind")
    await play.send("agree_after_sale", "merchant")
    return given_back(play, "refunded"), await ending(play)


@CASES.story("case for one line of three: the rest is settled")
async def one_line(play: StagedOrder) -> Outcome:
    await _delivered(play)
    await _ask(play, "refund_only", "damaged", lines=TEA)
    await play.send("agree_after_sale", "merchant")
    return kept(play, LINES[1].price_minor), await settle(play)


@CASES.story("case for an amount: refunded, then settled without it")
async def an_amount(play: StagedOrder) -> Outcome:
    await _delivered(play)
    await _ask(play, "refund_only", "late", amount_minor=500)
    await play.send("agree_after_sale", "merchant")
    cause = (await play.state())["refunds"][-1]
    ended = await settle(play)
    return "case-1 500; settled", f"{cause['cause']} {cause['amount_minor']}; {ended.partition(';')[0]}"


@CASES.story("return and refund: the parcel is followed back, the merchant confirms")
async def returned(play: StagedOrder) -> Outcome:
    await _delivered(play)
    await _ask(play, "return_and_refund", "quality", lines=TEA)
    await play.send("agree_after_sale", "merchant")
    outbound = await play.refused("report_return", "buyer", carrier=play.carrier, waybill=play.waybill)
    await _sent_back(play)
    stage = await _stage(play)
    await play.send("confirm_return", "merchant")
    expected = f"outbound_number, inspecting, {kept(play, LINES[1].price_minor)}"
    return expected, f"{outbound}, {stage}, {await settle(play)}"


@CASES.story("the way back: the merchant gives its freight with the refund")
async def way_back(play: StagedOrder) -> Outcome:
    await _delivered(play)
    await _ask(play, "return_and_refund", "damaged", lines=TEA)
    above = await play.refused("agree_after_sale", "merchant", return_freight_minor=5001)
    await play.send("agree_after_sale", "merchant")
    await _sent_back(play)
    await play.send("confirm_return", "merchant", return_freight_minor=900)
    refunds = [f"{refund['cause']} {refund['amount_minor']}" for refund in (await play.state())["refunds"]]
    ended = (await settle(play)).partition(";")[0]
    return "above_return_freight, case-1 8800, case-1-freight 900, settled", ", ".join((above, *refunds, ended))


@CASES.story("silent merchant: silence agrees")
async def silent_merchant(play: StagedOrder) -> Outcome:
    play.under(await play.stage.policy_of(LONG_SHIPMENT))
    await play.start()
    await _ask(play, "refund_only", "changed_mind")
    await play.days(2.1)
    return given_back(play, "refunded"), await ending(play)


LONG_SHIPMENT = """
name = "demo-slow-goods"
commission_bps = 500
[order]
ship_within = "10d"
"""


@CASES.story("silent buyer: a refused case closes, and the clock goes on")
async def silent_buyer(play: StagedOrder) -> Outcome:
    await _delivered(play)
    await _ask(play, "refund_only", "not_as_described")
    await play.send("refuse_after_sale", "merchant", reason="it is as described")
    paused = (await play.state())["receipt"]["status"]
    await play.days(7.1)
    closed = await _stage(play)
    await play.days(7.1)
    by = (await play.state())["receipt"]["by"]
    await play.days(8)
    return f"paused, closed, by timeout, {settled(play)}", f"{paused}, {closed}, by {by}, {await ending(play)}"


@CASES.story("refused, then arbitrated in part")
async def arbitrated(play: StagedOrder) -> Outcome:
    await _delivered(play)
    await _ask(play, "refund_only", "damaged", lines=TEA, evidence=[{"kind": "photo", "reference": "photo-1"}])
    await play.send("refuse_after_sale", "merchant", reason="it left us whole")
    await play.send("escalate", "buyer", reason="the photo shows it")
    await play.send("add_evidence", "merchant", evidence=[{"kind": "text", "text": "weighed when it left"}])
    await play.days(2.1)
    await play.send("arbitrate", "reviewer", decision="part", amount_minor=4000, reason="half of it can be used")
    refund = (await play.state())["refunds"][-1]
    ended = await settle(play)
    return "refunded 4000; settled", f"refunded {refund['amount_minor']}; {ended.partition(';')[0]}"


@CASES.story("exchange: other goods under the same audit, no money moves")
async def exchanged(play: StagedOrder) -> Outcome:
    await _delivered(play)
    await _ask(play, "exchange", "wrong_item", lines=TEA)
    await play.send("agree_after_sale", "merchant")
    await _sent_back(play)
    await play.send("confirm_return", "merchant")
    stage = await _stage(play)
    play.waybill = play.new_waybill()
    parcel = {**play.parcel(), "parcel_id": "p2"}
    await play.send("report_shipment", "merchant", parcels=[parcel])
    await play.travel()
    await play.days(1)
    return f"exchanged, {settled(play)}", f"{stage}, {await settle(play)}"


@CASES.story("case after the credit: out of the merchant's pending money")
async def after_credit(play: StagedOrder) -> Outcome:
    await _delivered(play)
    await play.send("confirm_receipt", "buyer")
    await play.until(lambda state: state["phase"] == "credited")
    await _ask(play, "return_and_refund", "quality", lines=TEA)
    await play.send("agree_after_sale", "merchant")
    await _sent_back(play)
    await play.send("confirm_return", "merchant")
    phase = (await play.state())["phase"]
    await play.days(8)
    return f"credited, {kept(play, LINES[1].price_minor)}", f"{phase}, {await ending(play)}"
