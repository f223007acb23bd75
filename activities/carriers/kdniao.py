"""Kdniao (快递鸟), an aggregator: query by carrier and number, and what it pushes.

Its `State` 0 is "no trace yet" and 2 is a parcel in transit; Kuaidi100 uses 0 and 2 for other things. Its 4 stays once
it is set. So the finer codes count: of each event (`Action`) and of the parcel (`StateEx`).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final, Literal
from urllib.parse import unquote, urlencode

from pydantic import Field

from activities.carriers.asking import Question, Questions, questions_about
from activities.carriers.base import (
    PushContent,
    Pushed,
    Silence,
    TraceQuery,
    found,
    nothing_found,
    refuse_another,
    silent,
)
from activities.carriers.reading import (
    CHINA,
    VendorList,
    VendorText,
    VendorWords,
    entry_of,
    form_of,
    local_time,
    needs_phone,
    number_of,
    read_each,
    scan_of,
    with_unread,
)
from activities.http import HttpClient, Reply
from core.audit.services import carrier_called, codes_for
from core.audit.trace import Lacking, Trace
from core.audit.waybills import CARRIERS
from core.errors import Unavailable, UnreadableAnswer
from core.fields import Message
from core.messages import Scan, Stage

PROVIDER: Final = "kdniao"
QUERY = "8001"
FORM = {"Content-Type": "application/x-www-form-urlencoded;charset=utf-8"}

STAGES: dict[str, Stage | None] = {
    "0": None,
    "1": "picked_up",
    "10": "label",  # waits to be picked up
    "2": "in_transit",
    "201": "arrived",
    "202": "out_for_delivery",
    "204": "arrived",
    "205": "arrived",
    "206": "in_transit",
    "211": "locker",
    "3": "delivered",
    "301": "delivered",
    "302": "delivered",
    "304": "delivered",
    "311": "delivered",  # the carrier reports a drop-off at a locker or station as signed for
    "4": "exception",
    "401": None,  # announced, nothing else known
    "402": "exception",
    "403": "exception",
    "404": "refused",
    "405": "exception",
    "406": "returned",
    "407": "returning",
    "412": "locker",
    "413": "returning",  # stopped in transit at the sender's request
    "414": "exception",
    "415": "cancelled",
    "416": "exception",
    "417": "exception",
    "418": "exception",
    "419": "out_for_delivery",
    "420": "exception",
    "421": "exception",
    "422": "exception",
    "423": "exception",
    "5": "in_transit",  # forwarded to another address
    "6": "customs",
    "601": "customs",
    "602": "customs",
    "603": "customs",
    "604": "customs",
}
"""All codes of `Action` and `StateEx`; None says that there is no trace."""

_SILENT: dict[str, Silence] = {"102": "auth", "104": "auth"}
_NOTHING_KNOWN = "暂无轨迹信息"
_TOO_OFTEN = ("频繁", "次数", "超限", "并发")
_PUSHES = frozenset({"101", "102"})


class _Event(Message):
    AcceptTime: VendorText = None
    AcceptStation: VendorWords = None
    Location: VendorWords = None
    Action: VendorText = None
    Timezone: VendorText = None


class _Answer(Message):
    ShipperCode: VendorText = None
    LogisticCode: VendorText = None
    Success: bool | None = None
    Reason: VendorText = None
    ResultCode: VendorText = None
    State: VendorText = None
    StateEx: VendorText = None
    Traces: VendorList = ()


class _Push(Message):
    EBusinessID: VendorText = None
    Data: Annotated[VendorList, Field(max_length=500)]


class KdniaoCarrier:
    """Asks Kdniao.

    Args:
        http: at its base address.
        key, business_id: of the account; both directions are signed with the key.
    """

    name = PROVIDER

    def __init__(self, http: HttpClient, *, key: str, business_id: str) -> None:
        self._http, self._key, self._business_id = http, key, business_id

    def serves(self, carrier: str) -> bool:
        """See `Carrier.serves`."""
        known = CARRIERS.carrier(carrier)
        return known is not None and bool(known.kdniao)

    def questions(self, query: TraceQuery) -> Questions:
        """See `Asking.questions`."""
        carrier = CARRIERS.carrier(query.carrier)
        if carrier is None or not carrier.kdniao:
            return Questions((Question("", query),), certain=False)
        return questions_about(query, codes_for(PROVIDER, carrier, carrier.kdniao, query.waybill))

    async def trace(self, query: TraceQuery) -> Trace:
        """See `Carrier.trace`."""
        carrier = CARRIERS.carrier(query.carrier)
        if carrier is None or not carrier.kdniao:
            return nothing_found(query, PROVIDER, "unknown_carrier", f"{PROVIDER} does not serve {query.carrier}")
        request = {"ShipperCode": query.code or carrier.kdniao, "LogisticCode": query.waybill}
        sent_digits = carrier.needs_phone and bool(query.phone_last4)
        if sent_digits:
            request["CustomerName"] = query.phone_last4 or ""
        data = json.dumps(request, ensure_ascii=False, separators=(",", ":"))
        form = {
            "RequestData": data,
            "EBusinessID": self._business_id,
            "RequestType": QUERY,
            "DataSign": sign(data, self._key),
            "DataType": "2",
        }
        try:
            # Encoding the form is what URL-encodes the signature.
            reply = await self._http.ask("POST", "api/dist", content=urlencode(form).encode(), headers=FORM)
            return read_answer(reply, query, sent_digits=sent_digits)
        except (Unavailable, UnreadableAnswer) as error:
            return silent(query, PROVIDER, "unavailable", str(error))

    # --- what it pushes ---

    def verified(self, body: bytes, headers: Mapping[str, str]) -> bool:
        """See `PushReader.verified`: `DataSign` is over `RequestData` and our key."""
        try:
            form = form_of(body)
        except UnreadableAnswer:
            return False
        expected, given = sign(form.get("RequestData", ""), self._key), form.get("DataSign", "")
        # Some of its clients encode the signature before the form does.
        candidates = (given, unquote(given))
        return bool(self._key) and any(hmac.compare_digest(expected.encode(), one.encode()) for one in candidates)

    def signed_part(self, body: bytes) -> bytes:
        """See `SignsAPart`. The kind of push is not signed, and decides whether it is read."""
        form = form_of(body)
        return f"{form.get('RequestType', '')}\0{form.get('RequestData', '')}".encode()

    def read_push(self, body: bytes) -> PushContent:
        """See `PushReader.read_push`. One push may be about many numbers, each with its whole history."""
        form = form_of(body)
        if form.get("RequestType") not in _PUSHES:
            raise UnreadableAnswer("a push of another kind than traces")
        push = Reply(status=200, raw=form.get("RequestData", "").encode(), source=PROVIDER).read(_Push)
        parcels, unread = read_each(push.Data, _pushed)
        for item in parcels:
            unread += item.unread
        return PushContent(parcels=tuple(item.parcels[0] for item in parcels), unread=tuple(unread))

    def acknowledge(self, now: datetime, *, taken: bool, why: str = "") -> bytes:
        """See `PushReader.acknowledge`; its clock is China's."""
        answer = {
            "EBusinessID": self._business_id,
            "UpdateTime": now.astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S"),
            "Success": taken,
            "Reason": why,
        }
        return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()


