"""The stand-in carrier's parcels in the dialects of 17TRACK and AfterShip, which know only registered numbers.

It is written from the vendors' side, as `local.dialects`: an adapter's mistake in a signature or a code shows here.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.carrier import CarrierDesk, Track

RegisteringVendor = Literal["17track", "aftership"]
Answer = tuple[int, dict[str, Any]]
Scans = Sequence[Mapping[str, Any]]
Misbehaving = Callable[..., Awaitable[Response]]

TRACK17_KEYS = {"ups": 100002, "usps": 21051, "fedex": 100003, "dhl": 100001, "sf": 100012, "china_post": 3011}
AFTERSHIP_SLUGS = {"ups": "ups", "usps": "usps", "fedex": "fedex", "dhl": "dhl", "sf": "sf-express", "yto": "yto"}
_TRACK17 = {
    "label": "InfoReceived",
    "picked_up": "InTransit_PickedUp",
    "in_transit": "InTransit_Other",
    "arrived": "InTransit_Arrival",
    "out_for_delivery": "OutForDelivery_Other",
    "locker": "AvailableForPickup_Other",
    "delivered": "Delivered_Other",
    "returning": "Exception_Returning",
    "returned": "Exception_Returned",
    "refused": "Exception_Rejected",
    "exception": "Exception_Other",
    "customs": "InTransit_CustomsProcessing",
    "cancelled": "Exception_Cancel",
}
_AFTERSHIP = {
    "label": "InfoReceived_001",
    "picked_up": "InTransit_002",
    "in_transit": "InTransit_001",
    "arrived": "InTransit_003",
    "out_for_delivery": "OutForDelivery_001",
    "locker": "AvailableForPickup_001",
    "delivered": "Delivered_001",
    "returning": "Exception_010",
    "returned": "Exception_011",
    "refused": "Exception_003",
    "exception": "Exception_001",
    "customs": "Exception_004",
    "cancelled": "Exception_001",
}


class Registering:
    """Both vendors' questions about the parcels of a carrier's desk.

    Args:
        key: of the account that they accept.
        misbehaving: answers, or misbehaves as a fault says (see `local.world`).
    """

    def __init__(self, desk: CarrierDesk, key: str, misbehaving: Misbehaving) -> None:
        self._desk, self._key, self._misbehaving = desk, key, misbehaving
        self._known: set[tuple[str, str, str]] = set()

    def routes(self) -> list[Route]:
        """The vendors' paths."""
        track17, aftership = "/17track/track/v2.2", "/aftership/tracking/2024-07/trackings"
        return [
            Route(f"{track17}/gettrackinfo", self._endpoint(self._track17_look_up), methods=["POST"]),
            Route(f"{track17}/register", self._endpoint(self._track17_register), methods=["POST"]),
            Route(f"{track17}/getquota", self._endpoint(self._track17_quota), methods=["POST"]),
            Route(aftership, self._endpoint(self._aftership_list), methods=["GET"]),
            Route(aftership, self._endpoint(self._aftership_create), methods=["POST"]),
        ]

    def _endpoint(self, answer: Callable[[bytes, bool, bool], Answer]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            body = await request.body() if request.method == "POST" else request.url.query.encode()
            ours = self._key in (request.headers.get("17token"), request.headers.get("as-api-key"))
            return await self._misbehaving(
                "carrier",
                "track",
                frozenset({_about(body)}),
                lambda: answer(body, ours, False),
                lambda: answer(body, ours, True),
            )

        return endpoint

    def _scans(self, carrier: str, waybill: str, stale: bool) -> Scans:
        answer = self._desk.track(Track(carrier=carrier, waybill=waybill), stale=stale)
        return answer.get("scans", ())  # type: ignore[no-any-return]  # the desk's own JSON

    # --- 17TRACK ---

    def _track17_quota(self, body: bytes, ours: bool, stale: bool) -> Answer:
        return (200, {"code": 0, "data": {"quota_remain": 100}}) if ours else (401, {"code": -18010002, "data": {}})

    def _track17_register(self, body: bytes, ours: bool, stale: bool) -> Answer:
        if not ours:
            return 401, {"code": -18010002, "data": {}}
        key, number = _track17_question(body)
        first = ("17track", str(key), number) not in self._known
        self._known.add(("17track", str(key), number))
        if first:
            return 200, {
                "code": 0,
                "data": {"accepted": [{"origin": 1, "number": number, "carrier": key}], "rejected": []},
            }
        return 200, _rejected(number, -18019901, "has been registered, don't need to repeat registration")

    def _track17_look_up(self, body: bytes, ours: bool, stale: bool) -> Answer:
        if not ours:
            return 401, {"code": -18010002, "data": {}}
        key, number = _track17_question(body)
        if ("17track", str(key), number) not in self._known:
            return 200, _rejected(number, -18019902, "does not register, please register first")
        carrier = next((ours_ for ours_, theirs in TRACK17_KEYS.items() if theirs == key), str(key))
        parcel = track17_parcel(key, number, self._scans(carrier, number, stale))
        return 200, {"code": 0, "data": {"accepted": [parcel], "rejected": []}}

    # --- AfterShip ---

    def _aftership_create(self, body: bytes, ours: bool, stale: bool) -> Answer:
        if not ours:
            return 401, _meta(401, "The API key is invalid.")
        asked = json.loads(body)
        named = ("aftership", asked["slug"], asked["tracking_number"])
        if named in self._known:
            return 400, _meta(4003, "Tracking already exists.")
        self._known.add(named)
        return 201, {"meta": {"code": 201}, "data": aftership_tracking(named[1], named[2], ())}

    def _aftership_list(self, body: bytes, ours: bool, stale: bool) -> Answer:
        if not ours:
            return 401, _meta(401, "The API key is invalid.")
        asked = parse_qs(body.decode())
        slug, number = asked.get("slug", [""])[0], asked.get("tracking_numbers", [""])[0]
        if ("aftership", slug, number) not in self._known:
            return 200, {"meta": {"code": 200}, "data": {"pagination": {"total": 0}, "trackings": []}}
        carrier = next((ours_ for ours_, theirs in AFTERSHIP_SLUGS.items() if theirs == slug), slug)
        tracking = aftership_tracking(slug, number, self._scans(carrier, number, stale))
        return 200, {"meta": {"code": 200}, "data": {"pagination": {"total": 1}, "trackings": [tracking]}}


def track17_parcel(key: int, number: str, scans: Scans) -> dict[str, Any]:
    """A parcel as 17TRACK shows it: newest event first."""
    events = [
        {
            "time_iso": scan["at"],
            "time_utc": datetime.fromisoformat(scan["at"]).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "description": scan.get("text") or _TRACK17[scan["stage"]],
            "location": scan.get("city"),
            "stage": _TRACK17[scan["stage"]].partition("_")[0],
            "sub_status": _TRACK17[scan["stage"]],
            "address": {"country": None, "state": None, "city": scan.get("city"), "street": None, "postal_code": None},
        }
        for scan in reversed(scans)
    ]
    latest = events[0]["sub_status"] if events else "NotFound_Other"
    status = {"status": str(latest).partition("_")[0], "sub_status": latest, "sub_status_descr": None}
    providers = [{"provider": {"key": key}, "events_hash": 1, "events": events}] if events else []
    info = {"latest_status": status, "tracking": {"providers_hash": 1, "providers": providers}}
    return {"number": number, "carrier": key, "param": None, "tag": "", "track_info": info}


def aftership_tracking(slug: str, number: str, scans: Scans) -> dict[str, Any]:
    """A tracking as AfterShip shows it: oldest checkpoint first."""
    checkpoints = [
        {
            "checkpoint_time": scan["at"],
            "message": scan.get("text") or _AFTERSHIP[scan["stage"]],
            "city": scan.get("city"),
            "state": None,
            "location": scan.get("city"),
            "tag": _AFTERSHIP[scan["stage"]].partition("_")[0],
            "subtag": _AFTERSHIP[scan["stage"]],
            "slug": slug,
        }
        for scan in scans
    ]
    last = str(checkpoints[-1]["subtag"]) if checkpoints else "Pending_001"
    return {
        "id": hashlib.sha256(f"{slug}/{number}".encode()).hexdigest()[:24],
        "tracking_number": number,
        "slug": slug,
        "tag": last.partition("_")[0],
        "subtag": last,
        "checkpoints": checkpoints,
    }


def registering_push(
    vendor: RegisteringVendor, carrier: str, waybill: str, scans: Scans, key: str, secret: str
) -> tuple[bytes, dict[str, str]]:
    """A vendor's push about a parcel: body and headers, signed."""
    json_type = {"Content-Type": "application/json"}
    if vendor == "17track":
        parcel = track17_parcel(TRACK17_KEYS.get(carrier, 999999), waybill, scans)
        body = json.dumps({"event": "TRACKING_UPDATED", "data": parcel}, ensure_ascii=False).encode()
        return body, {**json_type, "sign": hashlib.sha256(body + b"/" + key.encode()).hexdigest()}
    tracking = aftership_tracking(AFTERSHIP_SLUGS.get(carrier, carrier), waybill, scans)
    body = json.dumps({"event": "tracking_update", "event_id": "e1", "msg": tracking}, ensure_ascii=False).encode()
    digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    return body, {**json_type, "aftership-hmac-sha256": base64.b64encode(digest).decode()}


def _about(body: bytes) -> str:
    """The number that a request is about, for faults; "" if it cannot be read."""
    try:
        if body.startswith((b"[", b"{")):
            asked = json.loads(body)
            asked = asked[0] if isinstance(asked, list) else asked
            return str(asked.get("number") or asked.get("tracking_number") or "")
        return parse_qs(body.decode()).get("tracking_numbers", [""])[0]
    except (ValueError, AttributeError, IndexError):
        return ""


def _track17_question(body: bytes) -> tuple[int, str]:
    asked = json.loads(body)[0]
    return int(asked.get("carrier") or 0), str(asked["number"])


def _rejected(number: str, code: int, why: str) -> dict[str, Any]:
    error = {"code": code, "message": f"The tracking number '{number}' {why}."}
    return {"code": 0, "data": {"accepted": [], "rejected": [{"number": number, "error": error}]}}


def _meta(code: int, message: str) -> dict[str, Any]:
    return {
        "meta": {"code": code, "message": message, "type": "Unauthorized" if code == 401 else "BadRequest"},
        "data": {},
    }
