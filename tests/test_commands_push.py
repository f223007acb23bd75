"""The vendors' adapters and pushes on the real stack: `up` as it comes, orders shipped with Chinese carriers."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from command_line import ask, run
from order_bodies import order_body
from vendor_adapters import fresh, plain
from waiting import until, until_so

from config import load
from core.messages import Scan
from local.client import WorldClient
from local.dialects import Vendor, push_of

pytestmark = pytest.mark.usefixtures("up")


def shipped(order_id: str, waybill: str, carrier: str) -> dict[str, Any]:
    """An order of Hangzhou to Beijing whose parcel is reported."""
    order = order_body(order_id=order_id, merchant_id=f"m-{order_id}", buyer_id=f"b-{order_id}")
    paid_at = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    order["payment"] |= {"reference": f"push-{order_id}", "paid_at": paid_at}
    assert ask("start", "-", stdin=json.dumps(order))["phase"] == "awaiting_shipment"
    report = json.dumps({"parcels": [{"parcel_id": "p1", "carrier": carrier, "waybill": waybill}]})
    ask("send", "report_shipment", order_id, "--as", f"merchant:{order['merchant_id']}", "--body", report)
    return order


def seen(order: dict[str, Any], *stages: str) -> list[Scan]:
    """What the carrier saw of an order's parcel, within the last second, and so possible only within one city."""
    now = datetime.now(UTC)
    city = order["ship_to"]["city"]
    return [
        Scan.model_validate({"at": now + timedelta(seconds=index), "code": stage, "stage": stage, "city": city})
        for index, stage in enumerate(stages)
    ]


def first_scan(order_id: str) -> str:
    """When the order's parcel was first seen, once the order knows."""

    def seen_at() -> Any:
        found = ask("show", order_id)["state"]["parcels"][0]
        return found["pushed_physical_at"] or (found["verdict"] or {}).get("first_physical_at")

    return str(until_so(seen_at))


def push(tmp_path: Path, vendor: Vendor, body: bytes, headers: dict[str, str]) -> Any:
    file = tmp_path / "body"
    file.write_bytes(body)
    options = [part for name, value in headers.items() for part in ("--header", f"{name}: {value}")]
    return run("push", vendor, "--file", str(file), *options, "--json")


def test_a_push_of_the_command_line_reaches_its_order_once(tmp_path: Path) -> None:
    waybill = fresh()
    order = shipped("P1", waybill, "yto")
    body, headers = push_of("kuaidi100", "yto", waybill, plain(seen(order, "picked_up", "in_transit")))
    answered = push(tmp_path, "kuaidi100", body, headers)
    assert answered.exit_code == 0, answered.output
    view = json.loads(answered.stdout)
    assert (view["outcome"], view["orders"], view["repeated"]) == ("applied", ["P1"], False)
    assert json.loads(view["acknowledgement"]) == {"result": True, "returnCode": "200", "message": "成功"}
    first = first_scan("P1")
    again = json.loads(push(tmp_path, "kuaidi100", body, headers).stdout)
    assert (again["outcome"], again["repeated"]) == ("applied", True)
    assert first_scan("P1") == first


def test_a_forged_push_is_refused(tmp_path: Path) -> None:
    waybill = fresh("1Z")
    body, headers = push_of("easypost", "ups", waybill, [])
    answered = push(tmp_path, "easypost", body + b" ", headers)
    assert answered.exit_code == 1
    assert json.loads(answered.stdout)["outcome"] == "wrong_signature"
    assert run("push", "pigeon", "--file", str(tmp_path / "body")).exit_code == 1
    assert run("push", "kuaidi100", "--file", str(tmp_path / "nothing")).exit_code == 1


def test_a_push_before_the_shipment_is_found_when_it_is_reported(tmp_path: Path) -> None:
    waybill = fresh()
    body, headers = push_of("kdniao", "zto", waybill, plain(seen(order_body(), "picked_up", "in_transit")))
    assert json.loads(push(tmp_path, "kdniao", body, headers).stdout)["outcome"] == "kept"
    shipped("P2", waybill, "zto")
    assert first_scan("P2")


def test_the_real_adapter_is_asked_and_the_next_one_where_it_is_away() -> None:
    waybill = fresh()
    order = order_body()

    async def play() -> None:
        async with WorldClient(load().needed("world_url")) as world:
            await world.add_scans("yto", waybill, seen(order, "picked_up", "in_transit"))
            await world.fault("carrier", match=waybill, kind="html")

    asyncio.run(play())
    shipped("P3", waybill, "yto")
    assert first_scan("P3")


def test_a_shipment_is_subscribed_and_what_the_provider_pushes_reaches_it(tmp_path: Path) -> None:
    waybill = fresh()
    order = shipped("P4", waybill, "yto")

    async def pushed() -> bytes:
        async with WorldClient(load().needed("world_url")) as world:
            await world.add_scans("yto", waybill, seen(order, "picked_up"))
            body = await until(lambda: world.pushed(waybill))
            assert body is not None
            return body

    answered = push(tmp_path, "kuaidi100", asyncio.run(pushed()), {})
    assert json.loads(answered.stdout)["orders"] == ["P4"]
    assert first_scan("P4")
