"""The stand-in carrier's parcels in the dialects of the tracking vendors, signatures and refusals included.

It is written from the vendors' side, so an adapter's mistake in a signature or a code shows here.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, Literal
from urllib.parse import parse_qs, urlencode

from core.audit.services import codes_for
from core.audit.waybills import CARRIERS
from local.carrier import CarrierDesk, Track
from local.registering import RegisteringVendor, registering_push

Vendor = Literal["kuaidi100", "kdniao", "easypost"]
AnyVendor = Vendor | RegisteringVendor
Answer = tuple[int, dict[str, Any]]

CUSTOMER = "standin-customer"
KEY = "standin-key"
SALT = "standin-salt"
"""The account that the stand-ins accept, at each vendor."""

EASYPOST_NAMES = {
    "ups": "UPS",
    "usps": "USPS",
    "fedex": "FedEx",
    "dhl": "DHLExpress",
    "canada_post": "CanadaPost",
    "sf": "SFExpress",
}
_CHINA = timezone(timedelta(hours=8))
_KUAIDI100 = {
    "label": ("揽收", "101"),
    "picked_up": ("揽收", "103"),
    "in_transit": ("在途", "1002"),
    "arrived": ("在途", "1001"),
    "out_for_delivery": ("派件", "5"),
    "locker": ("派件", "501"),
    "delivered": ("签收", "301"),
    "returning": ("退回", "6"),
    "returned": ("退签", "4"),
    "refused": ("拒签", "14"),
    "exception": ("疑难", "204"),
    "customs": ("清关", "11"),
    "cancelled": ("疑难", "210"),
}
_KUAIDI100_STATE = {
    "揽收": "1",
    "在途": "0",
    "派件": "5",
    "签收": "3",
    "退回": "6",
    "退签": "4",
    "拒签": "14",
    "清关": "8",
}
_KDNIAO = {
    "label": "10",
    "picked_up": "1",
    "in_transit": "2",
    "arrived": "204",
    "out_for_delivery": "202",
    "locker": "211",
    "delivered": "301",
    "returning": "407",
    "returned": "406",
    "refused": "404",
    "exception": "405",
    "customs": "602",
    "cancelled": "415",
}
_EASYPOST = {
    "label": ("pre_transit", "label_created"),
    "picked_up": ("in_transit", "picked_up"),
    "in_transit": ("in_transit", "departed_facility"),
    "arrived": ("in_transit", "arrived_at_facility"),
    "out_for_delivery": ("out_for_delivery", "out_for_delivery"),
    "locker": ("available_for_pickup", "available_for_pickup"),
    "delivered": ("delivered", "arrived_at_destination"),
    "returning": ("return_to_sender", "return"),
    "returned": ("return_to_sender", "delivered"),
    "refused": ("failure", "refused"),
    "exception": ("failure", "unknown"),
    "customs": ("in_transit", "unknown"),
    "cancelled": ("cancelled", "unknown"),
}

Scans = Sequence[Mapping[str, Any]]
"""Scans as the carrier's desk gives them: ascending, times in UTC."""


