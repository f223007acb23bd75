"""Kuaidi100: its codes, its refusals, the phone's last digits, and subscriptions."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest
from malformed_answers import answering, http
from vendor_adapters import adapter, at, fresh, plain, query, way

from activities.carriers.kuaidi100 import Kuaidi100Carrier, read_answer
from activities.http import Reply
from core.audit.trace import SILENT_ANSWERS, Trace
from core.errors import UnreadableAnswer
from local.client import WorldClient
from local.dialects import SALT, push_of
from local.standins import StandIns


def event(at: str = "2026-11-22 16:00:00", **fields: Any) -> dict[str, Any]:
    return {"time": at, "ftime": at, "context": "快件", **fields}


def answered(*events: dict[str, Any], **fields: Any) -> Trace:
    body = {"nu": "N123456", "com": "yuantong", "status": "200", "state": "0", "data": list(events), **fields}
    reply = Reply(status=200, raw=json.dumps(body).encode(), source="kuaidi100")
    return read_answer(reply, query("kuaidi100", "N123456", fields.get("asked", "yto"), fields.get("phone")))


@pytest.mark.parametrize(
    ("code", "stage"),
    [
        ("0", "in_transit"),
        ("1", "picked_up"),
        ("2", "exception"),
        ("3", "delivered"),
        ("4", "returned"),
        ("5", "out_for_delivery"),
        ("6", "returning"),
        ("7", "in_transit"),
        ("8", "customs"),
        ("13", "customs"),
        ("14", "refused"),
        ("101", "label"),
        ("103", "picked_up"),
        ("1001", "arrived"),
        ("203", "refused"),
        ("303", "delivered"),
        ("501", "locker"),
        ("599", "out_for_delivery"),
        ("1099", "in_transit"),
        ("no code", "in_transit"),
    ],
)
def test_a_code_is_a_stage_and_a_new_one_is_its_groups(code: str, stage: str) -> None:
    assert [one.stage for one in answered(event(statusCode=code)).scans] == [stage]


def test_two_is_a_problem_and_not_a_parcel_on_its_way() -> None:
    assert answered(event(), state="2").scans[-1].stage == "exception"


def test_without_codes_the_newest_event_has_the_parcels_state() -> None:
    trace = answered(event("2026-11-22 18:00:00"), event("2026-11-22 16:00:00"), state="3")
    assert [one.stage for one in trace.scans] == ["in_transit", "delivered"]
    assert trace.scans[0].at == datetime(2026, 11, 22, 8, tzinfo=UTC)


def test_a_signature_of_the_sender_is_no_delivery() -> None:
    assert answered(event(statusCode="3"), state="4").scans[-1].stage == "returned"


def test_the_place_is_the_area_or_what_stands_in_brackets() -> None:
    trace = answered(
        event("2026-11-22 18:00:00", areaName="浙江,杭州市,余杭区"),
        event(context="【沧州市】 已揽收"),
        event(context="无"),
    )
    assert {one.city for one in trace.scans} == {"浙江,杭州市,余杭区", "沧州市", None}


def test_the_same_event_twice_is_one_event() -> None:
    assert len(answered(event(), event()).scans) == 1


def test_another_carrier_than_was_asked_is_told() -> None:
    trace = answered(event(), com="zhongtong")
    assert (trace.answer, trace.carrier) == ("found", "zto")


def test_an_answer_about_another_number_is_none() -> None:
    with pytest.raises(UnreadableAnswer):
        answered(event(), nu="N654321")


@pytest.mark.parametrize("when", ["", "yesterday", "2026-13-45 16:00:00", "0001-01-01 00:00:00", "9999-12-31 23:59:59"])
def test_an_event_without_a_time_is_left_out_and_named(when: str) -> None:
    trace = answered(event(), event(when))
    assert (trace.answer, len(trace.scans)) == ("found", 1)
    assert "1 of its events cannot be read, the first: entry 2" in (trace.detail or "")
    with pytest.raises(UnreadableAnswer):
        answered(event(when))


@pytest.mark.parametrize("state", ["0", "3", None])
@pytest.mark.parametrize("data", [[], None, ""])
def test_a_known_number_without_an_event_is_no_word_about_the_parcel(state: str | None, data: object) -> None:
    """State 0 is a parcel in transit: only a failure says that there is no record."""
    with pytest.raises(UnreadableAnswer, match="without a single event"):
        answered(state=state, data=data)


@pytest.mark.parametrize("odd", [["浙江"], {"name": "浙江"}, True, 1.5])
def test_an_odd_description_loses_no_event(odd: object) -> None:
    trace = answered(event(statusCode=301.0, areaName=odd, context=odd, location=odd))
    assert [(scan.stage, scan.code, scan.city) for scan in trace.scans] == [("delivered", "301", None)]


@pytest.mark.parametrize("odd", [["301"], True, {"code": 301}])
def test_an_event_whose_code_cannot_be_read_is_left_out(odd: object) -> None:
    trace = answered(event("2026-11-22 09:00:00", statusCode="103"), event(statusCode=odd))
    assert [scan.stage for scan in trace.scans] == ["picked_up"]


@pytest.mark.parametrize("oldest_first", [False, True])
def test_the_newest_event_has_the_parcels_state_wherever_it_is_listed(oldest_first: bool) -> None:
    events = [event("2026-11-23 10:00:00"), event("2026-11-22 16:00:00")]
    trace = answered(*(reversed(events) if oldest_first else events), state="3")
    assert [scan.stage for scan in trace.scans] == ["in_transit", "delivered"]


@pytest.mark.parametrize(
    ("code", "message", "answer"),
    [
        ("400", "提交的数据不完整", "auth"),
        ("500", "查询无结果，请隔段时间再查", "no_trace"),
        ("501", "服务器错误", "unavailable"),
        ("502", "服务器繁忙", "unavailable"),
        ("503", "验证签名失败", "auth"),
        ("601", "POLL:KEY已过期", "auth"),
        ("400", "查询过于频繁，单号已锁定", "throttled"),
        ("999", "?", "unavailable"),
        (None, None, "unavailable"),
    ],
)
def test_a_failure_is_what_the_vendor_says_and_no_more(code: str | None, message: str | None, answer: str) -> None:
    body = json.dumps({"result": False, "returnCode": code, "message": message}).encode()
    reply = Reply(status=200, raw=body, source="kuaidi100")
    assert read_answer(reply, query("kuaidi100", "N123456")).answer == answer


# --- the phone -------------------------------------------------------------------------------------------


async def test_the_right_digits_are_confirmed_by_the_answer(standins: StandIns, world: WorldClient) -> None:
    waybill = fresh("SF")
    await world.add_scans("sf", waybill, way(), phone_last4="1234")
    async with adapter("kuaidi100", standins) as carrier:
        right = await carrier.trace(query("kuaidi100", waybill, "sf", "1234"))
        wrong = await carrier.trace(query("kuaidi100", waybill, "sf", "9999"))
        none = await carrier.trace(query("kuaidi100", waybill, "sf"))
    assert (right.answer, right.contact) == ("found", "matched")
    assert (wrong.contact, wrong.scans) == ("refused", ())
    assert wrong.answer not in {*SILENT_ANSWERS, "no_trace"}
    assert (none.answer, none.contact) == ("unavailable", None)


async def test_a_carrier_that_wants_no_digits_is_not_told_them() -> None:
    requests: list[bytes] = []

    async with answering(http(b"{}")) as url, at("kuaidi100", url) as carrier:
        assert isinstance(carrier, Kuaidi100Carrier)
        original = carrier._http.ask

        async def spying(method: str, path: str, **request: Any) -> Reply:
            requests.append(request["content"])
            return await original(method, path, **request)

        carrier._http.ask = spying  # type: ignore[method-assign]  # to see the bytes that are sent
        await carrier.trace(query("kuaidi100", "N123456", "yto", "1234"))
        await carrier.trace(query("kuaidi100", "N123456", "sf", "1234"))
    sent = [json.loads(parse_qs(request.decode())["param"][0])["phone"] for request in requests]
    assert sent == ["", "1234"]


# --- subscriptions and locks -----------------------------------------------------------------------------


async def test_a_second_subscription_is_a_success(standins: StandIns) -> None:
    asked = query("kuaidi100", fresh())
    async with adapter("kuaidi100", standins) as carrier:
        assert isinstance(carrier, Kuaidi100Carrier)
        for _ in range(2):
            assert (await carrier.subscribe(asked, "https://shop.example/push")).outcome == "subscribed"
    async with adapter("kuaidi100", standins, key="another") as carrier:
        assert isinstance(carrier, Kuaidi100Carrier)
        assert (await carrier.subscribe(asked, "https://shop.example/push")).outcome == "auth"


async def test_a_locked_number_is_throttled(standins: StandIns, world: WorldClient) -> None:
    waybill = fresh()
    await world.add_scans("yto", waybill, way())
    await world.lock_numbers(1800)
    try:
        async with adapter("kuaidi100", standins) as carrier:
            answers = [(await carrier.trace(query("kuaidi100", waybill))).answer for _ in range(2)]
    finally:
        await world.lock_numbers(0)
    assert answers == ["found", "throttled"]


def signed(push: dict[str, Any]) -> bytes:
    param = json.dumps(push, ensure_ascii=False)
    return urlencode({"param": param, "sign": hashlib.md5((param + SALT).encode()).hexdigest().upper()}).encode()


# --- pushes ----------------------------------------------------------------------------------------------

READER = Kuaidi100Carrier(None, key="k", customer="c", salt="standin-salt")  # type: ignore[arg-type]  # sends nothing


def test_a_push_tells_the_whole_history() -> None:
    body, headers = push_of("kuaidi100", "yto", "YT0000000000001", plain(way()))
    assert READER.verified(body, headers)
    (pushed,) = READER.read_push(body).parcels
    assert [one.stage for one in pushed.trace.scans] == [one.stage for one in way()]
    assert (pushed.asked, pushed.trace.carrier, pushed.replaces) == ("yto", "yto", False)


def test_a_push_says_which_carrier_was_found_instead() -> None:
    body, _ = push_of("kuaidi100", "zto", "YT0000000000001", plain(way()), comOld="yuantong", comNew="zhongtong")
    (pushed,) = READER.read_push(body).parcels
    assert (pushed.asked, pushed.trace.carrier) == ("yto", "zto")


def test_a_number_given_up_without_a_record_has_no_trace() -> None:
    body, _ = push_of("kuaidi100", "yto", "YT0000000000001", [], status="abort", message="3天查询无记录")
    (pushed,) = READER.read_push(body).parcels
    assert (pushed.trace.answer, pushed.trace.scans) == ("no_trace", ())


def test_a_number_given_up_without_a_change_keeps_its_history() -> None:
    body, _ = push_of("kuaidi100", "yto", "YT0000000000001", plain(way()), status="abort", message="60天无变化")
    assert READER.read_push(body).parcels[0].trace.answer == "found"


def test_a_push_that_says_nothing_yet_is_silent() -> None:
    body, _ = push_of("kuaidi100", "yto", "YT0000000000001", [])
    assert READER.read_push(body).parcels[0].trace.answer == "unavailable"


@pytest.mark.parametrize("data", [None, ""])
def test_no_history_is_no_scans(data: object) -> None:
    nothing = {"nu": "YT6188800000017", "com": "yuantong", "status": "201", "state": "0", "data": data}
    content = READER.read_push(signed({"status": "abort", "message": "3天查询无记录", "lastResult": nothing}))
    assert [pushed.trace.answer for pushed in content.parcels] == ["no_trace"]
    assert content.unread == ()


def test_a_bad_event_spoils_no_other_and_a_status_that_is_new_spoils_nothing() -> None:
    events = [
        {"ftime": "2026/11/22 16:00", "context": "已签收", "statusCode": "301"},
        {"ftime": "", "context": "派件"},
        None,
        {"ftime": "2026-11-22 09:00:00", "context": "已揽收", "statusCode": "103"},
    ]
    result = {"nu": "YT6188800000017", "com": "yuantong", "state": "3", "data": events}
    content = READER.read_push(signed({"status": "a new word", "lastResult": result}))
    (pushed,) = content.parcels
    assert [one.stage for one in pushed.trace.scans] == ["picked_up", "delivered"]
    assert pushed.trace.scans[-1].at == datetime(2026, 11, 22, 8, tzinfo=UTC)
    assert len(content.unread) == 2
    assert "2 of its events" in (pushed.trace.detail or "")


def test_events_of_which_none_can_be_read_are_no_word_about_the_parcel() -> None:
    result = {"nu": "YT6188800000017", "com": "yuantong", "state": "0", "data": [{"ftime": "soon"}]}
    content = READER.read_push(signed({"status": "abort", "message": "3天查询无记录", "lastResult": result}))
    assert [pushed.trace.answer for pushed in content.parcels] == ["unavailable"]
    assert content.unread == ("YT6188800000017: entry 1: 'soon' is no time",)


def test_a_push_without_our_salt_is_not_the_vendors() -> None:
    body, headers = push_of("kuaidi100", "yto", "YT0000000000001", plain(way()))
    assert not READER.verified(body + b"0", headers)
    assert not Kuaidi100Carrier(None, key="k", customer="c", salt="").verified(body, headers)  # type: ignore[arg-type]  # sends nothing
    assert not Kuaidi100Carrier(None, key="k", customer="c", salt="x").verified(body, headers)  # type: ignore[arg-type]  # sends nothing


def test_the_acknowledgement_is_what_the_vendor_waits_for() -> None:
    now = datetime(2026, 11, 22, 8, tzinfo=UTC)
    said = READER.acknowledge(now, taken=True).decode()
    assert json.loads(said) == {"result": True, "returnCode": "200", "message": "成功"}
    assert json.loads(READER.acknowledge(now, taken=False, why="no"))["result"] is False
