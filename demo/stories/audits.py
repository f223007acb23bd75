"""Waybills: what the audit approves, what it sends to a person, and what can be corrected."""

from __future__ import annotations

from datetime import timedelta

from demo.stage import BUYER_CITIES, MERCHANT_CITY, StagedOrder
from demo.stories.outcomes import (
    Chapter,
    Outcome,
    confirm_and_settle,
    deliver_and_settle,
    ending,
    given_back,
    settled,
    start_and_ship,
)

AUDITS = Chapter()

SHADOW_POLICY = """
name = "demo-shadow"
commission_bps = 500
[audit]
shadow = ["origin_matches"]
"""


@AUDITS.story("impossible waybill: refused, then corrected")
async def impossible_waybill(play: StagedOrder) -> Outcome:
    play.sent_with("sandbox")  # its numbers have a check digit
    await play.start()
    wrong = play.waybill[:-1] + str((int(play.waybill[-1]) + 1) % 10)
    code = await play.refused("report_shipment", "merchant", parcels=[play.parcel(wrong)])
    await play.ship()
    await deliver_and_settle(play)
    return f"impossible_waybill, then {settled(play)}", f"{code}, then {await ending(play)}"


@AUDITS.story("waybill reused for another buyer: refused")
async def reused_waybill(play: StagedOrder) -> Outcome:
    await start_and_ship(play)
    other = play.stage.play(900_000 + int(play.name[-3:]))
    other.order = other.order.model_copy(update={"merchant_id": play.order.merchant_id})
    await other.start()
    code = await other.refused("report_shipment", "merchant", parcels=[play.parcel()])
    await other.send("cancel_order", "buyer", reason="not sent")
    await deliver_and_settle(play)
    return f"waybill_in_use; the first {settled(play)}", f"{code}; the first {await ending(play)}"


@AUDITS.story("number used by two merchants: the trace decides whose it is")
async def contested_number(play: StagedOrder) -> Outcome:
    play.sent_with("yto")
    thief = play.stage.play(800_000 + int(play.name[-3:]))
    thief.sent_with("yto")
    thief.waybill = play.waybill
    elsewhere = next(place for place in BUYER_CITIES if place.city != play.order.ship_to.city)
    thief.order = thief.order.model_copy(update={"ship_to": elsewhere})
    await start_and_ship(thief)
    await start_and_ship(play)
    await thief.days(2.9)  # each order has its own clock; a scan must not be in the future of either
    await play.travel()
    await play.send("confirm_receipt", "buyer")
    await thief.days(1)
    verdict = (await thief.state())["parcels"][0]["verdict"]
    reasons = ", ".join(verdict["reasons"])
    await thief.days(4)
    # The number was not corrected, and something was delivered: a person decides.
    await thief.send("decide_audit", "reviewer", verdict="rejected", reason="the parcel is the other merchant's")
    await thief.days(1)
    await play.days(8)
    return (
        f"thief rejected: number_unclaimed, then {given_back(thief, 'refunded')}; the other {settled(play)}",
        f"thief {verdict['outcome']}: {reasons}, then {await ending(thief)}; the other {await ending(play)}",
    )


@AUDITS.story("frozen trace: a reviewer approves, the buyer confirms")
async def frozen_trace(play: StagedOrder) -> Outcome:
    await start_and_ship(play)
    await play.scan("picked_up")
    await play.days(12)
    audit = (await play.state())["audit"]
    await play.send("decide_audit", "reviewer", verdict="approved", reason="the depot confirmed the handover")
    await confirm_and_settle(play)
    return f"in_review, then {settled(play)}", f"{audit}, then {await ending(play)}"


@AUDITS.story("number recycled from an older parcel: to a person, rejected, refunded")
async def recycled_number(play: StagedOrder) -> Outcome:
    await start_and_ship(play)
    old = play.now - timedelta(days=90)
    await play.scans_at((old, "picked_up", "杭州市"), (old + timedelta(days=3), "delivered", play.order.ship_to.city))
    await play.days(1)
    audit = (await play.state())["audit"]
    await play.send("decide_audit", "reviewer", verdict="rejected", reason="that parcel travelled in spring")
    await play.days(4)
    return f"in_review, then {given_back(play, 'refunded')}", f"{audit}, then {await ending(play)}"


