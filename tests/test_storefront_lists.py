"""Lists over HTTP: filters, pages that stay whole while others write, and addresses that mean nothing."""

from __future__ import annotations

import asyncio
import base64
import json
from urllib.parse import urlencode

import httpx2
import pytest
from command_line import ask, refusal, run
from http_stack import Http, keyed
from starlette.requests import Request
from up_stack import Up, fresh_order, fresh_waybill, scan, ship, started

import gateway
from config import load
from core.errors import Refused
from core.ids import order_workflow_id
from core.search_attributes import SEARCH_ATTRIBUTES, VIEW_COLUMNS, VIEWS, view_url
from storefront.api.paging import cursor_in

pytestmark = pytest.mark.usefixtures("up")


def test_a_list_is_read_page_by_page_while_orders_arrive(http_client: httpx2.Client) -> None:
    first = started()
    name = first["merchant_id"]
    there = [first["order_id"], *(started(merchant_id=name)["order_id"] for _ in range(2))]
    merchant = keyed(http_client, "--merchant", name)
    page = merchant.get("/v1/orders", limit=1).body
    found = [row["order_id"] for row in page["data"]]
    late = started(merchant_id=name)["order_id"]
    while page["next_cursor"] is not None:
        page = merchant.get("/v1/orders", limit=1, cursor=page["next_cursor"]).body
        found += [row["order_id"] for row in page["data"]]
    assert found == there[::-1], "each once, and none of those that came meanwhile"
    whole = merchant.get("/v1/orders", limit=4).body
    assert ([row["order_id"] for row in whole["data"]], whole["next_cursor"]) == ([late, *there[::-1]], None)


def test_an_order_is_found_by_whatever_is_known_of_it(shop: Http) -> None:
    order, waybill = started(), fresh_waybill()
    ship(order, waybill)
    named = order["order_id"]
    spaced = f"{waybill[:5].lower()} {waybill[5:]}"
    of_merchant = {"merchant_id": order["merchant_id"]}
    for asked in (
        {"buyer_id": order["buyer_id"]},
        {"payment": order["payment"]["reference"]},
        {"waybill": waybill},
        {"waybill": spaced},
        {**of_merchant, "held_by": "receipt"},
        {**of_merchant, "phase": "shipped"},
        {**of_merchant, "overdue": "false"},
    ):
        rows = shop.get("/v1/orders", **asked).body["data"]
        assert [row["order_id"] for row in rows] == [named], asked
    mistyped = shop.get("/v1/orders", **of_merchant, held_by="shipmnt")
    assert mistyped.body == {"data": [], "next_cursor": None, "did_you_mean": ["shipment"]}
    for free in ("asked_by_police", "shipment_2"):
        assert shop.get("/v1/orders", **of_merchant, held_by=free).body == {"data": [], "next_cursor": None}
    assert ask("orders", "--hold", "shipmnt") == {"orders": [], "did_you_mean": ["shipment"]}
    assert "是否指 shipment？" in run("--lang", "zh", "orders", "--hold", "shipmnt").stderr
    for asked in ({"held_by": "shipment"}, {"overdue": "true"}):
        assert shop.get("/v1/orders", **of_merchant, **asked).body["data"] == []
    for options in (
        ("--buyer", order["buyer_id"]),
        ("--payment", order["payment"]["reference"]),
        ("--waybill", spaced),
        ("--hold", "receipt", "--merchant", order["merchant_id"]),
    ):
        assert [row["order_id"] for row in ask("orders", *options)["orders"]] == [named], options


def test_a_merchant_searches_only_what_is_its_own(http_client: httpx2.Client) -> None:
    order, waybill = started(), fresh_waybill()
    ship(order, waybill)
    other = keyed(http_client, "--merchant", "m-other")
    for asked in (
        {"buyer_id": order["buyer_id"]},
        {"payment": order["payment"]["reference"]},
        {"waybill": waybill},
        {"merchant_id": order["merchant_id"]},
    ):
        assert other.get("/v1/orders", **asked).body == {"data": [], "next_cursor": None}, asked
    assert other.get("/v1/withdrawals", merchant_id=order["merchant_id"]).body["data"] == []
    for path in ("/v1/orders", "/v1/withdrawals"):
        assert other.get(path, merchant_id=order["merchant_id"], cursor="x").status == 422, path


def test_a_merchant_sees_why_its_money_is_held_and_what_carriers_say(http_client: httpx2.Client) -> None:
    order, waybill = started(), fresh_waybill()
    merchant = keyed(http_client, "--merchant", order["merchant_id"])
    ship(order, waybill)
    scan(order, waybill, "picked_up", 0)
    ask("advance", order["order_id"], "1d")
    where = f"/v1/orders/{order['order_id']}"
    holds = merchant.get(f"{where}/holds").body["data"]
    assert [hold["reason"] for hold in holds] == ["audit_collecting", "receipt"]
    (row,) = merchant.get(f"/v1/merchants/{order['merchant_id']}/holds").body["data"]
    assert (row["order_id"], row["phase"]) == (order["order_id"], "shipped")
    assert [hold["reason"] for hold in row["holds"]] == ["audit_collecting", "receipt"]
    (source,) = merchant.get(f"{where}/parcels/p1/trace").body["data"]
    assert (source["how"], [one["stage"] for one in source["scans"]]) == ("polled", ["picked_up"])
    assert merchant.get(f"{where}/parcels/p9/trace").status == 404
    assert merchant.get(f"/v1/merchants/{order['merchant_id']}/calendar").body["data"] == []


