"""Money that must be taken back: chargebacks, refunds after the settlement, and goods that were sent late."""

from __future__ import annotations

import random
from typing import Any

import gateway
from core.money import share_bps
from demo.stage import StagedOrder
from demo.stories.outcomes import Chapter, Outcome, confirm_and_settle, ending, money
from demo.stories.withdrawals import earn, withdraw_all
from demo.waiting import until
from local.stripe import dispute_event

TAKEN_BACK = Chapter()
LATE_POLICY = """
name = "demo-late"
commission_bps = 500
[after_sale]
late_bps = 500
late_minimum_minor = 500
late_cap_minor = 10000
"""


async def _report(play: StagedOrder, **fields: Any) -> None:
    """The payment channel reports; a closed order runs again for it."""
    actor = {"role": "channel", "id": play.order.payment.channel}
    body = {**play.command("channel", case_reference=f"dispute-{play.name}", **fields), "actor": actor}
    await gateway.send_reopening(play.stage.client, play.order, "report_chargeback", body)


async def _merchant(play: StagedOrder) -> str:
    """What the merchant has, and owes."""
    (balance,) = await play.stage.register.balances.of_merchant(play.order.merchant_id)
    has, owes = balance.available_minor, balance.receivable_minor
    return f"merchant has {money(play.order, has)}, owes {money(play.order, owes)}"


async def _closed(play: StagedOrder, stage: str) -> None:
    """Wait until the order is closed again, its last case at this stage."""
    await play.until(lambda state: state["closed"] and state["cases"][-1]["stage"] == stage)
    await until(lambda: play.stage.register.orders.row(play.name), lambda row: row is not None and row.closed)


async def _settled(play: StagedOrder) -> None:
    await play.start()
    await play.ship()
    await play.travel()
    await confirm_and_settle(play)
    await play.handle.result()


def _owing(play: StagedOrder, has: int, owes: int) -> str:
    return f"merchant has {money(play.order, has)}, owes {money(play.order, owes)}"


@TAKEN_BACK.story("chargeback lost: the channel keeps the money, the merchant loses what the order brought")
async def lost(play: StagedOrder) -> Outcome:
    await _settled(play)
    await _report(play, amount_minor=play.order.total_minor)
    await _report(play, outcome="lost")
    await _closed(play, "lost")
    return f"lost, {_owing(play, 0, 0)}", f"{(await play.state())['cases'][-1]['stage']}, {await _merchant(play)}"


@TAKEN_BACK.story("chargeback won: the exact reverse comes back")
async def won(play: StagedOrder) -> Outcome:
    await _settled(play)
    await _report(play, amount_minor=play.order.total_minor)
    await play.send("add_evidence", "merchant", evidence=[{"kind": "scan", "text": "delivered and signed for"}])
    await _report(play, outcome="won")
    await _closed(play, "won")
    expected = f"won, {_owing(play, play.merchants_share, 0)}"
    return expected, f"{(await play.state())['cases'][-1]['stage']}, {await _merchant(play)}"


async def _webhook(play: StagedOrder, kind: str, amount_minor: int, at: int, secret: str | None = None) -> str:
    """The channel's signed webhook about the dispute over the order's payment; returns its outcome."""
    stage, payment = play.stage, play.order.payment.reference
    assert stage.take_callback is not None
    given = secret or stage.dispute_secret
    body, headers = dispute_event(given, kind, f"du_{play.name}", payment, amount_minor, at=at, status="lost")
    return str((await stage.take_callback("stripe", body, headers)).outcome)


@TAKEN_BACK.story("chargeback by webhook: divided over the payment's two orders, forged and repeated ones do nothing")
async def divided(play: StagedOrder) -> Outcome:
    other = play.stage.play(800_000 + int(play.name[-3:]))
    total = play.order.total_minor + other.order.total_minor
    paid = play.order.payment.model_copy(update={"paid_minor": total})
    for one in (play, other):
        one.order = one.order.model_copy(update={"payment": paid})
        await one.start()
    outcomes = [await _webhook(play, "funds_withdrawn", total, 1, "whsec_of_another")]
    outcomes += [await _webhook(play, "funds_withdrawn", total, at) for at in (2, 3)]
    parts = [(await one.state())["cases"][-1]["amount_minor"] for one in (play, other)]
    outcomes.append(await _webhook(play, "closed", total, 4))
    for one in (play, other):
        await _closed(one, "lost")
    phases = ", ".join([str((await one.state())["phase"]) for one in (play, other)])
    expected = f"wrong_signature, reported, repeated, reported; exact {total}; refunded, refunded"
    return expected, f"{', '.join(outcomes)}; exact {sum(parts)}; {phases}"


