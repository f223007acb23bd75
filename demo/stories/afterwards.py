"""What comes after the end: scans that are too late, and bookings that two people take back."""

from __future__ import annotations

import gateway
from core.movements import psp_settlement
from demo.stage import StagedOrder
from demo.stories.outcomes import Chapter, Outcome, ending, given_back
from ledger.book import Book

AFTERWARDS = Chapter()


async def by_operator(play: StagedOrder, person: str, verb: str, **fields: object) -> str:
    """An operator of this name says something to an order, which may be closed; the outcome."""
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
