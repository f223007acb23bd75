"""Kdniao: its codes, both of its times, its published samples, and its pushes."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlencode

import pytest
from vendor_adapters import adapter, fresh, plain, query, way

from activities.carriers.kdniao import STAGES, KdniaoCarrier, read_answer, stage_of
from activities.carriers.reading import local_time
from activities.http import Reply
from core.audit.trace import Trace
from core.errors import UnreadableAnswer
from core.messages import Stage
from local.client import WorldClient
from local.dialects import CUSTOMER, KEY, push_of
from local.standins import StandIns

READER = KdniaoCarrier(None, key=KEY, business_id=CUSTOMER)  # type: ignore[arg-type]  # sends nothing


def answered(body: dict[str, Any], carrier: str = "yto", waybill: str = "N123456") -> Trace:
    reply = Reply(status=200, raw=json.dumps(body).encode(), source="kdniao")
    return read_answer(reply, query("kdniao", waybill, carrier))


def body(*events: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"LogisticCode": "N123456", "ShipperCode": "YTO", "Success": True, "Traces": list(events), **fields}


def event(at: str = "2026-11-22 16:00:00", action: str | None = None) -> dict[str, Any]:
    return {"AcceptTime": at, "AcceptStation": "快件", "Action": action}


def test_both_times_are_chinas_and_a_wrong_weekday_does_not_matter() -> None:
    moment = datetime(2023, 3, 26, 7, 37, 57, tzinfo=UTC)
    assert local_time("2023-03-26 15:37:57") == moment
    for weekday in ("Thu", "Sun", "Xyz"):
        assert local_time(f"{weekday} Mar 26 15:37:57 CST 2023") == moment
    for slashed in ("2023/03/26 15:37:57", "2023/3/26 15:37:57", "2023.03.26 15:37:57"):
        assert local_time(slashed) == moment
    assert local_time("2023/3/6 5:07") == datetime(2023, 3, 5, 21, 7, tzinfo=UTC)
    assert local_time("2023-03-26 15:37:57", "+02:00") == datetime(2023, 3, 26, 13, 37, 57, tzinfo=UTC)


@pytest.mark.parametrize(
    "written",
    [
        "2023年3月26日 15:37:57",
        "2023年03月26日15:37:57",
        "20230326153757",
        "1679816277",
        "1679816277000",
        "2023-03-26T15:37:57.000+08",
        "2023-03-26 15:37:57,123",
        "2023-03-26\u00a015:37:57",
        "２０２３-03-26 15：37：57",
        "Sun Mar 26 15:37:57 GMT+08:00 2023",
        "Sun Mar 26 07:37:57 UTC 2023",
    ],
)
def test_a_time_is_read_in_every_form_that_vendors_write(written: str) -> None:
    assert local_time(written) == datetime(2023, 3, 26, 7, 37, 57, tzinfo=UTC)


@pytest.mark.parametrize("zone", ["GMT+9", "UTC+09:00", "+0900", "+09:00", "9", "+9"])
def test_a_zone_is_read_in_every_form(zone: str) -> None:
    assert local_time("2023-03-26 16:37:57", zone) == datetime(2023, 3, 26, 7, 37, 57, tzinfo=UTC)


def test_a_day_may_end_at_twenty_four_hours() -> None:
    assert local_time("2023-03-26 24:00:00") == datetime(2023, 3, 26, 16, tzinfo=UTC)


@pytest.mark.parametrize("empty", ["1970-01-01 08:00:00", "1900-01-01 00:00:00", "2023-03-26 24:30:00"])
def test_a_time_that_stands_for_none_is_none(empty: str) -> None:
    with pytest.raises(UnreadableAnswer):
        local_time(empty)


@pytest.mark.parametrize(
    "text", ["", "Thu Mär 26 15:37:57 CST 2023", "Thu Feb 30 15:37:57 CST 2023", "٢٠٢٣-03-26 15:37:57"]
)
def test_what_is_no_time_is_none(text: str) -> None:
    with pytest.raises(UnreadableAnswer):
        local_time(text)


def test_two_is_a_parcel_on_its_way_and_zero_no_trace() -> None:
    assert [one.stage for one in answered(body(event(), State="2")).scans] == ["in_transit"]
    assert answered(body(State="0")).answer == "no_trace"


def test_the_finer_code_counts_and_not_a_problem_that_sticks() -> None:
    trace = answered(body(event(action="1"), event("2026-11-22 18:00:00", "301"), State="4", StateEx="301"))
    assert [one.stage for one in trace.scans] == ["picked_up", "delivered"]


def test_a_signature_of_the_sender_is_no_delivery() -> None:
    assert answered(body(event(action="3"), State="4", StateEx="406")).scans[-1].stage == "returned"


def test_a_code_that_is_new_is_its_groups() -> None:
    assert [stage_of(code) for code in ("399", "299", "x", "")] == [
        "delivered",
        "in_transit",
        "in_transit",
        "in_transit",
    ]


def test_two_events_in_one_second_are_two_events() -> None:
    assert len(answered(body(event(action="2"), event(action="204"))).scans) == 2


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ({"Success": False, "ResultCode": "102", "Reason": "校验问题"}, "auth"),
        ({"Success": False, "ResultCode": "105", "Reason": "其他错误"}, "unavailable"),
        ({"Success": False, "Reason": "接口调用次数超限"}, "throttled"),
        ({"Success": False, "State": "0", "Reason": "业务错误"}, "unavailable"),
    ],
)
def test_a_failure_says_nothing_of_the_parcel(fields: dict[str, Any], answer: str) -> None:
    assert answered({**body(), **fields}).answer == answer


def test_a_parcel_on_its_way_without_an_event_is_nonsense() -> None:
    with pytest.raises(UnreadableAnswer):
        answered(body(State="2"))


async def test_the_digits_of_the_phone_go_with_the_question(standins: StandIns, world: WorldClient) -> None:
    waybill = fresh("SF")
    await world.add_scans("sf", waybill, way(), phone_last4="1234")
    async with adapter("kdniao", standins) as carrier:
        right = await carrier.trace(query("kdniao", waybill, "sf", "1234"))
        wrong = await carrier.trace(query("kdniao", waybill, "sf", "9999"))
        none = await carrier.trace(query("kdniao", waybill, "sf"))
    assert none.answer == "unavailable"
    assert (right.answer, right.contact) == ("found", "matched")
    assert (wrong.answer, wrong.contact) == ("no_trace", None)


# --- what the vendor published ---------------------------------------------------------------------------


def test_every_published_code_has_a_stage(shared_data: Path) -> None:
    with (shared_data / "carriers_cn" / "kdniao_stateex.csv").open(encoding="utf-8-sig") as file:
        codes = {row["code"] for row in csv.DictReader(file)}
    assert codes == set(STAGES)
    assert {stage for stage in STAGES.values() if stage} <= set(get_args(Stage))


def test_the_published_answers_are_read(shared_data: Path) -> None:
    samples = json.loads((shared_data / "tracking_samples" / "kdniao_doc_samples.json").read_text(encoding="utf-8"))
    zto = answered(samples["即时查询.md#0"], "zto", "78474409893076")
    assert [one.stage for one in zto.scans][:2] == ["picked_up", "in_transit"]
    assert [one.stage for one in zto.scans][-3:] == ["out_for_delivery", "locker", "delivered"]
    assert {zto.scans[0].city, zto.scans[-1].city} == {"沧州市", "襄阳市"}
    assert not any(name in (one.text or "") for one in zto.scans for name in ("张婷", "1388"))
    yunda = answered(samples["快递查询.md#2"], "yunda", "390141793061")
    assert yunda.scans[0].at == datetime(2023, 3, 26, 7, 37, 57, tzinfo=UTC)
    assert (yunda.scans[-1].stage, yunda.scans[-1].city) == ("delivered", "威海市")
    assert not any("王奕凯" in (one.text or "") for one in yunda.scans)
    assert answered(samples["即时查询.md#1"], "yto", "YT4841733297234").answer == "no_trace"


# --- pushes ----------------------------------------------------------------------------------------------


def test_a_push_is_verified_and_read() -> None:
    raw, headers = push_of("kdniao", "yto", "YT0000000000001", plain(way()))
    assert READER.verified(raw, headers)
    assert not READER.verified(raw.replace(b"RequestData=", b"RequestData=+"), headers)
    assert not KdniaoCarrier(None, key="another", business_id="b").verified(raw, headers)  # type: ignore[arg-type]  # sends nothing
    (pushed,) = READER.read_push(raw).parcels
    assert (pushed.asked, pushed.trace.answer, len(pushed.trace.scans)) == ("yto", "found", len(way()))


def pushing(*data: object) -> bytes:
    return urlencode({"RequestType": "101", "RequestData": json.dumps({"Data": data}, ensure_ascii=False)}).encode()


def parcel(number: str = "227213764418", **fields: Any) -> dict[str, Any]:
    event = {"AcceptTime": "2026/11/28 05:09:48", "AcceptStation": "已收件"}
    return {"ShipperCode": "STO", "LogisticCode": number, "Success": True, "State": "2", "Traces": [event], **fields}


@pytest.mark.parametrize(
    "bad",
    [
        parcel("YT6188800000017（测试）"),
        parcel(ShipperCode="PIGEON"),
        parcel(Traces={}),
        parcel(Success="perhaps"),
        None,
        "text",
        [],
    ],
)
def test_a_bad_parcel_spoils_no_other(bad: object) -> None:
    content = READER.read_push(pushing(bad, parcel()))
    assert [(pushed.asked, pushed.trace.answer) for pushed in content.parcels] == [("sto", "found")]
    (why,) = content.unread
    assert why.startswith("entry 1: ")


def test_one_parcel_and_one_event_that_stand_in_no_list_are_read() -> None:
    data = json.dumps({"Data": parcel(Traces=parcel()["Traces"][0])}, ensure_ascii=False)
    content = READER.read_push(urlencode({"RequestType": "101", "RequestData": data}).encode())
    assert [(pushed.asked, len(pushed.trace.scans)) for pushed in content.parcels] == [("sto", 1)]
    assert content.unread == ()


def test_an_event_without_a_readable_time_spoils_no_other() -> None:
    events = [{"AcceptTime": time, "AcceptStation": "已收件"} for time in ("", "soon", "2026/11/28 05:09:48")]
    content = READER.read_push(pushing(parcel(Traces=[*events, None])))
    assert [len(pushed.trace.scans) for pushed in content.parcels] == [1]
    assert len(content.unread) == 3


def test_events_of_which_none_can_be_read_are_no_word_about_the_parcel() -> None:
    content = READER.read_push(pushing(parcel(State="0", Traces=[{"AcceptTime": "soon"}])))
    assert [pushed.trace.answer for pushed in content.parcels] == ["unavailable"]
    with pytest.raises(UnreadableAnswer, match="is no time"):
        answered(body(State="0", Traces=[{"AcceptTime": "soon"}]))


def test_the_acknowledgement_has_the_published_fields(shared_data: Path) -> None:
    samples = json.loads((shared_data / "tracking_samples" / "kdniao_doc_samples.json").read_text(encoding="utf-8"))
    said = json.loads(READER.acknowledge(datetime(2026, 11, 22, 8, tzinfo=UTC), taken=True))
    assert list(said) == list(samples["cross-border/跨境小包.md#5"])
    assert (said["Success"], said["UpdateTime"]) == (True, "2026-11-22 16:00:00")
