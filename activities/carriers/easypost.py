"""EasyPost, an aggregator of mostly Western carriers: trackers, and its `tracker.updated` events.

Creating a tracker for a number that has one returns the existing tracker, so a query is one idempotent request.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import BeforeValidator

from activities.carriers.asking import Question, Questions, without_digits
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
from core.audit.services import codes_for
from core.audit.trace import Trace
from core.audit.waybills import carrier as known_carrier
from core.errors import Unavailable, UnreadableAnswer
from core.fields import Message
from core.messages import Scan, Stage

PROVIDER: Final = "easypost"
SIGNATURE = "x-hmac-signature"

CARRIERS = {
    "amazon": "AmazonShipping",
    "canada_post": "CanadaPost",
    "canpar": "Canpar",
    "dhl": "DHLExpress",
    "dpd": "DPD",
    "fedex": "FedEx",
    "lasership": "LaserShip",
    "ontrac": "OnTrac",
    "purolator": "Purolator",
    "sf": "SFExpress",
    "ups": "UPS",
    "usps": "USPS",
    "yodel": "Yodel",
}
"""Our carriers that it covers, with its names."""
_OURS = {name.casefold(): carrier for carrier, name in CARRIERS.items()}
_SERVICES = {
    "amazonmws": "amazon",
    "amazonshippingus": "amazon",
    "correios": "correios",
    "canadapostv2": "canada_post",
    "dhlecommerceasia": "dhl",
    "dhlecommerce": "dhl",
    "dhlecs": "dhl",
    "dhlfreight": "dhl",
    "dhlgermany": "dhl",
    "dhlglobalmail": "dhl",
    "dhlgm": "dhl",
    "dhlpaket": "dhl",
    "dhlparcel": "dhl",
    "dhlsmartmail": "dhl",
    "dpddirect": "dpd",
    "dpdlocal": "dpd",
    "dpdnl": "dpd",
    "dpduk": "dpd",
    "interlinkexpress": "dpd",
    "fedexcrossborder": "fedex",
    "fedexground": "fedex",
    "fedexmailview": "fedex",
    "evri": "evri",
    "fedexsameday": "fedex",
    "fedexsamedaycity": "fedex",
    "fedexsmartpost": "fedex",
    "gls": "gls",
    "japanpost": "japan_post",
    "jppost": "japan_post",
    "laposte": "la_poste",
    "lasershipv2": "lasership",
    "ontracv3": "ontrac",
    "purolatorinternational": "purolator",
    "royalmail": "royal_mail",
    "sf": "sf",
    "upsiparcel": "ups",
    "upsmailinnovations": "ups",
    "upssurepost": "ups",
    "uspsreturns": "usps",
}
"""Services of a carrier that EasyPost treats as separate carriers, and carriers that we do not ask it about; in lower
case."""
_ACCOUNTS = ("default", "dap")
"""Endings that EasyPost adds to a carrier's name for its own accounts: FedExDefault, UPSDAP."""

_STAGES: dict[str, Stage] = {
    "pre_transit": "label",
    "in_transit": "in_transit",
    "out_for_delivery": "out_for_delivery",
    "delivered": "delivered",
    "available_for_pickup": "locker",
    "return_to_sender": "returning",
    "failure": "exception",
    "cancelled": "cancelled",
}
_DETAILED: dict[tuple[str, str], Stage] = {
    ("in_transit", "arrived_at_facility"): "arrived",
    ("in_transit", "arrived_at_destination"): "arrived",
    ("in_transit", "picked_up"): "picked_up",
    ("failure", "refused"): "refused",
    ("return_to_sender", "delivered"): "returned",
}
_PICKED_UP = frozenset({"PU"})
"""Carriers' own codes for a pickup, which EasyPost reports under coarser words."""
_UNKNOWN = "unknown"
_SILENT: dict[int, Silence] = {401: "auth", 402: "auth", 403: "auth", 429: "throttled"}
_GRAMS_PER_OUNCE = 28.349523125
_HEAVIEST_OZ = 1_000_000


class _Place(Message):
    city: VendorWords = None
    state: VendorWords = None
    country: VendorWords = None


class _Event(Message):
    datetime: VendorText = None
    message: VendorWords = None
    status: VendorText = None
    status_detail: VendorText = None
    carrier_code: VendorText = None
    tracking_location: Annotated[_Place | None, BeforeValidator(only_object)] = None


class _Tracker(Message):
    tracking_code: VendorText = None
    carrier: VendorText = None
    status: VendorText = None
    weight: Any = None
    is_return: Any = None
    tracking_details: VendorList = ()


class _Webhook(Message):
    description: VendorText = None
    result: dict[str, Any] = {}


