"""Taking what rails and payment channels call back: verified, written down before anything is made of it, given on
once.

Nothing here decides anything about money: a withdrawal is told, and what it makes of it stands in its own journal. A
refund's callback is only kept, since its order asks for the refund by itself until it knows the end.

Whatever is not acknowledged comes again. Acknowledged means: it is in our database, and its withdrawal has it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Literal, Protocol

from activities.rails.base import names_payee
from core.errors import Refused, UnreadableAnswer
from core.messages import Actor, Message, ReportPayout
from core.withdrawal.payouts import PayoutResult
from ledger.callbacks import CallbackOutcome, Purged
from ledger.payouts import PayoutAttempt
from ledger.register import Register

LARGEST_CALLBACK = 256 * 1024
"""Bytes."""
KEPT_OF_REFUSED = 4096
"""Bytes of what is not the provider's: enough to see who plays, too little to fill a disk."""
KEPT_FOR = timedelta(days=90)
"""How long raw bodies are kept: as long as the rails themselves can be asked."""
_LONGEST_HEADER = 700

_STATUS: Mapping[str, int] = {"wrong_signature": 401, "unreadable": 400, "too_large": 413}
"""Answered so; everything else was taken, and is not to come again."""

Report = Callable[[str, ReportPayout], Awaitable[object]]
"""Tells a withdrawal (its id). Raises `Refused` where none takes it, `Unavailable` where a retry helps."""


class Heard(Message):
    """What a callback says: `key` is the payout's or the refund's, ours.

    `event_id` is made from what it says, so that the same said twice, under whatever number, is one event.
    """

    about: Literal["payout", "refund"]
    rails: tuple[str, ...] = ()
    """The rails that a payout may be on."""
    key: str
    event_id: str
    payee: str | None = None
    result: PayoutResult
    """`accepted`: still under way."""


class Unfollowed(Message):
    """A callback that is the provider's own, about something that Dakuan does not follow."""

    about: str


class CallbackReader(Protocol):
    """One provider's callbacks: pure, no network."""

    name: str
    headers: tuple[str, ...]
    """Those that are kept, in lower case; the signature among them."""

    def why_not(self, body: bytes, headers: Mapping[str, str]) -> str | None:
        """Why this is not the provider's own word; None where it is. Headers in lower case."""
        ...

    def read(self, body: bytes) -> Heard | Unfollowed:
        """What it says.

        Raises:
            UnreadableAnswer: it is the provider's and cannot be read.
        """
        ...

    def acknowledge(self, *, taken: bool, why: str) -> bytes:
        """The very bytes that the provider wants to be answered."""
        ...


class CallbackAnswer(Message):
    """What the provider is answered, and what became of it. `repeated`: it came before, with this outcome."""

    status: int
    body: bytes
    outcome: CallbackOutcome
    detail: str = ""
    withdrawal_id: str | None = None
    repeated: bool = False


class _Found(Message):
    outcome: CallbackOutcome
    detail: str = ""
    heard: Heard | None = None
    withdrawal_id: str | None = None


