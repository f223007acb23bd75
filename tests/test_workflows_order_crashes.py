"""Workers killed by -9: after an effect and before its report, and whenever chance wants. No effect is done twice."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
import pytest_asyncio
from pg import Database
from temporalio.client import Client, Interceptor, OutboundInterceptor, StartWorkflowInput, WorkflowHandle

import client as door
from commands.stage import Stage, StagedOrder
from config import Settings
from core.errors import Refused, Unavailable
from ledger.register import Register
from local.client import WorldClient
from local.temporal import Temporal
from worker import build_worker, register_policies, register_search_attributes, wire

PROJECT = Path(__file__).parents[1]
T = TypeVar("T")
_grounds = itertools.count(1)
QUICK = """
name = "quick"
commission_bps = 500
[order]
settlement_delay = "200ms"
after_sale_window = "0s"
[audit]
look_first = "1s"
look_longest = "1s"
"""
PAYING = QUICK.replace('"quick"', '"paying"').replace("[order]", "[order]\nauto_withdraw = true")
DOOMED = {
    **dict.fromkeys(("open", "fund", "record"), "awaiting_shipment"),
    "claim": "shipped",
    **dict.fromkeys(("credit", "settle", "withdrawal"), "settled"),
    **dict.fromkeys(("refund", "channel", "arrived", "release"), "cancelled"),
}
"""The effects after which a worker dies, and what becomes of their orders."""
RESTING = frozenset({"awaiting_shipment", "shipped"})
RECOVERS_WITHIN, LOOK_EVERY = 120.0, 0.1
"""Seconds."""


class Hasty(Interceptor):
    """Starts workflows whose tasks are given up after 2 s, and not after 10, where a worker does not report."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return _HastyStarts(next)


class _HastyStarts(OutboundInterceptor):
    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:
        input.task_timeout = timedelta(seconds=2)
        return await super().start_workflow(input)


@pytest.fixture(scope="module")
def temporal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Temporal]:
    """A server of this file's own: its workers must be asked about nobody else's orders."""
    server = Temporal(tmp_path_factory.mktemp("temporal"), usual=False)
    server.start()
    yield server
    server.remove()


class Ground(Stage):
    """A stage whose workers come and go."""

    settings: Settings
    database: Database
    named: dict[str, StagedOrder]

    def order(self, name: str) -> StagedOrder:
        """The order of this name; made once."""
        if name not in self.named:
            order = self.named[name] = self.play(len(self.named) + 1)
            paid = order.order.payment.model_copy(update={"paid_at": order.now - timedelta(days=3)})
            order.order = order.order.model_copy(update={"payment": paid, "policy": "quick"})
        return self.named[name]

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[None]:
        """One in this process, which dies of nothing."""
        async with AsyncExitStack() as stack:
            activities = await wire(self.settings, stack, self.database.pool, self.client)
            await stack.enter_async_context(build_worker(self.client, activities, self.settings))
            yield

    @contextmanager
    def mortal(self, folder: Path, how: Mapping[str, Any]) -> Iterator[None]:
        """One that dies; see `mortal_worker`."""
        addresses = {
            "DATABASE_URL": self.settings.database_url,
            "TEMPORAL_ADDRESS": self.settings.temporal_address,
            "DAKUAN_CARRIER_URL": self.settings.carrier_url,
            "DAKUAN_CHANNEL_URL": self.settings.channel_url,
            "DAKUAN_BANK_URL": self.settings.bank_url,
            "PYTHONPATH": str(PROJECT),
        }
        program = [sys.executable, str(PROJECT / "tests" / "mortal_worker.py"), str(folder), json.dumps(how)]
        environment = {**os.environ, **{name: str(value) for name, value in addresses.items()}}
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(program, cwd=PROJECT, env=environment, stderr=log)
            try:
                yield
            finally:
                process.terminate()
                process.wait(30)

    async def references(self) -> Counter[str]:
        """How often each movement was posted."""
        rows = await self.database.pool.fetch("SELECT reference FROM movements")
        return Counter(str(row["reference"]) for row in rows)


