"""Commands that arrive while a posting is on its way to a ledger that does not answer."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from databases import Database
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError
from waiting import WITHIN, until

import gateway
from activities.policies import ParsedPolicies
from config import Settings
from core.errors import Unavailable
from core.messages import ORDER_COMMANDS, ReportShipment
from core.movements import Movement
from core.order.folding import claim_at_once
from core.order.recovering import recover
from core.policy import resolve
from core.reading import read_command
from core.steps import Posted
from demo.stage import Stage, StagedOrder
from ledger.book import Book
from ledger.claims import Claims
from ledger.orders import Opening, Orders
from ledger.register import Register
from local.client import WorldClient
from local.temporal import Temporal
from wiring.activities import wire
from wiring.database import register_policies
from worker import build_worker

NUMBERS = itertools.count(1)


class Ledger:
    """What does not answer, and what it refuses: the last words of references."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.away: set[str] = set()
        self.refusing: set[str] = set()
        posts = Book.post

        async def post(book: Book, movement: Movement, record: Any = None) -> Posted:
            last = movement.reference.rsplit("/", 1)[-1]
            if last in self.away:
                raise Unavailable("it does not answer")
            if last in self.refusing:
                return Posted(reference=movement.reference, outcome="conflict")
            return await posts(book, movement, record)

        opens = Orders.open

        async def open_order(orders: Orders, *args: Any, **kwargs: Any) -> Opening:
            """One whose fund is refused is only registered, as the database's function leaves it."""
            if "fund" in self.refusing:
                kwargs |= {"fund": None, "record": None}
            return await opens(orders, *args, **kwargs)

        patch.setattr(Book, "post", post)
        patch.setattr(Orders, "open", open_order)


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Ledger:
    return Ledger(monkeypatch)


@pytest_asyncio.fixture
async def play(
    temporal: Temporal, world: WorldClient, database: Database, ledger: Ledger
) -> AsyncIterator[Callable[[], Any]]:
    settings = Settings(
        temporal_address=temporal.address,
        database_url=database.worker_dsn,
        carrier_url=f"{world.url}/carrier",
        channel_url=f"{world.url}/channel",
        bank_url=f"{world.url}/bank",
    )
    client = await gateway.connect(settings)
    await gateway.register_search_attributes(client)
    register = Register(database.pool)
    await register_policies(register, settings)
    # Each test's parcels are its own: the stand-in carrier, which all share, knows where earlier ones have been.
    number = next(NUMBERS)
    stage = Stage(client, world, register, seed=2000 + number, tag=f"race-{number}")
    played: list[StagedOrder] = []

    @asynccontextmanager
    async def order() -> AsyncIterator[StagedOrder]:
        async with AsyncExitStack() as stack:
            activities = await wire(settings, stack, database.pool, client)
            await stack.enter_async_context(build_worker(client, activities, settings))
            played.append(stage.play(len(played) + 1))
            yield played[-1]

    yield order
    for one in played:
        await end(one)


async def end(order: StagedOrder) -> None:
    """It must not be asked about by another test's worker."""
    if (await gateway.status_of(order.stage.client, order.handle.id)) == 1:
        await order.handle.terminate()


async def under_way(order: StagedOrder, activity: str) -> str:
    """Wait until a posting is a regular activity that is tried again and again; its summary."""

    async def summaries() -> list[str]:
        tried = await gateway.retries(order.stage.client, order.handle.id)
        return [str(one["summary"]) for one in tried if one["activity"] == activity]

    return (await until(summaries))[0]


async def approved(order: StagedOrder) -> None:
    """Paid, shipped, delivered: the buyer's word is all that lacks."""
    await order.start()
    await order.ship()
    await order.travel()
    await order.days(0.6)
    await order.until(lambda state: state["audit"] == "approved")


async def test_what_arrives_while_the_credit_is_posted_cannot_stop_it_any_more(
    play: Callable[[], Any], ledger: Ledger, database: Database
) -> None:
    async with play() as order:
        await approved(order)
        ledger.away.add("credit")
        await order.send("confirm_receipt", "buyer")
        assert await under_way(order, "post") == "credit"
        hold = {"name": "risk", "scope": "credit", "reason": "a tip"}
        assert await order.refused("place_hold", "operator", **hold) == "already_credited"
        scan = {"at": order.now.isoformat(), "code": "back", "stage": "returned"}
        await order.send("report_scan", "carrier", carrier="sandbox", waybill=order.waybill, provider="x", scans=[scan])
        await order.send("place_hold", "operator", name="later", scope="payout", reason="a tip")
        ledger.away.clear()
        state = await order.until(lambda state: state["phase"] == "credited")
        assert (state["audit"], state["receipt"]["status"]) == ("approved", "confirmed")
        await order.until(lambda state: state["recorded_revision"] == state["revision"])
    notices = await database.pool.fetch(
        "SELECT name FROM notices WHERE subject = $1 ORDER BY seq", f"order/{order.name}"
    )
    names = [row["name"] for row in notices]
    assert (names.count("credited"), names.count("hold_placed")) == (1, 1)


async def test_an_order_whose_funding_the_ledger_refuses_goes_on_when_its_hold_is_lifted(
    play: Callable[[], Any], ledger: Ledger
) -> None:
    async with play() as order:
        ledger.refusing.add("fund")
        await gateway.start_order(order.stage.client, order.order)
        await order.until(lambda state: bool(state.get("holds")))
        ledger.refusing.clear()
        await asyncio.wait_for(order.send("lift_hold", "operator", name="ledger_disagrees", reason="put right"), WITHIN)
        state = await order.until(lambda state: state["phase"] == "awaiting_shipment")
        assert state["funded"]


