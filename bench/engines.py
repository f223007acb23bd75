"""One happy order on each engine, as a client sees it: start, ship, confirm, settled."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import asyncpg
from temporalio.client import Client, WorkflowHandle

import gateway
from core.messages import Address, Line, Order, Payment

LOOK_EVERY = 0.01
GIVE_UP_AFTER = 60.0
Scan = Callable[[str], Awaitable[None]]
"""Lets the parcel with this number arrive."""


class Engine(Protocol):
    """The interface of an engine."""

    name: str

    async def start(self, order_id: str) -> None:
        """Start the order; returns once it only waits for shipment."""

    async def ship(self, order_id: str) -> None:
        """Report the shipment; returns once the audit is approved, and the order only waits for the buyer."""

    async def confirm(self, order_id: str) -> None:
        """Confirm the receipt; returns when the engine answers."""

    async def settled(self, order_id: str) -> None:
        """Wait for the end."""


async def until(check: Callable[[], Awaitable[Any]]) -> None:
    """Poll until a condition holds: another process's database sends no notice.

    Raises:
        TimeoutError: it does not hold after a minute; the order took another path.
    """
    # It happens in another process: there is no event to wait for.
    async with asyncio.timeout(GIVE_UP_AFTER):
        while not await check():  # noqa: ASYNC110
            await asyncio.sleep(LOOK_EVERY)


async def parked(workflow: WorkflowHandle[Any, Any]) -> None:
    """Wait until a workflow has no task and no activity under way.

    A message that is sent before then meets a task that is not over. A signal joins the next task, so that it needs
    none of its own; an update waits for the end of this one. People answer hours later, and meet neither.
    """

    async def at_rest() -> bool:
        seen = (await workflow.describe()).raw_description
        return not seen.HasField("pending_workflow_task") and not seen.pending_activities

    await until(at_rest)


async def happy(engine: Engine, pool: asyncpg.Pool[Any], order_id: str) -> float:
    """One order; seconds from the confirmation to the credit in the ledger."""
    await engine.start(order_id)
    await engine.ship(order_id)
    began = time.perf_counter()
    confirming = asyncio.create_task(engine.confirm(order_id))
    reference = f"order/{order_id}/credit"
    await until(lambda: pool.fetchval("SELECT 1 FROM movements WHERE reference = $1", reference))
    credited = time.perf_counter() - began
    await confirming
    await engine.settled(order_id)
    return credited


class Product:
    """Dakuan itself."""

    name = "product"

    def __init__(self, client: Client, pool: asyncpg.Pool[Any], scan: Scan) -> None:
        self._client, self._pool, self._scan = client, pool, scan

    async def start(self, order_id: str) -> None:
        # Read from the database, as for the peers: a query during the first task would need a task of its own.
        await gateway.start_order(self._client, bench_order(order_id))
        await until(
            lambda: self._pool.fetchval(
                "SELECT 1 FROM orders WHERE order_id = $1 AND phase = 'awaiting_shipment'", order_id
            )
        )
        await parked(self._workflow(order_id))

    async def ship(self, order_id: str) -> None:
        waybill = waybill_of(order_id)
        await self._scan(waybill)
        parcel = {"parcel_id": "p1", "carrier": "sandbox", "waybill": waybill}
        await self._send("report_shipment", "merchant", order_id, parcels=[parcel])
        await until(
            lambda: self._pool.fetchval("SELECT 1 FROM orders WHERE order_id = $1 AND audit = 'approved'", order_id)
        )
        await parked(self._workflow(order_id))

    async def confirm(self, order_id: str) -> None:
        await self._send("confirm_receipt", "buyer", order_id)

    async def settled(self, order_id: str) -> None:
        await self._workflow(order_id).result()

    def _workflow(self, order_id: str) -> WorkflowHandle[Any, Any]:
        return self._client.get_workflow_handle(f"order-{order_id}")

    async def _send(self, verb: str, role: str, order_id: str, **body: Any) -> None:
        actor = {"role": role, "id": f"{role[0]}-{order_id}"}
        await gateway.send(
            self._client, f"order-{order_id}", verb, {"command_id": f"{verb}-{order_id}"[:64], "actor": actor, **body}
        )


class Peer:
    """A hand-written order: bare by updates, base by signals."""

    def __init__(self, name: str, client: Client, pool: asyncpg.Pool[Any], scan: Scan | None = None) -> None:
        self.name, self._client, self._pool, self._scan = name, client, pool, scan

    async def start(self, order_id: str) -> None:
        kind = "BareOrder" if self.name == "bare" else "BaseOrder"
        await self._client.start_workflow(kind, order_id, id=f"bench-{order_id}", task_queue=f"bench-{self.name}")
        await until(
            lambda: self._pool.fetchval("SELECT 1 FROM movements WHERE reference = $1", f"order/{order_id}/fund")
        )
        await parked(self._workflow(order_id))

    async def ship(self, order_id: str) -> None:
        if self._scan is not None:
            await self._scan(waybill_of(order_id))
        workflow = self._workflow(order_id)
        if self.name == "bare":
            await workflow.execute_update("ship", order_id)
        else:
            await workflow.signal("ship")
        await until(
            lambda: self._pool.fetchval("SELECT 1 FROM bench.marks WHERE order_id = $1 AND what = 'audited'", order_id)
        )
        await parked(workflow)

    async def confirm(self, order_id: str) -> None:
        workflow = self._workflow(order_id)
        if self.name == "bare":
            await workflow.execute_update("confirm")
        else:
            await workflow.signal("confirm")

    async def settled(self, order_id: str) -> None:
        await self._workflow(order_id).result()

    def _workflow(self, order_id: str) -> WorkflowHandle[Any, Any]:
        return self._client.get_workflow_handle(f"bench-{order_id}")


def waybill_of(order_id: str) -> str:
    """A number of the sandbox carrier, made from the order's id."""
    # Of the whole id: orders that differ only at its beginning must not share a number, which would be contested.
    return numbered_waybill(int(hashlib.sha256(order_id.encode()).hexdigest(), 16) % 10**10)


def numbered_waybill(number: int) -> str:
    """The number of the sandbox carrier with these ten digits; of many orders, digits made from ids would meet."""
    digits = [int(character) for character in f"{number:010}"]
    doubled = [d if i % 2 else (d * 2 - 9 if d * 2 > 9 else d * 2) for i, d in enumerate(reversed(digits))]
    return "SBX" + "".join(map(str, digits)) + str(-sum(doubled) % 10)


def bench_order(order_id: str, policy: str | None = "bench") -> Order:
    """The order of contract.md, one a client."""
    lines = (
        Line(line_id="1", title="手工酥饼 500g", category="food.snacks", quantity=2, unit_price_minor=1990),
        Line(line_id="2", title="茶叶 100g", category="food.tea", quantity=1, unit_price_minor=8800),
    )
    return Order(
        order_id=order_id,
        merchant_id=f"m-{order_id}",
        buyer_id=f"b-{order_id}",
        currency="CNY",
        lines=lines,
        freight_minor=800,
        total_minor=13580,
        payment=Payment(
            reference=f"pay-{order_id}",
            channel="bench",
            paid_minor=13580,
            paid_at=datetime.now(UTC) - timedelta(days=3),
        ),
        ship_from=Address(country="CN", province="浙江省", city="杭州市"),
        ship_to=Address(country="CN", province="北京市", city="北京市", district="海淀区", phone_last4="8817"),
        policy=policy,
    )