def sign(data: str, key: str) -> str:
    """The signature of a request, before a form encodes it: base64 of the MD5's hex digits."""
    digest = hashlib.md5((data + key).encode(), usedforsecurity=False).hexdigest()
    return base64.b64encode(digest.encode()).decode()


def read_answer(reply: Reply, query: TraceQuery, *, sent_digits: bool = False) -> Trace:
    """The port's answer from a reply to a query.

    Raises:
        UnreadableAnswer: it cannot be read, or is about another number.
    """
    if reply.status != 200:
        why: dict[int, Silence] = {401: "auth", 403: "auth", 429: "throttled"}
        return silent(query, PROVIDER, why.get(reply.status, "unavailable"), f"answered {reply.status}")
    answer = reply.read(_Answer)
    if not answer.Success:
        detail = f"{answer.ResultCode or ''} {answer.Reason or ''}".strip() or "refused without a reason"
        if any(word in detail for word in _TOO_OFTEN):
            return silent(query, PROVIDER, "throttled", detail)
        return silent(query, PROVIDER, _SILENT.get(answer.ResultCode or "", "unavailable"), detail)
    refuse_another(answer.LogisticCode, query)
    contact: Literal["matched"] | None = "matched" if sent_digits else None
    scans, unread = _scans(answer)
    if unread and not scans:
        raise UnreadableAnswer(unread[0])
    if not scans and not _says_nothing_known(answer):
        raise UnreadableAnswer("a parcel on its way without a single event")
    if not scans and needs_phone(query.carrier) and not sent_digits:
        # Without the digits it gives this answer for any number, so it says nothing about this one.
        return silent(query, PROVIDER, "unavailable", f"{query.carrier} wants the receiver's last four digits")
    if not scans:
        return nothing_found(query, PROVIDER, "no_trace", answer.Reason, lacking=_lacking(query))
    carrier = carrier_called(answer.ShipperCode, PROVIDER)
    return found(query, PROVIDER, scans, with_unread(answer.Reason, unread), carrier=carrier, contact=contact)


