"""The stories of the demonstration: what may become of an order, one function each.

A story plays its order and returns (expected, got). What is expected is computed from the order alone; what was got
is read from register and ledger.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from commands.stage import StagedOrder
from core.errors import Refused
from core.messages import Order
from core.money import format_minor

Told = tuple[str, str]
Story = Callable[[StagedOrder], Awaitable[Told]]

STORIES: dict[str, Story] = {}
UNDER_WAY = frozenset({"opening", "requested", "approved", "submitting", "submitted"})
"""Phases of a withdrawal that end by themselves within moments."""

SHADOW_POLICY = """
name = "demo-shadow"
commission_bps = 500
[audit]
shadow = ["origin_matches"]
"""


def story(name: str) -> Callable[[Story], Story]:
    """Register a story under the name that the table shows."""

    def register(tell: Story) -> Story:
        STORIES[name] = tell
        return tell

    return register


# --- what is compared ------------------------------------------------------------------------------------


def _money(order: Order, amount_minor: int) -> str:
    return format_minor(amount_minor, order.currency)


def _settled(play: StagedOrder) -> str:
    return f"settled; merchant has {_money(play.order, play.merchants_share)}"


def _given_back(play: StagedOrder, phase: str) -> str:
    return f"{phase}; buyer has {_money(play.order, play.order.total_minor)} back"


async def _ending(play: StagedOrder) -> str:
    """How the order ended, from the register and the ledger; waits a little for the last posting."""
    register, order = play.stage.register, play.order
    for _ in range(100):
        row = await register.order_row(order.order_id)
        if row is not None and row.closed:
            break
        await asyncio.sleep(0.1)
    if row is None:
        return "never registered"
    if not row.closed:
        return f"open: {row.phase}, audit {row.audit}, receipt {row.receipt}"
    if row.phase == "settled":
        available = await register.available(order.merchant_id, order.currency)
        return f"settled; merchant has {_money(order, available)}"
    arrived = await play.stage.world.refunded_minor(order.payment.reference)
    return f"{row.phase}; buyer has {_money(order, arrived)} back"


# --- six steps -------------------------------------------------------------------------------------------


@story("happy: shipped, delivered, confirmed, settled")
async def happy(play: StagedOrder) -> Told:
    await play.start()
    await play.ship()
    await play.travel()
    await play.send("confirm_receipt", "buyer")
    await play.days(8)
    return _settled(play), await _ending(play)


@story("silent buyer: confirmed by timeout after delivery")
async def silent_buyer(play: StagedOrder) -> Told:
    await play.start()
    await play.ship()
    await play.travel()
    await play.days(7.1)
    by = (await play.state())["receipt"]["by"]
    await play.days(7.1)
    return f"by timeout, {_settled(play)}", f"by {by}, {await _ending(play)}"


@story("never delivered: refunded")
async def never_delivered(play: StagedOrder) -> Told:
    await play.start()
    await play.ship()
    await play.scan("picked_up")
    await play.days(31)
    await play.days(8)
    return _given_back(play, "refunded"), await _ending(play)


@story("late merchant: cancelled, the refund reaches the buyer")
async def late_merchant(play: StagedOrder) -> Told:
    await play.start()
    await play.days(2.1)
    return _given_back(play, "cancelled"), await _ending(play)


@story("refund with an unknown outcome: asked again until it arrived")
async def unknown_refund(play: StagedOrder) -> Told:
    await play.stage.world.fault("channel", match=play.order.payment.reference, kind="status_after_effect", times=1)
    await play.start()
    await play.send("cancel_order", "buyer", reason="changed my mind")
    await play.days(0.1)
    ending = await _ending(play)
    effects = await play.stage.world.refund_effects(play.order.payment.reference)
    return f"{_given_back(play, 'cancelled')}, once", f"{ending}, {'once' if effects == 1 else f'{effects} times'}"


@story("label without pickup: cancelled and refunded")
async def label_only(play: StagedOrder) -> Told:
    await play.start()
    await play.ship()
    await play.scan("label")
    await play.days(5.1)
    return _given_back(play, "cancelled"), await _ending(play)


# --- waybills --------------------------------------------------------------------------------------------


@story("impossible waybill: refused, then corrected")
async def impossible_waybill(play: StagedOrder) -> Told:
    await play.start()
    wrong = play.waybill[:-1] + str((int(play.waybill[-1]) + 1) % 10)
    parcel = {"parcel_id": "p1", "carrier": "sandbox", "waybill": wrong, "lines": None}
    code = await play.refused("report_shipment", "merchant", parcels=[parcel])
    await play.ship()
    await play.travel()
    await play.send("confirm_receipt", "buyer")
    await play.days(8)
    return f"impossible_waybill, then {_settled(play)}", f"{code}, then {await _ending(play)}"


@story("waybill reused for another buyer: refused")
async def reused_waybill(play: StagedOrder) -> Told:
    await play.start()
    await play.ship()
    other = play.stage.play(900_000 + int(play.name[-3:]))
    other.order = other.order.model_copy(update={"merchant_id": play.order.merchant_id})
    await other.start()
    parcel = {"parcel_id": "p1", "carrier": "sandbox", "waybill": play.waybill, "lines": None}
    code = await other.refused("report_shipment", "merchant", parcels=[parcel])
    await other.send("cancel_order", "buyer", reason="not sent")
    await play.travel()
    await play.send("confirm_receipt", "buyer")
    await play.days(8)
    return f"waybill_in_use; the first {_settled(play)}", f"{code}; the first {await _ending(play)}"


@story("frozen trace: a reviewer approves, the buyer confirms")
async def frozen_trace(play: StagedOrder) -> Told:
    await play.start()
    await play.ship()
    await play.scan("picked_up")
    await play.days(12)
    audit = (await play.state())["audit"]
    await play.send("decide_audit", "reviewer", verdict="approved", reason="the depot confirmed the handover")
    await play.send("confirm_receipt", "buyer")
    await play.days(8)
    return f"in_review, then {_settled(play)}", f"{audit}, then {await _ending(play)}"


@story("number recycled from an older parcel: to a person, rejected, refunded")
async def recycled_number(play: StagedOrder) -> Told:
    await play.start()
    await play.ship()
    old = play.now - timedelta(days=90)
    await play.scans_at((old, "picked_up", "杭州市"), (old + timedelta(days=3), "delivered", play.order.ship_to.city))
    await play.days(1)
    audit = (await play.state())["audit"]
    await play.send("decide_audit", "reviewer", verdict="rejected", reason="that parcel travelled in spring")
    await play.days(4)
    return f"in_review, then {_given_back(play, 'refunded')}", f"{audit}, then {await _ending(play)}"


@story("delivered in the wrong city: to a person")
async def wrong_city(play: StagedOrder) -> Told:
    await play.start()
    await play.ship()
    await play.scan("picked_up")
    await play.days(1)
    await play.scan("in_transit", "郑州市")
    await play.days(1)
    await play.scan("delivered", "昆明市")
    await play.days(1)
    parcel = (await play.state())["parcels"][0]
    reasons = ", ".join(parcel["verdict"]["reasons"])
    return "in_review: destination_matches", f"{parcel['audit']}: {reasons}"


@story("carrier outage: never held against the merchant")
async def carrier_outage(play: StagedOrder) -> Told:
    await play.start()
    await play.stage.world.fault("carrier", match=play.waybill, kind="status_before_effect", times=None)
    await play.ship()
    await play.days(6)
    state = await play.state()
    await play.send("confirm_receipt", "buyer")
    await play.send("decide_audit", "reviewer", verdict="approved", reason="the buyer has it; the carrier was out")
    await play.days(8)
    return (
        f"shipped, in_review, then {_settled(play)}",
        f"{state['phase']}, {state['audit']}, then {await _ending(play)}",
    )


@story("rejected, then corrected: settled")
async def corrected_after_rejection(play: StagedOrder) -> Told:
    await play.start()
    await play.ship()
    await play.scan("picked_up")
    await play.scan("returning")
    await play.days(1)
    audit = (await play.state())["audit"]
    play.waybill = play.new_waybill()
    correction = {"parcel_id": "p1", "carrier": "sandbox", "waybill": play.waybill, "reason": "sent again"}
    await play.send("correct_waybill", "merchant", **correction)
    await play.travel()
    await play.send("confirm_receipt", "buyer")
    await play.days(8)
    return f"rejected, then {_settled(play)}", f"{audit}, then {await _ending(play)}"


@story("rejected, appealed and approved: settled")
async def appealed(play: StagedOrder) -> Told:
    await play.start()
    await play.ship()
    await play.scan("picked_up")
    await play.scan("returning")
    await play.days(1)
    first = (await play.state())["audit"]
    await play.send("appeal_audit", "merchant", statement="the courier scanned the wrong code")
    second = (await play.state())["audit"]
    await play.send("decide_audit", "reviewer", verdict="approved", reason="the depot confirms the error")
    await play.send("confirm_receipt", "buyer")
    await play.days(8)
    return f"rejected, in_review, then {_settled(play)}", f"{first}, {second}, then {await _ending(play)}"


@story("shadow rule: judged and recorded, not counted")
async def shadow_rule(play: StagedOrder) -> Told:
    play.under(await play.stage.policy_of(SHADOW_POLICY))
    await play.start()
    await play.ship()
    await play.travel()
    await play.send("confirm_receipt", "buyer")
    shadow = (await play.state())["parcels"][0]["verdict"]["shadow"]
    seen = ", ".join(finding["rule"] for finding in shadow)
    await play.days(8)
    return f"origin_matches in shadow; {_settled(play)}", f"{seen} in shadow; {await _ending(play)}"


@story("goods refused at the door: refunded")
async def goods_refused(play: StagedOrder) -> Told:
    await play.start()
    await play.ship()
    await play.scan("picked_up")
    await play.days(2)
    await play.scan("refused")
    await play.days(1)
    audit = (await play.state())["audit"]
    await play.days(4)
    return f"rejected, then {_given_back(play, 'refunded')}", f"{audit}, then {await _ending(play)}"


# --- people ----------------------------------------------------------------------------------------------


@story("buyer cancels before anything moved")
async def buyer_cancels(play: StagedOrder) -> Told:
    await play.start()
    await play.send("cancel_order", "buyer", reason="ordered twice")
    return _given_back(play, "cancelled"), await _ending(play)


@story("hold and lift: money waits, then moves at once")
async def hold_and_lift(play: StagedOrder) -> Told:
    await play.start()
    await play.send("place_hold", "operator", name="risk-check", scope="credit", reason="unusual amount")
    await play.ship()
    await play.travel()
    await play.send("confirm_receipt", "buyer")
    await play.days(1)
    held = (await play.state())["phase"]
    await play.send("lift_hold", "operator", name="risk-check", reason="checked")
    await play.days(8)
    return f"shipped while held, then {_settled(play)}", f"{held} while held, then {await _ending(play)}"


@story("prohibited goods: refused and refunded")
async def prohibited_goods(play: StagedOrder) -> Told:
    play.of_category("wildlife.ivory")
    await play.start()
    return _given_back(play, "refused"), await _ending(play)


@story("forged payment: refused, nothing funded")
async def forged_payment(play: StagedOrder) -> Told:
    play.paid_with(f"forged-{play.name}")
    try:
        await play.start()
        code = "accepted"
    except Refused as refusal:
        code = refusal.code
    return "payment_not_found; never registered", f"{code}; {await _ending_unregistered(play)}"


async def _ending_unregistered(play: StagedOrder) -> str:
    row = await play.stage.register.order_row(play.order.order_id)
    return "never registered" if row is None else f"registered as {row.phase}"


# --- withdrawals -----------------------------------------------------------------------------------------


async def _earn(play: StagedOrder, account: str) -> int:
    """Live through a happy order and bind an account; what is available then."""
    await play.stage.register.bind_account(
        account_id=account,
        merchant_id=play.order.merchant_id,
        currency=play.order.currency,
        rail="sandbox",
        holder=play.order.merchant_id,
        last4="4242",
        rail_token=f"tok-{account}",
        now=datetime.now(UTC),
    )
    await happy(play)
    return await play.stage.register.available(play.order.merchant_id, play.order.currency)


async def _paid_out(play: StagedOrder, account: str, *, wait_days: float = 0) -> str:
    """Withdraw all; say how it ended, how often the bank paid, and what the merchant still has."""
    amount = await play.stage.register.available(play.order.merchant_id, play.order.currency)
    handle = await play.withdraw(amount, account)
    for _ in range(100):
        state = (await handle.query("withdrawal"))["phase"]
        if state not in UNDER_WAY:
            break
        await asyncio.sleep(0.1)
    if wait_days:
        await play.skip(handle, timedelta(days=wait_days))
        state = (await handle.query("withdrawal"))["phase"]
    left = await play.stage.register.available(play.order.merchant_id, play.order.currency)
    effects = await play.stage.world.payout_effects(f"tok-{account}")
    return f"{state}, the bank paid {effects} times, {_money(play.order, left)} left"


@story("withdrawal: paid to the bank")
async def withdrawal_paid(play: StagedOrder) -> Told:
    account = f"a-{play.name}"
    await _earn(play, account)
    return f"paid, the bank paid 1 times, {_money(play.order, 0)} left", await _paid_out(play, account)


@story("withdrawal with an unknown outcome: it turns out paid, once")
async def withdrawal_unknown(play: StagedOrder) -> Told:
    account = f"a-{play.name}"
    await _earn(play, account)
    await play.stage.world.fault("bank", match=f"tok-{account}", kind="status_after_effect", times=1)
    got = await _paid_out(play, account, wait_days=0.1)
    return f"paid, the bank paid 1 times, {_money(play.order, 0)} left", got


@story("withdrawal refused by the bank: given back")
async def withdrawal_refused(play: StagedOrder) -> Told:
    account = f"a-{play.name}"
    earned = await _earn(play, account)
    await play.stage.world.refuse_account(f"tok-{account}", code="ACCOUNT_CLOSED")
    got = await _paid_out(play, account)
    return f"failed, the bank paid 0 times, {_money(play.order, earned)} left", got
