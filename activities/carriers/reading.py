"""Reading that the vendors' formats share: texts that are numbers, local times, places in brackets, carrier codes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl

from pydantic import BeforeValidator, ValidationError

from activities.http import Reply
from core.audit.masking import mask
from core.audit.normalising import normalise
from core.audit.waybills import CARRIERS
from core.errors import UnreadableAnswer
from core.fields import Message
from core.messages import Scan, Stage

T = TypeVar("T")
E = TypeVar("E", bound=Message)

CHINA = timezone(timedelta(hours=8))
"""The meaning of the vendors' "CST", and the zone of a time that names none."""

_PLAIN = re.compile(
    r"(\d{4})(?:([-/.])(\d\d?)\2(\d\d?)(?: +|T)|年(\d\d?)月(\d\d?)日 *)"
    r"(\d\d?):(\d\d)(?::(\d\d)(?:[.,]\d{1,9})?)? ?(Z|[+-]\d\d(?::?\d\d)?)?",
    re.ASCII,
)
_DIGITS = re.compile(r"(2\d{3})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)", re.ASCII)
_EPOCH = re.compile(r"(1\d{9})(\d{3})?", re.ASCII)
"""Seconds since 1970, or milliseconds: from 2001 to 2033."""
_JAVA = re.compile(
    r"[A-Za-z]{3} ([A-Za-z]{3}) +(\d\d?) (\d\d):(\d\d):(\d\d) (?:CST|(?:GMT|UTC)([+-]\d\d:\d\d)?) (\d{4})", re.ASCII
)
_OFFSET = re.compile(r"(?:GMT|UTC)? ?([+-]?)(\d\d?)(?::?(\d\d))?", re.ASCII)
_FIRST_YEAR = 2000
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_BRACKETED = re.compile(r"\s*【([\u4e00-\u9fff]{1,10}(?:市|自治州|地区|盟))】")
_NUMBER = re.compile(r"[A-Z0-9-]{1,64}")
_PLACEHOLDER = re.compile(r"[Xx,\s*-]*")
_LONGEST_PLACE = 80
_LONGEST_CODE = 64
_MOST_FIELDS = 20


def _as_text(value: object) -> object:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _words(value: object) -> object:
    return value if isinstance(value, str) else None


def only_object(value: object) -> object:
    """For a part that may be missing: anything but an object is none, and does not lose the event."""
    return value if isinstance(value, dict) else None


def _nothing_for_null(value: object) -> object:
    if isinstance(value, dict) and value:
        return (value,)  # a list of one, as some serialisers write it
    return () if value is None or value == "" else value


VendorList = Annotated[tuple[Any, ...], BeforeValidator(_nothing_for_null)]
"""A list whose entries are read one by one, so that a bad one does not lose the others; null is an empty list, and
an object alone is a list of one."""
VendorText = Annotated[str | None, BeforeValidator(_as_text)]
"""A text that a vendor sometimes writes as a number, or leaves out."""
VendorWords = Annotated[str | None, BeforeValidator(_words)]
"""A description or a place; anything but a text is none, and does not lose the event."""


def read_each(items: Iterable[object], read: Callable[[Any], T]) -> tuple[list[T], list[str]]:
    """Read a list entry by entry: returns the readable entries, and for each other one the reason.

    Args:
        read: raises `UnreadableAnswer` for an entry that cannot be read.
    """
    taken: list[T] = []
    unread: list[str] = []
    for number, item in enumerate(items, 1):
        try:
            taken.append(read(item))
        except UnreadableAnswer as error:
            unread.append(f"entry {number}: {error}")
    return taken, unread


def entry_of(item: object, model: type[E], source: str) -> E:
    """One entry of a list.

    Raises:
        UnreadableAnswer: it is not an object, or not of this form.
    """
    if not isinstance(item, dict):
        raise UnreadableAnswer(f"{source}: not an object")
    return Reply.parsed(item, model, source)


def with_unread(detail: str | None, unread: list[str]) -> str | None:
    """A trace's detail, extended by how many of its events could not be read."""
    if not unread:
        return detail
    note = f"{len(unread)} of its events cannot be read, the first: {unread[0]}"
    return f"{detail}; {note}" if detail else note


