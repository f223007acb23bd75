"""Events over HTTP: pulled, waited for and streamed; a merchant's key sees that merchant's alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import MISSING, dataclass, fields
from datetime import UTC, datetime
from typing import Any, cast

import httpx2
import pytest
import pytest_asyncio
from databases import Database
from ledger_samples import NOW, an_order, opened
from starlette.requests import ClientDisconnect
from starlette.types import Message
from waiting import WITHIN

from config import Settings
from core.api_keys import RANDOM_BYTES, key_id_of, make_key
from core.errors import Unavailable
from core.events import START, Cursor, EventPage, StoredEvent
from ledger.register import Register
from storefront import streams
from storefront.api import events as routes
from storefront.api import others
from storefront.app import application
from storefront.identities import digest_of
from storefront.limits import Limits
from storefront.problems import ProblemError
from storefront.service import HttpService
from storefront.serving import listen, server_of
from storefront.streams import STREAMS_A_KEY, Streams

PEPPER = b"p" * 32
ABSENT: Any = cast(Any, None)
"""Of a gateway that is asked for events, and for nothing else."""


@dataclass
class Door:
    """A gateway, and what was written into its register."""

    client: httpx2.AsyncClient
    service: HttpService
    database: Database
    owners: Register

    async def key(self, number: int, merchant: str | None = None, scopes: tuple[str, ...] = ("events:read",)) -> str:
        key = make_key(bytes([number]) * RANDOM_BYTES)
        name = key_id_of(key)
        assert name is not None
        given: dict[str, Any] = {"merchant_id": merchant, "scopes": scopes, "by": "ann", "expires_at": None}
        await self.owners.api_keys.add(name, "test", digest_of(key, PEPPER), now=datetime.now(UTC), **given)
        return key

    async def get(self, path: str, key: str, **headers: str) -> Any:
        reply = await self.client.get(path, headers={"Authorization": f"Bearer {key}", **headers})
        return reply.json() | {"status": reply.status_code}

    async def tell(self, subject: str, *types: str, merchant: str | None = "m-1") -> None:
        events = [{"type": one, "data": {"phase": "shipped"}} for one in types]
        await self.database.owner.execute("SELECT add_events($1, $2, $3, $4)", subject, merchant, NOW, events)

    @asynccontextmanager
    async def stream(self, key: str, path: str = "", **headers: str) -> AsyncIterator[AsyncIterator[str]]:
        given = {"Authorization": f"Bearer {key}", **headers}
        async with self.client.stream("GET", f"/v1/events/stream{path}", headers=given) as reply:
            assert reply.status_code == 200, await reply.aread()
            assert reply.headers["content-type"].startswith("text/event-stream")
            lines = reply.aiter_lines()
            assert await anext(lines) == "retry: 2000"
            assert await anext(lines) == ""
            yield lines


@pytest_asyncio.fixture(loop_scope="session")
async def door(
    database: Database, register: Register, owners: Register, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Door]:
    for module in (streams, routes, others):
        monkeypatch.setattr(module, "LOOK_EVERY", 0.01)
    own = {"settings": Settings(peppers=(PEPPER,)), "register": register, "limits": Limits()}
    rest = {one.name: ABSENT for one in fields(HttpService) if one.default_factory is MISSING}
    service = HttpService(**(rest | own))
    with listen("127.0.0.1", 0) as listener:
        server = server_of(application(service))
        task = asyncio.create_task(server.serve(sockets=[listener]))
        async with httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=WITHIN
        ) as client:
            yield Door(client, service, database, owners)
        service.streams.end()
        server.should_exit = True
        await asyncio.wait_for(task, WITHIN)


async def _next(lines: AsyncIterator[str]) -> dict[str, str]:
    """The next message of a stream, heartbeats passed over."""
    found: dict[str, str] = {}
    async for line in lines:
        if line:
            name, _, value = line.partition(": ")
            found[name] = value
        elif "data" in found:
            return found
    return found


async def test_events_are_pulled_page_by_page(door: Door) -> None:
    key = await door.key(1)
    await door.tell("order/A1", "order.opened", "order.shipped", "order.credited")
    first = await door.get("/v1/events?limit=2", key)
    assert (first["status"], [one["id"] for one in first["data"]]) == (200, ["evt_order_A1_1", "evt_order_A1_2"])
    assert first["more"] is True
    second = await door.get(f"/v1/events?after={first['next']}", key)
    assert [one["type"] for one in second["data"]] == ["order.credited"]
    end = await door.get(f"/v1/events?after={second['next']}", key)
    assert (end["data"], end["next"], end["more"]) == ([], second["next"], False)
    some = await door.get("/v1/events?types=order.shipped,audit.*&subject=order/A1", key)
    assert [one["type"] for one in some["data"]] == ["order.shipped"]


async def test_a_reader_that_waits_is_answered_with_the_first_event(door: Door) -> None:
    key = await door.key(1)
    waiting = asyncio.create_task(door.get("/v1/events?wait=20", key))
    await door.tell("order/A1", "order.opened")
    assert [one["type"] for one in (await waiting)["data"]] == ["order.opened"]


async def test_a_merchants_key_sees_that_merchants_events_alone(door: Door, register: Register) -> None:
    own, platform = await door.key(1, "m-1"), await door.key(2)
    await opened(register, an_order("A1", merchant_id="m-1"))
    await opened(register, an_order("A2", merchant_id="m-2"))
    await door.tell("order/A1", "order.opened")
    await door.tell("order/A1", "notice.shipped", merchant=None)
    await door.tell("order/A2", "order.opened", merchant="m-2")
    assert [one["id"] for one in (await door.get("/v1/events", own))["data"]] == ["evt_order_A1_1"]
    assert (await door.get("/v1/events?subject=order/A2", own))["data"] == []
    assert len((await door.get("/v1/events", platform))["data"]) == 3
    assert [one["id"] for one in (await door.get("/v1/orders/A1/events", own))["data"]] == ["evt_order_A1_1"]
    assert len((await door.get("/v1/orders/A1/events", platform))["data"]) == 2
    for foreign in ("A2", "nobodys"):
        assert (await door.get(f"/v1/orders/{foreign}/events", own))["code"] == "unknown_order"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("after=5", "/after"),
        ("after=1-2-3", "/after"),
        ("types=order.opend", "/types"),
        ("types=order", "/types"),
        ("types=,", "/types"),
        ("types=*", "/types"),
        ("wait=21", "/wait"),
        ("limit=0", "/limit"),
        ("subject=order%2FA1%00", "/subject"),
        ("type=order.opened", "/type"),
    ],
)
async def test_what_cannot_be_asked_for_is_refused_by_name(door: Door, query: str, field: str) -> None:
    key = await door.key(1)
    for path in ("/v1/events", "/v1/events/stream"):
        if path.endswith("stream") and field in {"/wait", "/limit"}:
            continue
        refused = await door.get(f"{path}?{query}", key)
        assert (refused["status"], refused["code"]) == (422, "malformed")
        assert [one["pointer"] for one in refused["errors"]] == [field]


async def test_a_key_without_the_scope_reads_no_event(door: Door) -> None:
    key = await door.key(1, scopes=("orders:read",))
    for path in ("/v1/events", "/v1/events/stream", "/v1/orders/A1/events"):
        assert (await door.get(path, key))["code"] == "missing_scope"


async def test_a_stream_begins_now_and_goes_on_after_the_last_event_id(door: Door) -> None:
    key = await door.key(1)
    await door.tell("order/A1", "order.opened")
    async with door.stream(key) as lines:
        await door.tell("order/A1", "order.shipped")
        told = await _next(lines)
    assert (told["event"], json.loads(told["data"])["id"]) == ("order.shipped", "evt_order_A1_2")
    await door.tell("order/A1", "order.credited", "order.settled")
    async with door.stream(key, **{"Last-Event-ID": told["id"]}) as lines:
        assert [(await _next(lines))["event"] for _ in range(2)] == ["order.credited", "order.settled"]
    async with door.stream(key, "?after=0-0&types=order.settled") as lines:
        assert (await _next(lines))["event"] == "order.settled"


async def test_a_key_has_a_few_streams_and_gets_room_back(door: Door) -> None:
    door.service.streams.room.each = 1
    key = await door.key(1)
    async with door.stream(key):
        refused = await door.get("/v1/events/stream", key)
        assert (refused["status"], refused["code"]) == (429, "too_many_requests")
    async with asyncio.timeout(WITHIN):
        while door.service.streams.open:
            await door.client.get("/healthz")
    async with door.stream(key):
        pass


@pytest.mark.parametrize("path", ["/v1/events", "/v1/notices"])
async def test_waits_of_one_key_leave_connections_to_others(door: Door, path: str) -> None:
    """Each holds a connection for 20 seconds, and a key may begin a hundred a second: the server has a thousand."""
    door.service.waits.each = 1
    one, other = [await door.key(number, scopes=("events:read", "notices:read")) for number in (1, 2)]
    headers = {"Authorization": f"Bearer {one}"}
    waiting = asyncio.create_task(door.client.get(f"{path}?wait=20", headers=headers))
    async with asyncio.timeout(WITHIN):
        while not door.service.waits.taken:
            await door.client.get("/healthz")
    refused = await door.get(f"{path}?wait=20", one)
    assert (refused["status"], refused["code"]) == (429, "too_many_requests")
    assert (await door.get(path, one))["data"] == []
    await door.tell("order/A1", "order.opened")
    assert len((await door.get("/v1/events?wait=20", other))["data"]) == 1
    waiting.cancel()
    await _free(door)


async def _free(door: Door) -> None:
    async with asyncio.timeout(WITHIN):
        while door.service.waits.taken:
            await door.client.get("/healthz")


async def test_a_reader_that_goes_away_or_a_server_that_ends_ends_the_wait(door: Door) -> None:
    headers = {"Authorization": f"Bearer {await door.key(1)}"}
    for gone in (True, False):
        waiting = asyncio.create_task(door.client.get("/v1/events?wait=20", headers=headers))
        async with asyncio.timeout(WITHIN):
            while not door.service.waits.taken:
                await door.client.get("/healthz")
        if gone:
            waiting.cancel()
        else:
            door.service.streams.end()
        await _free(door)
    assert (await waiting).json()["data"] == []


async def test_streams_end_when_the_gateway_does(door: Door) -> None:
    async with door.stream(await door.key(1)) as lines:
        door.service.streams.end()
        assert await _next(lines) == {}


async def test_the_stream_is_not_in_the_document(door: Door) -> None:
    paths = (await door.get("/v1/openapi.json", "none"))["paths"]
    assert {"/v1/events", "/v1/orders/{order_id}/events"} <= paths.keys()
    assert "/v1/events/stream" not in paths


# --- a stream without a server -----------------------------------------------------------------------------


def _event(number: int) -> StoredEvent:
    facts: dict[str, Any] = {"merchant_id": None, "type": "order.held", "at": NOW, "data": {}}
    return StoredEvent(id=number, position=number, subject="order/A1", seq=number, **facts)


async def _valid() -> None:
    """The reader may go on."""


async def test_a_silent_stream_beats_and_moves_the_readers_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_EVERY", 0.0)
    monkeypatch.setattr(streams, "LOOK_EVERY", 0.0)

    async def look(cursor: Cursor) -> EventPage:
        return EventPage(events=(), next=str(Cursor(cursor.position + 1, 0)), more=False)

    told = Streams().tell(look, START, _valid)
    assert [await anext(told) for _ in range(3)] == ["retry: 2000\n\n", "id: 1-0\n\n", "id: 2-0\n\n"]


@pytest.mark.parametrize("fault", [Unavailable("away"), ProblemError("unauthorized")])
async def test_a_stream_ends_where_it_cannot_go_on(fault: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_EVERY", 0.0)

    async def look(cursor: Cursor) -> EventPage:
        if isinstance(fault, Unavailable) and cursor != START:
            raise fault
        return EventPage(events=(_event(1),), next="1-1", more=True)

    async def valid() -> None:
        if isinstance(fault, ProblemError):
            raise fault

    told = [part async for part in Streams().tell(look, START, valid)]
    assert told[1].startswith("id: 1-1\nevent: order.held\ndata: {")
    assert len(told) <= 3


async def test_room_is_counted_by_key_and_no_stream_begins_at_the_end() -> None:
    room = Streams()
    for _ in range(STREAMS_A_KEY):
        room.take("k1")
    with pytest.raises(ProblemError):
        room.take("k1")
    room.take("k2")
    room.room.give_back("k1")
    room.take("k1")
    room.end()
    with pytest.raises(ProblemError):
        room.take("k3")


async def test_a_reader_that_is_gone_before_its_stream_begins_takes_no_room() -> None:
    room, never = Streams(), asyncio.Event()

    async def told() -> AsyncIterator[str]:
        await never.wait()
        yield ""

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        raise OSError("gone")

    room.take("k1")
    with suppress(OSError, ClientDisconnect):
        await room.answer("k1", told())({"type": "http", "asgi": {"spec_version": "2.4"}}, receive, send)
    assert room.open == 0


async def test_a_place_that_the_stream_lost_in_a_restore_is_said_and_not_waited_at(door: Door) -> None:
    key = await door.key(7)
    await door.tell("order/A1", "order.opened")
    ahead = "999999999999-1"
    for path in (f"/v1/events?after={ahead}&wait=20", f"/v1/events/stream?after={ahead}"):
        found = await door.get(path, key)
        assert (found["status"], found["code"]) == (409, "cursor_not_in_stream")
    found = await door.get("/v1/events/stream", key, **{"Last-Event-ID": ahead})
    assert (found["status"], found["code"]) == (409, "cursor_not_in_stream")
