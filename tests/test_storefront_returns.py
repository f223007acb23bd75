"""Scans that a provider pushes of parcels on their way back, and of new goods: over HTTP, to orders open and closed."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from command_line import ask
from up_stack import fresh_waybill, scan, settled, ship, started
from vendor_adapters import fresh, plain
from waiting import until_so

from core.messages import Scan
from local.dialects import push_of

pytestmark = pytest.mark.usefixtures("up")
DONE = {"result": True, "returnCode": "200", "message": "成功"}


def send(order: dict[str, Any], verb: str, role: str, **body: Any) -> dict[str, Any]:
    person = {"buyer": order["buyer_id"], "merchant": order["merchant_id"]}[role]
    return ask("send", verb, order["order_id"], "--as", f"{role}:{person}", "--body", json.dumps(body))


def pushed(client: httpx2.Client, order: dict[str, Any], waybill: str, *seen: tuple[str, float]) -> dict[str, Any]:
    """The provider pushes these stages of a parcel, each so many days from now.

    The clock of an order is ahead by what it was advanced; that of one whose workflow runs again is not.
    """
    body, headers = signed(order, waybill, *seen)
    taken = client.post("/v1/in/carriers/kuaidi100", content=body, headers=headers)
    assert (taken.status_code, taken.json()) == (200, DONE)
    return {"content": body, "headers": headers}


def signed(order: dict[str, Any], waybill: str, *seen: tuple[str, float]) -> tuple[bytes, dict[str, str]]:
    scans = [
        Scan.model_validate(
            {
                "at": datetime.now(UTC) + timedelta(days=days),
                "code": stage,
                "stage": stage,
                "city": order["ship_to" if stage == "picked_up" else "ship_from"]["city"],
                "text": stage,
            }
        )
        for stage, days in seen
    ]
    return push_of("kuaidi100", "yto", waybill, plain(scans))


def state(order: dict[str, Any], holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The order's state, once it is so."""

    def found() -> dict[str, Any]:
        return dict(ask("show", order["order_id"])["state"])

    return until_so(found, holds)


def case_of(found: dict[str, Any]) -> dict[str, Any]:
    return dict(found["cases"][-1])


def in_stage(order: dict[str, Any], stage: str) -> dict[str, Any]:
    return case_of(state(order, lambda found: case_of(found)["stage"] == stage))


def returning(order: dict[str, Any], kind: str = "return_and_refund") -> str:
    """The buyer sends the goods back; the parcel's number."""
    waybill = fresh()
    send(order, "open_after_sale", "buyer", kind=kind, reason="quality", text="it leaks")
    send(order, "agree_after_sale", "merchant")
    send(order, "report_return", "buyer", carrier="yto", waybill=waybill)
    ask("advance", order["order_id"], "1d")
    return waybill


def delivered() -> dict[str, Any]:
    """An order whose goods the buyer has, and has not confirmed."""
    order, waybill = started(), fresh_waybill()
    ship(order, waybill)
    scan(order, waybill, "picked_up", 0)
    ask("advance", order["order_id"], "1d")
    scan(order, waybill, "delivered", 1)
    ask("advance", order["order_id"], "1d")
    return order


def test_a_return_of_an_open_order_is_followed_by_pushes_alone(http_client: httpx2.Client) -> None:
    order = delivered()
    waybill = returning(order)
    body, headers = signed(order, waybill, ("picked_up", 2.1))
    forged = http_client.post("/v1/in/carriers/kuaidi100", content=body + b"x", headers=headers)
    assert (forged.status_code, case_of(ask("show", order["order_id"])["state"])["parcel"]["pushed"]) == (401, [])
    first = pushed(http_client, order, waybill, ("picked_up", 2.1))
    waiting = state(order, lambda found: case_of(found)["due"]["name"] == "return_delivery_by")
    assert [one["stage"] for one in case_of(waiting)["parcel"]["pushed"]] == ["picked_up"]
    for _ in range(3):
        assert http_client.post("/v1/in/carriers/kuaidi100", **first).json() == DONE
    ask("advance", order["order_id"], "2d")
    pushed(http_client, order, waybill, ("picked_up", 2.1), ("delivered", 3.5))
    found = in_stage(order, "inspecting")
    assert found["parcel"]["verdict"]["delivered_at"] is not None
    assert [one["stage"] for one in found["parcel"]["pushed"]].count("delivered") == 1


def test_a_return_of_a_closed_order_is_followed_and_its_late_scans_are_kept(http_client: httpx2.Client) -> None:
    order = settled()
    waybill = returning(order)
    pushed(http_client, order, waybill, ("picked_up", 0.1))
    assert in_stage(order, "returning")["due"]["name"] == "return_delivery_by"
    send(order, "confirm_return", "merchant")
    closed = state(order, lambda found: case_of(found)["stage"] == "refunded" and bool(found["closed"]))
    assert (closed["phase"], closed["holds"]) == ("settled", [])
    pushed(http_client, order, waybill, ("picked_up", 0.1), ("delivered", 0.4))
    found = state(order, lambda found: bool(case_of(found)["parcel"]["late"]))
    assert [news["what"] for news in case_of(found)["parcel"]["late"]] == ["delivered"]
    notices = ask("notices", "--subject", f"order/{order['order_id']}")["notices"]
    assert {notice["to"] for notice in notices if notice["name"] == "late_scan"} == {"merchant", "operator"}


def test_new_goods_of_an_exchange_after_the_settlement_are_followed(http_client: httpx2.Client) -> None:
    order, waybill = settled(), fresh()
    send(order, "open_after_sale", "buyer", kind="exchange", reason="quality", text="it leaks")
    send(order, "agree_after_sale", "merchant", with_return=False)
    send(order, "report_replacement", "merchant", carrier="yto", waybill=waybill)
    ask("advance", order["order_id"], "3d")
    pushed(http_client, order, waybill, ("returned", 0.1))
    assert in_stage(order, "arbitration")["replacement"]["verdict"]["returned_at"] is not None


def test_a_number_that_no_order_has_is_acknowledged_and_kept(http_client: httpx2.Client) -> None:
    order, waybill = delivered(), fresh()
    pushed(http_client, order, waybill, ("picked_up", 2.1))
    send(order, "open_after_sale", "buyer", kind="return_and_refund", reason="quality", text="it leaks")
    send(order, "agree_after_sale", "merchant")
    assert case_of(ask("show", order["order_id"])["state"])["parcel"] is None
    send(order, "report_return", "buyer", carrier="yto", waybill=waybill)
    ask("advance", order["order_id"], "1d")
    assert state(order, lambda found: case_of(found)["due"]["name"] == "return_delivery_by")
