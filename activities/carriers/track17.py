"""17TRACK, an aggregator of more than 2,000 carriers: numbers are registered once, then queried and pushed.

A newly registered number has no trace yet; that says nothing about the parcel. Events come grouped by
the carriers that had the parcel, newest first; each has the time in UTC.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import BeforeValidator

from activities.carriers.asking import Question, Questions
from activities.carriers.base import (
    Checked,
    PushContent,
    Silence,
    TraceQuery,
    found,
    nothing_found,
    one_parcel,
    readable,
    refuse_another,
    silent,
)
from activities.carriers.reading import (
    VendorList,
    VendorText,
    VendorWords,
    entry_of,
    local_time,
    number_of,
    only_object,
    read_each,
    scan_of,
    with_unread,
)
from activities.http import HttpClient, Reply
from core.audit.trace import Trace, TraceAnswer
from core.audit.waybills import carrier as known_carrier
from core.errors import Unavailable, UnreadableAnswer
from core.fields import Message
from core.messages import Scan, Stage

PROVIDER: Final = "17track"
SIGNATURE = "sign"
BASE = "track/v2.2"

CARRIERS: Mapping[str, int] = {
    "canada_post": 3041,
    "china_post": 3011,
    "correios": 2151,
    "dhl": 100001,
    "ems": 3013,
    "fedex": 100003,
    "gls": 100005,
    "japan_post": 10021,
    "la_poste": 6051,
    "royal_mail": 11031,
    "sf": 100012,
    "ups": 100002,
    "usps": 21051,
}
"""Our carriers that it covers, with its keys."""
_OURS = {key: carrier for carrier, key in CARRIERS.items()}

_STAGES: Mapping[str, Stage] = {
    "InfoReceived": "label",
    "InTransit": "in_transit",
    "Expired": "exception",
    "AvailableForPickup": "locker",
    "OutForDelivery": "out_for_delivery",
    "DeliveryFailure": "exception",
    "Delivered": "delivered",
    "Exception": "exception",
    "InTransit_PickedUp": "picked_up",
    "InTransit_Arrival": "arrived",
    "InTransit_CustomsProcessing": "customs",
    "InTransit_CustomsReleased": "customs",
    "InTransit_CustomsRequiringInformation": "customs",
    "DeliveryFailure_Rejected": "refused",
    "Exception_Rejected": "refused",
    "Exception_Returning": "returning",
    "Exception_Returned": "returned",
    "Exception_Cancel": "cancelled",
}
"""Its states and, if they are more precise, its finer ones."""
_NOT_REGISTERED, _NO_INFORMATION = -18019902, -18019909
_SILENT: Mapping[int, Silence] = {
    -18010001: "auth",  # our address is not on its list
    -18010002: "auth",  # the key is wrong
    -18010004: "auth",  # the account is switched off
    -18019907: "throttled",  # the day's limit
    -18019908: "auth",  # the quota is used up
}
_SAID: Mapping[int, TraceAnswer] = {_NO_INFORMATION: "no_trace", -18010012: "bad_number"}
_STATUS: Mapping[int, Silence] = {401: "auth", 403: "auth", 429: "throttled"}


class _Address(Message):
    city: VendorWords = None
    state: VendorWords = None


class _Event(Message):
    time_utc: VendorText = None
    time_iso: VendorText = None
    description: VendorWords = None
    location: VendorWords = None
    stage: VendorText = None
    sub_status: VendorText = None
    address: Annotated[_Address | None, BeforeValidator(only_object)] = None


class _Group(Message):
    events: VendorList = ()


class _Tracking(Message):
    providers: VendorList = ()


class _Latest(Message):
    status: VendorText = None
    sub_status: VendorText = None


class _Info(Message):
    latest_status: _Latest | None = None
    tracking: _Tracking | None = None


class _Parcel(Message):
    number: VendorText = None
    carrier: int | None = None
    track_info: _Info | None = None


class _Error(Message):
    code: int
    message: VendorText = None


class _Rejected(Message):
    number: VendorText = None
    error: _Error


class _Data(Message):
    accepted: VendorList = ()
    rejected: VendorList = ()
    errors: VendorList = ()


class _Answer(Message):
    code: int
    data: _Data | None = None


class _Webhook(Message):
    event: VendorText = None
    data: dict[str, Any] = {}


class Track17Carrier:
    """Asks 17TRACK.

    Args:
        http: at its base address.
        key: of the account, which also signs what it pushes.
    """

    name = PROVIDER

    def __init__(self, http: HttpClient, *, key: str) -> None:
        self._http, self._key = http, key

    def serves(self, carrier: str) -> bool:
        """See `Carrier.serves`."""
        return carrier in CARRIERS

    def questions(self, query: TraceQuery) -> Questions:
        """See `Asking.questions`. It has one key a carrier, so its "no" leaves other services open."""
        carrier = known_carrier(query.carrier)
        # It gets no digits of a phone, so a carrier that wants them may hide the parcel.
        certain = carrier is not None and not carrier.services and not carrier.needs_phone
        return Questions((Question("", query),), certain=certain)

    async def trace(self, query: TraceQuery) -> Trace:
        """See `Carrier.trace`. An unregistered number is registered, and queried again later."""
        if query.carrier not in CARRIERS:
            return nothing_found(query, PROVIDER, "unknown_carrier", f"{PROVIDER} does not serve {query.carrier}")
        try:
            trace = read_answer(await self._ask("gettrackinfo", query), query)
            if trace is not None:
                return trace
            registered = await self._ask("register", query)
            if (refused := _refusal(registered, query)) is not None:
                return refused
            trace = read_answer(await self._ask("gettrackinfo", query), query)
        except (Unavailable, UnreadableAnswer) as error:
            return silent(query, PROVIDER, "unavailable", str(error))
        if trace is None or trace.answer == "no_trace":
            return silent(query, PROVIDER, "unavailable", "registered a moment ago: it has not looked yet")
        return trace

    async def check(self) -> Checked:
        """See `Checkable.check`: the rest of our quota; this query is free."""
        try:
            reply = await self._http.ask("POST", f"{BASE}/getquota", content=b"", headers=self._headers())
            answer = reply.read(_Answer) if reply.status == 200 else None
        except (Unavailable, UnreadableAnswer) as error:
            return Checked(outcome="unreachable", detail=str(error))
        if answer is not None and answer.code == 0:
            return Checked(outcome="accepted")
        refused = _STATUS.get(reply.status) == "auth" or (answer is not None and _SILENT.get(answer.code) == "auth")
        detail = f"answered {reply.status} {answer.code if answer else ''}".strip()
        return Checked(outcome="refused" if refused else "cannot_tell", detail=detail)

    async def _ask(self, what: str, query: TraceQuery) -> Reply:
        body = json.dumps([{"number": query.waybill, "carrier": CARRIERS[query.carrier]}]).encode()
        return await self._http.ask("POST", f"{BASE}/{what}", content=body, headers=self._headers())

    def _headers(self) -> dict[str, str]:
        return {"17token": self._key, "Content-Type": "application/json"}

    # --- what it pushes ---

    def verified(self, body: bytes, headers: Mapping[str, str]) -> bool:
        """See `PushReader.verified`: a header has a digest of the body and our key."""
        expected = hashlib.sha256(body + b"/" + self._key.encode()).hexdigest()
        given = headers.get(SIGNATURE, "").strip().lower()
        return bool(self._key) and hmac.compare_digest(expected.encode(), given.encode(errors="replace"))

    def signed_part(self, body: bytes) -> bytes:
        """See `SignsAPart`: the body's bytes, under any spelling of the header that signs them."""
        return body

    def read_push(self, body: bytes) -> PushContent:
        """See `PushReader.read_push`. The news that it stopped following a number says nothing about the parcel."""
        event = Reply(status=200, raw=body, source=PROVIDER).read(_Webhook)
        if event.event != "TRACKING_UPDATED":
            return PushContent()
        parcel = Reply.parsed(event.data, _Parcel, PROVIDER)
        waybill = number_of(parcel.number)
        carrier = _OURS.get(parcel.carrier or 0)
        if carrier is None:
            raise UnreadableAnswer(f"{waybill} is of the carrier {parcel.carrier}, which is none of ours")
        return one_parcel(*_trace(parcel, TraceQuery(carrier=carrier, waybill=waybill)))

    def acknowledge(self, now: datetime, *, taken: bool, why: str = "") -> bytes:
        """See `PushReader.acknowledge`: it reads only the status."""
        return b"{}"


