"""The port to those who know where parcels are: a carrier, or an aggregator of many.

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

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal, Protocol, runtime_checkable

from activities.clock import activity_time
from core.audit.masking import mask
from core.audit.trace import Lacking, Trace, TraceAnswer
from core.fields import Message
from core.messages import Scan

Silence = Literal["throttled", "auth", "unavailable"]
Contact = Literal["matched", "refused"]
SubscribeOutcome = Literal["subscribed", "refused", "unknown_carrier", "auth", "unavailable"]
_LONGEST_DETAIL = 300


class TraceQuery(Message):
    """One number of one carrier.

    Some carriers answer only with the last four digits of a phone: the receiver's or the sender's, as the label
    has. `code` is the vendor's code of the carrier's service to ask about; "" leaves that to the adapter.
    """

    carrier: str
    waybill: str
    phone_last4: str | None = None
    sender_last4: str | None = None
    code: str = ""


class Carrier(Protocol):
    """Tells all that is known of a parcel."""

    def serves(self, carrier: str) -> bool:
        """Whether it knows the parcels of a carrier at all."""
        ...

    async def trace(self, query: TraceQuery) -> Trace:
        """The trace, or which silence it was. Never raises for what the provider does.

        `no_trace`, `unknown_carrier` and `bad_number` only where the provider says so in its own words; everything
        else that is no trace is `throttled`, `auth` or `unavailable`, which is evidence of nothing.
        """
        ...


class Checked(Message):
    """Whether a provider answers, and takes our account; `cannot_tell` where it answers something else."""

    outcome: Literal["accepted", "refused", "cannot_tell", "unreachable"]
    detail: str = ""


@runtime_checkable
class Checkable(Protocol):
    """A provider whose account can be tried without a parcel."""

    async def check(self) -> Checked:
        """Try the account, at no charge. Never raises."""
        ...


async def check(carrier: Carrier, probe: TraceQuery) -> Checked:
    """Try a provider, by its own check or by asking for a number that no parcel has. Never raises."""
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
    """What became of a subscription; `unavailable` may have had its effect, and may be repeated."""

    outcome: SubscribeOutcome
    detail: str = ""


@runtime_checkable
class Subscribing(Protocol):
    """A provider that pushes a number's scans where it was asked to, number by number."""

    def serves(self, carrier: str) -> bool:
        """See `Carrier.serves`."""
        ...

    async def subscribe(self, query: TraceQuery, callback_url: str) -> Subscription:
        """Let the scans of a number be pushed to an address. Asking twice changes nothing. Never raises."""
        ...


class Pushed(Message):
    """What a push says of one number.

    `asked` is the carrier that the merchant named, where the push tells it apart from the one that was found.
    `replaces`: it is the whole history, and what was told before is void.
    """

    trace: Trace
    asked: str
    replaces: bool = False


class PushContent(Message):
    """What a verified push says: the parcels that can be read, and a sentence about each entry that cannot."""

    parcels: tuple[Pushed, ...] = ()
    unread: tuple[str, ...] = ()


@runtime_checkable
class SignsAPart(Protocol):
    """A vendor whose signature is over a part of a form, which can be spelled in many ways."""

    def signed_part(self, body: bytes) -> bytes:
        """Of a verified body, all that decides what it means."""
        ...


@runtime_checkable
class PushReader(Protocol):
    """Understands what one vendor pushes. Pure: no clock of its own, nothing sent or stored."""

    @property
    def name(self) -> str:
        """The vendor's."""
        ...

    def verified(self, body: bytes, headers: Mapping[str, str]) -> bool:
        """Whether it was signed with our secret. False, too, where there is no secret. Never raises.

        Args:
            headers: their names in lower case.
        """
        ...

    def read_push(self, body: bytes) -> PushContent:
        """What a verified body says, number by number; empty where it is about nothing of ours.

        One bad entry must not lose the others: what can be read is taken, and the rest is named in `unread`.

        Raises:
            UnreadableAnswer: nothing of it can be read. The same bytes again cannot be read either.
        """
        ...

    def acknowledge(self, now: datetime, *, taken: bool, why: str = "") -> bytes:
        """The body of our answer, as the vendor wants it."""
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
    """A trace with these scans, ascending, each once, its texts masked; without scans `no_trace`.

    Args:
        carrier: whose number it is, where the provider found another carrier than was asked.
        contact: see `Trace.contact`.
        weight_g: what the carrier weighed.
    """
    unique = {(scan.at, scan.code, scan.stage, scan.city, scan.text): scan for scan in scans}
    ordered = sorted(unique.values(), key=lambda scan: scan.at)
    masked = tuple(scan.model_copy(update={"text": mask(scan.text)}) if scan.text else scan for scan in ordered)
    trace = _trace(query, provider, "found" if masked else "no_trace", masked, detail)
    more = {"carrier": carrier or query.carrier, "contact": contact, "weight_g": weight_g}
    return trace.model_copy(update=more) if masked else trace


def nothing_found(
    query: TraceQuery, provider: str, answer: TraceAnswer, detail: str | None = None, *, lacking: Lacking | None = None
) -> Trace:
    """The provider's word that it has nothing on the number; `lacking`: see `Trace.lacking`."""
    trace = _trace(query, provider, answer, (), detail)
    return trace if lacking is None else trace.model_copy(update={"lacking": lacking})


def refused_contact(query: TraceQuery, provider: str, detail: str) -> Trace:
    """The carrier knows the number and does not take the digits that were sent for those of its label's phone."""
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