async def test_a_shipment_whose_number_is_being_claimed_beats_the_deadline_that_passes_meanwhile(
    play: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, away = Claims.claim, asyncio.Event()

    async def claim_when_there(claims: Claims, *args: Any, **kwargs: Any) -> Any:
        if not away.is_set():
            raise Unavailable("it does not answer")
        return await claim(claims, *args, **kwargs)

    monkeypatch.setattr(Claims, "claim", claim_when_there)
    async with play() as order:
        await order.start()
        ship_by = datetime.fromisoformat((await order.state())["ship_by"])
        await order.days((ship_by - order.now) / timedelta(days=1) - 0.003)
        shipment = asyncio.create_task(order.ship())
        await under_way(order, "claim_waybills")
        await order.days(0.006)
        away.set()
        await order.days(0.002)
        await asyncio.wait_for(shipment, WITHIN)
        assert (await order.state())["phase"] == "shipped"


@pytest.mark.parametrize("arrives", ["junk", "cancellation", "nothing"])
async def test_what_arrives_while_a_number_is_claimed_and_recorded_is_not_lost(
    arrives: str, play: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    claim, recorded, seen = Claims.claim, asyncio.Event(), asyncio.Event()

    async def claim_and_wait(claims: Claims, *args: Any, **kwargs: Any) -> Any:
        claimed = await claim(claims, *args, **kwargs)
        recorded.set()
        await seen.wait()
        return claimed

    monkeypatch.setattr(Claims, "claim", claim_and_wait)
    async with play() as order:
        await order.start()
        shipment = asyncio.create_task(order.ship())
        await asyncio.wait_for(recorded.wait(), WITHIN)
        if arrives == "junk":
            await order.handle.signal("ship_it", {})
        elif arrives == "cancellation":
            await order.handle.cancel()
        await asyncio.sleep(0.3)
        seen.set()
        await asyncio.wait_for(shipment, WITHIN)
        state = await order.until(lambda state: state["recorded_revision"] == state["revision"])
        assert state["phase"] == "shipped"
        verbs = [entry["verb"] for entry in await order.handle.query("journal")]
        assert verbs.count("report_shipment") == 1
        assert len(verbs) == (1 if arrives == "nothing" else 2)
        known = await order.stage.register.orders.known(order.name)
        assert known is not None
        assert known.state is not None
        assert len(known.state["inbox"]["journal"]) == len(verbs)
    notices = await database.pool.fetch(
        "SELECT name FROM notices WHERE subject = $1 ORDER BY seq", f"order/{order.name}"
    )
    assert [row["name"] for row in notices][:2] == ["ship", "shipped"]


async def test_what_overtakes_a_try_that_was_recorded_and_lost_keeps_its_notice_and_its_numbers(
    play: Callable[[], Any], database: Database
) -> None:
    """A worker claimed a number, recorded the shipment and died before it reported; a hold is decided first."""
    async with play() as order:
        await order.start()
        await order.until(lambda state: state["recorded_revision"] == state["revision"])
        register, number = order.stage.register, order.new_waybill()
        known = await register.orders.known(order.name)
        assert known is not None
        policy = await ParsedPolicies(register.policies).of(known.policy_hash)
        state = recover(known.order, resolve(policy, known.order), known.state or {}, known.references, order.now)
        parcels = [{"parcel_id": "lost", "carrier": "sandbox", "waybill": number}]
        shipment = read_command(ORDER_COMMANDS, "report_shipment", order.command("merchant", parcels=parcels))
        assert isinstance(shipment, ReportShipment)
        lost = claim_at_once(state, shipment, order.now, "update")
        claim = [("lost", "sandbox", number)]
        who = (known.order.merchant_id, known.order.buyer_id)
        claimed = await register.claims.claim(order.name, *who, "CN", claim, order.now, lost.record)
        assert claimed.standing is not None
        assert claimed.standing.kept
        await order.send("place_hold", "operator", name="risk", scope="credit", reason="a tip")
        await order.until(lambda state: state["recorded_revision"] == state["revision"])
        assert not any(one.uses for one in await register.claims.claimants(number))
        await order.ship()
        known = await register.orders.known(order.name)
        assert known is not None
        assert [parcel["parcel_id"] for parcel in (known.state or {})["parcels"]] == ["p1"]
    notices = await database.pool.fetch(
        "SELECT name FROM notices WHERE subject = $1 ORDER BY seq", f"order/{order.name}"
    )
    assert sorted(row["name"] for row in notices) == ["hold_placed", "money_held", "ship", "shipped", "shipped"]


async def test_a_refund_is_decided_in_the_history_before_it_is_posted(play: Callable[[], Any]) -> None:
    """Otherwise a worker killed after the posting leaves the next one free to decide for another refund."""
    async with play() as order:
        await order.start()
        await order.send("cancel_order", "buyer", reason="no longer wanted")
        await order.handle.result()
        scheduled = [
            event.activity_task_scheduled_event_attributes.activity_type.name
            async for event in order.handle.fetch_history_events()
            if event.HasField("activity_task_scheduled_event_attributes")
        ]
    assert scheduled == ["post", "pay_refund"]


async def test_an_order_under_a_foreign_workflow_id_is_refused_and_registers_nothing(
    play: Callable[[], Any], database: Database
) -> None:
    async with play() as order:
        start = order.stage.client.execute_workflow
        with pytest.raises(WorkflowFailureError) as failed:
            await start("OrderWorkflow", order.order, id=f"mine-{order.name}", task_queue="dakuan")
    assert isinstance(failed.value.cause, ApplicationError)
    assert failed.value.cause.type == "invalid_order"
    assert failed.value.cause.details[0]["field"] == "order_id"
    assert await database.pool.fetchval("SELECT count(*) FROM orders") == 0
