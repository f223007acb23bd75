"""Withdrawals over HTTP, what carriers push in, and requests that outlive their gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from command_line import ask
from http_stack import Answered, Http, fresh_key, keyed
from rate_clock import hold_rates
from temporalio.client import Client
from up_stack import fresh_order, settled, started
from vendor_adapters import fresh, plain
from waiting import until_so

from config import Settings, load
from core.messages import Scan
from ledger.pool import open_pool
from ledger.register import Register
from local.dialects import push_of
from storefront import changing
from storefront.app import application, running_service
from storefront.changing import Changes
from storefront.identities import Caller
from storefront.limits import WRITES

pytestmark = pytest.mark.usefixtures("up")
BY = ("--by", "operator:ann", "--reason", "papers seen")


def answered(shop: Http, key: str) -> Answered:
    """What became of a request."""
    return until_so(lambda: shop.get(f"/v1/requests/{key}"), lambda found: found.body.get("code") != "under_way")


def test_a_merchant_withdraws_over_http(http_client: httpx2.Client) -> None:
    name = settled()["merchant_id"]
    ask("accounts", "merchant", name, "--name", "王芳", *BY)
    bind = ("accounts", "bind", name, f"acc-{name}", "--holder", "王芳", "--cooling", "0s")
    ask(*bind, *BY, stdin="6222 0212 3456 7894")
    merchant, key = keyed(http_client, "--merchant", name), fresh_key()
    body = {"amount_minor": 5_000, "currency": "CNY", "account_id": f"acc-{name}"}
    estimate = merchant.post("/v1/withdrawals/estimate", body)
    assert (estimate.status, estimate.body["amount_minor"], estimate.body["against"]) == (200, 5_000, [])
    too_much = merchant.post("/v1/withdrawals/estimate", body | {"amount_minor": 1_000_000})
    (against,) = too_much.body["against"]
    assert (against["code"], against["message_zh"][:9]) == ("insufficient_funds", "可用余额不足。尚差")
    first, again = (merchant.post("/v1/withdrawals", body, key) for _ in range(2))
    assert (first.status, again.status, again.body) == (201, 201, first.body)
    named = first.body["withdrawal_id"]
    assert [row["withdrawal_id"] for row in merchant.get("/v1/withdrawals").body["data"]] == [named]
    assert merchant.get(f"/v1/withdrawals/{named}").body["withdrawal"]["amount_minor"] == 5_000
    much = merchant.post("/v1/withdrawals", body | {"amount_minor": 4_000_000}, fresh_key())
    assert (much.status, much.body["code"]) == (409, "insufficient_funds")
    stranger = keyed(http_client, "--merchant", "m-stranger")
    assert stranger.get(f"/v1/withdrawals/{named}").body["code"] == "unknown_withdrawal"
    assert stranger.post(f"/v1/withdrawals/{named}/cancel", {}, fresh_key()).body["code"] == "unknown_withdrawal"
    assert stranger.post("/v1/withdrawals", body | {"merchant_id": name}, fresh_key()).body["code"] == "wrong_actor"
    assert merchant.post("/v1/withdrawals", body | {"leaving": True}, fresh_key()).body["code"] == "malformed"


def test_a_carriers_push_gets_the_answer_that_its_sender_knows(http_client: httpx2.Client) -> None:
    order, waybill = started(), fresh()
    seen = Scan.model_validate(
        {"at": datetime.now(UTC), "code": "1", "stage": "picked_up", "city": "杭州", "text": "揽收"}
    )
    report = {"parcels": [{"parcel_id": "p1", "carrier": "yto", "waybill": waybill}]}
    shop = keyed(http_client)
    merchant = {"actor": {"role": "merchant", "id": order["merchant_id"]}}
    assert shop.post(f"/v1/orders/{order['order_id']}/report_shipment", report | merchant, fresh_key()).status == 200
    body, headers = push_of("kuaidi100", "yto", waybill, plain([seen]))
    taken = http_client.post("/v1/in/carriers/kuaidi100", content=body, headers=headers)
    assert (taken.status_code, taken.json()) == (200, {"result": True, "returnCode": "200", "message": "成功"})
    body, headers = push_of("easypost", "ups", fresh("1Z"), [])
    assert http_client.post("/v1/in/carriers/easypost", content=body, headers=headers).status_code == 200
    assert http_client.post("/v1/in/carriers/easypost", content=body + b" ", headers=headers).status_code == 401
    assert http_client.post("/v1/in/carriers/pigeon", content=body).json()["code"] == "not_found"


def test_a_request_outlives_the_gateway_that_took_it(shop: Http) -> None:
    """Killed between the register and Temporal: its request has no answer, and nothing works on it any more. A row that
    no gateway wrote is not carried out.
    """
    order, key = fresh_order(), fresh_key()
    forged, forged_key = fresh_order(), fresh_key()

    async def taken_and_killed() -> None:
        then, pool = datetime.now(UTC) - timedelta(minutes=5), await open_pool(load().needed("database_url"), size=1)
        register = Register(pool)
        own = await register.api_keys.get(shop.key_id)
        assert own is not None
        nowhere = await Client.connect("127.0.0.1:1", lazy=True)
        written = Changes(register, nowhere, load().peppers_needed).pending(
            Caller(own), key, "order", order["order_id"], order
        )
        foreign = written.model_copy(
            update={"idempotency_key": forged_key, "subject": forged["order_id"], "body": forged}
        )
        for one in (foreign, written):
            until = then + timedelta(minutes=1)
            assert (await register.requests.take(one, taken_until=until, now=then)).outcome == "taken"
        await pool.close()

    asyncio.run(taken_and_killed())
    found = answered(shop, key)
    assert (found.status, found.body["phase"]) == (201, "awaiting_shipment")
    assert shop.get(f"/v1/orders/{order['order_id']}").status == 200
    assert shop.get(f"/v1/requests/{forged_key}").body["code"] == "under_way"
    assert shop.get(f"/v1/orders/{forged['order_id']}").status == 404


@asynccontextmanager
async def _gateway(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """A gateway in this process."""
    async with running_service(settings) as service:
        transport = httpx2.ASGITransport(app=application(service))
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as asker:
            yield asker


def test_while_temporal_is_away_a_request_is_taken_and_done_later(shop: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changing, "ANSWERS_WITHIN", 0.2)
    # Another gateway may go on at once.
    monkeypatch.setattr(changing, "TAKEN_FOR", timedelta(seconds=0))
    order, key = fresh_order(), fresh_key()

    async def asked() -> tuple[httpx2.Response, httpx2.Response]:
        headers = {"Authorization": f"Bearer {shop.key}", "Idempotency-Key": key}
        away = load().model_copy(update={"temporal_address": "127.0.0.1:1"})
        async with _gateway(away) as asker:
            return await asker.post("/v1/orders", json=order, headers=headers), await asker.get("/readyz")

    taken, ready = asyncio.run(asked())
    assert (ready.status_code, list(ready.json())) == (503, ["ok", "temporal"])
    assert (taken.status_code, taken.headers["location"]) == (202, f"/v1/requests/{key}")
    found = answered(shop, key)
    assert (found.status, found.body["order_id"]) == (201, order["order_id"])
    again = shop.post("/v1/orders", order, key)
    assert (again.status, again.headers["idempotent-replayed"]) == (201, "true")


def test_a_key_that_asks_too_often_is_told_when_to_come_again(shop: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    hold_rates(monkeypatch)
    own = {"Authorization": f"Bearer {shop.key}"}

    async def asked() -> list[httpx2.Response]:
        async with _gateway(load()) as asker:
            writes = [own | {"Idempotency-Key": fresh_key()} for _ in range(WRITES.burst + 1)]
            path = "/v1/orders/nobodys/cancel_order"
            return [
                *[await asker.post(path, json={}, headers=headers) for headers in writes],
                await asker.get("/v1/orders", headers=own),
            ]

    *taken, slowed, read = asyncio.run(asked())
    assert {answer.status_code for answer in taken} == {404}
    assert (slowed.status_code, slowed.json()["code"]) == (429, "too_many_requests")
    assert slowed.headers["retry-after"] == "1"
    assert read.status_code == 200
