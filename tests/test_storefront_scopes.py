"""Each route asks for its scope, and a key gets nothing of another merchant: every route of the document is tried."""

from __future__ import annotations

import pytest
from databases import Database
from http_in_process import in_process
from http_operations import IDS, body_for, operations

from config import Settings
from core.api_keys import SCOPES
from core.messages import ORDER_COMMANDS, WITHDRAWAL_COMMANDS
from storefront.api.documents import document_of
from storefront.api.orders import NEVER_BY_KEY as NO_ORDER_VERBS
from storefront.api.withdrawals import NEVER_BY_KEY as NO_WITHDRAWAL_VERBS

OPEN = frozenset({"take_push", "take_callback"})
"""Vendors prove themselves by their signatures."""
ANY = "any key"
SCOPE: dict[str, str] = {
    "start_order": "orders:write",
    "list_orders": "orders:read",
    "get_order": "orders:read",
    "get_order_journal": "orders:read",
    "get_order_holds": "orders:read",
    "get_order_money": "orders:read",
    "get_parcel_trace": "orders:read",
    "judge_waybill": "orders:read",
    "start_withdrawal": "withdrawals:write",
    "estimate_withdrawal": "withdrawals:read",
    "list_withdrawals": "withdrawals:read",
    "get_withdrawal": "withdrawals:read",
    "get_balance": "merchants:read",
    "get_statement": "merchants:read",
    "get_merchant_holds": "merchants:read",
    "get_calendar": "merchants:read",
    "take_payment": "orders:write",
    "try_payment": "orders:read",
    "list_accounts": "accounts:read",
    **dict.fromkeys(("bind_account", "replace_account", "suspend_account", "verify_account"), "accounts:write"),
    "list_notices": "notices:read",
    **dict.fromkeys(("list_events", "list_order_events"), "events:read"),
    **dict.fromkeys(("make_endpoint", "list_endpoints", "get_endpoint", "change_endpoint"), "endpoints:write"),
    **dict.fromkeys(("remove_endpoint", "rotate_endpoint", "test_endpoint"), "endpoints:write"),
    **dict.fromkeys(("redeliver", "list_attempts"), "endpoints:write"),
    "get_request": ANY,
    "explain_code": ANY,
    **{verb: "orders:write" for verb in ORDER_COMMANDS if verb not in NO_ORDER_VERBS},
    **{f"withdrawal_{verb}": "withdrawals:write" for verb in WITHDRAWAL_COMMANDS if verb not in NO_WITHDRAWAL_VERBS},
}
"""The operations of the document, each with the scope that it asks for."""
OF_NO_MERCHANT = frozenset(
    {
        "judge_waybill",
        "explain_code",
        "get_request",
        "estimate_withdrawal",
        "start_withdrawal",
        "start_order",
        "make_endpoint",
    }
    | {"take_payment", "try_payment"}
)
"""Operations whose address names nothing that is a merchant's."""
LISTS = frozenset({"list_orders", "list_withdrawals", "list_notices", "list_endpoints", "list_events"})


@pytest.mark.usefixtures("books")
async def test_every_route_asks_for_its_scope(database: Database) -> None:
    async with in_process(database) as gateway:
        found = operations(gateway)
        assert {name for name in found if name not in OPEN} == SCOPE.keys()
        lacking = {scope: tuple(one for one in SCOPES if one != scope) for scope in SCOPES}
        without = {scope: await gateway.key(merchant="m-1", scopes=scopes) for scope, scopes in lacking.items()}
        alone = {scope: await gateway.key(merchant="m-1", scopes=(scope,)) for scope in SCOPES}
        for name, scope in SCOPE.items():
            method, path = found[name].method, found[name].path
            nobody = await gateway.ask(method, path, {}, body_for(name))
            assert (nobody.status_code, nobody.json()["code"]) == (401, "unauthorized"), name
            assert nobody.headers["www-authenticate"] == "Bearer"
            if scope == ANY:
                continue
            refused = await gateway.ask(method, path, without[scope], body_for(name))
            assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope"), name
            assert scope in refused.json()["detail"]
            taken = await gateway.ask(method, path, alone[scope], body_for(name))
            # A merchant's key starts no order and speaks for no one else; that is no matter of scopes.
            assert taken.json().get("code") not in {"unauthorized", "missing_scope", "unknown_order"}, name


