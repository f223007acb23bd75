"""Record a history of an order for each of its waits and ends: `PYTHONPATH=. python tests/record_orders.py`.

Old histories are never deleted once the workflow was released; new ones get new names.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path

import client as door
from commands.stage import Stage, StagedOrder
from ledger.register import Register
from local.stack import LocalStack
from worker import ready_database, running_worker

HISTORIES = Path(__file__).parent / "histories"
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


STORIES: tuple[Story, ...] = (
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
    cancelled,
    cancelled_by_ship_by,
    refund_failed,
)


async def main() -> None:
    """Play every story and keep its history, without the name of the machine it was played on."""
    HISTORIES.mkdir(exist_ok=True)
    async with (
        LocalStack.temporary(durable=False) as stack,
        running_worker(stack.settings) as client,
        ready_database(stack.settings) as pool,
    ):
        stage = Stage(client, stack.world, Register(pool), seed=3, tag=f"h{secrets.token_hex(2)}")
        for number, story in enumerate(STORIES):
            play = stage.play(number)
            await story(play)
            await asyncio.sleep(0.3)
            history = (await play.handle.fetch_history()).to_json()
            anonymous = re.sub(r'"identity": ?"[^"]*"', '"identity": "worker"', history)
            anonymous = re.sub(r'"stackTrace": ?"(?:[^"\\]|\\.)*"', '"stackTrace": ""', anonymous)
            (HISTORIES / f"order_{getattr(story, '__name__', number)}.json").write_text(anonymous, encoding="utf-8")


if __name__ == "__main__":
    door.run(main())
