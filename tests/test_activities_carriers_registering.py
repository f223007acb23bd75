"""17TRACK and AfterShip: their codes, their signatures, numbers that must be registered, and bad entries."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from vendor_adapters import adapter, fresh, plain, query, scan, way

from activities.carriers import aftership, track17
from activities.carriers.aftership import AfterShipCarrier
from activities.carriers.base import PushContent
from activities.carriers.track17 import Track17Carrier
from activities.http import Reply
from core.audit.trace import Trace
from core.errors import UnreadableAnswer
from local.client import WorldClient
from local.dialects import KEY, SALT, AnyVendor, push_of
from local.standins import StandIns

TRACK17 = Track17Carrier(None, key=KEY)  # type: ignore[arg-type]  # sends nothing
AFTERSHIP = AfterShipCarrier(None, key=KEY, secret=SALT)  # type: ignore[arg-type]  # sends nothing


def of_track17(body: dict[str, Any], carrier: str = "ups") -> Trace | None:
    reply = Reply(status=200, raw=json.dumps(body).encode(), source="17track")
    return track17.read_answer(reply, query("17track", "N123456", carrier))


def of_aftership(*trackings: dict[str, Any], carrier: str = "ups") -> Trace | None:
    body = {"meta": {"code": 200}, "data": {"trackings": list(trackings)}}
    reply = Reply(status=200, raw=json.dumps(body).encode(), source="aftership")
    return aftership.read_answer(reply, query("aftership", "N123456", carrier))


def rejected(code: int) -> dict[str, Any]:
    return {"code": 0, "data": {"accepted": [], "rejected": [{"number": "N123456", "error": {"code": code}}]}}


def accepted(status: str, sub_status: str | None = None, *events: Any) -> dict[str, Any]:
    latest = {"status": status, "sub_status": sub_status}
    info = {"latest_status": latest, "tracking": {"providers": [{"events": list(events)}]}}
    return {"code": 0, "data": {"accepted": [{"number": "N123456", "carrier": 100002, "track_info": info}]}}


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (rejected(-18019909), "no_trace"),
        (rejected(-18010012), "bad_number"),
        (rejected(-18019908), "auth"),
        (rejected(-18019907), "throttled"),
        (rejected(-18019903), "unavailable"),
        ({"code": -18010002, "data": {}}, "auth"),
        ({"code": -18010003}, "unavailable"),
        (accepted("NotFound", "NotFound_Other"), "no_trace"),
        (accepted("NotFound", "NotFound_InvalidCode"), "bad_number"),
        (accepted("InTransit"), "unavailable"),
    ],
)
def test_what_17track_says_without_an_event(body: dict[str, Any], answer: str) -> None:
    trace = of_track17(body)
    assert trace is not None
    assert trace.answer == answer


def test_a_number_that_17track_does_not_have_is_no_answer() -> None:
    assert of_track17(rejected(-18019902)) is None
    with pytest.raises(UnreadableAnswer):
        of_track17({"code": 0, "data": {"accepted": [], "rejected": []}})


@pytest.mark.parametrize(
    ("tag", "subtag", "answer"),
    [
        ("Pending", "Pending_001", "no_trace"),
        ("Pending", None, "no_trace"),
        ("Pending", "Pending_003", "unavailable"),  # about our account with the carrier, not about the parcel
        ("Expired", "Expired_001", "unavailable"),
        ("InfoReceived", "InfoReceived_001", "no_trace"),
    ],
)
def test_what_aftership_says_without_a_checkpoint(tag: str, subtag: str | None, answer: str) -> None:
    trace = of_aftership({"tracking_number": "N123456", "slug": "ups", "tag": tag, "subtag": subtag})
    assert trace is not None
    assert trace.answer == answer
    assert of_aftership() is None


def test_a_bad_event_spoils_no_other() -> None:
    good = {"time_utc": "2026-11-22T08:00:00Z", "sub_status": "Delivered_Other", "address": {"city": "Seattle"}}
    trace = of_track17(accepted("Delivered", None, None, {"time_utc": "soon"}, good))
    assert trace is not None
    assert [(one.stage, one.city) for one in trace.scans] == [("delivered", "Seattle")]
    assert "2 of its events" in (trace.detail or "")
    points = [{"checkpoint_time": ""}, "x", {"checkpoint_time": "2026-11-22T08:00:00+00:00", "tag": "Delivered"}]
    other = of_aftership({"tracking_number": "N123456", "slug": "ups", "tag": "Delivered", "checkpoints": points})
    assert other is not None
    assert [one.stage for one in other.scans] == ["delivered"]


def test_a_time_without_a_zone_is_chinas_for_a_chinese_carrier() -> None:
    point = {"checkpoint_time": "2026-11-22T16:00:00", "tag": "InTransit"}
    for carrier, slug, hour in (("yto", "yto", 8), ("ups", "ups", 16)):
        trace = of_aftership({"tracking_number": "N123456", "slug": slug, "checkpoints": [point]}, carrier=carrier)
        assert trace is not None
        assert trace.scans[0].at.hour == hour


@pytest.mark.parametrize("vendor", ["17track", "aftership"])
async def test_a_no_is_certain_only_where_all_was_asked(vendor: AnyVendor) -> None:
    reader = TRACK17 if vendor == "17track" else AFTERSHIP
    assert reader.questions(query(vendor, "N1", "dhl")).certain is False  # a sister service may serve it
    assert (
        reader.questions(query(vendor, "N1", "sf")).certain is False
    )  # the carrier answers only with a phone's digits
    assert reader.questions(query(vendor, "N1", "yto")).certain is True


@pytest.mark.parametrize("vendor", ["17track", "aftership"])
async def test_a_number_is_registered_once_and_found_later(
    vendor: AnyVendor, standins: StandIns, world: WorldClient
) -> None:
    waybill = fresh("1Z")
    async with adapter(vendor, standins) as carrier:
        first = await carrier.trace(query(vendor, waybill))
        assert (first.answer, "moment ago" in (first.detail or "")) == ("unavailable", True)
        assert (await carrier.trace(query(vendor, waybill))).answer == "no_trace"
        await world.add_scans("ups", waybill, [scan(0, "picked_up")])
        assert (await carrier.trace(query(vendor, waybill))).answer == "found"


# --- pushes ----------------------------------------------------------------------------------------------


def test_17tracks_signature_is_over_body_and_key() -> None:
    body, headers = push_of("17track", "ups", "1Z0000000000000001", plain(way()))
    assert TRACK17.verified(body, headers)
    assert not TRACK17.verified(body + b" ", headers)
    assert not TRACK17.verified(body, {})
    assert not Track17Carrier(None, key="").verified(body, {"sign": hashlib.sha256(body + b"/").hexdigest()})  # type: ignore[arg-type]  # sends nothing


def test_afterships_signature_is_an_hmac_in_base64() -> None:
    body, headers = push_of("aftership", "ups", "1Z0000000000000001", plain(way()))
    assert AFTERSHIP.verified(body, {name.lower(): value for name, value in headers.items()})
    assert not AFTERSHIP.verified(body + b" ", headers)
    forged = base64.b64encode(hmac.new(b"", body, hashlib.sha256).digest()).decode()
    assert not AfterShipCarrier(None, key="k").verified(body, {"aftership-hmac-sha256": forged})  # type: ignore[arg-type]  # sends nothing


def test_other_events_say_nothing_and_a_foreign_carrier_is_named() -> None:
    assert TRACK17.read_push(b'{"event": "TRACKING_STOPPED", "data": {"number": "N123456"}}') == PushContent()
    assert AFTERSHIP.read_push(b'{"event": "edd_update", "msg": {}}') == PushContent()
    with pytest.raises(UnreadableAnswer, match="which is none of ours"):
        TRACK17.read_push(push_of("17track", "pigeon", "N123456", plain(way()))[0])
    with pytest.raises(UnreadableAnswer, match="which is none of ours"):
        AFTERSHIP.read_push(push_of("aftership", "pigeon", "N123456", plain(way()))[0])