@AUDITS.story("delivered in the wrong city: to a person")
async def wrong_city(play: StagedOrder) -> Outcome:
    # The cities of its scans say nothing of a buyer abroad.
    play.sent_with("sandbox")
    play.sent_between(MERCHANT_CITY, BUYER_CITIES[0])
    await start_and_ship(play)
    await play.scan("picked_up")
    await play.days(1)
    await play.scan("in_transit", "郑州市")
    await play.days(1)
    await play.scan("delivered", "昆明市")
    await play.days(1)
    parcel = (await play.state())["parcels"][0]
    reasons = ", ".join(parcel["verdict"]["reasons"])
    return "in_review: destination_matches", f"{parcel['audit']}: {reasons}"


@AUDITS.story("carrier outage: never held against the merchant")
async def carrier_outage(play: StagedOrder) -> Outcome:
    await play.start()
    await play.stage.world.fault("carrier", match=play.waybill, kind="status_before_effect", times=None)
    await play.ship()
    await play.days(6)
    state = await play.state()
    await play.send("confirm_receipt", "buyer")
    await play.send("decide_audit", "reviewer", verdict="approved", reason="the buyer has it; the carrier was out")
    await play.days(8)
    return (
        f"shipped, in_review, then {settled(play)}",
        f"{state['phase']}, {state['audit']}, then {await ending(play)}",
    )


@AUDITS.story("rejected, then corrected: settled")
async def corrected_after_rejection(play: StagedOrder) -> Outcome:
    await start_and_ship(play)
    await play.scan("picked_up")
    await play.scan("returning")
    await play.days(1)
    audit = (await play.state())["audit"]
    play.waybill = play.new_waybill()
    correction = {"parcel_id": "p1", "carrier": play.carrier, "waybill": play.waybill, "reason": "sent again"}
    await play.send("correct_waybill", "merchant", **correction)
    await deliver_and_settle(play)
    return f"rejected, then {settled(play)}", f"{audit}, then {await ending(play)}"


@AUDITS.story("rejected, appealed and approved: settled")
async def appealed(play: StagedOrder) -> Outcome:
    await start_and_ship(play)
    await play.scan("picked_up")
    await play.scan("returning")
    await play.days(1)
    first = (await play.state())["audit"]
    await play.send("appeal_audit", "merchant", statement="the courier scanned the wrong code")
    second = (await play.state())["audit"]
    await play.send("decide_audit", "reviewer", verdict="approved", reason="the depot confirms the error")
    await confirm_and_settle(play)
    return f"rejected, in_review, then {settled(play)}", f"{first}, {second}, then {await ending(play)}"


@AUDITS.story("shadow rule: judged and recorded, not counted")
async def shadow_rule(play: StagedOrder) -> Outcome:
    play.under(await play.stage.policy_of(SHADOW_POLICY))
    await start_and_ship(play)
    await play.travel()
    await play.send("confirm_receipt", "buyer")
    shadow = (await play.state())["parcels"][0]["verdict"]["shadow"]
    seen = ", ".join(finding["rule"] for finding in shadow)
    await play.days(8)
    return f"origin_matches in shadow; {settled(play)}", f"{seen} in shadow; {await ending(play)}"


@AUDITS.story("subscribed: what the provider pushes is known at once")
async def subscribed(play: StagedOrder) -> Outcome:
    play.sent_with("yto")
    await start_and_ship(play)
    await play.scan("picked_up")
    pushed = await play.pushed()
    await play.until(lambda state: state["parcels"][0]["pushed_physical_at"] is not None)
    await deliver_and_settle(play)
    return f"push applied, {settled(play)}", f"push {pushed}, {await ending(play)}"


@AUDITS.story("first provider throttled: the next one has the trace")
async def throttled(play: StagedOrder) -> Outcome:
    play.sent_with("yto")
    await play.start()
    await play.stage.world.fault("carrier", match=play.waybill, kind="status_before_effect", status=429, times=1)
    await play.scan("picked_up")
    await play.ship()
    await play.until(lambda state: state["parcels"][0]["verdict"] is not None)
    moved = "moved" if (await play.state())["parcels"][0]["verdict"]["first_physical_at"] else "unseen"
    await deliver_and_settle(play)
    return f"moved, then {settled(play)}", f"{moved}, then {await ending(play)}"
