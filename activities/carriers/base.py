"""The port to tracking providers: a carrier, or an aggregator of many.

A new one is a class with `serves` and `trace`, in a file of its own beside this one:

    class HarborCarrier:
        def serves(self, carrier: str) -> bool:
            return carrier == "harbor"

        async def trace(self, query: TraceQuery) -> Trace:
            try:
                reply = await self._http.get(f"parcels/{query.waybill}")
                parcel = reply.read(_Parcel)
            except (Unavailable, UnreadableAnswer) as error:
                return silent(query, "harbor", "unavailable", str(error))
            return found(query, "harbor", [scan_of(event) for event in parcel.history])
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal, Protocol, runtime_checkable

from activities.clock import activity_time
from core.audit.masking import mask
from core.audit.trace import Lacking, Trace, TraceAnswer
from core.errors import UnreadableAnswer
from core.fields import Message
from core.messages import Scan

Silence = Literal["throttled", "auth", "unavailable"]
Contact = Literal["matched", "refused"]
SubscribeOutcome = Literal["subscribed", "refused", "unknown_carrier", "auth", "unavailable"]
MOST_SCANS = 2000
"""More than any parcel has; each look at a trace judges all of them."""
_LONGEST_DETAIL = 300


class TraceQuery(Message):
    """One number of one carrier.

    Some carriers answer only with the last four digits of the phone on the label: the receiver's or the sender's.
    `code` is the vendor's code of the carrier's service to query; with "" the adapter chooses.
    """

    carrier: str
    waybill: str
    phone_last4: str | None = None
    sender_last4: str | None = None
    code: str = ""


class Carrier(Protocol):
    """Answers what is known about a parcel."""

    def serves(self, carrier: str) -> bool:
        """Whether it covers this carrier."""
        ...

    async def trace(self, query: TraceQuery) -> Trace:
        """The trace, or the kind of silence. Never raises because of the provider.

        `no_trace`, `unknown_carrier` and `bad_number` need the provider's own explicit answer. Every other answer
        without a trace is `throttled`, `auth` or `unavailable`: it proves nothing about the parcel.
        """
        ...


class Checked(Message):
    """Whether a provider answers and accepts our account; `cannot_tell` for any other answer."""

    outcome: Literal["accepted", "refused", "cannot_tell", "unreachable"]
    detail: str = ""


@runtime_checkable
class Checkable(Protocol):
    """A provider whose account can be tried without a parcel."""

    async def check(self) -> Checked:
        """Check the account, free of charge. Never raises."""
        ...


async def check(carrier: Carrier, probe: TraceQuery) -> Checked:
    """Check a provider, by its own check or by querying a number that no parcel has. Never raises."""
    if isinstance(carrier, Checkable):
        return await carrier.check()
    trace = await carrier.trace(probe)
    outcome: Mapping[str, Literal["refused", "cannot_tell", "unreachable"]] = {
        "auth": "refused",
        "throttled": "cannot_tell",
        "unavailable": "unreachable",
    }
    return Checked(outcome=outcome.get(trace.answer, "accepted"), detail=trace.detail or "")


class Subscription(Message):
    """The outcome of a subscription; after `unavailable` it may exist, and a repeat is safe."""

    outcome: SubscribeOutcome
    detail: str = ""


@runtime_checkable
class Subscribing(Protocol):
    """A provider that pushes the scans of each number that was subscribed."""

    def serves(self, carrier: str) -> bool:
        """See `Carrier.serves`."""
        ...

    async def subscribe(self, query: TraceQuery, callback_url: str) -> Subscription:
        """Subscribe a number: its scans are pushed to an address. A repeat changes nothing. Never raises."""
        ...


class Pushed(Message):
    """A push's content about one number.

    `asked` is the carrier that the merchant named, if the push distinguishes it from the one that was found.
    `replaces`: it is the whole history, and earlier pushes are void.
    """

    trace: Trace
    asked: str
    replaces: bool = False


class PushContent(Message):
    """A verified push: the parcels that can be read, and a sentence about each entry that cannot."""

    parcels: tuple[Pushed, ...] = ()
    unread: tuple[str, ...] = ()


@runtime_checkable
class SignsAPart(Protocol):
    """A vendor that signs only a part of a form: the same content can arrive in many spellings."""

    def signed_part(self, body: bytes) -> bytes:
        """The part of a verified body that decides its meaning."""
        ...


@runtime_checkable
class PushReader(Protocol):
    """Reads what one vendor pushes. Pure: it has no clock, and sends and stores nothing."""

    @property
    def name(self) -> str:
        """The vendor's name."""
        ...

    def verified(self, body: bytes, headers: Mapping[str, str]) -> bool:
        """Whether it is signed with our secret; False if there is no secret. Never raises.

        Args:
            headers: their names in lower case.
        """
        ...

    def read_push(self, body: bytes) -> PushContent:
        """A verified body's content, number by number; empty if it is about something that we do not use.

        One bad entry must not lose the others: readable entries are taken, and the rest is named in `unread`.

        Raises:
            UnreadableAnswer: no part of it can be read. A retry of the same bytes cannot help.
        """
        ...

    def acknowledge(self, now: datetime, *, taken: bool, why: str = "") -> bytes:
        """The body of our answer, in the vendor's form."""
        ...