@pytest_asyncio.fixture
async def ground(temporal: Temporal, world: WorldClient, database: Database) -> AsyncIterator[Ground]:
    settings = Settings(
        temporal_address=temporal.address,
        database_url=database.worker_dsn,
        carrier_url=f"{world.url}/carrier",
        channel_url=f"{world.url}/channel",
        bank_url=f"{world.url}/bank",
    )
    plain = (await door.connect(settings)).config()
    plain["interceptors"] = [Hasty()]
    client = Client(**plain)
    await register_search_attributes(client)
    register = Register(database.pool)
    await register_policies(register, settings)
    made = Ground(client, world, register, seed=5, tag=f"crash-{next(_grounds)}")
    made.settings, made.database, made.named = settings, database, {}
    for policy in (QUICK, PAYING):
        await made.policy_of(policy)
    yield made
    for order in made.named.values():
        with contextlib.suppress(Exception):  # most have ended
            await order.handle.terminate()


async def until(ask: Callable[[], Awaitable[T]], holds: Callable[[T], bool]) -> T:
    """The answer once it is so, whatever fails meanwhile: workers die."""
    got: T | Unavailable | None = None
    for _ in range(int(RECOVERS_WITHIN / LOOK_EVERY)):
        try:
            answer = got = await ask()
            if holds(answer):
                return answer
        except Unavailable as error:
            got = error
        await asyncio.sleep(LOOK_EVERY)
    raise AssertionError(f"it never came to that: {got}")


async def approved(order: StagedOrder) -> None:
    """Paid, shipped, delivered: the buyer's word is all that lacks."""
    await order.start()
    await _travelled(order)
    await order.ship()
    await until(order.state, lambda state: state["audit"] == "approved")


async def _travelled(order: StagedOrder) -> None:
    """It was sent two days ago and has arrived."""
    sent, between, arrived = (order.now - timedelta(days=days) for days in (2, 1, 0))
    start, end = order.order.ship_from.city, order.order.ship_to.city
    await order.scans_at((sent, "picked_up", start), (between, "in_transit", "南京市"), (arrived, "delivered", end))


async def test_an_effect_that_nobody_heard_of_is_done_once(ground: Ground, tmp_path: Path) -> None:
    orders = {effect: ground.order(effect) for effect in DOOMED}
    paying = orders["withdrawal"]
    paying.under("paying")
    await _account(ground, paying)
    async with ground.worker():
        await asyncio.gather(
            *(approved(orders[effect]) for effect in ("credit", "settle", "withdrawal")),
            *(orders[effect].start() for effect in ("record", "claim", "release", "refund", "channel", "arrived")),
        )
        await orders["release"].ship()
    # Nobody works: everything is due at once for those that die.
    await _let_go(orders)
    with ground.mortal(tmp_path, {effect: order.name for effect, order in orders.items()}):
        await until(lambda: asyncio.to_thread((tmp_path / "done").exists), bool)
        await until(lambda: ground.world.payout_effects(f"tok-{paying.name}"), bool)
        ended = {effect: await _ending(orders[effect], wanted) for effect, wanted in DOOMED.items()}
    assert ended == DOOMED
    references = await ground.references()
    posted = _posted({orders[effect].name: wanted for effect, wanted in DOOMED.items()})
    assert {name: count for name, count in references.items() if name.startswith("order/")} == posted
    for effect in ("refund", "channel", "arrived", "release"):
        assert await ground.world.refund_effects(orders[effect].order.payment.reference) == 1
    assert await ground.world.payout_effects(f"tok-{paying.name}") == 1


async def _account(ground: Ground, order: StagedOrder) -> None:
    await ground.register.bind_account(
        account_id=f"a-{order.name}",
        merchant_id=order.order.merchant_id,
        kind="bank_card",
        currency="CNY",
        holder="Li Wei",
        last4="4242",
        rail="sandbox",
        rail_token=f"tok-{order.name}",
        now=datetime.now(UTC),
    )


