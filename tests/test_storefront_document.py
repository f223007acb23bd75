"""What the OpenAPI document says is what is answered: each operation, asked rightly and wrongly."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from databases import Database
from http_in_process import Gateway, in_process
from http_operations import Operation, body_for, operations

from core.money import CURRENCIES
from docs.examples import COMMANDS

NOT_IN_THESE_BOOKS = frozenset(
    {"get_parcel_trace", "get_request", "take_payment", "try_payment"}
    | {"get_endpoint", "change_endpoint", "remove_endpoint", "rotate_endpoint", "test_endpoint", "redeliver"}
    | {"list_attempts", "replace_account", "suspend_account", "verify_account"}
)
"""Operations about what is not there: their 404 is looked at, and `make clients` asks them about what is."""
OF_VENDORS = frozenset({"take_push", "take_callback"})
"""Operations of the desks, which answer as each vendor knows it."""
BUYER = {"role": "buyer", "id": "b-1"}


def _bodies(operation: Operation) -> Iterator[tuple[bytes, bool]]:
    """Bodies, and whether each can be read: an example, nothing, no JSON, a list, every field wrong, one too many."""
    if operation.body is None:
        yield b"", True
        return
    example = body_for(operation.name)
    if operation.name.removeprefix("withdrawal_") in COMMANDS:
        example = example | {"actor": BUYER}
    fields = operation.body.get("properties", {})
    yield json.dumps(example).encode(), True
    yield from ((raw, False) for raw in (b"{", b"[]", b'{"a": NaN}', b'{"a": 1, "a": 2}', b"[" * 10_000))
    yield json.dumps(example | {name: [[]] for name in fields}).encode(), not fields
    yield json.dumps(example | {"surprise": 1}).encode(), operation.body.get("additionalProperties") is not False


async def _asked(gateway: Gateway, operation: Operation, key: dict[str, str], raw: bytes, number: int) -> int:
    """The status of an answer, which the document must have with its media type."""
    headers = key | ({"Idempotency-Key": f"{operation.name}-{number}"} if operation.method != "GET" else {})
    answer = await gateway.asker.request(operation.method, operation.path, headers=headers, content=raw or None)
    said, kind = operation.said["responses"], answer.headers.get("content-type", "").partition(";")[0]
    where = (operation.name, raw[:80], answer.status_code, answer.text[:300])
    assert str(answer.status_code) in said, where
    assert kind in said[str(answer.status_code)].get("content", {kind: {}}), where
    if kind == "application/problem+json":
        assert {"type", "title", "status", "code", "detail", "detail_zh"} <= answer.json().keys(), where
    return answer.status_code


@pytest.mark.usefixtures("books")
async def test_every_operation_answers_as_the_document_says(database: Database) -> None:
    async with in_process(database) as gateway:
        shop, merchant = await gateway.key(), await gateway.key(merchant="m-1")
        for operation in operations(gateway).values():
            if operation.name in OF_VENDORS:
                continue
            statuses = set()
            for number, (raw, readable) in enumerate(_bodies(operation)):
                # Who asks matters where it can be read.
                keys = (shop, merchant) if number == 0 else (shop,)
                found = {await _asked(gateway, operation, key, raw, number) for key in keys}
                assert readable or not found & {200, 201, 202}, (operation.name, raw[:80], found)
                statuses |= found
            assert operation.name in NOT_IN_THESE_BOOKS or statuses - {404}, operation.name


async def test_a_currency_in_a_body_is_one_of_the_list_that_is_taken(database: Database) -> None:
    async with in_process(database) as gateway:
        document = (await gateway.asker.get("/v1/openapi.json")).json()
    assert document["components"]["schemas"]["Currency"]["enum"] == sorted(CURRENCIES)
    assert "iso-4217" not in json.dumps(document)
    paths = document["paths"]
    for path in ("/v1/orders", "/v1/withdrawals", "/v1/withdrawals/estimate"):
        body = paths[path]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert body["properties"]["currency"] == {"$ref": "#/components/schemas/Currency"}, path