class CallbackDesk:
    """Takes callbacks.

    Args:
        readers: by provider; each knows its own keys.
        report: see `Report`.
    """

    def __init__(self, register: Register, readers: Mapping[str, CallbackReader], report: Report) -> None:
        self._register, self._readers, self._report = register, readers, report

    async def receive(self, provider: str, body: bytes, headers: Mapping[str, str]) -> CallbackAnswer:
        """Take one callback.

        Args:
            body: the very bytes that came, which are what was signed.

        Raises:
            Refused: `malformed`; we have no account with this provider.
            Unavailable: database or Temporal did not answer. Nothing may be acknowledged; the provider sends it again,
                and what was done already is not done twice.
        """
        reader = self._readers.get(provider)
        if reader is None:
            known = ", ".join(sorted(self._readers)) or "none"
            raise Refused("malformed", f"No {provider[:64]!r} calls us back; those that do: {known}.", "provider")
        lower = {name.lower(): value for name, value in headers.items()}
        refused = _refused(reader, body, lower)
        journaled = await self._register.callbacks.journal(
            provider,
            _digest(reader, body, lower),
            body[:KEPT_OF_REFUSED] if refused else body,
            {name: lower[name][:_LONGEST_HEADER] for name in reader.headers if name in lower},
            datetime.now(UTC),
        )
        if journaled.outcome is not None:
            return _answer(reader, _Found(outcome=journaled.outcome, detail=journaled.detail), repeated=True)
        found = refused or await self._take(reader, body)
        await self._register.callbacks.finish(
            journaled.id,
            found.outcome,
            found.detail,
            about=found.heard.about if found.heard else None,
            key=found.heard.key if found.heard else None,
            event_id=found.heard.event_id if found.heard else None,
        )
        return _answer(reader, found)

    async def purge(self, kept_for: timedelta = KEPT_FOR) -> Purged:
        """Forget the raw bodies of older callbacks."""
        return await self._register.callbacks.purge(datetime.now(UTC) - kept_for)

    async def _take(self, reader: CallbackReader, body: bytes) -> _Found:
        """What becomes of a callback that is the provider's own."""
        try:
            heard = reader.read(body)
        except UnreadableAnswer as error:
            return _Found(outcome="unreadable", detail=str(error)[:300])
        if isinstance(heard, Unfollowed):
            # It is received: the provider would only send it again.
            return _Found(outcome="noted", detail=f"about {heard.about}, which is not followed"[:300])
        said = f"{heard.key} {heard.result.code or heard.result.outcome}"[:300]
        if heard.about == "refund":
            return _Found(outcome="noted", detail=said, heard=heard)
        row = await self._register.payouts.get(heard.key)
        wrong = _wrong(heard, row)
        if wrong is not None or row is None:
            return _Found(outcome=wrong or "unknown_payout", detail=said, heard=heard)
        if heard.result.outcome not in {"paid", "failed", "returned"}:
            return _Found(outcome="nothing_new", detail=said, heard=heard, withdrawal_id=row.withdrawal_id)
        if await self._register.callbacks.was_reported(reader.name, heard.event_id):
            return _Found(outcome="repeated", detail=said, heard=heard, withdrawal_id=row.withdrawal_id)
        try:
            await self._report(row.withdrawal_id, _command(heard, row))
        except Refused as refusal:
            return _Found(outcome="refused", detail=f"{refusal.code}: {said}", heard=heard)
        return _Found(outcome="reported", detail=said, heard=heard, withdrawal_id=row.withdrawal_id)


def _refused(reader: CallbackReader, body: bytes, headers: Mapping[str, str]) -> _Found | None:
    if len(body) > LARGEST_CALLBACK:
        return _Found(outcome="too_large", detail=f"{len(body)} bytes")
    why = reader.why_not(body, headers)
    return _Found(outcome="wrong_signature", detail=why) if why else None


def _wrong(heard: Heard, row: PayoutAttempt | None) -> CallbackOutcome | None:
    """Why it is not about a payout of ours as we ordered it; None where it is."""
    if row is None:
        return "unknown_payout"
    if row.rail not in heard.rails:
        return "other_rail"
    if heard.payee is not None and not names_payee(heard.payee, row.rail_token, row.last4):
        return "wrong_payee"
    said = (heard.result.amount_minor, heard.result.currency)
    return None if said == (row.amount_minor, row.currency) else "wrong_amount"


def _command(heard: Heard, row: PayoutAttempt) -> ReportPayout:
    """One event is one command, whoever delivers it again."""
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


def _digest(reader: CallbackReader, body: bytes, headers: Mapping[str, str]) -> str:
    """One callback, one digest. What signs it counts: a forged one must not stand in the way of the true one."""
    signed = "\0".join(headers.get(name, "") for name in reader.headers)
    return hashlib.sha256(body + b"\0" + signed.encode(errors="replace")).hexdigest()


def _answer(reader: CallbackReader, found: _Found, *, repeated: bool = False) -> CallbackAnswer:
    taken = found.outcome not in _STATUS
    return CallbackAnswer(
        status=_STATUS.get(found.outcome, 200),
        body=reader.acknowledge(taken=taken, why="" if taken else found.outcome.replace("_", " ")),
        outcome=found.outcome,
        detail=found.detail,
        withdrawal_id=found.withdrawal_id,
        repeated=repeated,
    )