def found(
    query: TraceQuery,
    provider: str,
    scans: Iterable[Scan],
    detail: str | None = None,
    *,
    carrier: str | None = None,
    contact: Contact | None = None,
    weight_g: int | None = None,
) -> Trace:
    """A trace with these scans, ascending, without duplicates, texts masked; `no_trace` if there are none.

    Of more than `MOST_SCANS` the earliest and the latest are kept: they say when a parcel began to move, and where it
    is. The detail says how many were left out.

    Args:
        carrier: the carrier that the provider found, if it is another than was asked.
        contact: see `Trace.contact`.
        weight_g: the weight that the carrier measured.
    """
    unique = {(scan.at, scan.code, scan.stage, scan.city, scan.text): scan for scan in scans}
    ordered = sorted(unique.values(), key=lambda scan: scan.at)
    if (over := len(ordered) - MOST_SCANS) > 0:
        ordered = ordered[: MOST_SCANS // 2] + ordered[-(MOST_SCANS // 2) :]
        detail = "; ".join(filter(None, (f"{over} of its events, in the middle, are left out", detail)))
    masked = tuple(scan.model_copy(update={"text": mask(scan.text)}) if scan.text else scan for scan in ordered)
    trace = _trace(query, provider, "found" if masked else "no_trace", masked, detail)
    more = {"carrier": carrier or query.carrier, "contact": contact, "weight_g": weight_g}
    return trace.model_copy(update=more) if masked else trace


def refuse_another(number: str | None, query: TraceQuery) -> None:
    """Accept an answer about the number that was asked for.

    Raises:
        UnreadableAnswer: it is about another one.
    """
    if (number or "").strip().upper() != query.waybill.upper():
        raise UnreadableAnswer("answered about another waybill")


def readable(trace: Trace, unread: Sequence[str]) -> Trace:
    """A trace of which something could be read.

    Raises:
        UnreadableAnswer: it has events, and none can be read: that is no absence.
    """
    if unread and not trace.scans:
        raise UnreadableAnswer(unread[0])
    return trace


def one_parcel(trace: Trace, unread: Sequence[str]) -> PushContent:
    """A push about one parcel of ours, and each of its events that cannot be read."""
    named = tuple(f"{trace.waybill}: {why}" for why in unread)
    return PushContent(parcels=(Pushed(trace=trace, asked=trace.carrier),), unread=named)


def nothing_found(
    query: TraceQuery, provider: str, answer: TraceAnswer, detail: str | None = None, *, lacking: Lacking | None = None
) -> Trace:
    """The provider says that it has nothing about the number; `lacking`: see `Trace.lacking`."""
    trace = _trace(query, provider, answer, (), detail)
    return trace if lacking is None else trace.model_copy(update={"lacking": lacking})


def refused_contact(query: TraceQuery, provider: str, detail: str) -> Trace:
    """The carrier knows the number, but the digits that were sent are not those of the phone on its label."""
    trace = _trace(query, provider, "found", (), detail)
    return trace.model_copy(update={"contact": "refused", "lacking": "phone"})


def silent(query: TraceQuery, provider: str, why: Silence, detail: str) -> Trace:
    """The provider said nothing about the parcel."""
    return _trace(query, provider, why, (), detail)


def _trace(query: TraceQuery, provider: str, answer: TraceAnswer, scans: tuple[Scan, ...], detail: str | None) -> Trace:
    return Trace(
        provider=provider,
        carrier=query.carrier,
        waybill=query.waybill,
        fetched_at=activity_time(),
        answer=answer,
        scans=scans,
        detail=mask(detail)[:_LONGEST_DETAIL] if detail else None,
    )