class Dialects:
    """Answers the vendors' questions from the parcels of a carrier's desk.

    `interval_s`: the time within which Kuaidi100 locks a number that is queried again.
    """

    def __init__(self, desk: CarrierDesk) -> None:
        self._desk = desk
        self._asked: dict[str, float] = {}
        self.interval_s = 0.0

    def about(self, vendor: Vendor, body: bytes) -> str:
        """The number that a request is about, for faults; "" where it cannot be read."""
        try:
            return _question(vendor, body)[1]
        except (ValueError, KeyError, AttributeError, TypeError):
            return ""

    def answer(self, vendor: Vendor, body: bytes, authorization: str = "", *, stale: bool = False) -> Answer:
        """The vendor's answer to a request body."""
        try:
            code, waybill, phone = _question(vendor, body)
        except (ValueError, KeyError, AttributeError, TypeError):
            return _malformed(vendor)
        if not _signed(vendor, body, authorization):
            return _unsigned(vendor)
        carrier = _carrier(vendor, code, waybill)
        if vendor == "kuaidi100" and self._locked(waybill):
            return 200, {"result": False, "returnCode": "400", "message": "查询过于频繁，单号已锁定"}
        answer = self._desk.track(Track(carrier=carrier, waybill=waybill, phone_last4=phone or None), stale=stale)
        if carrier != code and answer["status"] == "no_trace" and "detail" not in answer:
            # A test may have registered the scans under a service of the carrier, by the vendor's name.
            answer = self._desk.track(Track(carrier=code, waybill=waybill, phone_last4=phone or None), stale=stale)
        if vendor == "kuaidi100" and "detail" in answer:
            return 200, {"result": False, "returnCode": "408", "message": "快递公司参数异常：验证码错误"}
        scans = answer.get("scans", ())
        match vendor:
            case "kuaidi100":
                return 200, _kuaidi100(code, waybill, scans) if scans else _kuaidi100_nothing()
            case "kdniao":
                return 200, _kdniao(code, waybill, scans)
            case "easypost":
                return 201, _easypost(code, waybill, scans)

    def trackers(self, authorization: str) -> Answer:
        """EasyPost's list of trackers: empty for a valid account."""
        if not _signed("easypost", b"", authorization):
            return _unsigned("easypost")
        return 200, {"trackers": [], "has_more": False}

    @staticmethod
    def subscribed(body: bytes) -> str:
        """The number that a subscription is about, for faults; "" where it cannot be read."""
        try:
            return str(json.loads(_form(body)["param"])["number"])
        except (ValueError, KeyError, TypeError):
            return ""

    def subscribe(self, body: bytes) -> Answer:
        """Kuaidi100's subscription: a repeated one gets its own code."""
        try:
            param = json.loads(_form(body)["param"])
            number, key = str(param["number"]), param["key"]
            company, parameters = str(param["company"]), dict(param.get("parameters") or {})
        except (ValueError, KeyError, TypeError):
            return 200, {"result": False, "returnCode": "700", "message": "数据错误"}
        if key != KEY:
            return 200, {"result": False, "returnCode": "600", "message": "您不是合法的订阅者"}
        callback, salt = str(parameters.get("callbackurl", "")), str(parameters.get("salt", ""))
        if not callback:
            return 200, {"result": False, "returnCode": "700", "message": "数据错误"}
        if not self._desk.subscribe(_carrier("kuaidi100", company, number), number, callback, salt):
            return 200, {"result": False, "returnCode": "501", "message": "重复订阅"}
        return 200, {"result": True, "returnCode": "200", "message": "提交成功"}

    def push(self, waybill: str) -> bytes | None:
        """Kuaidi100's push about a subscribed number; None if it is not subscribed, or has no scan."""
        wanted = self._desk.subscription(waybill)
        if wanted is None:
            return None
        scans = self._desk.scans(wanted["carrier"], waybill)
        return push_of("kuaidi100", wanted["carrier"], waybill, scans, salt=wanted["salt"])[0] if scans else None

    def _locked(self, waybill: str) -> bool:
        last, now = self._asked.get(waybill), time.monotonic()
        self._asked[waybill] = now
        return last is not None and now - last < self.interval_s


# --- questions -------------------------------------------------------------------------------------------


def _question(vendor: Vendor, body: bytes) -> tuple[str, str, str]:
    """The vendor's code of the carrier, the number, and the last four digits of a phone."""
    if vendor == "easypost":
        tracker = json.loads(body)["tracker"]
        return str(tracker["carrier"]), str(tracker["tracking_code"]), ""
    form = _form(body)
    if vendor == "kuaidi100":
        param = json.loads(form["param"])
        return str(param["com"]), str(param["num"]), str(param.get("phone", ""))
    data = json.loads(form["RequestData"])
    return str(data["ShipperCode"]), str(data["LogisticCode"]), str(data.get("CustomerName", ""))


def _form(body: bytes) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(body.decode(), keep_blank_values=True).items()}


def _signed(vendor: Vendor, body: bytes, authorization: str) -> bool:
    if vendor == "easypost":
        return authorization == "Basic " + base64.b64encode(f"{KEY}:".encode()).decode()
    form = _form(body)
    if vendor == "kuaidi100":
        return form.get("customer") == CUSTOMER and form.get("sign") == _md5(form["param"] + KEY + CUSTOMER).upper()
    right = base64.b64encode(_md5(form["RequestData"] + KEY).encode()).decode()
    known = form.get("EBusinessID") == CUSTOMER and form.get("RequestType") == "8001" and form.get("DataType") == "2"
    return known and form.get("DataSign") == right


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _carrier(vendor: Vendor, code: str, waybill: str) -> str:
    """Our id of the carrier, or else the vendor's code, under which no parcel is known.

    A carrier's service does not know the parcels of another of its services: the code must fit the number.
    """
    for carrier in CARRIERS.carriers:
        main = EASYPOST_NAMES.get(carrier.id, "") if vendor == "easypost" else str(getattr(carrier, vendor))
        if code in (main, *(getattr(service, vendor) for service in carrier.services)):
            known = codes_for(vendor, carrier, main, waybill)
            return carrier.id if code in known.codes else code
    return code


def _code(vendor: Vendor, carrier: str) -> str:
    if vendor == "easypost":
        return EASYPOST_NAMES.get(carrier, carrier)
    known = CARRIERS.carrier(carrier)
    return str(getattr(known, vendor)) if known is not None else carrier


# --- answers ---------------------------------------------------------------------------------------------


def _malformed(vendor: Vendor) -> Answer:
    match vendor:
        case "kuaidi100":
            return 200, {"result": False, "returnCode": "400", "message": "提交的数据不完整"}
        case "kdniao":
            return 200, {"EBusinessID": CUSTOMER, "Success": False, "ResultCode": "101", "Reason": "缺少必要参数"}
        case "easypost":
            return 422, {"error": {"code": "PARAMETER.REQUIRED", "message": "Missing required parameter."}}


