"""Any bytes and any JSON: a trace or a silence, never an exception, and never a word against a merchant."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sizes import at_least
from vendor_adapters import START, VENDORS, account, query

from activities.carriers import aftership, easypost, kdniao, kuaidi100, track17
from activities.carriers.base import PushReader, TraceQuery, silent
from activities.http import Reply
from core.audit.facts import OrderFacts
from core.audit.policy import AuditPolicy
from core.audit.trace import SILENT_ANSWERS, Trace
from core.audit.verdict import ParcelFacts, audit
from core.errors import UnreadableAnswer
from core.messages import Address
from local.dialects import AnyVendor
from wiring.carriers import carrier_of

READ: dict[str, Callable[[Reply, TraceQuery], Trace | None]] = {
    "kuaidi100": kuaidi100.read_answer,
    "kdniao": kdniao.read_answer,
    "easypost": easypost.read_answer,
    "17track": track17.read_answer,
    "aftership": aftership.read_answer,
}
FIELDS = {
    "kuaidi100": ("nu", "com", "state", "status", "returnCode", "message", "data", "lastResult", "comOld", "comNew"),
    "kdniao": ("LogisticCode", "ShipperCode", "Success", "State", "StateEx", "Traces", "Reason", "ResultCode", "Data"),
    "easypost": ("tracking_code", "carrier", "status", "weight", "tracking_details", "description", "result"),
    "17track": (
        "code",
        "data",
        "accepted",
        "rejected",
        "number",
        "carrier",
        "track_info",
        "error",
        "event",
        "tracking",
    ),
    "aftership": ("meta", "code", "data", "trackings", "tracking_number", "slug", "tag", "subtag", "msg", "event"),
}
EVENTS = {
    "kuaidi100": ("time", "ftime", "context", "status", "statusCode", "areaName", "location"),
    "kdniao": ("AcceptTime", "AcceptStation", "Location", "Action", "Timezone"),
    "easypost": ("datetime", "message", "status", "status_detail", "carrier_code", "tracking_location"),
    "17track": ("time_utc", "time_iso", "description", "location", "stage", "sub_status", "address", "events"),
    "aftership": ("checkpoint_time", "message", "city", "state", "location", "tag", "subtag", "checkpoints"),
}
NUMBERS = {"kuaidi100": "YT1234567890123", "kdniao": "YT1234567890123", "easypost": "1Z999AA10123456784"}
NUMBERS |= dict.fromkeys(("17track", "aftership"), "1Z999AA10123456784")
PLACE = Address(country="CN", province="浙江省", city="杭州市", phone_last4="1234")
LIKELY = (
    *("N123456", "200", "500", "408", "yuantong", "YTO", "UPS", "0", "2", "3", "301", "406", "delivered", "polling"),
    *("2026-11-22 16:00:00", "Thu Mar 26 15:37:57 CST 2023", "2026-11-22T08:00:00Z", "9999-12-31 23:59:59"),
    *(
        "2026/11/22 16:00",
        "0001-01-01 00:00:00",
        "+99:99",
        "tracker.updated",
        "\ud800",
        "\x00\x1b[2J",
        "【张三,13812345678】",
        "x" * 700,
    ),
)
_leaves = st.one_of(
    st.sampled_from(LIKELY), st.none(), st.booleans(), st.integers(-(10**20), 10**20), st.floats(), st.text(max_size=20)
)


def _values(vendor: AnyVendor) -> st.SearchStrategy[Any]:
    names = st.sampled_from((*FIELDS[vendor], *EVENTS[vendor]))
    return st.recursive(
        _leaves,
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(names, inner, max_size=6)),
        max_leaves=12,
    )


@st.composite
def answers(draw: st.DrawFn, vendor: AnyVendor) -> bytes:
    """Bytes, JSON of any form, or an answer of nearly the right form."""
    if draw(st.integers(0, 5)) == 0:
        return draw(st.binary(max_size=200))
    values = _values(vendor)
    body: dict[str, Any] = {name: draw(values) for name in FIELDS[vendor] if draw(st.booleans())}
    if draw(st.booleans()):
        event = st.fixed_dictionaries({}, optional=dict.fromkeys(EVENTS[vendor], _leaves))
        events = draw(st.lists(event, max_size=4))
        body |= {"nu": "N123456", "LogisticCode": "N123456", "tracking_code": "N123456", "Success": True}
        body |= {"data": events, "Traces": events, "tracking_details": events, "status": draw(st.sampled_from(LIKELY))}
        if vendor == "17track":
            info = {"tracking": {"providers": [{"events": events}]}, "latest_status": {"status": draw(_leaves)}}
            body |= {"code": 0, "data": {"accepted": [{"number": "N123456", "track_info": info}]}}
        if vendor == "aftership":
            tracking = {"tracking_number": "N123456", "slug": "ups", "tag": draw(_leaves), "checkpoints": events}
            body |= {"meta": {"code": 200}, "data": {"trackings": [tracking]}}
    return json.dumps(body).encode()


def read(vendor: AnyVendor, raw: bytes, asked: TraceQuery) -> Trace:
    """As the adapters do with what came back."""
    try:
        trace = READ[vendor](Reply(status=200, raw=raw, source=vendor), asked)
        return trace or silent(asked, vendor, "unavailable", "it is not registered yet")
    except UnreadableAnswer as error:
        return silent(asked, vendor, "unavailable", str(error))


@pytest.mark.parametrize("vendor", VENDORS)
@given(data=st.data())
@settings(max_examples=at_least(40))
def test_any_answer_is_a_trace_or_a_silence(vendor: AnyVendor, data: st.DataObject) -> None:
    asked = query(vendor, "N123456", "sf" if data.draw(st.booleans()) else None, "1234")
    trace = read(vendor, data.draw(answers(vendor)), asked)
    json.dumps(trace.model_dump(mode="json"), ensure_ascii=False).encode()
    assert Trace.model_validate_json(trace.model_dump_json()) == trace
    assert [one.at for one in trace.scans] == sorted(one.at for one in trace.scans)
    if trace.answer in SILENT_ANSWERS:
        assert trace.scans == ()


@pytest.mark.parametrize("vendor", VENDORS)
@given(data=st.data())
@settings(max_examples=at_least(40))
def test_no_silence_is_a_verdict_against_the_merchant(vendor: AnyVendor, data: st.DataObject) -> None:
    trace = read(vendor, data.draw(st.binary(max_size=300)), query(vendor, NUMBERS[vendor]))
    assert trace.answer in SILENT_ANSWERS
    order = OrderFacts(order_id="A1", merchant_id="m-1", paid_at=START, ship_from=PLACE, ship_to=PLACE)
    parcel = ParcelFacts(parcel_id="p1", carrier=trace.carrier, waybill=trace.waybill, uploaded_at=START)
    policy = AuditPolicy()
    soon = audit(order, parcel, [trace], policy, START + policy.horizon / 2)
    late = audit(order, parcel, [trace], policy, START + policy.horizon * 2)
    # A provider that stays silent leaves the parcel to a person; nothing else happens.
    assert (soon.outcome, late.outcome) == ("pending", "needs_review")
    assert not soon.carrier_answered
    assert not late.carrier_answered
    assert not any(finding.outcome == "fail" for finding in (*soon.findings, *late.findings))


@pytest.mark.parametrize("vendor", VENDORS)
@given(data=st.data())
@settings(max_examples=at_least(40))
def test_any_push_is_read_or_unreadable(vendor: AnyVendor, data: st.DataObject) -> None:
    reader = carrier_of(account(vendor), None)  # type: ignore[arg-type]  # sends nothing
    assert isinstance(reader, PushReader)
    raw = data.draw(answers(vendor))
    if vendor in ("kuaidi100", "kdniao") and data.draw(st.booleans()):
        text = raw.decode(errors="replace")
        raw = urlencode({"param": text, "sign": "x", "RequestData": text, "RequestType": "101"}).encode()
    forged = data.draw(st.text(max_size=80))
    headers = {"x-hmac-signature": forged, "sign": forged, "aftership-hmac-sha256": forged}
    assert reader.verified(raw, headers) is False
    try:
        content = reader.read_push(raw)
    except UnreadableAnswer:
        return
    for pushed in content.parcels:
        assert pushed.trace.waybill.isascii()
        json.dumps(pushed.trace.model_dump(mode="json"), ensure_ascii=False).encode()
