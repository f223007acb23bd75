"""Kuaidi100 (快递100), an aggregator: query, subscription, and what it pushes.

A query is a signed form; the answer has the newest event first. Its `state` 2 is a problem; Kdniao's 2 is a parcel in
transit. It demands 30 minutes between two queries of one number, or it locks the number: see `PacedCarrier`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal
from urllib.parse import urlencode

from activities.carriers.asking import Question, Questions, questions_about
from activities.carriers.base import (
    PushContent,
    Pushed,
    Silence,
    SubscribeOutcome,
    Subscription,
    TraceQuery,
    found,
    nothing_found,
    refuse_another,
    refused_contact,
    silent,
)
from activities.carriers.reading import (
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

PROVIDER: Final = "kuaidi100"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}

_STAGES: dict[str, Stage] = {
    "0": "in_transit",
    "1": "picked_up",
    "2": "exception",
    "3": "delivered",
    "4": "returned",
    "5": "out_for_delivery",
    "6": "returning",
    "7": "in_transit",
    "8": "customs",
    "10": "customs",
    "11": "customs",
    "12": "customs",
    "13": "customs",
    "14": "refused",
    # Finer codes of the newer format.
    "101": "label",
    "102": "label",
    "103": "picked_up",
    "1001": "arrived",
    "1002": "in_transit",
    "1003": "in_transit",
    "203": "refused",
    "205": "locker",
    "210": "cancelled",
    "401": "cancelled",
    "501": "locker",
}
_NAMED: dict[str, str] = {
    "在途": "0",
    "揽收": "1",
    "疑难": "2",
    "签收": "3",
    "退签": "4",
    "派件": "5",
    "退回": "6",
    "转投": "7",
    "清关": "8",
    "拒签": "14",
    "拒收": "203",
    "下单": "101",
    "待揽收": "102",
    "投柜或驿站": "501",
}
_SILENT: dict[str, Silence] = {"400": "auth", "503": "auth", "600": "auth", "601": "auth"}
_NO_RESULT = "500"
_WRONG_DIGITS = "408"
_LOCKED = ("锁", "频繁", "次数")
"""Words of a refusal because of too many queries."""

_SUBSCRIBED: dict[str, SubscribeOutcome] = {
    "200": "subscribed",
    "501": "subscribed",  # already subscribed, most often by us
    "600": "auth",
    "601": "auth",
    "700": "refused",
    "701": "unknown_carrier",
    "702": "unknown_carrier",
}


class _Event(Message):
    time: VendorText = None
    ftime: VendorText = None
    context: VendorWords = None
    areaName: VendorWords = None
    location: VendorWords = None
    status: VendorText = None
    statusCode: VendorText = None


class _Answer(Message):
    nu: VendorText = None
    com: VendorText = None
    state: VendorText = None
    status: VendorText = None
    returnCode: VendorText = None
    message: VendorText = None
    data: VendorList = ()


class _Push(Message):
    status: VendorText = None
    """`polling`, `shutdown`, `abort`, `updateall`, or a new word."""
    message: VendorText = None
    comOld: VendorText = None
    comNew: VendorText = None
    lastResult: _Answer


class Kuaidi100Carrier:
    """Asks Kuaidi100.

    Args:
        http: at its base address.
        key, customer: of the account.
        salt: it signs its pushes with this; empty if nothing is pushed.
    """

    name = PROVIDER

    def __init__(self, http: HttpClient, *, key: str, customer: str, salt: str = "") -> None:
        self._http, self._key, self._customer, self._salt = http, key, customer, salt

    def serves(self, carrier: str) -> bool:
        """See `Carrier.serves`."""
        known = CARRIERS.carrier(carrier)
        return known is not None and bool(known.kuaidi100)

    def questions(self, query: TraceQuery) -> Questions:
        """See `Asking.questions`."""
        carrier = CARRIERS.carrier(query.carrier)
        if carrier is None or not carrier.kuaidi100:
            return Questions((Question("", query),), certain=False)
        return questions_about(query, codes_for(PROVIDER, carrier, carrier.kuaidi100, query.waybill))

    async def trace(self, query: TraceQuery) -> Trace:
        """See `Carrier.trace`."""
        carrier = CARRIERS.carrier(query.carrier)
        if carrier is None or not carrier.kuaidi100:
            return nothing_found(query, PROVIDER, "unknown_carrier", f"{PROVIDER} does not serve {query.carrier}")
        phone = query.phone_last4 if carrier.needs_phone else None
        param = json.dumps(
            {
                "com": query.code or carrier.kuaidi100,
                "num": query.waybill,
                "phone": phone or "",
                "from": "",
                "to": "",
                "resultv2": "4",
                "show": "0",
                "order": "desc",
            },
            ensure_ascii=False,
            separators=(",", ":"),
        )
        form = {"customer": self._customer, "sign": _md5(param + self._key + self._customer), "param": param}
        try:
            reply = await self._http.ask("POST", "poll/query.do", content=urlencode(form).encode(), headers=FORM)
            return read_answer(reply, query)
        except (Unavailable, UnreadableAnswer) as error:
            return silent(query, PROVIDER, "unavailable", str(error))

    async def subscribe(self, query: TraceQuery, callback_url: str) -> Subscription:
        """See `Subscribing.subscribe`. It signs its pushes with the salt that is sent here."""
        carrier = CARRIERS.carrier(query.carrier)
        if carrier is None or not carrier.kuaidi100:
            return Subscription(outcome="unknown_carrier", detail=f"{PROVIDER} does not serve {query.carrier}")
        first = self.questions(query).asked[0].query
        parameters = {"callbackurl": callback_url, "salt": self._salt, "resultv2": "4", "autoCom": "1"}
        if carrier.needs_phone and first.phone_last4:
            parameters["phone"] = first.phone_last4
        param = json.dumps(
            {
                "company": first.code or carrier.kuaidi100,
                "number": query.waybill,
                "key": self._key,
                "parameters": parameters,
            },
            ensure_ascii=False,
            separators=(",", ":"),
        )
        form = {"schema": "json", "param": param}
        try:
            reply = await self._http.ask("POST", "poll", content=urlencode(form).encode(), headers=FORM)
            answer = reply.read(_Answer)
        except (Unavailable, UnreadableAnswer) as error:
            return Subscription(outcome="unavailable", detail=str(error))
        outcome = _SUBSCRIBED.get(answer.returnCode or "", "unavailable")
        return Subscription(outcome=outcome, detail=(answer.message or "")[:300])

    # --- what it pushes ---

    def verified(self, body: bytes, headers: Mapping[str, str]) -> bool:
        """See `PushReader.verified`: the form's `sign` is over its `param` and our salt."""
        try:
            form = form_of(body)
        except UnreadableAnswer:
            return False
        expected = _md5(form.get("param", "") + self._salt)
        return bool(self._salt) and hmac.compare_digest(expected.encode(), form.get("sign", "").upper().encode())

    def signed_part(self, body: bytes) -> bytes:
        """See `SignsAPart`."""
        return form_of(body).get("param", "").encode()

    def read_push(self, body: bytes) -> PushContent:
        """See `PushReader.read_push`. The whole history comes with every push."""
        param = form_of(body).get("param", "")
        push = Reply(status=200, raw=param.encode(), source=PROVIDER).read(_Push)
        result = push.lastResult
        waybill = number_of(result.nu)
        asked = carrier_called(push.comOld, PROVIDER) or carrier_called(result.com, PROVIDER)
        if asked is None:
            code = (push.comOld or result.com or "")[:40]
            raise UnreadableAnswer(f"{waybill} is of the carrier {code!r}, which is none of ours")
        found_at = carrier_called(push.comNew, PROVIDER) or carrier_called(result.com, PROVIDER)
        query = TraceQuery(carrier=asked, waybill=waybill)
        scans, unread = _scans(result)
        detail = with_unread(f"{push.status}: {push.message or ''}".rstrip(": "), unread)
        if scans:
            trace = found(query, PROVIDER, scans, detail, carrier=found_at)
        elif push.status == "abort" and not unread:
            # It gave up without a record: the carrier has none.
            trace = nothing_found(
                query, PROVIDER, "no_trace", detail, lacking=_lacking(query, push.comOld or result.com or "")
            )
        else:
            trace = silent(query, PROVIDER, "unavailable", detail or "a push without a single event")
        pushed = Pushed(trace=trace, asked=asked, replaces=push.status == "updateall" and not unread)
        return PushContent(parcels=(pushed,), unread=tuple(f"{waybill}: {why}" for why in unread))

    def acknowledge(self, now: datetime, *, taken: bool, why: str = "") -> bytes:
        """See `PushReader.acknowledge`."""
        if taken:
            return '{"result":true,"returnCode":"200","message":"成功"}'.encode()
        return json.dumps({"result": False, "returnCode": "500", "message": why}, separators=(",", ":")).encode()


