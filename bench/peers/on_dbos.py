"""The order on DBOS: a workflow with steps, its commands received as messages and answered by events.

As its pages advise: a client outside the application enqueues workflows, sends to them and reads their events
(https://docs.dbos.dev/python/reference/client); inside, what touches the world is a step. Changed from the
defaults, in its favour: queues are looked at ten times a second, not once, and the client listens instead of polling.

`python -m bench.peers.on_dbos` is its worker.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import asyncpg
from dbos import DBOS, DBOSClient, DBOSConfig

from bench.engines import Scan
from bench.peers.client import PeerClient
from bench.peers.duties import CONFIRM_BY, SETTLE_AFTER, SHIP_BY, Duties, database_of, open_duties
from config import Settings, load
from ending import end_with

QUEUE, VERSION, FLOW = "orders", "bench", "order_flow"
LOOK_EVERY = 0.1
POOL = 24
Duty = Callable[..., Coroutine[Any, Any, Any]]


class OrderFlow:
    """The duties as steps, and the flow that calls them in order."""

    def __init__(self, duties: Duties) -> None:
        self._mark, self._fund, self._claim = _step(duties.mark), _step(duties.fund), _step(duties.claim)
        self._audit, self._credit, self._settle = _step(duties.audit), _step(duties.credit), _step(duties.settle)

        async def flow(order_id: str, opened_at: str) -> str:
            return await self._flow(order_id, opened_at)

        DBOS.workflow(name=FLOW)(flow)

    async def _flow(self, order_id: str, opened_at: str) -> str:
        at = datetime.fromisoformat(opened_at)
        await self._mark(order_id, "opened")
        await self._fund(order_id, at)
        await self._mark(order_id, "awaiting_shipment")
        while not await self._shipped(order_id):
            pass
        if await self._audit(order_id) != "approved":
            return "in_review"
        await self._mark(order_id, "audited")
        await self._received("confirm", CONFIRM_BY.total_seconds())
        await DBOS.set_event_async("confirm", "accepted")
        await self._credit(order_id, at)
        await DBOS.sleep_async(SETTLE_AFTER.total_seconds())
        await self._settle(order_id, at)
        return "settled"

    async def _shipped(self, order_id: str) -> bool:
        """Answer one report of a shipment; whether the order goes on."""
        await self._received("ship", SHIP_BY.total_seconds())
        claimed = bool(await self._claim(order_id))
        await DBOS.set_event_async("ship", "accepted" if claimed else "waybill_in_use")
        return claimed

    async def _received(self, topic: str, within: float) -> None:
        if await DBOS.recv_async(topic, timeout_seconds=within) is None:
            raise TimeoutError(f"no {topic} in time")


def _step(duty: Duty) -> Duty:
    """A step that runs a duty, again after an error."""

    async def run(*arguments: Any) -> Any:
        return await duty(*arguments)

    made: Duty = DBOS.step(name=duty.__name__, retries_allowed=True, interval_seconds=0.1, max_attempts=10)(run)
    return made


class OnDbos(PeerClient):
    """Its client."""

    name = "dbos"

    def __init__(self, settings: Settings, pool: asyncpg.Pool[Any], scan: Scan) -> None:
        super().__init__(pool, scan)
        self._client = DBOSClient(
            system_database_url=database_of(settings, self.name),
            system_database_pool_size=POOL,
            use_listen_notify=True,
            application_name="bench",
        )

    async def _begin(self, order_id: str) -> None:
        options: Any = {
            "workflow_name": FLOW,
            "queue_name": QUEUE,
            "workflow_id": order_id,
            "app_version": VERSION,
        }
        await self._client.enqueue_async(options, order_id, datetime.now(UTC).isoformat())

    async def _command(self, order_id: str, verb: str) -> None:
        await self._client.send_async(order_id, {"order_id": order_id}, verb, idempotency_key=f"{verb}-{order_id}")
        answer = await self._client.get_event_async(order_id, verb)
        assert answer == "accepted", answer

    async def _close(self) -> None:
        self._client.destroy()


async def main(settings: Settings) -> None:
    """Work until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with open_duties(settings) as duties:
        config: DBOSConfig = {
            "name": "bench",
            "system_database_url": database_of(settings, OnDbos.name),
            "sys_db_pool_size": POOL,
            "application_version": VERSION,
            "log_level": "WARNING",
        }
        DBOS(config=config)
        OrderFlow(duties)
        DBOS.launch()
        await DBOS.register_queue_async(QUEUE, polling_interval_sec=LOOK_EVERY)
        await stop.wait()
        DBOS.destroy()


if __name__ == "__main__":
    end_with(lambda: asyncio.run(main(load())))
