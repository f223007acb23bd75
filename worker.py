"""The worker as a program: connect, wire, poll, drain.

`python worker.py` runs until SIGTERM or Ctrl-C, drains, and ends with 0; where Temporal or PostgreSQL does not answer,
with 1 and a sentence that names the address. `running_worker` is the same inside another program.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import PollerBehaviorAutoscaling, Worker, WorkerDeploymentConfig

import gateway
from config import Settings, load
from core.errors import DakuanError, Misconfigured, Unavailable
from core.messages import TASK_QUEUE
from core.search_attributes import SEARCH_ATTRIBUTES
from wiring import ready_database, wire

STICKY_TIMEOUT = timedelta(seconds=2)
"""How long a task waits for the worker that has its workflow in memory: after a kill that worker is gone."""
DRAIN_WITHIN = timedelta(seconds=20)
"""What runs when we are told to end may end; by default the SDK would cancel it at once."""
ATTRIBUTES_WITHIN = timedelta(seconds=10)

log = logging.getLogger("dakuan.worker")


async def main(settings: Settings) -> int:
    """Run until told to end; the exit code."""
    stop = on_signals()
    async with running_worker(settings):
        log.info("polling task queue %s", TASK_QUEUE)
        await stop.wait()
        log.info("draining, at most %s", DRAIN_WITHIN)
    return 0


@asynccontextmanager
async def running_worker(settings: Settings) -> AsyncIterator[Client]:
    """A worker that polls while the block runs, and its client. Drains at the end.

    Raises:
        Unavailable: Temporal or PostgreSQL does not answer at the address that the message names; a retry may help.
        Misconfigured: a setting is missing, a search attribute has another type, or migrations are missing.
    """
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(ready_database(settings))
        client = await gateway.connect(settings)
        await register_search_attributes(client)
        activities = await wire(settings, stack, pool, client)
        async with build_worker(client, activities, settings):
            yield client


def build_worker(client: Client, activities: Sequence[Callable[..., Any]], settings: Settings) -> Worker:
    """The worker, not yet running."""
    return Worker(
        client,
        task_queue=TASK_QUEUE,
        plugins=[gateway.plugin(activities)],
        sticky_queue_schedule_to_start_timeout=STICKY_TIMEOUT,
        graceful_shutdown_timeout=DRAIN_WITHIN,
        workflow_task_poller_behavior=PollerBehaviorAutoscaling(),
        activity_task_poller_behavior=PollerBehaviorAutoscaling(),
        deployment_config=_deployment(settings),
    )


def _deployment(settings: Settings) -> WorkerDeploymentConfig | None:
    """With a build id, tasks come only once an operator makes that version current; open orders then move to it."""
    if settings.build_id is None:
        return None
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(deployment_name="dakuan", build_id=settings.build_id),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE,
    )


# --- search attributes -----------------------------------------------------------------------------------

_TYPES = {
    "Keyword": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "KeywordList": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
    "Int": IndexedValueType.INDEXED_VALUE_TYPE_INT,
    "Datetime": IndexedValueType.INDEXED_VALUE_TYPE_DATETIME,
}


async def search_attributes(client: Client) -> dict[str, str]:
    """Ours by name, each `present`, `missing`, or the type it has instead.

    Raises:
        Unavailable: Temporal did not answer.
        Misconfigured: this Temporal does not let us ask.
    """
    request = ListSearchAttributesRequest(namespace=client.namespace)
    try:
        listed = await client.operator_service.list_search_attributes(request, timeout=ATTRIBUTES_WITHIN)
    except RPCError as error:
        raise _operator_refused(client, error) from None
    found = {}
    for name, kind in SEARCH_ATTRIBUTES.items():
        type_ = listed.custom_attributes.get(name)
        found[name] = "missing" if type_ is None else "present" if type_ == _TYPES[kind] else _type_name(type_)
    return found


async def register_search_attributes(client: Client) -> None:
    """Add what is missing. Without them a workflow that sets one would be stuck.

    Raises:
        Misconfigured: one exists with another type; adding it again would silently change nothing.
        Unavailable: Temporal did not answer.
    """
    try:
        found = await search_attributes(client)
    except Misconfigured as error:
        # A managed service keeps this to its own console; there the attributes are added once, by hand.
        log.warning("%s", error)
        return
    clashes = [
        f"{name} is {state}, not {SEARCH_ATTRIBUTES[name]}"
        for name, state in found.items()
        if state not in {"present", "missing"}
    ]
    if clashes:
        raise Misconfigured(f"Search attributes of namespace {client.namespace} clash: {'; '.join(clashes)}.")
    missing = {name: _TYPES[SEARCH_ATTRIBUTES[name]] for name, state in found.items() if state == "missing"}
    if not missing:
        return
    request = AddSearchAttributesRequest(namespace=client.namespace, search_attributes=missing)
    try:
        await client.operator_service.add_search_attributes(request, timeout=ATTRIBUTES_WITHIN)
    except RPCError as error:
        if error.status != RPCStatusCode.ALREADY_EXISTS:  # another worker that starts beside us was first
            raise _operator_refused(client, error) from None


def _type_name(value: Any) -> str:
    return IndexedValueType.Name(value).removeprefix("INDEXED_VALUE_TYPE_")


def _operator_refused(client: Client, error: RPCError) -> DakuanError:
    if error.status in {RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED}:
        needed = ", ".join(f"{name} ({kind})" for name, kind in SEARCH_ATTRIBUTES.items())
        return Misconfigured(
            f"Temporal does not let us register search attributes in {client.namespace} ({error.message}). "
            f"Have them added by whoever may: {needed}."
        )
    return Unavailable(f"Temporal did not answer: {error.message}")


# --- as a program ----------------------------------------------------------------------------------------


def on_signals() -> asyncio.Event:
    """Set by SIGTERM and SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def cli() -> int:
    """`python worker.py`."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    try:
        return gateway.run(main(load()))
    except DakuanError as error:
        print(f"worker: {error}", file=sys.stderr)
        return 2 if isinstance(error, Misconfigured) else 1  # a supervisor need not start it again


if __name__ == "__main__":
    sys.exit(cli())