@TAKEN_BACK.story("refund after the settlement: owed by the merchant, repaid by the next credit")
async def owed(play: StagedOrder) -> Outcome:
    account = f"acct-{play.name}"
    await earn(play, account)
    await withdraw_all(play, account)
    body = play.command("buyer", kind="refund_only", reason="quality")
    await gateway.send_reopening(play.stage.client, play.order, "open_after_sale", body)
    await play.send("agree_after_sale", "merchant", with_return=False)
    await _closed(play, "refunded")
    first = await _merchant(play)
    chance = random.Random(f"{play.stage.seed}/{play.name[-3:]}/next")  # the rest of the name is another in each run
    after = StagedOrder(play.stage, chance, f"{play.name}-next", play.carrier)
    after.order = after.order.model_copy(update={"merchant_id": play.order.merchant_id})
    await _settled(after)
    left = after.merchants_share - play.merchants_share
    expected = f"{_owing(play, 0, play.merchants_share)}; then {_owing(play, max(0, left), max(0, -left))}"
    return expected, f"{first}; then {await _merchant(play)}"


async def _exchanging(play: StagedOrder) -> str:
    """A settled order whose goods are to be exchanged; what its merchant has meanwhile."""
    await _settled(play)
    body = play.command("buyer", kind="exchange", reason="quality")
    await gateway.send_reopening(play.stage.client, play.order, "open_after_sale", body)
    await play.send("agree_after_sale", "merchant", with_return=False)
    await play.until(lambda state: bool(state.get("freeze")) and state["doing"] is None)
    return await _merchant(play)


@TAKEN_BACK.story("exchange after the settlement: the money is frozen until the buyer has the new goods")
async def exchanged(play: StagedOrder) -> Outcome:
    meanwhile = await _exchanging(play)
    play.waybill = play.new_waybill()
    await play.send("report_replacement", "merchant", carrier=play.carrier, waybill=play.waybill)
    await play.travel()
    await play.days(1)
    await play.send("confirm_replacement", "buyer")
    await _closed(play, "exchanged")
    expected = f"{_owing(play, 0, 0)}; exchanged, {_owing(play, play.merchants_share, 0)}"
    return expected, f"{meanwhile}; {(await play.state())['cases'][-1]['stage']}, {await _merchant(play)}"


@TAKEN_BACK.story("exchange after the settlement: no new goods are sent, and the money goes back")
async def not_exchanged(play: StagedOrder) -> Outcome:
    await _exchanging(play)
    await play.days(3.1)
    await _closed(play, "refunded")
    back = await play.stage.world.refunded_minor(play.order.payment.reference)
    expected = f"refunded, {_owing(play, 0, 0)}, buyer has {money(play.order, play.order.total_minor)} back"
    stage = (await play.state())["cases"][-1]["stage"]
    return expected, f"{stage}, {await _merchant(play)}, buyer has {money(play.order, back)} back"


@TAKEN_BACK.story("late shipment: the buyer gets a part of the price, out of the merchant's proceeds")
async def late(play: StagedOrder) -> Outcome:
    play.under(await play.stage.policy_of(LATE_POLICY))
    await play.start()
    await play.ship()
    await play.days(4)
    await play.travel()
    await confirm_and_settle(play)
    goods = sum(line.price_minor for line in play.order.lines)
    wanted = min(10_000, max(500, share_bps(goods, 500)))
    await ending(play)
    refunds = {refund["cause"]: refund["amount_minor"] for refund in (await play.state())["refunds"]}
    return f"late {wanted}, settled", f"late {refunds.get('late')}, {(await play.state())['phase']}"
