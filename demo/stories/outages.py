"""Outages of database or Temporal. Such a story is played alone, because it stops every order of the stage."""

from __future__ import annotations

import asyncio

from demo.stage import StagedOrder
from demo.stories.outcomes import Chapter, Outcome, deliver_and_settle, ending, settled

OUTAGES = Chapter()
SETTLED_DOWN_S = 0.5
"""Seconds until the database's sessions know that they may no longer write."""
LONG_ENOUGH_S = 2.0
"""Seconds without writes: several tries fail."""


@OUTAGES.story("a demoted database: the order waits, goes on, and loses nothing")
async def demoted_database(play: StagedOrder) -> Outcome:
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
    await deliver_and_settle(play)
    return f"waits, then {settled(play)}", f"{seen}, then {await ending(play)}"
