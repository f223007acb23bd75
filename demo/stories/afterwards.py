"""Events after the end: late scans, bookings that two people reverse, and refunds of a basket."""

from __future__ import annotations

import gateway
from core.movements import psp_settlement
from demo.stage import StagedOrder
from demo.stories.outcomes import Chapter, Outcome, deliver_and_settle, ending, given_back, money, settled
from ledger.book import Book

AFTERWARDS = Chapter()


async def by_operator(play: StagedOrder, person: str, verb: str, **fields: object) -> str:
    """Send an operator's command to an order, which may be closed; returns the outcome."""
    body = {**play.command("operator", **fields), "actor": {"role": "operator", "id": person}}
    return str((await gateway.send_reopening(play.stage.client, play.order, verb, body))["outcome"])


@AFTERWARDS.story("late scan after the refund: notified once, an operator settles it")
async def late_scan(play: StagedOrder) -> Outcome:
    await play.start()
    await play.ship()
    for person in ("ann", "bob"):
        await by_operator(play, person, "refund_order", reason="the buyer waited too long")
    await play.handle.result()
    for hours in (0, 1):
        at = play.now.replace(hour=hours, microsecond=0).isoformat()
        scan = {"at": at, "code": "80", "stage": "delivered", "city": play.order.ship_to.city}
        body = play.command("carrier", carrier=play.carrier, waybill=play.waybill, scans=[scan], provider="sandbox")
        await gateway.send_reopening(play.stage.client, play.order, "report_scan", body)
    await play.handle.result()
    held = (await play.state())["holds"][-1]["name"]
    await by_operator(play, "ann", "lift_hold", name="late_scan", reason="the buyer paid again")
    await play.handle.result()
    notices = await play.stage.register.notices.read(subject=f"order/{play.name}")
    notified = [f"{notice.to} {notice.facts['what']}" for notice in notices if notice.name == "late_scan"]
    expected = f"late_scan; merchant delivered, operator delivered; {given_back(play, 'refunded')}"
    return expected, f"{held}; {', '.join(notified)}; {await ending(play)}"


@AFTERWARDS.story("goods after the refund: the buyer agrees by silence, the channel has the money, the merchant too")
async def claimed_back(play: StagedOrder) -> Outcome:
    await play.start()
    await play.ship()
    for person in ("ann", "bob"):
        await by_operator(play, person, "refund_order", reason="the buyer waited too long")
    await play.handle.result()
    scan = {"at": play.now.isoformat(), "code": "80", "stage": "delivered", "city": play.order.ship_to.city}
    body = play.command("carrier", carrier=play.carrier, waybill=play.waybill, scans=[scan], provider="sandbox")
    await gateway.send_reopening(play.stage.client, play.order, "report_scan", body)
    await by_operator(play, "ann", "open_claim_back", reason="the carrier delivered it")
    await play.days(7.1)
    await play.handle.result()
    stage = (await play.state())["cases"][-1]["stage"]
    charged = await play.stage.world.charged_minor(play.order.payment.reference)
    has = sum(one.available_minor for one in await play.stage.register.balances.of_merchant(play.order.merchant_id))
    expected = f"paid_back; {money(play.order, play.order.total_minor)}; {money(play.order, play.merchants_share)}"
    return expected, f"{stage}; {money(play.order, sum(charged))}; {money(play.order, has)}"


@AFTERWARDS.story("correction: a settlement booked by mistake is taken back by two people")
async def corrected(play: StagedOrder) -> Outcome:
    await play.start()
    register, name = play.stage.register, f"S-{play.name}"
    twice = psp_settlement(
        "wechat", name, rail="sandbox", net_minor=90, fee_minor=10, currency="CNY", occurred_at=play.now
    )
    booked = await Book(register.pool).post(twice)
    answers: list[str] = [booked.outcome]
    for person in ("ann", "ann", "bob", "bob"):
        answer = await register.corrections.correct(
            name, twice.reference, person=person, reason="booked twice", now=play.now
        )
        answers.append(answer.outcome)
    left = [leg.amount_minor - leg.corrected_minor for leg in await register.corrections.legs(twice.reference)]
    return "posted, asked, same_person, corrected, already; [0, 0] left", f"{', '.join(answers)}; {left} left"


@AFTERWARDS.story("a basket over two merchants: one order refunded, one settled, the rest back to the buyer")
async def basket(play: StagedOrder) -> Outcome:
    other = play.stage.play(700_000 + int(play.name[-3:]))
    rest = 2_000
    paid = play.order.payment.model_copy(update={"paid_minor": play.order.total_minor + other.order.total_minor + rest})
    for one in (play, other):
        one.order = one.order.model_copy(update={"payment": paid})
        await one.start()
    payments, name = play.stage.register.payments, f"rest-{play.name}"
    for person in ("ann", "bob"):
        await by_operator(other, person, "refund_order", reason="its shop closed")
        await payments.return_rest(
            name, paid.channel, paid.reference, person=person, reason="no order claims it", now=play.now
        )
    await (await gateway.start_payment_return(play.stage.client, name)).result()
    await play.ship()
    await deliver_and_settle(play)
    ended = await ending(play)
    orders = await payments.orders_of(paid.channel, paid.reference)
    back = await play.stage.world.refunded_minor(paid.reference)
    expected = f"settled, refunded; {settled(play)}; buyer has {money(play.order, other.order.total_minor + rest)} back"
    phases = ", ".join(sorted((one.phase for one in orders), reverse=True))
    return expected, f"{phases}; {ended}; buyer has {money(play.order, back)} back"
