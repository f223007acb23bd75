"""AfterShip, an aggregator of more than 1,000 carriers: a tracking is created once, then queried and pushed.

A new tracking has no checkpoint yet; that says nothing about the parcel.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

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
    read_each,
    scan_of,
    with_unread,
)
from activities.http import HttpClient, Reply
from core.audit.trace import Trace
from core.audit.waybills import carrier as known_carrier
from core.errors import Unavailable, UnreadableAnswer
from core.fields import Message
from core.messages import Scan, Stage

PROVIDER: Final = "aftership"
SIGNATURE = "aftership-hmac-sha256"
TRACKINGS = "tracking/2024-07/trackings"

CARRIERS: Mapping[str, str] = {
    "canada_post": "canada-post",
    "canpar": "canpar",
    "china_post": "china-post",
    "correios": "brazil-correios",
    "dhl": "dhl",
    "dpd": "dpd",
    "ems": "china-ems",
    "fedex": "fedex",
    "gls": "gls",
    "japan_post": "japan-post",
    "la_poste": "la-poste-colissimo",
    "lasership": "lasership",
    "ontrac": "ontrac",
    "purolator": "purolator",
    "royal_mail": "royal-mail",
    "sf": "sf-express",
    "sto": "sto",
    "ups": "ups",
    "usps": "usps",
    "yodel": "yodel",
    "yto": "yto",
    "yunda": "yundaex",
    "zto": "zto-express",
}
"""Our carriers that it covers, with its slugs."""
_OURS = {slug: carrier for carrier, slug in CARRIERS.items()}

_STAGES: Mapping[str, Stage] = {
    "InfoReceived": "label",
    "InTransit": "in_transit",
    "OutForDelivery": "out_for_delivery",
    "AttemptFail": "exception",
    "Delivered": "delivered",
    "AvailableForPickup": "locker",
    "Exception": "exception",
    "Expired": "exception",
    "InTransit_002": "picked_up",  # accepted by the carrier
    "InTransit_003": "arrived",
    "InTransit_004": "arrived",  # in the country of destination
    "InTransit_005": "customs",
    "InTransit_006": "customs",
    "Exception_003": "refused",
    "Exception_004": "customs",
    "Exception_010": "returning",
    "Exception_011": "returned",
}
"""Its tags and, if they are more precise, its subtags."""
_PENDING = "Pending"
_NOTHING_KNOWN = frozenset({"", "Pending_001"})
"""Subtags of a pending tracking that say something about the parcel; the others are about our account or the carrier's
site.
"""
_STATUS: Mapping[int, Silence] = {401: "auth", 402: "auth", 403: "auth", 429: "throttled"}
_EXISTS = 4003
_BAD_NUMBER = frozenset({4005})
"""Codes of `meta` for an impossible number."""


class _Checkpoint(Message):
    checkpoint_time: VendorText = None
    message: VendorWords = None
    city: VendorWords = None
    state: VendorWords = None
    location: VendorWords = None
    tag: VendorText = None
    subtag: VendorText = None


class _Tracking(Message):
    tracking_number: VendorText = None
    slug: VendorText = None
    tag: VendorText = None
    subtag: VendorText = None
    checkpoints: VendorList = ()


class _Meta(Message):
    code: int
    message: VendorText = None


class _List(Message):
    trackings: VendorList = ()


class _Listed(Message):
    meta: _Meta
    data: _List | None = None


class _Created(Message):
    meta: _Meta


class _Webhook(Message):
    event: VendorText = None
    msg: dict[str, Any] = {}


class AfterShipCarrier:
    """Asks AfterShip.

    Args:
        http: at its base address.
        key: of the account.
        secret: of the webhook; empty where nothing is pushed.
    """

    name = PROVIDER

    def __init__(self, http: HttpClient, *, key: str, secret: str = "") -> None:
        self._http, self._secret = http, secret.encode()
        self._headers = {"as-api-key": key}

    def serves(self, carrier: str) -> bool:
        """See `Carrier.serves`."""
        return carrier in CARRIERS

    def questions(self, query: TraceQuery) -> Questions:
        """See `Asking.questions`. It is asked under one slug, so its "no" leaves other services open."""
        carrier = known_carrier(query.carrier)
        # It gets no digits of a phone, so a carrier that wants them may hide the parcel.
        certain = carrier is not None and not carrier.services and not carrier.needs_phone
        return Questions((Question("", query),), certain=certain)

    async def trace(self, query: TraceQuery) -> Trace:
        """See `Carrier.trace`. A number without a tracking gets one, and is queried again later."""
        slug = CARRIERS.get(query.carrier)
        if slug is None:
            return nothing_found(query, PROVIDER, "unknown_carrier", f"{PROVIDER} does not serve {query.carrier}")
        try:
            trace = read_answer(await self._look_up(query, slug), query)
            if trace is not None:
                return trace
            created = await self._http.post(TRACKINGS, {"tracking_number": query.waybill, "slug": slug}, self._headers)
            if (refused := _refusal(created, query)) is not None:
                return refused
            trace = read_answer(await self._look_up(query, slug), query)
        except (Unavailable, UnreadableAnswer) as error:
            return silent(query, PROVIDER, "unavailable", str(error))
        if trace is None or trace.answer == "no_trace":
            return silent(query, PROVIDER, "unavailable", "created a moment ago: it has not looked yet")
        return trace

    async def _look_up(self, query: TraceQuery, slug: str) -> Reply:
        asked = {"tracking_numbers": query.waybill, "slug": slug}
        return await self._http.ask("GET", TRACKINGS, params=asked, headers=self._headers)

    async def check(self) -> Checked:
        """See `Checkable.check`: lists our trackings, because creating one costs money."""
        try:
            reply = await self._http.ask("GET", TRACKINGS, params={"limit": 1}, headers=self._headers)
        except (Unavailable, UnreadableAnswer) as error:
            return Checked(outcome="unreachable", detail=str(error))
        if reply.status == 200:
            return Checked(outcome="accepted")
        refused = _STATUS.get(reply.status) == "auth"
        return Checked(outcome="refused" if refused else "cannot_tell", detail=f"answered {reply.status}")

    # --- what it pushes ---

    def verified(self, body: bytes, headers: Mapping[str, str]) -> bool:
        """See `PushReader.verified`: a header has an HMAC over the body's bytes, in base64."""
        expected = base64.b64encode(hmac.new(self._secret, body, hashlib.sha256).digest())
        given = headers.get(SIGNATURE, "").strip()
        return bool(self._secret) and hmac.compare_digest(expected, given.encode(errors="replace"))

    def signed_part(self, body: bytes) -> bytes:
        """See `SignsAPart`: the body's bytes, under any spelling of the header that signs them."""
        return body

    def read_push(self, body: bytes) -> PushContent:
        """See `PushReader.read_push`. The whole history comes with every push."""
        event = Reply(status=200, raw=body, source=PROVIDER).read(_Webhook)
        if event.event != "tracking_update":
            return PushContent()
        tracking = Reply.parsed(event.msg, _Tracking, PROVIDER)
        waybill = number_of(tracking.tracking_number)
        carrier = _OURS.get(tracking.slug or "")
        if carrier is None:
            raise UnreadableAnswer(f"{waybill} is of the carrier {(tracking.slug or '')[:40]!r}, which is none of ours")
        return one_parcel(*_trace(tracking, TraceQuery(carrier=carrier, waybill=waybill)))

    def acknowledge(self, now: datetime, *, taken: bool, why: str = "") -> bytes:
        """See `PushReader.acknowledge`: it reads only the status."""
        return b"{}"


