"""Labels: numbers that are queried in several ways, or travel more than once."""

from __future__ import annotations

from core.messages import Address
from demo.stage import MERCHANT_CITY, StagedOrder
from demo.stories.outcomes import Chapter, Outcome, confirm_and_settle, ending, given_back, settled, start_and_ship

LABELS = Chapter()

HAMBURG, BERLIN = Address(country="DE", city="Hamburg"), Address(country="DE", city="Berlin")
SENDERS, NOBODYS = "4406", "9905"
"""The last four digits of the sender's phone, and of a privacy number that the order does not have."""


async def _received(play: StagedOrder) -> str:
    """The buyer receives it, and the money moves."""
    await confirm_and_settle(play)
    return await ending(play)


@LABELS.story("SF label with the sender's digits: found, settled")
async def senders_digits(play: StagedOrder) -> Outcome:
    play.sent_with("sf")
    play.sent_between(MERCHANT_CITY.model_copy(update={"phone_last4": SENDERS}), play.order.ship_to)
    play.label_digits = SENDERS
    await start_and_ship(play)
    await play.travel()
    await play.days(1)
    audit = (await play.state())["audit"]
    return f"approved, then {settled(play)}", f"{audit}, then {await _received(play)}"


@LABELS.story("SF label with digits that the order does not name: a person decides")
async def unknown_digits(play: StagedOrder) -> Outcome:
    play.sent_with("sf")
    play.label_digits = NOBODYS
    await start_and_ship(play)
    await play.travel()
    await play.days(4)
    state = await play.state()
    missing = "phone_missing" in state["parcels"][0]["findings_of_review"]
    await play.send("decide_audit", "reviewer", verdict="approved", reason="the carrier's own page shows the delivery")
    said = f"{state['phase']}, {state['audit']}, digits {'missing' if missing else 'known'}"
    return f"shipped, in_review, digits missing, then {settled(play)}", f"{said}, then {await _received(play)}"


@LABELS.story("DHL Paket number: its own service has it, settled")
async def paket_number(play: StagedOrder) -> Outcome:
    play.sent_with("dhl")
    play.sent_between(HAMBURG, BERLIN)
    await start_and_ship(play)
    await play.scan("picked_up")
    await play.days(1)
    await play.scan("arrived")
    await play.days(1)
    await play.scan("delivered")
    await play.days(1)
    audit = (await play.state())["audit"]
    return f"approved, then {settled(play)}", f"{audit}, then {await _received(play)}"


@LABELS.story("package number off a JD label: read as its waybill, settled")
async def package_number(play: StagedOrder) -> Outcome:
    play.sent_with("jd")
    await play.start()
    await play.ship(f"{play.waybill}-1-1-")
    read = (await play.state())["parcels"][0]["waybill"]
    await play.travel()
    await play.days(1)
    return f"{play.waybill}, then {settled(play)}", f"{read}, then {await _received(play)}"


@LABELS.story("back at the sender under the same number: never credited by silence")
async def returned_under_its_number(play: StagedOrder) -> Outcome:
    play.sent_with("sandbox")
    await start_and_ship(play)
    await play.travel()
    await play.days(1)
    await play.scan("picked_up", play.order.ship_to.city)
    await play.days(2)
    await play.scan("delivered", play.order.ship_from.city)
    await play.days(8)
    state = await play.state()
    await play.send("decide_audit", "reviewer", verdict="rejected", reason="it went back to the sender")
    await play.days(4)
    said = f"{state['phase']}, {state['audit']}"
    return f"shipped, in_review, then {given_back(play, 'refunded')}", f"{said}, then {await ending(play)}"
