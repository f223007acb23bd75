"""Takes the callbacks of rails and payment channels: a withdrawal gets its payout's outcome, an order its chargeback.

Nothing here decides about money: withdrawal and order decide, and write that into their own journals. A refund's
callback is only stored, because its order queries the refund until it knows the outcome.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal, Protocol, TypeVar

from pydantic import BaseModel

from activities.http import Reply
from activities.rails.base import names_payee
from core.aftersale.messages import ReportChargeback
from core.errors import Refused, Unavailable, UnreadableAnswer
from core.fields import Message
from core.messages import Actor, ReportPayout
from core.order.dividing import reports_of
from core.reasons import Refusal
from core.withdrawal.payouts import PayoutResult
from inbound.chargebacks import Send, orders_charged, send_reports
from inbound.desk import LONGEST_DETAIL, Desk, Found
from ledger.callbacks import CallbackOutcome, JournaledCallback
from ledger.payouts import PayoutAttempt
from ledger.register import Register

M = TypeVar("M", bound=BaseModel)

LARGEST_CALLBACK = 256 * 1024
"""Bytes."""

_ASK_AGAIN = frozenset({"too_early", "unknown_chargeback"})
"""Refusals of an order that a later try may not meet: its money is moving, or an end overtook the beginning."""

Report = Callable[[str, ReportPayout], Awaitable[object]]
"""Reports an outcome to a withdrawal, by its id. Raises `Refused` if none accepts it, `Unavailable` if a retry helps.
"""


class Heard(Message):
    """A callback's content: `key` is our key of the payout or refund.

    `event_id` is made from the content, so the same news under two callback numbers is one event.
    """

    about: Literal["payout", "refund"]
    rails: tuple[str, ...] = ()
    """The rails that a payout may be on."""
    key: str
    event_id: str
    payee: str | None = None
    result: PayoutResult
    """`accepted`: still in progress."""


class Disputed(Message):
    """A payment was taken back, or the dispute about it ended. `key` is the channel's own name for it.

    `payments` are the channel's numbers of the payment, of which a storefront knows one.
    """

    about: Literal["chargeback"] = "chargeback"
    channel: str
    payments: tuple[str, ...]
    currency: str
    key: str
    event_id: str
    report: ReportChargeback


class Unfollowed(Message):
    """A genuine callback about something that Dakuan does not follow.

    `complaint`: what an operator must know of a complaint, whose event has this `event_id`.
    """

    about: str
    event_id: str = ""
    complaint: dict[str, str] = {}


class CallbackReader(Protocol):
    """Reads one provider's callbacks: pure, no network."""

    name: str
    headers: tuple[str, ...]
    """The headers that are stored, in lower case, including the signature."""

    def why_not(self, body: bytes, headers: Mapping[str, str]) -> str | None:
        """Why the signature is not the provider's; None if it is. Headers in lower case."""
        ...

    def read(self, body: bytes) -> Heard | Disputed | Unfollowed:
        """Read it.

        Raises:
            UnreadableAnswer: it is genuine and cannot be read.
        """
        ...

    def acknowledge(self, now: datetime, *, taken: bool, why: str = "") -> bytes:
        """See `inbound.desk.Reader.acknowledge`."""
        ...


@dataclass(frozen=True)
class FoundEvent(Found):
    """The outcome of a readable callback."""

    heard: Heard | Disputed | None = None