def read_answer(reply: Reply, query: TraceQuery) -> Trace | None:
    """The port's answer from a reply to a query; None if the number is not registered.

    Raises:
        UnreadableAnswer: it cannot be read, or is about another number.
    """
    if reply.status != 200:
        return silent(query, PROVIDER, _STATUS.get(reply.status, "unavailable"), f"answered {reply.status}")
    answer = reply.read(_Answer)
    if answer.code != 0 or answer.data is None:
        return silent(query, PROVIDER, _SILENT.get(answer.code, "unavailable"), f"answered {answer.code}")
    if answer.data.accepted:
        parcel = entry_of(answer.data.accepted[0], _Parcel, PROVIDER)
        refuse_another(parcel.number, query)
        return readable(*_trace(parcel, query))
    for item in answer.data.rejected:
        rejected = entry_of(item, _Rejected, PROVIDER)
        refuse_another(rejected.number, query)
        if rejected.error.code == _NOT_REGISTERED:
            return None
        return _of_error(rejected.error, query)
    raise UnreadableAnswer("answered about no waybill")


def _refusal(reply: Reply, query: TraceQuery) -> Trace | None:
    """Why a number was not registered; None if it is, also from before."""
    if reply.status != 200:
        return silent(query, PROVIDER, _STATUS.get(reply.status, "unavailable"), f"answered {reply.status}")
    answer = reply.read(_Answer)
    if answer.code != 0 or answer.data is None:
        return silent(query, PROVIDER, _SILENT.get(answer.code, "unavailable"), f"answered {answer.code}")
    for item in answer.data.rejected:
        error = entry_of(item, _Rejected, PROVIDER).error
        if error.code != -18019901:
            return _of_error(error, query)
    return None


