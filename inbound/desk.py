"""One desk for everything that vendors send unasked: verify it, write it down, make something of it once, tell.

Vendors deliver at least once, late and out of order, and strangers deliver too. So nothing is believed before its
signature, nothing is lost once it is written down, and the same bytes again are answered as they were the first time.
A message is acknowledged only when it stands in our database and has been given on; where anything breaks before, the
vendor sends it again, and what was done already is not done twice.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from core.errors import Refused
from core.fields import Message

KEPT_OF_REFUSED = 4096
"""Bytes of a message that is not the vendor's: enough to see what a stranger tries, too little to fill a disk."""
LONGEST_DETAIL = 300
_LONGEST_HEADER = 700


class Reader(Protocol):
    """One vendor's form: pure, no network."""

    def acknowledge(self, now: datetime, *, taken: bool, why: str = "") -> bytes:
        """The very bytes that the vendor wants to be answered."""
        ...


class Entry(Protocol):
    """A message in the journal; with an outcome where the same bytes came before and were dealt with."""

    @property
    def outcome(self) -> str | None: ...

    @property
    def detail(self) -> str: ...


R = TypeVar("R", bound=Reader)
E = TypeVar("E", bound=Entry)


@dataclass(frozen=True)
class Found:
    """What was made of a message; `subjects` are the orders or the withdrawal that it is about."""

    outcome: Any
    """One of the journal's outcomes."""
    detail: str = ""
    subjects: tuple[str, ...] = ()


class VendorAnswer(Message):
    """What the vendor is answered, and what became of the message. `repeated`: it came before, with this outcome."""

    status: int
    body: bytes
    outcome: str
    detail: str = ""
    subjects: tuple[str, ...] = ()
    repeated: bool = False


class Desk(ABC, Generic[R, E]):
    """Takes messages of one kind.

    Args:
        readers: by vendor; each knows its own secret.
    """

    largest: ClassVar[int]
    """Bytes of a body that is read."""
    statuses: ClassVar[Mapping[str, int]]
    """How outcomes are answered that are not taken; everything else is received, and need not come again."""
    unknown: ClassVar[tuple[str, str]]
    """The field, and the sentence where no vendor of this name is set up."""

    def __init__(self, readers: Mapping[str, R]) -> None:
        self._readers = readers

    async def receive(self, vendor: str, body: bytes, headers: Mapping[str, str]) -> VendorAnswer:
        """Take one message.

        Args:
            body: the very bytes that came, which are what was signed.

        Raises:
            Refused: `malformed`; we have no account at this vendor.
            Unavailable: database or Temporal did not answer. Nothing may be acknowledged; the vendor sends it again.
        """
        reader = self._reader(vendor)
        now = datetime.now(UTC)
        # Half a character (a lone surrogate) is what a header becomes that was no text; no database takes it.
        lower = {_text(name).lower(): _text(value) for name, value in headers.items()}
        refused = self._refused(reader, body, lower)
        kept = {name: lower[name][:_LONGEST_HEADER] for name in self._kept_headers(reader) if name in lower}
        entry = await self._journal(
            vendor,
            self._digest(reader, body, lower, taken=refused is None),
            body if refused is None else body[:KEPT_OF_REFUSED],
            kept,
            now,
        )
        if entry.outcome is not None:
            return self._answer(reader, now, Found(entry.outcome, entry.detail), repeated=True)
        found = refused or await self._take(reader, body, entry, now)
        await self._finish(entry, found)
        return self._answer(reader, now, found)

    def _reader(self, vendor: str) -> R:
        reader = self._readers.get(vendor)
        if reader is None:
            field, sentence = self.unknown
            known = ", ".join(sorted(self._readers)) or "none"
            raise Refused("malformed", sentence.format(vendor=repr(vendor[:64]), known=known), field)
        return reader

    def _refused(self, reader: R, body: bytes, headers: Mapping[str, str]) -> Found | None:
        if len(body) > self.largest:
            return Found("too_large", f"{len(body)} bytes")
        why = self._why_not(reader, body, headers)
        return None if why is None else Found("wrong_signature", why)

    def _digest(self, reader: R, body: bytes, headers: Mapping[str, str], *, taken: bool) -> str:
        """What makes two messages the same: of a true one what was signed, of a forged one every byte."""
        if taken and (signed := self._signed_part(reader, body)) is not None:
            return _sum(b"signed", signed)
        signatures = [headers.get(name, "") for name in self._signed_headers(reader)]
        return _sum(body, "\0".join(signatures).encode(errors="replace"))

    def _signed_part(self, reader: R, body: bytes) -> bytes | None:
        """The part of a verified body that its signature is over; None where the very bytes are what counts.

        Anyone who saw a signed message can send it again in another spelling: that is no new message.
        """
        return None

    def _answer(self, reader: R, now: datetime, found: Found, *, repeated: bool = False) -> VendorAnswer:
        status = self.statuses.get(found.outcome, 200)
        why = "" if status == 200 else found.outcome.replace("_", " ")
        return VendorAnswer(
            status=status,
            body=reader.acknowledge(now, taken=status == 200, why=why),
            outcome=found.outcome,
            detail=found.detail,
            subjects=found.subjects,
            repeated=repeated,
        )

    # --- what differs by kind ------------------------------------------------------------------------------

    @abstractmethod
    def _why_not(self, reader: R, body: bytes, headers: Mapping[str, str]) -> str | None:
        """Why this is not the vendor's own word; None where it is. Headers in lower case."""

    @abstractmethod
    def _kept_headers(self, reader: R) -> Sequence[str]:
        """The headers that the journal keeps, in lower case."""

    @abstractmethod
    def _signed_headers(self, reader: R) -> Sequence[str]:
        """Those that sign. They are a part of what makes two messages the same: a forged one has another signature, and
        must not stand in the way of the true one.
        """

    @abstractmethod
    async def _journal(self, vendor: str, digest: str, body: bytes, headers: Mapping[str, str], now: datetime) -> E:
        """Write the message down before anything is made of it; the same one again is found."""

    @abstractmethod
    async def _take(self, reader: R, body: bytes, entry: E, now: datetime) -> Found:
        """What becomes of a message that is the vendor's own. It may be called again where it broke off."""

    @abstractmethod
    async def _finish(self, entry: E, found: Found) -> None:
        """Write down what became of it; the first outcome stays."""


def _sum(one: bytes, other: bytes) -> str:
    return hashlib.sha256(one + b"\0" + other).hexdigest()


def _text(value: str) -> str:
    return value.encode(errors="replace").decode()
