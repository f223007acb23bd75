"""Payout accounts over HTTP: numbers in, the last four out; each change once, and nothing of another merchant."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from databases import Database
from http_in_process import Gateway, in_process
from ledger_samples import NOW

from config import Settings
from core.messages import Actor
from ledger.register import Register

SETTINGS = Settings(
    bank_url="http://127.0.0.1:1", world_url="http://127.0.0.1:1", account_keys={"k": b"k" * 32, "old": b"o" * 32}
)
ANN = Actor(role="operator", id="ann")
NUMBER, OTHER = "6222 0212 3456 7894", "6222021234567902"
BIND = {"account_id": "acc-1", "currency": "CNY", "holder": "王芳", "number": NUMBER}
PLACE = "/v1/merchants/m-1/accounts"


@pytest.fixture
async def gateway(database: Database, register: Register) -> AsyncIterator[Gateway]:
    """A gateway, and the legal name of m-1."""
    async with in_process(database, SETTINGS) as found:
        await register.accounts.name_merchant("m-1", "王芳", by=ANN, why="papers seen", now=NOW)
        yield found


async def test_a_number_goes_in_and_its_last_four_come_out(gateway: Gateway, database: Database) -> None:
    own = await gateway.key(merchant="m-1")
    first = await gateway.ask("POST", PLACE, own, BIND, "b-1")
    again = await gateway.ask("POST", PLACE, own, BIND, "b-1")
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    seen = first.json()
    assert (seen["last4"], seen["holder"], seen["rail"], seen["has_number"]) == ("7894", "王芳", "sandbox", True)
    assert seen["cooling_until"] is not None
    other = await gateway.ask("POST", PLACE, own, BIND | {"number": OTHER}, "b-1")
    assert (other.status_code, other.json()["code"]) == (422, "command_id_used_with_different_content")
    listed = await gateway.ask("GET", PLACE, own)
    assert ([row["account_id"] for row in listed.json()["data"]], listed.json()["legal_name"]) == (["acc-1"], "王芳")
    digits = NUMBER.replace(" ", "")
    for answer in (first, again, other, listed):
        assert digits not in answer.text.replace(" ", "")
        assert "rail_token" not in answer.text
    kept = await database.owner.fetchval("SELECT string_agg(r::TEXT, '') FROM requests r")
    assert kept is None, "a number is never written down as a request is"


async def test_an_account_is_replaced_suspended_and_not_by_others(gateway: Gateway) -> None:
    own, other, shop = [await gateway.key(merchant=name) for name in ("m-1", "m-2", None)]
    assert (await gateway.ask("POST", PLACE, own, BIND, "b-1")).status_code == 201
    replaced = await gateway.ask(
        "POST", f"{PLACE}/acc-1/replace", shop, {"number": OTHER, "reason": "a new card"}, "r-1"
    )
    assert (replaced.status_code, replaced.json()["last4"], replaced.json()["version"]) == (200, "7902", 2)
    stop = {"reason": "the card is lost"}
    for _ in range(2):
        suspended = await gateway.ask("POST", f"{PLACE}/acc-1/suspend", own, stop, "s-1")
        assert (suspended.status_code, suspended.json()["suspended_for"]) == (200, "the card is lost")
    again = await gateway.ask("POST", f"{PLACE}/acc-1/suspend", own, stop, "s-2")
    assert (again.status_code, again.json()["code"]) == (409, "account_suspended")
    untold = await gateway.ask("POST", f"{PLACE}/acc-1/verify", own, {"amount_minor": 37}, "v-1")
    assert (untold.status_code, untold.json()["code"]) == (409, "no_drop")
    for path in (f"{PLACE}/acc-1/suspend", "/v1/merchants/m-2/accounts/acc-1/suspend"):
        assert (await gateway.ask("POST", path, other, stop)).status_code == 404
    taken = await gateway.ask("POST", "/v1/merchants/m-2/accounts", shop, BIND, "b-2")
    assert (taken.status_code, taken.json()["code"]) == (409, "merchant_unnamed")


async def test_a_taken_id_does_not_say_whose_it_is(gateway: Gateway, register: Register) -> None:
    await register.accounts.name_merchant("m-2", "王芳", by=ANN, why="papers seen", now=NOW)
    own, other = [await gateway.key(merchant=name) for name in ("m-1", "m-2")]
    assert (await gateway.ask("POST", PLACE, own, BIND)).status_code == 201
    answers = [
        await gateway.ask("POST", f"/v1/merchants/{name}/accounts", sender, BIND | {"number": OTHER})
        for name, sender in (("m-1", own), ("m-2", other))
    ]
    mine, anothers = [{**answer.json(), "request_id": None} for answer in answers]
    assert (mine["status"], mine["code"]) == (409, "account_exists")
    assert mine == anothers


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"number": "6222 0212 3456 7895"}, 422, "account_number_invalid"),
        ({"number": "x" * 65}, 422, "malformed"),
        ({"number": None}, 422, "malformed"),
        ({"last4": "4242"}, 422, "malformed"),
        ({"number": None, "last4": "4242"}, 422, "malformed"),
        ({"holder": "李明"}, 422, "holder_mismatch"),
        ({"currency": "XXX"}, 422, "malformed"),
        ({"kind": "company_account"}, 422, "bank_missing"),
        ({"kind": "mattress"}, 422, "malformed"),
        ({"cooling": "0s"}, 422, "malformed"),
        ({"surprise": 1}, 422, "malformed"),
        ({"account_id": "a/b"}, 422, "malformed"),
    ],
    ids=str,
)
async def test_what_cannot_be_right_is_refused_and_repeats_no_number(
    gateway: Gateway, change: dict[str, Any], status: int, code: str
) -> None:
    answer = await gateway.ask("POST", PLACE, await gateway.key(merchant="m-1"), BIND | change)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    given = str((BIND | change)["number"])
    assert given not in answer.text or given == "None"
    assert (await gateway.ask("GET", PLACE, await gateway.key(merchant="m-1"))).json()["data"] == []