def _lacking(query: TraceQuery) -> Lacking | None:
    """Wrong digits get the same empty answer as an unknown number."""
    return "phone" if needs_phone(query.carrier) else None


def _says_nothing_known(answer: _Answer) -> bool:
    """Whether it says explicitly that there is no trace."""
    return (answer.StateEx or answer.State) in {"0", "401"} or answer.Reason == _NOTHING_KNOWN


def _scans(answer: _Answer) -> tuple[list[Scan], list[str]]:
    """The scans, and why some events cannot be read."""
    events, unread = read_each(answer.Traces, _dated)
    newest = max(range(len(events)), key=lambda i: (events[i][0], i), default=0)
    parcel = answer.StateEx or answer.State
    scans = [_scan(at, event, parcel if index == newest else None) for index, (at, event) in enumerate(events)]
    return [scan for scan in scans if scan is not None], unread


def _dated(item: object) -> tuple[datetime, _Event]:
    event = entry_of(item, _Event, PROVIDER)
    at = local_time(event.AcceptTime, event.Timezone)
    _scan(at, event, None)  # an event that cannot become a scan is skipped
    return at, event


def _scan(at: datetime, event: _Event, parcel: str | None) -> Scan | None:
    """One event; `parcel` is the parcel's own code if this is its newest event."""
    code = event.Action or parcel or "2"
    stage = stage_of(code)
    if parcel == "406" and stage == "delivered":
        stage = "returned"  # the sender signed for it: only the parcel's own code shows that
    if stage is None:
        return None
    return scan_of(at, code, stage, event.Location, event.AcceptStation)


def stage_of(code: str) -> Stage | None:
    """The stage of a code. A new code has the stage of its group; an unknown group is in transit."""
    if code in STAGES:
        return STAGES[code]
    return STAGES.get(code[:1], "in_transit") or "in_transit"


def _pushed(item: object) -> PushContent:
    """A push's content about one number.

    Raises:
        UnreadableAnswer: the carrier is unknown, or the entry cannot be read.
    """
    answer = entry_of(item, _Answer, PROVIDER)
    carrier = carrier_called(answer.ShipperCode, PROVIDER)
    if carrier is None:
        raise UnreadableAnswer(f"the carrier {(answer.ShipperCode or '')[:40]!r} is none of ours")
    query = TraceQuery(carrier=carrier, waybill=number_of(answer.LogisticCode))
    scans, unread = _scans(answer)
    detail = with_unread(answer.Reason, unread)
    if scans:
        trace = found(query, PROVIDER, scans, detail)
    elif answer.Success and not unread and _says_nothing_known(answer):
        trace = nothing_found(query, PROVIDER, "no_trace", detail, lacking=_lacking(query))
    else:
        trace = silent(query, PROVIDER, "unavailable", detail or "a push without a single event")
    named = tuple(f"{query.waybill}: {why}" for why in unread)
    return PushContent(parcels=(Pushed(trace=trace, asked=carrier),), unread=named)
