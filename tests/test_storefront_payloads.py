"""The codec server, asked as Temporal's Web UI and command line ask it: operators see, others do not."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from databases import Database
from google.protobuf.json_format import ParseDict
from http_in_process import PEPPER, Gateway, in_process
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.converter import WorkflowSerializationContext

import gateway as temporal
from config import Settings
from config.codec import CodecKeys, first_keys
from core.api_keys import PAYLOADS, SCOPES
from ledger.people import PersonRole
from ledger.register import Register
from storefront.console.cookies import SESSION, Jar
from storefront.payloads import MOST

KEYS = first_keys(b"\x01" * 4, b"\x01" * 32)
UI = "http://127.0.0.1:8233"
SETTINGS = Settings(codec_keys=KEYS, temporal_ui_url=UI)
ORDER = {"order_id": "A1", "ship_to": {"district": "海淀区"}}


@pytest.fixture
async def door(database: Database) -> AsyncIterator[Gateway]:
    async with in_process(database, SETTINGS) as found:
        yield found


async def sealed(keys: CodecKeys = KEYS) -> dict[str, Any]:
    """A payload of a history, as the Web UI has it."""
    converter = temporal.converter_of(keys).with_context(WorkflowSerializationContext("default", "order-A1"))
    return as_json((await converter.encode([ORDER]))[0])


def as_json(payload: Payload) -> dict[str, Any]:
    marks = {name: base64.b64encode(value).decode() for name, value in payload.metadata.items()}
    return {"metadata": marks, "data": base64.b64encode(payload.data).decode()}


async def asked(door: Gateway, headers: dict[str, str], *payloads: Any, path: str = "/codec/decode") -> httpx2.Response:
    given = {"Content-Type": "application/json", "X-Namespace": "default", **headers}
    return await door.asker.post(path, headers=given, content=json.dumps({"payloads": payloads}))


async def session(door: Gateway, role: PersonRole, merchant: str | None = None) -> dict[str, str]:
    """What the browser of such a person sends from the Web UI's page."""
    now, session_id, person = datetime.now(UTC), f"session-{role}", f"p-{role}"
    await door.owners.people.add(
        person, role, role, merchant_id=merchant, issuer="x", subject=person, by="owner", now=now
    )
    assert await door.service.register.people.open_session(
        Jar(secure=False, pepper=PEPPER).digest(session_id),
        person,
        replaces=None,
        signed_in_at=now,
        ends_at=now + timedelta(hours=1),
        now=now,
    )
    return {"Origin": UI, "Cookie": f"{SESSION}={session_id}"}


def opened(answer: httpx2.Response) -> list[Any]:
    assert answer.status_code == 200, answer.text
    return [json.loads(base64.b64decode(one["data"])) for one in answer.json()["payloads"]]


async def test_an_operator_reads_a_history_in_the_web_ui(door: Gateway, caplog: pytest.LogCaptureFixture) -> None:
    browser = await session(door, "operator")
    with caplog.at_level(logging.DEBUG):
        answer = await asked(door, browser, await sealed(), await sealed())
    assert opened(answer) == [ORDER, ORDER]
    assert answer.headers["access-control-allow-origin"] == UI
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert "海淀区" not in caplog.text
    assert "operator p-operator had 2 payloads opened" in caplog.text


async def test_the_browser_is_told_beforehand_who_may_ask(door: Gateway) -> None:
    asking = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,x-namespace"}
    ours = await door.asker.options("/codec/decode", headers={"Origin": UI, **asking})
    assert (ours.status_code, ours.headers["access-control-allow-origin"]) == (204, UI)
    for origin in ("http://evil.example", "null", f"{UI}.evil.example", "http://127.0.0.1:8234"):
        other = await door.asker.options("/codec/decode", headers={"Origin": origin, **asking})
        assert "access-control-allow-origin" not in other.headers


async def test_only_operators_and_keys_that_name_it_open(door: Gateway) -> None:
    one = await sealed()
    assert (await asked(door, {}, one)).status_code == 401
    assert (await asked(door, {"Origin": UI}, one)).status_code == 401
    operator = await session(door, "operator")
    for origin in ({"Origin": "http://evil.example"}, {"Origin": "null"}):
        assert (await asked(door, operator | origin, one)).status_code == 401
    without = {name: value for name, value in operator.items() if name != "Origin"}
    assert (await asked(door, without, one)).status_code == 401
    assert (await asked(door, await session(door, "reviewer"), one)).status_code == 403
    assert (await asked(door, await session(door, "merchant", "m-1"), one)).status_code == 403
    assert (await asked(door, await door.key(scopes=SCOPES), one)).json()["code"] == "missing_scope"
    assert (await asked(door, await door.key(merchant="m-1", scopes=(PAYLOADS,)), one)).status_code == 403
    assert (await asked(door, {"Authorization": "Bearer dk_live_x"}, one)).status_code == 401
    assert opened(await asked(door, await door.key(scopes=(PAYLOADS,)), one)) == [ORDER]


