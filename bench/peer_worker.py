"""`python -m bench.peer_worker NAME`: a worker for one peer, in its own process, so that its CPU can be measured."""

from __future__ import annotations

import asyncio
import signal
import sys

from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

import gateway
from bench.peers import BareOrder, BaseOrder, PeerActivities
from config import Settings, load
from ending import end_with
from ledger.book import Book
from ledger.pool import open_pool
from worker import passing_runner


async def main(peer: str, settings: Settings) -> None:
    """Poll until SIGTERM. Bare runs in our own sandbox, base in the SDK's usual one."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    pool = await open_pool(settings.needed("database_url"))
    # The peers keep no register, so their movements are adjustments, which only the owner may post.
    owner = await open_pool(settings.needed("database_owner_url"))
    activities = PeerActivities(Book(owner), pool, settings.needed("carrier_url"))
    runner = passing_runner() if peer == "bare" else SandboxedWorkflowRunner()
    async with (
        gateway.connected(settings) as client,
        Worker(
            client,
            task_queue=f"bench-{peer}",
            workflows=[BareOrder, BaseOrder],
            activities=activities.all(),
            workflow_runner=runner,
        ),
    ):
        await stop.wait()
    await pool.close()
    await owner.close()


if __name__ == "__main__":
    end_with(lambda: asyncio.run(main(sys.argv[1], load())))
