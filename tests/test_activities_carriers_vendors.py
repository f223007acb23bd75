"""What holds of every vendor's adapter, over real HTTP: whole traces, silences that are no evidence, masked people."""

from __future__ import annotations

import json
from typing import Any

import pytest
from malformed_answers import answering, http, malformed_answers
from vendor_adapters import REGISTERING, SERVED, VENDORS, adapter, at, fresh, query, scan, way

from core.audit.trace import SILENT_ANSWERS
from local.client import WorldClient
from local.dialects import AnyVendor
from local.standins import StandIns

pytestmark = pytest.mark.parametrize("vendor", VENDORS)

GOOD: dict[AnyVendor, dict[str, Any]] = {
    "kuaidi100": {
        "message": "ok",
        "nu": "N123456",
        "com": "yuantong",
        "status": "200",
        "state": "0",
        "data": [{"ftime": "2026-11-22 16:00:00", "context": "已揽收", "statusCode": "103"}],
    },
    "kdniao": {
        "LogisticCode": "N123456",
        "ShipperCode": "YTO",
        "Success": True,
        "State": "1",
        "StateEx": "1",
        "Traces": [{"AcceptTime": "2026-11-22 16:00:00", "AcceptStation": "已揽收", "Action": "1"}],
    },
    "easypost": {
        "tracking_code": "N123456",
        "carrier": "UPS",
        "status": "in_transit",
        "tracking_details": [{"datetime": "2026-11-22T08:00:00Z", "status": "in_transit", "message": "Picked up"}],
    },
    "17track": {
        "code": 0,
        "data": {
            "accepted": [
                {
                    "number": "N123456",
                    "carrier": 100002,
                    "track_info": {
                        "latest_status": {"status": "InTransit", "sub_status": "InTransit_PickedUp"},
                        "tracking": {
                            "providers": [
                                {"events": [{"time_utc": "2026-11-22T08:00:00Z", "sub_status": "InTransit_PickedUp"}]}
                            ]
                        },
                    },
                }
            ],
            "rejected": [],
        },
    },
    "aftership": {
        "meta": {"code": 200},
        "data": {
            "trackings": [
                {
                    "tracking_number": "N123456",
                    "slug": "ups",
                    "tag": "InTransit",
                    "subtag": "InTransit_002",
                    "checkpoints": [{"checkpoint_time": "2026-11-22T08:00:00+00:00", "subtag": "InTransit_002"}],
                }
            ]
        },
    },
}


async def test_a_parcel_is_told_whole_and_in_order(vendor: AnyVendor, standins: StandIns, world: WorldClient) -> None:
    waybill, scans = fresh(), way()
    await world.add_scans(SERVED[vendor], waybill, scans)
    async with adapter(vendor, standins) as carrier:
        trace = await carrier.trace(query(vendor, waybill))
    assert (trace.answer, trace.provider, trace.carrier) == ("found", vendor, SERVED[vendor]), trace.detail
    assert [(one.at, one.stage, one.city) for one in trace.scans] == [(one.at, one.stage, one.city) for one in scans]


@pytest.mark.parametrize(
    "stage", ["locker", "returning", "returned", "refused", "exception", "customs", "cancelled", "arrived"]
)
async def test_every_stage_comes_through(vendor: AnyVendor, standins: StandIns, world: WorldClient, stage: str) -> None:
    waybill = fresh()
    await world.add_scans(SERVED[vendor], waybill, [scan(0, "picked_up"), scan(1, stage)])
    async with adapter(vendor, standins) as carrier:
        trace = await carrier.trace(query(vendor, waybill))
    coarser = {("easypost", "customs"): "in_transit", ("aftership", "cancelled"): "exception"}
    expected = coarser.get((vendor, stage), stage)
    assert [one.stage for one in trace.scans] == ["picked_up", expected]