class EasyPostCarrier:
    """Asks EasyPost.

    Args:
        http: at its base address.
        key: of the account, sent as a name without a password.
        secret: of the webhook; empty where nothing is pushed.
    """

    name = PROVIDER

    def __init__(self, http: HttpClient, *, key: str, secret: str = "") -> None:
        self._http = http
        self._secret = unicodedata.normalize("NFKD", secret).encode()
        self._headers = {"Authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()}

    def serves(self, carrier: str) -> bool:
        """See `Carrier.serves`."""
        return carrier in CARRIERS

    def questions(self, query: TraceQuery) -> Questions:
        """See `Asking.questions`."""
        carrier, name = known_carrier(query.carrier), CARRIERS.get(query.carrier)
        if carrier is None or name is None:
            return Questions((Question("", query),), certain=False)
        return without_digits(query, codes_for(PROVIDER, carrier, name, query.waybill))

    async def trace(self, query: TraceQuery) -> Trace:
        """See `Carrier.trace`."""
        carrier = query.code or CARRIERS.get(query.carrier)
        if carrier is None:
            return nothing_found(query, PROVIDER, "unknown_carrier", f"{PROVIDER} does not serve {query.carrier}")
        tracker = {"tracking_code": query.waybill, "carrier": carrier}
        try:
            reply = await self._http.post("v2/trackers", {"tracker": tracker}, self._headers)
            return read_answer(reply, query)
        except (Unavailable, UnreadableAnswer) as error:
            return silent(query, PROVIDER, "unavailable", str(error))

    async def check(self) -> Checked:
        """See `Checkable.check`: lists our trackers, because a new one costs money."""
        try:
            reply = await self._http.ask("GET", "v2/trackers", params={"page_size": 1}, headers=self._headers)
        except (Unavailable, UnreadableAnswer) as error:
            return Checked(outcome="unreachable", detail=str(error))
        if reply.status == 200:
            return Checked(outcome="accepted")
        refused = _SILENT.get(reply.status) == "auth"
        return Checked(outcome="refused" if refused else "cannot_tell", detail=f"answered {reply.status}")

    # --- what it pushes ---

    def verified(self, body: bytes, headers: Mapping[str, str]) -> bool:
        """See `PushReader.verified`: a header has an HMAC over the body's bytes."""
        expected = "hmac-sha256-hex=" + hmac.new(self._secret, body, hashlib.sha256).hexdigest()
        given = headers.get(SIGNATURE, "").strip().lower()
        return bool(self._secret) and hmac.compare_digest(expected.encode(), given.encode(errors="replace"))

    def signed_part(self, body: bytes) -> bytes:
        """See `SignsAPart`: the body's bytes, under any spelling of the header that signs them."""
        return body

    def read_push(self, body: bytes) -> PushContent:
        """See `PushReader.read_push`. Events that are not about trackers are ignored."""
        event = Reply(status=200, raw=body, source=PROVIDER).read(_Webhook)
        if event.description not in {"tracker.updated", "tracker.created"}:
            return PushContent()
        tracker = Reply.parsed(event.result, _Tracker, PROVIDER)
        waybill = number_of(tracker.tracking_code)
        carrier = carrier_named(tracker.carrier)
        if carrier is None:
            raise UnreadableAnswer(
                f"{waybill} is of the carrier {(tracker.carrier or '')[:40]!r}, which is none of ours"
            )
        return one_parcel(*_trace(tracker, TraceQuery(carrier=carrier, waybill=waybill)))

    def acknowledge(self, now: datetime, *, taken: bool, why: str = "") -> bytes:
        """See `PushReader.acknowledge`: it reads only the status."""
        return b"{}"


def carrier_named(name: str | None) -> str | None:
    """Our id for EasyPost's name of a carrier, of one of its services or accounts; None for unknown names."""
    called = (name or "").strip().casefold().replace(" ", "").replace("_", "")
    candidates = [called, *(called.removesuffix(suffix) for suffix in _ACCOUNTS if called.endswith(suffix))]
    found_at = (_OURS.get(one) or _SERVICES.get(one) for one in candidates)
    return next((carrier for carrier in found_at if carrier), None)


def read_answer(reply: Reply, query: TraceQuery) -> Trace:
    """The port's answer from a reply to a query.

    Raises:
        UnreadableAnswer: it cannot be read, or is about another number.
    """
    if reply.status not in (200, 201):
        return silent(query, PROVIDER, _SILENT.get(reply.status, "unavailable"), f"answered {reply.status}")
    tracker = reply.read(_Tracker)
    refuse_another(tracker.tracking_code, query)
    return readable(*_trace(tracker, query))


def _trace(tracker: _Tracker, query: TraceQuery) -> tuple[Trace, list[str]]:
    """The trace, and why some events cannot be read."""
    is_return = tracker.is_return is True
    read, unread = read_each(tracker.tracking_details, lambda item: _scan(entry_of(item, _Event, PROVIDER), is_return))
    scans = [scan for scan in read if scan is not None]
    if not scans and (unread or tracker.status not in (_UNKNOWN, "pre_transit")):
        why = with_unread(f"{str(tracker.status)[:40]} without a single event", unread)
        return silent(query, PROVIDER, "unavailable", why or ""), unread
    carrier, detail = carrier_named(tracker.carrier), with_unread(None, unread)
    return found(query, PROVIDER, scans, detail, carrier=carrier, weight_g=_grams(tracker.weight)), unread


def _scan(event: _Event, is_return: bool) -> Scan | None:
    """One event; None if it says nothing. On a return, the sender's signature is not a delivery."""
    status = event.status or _UNKNOWN
    if status in (_UNKNOWN, "error"):
        return None
    stage = _DETAILED.get((status, event.status_detail or "")) or _STAGES.get(status, "in_transit")
    if event.carrier_code in _PICKED_UP and stage in {"in_transit", "arrived"}:
        stage = "picked_up"
    if is_return and stage == "delivered":
        stage = "returned"
    place = event.tracking_location
    written = ", ".join(part for part in (place.city, place.state) if part) if place and place.city else None
    code = "/".join(part for part in (status, event.status_detail, event.carrier_code) if part)
    return scan_of(local_time(event.datetime, "+00:00"), code, stage, written, event.message)


def _grams(ounces: object) -> int | None:
    """A weight in grams; None if it is not a number or no plausible weight."""
    if isinstance(ounces, bool) or not isinstance(ounces, int | float) or not 0 < ounces < _HEAVIEST_OZ:
        return None
    return max(1, round(ounces * _GRAMS_PER_OUNCE))