def _of_error(error: _Error, query: TraceQuery) -> Trace:
    detail = f"{error.code} {error.message or ''}".strip()
    if error.code in _SAID:
        return nothing_found(query, PROVIDER, _SAID[error.code], detail)
    return silent(query, PROVIDER, _SILENT.get(error.code, "unavailable"), detail)


def _trace(parcel: _Parcel, query: TraceQuery) -> tuple[Trace, list[str]]:
    """The trace, and why some events cannot be read."""
    info = parcel.track_info or _Info()
    groups = info.tracking.providers if info.tracking else ()
    events = [event for group in groups for event in entry_of(group, _Group, PROVIDER).events]
    scans, unread = read_each(events, lambda item: _scan(entry_of(item, _Event, PROVIDER)))
    latest = info.latest_status or _Latest()
    if not scans and latest.sub_status == "NotFound_InvalidCode":
        return nothing_found(query, PROVIDER, "bad_number", latest.sub_status), unread
    if not scans and (unread or latest.status not in ("NotFound", "InfoReceived")):
        why = with_unread(f"{str(latest.status)[:40]} without a single event", unread)
        return silent(query, PROVIDER, "unavailable", why or ""), unread
    carrier = _OURS.get(parcel.carrier or 0)
    return found(query, PROVIDER, scans, with_unread(None, unread), carrier=carrier), unread


def _scan(event: _Event) -> Scan:
    code = event.sub_status or event.stage or "InTransit"
    stage = _STAGES.get(code) or _STAGES.get(code.partition("_")[0], "in_transit")
    place = event.address
    written = ", ".join(part for part in (place.city, place.state) if part) if place and place.city else event.location
    at = local_time(event.time_utc or event.time_iso, "+00:00")
    return scan_of(at, code, stage, written, event.description)