def read_answer(reply: Reply, query: TraceQuery) -> Trace | None:
    """The port's answer from a reply to a query; None if it has no tracking of the number.

    Raises:
        UnreadableAnswer: it cannot be read, or is about another number.
    """
    if reply.status != 200:
        return silent(query, PROVIDER, _STATUS.get(reply.status, "unavailable"), f"answered {reply.status}")
    listed = reply.read(_Listed)
    if listed.meta.code != 200 or listed.data is None:
        return silent(query, PROVIDER, "unavailable", f"answered {listed.meta.code}")
    if not listed.data.trackings:
        return None
    tracking = entry_of(listed.data.trackings[0], _Tracking, PROVIDER)
    refuse_another(tracking.tracking_number, query)
    return readable(*_trace(tracking, query))


def _refusal(reply: Reply, query: TraceQuery) -> Trace | None:
    """Why a tracking was not created; None if there is one, also one from before."""
    if reply.status in (200, 201):
        return None
    if reply.status in _STATUS:
        return silent(query, PROVIDER, _STATUS[reply.status], f"answered {reply.status}")
    meta = reply.read(_Created).meta
    detail = f"{meta.code} {meta.message or ''}".strip()
    if meta.code == _EXISTS:
        return None
    if meta.code in _BAD_NUMBER:
        return nothing_found(query, PROVIDER, "bad_number", detail)
    return silent(query, PROVIDER, "unavailable", detail)


def _trace(tracking: _Tracking, query: TraceQuery) -> tuple[Trace, list[str]]:
    """The trace, and why some checkpoints cannot be read."""
    china = (carrier := known_carrier(query.carrier)) is not None and carrier.country == "CN"
    offset = None if china else "+00:00"
    scans, unread = read_each(tracking.checkpoints, lambda item: _scan(entry_of(item, _Checkpoint, PROVIDER), offset))
    nothing = tracking.tag == _PENDING and (tracking.subtag or "") in _NOTHING_KNOWN
    if not scans and (unread or not (nothing or tracking.tag == "InfoReceived")):
        why = with_unread(f"{tracking.tag} {tracking.subtag or ''} without a single checkpoint"[:80], unread)
        return silent(query, PROVIDER, "unavailable", why or ""), unread
    return found(query, PROVIDER, scans, with_unread(None, unread), carrier=_OURS.get(tracking.slug or "")), unread


def _scan(checkpoint: _Checkpoint, offset: str | None) -> Scan:
    """One checkpoint. Many carriers name no time zone: it is China's for a Chinese carrier, and UTC for others."""
    code = checkpoint.subtag or checkpoint.tag or "InTransit"
    stage = _STAGES.get(code) or _STAGES.get(code.partition("_")[0], "in_transit")
    city, state = checkpoint.city, checkpoint.state
    written = ", ".join(part for part in (city, state) if part) if city else checkpoint.location
    return scan_of(local_time(checkpoint.checkpoint_time, offset), code, stage, written, checkpoint.message)
