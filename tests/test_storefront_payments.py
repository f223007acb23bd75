"""Payment events over HTTP: an order once, nothing for what is not wanted, and a look before."""

from __future__ import annotations

from databases import Database
from http_in_process import in_process

from config import Settings
from config.gateway import LOCAL_EVENTS, read_payment_events
from docs.examples import PAYMENT_EVENT

SETTINGS = Settings(payment_events=read_payment_events(LOCAL_EVENTS))
PLACE = "/v1/in/payments/wechat"


async def test_a_payment_event_starts_its_order_once(database: Database) -> None:
    async with in_process(database, SETTINGS) as gateway:
        shop = await gateway.key()
        shown = (await gateway.ask("POST", f"{PLACE}/try", shop, PAYMENT_EVENT)).json()
        assert (shown["outcome"], shown["order"]["order_id"], gateway.changes.sent) == ("starts", "S-501", [])
        first = await gateway.ask("POST", PLACE, shop, PAYMENT_EVENT)
        again = await gateway.ask("POST", PLACE, shop, PAYMENT_EVENT)
        assert (first.status_code, again.status_code) == (201, 201)
        assert again.headers["idempotent-replayed"] == "true"
        (sent,) = gateway.changes.sent
        assert (sent.what, sent.subject, sent.body) == ("order", "S-501", shown["order"])
        assert sent.idempotency_key == shown["idempotency_key"]
        other = PAYMENT_EVENT | {"data": PAYMENT_EVENT["data"] | {"payment": "wx-other"}}
        changed = await gateway.ask("POST", PLACE, shop, other)
        assert (changed.status_code, changed.json()["code"]) == (422, "command_id_used_with_different_content")


async def test_an_event_that_starts_nothing_says_why(database: Database) -> None:
    async with in_process(database, SETTINGS) as gateway:
        shop, merchant = await gateway.key(), await gateway.key(merchant="m-7")
        failed = await gateway.ask("POST", PLACE, shop, PAYMENT_EVENT | {"type": "payment.failed"})
        assert (failed.status_code, failed.json()["outcome"]) == (200, "ignored")
        bent = await gateway.ask("POST", PLACE, shop, PAYMENT_EVENT | {"data": PAYMENT_EVENT["data"] | {"order": {}}})
        assert (bent.status_code, bent.json()["code"]) == (422, "invalid_order")
        assert {"/order_id", "/lines", "/ship_to"} <= {error["pointer"] for error in bent.json()["errors"]}
        assert (await gateway.ask("POST", PLACE, merchant, PAYMENT_EVENT)).json()["code"] == "wrong_actor"
        assert (await gateway.ask("POST", "/v1/in/payments/alipay", shop, PAYMENT_EVENT)).status_code == 404
        assert (await gateway.ask("POST", PLACE, {}, PAYMENT_EVENT)).status_code == 401
        assert gateway.changes.sent == []
