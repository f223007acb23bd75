"""`python -m bench actions`: what three lives of an order cost on Temporal Cloud, which bills by the *action*.

Counted from the histories of real lives, and from what the SDK counts of calls that leave no event: attempts and
heartbeats of activities. What an action is stands at https://docs.temporal.io/cloud/actions. Time is skipped, and the
default policy decides.

- `shortest`: the carrier has delivered the parcel when its number is reported.
- `typical`: picked up after a day, delivered after two and a half. The carrier is polled.
- `push`: the same parcel, whose number is subscribed; each scan of it is pushed to the desk.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHandle
from temporalio.client import Interceptor as ClientInterceptor
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.runtime import MetricBuffer, Runtime, TelemetryConfig
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput
from temporalio.worker import Interceptor as WorkerInterceptor

import gateway
from bench.costs import LOCAL_ACTIVITY, TO_THE_END, own_events
from bench.engines import bench_order, until, waybill_of
from bench.figures import FigureFile, Figures, show, write
from gateway.converter import converter_of
from inbound.pushes import PushDesk
from ledger.register import Register
from local.stack import LocalStack
from wiring.activities import wire
from wiring.database import ready_database
from wiring.desks import push_desk
from worker import build_worker

Parts = dict[str, int]

_EACH = {
    "EVENT_TYPE_WORKFLOW_EXECUTION_STARTED": "starts",
    "EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW": "starts",
    "EVENT_TYPE_TIMER_STARTED": "timers",
    "EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED": "signals",
    "EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED": "updates",
    "EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES": "upserts",
}
"""One action for each event of these types."""
_CALLS = {
    "RespondActivityTaskCompleted": "attempts of activities",
    "RespondActivityTaskFailed": "attempts of activities",
    "RespondActivityTaskCanceled": "attempts of activities",
    "RecordActivityTaskHeartbeat": "heartbeats",
    "QueryWorkflow": "queries",
}
"""One action for each call: retries and heartbeats leave no event."""
LIVES = ("shortest", "typical", "push")
TRIES = 3
Scan = tuple[float, str, str]
SCANS: tuple[Scan, ...] = (
    (24, "picked_up", "杭州市"),
    (30, "in_transit", "杭州市"),
    (34, "in_transit", "南京市"),
    (40, "in_transit", "济南市"),
    (45, "arrived", "北京市"),
    (57, "delivered", "北京市"),
)
"""The scans of a parcel: hours after its number was reported, stage, city."""
PARTS: Sequence[Sequence[Scan]] = (SCANS[:1], SCANS[1:-1], SCANS[-1:])
"""The scans between two jumps of the clock."""
POLLED, SUBSCRIBED = "sandbox", "yto"
"""Carriers: one that is polled, and one whose numbers a local stack subscribes."""


def actions_of(history: Sequence[HistoryEvent], calls: Counter[str]) -> Parts:
    """The actions of one life, by what makes them up."""
    parts = Counter({"starts": 0, "updates": 0, "timers": 0, "upserts": 0, "local activities": 0})
    tasks = set()
    for event in own_events(history):
        name = EventType.Name(event.event_type)
        if name in _EACH:
            parts[_EACH[name]] += 1
        marker = event.marker_recorded_event_attributes
        if event.HasField("marker_recorded_event_attributes") and marker.marker_name == LOCAL_ACTIVITY:
            tasks.add(marker.workflow_task_completed_event_id)
    # All local activities of one workflow task are one action.
    parts["local activities"] = len(tasks)
    for call, name in _CALLS.items():
        parts[name] += calls[call]
    return dict(parts)


class OnTime(ClientInterceptor, WorkerInterceptor):
    """Counts attempts that came early, and puts them off. A jump of the clock that ends before a retry is due starts it
    all the same: the server says so itself, by the time that it was scheduled for. A real clock does not.
    """

    def __init__(self) -> None:
        self._early = 0

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """See the SDK."""
        return _Waiting(next, self)

    def wait(self, info: activity.Info) -> None:
        """Put this attempt off if it is early."""
        early = info.current_attempt_scheduled_time - info.started_time
        if not info.is_local and early > timedelta(minutes=1):
            self._early += 1
            raise ApplicationError("early", category=ApplicationErrorCategory.BENIGN, next_retry_delay=early)

    def taken(self) -> int:
        """The early attempts since this was last asked."""
        early, self._early = self._early, 0
        return early


class _Waiting(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, on_time: OnTime) -> None:
        super().__init__(next)
        self._on_time = on_time

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        self._on_time.wait(activity.info())
        return await super().execute_activity(input)


class Calls:
    """The calls that the client and the worker made, as the SDK counts them."""

    def __init__(self) -> None:
        self.on_time = OnTime()
        self._buffer = MetricBuffer(10_000)
        self.runtime = Runtime(telemetry=TelemetryConfig(metrics=self._buffer))

    def taken(self) -> Counter[str]:
        """The calls since this was last asked, by operation, without those of early attempts."""
        found: Counter[str] = Counter({"RespondActivityTaskFailed": -self.on_time.taken()})
        for update in self._buffer.retrieve_updates():
            if update.metric.name.endswith("temporal_request"):
                found[str(update.attributes.get("operation"))] += int(update.value)
        return found


class Lives:
    """Plays one order after the other; their states are read from the database alone."""

    def __init__(
        self, client: Client, pool: asyncpg.Pool[Any], stack: LocalStack, calls: Calls, desk: PushDesk
    ) -> None:
        self._client, self._pool, self._stack, self._calls, self._desk = client, pool, stack, calls, desk
        self._commands = 0

    async def cheapest(self, name: str) -> Figures:
        """The cheapest of some lives of this name: on a busy machine a jump of the clock may cost a look more."""
        played = [await getattr(self, name)(f"{name}-{number}") for number in range(TRIES)]
        return min(played, key=total)

    async def shortest(self, order_id: str) -> Figures:
        """Delivered at the first look."""
        return await self._ended(await self._shipped(order_id, POLLED, past=SCANS), order_id)

    async def typical(self, order_id: str) -> Figures:
        """The carrier is polled until it has delivered."""
        order = await self._shipped(order_id, POLLED)
        async for scans in self._scanned(order, PARTS):
            await self._stack.world.add_scans(POLLED, waybill_of(order_id), scans)
        await gateway.skip_time(self._client, order.id, timedelta(hours=12))
        return await self._ended(order, order_id)

    async def push(self, order_id: str) -> Figures:
        """Each scan is pushed as it happens; the carrier knows it too."""
        order, waybill = await self._shipped(order_id, SUBSCRIBED), _number(order_id)
        async for scans in self._scanned(order, PARTS):
            for scan in scans:
                await self._stack.world.add_scans(SUBSCRIBED, waybill, [scan])
                body = await self._stack.world.pushed(waybill)
                assert body is not None, "the number is subscribed, and has a scan"
                await self._desk.receive("kuaidi100", body, {})
        return await self._ended(order, order_id)

    async def _shipped(self, order_id: str, carrier: str, past: Sequence[Scan] = ()) -> WorkflowHandle[Any, Any]:
        self._calls.taken()
        order = await gateway.start_order(self._client, bench_order(order_id, policy=None))
        await self._until(order_id, "phase = 'awaiting_shipment'")
        waybill = waybill_of(order_id) if carrier == POLLED else _number(order_id)
        if past:
            ended = datetime.now(UTC) - timedelta(hours=past[-1][0] + 1)
            await self._stack.world.add_scans(carrier, waybill, [_scan(ended, *scan) for scan in past])
        parcel = {"parcel_id": "p1", "carrier": carrier, "waybill": waybill}
        await self._send("report_shipment", "merchant", order_id, parcels=[parcel])
        return order

    async def _scanned(
        self, order: WorkflowHandle[Any, Any], parts: Sequence[Sequence[Scan]]
    ) -> AsyncIterator[list[dict[str, Any]]]:
        """Let the scans happen, each part of them at the time of its last."""
        began, passed = datetime.now(UTC), 0.0
        for part in parts:
            await gateway.skip_time(self._client, order.id, timedelta(hours=part[-1][0] - passed))
            passed = part[-1][0]
            yield [_scan(began, *scan) for scan in part]

    async def _ended(self, handle: WorkflowHandle[Any, Any], order_id: str) -> Figures:
        await self._until(order_id, "audit = 'approved' AND receipt = 'awaited'")
        await self._send("confirm_receipt", "buyer", order_id)
        await gateway.skip_time(self._client, handle.id, TO_THE_END)
        await handle.result()
        history = (await handle.fetch_history()).events
        parts = actions_of(history, self._calls.taken())
        return {**parts, "bytes": sum(event.ByteSize() for event in own_events(history))}

    async def _until(self, order_id: str, condition: str) -> None:
        await until(lambda: self._pool.fetchval(f"SELECT 1 FROM orders WHERE order_id = $1 AND {condition}", order_id))

    async def _send(self, verb: str, role: str, order_id: str, **body: Any) -> None:
        self._commands += 1
        name = f"{order_id}-{self._commands}"
        who = {"role": role, "id": f"{role[0]}-{order_id}"}
        await gateway.send(self._client, f"order-{order_id}", verb, {"command_id": name, "actor": who, **body})


def _number(order_id: str) -> str:
    """A number of YTO's, made from the order's id."""
    return f"YT{waybill_of(order_id)[3:]:0>13}"


def _scan(began: datetime, hours: float, stage: str, city: str) -> dict[str, Any]:
    return {"at": (began + timedelta(hours=hours)).isoformat(), "code": stage, "stage": stage, "city": city}


@asynccontextmanager
async def lives(stack: LocalStack) -> AsyncIterator[Lives]:
    """A worker of its own on this stack. No other worker may poll for its orders at the same time."""
    async with AsyncExitStack() as opened:
        pool = await opened.enter_async_context(ready_database(stack.settings))
        calls, settings = Calls(), stack.settings
        converter = converter_of(settings.codec_keys)
        client = await Client.connect(
            **settings.temporal_connect_config(),
            data_converter=converter,
            runtime=calls.runtime,
            interceptors=[calls.on_time],
        )
        await gateway.register_search_attributes(client)
        activities = await wire(settings, opened, pool, client)
        await opened.enter_async_context(build_worker(client, activities, settings))
        desk = await opened.enter_async_context(push_desk(settings, Register(pool), client))
        yield Lives(client, pool, stack, calls, desk)


def total(life: Figures) -> float:
    """The actions of a life."""
    return sum(value for name, value in life.items() if name != "bytes")


def actions(json: FigureFile = None) -> None:
    """Billable actions of three lives of an order on Temporal Cloud, by what makes them up; bytes of history."""
    asyncio.run(_measure(json))


async def _measure(file: Path | None) -> None:
    async with LocalStack.temporary(durable=False) as stack, lives(stack) as played:
        found = {name: await played.cheapest(name) for name in LIVES}
    names = list(dict.fromkeys(name for life in found.values() for name in life))
    rows = [(name, *(f"{life.get(name, 0):,.0f}" for life in found.values())) for name in names]
    figures = {f"actions_{name}": float(total(life)) for name, life in found.items()}
    for name, life in found.items():
        figures |= {f"actions_{name}_{part.replace(' ', '_')}": float(count) for part, count in life.items()}
    show("Actions on Temporal Cloud, and bytes of history", ("what", *found), rows, figures)
    write(figures, file)
