"""Orders: the six steps, and the ways in which an order ends early or waits."""

from __future__ import annotations

from core.errors import Refused
from demo.stage import StagedOrder
from demo.stories.outcomes import Chapter, Outcome, deliver_and_settle, ending, given_back, settled, start_and_ship

ORDERS = Chapter()


@ORDERS.story("happy: shipped, delivered, confirmed, settled")
async def happy(play: StagedOrder) -> Outcome:
    await start_and_ship(play)
    await deliver_and_settle(play)
    return settled(play), await ending(play)


@ORDERS.story("silent buyer: confirmed by timeout after delivery")
async def silent_buyer(play: StagedOrder) -> Outcome:
    await start_and_ship(play)
    await play.travel()
    await play.days(7.1)
    by = (await play.state())["receipt"]["by"]
    await play.days(7.1)
    return f"by timeout, {settled(play)}", f"by {by}, {await ending(play)}"


@ORDERS.story("never delivered: refunded")
async def never_delivered(play: StagedOrder) -> Outcome:
    await start_and_ship(play)
    await play.scan("picked_up")
    await play.days(31)
    await play.days(8)
    return given_back(play, "refunded"), await ending(play)


@ORDERS.story("late merchant: cancelled, the refund reaches the buyer")
async def late_merchant(play: StagedOrder) -> Outcome:
    await play.start()
    await play.days(2.1)
    return given_back(play, "cancelled"), await ending(play)


@ORDERS.story("refund with an unknown outcome: asked again until it arrived")
async def unknown_refund(play: StagedOrder) -> Outcome:
    await play.stage.world.fault("channel", match=play.order.payment.reference, kind="status_after_effect", times=1)
    await play.start()
    await play.send("cancel_order", "buyer", reason="changed my mind")
    await play.days(0.1)
    came_to = await ending(play)
    effects = await play.stage.world.refund_effects(play.order.payment.reference)
    return f"{given_back(play, 'cancelled')}, once", f"{came_to}, {'once' if effects == 1 else f'{effects} times'}"


@ORDERS.story("label without pickup: cancelled and refunded")
async def label_only(play: StagedOrder) -> Outcome:
    await start_and_ship(play)
    await play.scan("label")
    await play.days(5.1)
    return given_back(play, "cancelled"), await ending(play)


@ORDERS.story("goods refused at the door: refunded")
async def goods_refused(play: StagedOrder) -> Outcome:
    await start_and_ship(play)
    await play.scan("picked_up")
    await play.days(2)
    await play.scan("refused")
    await play.days(1)
    audit = (await play.state())["audit"]
    await play.days(4)
    return f"rejected, then {given_back(play, 'refunded')}", f"{audit}, then {await ending(play)}"


@ORDERS.story("buyer cancels before anything moved")
async def buyer_cancels(play: StagedOrder) -> Outcome:
    await play.start()
    await play.send("cancel_order", "buyer", reason="ordered twice")
    return given_back(play, "cancelled"), await ending(play)


@ORDERS.story("hold and lift: money waits, then moves at once")
async def hold_and_lift(play: StagedOrder) -> Outcome:
    await play.start()
    await play.send("place_hold", "operator", name="risk-check", scope="credit", reason="unusual amount")
    await play.ship()
    await play.travel()
    await play.send("confirm_receipt", "buyer")
    await play.days(1)
    held = (await play.state())["phase"]
    await play.send("lift_hold", "operator", name="risk-check", reason="checked")
    await play.days(8)
    return f"shipped while held, then {settled(play)}", f"{held} while held, then {await ending(play)}"


@ORDERS.story("prohibited goods: refused and refunded")
async def prohibited_goods(play: StagedOrder) -> Outcome:
    play.of_category("wildlife.ivory")
    await play.start()
    return given_back(play, "refused"), await ending(play)


@ORDERS.story("forged payment: refused, nothing funded")
async def forged_payment(play: StagedOrder) -> Outcome:
    play.paid_with(f"forged-{play.name}")
    try:
        await play.start()
        code = "accepted"
    except Refused as refusal:
        code = refusal.code
    return "payment_not_found; never registered", f"{code}; {await _ending_unregistered(play)}"


async def _ending_unregistered(play: StagedOrder) -> str:
    row = await play.stage.register.orders.row(play.order.order_id)
    return "never registered" if row is None else f"registered as {row.phase}"
