"""Trouble with what everything stands on. Such a story is told alone: it stops every order of the stage."""

from __future__ import annotations

import asyncio

from demo.stage import StagedOrder
from demo.stories.telling import Chapter, Told, ending, settled

OUTAGES = Chapter()
SETTLED_DOWN_S = 0.5
"""Seconds that the database's sessions have to hear that they may not write any more."""
LONG_ENOUGH_S = 2.0
"""Seconds without writes: several tries fail."""


@OUTAGES.story("a demoted database: the order waits, goes on, and loses nothing")
async def demoted_database(play: StagedOrder) -> Told:
    server = play.stage.server
    assert server is not None
    await play.start()
    await asyncio.to_thread(server.take_writes, False)
    try:
        await asyncio.sleep(SETTLED_DOWN_S)
        shipping = asyncio.create_task(play.ship())
        await asyncio.wait([shipping], timeout=LONG_ENOUGH_S)
        seen = "accepted" if shipping.done() else "waits"
    finally:
        await asyncio.to_thread(server.take_writes, True)
    await shipping
    await play.travel()
    await play.send("confirm_receipt", "buyer")
    await play.days(8)
    return f"waits, then {settled(play)}", f"{seen}, then {await ending(play)}"
