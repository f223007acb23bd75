"""One desk for everything that vendors send unasked: verify it, store it, interpret it once, pass it on.

Vendors deliver at least once, late and out of order, and strangers deliver too. So nothing is believed before its
signature, nothing is lost once it is written down, and the same bytes again are answered as they were the first time. A
message is acknowledged only when it stands in our database and has been given on; where anything breaks before, the
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
"""Bytes kept of a forged message: enough to see what an attacker tries, too few to fill a disk."""
LONGEST_DETAIL = 300
_LONGEST_HEADER = 700


class Reader(Protocol):
    """One vendor's form: pure, no network."""

    def acknowledge(self, now: datetime, *, taken: bool, why: str = "") -> bytes:
        """The exact bytes that the vendor expects as an answer."""
        ...


class Entry(Protocol):
    """A message in the journal. It has an outcome if the same bytes came before and were handled."""

    @property
    def outcome(self) -> str | None: ...

    @property
    def detail(self) -> str: ...


R = TypeVar("R", bound=Reader)
E = TypeVar("E", bound=Entry)


@dataclass(frozen=True)
class Found:
    """The outcome of a message; `subjects` are the orders or the withdrawal that it is about."""

    outcome: Any
    """One of the journal's outcomes."""
    detail: str = ""
    subjects: tuple[str, ...] = ()


class VendorAnswer(Message):
    """The answer to the vendor, and the message's outcome. `repeated`: it came before, with this outcome."""

    status: int
    body: bytes
    outcome: str
    detail: str = ""
    subjects: tuple[str, ...] = ()
    repeated: bool = False


class Desk(ABC, Generic[R, E]):
    """Takes messages of one kind.

    Args:
        readers: by vendor; each holds its own secret.
    """

    largest: ClassVar[int]
    """The largest body that is read, in bytes."""
    statuses: ClassVar[Mapping[str, int]]
    """The status of each outcome that is not accepted; every other message is received and need not come again."""
    unknown: ClassVar[tuple[str, str]]
    """The field, and the sentence if no vendor of this name is configured."""

    def __init__(self, readers: Mapping[str, R]) -> None:
        self._readers = readers

    def knows(self, vendor: str) -> bool:
        """Whether a vendor of this name is configured."""
        return vendor in self._readers

    async def receive(self, vendor: str, body: bytes, headers: Mapping[str, str]) -> VendorAnswer:
        """Take one message.

        Args:
            body: the exact bytes that came: they are what was signed.

        Raises:
            Refused: `malformed`: no account at this vendor is configured.
            Unavailable: database or Temporal did not answer. The message must not be acknowledged; the vendor sends it
                again.
        """
        reader = self._reader(vendor)
        now = datetime.now(UTC)
        # A header that is not valid text contains lone surrogates, which the database cannot store.
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
        """The identity of a message: a genuine one's signed part, a forged one's every byte."""
        if taken and (signed := self._signed_part(reader, body)) is not None:
            return _sum(b"signed", signed)
        signatures = [headers.get(name, "") for name in self._signed_headers(reader)]
        return _sum(body, "\0".join(signatures).encode(errors="replace"))

    def _signed_part(self, reader: R, body: bytes) -> bytes | None:
        """The part of a verified body that its signature covers; None if it covers every byte.

        A person who saw a signed message can replay it in another spelling: that is not a new message.
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
        """Why the signature is not the vendor's; None if it is. Headers in lower case."""

    @abstractmethod
    def _kept_headers(self, reader: R) -> Sequence[str]:
        """The headers that the journal keeps, in lower case."""

    @abstractmethod
    def _signed_headers(self, reader: R) -> Sequence[str]:
        """The headers that hold the signature. They are a part of a message's identity: a forged one has another
        signature, and must not pass for the genuine one's first arrival.
        """

    @abstractmethod
    async def _journal(self, vendor: str, digest: str, body: bytes, headers: Mapping[str, str], now: datetime) -> E:
        """Write the message down before it is read; a repeated one finds its first row."""

    @abstractmethod
    async def _take(self, reader: R, body: bytes, entry: E, now: datetime) -> Found:
        """Handle a genuine message. It may be called again after an interruption."""

    @abstractmethod
    async def _finish(self, entry: E, found: Found) -> None:
        """Note the outcome; the first one stays."""


def _sum(one: bytes, other: bytes) -> str:
    return hashlib.sha256(one + b"\0" + other).hexdigest()


def _text(value: str) -> str:
    return value.encode(errors="replace").decode()