@pytest.mark.parametrize(
    "address",
    [
        "/v1/orders?phasee=shipped",
        "/v1/orders?phase=shipped&phase=credited",
        "/v1/orders?phase=shiped",
        "/v1/orders?audit=rejeced",
        "/v1/withdrawals?state=payed",
        "/v1/notices?to=everyone",
        "/v1/orders?overdue=yes",
        "/v1/withdrawals?overdue=",
        "/v1/orders?cursor=x",
        "/v1/orders?waybill=",
        f"/v1/orders?payment={'x' * 256}",
        "/v1/withdrawals?cursor=",
        "/v1/orders/A1?verbose=1",
        "/v1/merchants/m-1/statement?format=xml",
    ],
)
def test_an_address_with_a_mistake_names_it(shop: Http, address: str) -> None:
    answer = shop.get(address)
    assert (answer.status, answer.body["code"]) == (422, "malformed")
    (error,) = answer.body["errors"]
    assert error["pointer"] == f"/{address.partition('?')[2].partition('=')[0]}"


@pytest.mark.parametrize("command", [("orders", "--payment"), ("basket",), ("correct",), ("notices", "--subject")])
def test_arguments_that_are_no_text_are_refused_and_not_our_defect(command: tuple[str, ...]) -> None:
    assert refusal(*command, "a\udcffb") == "malformed"


def _cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "given",
    [
        *(
            "",
            "x",
            "=",
            "é",
            _cursor("[]"),
            _cursor("{"),
            _cursor('["2026-01-01T00:00:00+00:00"]'),
            _cursor("[" * 3000),
        ),
        _cursor('["2026-01-01T00:00:00","A1"]'),
        _cursor('["2026-01-01T00:00:00+00:00",7]'),
        _cursor('["2026-01-01T00:00:00+00:00", "A1"]'),
        _cursor(json.dumps(["9999-99-99", "A1"])),
    ],
)
def test_a_cursor_that_no_list_gave_is_refused(given: str) -> None:
    scope = {"type": "http", "query_string": f"cursor={given}".encode(), "headers": []}
    with pytest.raises(Refused, match="next_cursor"):
        cursor_in(Request(scope))


@pytest.mark.parametrize(
    "given",
    [
        *("", "x", _cursor("[]"), _cursor("{"), _cursor("[" * 3000)),
        _cursor('{"at": "2026-03-09T00:00:00Z", "movement_id": 1, "held": {}}'),
        _cursor(json.dumps({"at": "2026-03-01T00:00:00Z", "movement_id": 2**63, "held": {}})),
        _cursor('{"at": "2026-03-01T00:00:00Z", "movement_id": 1, "held": {"CNY": 7}}'),
        _cursor('{"at": "2026-03-01T00:00:00Z", "movement_id": 1, "held": {"CNY": {"available_minor": 999999}}}'),
        _cursor('{"at": "2026-03-01T00:00:00Z", "movement_id": 1, "held": {}}') + "." + "0" * 64,
        _cursor('{"at": "2026-03-01T00:00:00Z", "movement_id": 1, "held": {}}') + ".é",
    ],
)
def test_a_cursor_that_no_statement_of_these_days_gave_is_refused(shop: Http, given: str) -> None:
    answer = shop.get(
        "/v1/merchants/m-1/statement?" + urlencode({"from": "2026-03-01", "to": "2026-03-02", "cursor": given})
    )
    assert (answer.status, answer.body["errors"][0]["pointer"]) == (422, "/cursor")


def test_a_statement_is_a_file_for_spreadsheets(http_client: httpx2.Client) -> None:
    name = fresh_order()["merchant_id"]
    headers = {"Authorization": f"Bearer {keyed(http_client, '--merchant', name).key}"}
    reply = http_client.get(f"/v1/merchants/{name}/statement?format=csv&from=2026-03-01&to=2026-03-02", headers=headers)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    assert reply.headers["content-disposition"] == f'attachment; filename="{name}-20260301-20260302.csv"'
    assert reply.text == "currency,at,type,about,reference,amount,balance,pending,available,deposit,reserved,owed\r\n"


def test_each_list_of_the_web_ui_has_columns_that_its_workflows_have() -> None:
    (first, *_) = found = ask("lists")["lists"]
    assert [one["name"] for one in found] == list(VIEWS) == list(VIEW_COLUMNS)
    assert first["url"].startswith("http://127.0.0.1:")
    assert {column for one in found for column in one["columns"]} <= set(SEARCH_ATTRIBUTES)


@pytest.mark.parametrize("name", VIEWS)
def test_a_list_of_the_web_ui_is_one_that_temporal_answers(name: str, up: Up) -> None:
    order = started()

    async def found() -> list[str]:
        async with gateway.connected(load()) as client:
            query = f'{VIEWS[name]} AND MerchantId = "{order["merchant_id"]}"'
            return [one.id async for one in client.list_workflows(query)]

    assert asyncio.run(found()) in ([], [order_workflow_id(order["order_id"])])


def test_the_address_of_a_list_holds_its_whole_query() -> None:
    url = view_url("http://127.0.0.1:8233/", "my space", 'A = "x" AND B IN ("y")')
    assert url == (
        "http://127.0.0.1:8233/namespaces/my%20space/workflows?query=A%20%3D%20%22x%22%20AND%20B%20IN%20%28%22y%22%29"
    )
