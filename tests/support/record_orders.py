"""Records a history of an order for each of its waits and ends.

Old histories are never deleted once the workflow was released; new ones get new names. Without names, records the
stories that have no history yet.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

from databases import lift_safeguards

import local.temporal
from core.errors import Unavailable
from core.movements import Movement
from core.steps import Posted
from demo.stage import Stage, StagedOrder
from ledger.book import Book
from ledger.register import Register
from local.stack import LocalStack
from wiring.database import ready_database
from worker import running_worker

HISTORIES = Path(__file__).parents[1] / "histories"
Story = Callable[[StagedOrder], Awaitable[object]]


async def awaiting_shipment(play: StagedOrder) -> None:
    await play.start()
    await play.handle.signal("nonsense", 7)


async def screening_held(play: StagedOrder) -> None:
    play.of_category("medicine.pills")
    await play.start()


async def screening_allowed(play: StagedOrder) -> None:
    await screening_held(play)
    await play.send("decide_screening", "reviewer", verdict="allow", reason="a licence is there")


async def refused(play: StagedOrder) -> None:
    play.of_category("wildlife.ivory")
    await play.start()
    await play.handle.result()


async def collecting(play: StagedOrder) -> None:
    await play.start()
    await play.ship()
    await play.days(1)


async def corrected(play: StagedOrder) -> None:
    await collecting(play)
    play.waybill = play.new_waybill()
    await play.send(
        "correct_waybill", "merchant", parcel_id="p1", carrier="sandbox", waybill=play.waybill, reason="mistyped"
    )


async def awaiting_receipt(play: StagedOrder) -> None:
    await play.start()
    await play.ship()
    await play.travel()
    await play.days(1)


async def extended(play: StagedOrder) -> None:
    await awaiting_receipt(play)
    await play.days(4)
    await play.send("extend_receipt", "buyer", reason="on a journey")


async def credited(play: StagedOrder) -> None:
    await awaiting_receipt(play)
    await play.send("confirm_receipt", "buyer")


async def settled(play: StagedOrder) -> None:
    await credited(play)
    await play.days(8)
    await play.handle.result()


async def settled_by_silence(play: StagedOrder) -> None:
    await awaiting_receipt(play)
    await play.days(7)
    await play.days(8)
    await play.handle.result()


async def held(play: StagedOrder) -> None:
    await awaiting_receipt(play)
    await play.send("place_hold", "operator", name="risk", scope="credit", reason="unusual")
    await play.send("confirm_receipt", "buyer")


async def rejected(play: StagedOrder) -> None:
    await play.start()
    await play.ship()
    await play.scan("picked_up")
    await play.scan("returning")
    await play.days(1)


async def in_review(play: StagedOrder) -> None:
    await rejected(play)
    await play.send("appeal_audit", "merchant", statement="it is mine")


async def refunded_after_rejection(play: StagedOrder) -> None:
    await rejected(play)
    await play.days(4)
    await play.handle.result()


async def undelivered(play: StagedOrder) -> None:
    await play.start()
    await play.ship()
    await play.scan("picked_up")
    await play.days(31)


async def long_on_its_way(play: StagedOrder) -> None:
    """The timer of the deadline before rings while the parcel is on its way."""
    await play.start()
    await play.ship()
    await play.scan("picked_up")
    await play.days(6)
    await play.scan("delivered")
    await play.days(1)
    await play.send("confirm_receipt", "buyer")


async def cancelled(play: StagedOrder) -> None:
    await play.start()
    await play.send("cancel_order", "buyer", reason="ordered twice")
    await play.handle.result()


async def cancelled_by_ship_by(play: StagedOrder) -> None:
    await play.start()
    await play.days(3)
    await play.handle.result()


async def refund_failed(play: StagedOrder) -> None:
    play.paid_with(f"refuse-{play.name}")
    await play.start()
    await play.send("cancel_order", "buyer", reason="no")
    await asyncio.sleep(1)


async def refund_pending(play: StagedOrder) -> None:
    await play.stage.world.plan_refunds(play.order.payment.reference, "processing", looks=None)
    await play.start()
    await play.send("cancel_order", "buyer", reason="ordered twice")
    await play.days(0.1)


async def refund_resolved(play: StagedOrder) -> None:
    await refund_pending(play)
    await play.days(4)
    said = {"cause": "cancel", "outcome": "arrived", "reference": "B-7", "reason": "the channel's letter"}
    await play.send("resolve_refund", "operator", **said)
    await play.send("resolve_refund", "reviewer", **said)
    await play.handle.result()


async def confirmed_before_the_verdict(play: StagedOrder) -> None:
    await play.start()
    await play.ship()
    await play.send("confirm_receipt", "buyer")


async def review_overdue(play: StagedOrder) -> None:
    await in_review(play)
    await play.days(8)


async def no_pickup(play: StagedOrder) -> None:
    await play.start()
    await play.ship()
    await play.scan("label")
    await play.days(6)
    await play.handle.result()


async def given_up_undelivered(play: StagedOrder) -> None:
    await undelivered(play)
    await play.days(8)
    await play.handle.result()


async def two_parcels(play: StagedOrder) -> None:
    while len(play.order.lines) < 2:
        play.of_category("books.children")
    await play.start()
    first = {"parcel_id": "p1", "carrier": "sandbox", "waybill": play.waybill}
    second = {"parcel_id": "p2", "carrier": "sandbox", "waybill": play.new_waybill()}
    lines = [{"line_id": "1", "quantity": play.order.lines[0].quantity}]
    await play.send("report_shipment", "merchant", parcels=[{**first, "lines": lines}])
    await play.send("report_shipment", "merchant", parcels=[second])
    await play.travel()
    await play.days(3)


async def cancellation_requested(play: StagedOrder) -> None:
    await play.start()
    await play.handle.cancel()
    await asyncio.sleep(0.5)
    await play.ship()


async def posted_late(play: StagedOrder) -> None:
    """The ledger is away: a failed local activity becomes a regular activity, which people can see."""
    await awaiting_receipt(play)
    away.add("credit")
    await play.send("confirm_receipt", "buyer")
    await asyncio.sleep(3)
    away.clear()
    await asyncio.sleep(3)


async def continued_as_new(play: StagedOrder) -> None:
    await play.start()
    for number in range(12):
        await play.send("place_hold", "operator", name=f"h{number}", scope="credit", reason="unusual")
        await play.send("lift_hold", "operator", name=f"h{number}", reason="checked")
    await play.ship()


away: set[str] = set()
"""The last parts of the references that the ledger does not post at present."""
_posts = Book.post


async def _post(book: Book, movement: Movement, record: Any = None) -> Posted:
    if movement.reference.rsplit("/", 1)[-1] in away:
        raise Unavailable("it does not answer")
    return await _posts(book, movement, record)


LONG: tuple[Story, ...] = (continued_as_new,)
"""Recorded on a server that suggests a new run early."""
STORIES: tuple[Story, ...] = (
    refund_pending,
    refund_resolved,
    confirmed_before_the_verdict,
    review_overdue,
    no_pickup,
    given_up_undelivered,
    two_parcels,
    cancellation_requested,
    posted_late,
    awaiting_shipment,
    screening_held,
    screening_allowed,
    refused,
    collecting,
    corrected,
    awaiting_receipt,
    extended,
    credited,
    settled,
    settled_by_silence,
    held,
    rejected,
    in_review,
    refunded_after_rejection,
    undelivered,
    long_on_its_way,
    cancelled,
    cancelled_by_ship_by,
    refund_failed,
)


async def main(names: Sequence[str]) -> None:
    """Play the stories and keep their histories, without the name of the machine they were played on."""
    HISTORIES.mkdir(exist_ok=True)
    early = {"limit.historyCount.suggestContinueAsNew": 60}
    with patch.object(Book, "post", _post):
        await _record([story for story in STORIES if _wanted(story, names)])
        with patch.dict(local.temporal._DYNAMIC_CONFIG, early):
            await _record([story for story in LONG if _wanted(story, names)])


def _file(story: Story) -> Path:
    return HISTORIES / f"order_{getattr(story, '__name__', '')}.json"


def _wanted(story: Story, names: Sequence[str]) -> bool:
    return _file(story).stem.removeprefix("order_") in names if names else not _file(story).exists()


async def _record(stories: Sequence[Story]) -> None:
    async with (
        LocalStack.temporary(durable=False) as stack,
        running_worker(stack.settings) as client,
        ready_database(stack.settings) as pool,
    ):
        await lift_safeguards(stack.settings.needed("database_owner_url"))
        stage = Stage(client, stack.world, Register(pool), seed=3, tag=f"h{secrets.token_hex(2)}")
        for number, story in enumerate(stories):
            play = stage.play(number)
            await story(play)
            await asyncio.sleep(0.3)
            history = (await play.handle.fetch_history()).to_json()
            anonymous = re.sub(r'"identity": ?"[^"]*"', '"identity": "worker"', history)
            anonymous = re.sub(r'"stackTrace": ?"(?:[^"\\]|\\.)*"', '"stackTrace": ""', anonymous)
            _file(story).write_text(anonymous, encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