@pytest.mark.usefixtures("books")
async def test_a_key_learns_nothing_of_another_merchant(database: Database) -> None:
    async with in_process(database) as gateway:
        found = operations(gateway)
        other = await gateway.key(merchant="m-2")
        for name in SCOPE.keys() - OF_NO_MERCHANT:
            method, path = found[name].method, found[name].path
            foreign = await gateway.ask(method, path, other, body_for(name))
            if name in LISTS:
                assert foreign.json()["data"] == [], name
                continue
            assert foreign.status_code == 404, name
            for mine, nobodys in (("A1", "A9"), ("W1", "W9"), ("m-1", "m-9")):
                path = path.replace(f"/{mine}", f"/{nobodys}")
            unknown = await gateway.ask(method, path, other, body_for(name))
            same = {field: unknown.json()[field] for field in ("status", "code", "detail")}
            assert same == {field: foreign.json()[field] for field in same}, name
        asked = {"amount_minor": 100, "currency": "CNY", "account_id": "acc-m-1"}
        for path in ("/v1/withdrawals", "/v1/withdrawals/estimate"):
            posing = await gateway.ask("POST", path, other, asked | {"merchant_id": "m-1"})
            assert (posing.status_code, posing.json()["code"]) == (403, "wrong_actor")
        assert gateway.changes.sent == []


@pytest.mark.usefixtures("books")
async def test_a_request_of_another_key_is_not_found(database: Database) -> None:
    async with in_process(database) as gateway:
        own, other = await gateway.key(merchant="m-1"), await gateway.key(merchant="m-1")
        body = {"reason": "sold twice"}
        assert (await gateway.ask("POST", "/v1/orders/A1/cancel_order", own, body, "k-a")).status_code == 200
        assert (await gateway.ask("GET", "/v1/requests/k-a", own)).status_code == 200
        assert (await gateway.ask("GET", "/v1/requests/k-a", other)).status_code == 404
        # Two senders may choose the same key.
        assert (await gateway.ask("POST", "/v1/orders/A1/cancel_order", other, body, "k-a")).status_code == 200
        assert len(gateway.changes.sent) == 2


UNLISTED = {
    "/healthz": "GET, HEAD",
    "/readyz": "GET, HEAD",
    "/v1/openapi.json": "GET, HEAD",
    "/v1/events/stream": "GET",
    "/codec/decode": "OPTIONS, POST",
    "/codec/encode": "OPTIONS, POST",
    "/console": "GET",
    "/console/reviews": "GET, HEAD",
    "/console/sign-in": "GET, HEAD, POST",
    "/console/static/live.js": "GET, HEAD",
}
"""Addresses that the document does not have, and what they take."""


async def test_an_address_says_every_method_that_it_takes(database: Database) -> None:
    async with in_process(database, Settings(world_url="http://127.0.0.1:1")) as gateway:
        document = document_of(gateway.asker._transport.app)  # type: ignore[attr-defined]  # of an ASGI transport
        said = {path: ", ".join(sorted(map(str.upper, methods))) for path, methods in document["paths"].items()}
        for path, allowed in {**said, **UNLISTED}.items():
            for name, value in IDS.items():
                path = path.replace(f"{{{name}}}", value)
            for method in {"OPTIONS", "PUT"} - set(allowed.split(", ")):
                answer = await gateway.asker.request(method, path)
                assert (answer.status_code, answer.headers.get("allow")) == (405, allowed), (method, path)


async def test_no_withdrawal_takes_the_address_of_the_estimate(database: Database) -> None:
    async with in_process(database) as gateway:
        body = {"withdrawal_id": "estimate", "amount_minor": 100, "currency": "CNY", "account_id": "a-1"}
        answer = await gateway.ask("POST", "/v1/withdrawals", await gateway.key(merchant="m-1"), body)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/withdrawal_id")
        assert gateway.changes.sent == []


async def test_a_header_that_two_readers_read_differently_is_refused(database: Database) -> None:
    async with in_process(database) as gateway:
        key = await gateway.key()
        for name, more, code in (
            ("Idempotency-Key", "k-1", "idempotency_key_malformed"),
            ("Authorization", key["Authorization"], "unauthorized"),
            ("Content-Type", "application/json", "unsupported_media_type"),
        ):
            given = [*key.items(), ("Idempotency-Key", "k-0"), ("Content-Type", "text/plain"), (name, more)]
            headers = [one for one in given if one[0] != "Content-Type" or name == "Content-Type"]
            answer = await gateway.asker.post("/v1/orders", headers=headers, content=b"{}")
            assert answer.json()["code"] == code


async def test_a_filter_that_does_not_count_is_read_all_the_same(database: Database) -> None:
    async with in_process(database) as gateway:
        answer = await gateway.ask("GET", "/v1/notices?to=%F0%9D%91%BB", await gateway.key(merchant="m-1"))
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/to")