async def test_what_cannot_be_opened_comes_back_as_it_is(door: Gateway) -> None:
    key = await door.key(scopes=(PAYLOADS,))
    plain = as_json((await temporal.DATA_CONVERTER.encode([ORDER]))[0])
    newer = KEYS.with_new(b"\x02" * 4, b"\x02" * 32)
    later = await sealed(newer.sealing_with(list(newer.keys)[1]))
    broken = {**(await sealed()), "data": base64.b64encode(b"x" * 40).decode()}
    answer = await asked(door, key, plain, later, broken, await sealed())
    first, second, third, last = answer.json()["payloads"]
    assert (first, second) == (plain, later)
    assert third["data"] == broken["data"]
    assert base64.b64decode(third["metadata"]["unopened"]) == b"It was changed after it was sealed."
    assert json.loads(base64.b64decode(last["data"])) == ORDER


async def test_what_is_typed_is_sealed_for_the_workflow_that_is_named(door: Gateway) -> None:
    plain = as_json((await temporal.DATA_CONVERTER.encode([ORDER]))[0])
    named = {**await door.key(scopes=(PAYLOADS,)), "X-Workflow-Id": "order-A1"}
    answer = await asked(door, named, plain, path="/codec/encode")
    (sealed_one,) = ParseDict(answer.json(), Payloads()).payloads
    assert "海淀区".encode() not in sealed_one.SerializeToString()
    for workflow_id, opens in (("order-A1", True), ("order-A2", False)):
        bound = temporal.converter_of(KEYS).with_context(WorkflowSerializationContext("default", workflow_id))
        assert (await bound.decode([sealed_one]) == [ORDER]) is opens


async def test_nothing_is_sealed_for_no_workflow(door: Gateway) -> None:
    """Given back as it is, it would be taken for sealed."""
    plain = as_json((await temporal.DATA_CONVERTER.encode([ORDER]))[0])
    key = await door.key(scopes=(PAYLOADS,))
    for headers in (key, key | {"X-Workflow-Id": ""}, key | {"X-Workflow-Id": "a b"}):
        answer = await asked(door, headers, plain, path="/codec/encode")
        assert (answer.status_code, answer.json()["code"]) == (422, "workflow_unnamed")
        assert "X-Workflow-Id" in answer.json()["detail"]
    assert (await asked(door, {"X-Workflow-Id": "order-A1"}, plain, path="/codec/encode")).status_code == 401


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"payloads": 7}', b'{"payloads": [{"data": "\xff"}]}', b'{"payloads": [' * 99]
)
async def test_a_body_that_is_none_is_refused(door: Gateway, body: bytes) -> None:
    answer = await door.asker.post("/codec/decode", headers=await door.key(scopes=(PAYLOADS,)), content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "unreadable")
    assert answer.json()["request_id"]


async def test_more_than_one_page_of_a_history_is_refused(door: Gateway) -> None:
    """8 MB of empty payloads kept the whole gateway busy for over a minute."""
    key = await door.key(scopes=(PAYLOADS,))
    many: list[dict[str, Any]] = [{}] * (MOST + 1)
    marked: list[dict[str, Any]] = [{"metadata": dict.fromkeys(map(str, range(MOST)), "")}]
    for body in ({"payloads": many}, {"payloads": marked}):
        answer = await door.asker.post("/codec/decode", headers=key, content=json.dumps(body))
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert (await asked(door, key, *[await sealed()] * 200)).status_code == 200


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("https://Temporal.Shop.Example:443/ui", "https://temporal.shop.example"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("https://temporal.shop.example:8443", "https://temporal.shop.example:8443"),
    ],
)
async def test_the_web_ui_is_known_as_browsers_write_its_origin(database: Database, address: str, origin: str) -> None:
    async with in_process(database, Settings(codec_keys=KEYS, temporal_ui_url=address)) as door:
        answer = await door.asker.options("/codec/decode", headers={"Origin": origin})
        assert answer.headers["access-control-allow-origin"] == origin


async def test_another_namespace_is_not_ours(door: Gateway) -> None:
    answer = await asked(door, {**await door.key(scopes=(PAYLOADS,)), "X-Namespace": "other"}, await sealed())
    assert answer.status_code == 404


async def test_without_a_codec_there_is_nothing_to_open(register: Register, database: Database) -> None:
    async with in_process(database, Settings(temporal_ui_url=UI)) as plain:
        assert (await asked(plain, await plain.key(scopes=(PAYLOADS,)), await sealed())).status_code == 404