def read_answer(reply: Reply, query: TraceQuery) -> Trace:
    """The port's answer from a reply to a query.

    Raises:
        UnreadableAnswer: it cannot be read, or is about another number.
    """
    if reply.status != 200:
        why: dict[int, Silence] = {401: "auth", 403: "auth", 429: "throttled"}
        return silent(query, PROVIDER, why.get(reply.status, "unavailable"), f"answered {reply.status}")
    answer = reply.read(_Answer)
    if answer.status != "200":
        return _failure(answer, query)
    refuse_another(answer.nu, query)
    scans, unread = _scans(answer)
    if not scans:
        # Only a failure with its own code says that the carrier has no record; its state 0 is a parcel in transit.
        raise UnreadableAnswer(unread[0] if unread else "a parcel that it knows, without a single event")
    contact: Literal["matched"] | None = "matched" if query.phone_last4 and needs_phone(query.carrier) else None
    carrier = carrier_called(answer.com, PROVIDER)
    return found(query, PROVIDER, scans, with_unread(None, unread), carrier=carrier, contact=contact)


def _failure(answer: _Answer, query: TraceQuery) -> Trace:
    code, message = answer.returnCode or "", answer.message or ""
    detail = f"{code} {message}".strip()
    if any(word in message for word in _LOCKED):
        return silent(query, PROVIDER, "throttled", detail)
    if code == _NO_RESULT:
        lacking: Lacking | None = "phone" if needs_phone(query.carrier) and not query.phone_last4 else None
        return nothing_found(query, PROVIDER, "no_trace", detail, lacking=lacking)
    if code == _WRONG_DIGITS and needs_phone(query.carrier):
        if query.phone_last4:
            return refused_contact(query, PROVIDER, detail)
        return silent(query, PROVIDER, "unavailable", f"{query.carrier} wants the receiver's last four digits")
    return silent(query, PROVIDER, _SILENT.get(code, "unavailable"), detail)


