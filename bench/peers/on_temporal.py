"""`python -m bench.peers.on_temporal NAME`: a worker for bare or base.

In a process of its own, so that its CPU can be measured.
"""

from __future__ import annotations

import asyncio
import signal
import sys

from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

import gateway
from bench.peers.duties import open_duties
from bench.peers.handwritten import BareOrder, BaseOrder, PeerActivities
from config import Settings, load
from ending import end_with
from worker import passing_runner


async def main(peer: str, settings: Settings) -> None:
    """Poll until SIGTERM. Bare runs in our own sandbox, base in the SDK's usual one."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    runner = passing_runner() if peer == "bare" else SandboxedWorkflowRunner()
    async with (
        open_duties(settings) as duties,
        gateway.connected(settings) as client,
        Worker(
            client,
            task_queue=f"bench-{peer}",
            workflows=[BareOrder, BaseOrder],
            activities=PeerActivities(duties).all(),
            workflow_runner=runner,
        ),
    ):
        await stop.wait()


if __name__ == "__main__":
    end_with(lambda: asyncio.run(main(sys.argv[1], load())))
