"""The order on Restate: a workflow, its commands its shared handlers, beside a server of Restate's own.

As its pages advise (https://docs.restate.dev/develop/python/): what touches the world is a run step, a command resolves
a durable promise that the workflow waits for and its answer is the handler's result, a client calls over HTTP, and
Hypercorn serves the handlers without an end to its connections. Nothing is changed from the defaults.

`python -m bench.peers.on_restate` is its worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx2
import hypercorn
import hypercorn.asyncio
import restate
from restate.server import install_shutdown_hook

from bench.engines import GIVE_UP_AFTER, Scan, until
from bench.peers.client import PeerClient
from bench.peers.duties import CONFIRM_BY, SETTLE_AFTER, SHIP_BY, Duties, open_duties
from bench.peers.restate_server import RestateServer
from bench.rounds import CLIENTS
from config import Settings, load
from core.errors import Unavailable
from ending import end_with
from local import pids
from local.ports import LOOPBACK, accepts

FLOW = "order_flow"
TRIES = 10
UNLIMITED = 2**31 - 1
Duty = Callable[..., Coroutine[Any, Any, Any]]


class OrderFlow:
    """The flow that calls the duties in order, and the commands that it waits for."""

    def __init__(self, duties: Duties) -> None:
        self._duties = duties
        self.workflow = restate.Workflow(FLOW)
        self.workflow.main(name="run")(self.run)
        for command in (self.ship, self.confirm):
            self.workflow.handler(name=command.__name__)(command)

    async def run(self, ctx: restate.WorkflowContext, opened_at: str) -> str:
        """An order from its opening to its end."""
        order_id, at, duties = ctx.key(), datetime.fromisoformat(opened_at), self._duties
        await _step(ctx, duties.mark, order_id, "opened")
        await _step(ctx, duties.fund, order_id, at)
        await _step(ctx, duties.mark, order_id, "awaiting_shipment")
        await _received(ctx, "ship", SHIP_BY)
        if await _step(ctx, duties.audit, order_id) != "approved":
            return "in_review"
        await _step(ctx, duties.mark, order_id, "audited")
        await _received(ctx, "confirm", CONFIRM_BY)
        await _step(ctx, duties.credit, order_id, at)
        await ctx.sleep(SETTLE_AFTER)
        await _step(ctx, duties.settle, order_id, at)
        return "settled"

    async def ship(self, ctx: restate.WorkflowSharedContext, order_id: str) -> str:
        """Answer one report of a shipment."""
        if not await _step(ctx, self._duties.claim, order_id):
            return "waybill_in_use"
        await ctx.promise("ship").resolve(order_id)
        return "accepted"

    async def confirm(self, ctx: restate.WorkflowSharedContext, order_id: str) -> str:
        """Answer the buyer."""
        await ctx.promise("confirm").resolve(order_id)
        return "accepted"


async def _step(ctx: restate.Context, duty: Duty, *arguments: Any) -> Any:
    """Run a duty once, again after an error."""
    again = restate.RunOptions(max_attempts=TRIES, initial_retry_interval=timedelta(milliseconds=100))
    return await ctx.run_typed(duty.__name__, duty, again, *arguments)


async def _received(ctx: restate.WorkflowContext, command: str, within: timedelta) -> None:
    match await restate.select(received=ctx.promise(command).value(), late=ctx.sleep(within)):
        case ["late", _]:
            raise restate.TerminalError(f"no {command} in time")


class OnRestate(PeerClient):
    """Its client."""

    name = "restate"

    def __init__(self, settings: Settings, pool: asyncpg.Pool[Any], scan: Scan) -> None:
        super().__init__(pool, scan)
        self._http = httpx2.AsyncClient(
            base_url=f"http://{LOOPBACK}:{_ports(settings)['port']}/{FLOW}",
            timeout=GIVE_UP_AFTER,
            limits=httpx2.Limits(max_connections=CLIENTS, max_keepalive_connections=CLIENTS),
        )

    async def _begin(self, order_id: str) -> None:
        await self._call(f"{order_id}/run/send", datetime.now(UTC).isoformat())

    async def _command(self, order_id: str, verb: str) -> None:
        answer = await self._call(f"{order_id}/{verb}", order_id, {"Idempotency-Key": f"{verb}-{order_id}"})
        assert answer == "accepted", answer

    async def _call(self, path: str, body: str, headers: dict[str, str] | None = None) -> Any:
        reply = await self._http.post(f"/{path}", json=body, headers=headers)
        reply.raise_for_status()
        return reply.json()

    async def _close(self) -> None:
        await self._http.aclose()


def _ports(settings: Settings) -> dict[str, int]:
    """The ports of the server that runs beside the stack of the settings.

    Raises:
        Unavailable: there is none.
    """
    running = pids.read(settings.home / f"{RestateServer.name}.json")
    if running is None:
        raise Unavailable(f"no Restate server was started under {settings.home}")
    return running.ports


async def main(settings: Settings) -> None:
    """Serve the handlers until SIGTERM."""
    ports, stop = _ports(settings), asyncio.Event()
    address = f"{LOOPBACK}:{ports['worker']}"
    # The SDK takes SIGTERM for itself, and calls those that it knows.
    install_shutdown_hook(asyncio.get_running_loop(), stop.set)
    served = hypercorn.Config()
    served.bind = [address]
    served.h2_max_concurrent_streams = served.keep_alive_max_requests = UNLIMITED
    served.keep_alive_timeout = UNLIMITED
    async with open_duties(settings) as duties, httpx2.AsyncClient() as http, asyncio.TaskGroup() as group:
        app: Any = restate.app(services=[OrderFlow(duties).workflow])
        group.create_task(hypercorn.asyncio.serve(app, served, shutdown_trigger=stop.wait))
        await until(lambda: asyncio.to_thread(accepts, ports["worker"]))
        registered = f"http://{LOOPBACK}:{ports['admin']}/deployments"
        reply = await http.post(registered, json={"uri": f"http://{address}", "force": True})
        reply.raise_for_status()


if __name__ == "__main__":
    end_with(lambda: asyncio.run(main(load())))
