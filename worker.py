"""The worker as a program: connect, wire, poll, drain.

`python worker.py` runs until SIGTERM or Ctrl-C, drains, and ends with 0; where Temporal or PostgreSQL does not answer,
with 1 and a sentence that names the address. `running_worker` is the same inside another program.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.converter import DataConverter
from temporalio.plugin import SimplePlugin
from temporalio.worker import PollerBehaviorAutoscaling, Worker, WorkerDeploymentConfig
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

import gateway
from config import Settings, load
from core.addresses import hide_passwords
from core.errors import DakuanError, Misconfigured
from core.ids import DEPLOYMENT, TASK_QUEUE
from ending import end_with
from gateway.codec import SealingCodec
from gateway.core_log import log_core
from logs import log_to
from wiring.activities import wire
from wiring.code import code_digest
from wiring.database import ready_database
from wiring.garbage import spare_what_is_loaded
from wiring.watching import watched
from workflows.account_drop import AccountDropWorkflow
from workflows.auto_withdrawal import AutoWithdrawalWorkflow
from workflows.order import OrderWorkflow
from workflows.payment_return import PaymentReturnWorkflow
from workflows.reconciliation import ReconciliationWorkflow
from workflows.sandbox import BundlingRunner, ContextFreeRunner, OwnContextRunner, skip_idle_walks, treats_all_alike
from workflows.withdrawal import WithdrawalWorkflow

WORKFLOWS: Sequence[type] = (
    OrderWorkflow,
    WithdrawalWorkflow,
    AutoWithdrawalWorkflow,
    ReconciliationWorkflow,
    AccountDropWorkflow,
    PaymentReturnWorkflow,
)
STICKY_TIMEOUT = timedelta(seconds=2)
"""How long a task waits for the worker that has its workflow in memory: after a kill that worker is gone."""
DRAIN_WITHIN = timedelta(seconds=20)
"""Activities that run when the worker is asked to end have this long; by default the SDK cancels them at once."""

LETS_GO_WITHIN = timedelta(seconds=10)
"""Beyond the drain: for workflows to leave memory, and connections to close."""

log = logging.getLogger("dakuan.worker")


async def main(settings: Settings) -> int:
    """Run until a signal to end; returns the exit code."""
    stop = on_signals()
    async with running_worker(settings):
        spare_what_is_loaded()
        log.info("polling task queue %s%s", TASK_QUEUE, f" as build {settings.build_id}" if settings.build_id else "")
        if settings.build_id:
            log.info("a build gets tasks once it is current: `python starter.py deploy --build-id BUILD`")
        await stop.wait()
        log.info("draining, at most %s", DRAIN_WITHIN)
        leave_after(DRAIN_WITHIN + LETS_GO_WITHIN)
    return 0


def leave_after(limit: timedelta) -> None:
    """End this program with 0 by then. The SDK waits without end for a workflow that it cannot take from memory."""
    timer = threading.Timer(limit.total_seconds(), _leave)
    timer.daemon = True
    timer.start()


def _leave() -> None:
    log.warning("a workflow does not let go of this worker; it goes on with another")
    os._exit(0)


@asynccontextmanager
async def running_worker(settings: Settings) -> AsyncIterator[Client]:
    """A worker that polls while the block runs, and its client. Drains at the end.

    Raises:
        Unavailable: Temporal or PostgreSQL does not answer at the address that the message names; a retry may help.
        Misconfigured: a setting is missing, a search attribute has another type, or migrations are missing; payloads
            are sealed, and there is no key.
    """
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(ready_database(settings))
        client = await stack.enter_async_context(gateway.connected(settings, measured=True))
        await gateway.refuse_sealed(client)
        await gateway.register_search_attributes(client)
        activities = await wire(settings, stack, pool, client)
        await stack.enter_async_context(watched(settings, pool, client))
        async with build_worker(client, activities, settings):
            yield client


def build_worker(client: Client, activities: Sequence[Callable[..., Any]], settings: Settings) -> Worker:
    """The worker, not yet running."""
    skip_idle_walks()
    return Worker(
        client,
        task_queue=TASK_QUEUE,
        plugins=[plugin(activities, converter=client.data_converter)],
        sticky_queue_schedule_to_start_timeout=STICKY_TIMEOUT,
        graceful_shutdown_timeout=DRAIN_WITHIN,
        workflow_task_poller_behavior=PollerBehaviorAutoscaling(),
        activity_task_poller_behavior=PollerBehaviorAutoscaling(),
        deployment_config=_deployment(settings),
        # Without a name the SDK reads and hashes every module that is loaded: a third of a worker's start.
        build_id=None if settings.build_id else code_digest(),
    )


def plugin(
    activities: Sequence[Callable[..., Any]] = (),
    *,
    runner: SandboxedWorkflowRunner | None = None,
    converter: DataConverter = gateway.DATA_CONVERTER,
) -> SimplePlugin:
    """Converter, sandbox, workflows and activities in one, for worker and replay, so that they never diverge.

    Args:
        runner: a stricter sandbox, for tests.
        converter: the client's, which has the keys of what is sealed.
    """
    return SimplePlugin(
        "dakuan",
        data_converter=converter,
        workflow_runner=runner or passing_runner(converter),
        workflows=WORKFLOWS,
        activities=activities or None,
    )


def passing_runner(converter: DataConverter = gateway.DATA_CONVERTER) -> SandboxedWorkflowRunner:
    """The production sandbox: forbidden calls stay forbidden, no module is loaded again, and a task costs half."""
    restrictions = SandboxRestrictions.default.with_passthrough_all_modules()
    if treats_all_alike(converter):
        return ContextFreeRunner(restrictions=restrictions)
    runner = OwnContextRunner if isinstance(converter.payload_codec, SealingCodec) else BundlingRunner
    return runner(restrictions=restrictions)


def _deployment(settings: Settings) -> WorkerDeploymentConfig | None:
    """With a build id, tasks come only once an operator makes that version current; open orders then move to it."""
    if settings.build_id is None:
        return None
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(deployment_name=DEPLOYMENT, build_id=settings.build_id),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE,
    )


# --- as a program ----------------------------------------------------------------------------------------


def on_signals() -> asyncio.Event:
    """Set by SIGTERM and SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def cli() -> int:
    """`python worker.py`."""
    log_to(logging.StreamHandler(sys.stderr))
    log_core()
    try:
        return asyncio.run(main(load()))
    except DakuanError as error:
        print(f"worker: {hide_passwords(str(error))}", file=sys.stderr)
        return 2 if isinstance(error, Misconfigured) else 1  # a supervisor need not start it again


if __name__ == "__main__":
    end_with(cli)