def _unsigned(vendor: Vendor) -> Answer:
    match vendor:
        case "kuaidi100":
            return 200, {"result": False, "returnCode": "503", "message": "验证签名失败"}
        case "kdniao":
            return 200, {"EBusinessID": CUSTOMER, "Success": False, "ResultCode": "102", "Reason": "校验问题"}
        case "easypost":
            return 401, {"error": {"code": "APIKEY.INACTIVE", "message": "This api key is no longer active."}}


def _china(scan: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(scan["at"]).astimezone(_CHINA)


def _kuaidi100_nothing() -> dict[str, Any]:
    return {"result": False, "returnCode": "500", "message": "查询无结果，请隔段时间再查"}


def _kuaidi100(code: str, waybill: str, scans: Scans) -> dict[str, Any]:
    events = []
    for scan in reversed(scans):
        status, status_code = _KUAIDI100[scan["stage"]]
        at = _china(scan).strftime("%Y-%m-%d %H:%M:%S")
        place = {"areaName": scan["city"], "location": scan["city"]} if scan.get("city") else {}
        text = scan.get("text") or status
        events.append({"time": at, "ftime": at, "context": text, "status": status, "statusCode": status_code, **place})
    state = _KUAIDI100_STATE.get(events[0]["status"], "2") if events else "0"
    return {
        "message": "ok",
        "nu": waybill,
        "ischeck": "1" if state == "3" else "0",
        "com": code,
        "status": "200",
        "state": state,
        "condition": "F00",
        "data": events,
    }


def _kdniao(code: str, waybill: str, scans: Scans) -> dict[str, Any]:
    head = {"EBusinessID": CUSTOMER, "ShipperCode": code, "LogisticCode": waybill, "Success": True}
    if not scans:
        return {**head, "State": "0", "StateEx": "0", "Traces": [], "Reason": "暂无轨迹信息"}
    events = []
    for number, scan in enumerate(scans):
        # Both of its formats; the second with a wrong weekday, as is common.
        form = "%Y-%m-%d %H:%M:%S" if number % 2 == 0 else "Thu %b %d %H:%M:%S CST %Y"
        event = {"AcceptTime": _china(scan).strftime(form), "AcceptStation": scan.get("text") or "快件"}
        events.append({**event, "Location": scan.get("city") or "", "Action": _KDNIAO[scan["stage"]]})
    last = events[-1]["Action"]
    return {**head, "State": last[:1], "StateEx": last, "Location": events[-1]["Location"], "Traces": events}


def _easypost(code: str, waybill: str, scans: Scans) -> dict[str, Any]:
    details = []
    for scan in scans:
        status, detail = _EASYPOST[scan["stage"]]
        details.append(
            {
                "object": "TrackingDetail",
                "message": scan.get("text") or status,
                "status": status,
                "status_detail": detail,
                "datetime": datetime.fromisoformat(scan["at"]).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "source": code,
                "tracking_location": {"object": "TrackingLocation", "city": scan.get("city"), "state": None},
            }
        )
    return {
        "id": "trk_" + _md5(f"{code}/{waybill}"),
        "object": "Tracker",
        "mode": "test",
        "tracking_code": waybill,
        "status": details[-1]["status"] if details else "unknown",
        "carrier": code,
        "weight": None,
        "is_return": False,
        "tracking_details": details,
    }


# --- pushes ----------------------------------------------------------------------------------------------


def push_of(
    vendor: AnyVendor, carrier: str, waybill: str, scans: Scans, *, salt: str = SALT, **more: Any
) -> tuple[bytes, dict[str, str]]:
    """A vendor's push about a parcel: body and headers, signed.

    Args:
        salt: Kuaidi100's salt, from the subscription.
        more: further fields of the push, such as Kuaidi100's `status` and `comNew`.
    """
    if vendor == "17track" or vendor == "aftership":  # two comparisons narrow the type, one does not
        return registering_push(vendor, carrier, waybill, scans, KEY, SALT)
    code = _code(vendor, carrier)
    form_type = {"Content-Type": "application/x-www-form-urlencoded"}
    match vendor:
        case "kuaidi100":
            answer = _kuaidi100(code, waybill, scans)
            status = "shutdown" if answer["state"] == "3" else "polling"
            push = {"status": status, "message": "", "autoCheck": "0", "comOld": "", "comNew": "", **more}
            param = json.dumps({**push, "lastResult": answer}, ensure_ascii=False)
            return urlencode({"param": param, "sign": _md5(param + salt).upper()}).encode(), form_type
        case "kdniao":
            data = json.dumps(
                {"EBusinessID": CUSTOMER, "Count": "1", "Data": [_kdniao(code, waybill, scans)], **more},
                ensure_ascii=False,
            )
            sign = base64.b64encode(_md5(data + KEY).encode()).decode()
            return urlencode({"RequestData": data, "RequestType": "101", "DataSign": sign}).encode(), form_type
        case "easypost":
            event = {"object": "Event", "description": "tracker.updated", "mode": "test", **more}
            body = json.dumps({**event, "result": _easypost(code, waybill, scans)}).encode()
            digest = hmac.new(SALT.encode(), body, hashlib.sha256).hexdigest()
            return body, {"Content-Type": "application/json", "X-Hmac-Signature": f"hmac-sha256-hex={digest}"}
