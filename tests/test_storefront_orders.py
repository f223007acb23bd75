"""Orders over HTTP: the whole road, each answer once, and every refusal with its status."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx2
import pytest
from command_line import ask, refusal, run
from http_stack import Http, fresh_key, keyed
from up_stack import fresh_order, fresh_waybill, scan, shown

from core.messages import ORDER_COMMANDS

pytestmark = pytest.mark.usefixtures("up")


def started(shop: Http, **changes: Any) -> dict[str, Any]:
    """An order that was opened over HTTP."""
    order = fresh_order(**changes)
    answer = shop.post("/v1/orders", order, fresh_key())
    assert (answer.status, answer.body["phase"]) == (201, "awaiting_shipment"), answer.body
    return order


def shipment(waybill: str) -> dict[str, Any]:
    return {"parcels": [{"parcel_id": "p1", "carrier": "sandbox", "waybill": waybill}]}


def test_what_says_who_the_buyer_is_is_dropped_and_named(shop: Http) -> None:
    order, key = fresh_order(), fresh_key()
    private = {**order, "buyer_phone": "13812345678", "ship_to": {**order["ship_to"], "street": "中关村大街1号"}}
    answer = shop.post("/v1/orders", private, key)
    assert (answer.status, answer.body["dropped"]) == (201, ["buyer_phone", "ship_to.street"])
    assert "13812345678" not in str(answer.body)
    assert shop.post("/v1/orders", private, key).body["dropped"] == ["buyer_phone", "ship_to.street"]
    assert "dropped" not in shop.post("/v1/orders", order, key).body
    mistyped = shop.post("/v1/orders", {**fresh_order(), "ship_byy": "2026-12-01T00:00:00Z"}, fresh_key())
    assert (mistyped.status, mistyped.body["errors"][0]["pointer"]) == (422, "/ship_byy")


def test_an_order_lives_through_http_alone(shop: Http, http_client: httpx2.Client) -> None:
    order, waybill = started(shop), fresh_waybill()
    where, merchant = f"/v1/orders/{order['order_id']}", keyed(http_client, "--merchant", order["merchant_id"])
    assert merchant.post(f"{where}/report_shipment", shipment(waybill), fresh_key()).status == 200
    scan(order, waybill, "picked_up", 0)
    ask("advance", order["order_id"], "1d")
    scan(order, waybill, "delivered", 1)
    ask("advance", order["order_id"], "1d")
    buyer = {"actor": {"role": "buyer", "id": order["buyer_id"]}}
    confirmed = shop.post(f"{where}/confirm_receipt", buyer, fresh_key())
    assert (confirmed.status, confirmed.body["outcome"]) == (200, "accepted")
    shown(order["order_id"], "credited")
    (coming,) = merchant.get(f"/v1/merchants/{order['merchant_id']}/calendar").body["data"]
    assert (coming["amount_minor"], coming["orders"]) == (12_941, 1)
    assert timedelta(0) < date.fromisoformat(coming["day"]) - datetime.now(UTC).date() < timedelta(days=12)
    assert ask("advance", order["order_id"], "8d")["phase"] == "settled"
    found = merchant.get(where).body
    assert (found["phase"], found["audit"], found["receipt"]["status"]) == ("settled", "approved", "confirmed")
    assert merchant.get(f"{where}/journal").body["data"][0]["verb"] == "report_shipment"
    moved = {transfer["reference"] for transfer in shop.get(f"{where}/money").body["transfers"]}
    assert moved == {f"order/{order['order_id']}/{kind}" for kind in ("fund", "credit", "settle")}
    (balance,) = merchant.get(f"/v1/merchants/{order['merchant_id']}/balance").body["data"]
    assert balance["available_minor"] == 12_941
    until = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    (statement,) = merchant.get(f"/v1/merchants/{order['merchant_id']}/statement", to=until).body["data"]
    assert statement["closing"]["available_minor"] == 12_941
    where = f"/v1/merchants/{order['merchant_id']}/statement"
    first = merchant.get(where, to=until, limit=1).body
    second = merchant.get(where, to=until, limit=1, cursor=first["next_cursor"]).body
    assert [*first["data"][0]["rows"], *second["data"][0]["rows"]] == statement["rows"]
    assert (first["data"][0]["closing"], second["next_cursor"]) == (second["data"][0]["opening"], None)
    for elsewhere in (where, "/v1/merchants/m-1/statement"):  # it carries a balance of this merchant at one time
        other = {"to": until} if elsewhere != where else {"to": until, "from": until}
        assert shop.get(elsewhere, limit=1, cursor=first["next_cursor"], **other).status == 422
    notices = merchant.get("/v1/notices", to="operator").body
    assert {notice["to"] for notice in notices["data"]} == {"merchant"}
    assert "settled" in [notice["name"] for notice in notices["data"]]
    assert merchant.get("/v1/notices", after=notices["last"]).body == {"data": [], "last": notices["last"]}


def test_the_same_request_gets_its_first_answer_again(shop: Http) -> None:
    order, key = fresh_order(), fresh_key()
    first = shop.post("/v1/orders", order, key)
    again = shop.post("/v1/orders", order, key)
    assert (first.status, again.status, again.body) == (201, 201, first.body)
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    where = f"/v1/orders/{order['order_id']}/cancel_order"
    cancel = {"actor": {"role": "buyer", "id": order["buyer_id"]}, "reason": "too late"}
    key = fresh_key()
    answers = [shop.post(where, cancel, key) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert [answer.body for answer in answers[1:]] == [answers[0].body] * 2
    other = shop.post(where, cancel | {"reason": "other"}, key)
    assert (other.status, other.body["code"]) == (422, "command_id_used_with_different_content")


def test_one_request_at_the_same_instant_counts_once(shop: Http) -> None:
    order = started(shop)
    where, key = f"/v1/orders/{order['order_id']}/report_shipment", fresh_key()
    body = shipment(fresh_waybill()) | {"actor": {"role": "merchant", "id": order["merchant_id"]}}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: shop.post(where, body, key), range(8)))
    assert {answer.status for answer in answers} <= {200, 409}
    assert 200 in {answer.status for answer in answers}
    assert {answer.body["code"] for answer in answers if answer.status == 409} <= {"under_way"}
    assert shop.post(where, body, key).status == 200
    journal = shop.get(f"/v1/orders/{order['order_id']}/journal").body["data"]
    assert [entry["verb"] for entry in journal].count("report_shipment") == 1


def test_what_the_state_forbids_is_a_conflict_with_its_reason(shop: Http) -> None:
    order = started(shop)
    buyer = {"actor": {"role": "buyer", "id": order["buyer_id"]}}
    early = shop.post(f"/v1/orders/{order['order_id']}/confirm_receipt", buyer, fresh_key())
    assert (early.status, early.body["code"]) == (409, "nothing_shipped")
    assert early.headers["content-type"] == "application/problem+json"
    assert early.body["request_id"] == early.headers["x-request-id"]
    posing = {"actor": {"role": "buyer", "id": "b-x"}}
    stranger = shop.post(f"/v1/orders/{order['order_id']}/confirm_receipt", posing, fresh_key())
    assert (stranger.status, stranger.body["code"]) == (403, "wrong_actor")


def test_a_key_sees_and_moves_only_what_is_its_own(shop: Http, http_client: httpx2.Client) -> None:
    order, other = started(shop), keyed(http_client, "--merchant", "m-other")
    where = f"/v1/orders/{order['order_id']}"
    for answer in (
        other.get(where),
        other.get(f"{where}/journal"),
        other.get(f"{where}/money"),
        other.post(f"{where}/report_shipment", shipment(fresh_waybill()), fresh_key()),
        other.get("/v1/orders/nobodys"),
    ):
        assert (answer.status, answer.body["code"]) == (404, "unknown_order")
    assert other.get(f"/v1/merchants/{order['merchant_id']}/balance").status == 404
    assert other.get("/v1/orders").body["data"] == []
    assert other.get("/v1/orders", merchant_id=order["merchant_id"]).body["data"] == []
    assert other.post("/v1/orders", fresh_order(), fresh_key()).status == 403
    assert other.get("/v1/notices", limit=500).body["data"] == []
    own = keyed(http_client, "--merchant", order["merchant_id"])
    assert [row["order_id"] for row in own.get("/v1/orders").body["data"]] == [order["order_id"]]
    posing = {"actor": {"role": "buyer", "id": order["buyer_id"]}}
    assert own.post(f"{where}/confirm_receipt", posing, fresh_key()).body["code"] == "wrong_actor"


def test_the_code_of_a_handover_cannot_be_found_from_what_is_shown(shop: Http) -> None:
    order = started(shop, delivery_mode="pickup", handover_hash="0" * 64)
    shown_order = shop.get(f"/v1/orders/{order['order_id']}").body["order"]
    assert shown_order["delivery_mode"] == "pickup"
    assert "handover_hash" not in shown_order


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/orders/%00", 404),
        ("/v1/merchants/a%20b/balance", 404),
        ("/v1/requests/%00", 404),
        ("/v1/orders?phase=%00", 422),
        ("/v1/orders?limit=0", 422),
        ("/v1/merchants/m-1/statement?to=9999-12-31", 422),
        ("/v1/merchants/m-1/statement?from=2026-01-01&to=2026-11-01", 422),
        ("/v1/merchants/m-1/statement?to=2026-02-30", 422),
        ("/v1/notices?subject=%00", 422),
    ],
)
def test_an_address_that_can_mean_nothing_is_refused(shop: Http, path: str, status: int) -> None:
    assert shop.get(path).status == status


@pytest.mark.parametrize("actor", [None, [], "buyer", {"role": []}, {"role": {}}, {"role": "buyer"}])
def test_an_actor_that_is_none_is_refused(shop: Http, actor: Any) -> None:
    order = started(shop)
    answer = shop.post(f"/v1/orders/{order['order_id']}/cancel_order", {"actor": actor, "reason": "x"}, fresh_key())
    assert answer.status in {403, 422}


@pytest.mark.parametrize("role", ["operator", "reviewer", "system", "channel", "carrier", "rail", "storefront"])
def test_a_storefront_speaks_for_no_one_of_the_platform(shop: Http, role: str) -> None:
    order = started(shop)
    hold = {"actor": {"role": role, "id": "ann"}, "name": "fraud", "scope": "all", "reason": "looks odd"}
    answer = shop.post(f"/v1/orders/{order['order_id']}/place_hold", hold, fresh_key())
    assert (answer.status, answer.body["code"]) == (403, "wrong_actor")


def test_a_key_does_what_its_scopes_say_until_it_ends(shop: Http, http_client: httpx2.Client) -> None:
    reader = keyed(http_client, "--scope", "orders:read")
    assert reader.get("/v1/orders").status == 200
    assert reader.get("/v1/withdrawals").body["code"] == "missing_scope"
    assert reader.post("/v1/orders", fresh_order(), fresh_key()).status == 403
    ask("keys", "revoke", reader.key_id, "--by", "ann")
    assert reader.get("/v1/orders").status == 401
    old = keyed(http_client)
    order, request = fresh_order(), fresh_key()
    first = old.post("/v1/orders", order, request)
    fresh = ask("keys", "rotate", old.key_id, "--by", "ann")
    successor = Http(http_client, fresh["key"], fresh["key_id"])
    assert successor.get("/v1/orders").status == 200
    assert successor.get(f"/v1/requests/{request}").body == first.body
    again = successor.post("/v1/orders", order, request)
    assert (again.body, again.headers["idempotent-replayed"]) == (first.body, "true")
    assert old.get("/v1/orders").status == 200
    for wrong in ("x", "dk_live_x", f"{old.key[:-1]}_", old.key[:-1] + ("a" if old.key[-1] != "a" else "b")):
        assert Http(http_client, wrong, "").get("/v1/orders").body["code"] == "unauthorized"
    listed = str(ask("keys", "list"))
    assert old.key_id in listed
    assert old.key not in listed
    ended = {key["key_id"]: key["ended_by"] for key in ask("keys", "list")["keys"]}
    assert (ended[old.key_id], ended[fresh["key_id"]]) == ("ann", None)


def test_a_key_that_ends_is_followed_by_one_with_an_end_of_its_own() -> None:
    old = ask("keys", "create", "erp", "--days", "1", "--by", "ann")
    assert refusal("keys", "rotate", old["key_id"], "--by", "ann") == "malformed", "it ends within the day"
    new = ask("keys", "rotate", old["key_id"], "--days", "365", "--by", "ann")
    assert new["old_ends_at"] == old["expires_at"], "it lives no longer than it was given"
    assert datetime.fromisoformat(new["expires_at"]) > datetime.now(UTC) + timedelta(days=364)
    assert f"replaced by {new['key_id']}" in run("keys", "rotate", old["key_id"], "--days", "9", "--by", "ann").stderr
    ask("keys", "revoke", new["key_id"], "--by", "bob")
    after = ask("keys", "rotate", new["key_id"], "--days", "30", "--by", "ann")
    of_line = {key["key_id"]: key for key in ask("keys", "list")["keys"] if key["line"] == old["key_id"]}
    assert of_line.keys() == {old["key_id"], new["key_id"], after["key_id"]}
    assert [of_line[one["key_id"]]["ended_by"] for one in (old, new, after)] == [None, "bob", None]


BAD = {
    "no json": (b"{", 400, "unreadable"),
    "two equal keys": (b'{"a": 1, "a": 2}', 400, "unreadable"),
    "not utf-8": (b'{"a": "\xff"}', 400, "unreadable"),
    "a list": (b"[]", 400, "unreadable"),
    "half a character": (b'{"a": "\\ud800"}', 400, "unreadable"),
    "nan": (b'{"a": NaN}', 400, "unreadable"),
    "a number without end": (b'{"a": 1e999}', 400, "unreadable"),
    "a number of many digits": (b'{"a": ' + b"9" * 5_000 + b"}", 400, "unreadable"),
    "deeper than anyone reads": (b"[" * 100_000, 400, "unreadable"),
    "deep and whole": (b'{"a": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", 400, "unreadable"),
    "two values": (b"{} {}", 400, "unreadable"),
    "a mark of the byte order": (b"\xef\xbb\xbf{}", 400, "unreadable"),
    "nothing": (b"", 422, "invalid_order"),
    "too large": (b'{"a": "' + b"x" * 300_000 + b'"}', 413, "too_large"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_read_is_answered_with_why(shop: Http, case: str) -> None:
    body, status, code = BAD[case]
    answer = shop.post("/v1/orders", body, fresh_key())
    assert (answer.status, answer.body["code"]) == (status, code)
    assert "Traceback" not in str(answer.body)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=gbk"},
        {"Content-Encoding": "gzip"},
    ],
    ids=str,
)
def test_a_body_in_another_form_is_refused(shop: Http, headers: dict[str, str]) -> None:
    answer = shop.post("/v1/orders", b"{}", fresh_key(), **headers)
    assert (answer.status, answer.body["code"]) == (415, "unsupported_media_type")
    taken = shop.post("/v1/orders", b"{}", fresh_key(), **{"Content-Type": 'application/json; charset="UTF-8"'})
    assert taken.body["code"] == "invalid_order"


def test_every_wrong_field_is_named(shop: Http) -> None:
    order = fresh_order(currency="XXX", wrong=1)
    order["lines"][0]["quantity"] = 0
    answer = shop.post("/v1/orders", order, fresh_key())
    assert answer.status == 422
    assert {error["pointer"] for error in answer.body["errors"]} == {"/currency", "/wrong", "/lines/0/quantity"}


def test_a_changing_request_needs_its_key(shop: Http) -> None:
    for key, fault in ((None, "missing"), ("", "missing"), ("a b", "malformed"), ("x" * 65, "malformed")):
        assert shop.post("/v1/orders", fresh_order(), key).body["code"] == f"idempotency_key_{fault}"


def test_the_document_has_every_verb_and_what_it_refuses(http_client: httpx2.Client) -> None:
    document = http_client.get("/v1/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    for verb in ORDER_COMMANDS:
        assert (f"/v1/orders/{{order_id}}/{verb}" in document["paths"]) == (verb != "report_scan")
    operation = document["paths"]["/v1/orders/{order_id}/confirm_receipt"]["post"]
    assert {"200", "202", "400", "401", "403", "404", "409", "422", "429", "503"} <= operation["responses"].keys()
    assert "command_id" not in operation["requestBody"]["content"]["application/json"]["schema"]["properties"]
    names = [one["operationId"] for path in document["paths"].values() for one in path.values()]
    assert len(names) == len(set(names))


def test_it_says_whether_it_lives_and_is_ready(http_client: httpx2.Client) -> None:
    assert http_client.get("/healthz").json() == {"ok": True}
    assert http_client.get("/readyz").json() == {"ok": True}
    assert http_client.get("/nowhere").json()["code"] == "not_found"
    wrong = http_client.delete("/v1/orders")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
    assert set(wrong.headers["allow"].split(", ")) & {"GET", "POST"}
    foreign = http_client.get("/v1/orders", headers={"Host": "evil.example"})
    assert (foreign.status_code, foreign.json()["code"]) == (400, "unknown_host")
    assert http_client.get("/healthz", headers={"Host": "10.0.0.7"}).headers["dakuan-version"] == "2026-12-01"
    other = http_client.get("/v1/orders", headers={"Dakuan-Version": "2025-01-01"})
    assert (other.status_code, other.json()["code"]) == (400, "unknown_version")


def test_a_waybill_is_judged(shop: Http) -> None:
    said = shop.get("/v1/waybills/SF1234567890123", carrier="sf").body
    assert said["normalised"] == "SF1234567890123"
    unknown = shop.get("/v1/waybills/SF1234567890123", carrier="sff")
    assert (unknown.status, unknown.body["code"]) == (422, "unknown_carrier")
    assert "Did you mean sf" in unknown.body["detail"]
    assert shop.get("/v1/orders", limit="x").body["code"] == "malformed"