async def test_people_are_masked(vendor: AnyVendor, standins: StandIns, world: WorldClient) -> None:
    waybill = fresh()
    await world.add_scans(SERVED[vendor], waybill, way())
    async with adapter(vendor, standins) as carrier:
        trace = await carrier.trace(query(vendor, waybill))
    texts = " ".join(one.text or "" for one in trace.scans)
    assert "张婷" not in texts
    assert "13812345678" not in texts
    assert "正在为您派件" in texts


async def test_a_number_that_nobody_knows_has_no_trace(vendor: AnyVendor, standins: StandIns) -> None:
    async with adapter(vendor, standins) as carrier:
        asked = query(vendor, fresh())
        if vendor in REGISTERING:
            # It was registered just now: the vendor has not looked for it yet.
            assert (await carrier.trace(asked)).answer == "unavailable"
        assert (await carrier.trace(asked)).answer == "no_trace"


async def test_a_carrier_that_the_vendor_does_not_serve_is_not_asked_for(vendor: AnyVendor) -> None:
    async with at(vendor, "http://127.0.0.1:1") as carrier:
        assert not carrier.serves("olist_post")
        assert (await carrier.trace(query(vendor, "N1", carrier="olist_post"))).answer == "unknown_carrier"


async def test_a_wrong_key_is_no_evidence(vendor: AnyVendor, standins: StandIns, world: WorldClient) -> None:
    async with adapter(vendor, standins, key="another") as carrier:
        trace = await carrier.trace(query(vendor, fresh()))
    assert trace.answer == "auth"


@pytest.mark.parametrize(
    ("kind", "more", "answer"),
    [
        ("html", {}, "unavailable"),
        ("cut", {}, "unavailable"),
        ("garbage", {}, "unavailable"),
        ("huge", {}, "unavailable"),
        ("wrong_types", {}, "unavailable"),
        ("wrong_key", {}, "unavailable"),
        ("status_before_effect", {"status": 503}, "unavailable"),
        ("status_before_effect", {"status": 404}, "unavailable"),
        ("status_before_effect", {"status": 302}, "unavailable"),
        ("status_before_effect", {"status": 429}, "throttled"),
        ("status_before_effect", {"status": 401}, "auth"),
    ],
)
async def test_a_vendor_that_misbehaves_says_nothing_of_the_parcel(
    vendor: AnyVendor, standins: StandIns, world: WorldClient, kind: str, more: dict[str, Any], answer: str
) -> None:
    waybill = fresh()
    await world.add_scans(SERVED[vendor], waybill, way())
    async with adapter(vendor, standins) as carrier:
        if vendor in REGISTERING:
            await carrier.trace(query(vendor, waybill))
        await world.fault("carrier", match=waybill, kind=kind, **more)
        trace = await carrier.trace(query(vendor, waybill))
        assert (trace.answer, trace.scans) == (answer, ())
        assert trace.detail
        assert (await carrier.trace(query(vendor, waybill))).answer == "found"


async def test_a_vendor_that_is_not_there_says_nothing_of_the_parcel(vendor: AnyVendor) -> None:
    async with at(vendor, "http://127.0.0.1:1") as carrier:
        assert (await carrier.trace(query(vendor, "N123456"))).answer == "unavailable"


@pytest.mark.parametrize("name", malformed_answers({}))
async def test_no_nonsense_is_a_trace(vendor: AnyVendor, name: str) -> None:
    async with answering(malformed_answers(GOOD[vendor])[name]) as url, at(vendor, url) as carrier:
        trace = await carrier.trace(query(vendor, "N123456"))
    assert trace.answer in SILENT_ANSWERS, (trace.answer, trace.detail)


async def test_a_good_answer_is_good(vendor: AnyVendor) -> None:
    """Or the test above would prove nothing."""

    async with answering(http(json.dumps(GOOD[vendor]).encode())) as url, at(vendor, url) as carrier:
        trace = await carrier.trace(query(vendor, "N123456"))
    assert (trace.answer, len(trace.scans)) == ("found", 1)