class CallbackDesk(Desk[CallbackReader, JournaledCallback]):
    """Takes callbacks.

    Args:
        readers: by provider; each holds its own keys.
        report: see `Report`.
        charge: sends a chargeback to one order.
    """

    largest: ClassVar[int] = LARGEST_CALLBACK
    statuses: ClassVar[Mapping[str, int]] = {"wrong_signature": 401, "unreadable": 400, "too_large": 413}
    unknown: ClassVar[tuple[str, str]] = ("provider", "No {vendor} calls us back; those that do: {known}.")

    def __init__(self, register: Register, readers: Mapping[str, CallbackReader], report: Report, charge: Send) -> None:
        super().__init__(readers)
        self._register, self._report, self._charge = register, report, charge

    def _why_not(self, reader: CallbackReader, body: bytes, headers: Mapping[str, str]) -> str | None:
        return reader.why_not(body, headers)

    def _kept_headers(self, reader: CallbackReader) -> Sequence[str]:
        return reader.headers

    def _signed_headers(self, reader: CallbackReader) -> Sequence[str]:
        return reader.headers

    async def _journal(
        self, vendor: str, digest: str, body: bytes, headers: Mapping[str, str], now: datetime
    ) -> JournaledCallback:
        return await self._register.callbacks.journal(vendor, digest, body, headers, now)

    async def _finish(self, entry: JournaledCallback, found: Found) -> None:
        heard = found.heard if isinstance(found, FoundEvent) else None
        await self._register.callbacks.finish(
            entry.id,
            found.outcome,
            found.detail,
            about=heard.about if heard else None,
            key=heard.key if heard else None,
            event_id=heard.event_id if heard else None,
        )

    async def _take(self, reader: CallbackReader, body: bytes, entry: JournaledCallback, now: datetime) -> Found:
        try:
            heard = reader.read(body)
        except UnreadableAnswer as error:
            return Found("unreadable", str(error)[:LONGEST_DETAIL])
        if isinstance(heard, Unfollowed):
            # It is received: the provider would only send it again.
            if heard.complaint:
                await self._register.callbacks.call_operator(
                    reader.name, heard.event_id, "complaint", heard.complaint, now
                )
            return Found("noted", f"about {heard.about}, which is not followed"[:LONGEST_DETAIL])
        if isinstance(heard, Disputed):
            found = await self._dispute(reader, heard)
            if found.outcome not in {"reported", "repeated"}:
                await self._call_operator(reader, heard, found, now)
            return found
        said = f"{heard.key} {heard.result.code or heard.result.outcome}"[:LONGEST_DETAIL]
        if heard.about == "refund":
            return FoundEvent("noted", said, heard=heard)
        row = await self._register.payouts.get(heard.key)
        wrong = _wrong(heard, row)
        if wrong is not None or row is None:
            return FoundEvent(wrong or "unknown_payout", said, heard=heard)
        if heard.result.outcome not in {"paid", "failed", "returned"}:
            return FoundEvent("nothing_new", said, (row.withdrawal_id,), heard)
        if await self._register.callbacks.was_reported(reader.name, heard.event_id):
            return FoundEvent("repeated", said, (row.withdrawal_id,), heard)
        try:
            await self._report(row.withdrawal_id, _command(heard, row))
        except Refused as refusal:
            return FoundEvent("refused", f"{refusal.code}: {said}", heard=heard)
        return FoundEvent("reported", said, (row.withdrawal_id,), heard)

    async def _call_operator(self, reader: CallbackReader, news: Disputed, found: Found, now: datetime) -> None:
        """The channel has moved money that is not in our books."""
        amount = news.report.amount_minor
        facts = {
            "provider": reader.name,
            "payment": news.payments[0],
            "case_reference": news.key,
            "outcome": news.report.outcome,
            "amount_minor": str(amount) if amount is not None else "",
            "currency": news.currency,
            "because": found.outcome if found.outcome != "refused" else found.detail,
        }
        await self._register.callbacks.call_operator(reader.name, news.event_id, "chargeback_unplaced", facts, now)

    async def _dispute(self, reader: CallbackReader, news: Disputed) -> FoundEvent:
        """Each order of the payment gets its part. Where one is not ready, the provider must send it again."""
        said = f"{news.key} {news.report.outcome}"[:LONGEST_DETAIL]
        if await self._register.callbacks.was_reported(reader.name, news.event_id):
            return FoundEvent("repeated", said, heard=news)
        orders = await orders_charged(self._register, news.payments, news.key, news.channel)
        if not orders:
            return FoundEvent("unknown_payment", f"{said}: {news.payments[0]}"[:LONGEST_DETAIL], heard=news)
        if any(order.currency != news.currency for order in orders):
            return FoundEvent("wrong_currency", f"{said}: {news.currency}", heard=news)
        reports = reports_of(news.report, orders)
        if isinstance(reports, Refusal):
            return FoundEvent("refused", f"{reports.code}: {said}"[:LONGEST_DETAIL], heard=news)
        answers = await send_reports(self._register, reports, self._charge)
        waits = [one for one in answers if one.refused is not None and one.refused.code in _ASK_AGAIN]
        if waits:
            why = f"order {waits[0].order_id} is not ready for it: {waits[0].refused}"
            raise Unavailable(f"{why} Send {news.key} again.")
        named = tuple(one.order_id for one in answers)
        refused = [f"{one.order_id} {one.refused.code}" for one in answers if one.refused is not None]
        if refused:
            return FoundEvent("refused", f"{', '.join(refused)}: {said}"[:LONGEST_DETAIL], named, news)
        return FoundEvent("reported", said, named, news)


def read_body(raw: bytes, model: type[M], source: str) -> M:
    """The JSON of a callback as its model.

    Raises:
        UnreadableAnswer: it is not.
    """
    return Reply.parsed(Reply(status=200, raw=raw, source=source).json(), model, source)


def _wrong(heard: Heard, row: PayoutAttempt | None) -> CallbackOutcome | None:
    """Why it does not fit a payout as we ordered it; None where it does."""
    if row is None:
        return "unknown_payout"
    if row.rail not in heard.rails:
        return "other_rail"
    if heard.payee is not None and not names_payee(heard.payee, row.rail_token, row.last4):
        return "wrong_payee"
    said = (heard.result.amount_minor, heard.result.currency)
    return None if said == (row.amount_minor, row.currency) else "wrong_amount"


def _command(heard: Heard, row: PayoutAttempt) -> ReportPayout:
    """One event is one command, also where another callback brings it again."""
    result = heard.result
    return ReportPayout.model_validate(
        {
            "command_id": f"callback-{heard.event_id}"[:64],
            "actor": Actor(role="rail", id=row.rail),
            "event_id": heard.event_id,
            "key": heard.key,
            "outcome": result.outcome,
            "amount_minor": result.amount_minor,
            "currency": result.currency,
            "failure": result.failure,
            "code": _printable(result.code),
            "message": _printable(result.message),
        }
    )


def _printable(text: str | None) -> str | None:
    return None if text is None else "".join(character for character in text if character.isprintable())
