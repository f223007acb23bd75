"""Outages of database or Temporal. Such a story is played alone, because it stops every order of the stage."""

from __future__ import annotations

import asyncio

from core.errors import DatabaseUnavailable
from demo.stage import StagedOrder
from demo.stories.outcomes import Chapter, Outcome, deliver_and_settle, ending, settled
from demo.waiting import until
from ledger.pool import connect
from local.postgres import Postgres

OUTAGES = Chapter()
LONG_ENOUGH_S = 2.0
"""Seconds without writes: several tries fail."""


@OUTAGES.story("a demoted database: the order waits, goes on, and loses nothing")
async def demoted_database(play: StagedOrder) -> Outcome:
    server = play.stage.server
    assert server is not None
    await play.start()
    await asyncio.to_thread(server.take_writes, False)
    try:
        await until(lambda: _is_read_only(server))
        shipping = asyncio.create_task(play.ship())
        await asyncio.wait([shipping], timeout=LONG_ENOUGH_S)
        seen = "accepted" if shipping.done() else "waits"
    finally:
        await asyncio.to_thread(server.take_writes, True)
    await shipping
    await deliver_and_settle(play)
    return f"waits, then {settled(play)}", f"{seen}, then {await ending(play)}"


async def _is_read_only(server: Postgres) -> bool:
    """Whether a new session may not write. By then the open ones may not either."""
    try:
        connection = await connect(server.worker_dsn)
    except DatabaseUnavailable:
        return True
    await connection.close()
    return False
