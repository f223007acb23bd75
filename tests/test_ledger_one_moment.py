"""What was made at one moment stands in one order in each list: one that is cut shows the same each time."""

from __future__ import annotations

from typing import Any

from databases import Database
from hooks import SECRET, VAULT
from ledger_samples import NOW
from merchant_samples import stop

from core.api_keys import SCOPES
from ledger.endpoints import NewEndpoint
from ledger.register import Register

NAMES = ("bbbbbbbb", "cccccccc", "aaaaaaaa")
LAST_FIRST = ["cccccccc", "bbbbbbbb", "aaaaaaaa"]


async def test_keys_are_listed_in_one_order(owners: Register) -> None:
    for number, name in enumerate(NAMES):
        digest = bytes([number]) * 32
        await owners.api_keys.add(
            name, "shop", digest, merchant_id="m-1", scopes=SCOPES, by="ann", expires_at=None, now=NOW
        )
    assert [key.key_id for key in await owners.api_keys.list("m-1")] == LAST_FIRST
    assert [key.key_id for key in await owners.api_keys.list(limit=2)] == LAST_FIRST[:2]


async def test_endpoints_and_what_waits_for_them_are_listed_in_one_order(
    database: Database, register: Register
) -> None:
    endpoints = register.endpoints
    for name in NAMES:
        new = NewEndpoint(
            endpoint_id=name,
            merchant_id=None,
            url="https://shop.example",
            description="",
            types=(),
            signing="v1",
            created_by="k",
            digest="d",
            asked_as=name,
        )
        assert await endpoints.add(new, SECRET, VAULT, at_most=50, now=NOW) == "added"
    assert [one.endpoint_id for one in await endpoints.rows()] == LAST_FIRST
    assert [one.endpoint_id for one in await endpoints.rows(limit=2)] == LAST_FIRST[:2]
    await database.owner.executemany(
        "INSERT INTO parked (endpoint_id, subject, seq, failures, next_at) VALUES ($1, $2, 1, 1, $3)",
        [(NAMES[0], f"order/{name}", NOW) for name in NAMES],
    )
    waiting = [f"order/{name}" for name in sorted(NAMES)]
    assert [one.subject for one in await endpoints.parked(NAMES[0])] == waiting
    assert [one.subject for one in await endpoints.lease(NAMES[0], "gateway").due(NOW, 2)] == waiting[:2]


async def test_the_last_of_a_merchants_changes_stands_first(register: Register) -> None:
    for on in (True, False):
        assert await stop(register, on=on)
    assert [move.value for move in await register.merchants.moves("m-1")] == [None, "yes"]
    assert [move.value for move in await register.merchants.moves("m-1", limit=1)] == [None]


async def test_the_last_period_of_someone_who_came_back_stands_last(owners: Register) -> None:
    ann: dict[str, Any] = {"merchant_id": None, "issuer": "https://id.example", "subject": "ann@id", "by": "root"}
    assert await owners.people.add("ann", "Ann", "reviewer", **ann, now=NOW)
    assert await owners.people.end("ann", NOW, "bob")
    assert await owners.people.add("ann", "Ann", "operator", **ann, now=NOW, again=True)
    assert [period.role for period in await owners.people.everyone()] == ["reviewer", "operator"]