def local_time(text: str | None, offset: str | None = None) -> datetime:
    """A vendor's time: `2025-01-09 19:22:16`, `2025/1/9 19:22`, `2025年1月9日 19:22`, `20250109192216`, RFC 3339,
    `Thu Mar 26 15:37:57 CST 2023`, or seconds or milliseconds since 1970.

    The weekday is often wrong and is ignored.

    Args:
        offset: the zone of a time that names none, such as `+02:00`; China's by default.

    Raises:
        UnreadableAnswer: it is not such a time.
    """
    text = unicodedata.normalize("NFKC", text or "").strip()
    try:
        if found := _PLAIN.fullmatch(text):
            year, _, month, day, month_zh, day_zh, hour, minute, second, zone = found.groups()
            return _moment(year, month or month_zh, day or day_zh, hour, minute, second or "0", _zone(zone or offset))
        if found := _JAVA.fullmatch(text):
            name, day, hour, minute, second, zone, year = found.groups()
            month = str(_MONTHS.index(name.lower()) + 1)
            return _moment(year, month, day, hour, minute, second, _zone(zone or (None if "CST" in text else "Z")))
        if found := _DIGITS.fullmatch(text):
            year, month, day, hour, minute, second = found.groups()
            return _moment(year, month, day, hour, minute, second, _zone(offset))
        if found := _EPOCH.fullmatch(text):
            return datetime.fromtimestamp(int(found[1]), UTC)
    except (ValueError, OverflowError):
        pass
    raise UnreadableAnswer(f"{text[:40]!r} is no time")


def _moment(year: str, month: str, day: str, hour: str, minute: str, second: str, zone: timezone) -> datetime:
    """In UTC. Some carriers end a day with 24:00:00, and write an empty time as 1970 or 1900."""
    if int(year) < _FIRST_YEAR:
        raise ValueError("a time that stands for none")
    midnight = (hour, minute, int(second)) == ("24", "00", 0)
    at = datetime(int(year), int(month), int(day), 0 if midnight else int(hour), int(minute), int(second), tzinfo=zone)
    return (at + timedelta(days=1) if midnight else at).astimezone(UTC)


def _zone(offset: str | None) -> timezone:
    if not offset:
        return CHINA
    if offset == "Z":
        return UTC
    found = _OFFSET.fullmatch(offset)
    if found is None:
        raise ValueError("no offset")
    distance = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
    return timezone(-distance if found[1] == "-" else distance)


def scan_of(at: datetime, code: str | None, stage: Stage, place: str | None, text: str | None) -> Scan:
    """A scan of the port from a vendor's event. The text is masked here, before it can be stored.

    Raises:
        UnreadableAnswer: the time is impossible for a parcel.
    """
    masked = mask(text) if text else None
    city = mask(place)[:_LONGEST_PLACE].strip() if place and not _PLACEHOLDER.fullmatch(place) else None
    if not city and masked and (bracketed := _BRACKETED.match(masked)):
        city = bracketed[1]
    try:
        return Scan(at=at, code=mask(code or "")[:_LONGEST_CODE], stage=stage, city=city or None, text=masked or None)
    except ValidationError:
        raise UnreadableAnswer(f"an event at {at} cannot be read") from None


def number_of(text: str | None) -> str:
    """A waybill number as the orders write it.

    Raises:
        UnreadableAnswer: it is missing, or cannot be a waybill number.
    """
    number, _ = normalise(text or "")
    if not _NUMBER.fullmatch(number):
        raise UnreadableAnswer("no waybill number")
    return number


def needs_phone(carrier_id: str) -> bool:
    """Whether the carrier answers only with the last four digits of a phone."""
    carrier = CARRIERS.carrier(carrier_id)
    return carrier is not None and carrier.needs_phone


def form_of(body: bytes) -> Mapping[str, str]:
    """The fields of an `application/x-www-form-urlencoded` body.

    Raises:
        UnreadableAnswer: it is not a form, or has a field twice.
    """
    try:
        pairs = parse_qsl(
            body.decode().strip(),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError as error:
        raise UnreadableAnswer(f"not a form: {error}") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise UnreadableAnswer("a form with a field twice")
    return fields