def _lacking(query: TraceQuery, code: str) -> Lacking | None:
    """What the subscription under this vendor code lacked. If it lacked something, "no record" says nothing about the
    parcel.
    """
    carrier = CARRIERS.carrier(query.carrier)
    if needs_phone(query.carrier) or carrier is None:
        return "phone"  # a push does not say which digits the subscription had
    codes = codes_for(PROVIDER, carrier, carrier.kuaidi100, query.waybill)
    return None if codes.certain and set(codes.codes) == {code} else "service"


def _scans(answer: _Answer) -> tuple[list[Scan], list[str]]:
    """The scans, and why some events cannot be read.

    The newest event has the parcel's state; it may stand anywhere in the list.
    """
    events, unread = read_each(answer.data, _dated)
    newest = max(range(len(events)), key=lambda i: (events[i][0], -i), default=0)
    return [
        _scan(at, event, answer.state if index == newest else None) for index, (at, event) in enumerate(events)
    ], unread


def _dated(item: object) -> tuple[datetime, _Event]:
    event = entry_of(item, _Event, PROVIDER)
    at = local_time(event.ftime or event.time)
    _scan(at, event, None)  # an event that cannot become a scan is skipped
    return at, event


def _scan(at: datetime, event: _Event, state: str | None) -> Scan:
    """One event; `state` is the parcel's if this is its newest event."""
    code = event.statusCode or _NAMED.get(event.status or "") or state or "0"
    stage = _stage(code)
    if stage == "delivered" and state == "4":
        stage = "returned"  # the sender signed for it: only the parcel's own state shows that
    place = event.areaName or event.location
    return scan_of(at, code, stage, place, event.context)


def _stage(code: str) -> Stage:
    """The stage of a code. A new finer code has the stage of its group; an unknown group is in transit."""
    group = code[0] if len(code) == 3 else "0"
    return _STAGES.get(code) or _STAGES.get(group, "in_transit")


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest().upper()
