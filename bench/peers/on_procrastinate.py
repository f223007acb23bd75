"""The order on procrastinate: a job for each step, which queues the next; the state stands in the marks.

As its pages advise (https://procrastinate.readthedocs.io/en/stable/): a job may run again, so each step may; an order's
jobs share a lock, so that they run one after the other; a deadline is a job for later, which looks whether it still
matters. Jobs have no results: a command's answer is a mark, which the client reads. Changed from the defaults, in its
favour: 24 jobs at once, and later jobs are looked for ten times a second, not every five seconds.

`python -m bench.peers.on_procrastinate` is its worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import asyncpg
from procrastinate import App, PsycopgConnector, RetryStrategy

from bench.engines import Scan, until
from bench.peers.client import PeerClient
from bench.peers.duties import CONFIRM_BY, SETTLE_AFTER, SHIP_BY, Duties, database_of, open_duties
from bench.rounds import CLIENTS
from config import Settings, load
from ending import end_with

LOOK_EVERY = 0.1
TRIES = 10
Step = Callable[[str, datetime], Coroutine[Any, Any, None]]


class OrderJobs:
    """The steps of an order, each a job."""

    def __init__(self, app: App, duties: Duties) -> None:
        self._app, self._duties = app, duties
        for step in (self.open, self.ship, self.audit, self.confirm, self.settle, self.give_up):
            app.task(name=step.__name__, retry=RetryStrategy(max_attempts=TRIES, wait=1))(_plain(step))

    async def open(self, order_id: str, at: datetime) -> None:
        """Take the money in; then the merchant has time to ship."""
        await self._duties.mark(order_id, "opened")
        await self._duties.fund(order_id, at)
        await self._duties.mark(order_id, "awaiting_shipment")
        await defer(self._app, "give_up", f"{order_id}/ship", at, after=SHIP_BY)

    async def ship(self, order_id: str, at: datetime) -> None:
        """Answer the report of a shipment; then the parcel is audited, and the buyer has time to confirm."""
        if not await self._duties.claim(order_id):
            await self._duties.mark(order_id, "ship waybill_in_use")
            return
        await defer(self._app, "audit", order_id, at)
        await defer(self._app, "give_up", f"{order_id}/confirm", at, after=CONFIRM_BY)
        await self._duties.mark(order_id, "ship accepted")

    async def audit(self, order_id: str, at: datetime) -> None:
        """Ask the carrier."""
        verdict = await self._duties.audit(order_id)
        await self._duties.mark(order_id, "audited" if verdict == "approved" else verdict)

    async def confirm(self, order_id: str, at: datetime) -> None:
        """Answer the buyer, credit, and settle later."""
        if not await self._duties.marked(order_id, "audited"):
            await self._duties.mark(order_id, "confirm not_shipped")
            return
        await self._duties.mark(order_id, "confirm accepted")
        await self._duties.credit(order_id, at)
        await defer(self._app, "settle", order_id, at, after=SETTLE_AFTER)

    async def settle(self, order_id: str, at: datetime) -> None:
        """The end."""
        await self._duties.settle(order_id, at)

    async def give_up(self, order_id: str, at: datetime) -> None:
        """A deadline: an order that was not shipped or confirmed in time is marked."""
        order_id, _, waits_for = order_id.partition("/")
        if not await self._duties.marked(order_id, f"{waits_for} accepted"):
            await self._duties.mark(order_id, f"no {waits_for} in time")


def _plain(step: Step) -> Callable[..., Coroutine[Any, Any, None]]:
    """Jobs carry JSON: the order's id, and when it was opened."""

    async def run(order_id: str, at: str) -> None:
        await step(order_id, datetime.fromisoformat(at))

    return run


async def defer(app: App, step: str, order_id: str, at: datetime, after: timedelta | None = None) -> None:
    """Queue a step, now or for later."""
    later: Any = {} if after is None else {"schedule_at": datetime.now(UTC) + after}
    # A waiting job holds up later ones with its lock, unless they have a higher priority.
    priority = -1 if step == "give_up" else 0
    job = app.configure_task(step, lock=order_id.partition("/")[0], priority=priority, **later)
    await job.defer_async(order_id=order_id, at=at.isoformat())


def app_of(settings: Settings) -> App:
    """Its application on the stack of the settings, not open yet."""
    dsn = database_of(settings, OnProcrastinate.name)
    return App(connector=PsycopgConnector(conninfo=dsn, min_size=4, max_size=CLIENTS))


class OnProcrastinate(PeerClient):
    """Its client."""

    name = "procrastinate"

    def __init__(self, settings: Settings, pool: asyncpg.Pool[Any], scan: Scan) -> None:
        super().__init__(pool, scan)
        self._app = app_of(settings)
        self._opened_at = datetime.now(UTC)

    async def __aenter__(self) -> Self:
        await self._app.open_async()
        return self

    async def _begin(self, order_id: str) -> None:
        await defer(self._app, "open", order_id, self._opened_at)

    async def _command(self, order_id: str, verb: str) -> None:
        await defer(self._app, verb, order_id, self._opened_at)
        await until(lambda: self._marked(order_id, f"{verb} accepted"))

    async def _close(self) -> None:
        await self._app.close_async()


async def main(settings: Settings) -> None:
    """Work until SIGTERM."""
    app = app_of(settings)
    async with open_duties(settings) as duties, app.open_async():
        await app.schema_manager.apply_schema_async()
        OrderJobs(app, duties)
        await app.run_worker_async(concurrency=CLIENTS, fetch_job_polling_interval=LOOK_EVERY)


if __name__ == "__main__":
    end_with(lambda: asyncio.run(main(load())))