async def _let_go(orders: Mapping[str, StagedOrder]) -> None:
    """Whatever brings each order to its effect, while nobody works."""

    async def signal(effect: str, verb: str, role: str, **body: Any) -> None:
        order = orders[effect]
        await door.signal(order.stage.client, order.handle.id, verb, order.command(role, **body))

    for effect in ("open", "fund"):
        await door.start_order(orders[effect].stage.client, orders[effect].order)
    await signal("record", "place_hold", "operator", name="risk", scope="credit", reason="unusual")
    parcel = {"parcel_id": "p1", "carrier": "sandbox", "waybill": orders["claim"].waybill}
    await signal("claim", "report_shipment", "merchant", parcels=[parcel])
    for effect in ("credit", "settle", "withdrawal"):
        await signal(effect, "confirm_receipt", "buyer")
    for effect in ("refund", "channel", "arrived", "release"):
        await signal(effect, "cancel_order", "buyer", reason="no longer wanted")


async def _ending(order: StagedOrder, wanted: str) -> str:
    """The phase in the register, once it is the wanted one or will not be; of what is over, once it is closed."""

    async def phase() -> str:
        row = await order.stage.register.order_row(order.name)
        return "unknown" if row is None else row.phase if row.closed or row.phase in RESTING else f"{row.phase}, open"

    with contextlib.suppress(AssertionError):
        await until(phase, lambda got: got == wanted)
    return await phase()


def _posted(ends: Mapping[str, str]) -> Counter[str]:
    """What must stand in the books, each once."""
    moves = {
        "awaiting_shipment": ("fund",),
        "shipped": ("fund",),
        "settled": ("fund", "credit", "settle"),
        "cancelled": ("fund", "refund/cancel", "refund/cancel/paid"),
    }
    return Counter(f"order/{name}/{move}" for name, end in ends.items() for move in moves[end])


# --- by chance -------------------------------------------------------------------------------------------


async def test_orders_whose_workers_die_again_and_again_end_right(ground: Ground, tmp_path: Path) -> None:
    orders = [ground.order(f"order-{number}") for number in range(20)]
    chance = random.Random(20)
    wanted = {order.name: chance.choice(("settled", "settled", "cancelled")) for order in orders}
    with ground.mortal(tmp_path, {"kills": 5, "seed": 7}):
        await asyncio.gather(*(_live(order, wanted[order.name], chance.uniform(0, 4)) for order in orders))
        ended = {order.name: await _ending(order, wanted[order.name]) for order in orders}
    assert ended == wanted
    assert await ground.references() == _posted(wanted)
    for order in orders:
        given_back = await ground.world.refund_effects(order.order.payment.reference)
        assert given_back == (wanted[order.name] == "cancelled")


async def _live(order: StagedOrder, end: str, later: float) -> None:
    """One order with a storefront that sends again, the very same, whatever had no answer."""
    await asyncio.sleep(later)
    client, register = order.stage.client, order.stage.register
    await door.start_order(client, order.order)

    async def send(verb: str, role: str, **body: Any) -> None:
        command = order.command(role, **body)

        async def answer() -> str:
            try:
                return str((await door.send(client, order.handle.id, verb, command))["outcome"])
            except Refused as refusal:
                return refusal.code

        got = await until(answer, lambda got: got != "not_running")
        assert got in {"accepted", "duplicate", "order_over"}, (verb, got)

    if end == "cancelled":
        await send("cancel_order", "buyer", reason="no longer wanted")
        return
    await _travelled(order)
    parcel = {"parcel_id": "p1", "carrier": "sandbox", "waybill": order.waybill}
    await send("report_shipment", "merchant", parcels=[parcel])
    await until(lambda: register.order_row(order.name), lambda row: row is not None and row.audit == "approved")
    await send("confirm_receipt", "buyer")
