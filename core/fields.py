"""The types of fields that messages share, and the base of all messages."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import partial
from operator import eq
from typing import Annotated, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
)

from core.money import CURRENCIES, MAX_AMOUNT_MINOR

T = TypeVar("T")

# Control characters except tab and new line, and halves of surrogate pairs: no database or terminal takes them. Spelled
# out, since Python's own tables grow with each version, and a replay must decide as the first run did.
UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_CARRIAGE_RETURN = re.compile("\r\n?")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_PHONE = re.compile(r"(?<!\d)\+?\d[\d -]{5,}\d", re.ASCII)
YEARS = range(1970, 2200)


def _printable(text: str) -> str:
    if (found := UNPRINTABLE.search(text)) is not None:
        raise ValueError(f"contains the control character U+{ord(found.group()):04X}")
    return text


def _without_returns(value: object) -> object:
    return _CARRIAGE_RETURN.sub(" ", value) if isinstance(value, str) else value


def _rfc3339(value: object) -> object:
    """Only this form: pydantic alone would also read "1700000000" as a time."""
    if isinstance(value, datetime) or (isinstance(value, str) and _RFC3339.fullmatch(value)):
        return value
    raise ValueError("must be an RFC 3339 time with an offset, such as 2026-11-22T16:00:00+08:00")


def _in_utc(at: datetime) -> datetime:
    """One instant, one spelling: content hashes must not depend on the sender's offset."""
    if at.year not in YEARS:
        # A delay added to the year 9999 would overflow, in the middle of a workflow task.
        raise ValueError(f"must lie between {YEARS[0]} and {YEARS[-1]}")
    return at.astimezone(UTC)


def _no_phone(place: str) -> str:
    if _PHONE.search(place):
        raise ValueError("must be the name of a region, and holds what looks like a phone number")
    return place


def _known_currency(code: str) -> str:
    if code not in CURRENCIES:
        raise ValueError("must be an ISO 4217 code, such as CNY")
    return code


Id = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9_-]{1,64}$")]
PolicyName = Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z0-9_-]{1,64}$")]
Name = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9_-]{1,100}$")]
"""A hold or a refund's cause; some are made from an id and a word."""
Text = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=500), AfterValidator(_printable)]
Title = Annotated[Text, BeforeValidator(_without_returns)]
"""Goods' titles are pasted from elsewhere; a paid order is not refused for a Windows line break in one."""
Reason = Annotated[
    str,
    StringConstraints(strict=True, strip_whitespace=True, max_length=500),
    AfterValidator(_printable),
]
Word = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=64), AfterValidator(_printable)]
"""A carrier, a waybill: another party's name for something."""
Reference = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=255), AfterValidator(_printable)]
"""A payment provider's id of something. Stripe's may have 255 characters, and a Checkout session's has 66."""
PaymentReference = Annotated[
    str, StringConstraints(strict=True, strip_whitespace=True, min_length=1, max_length=255), AfterValidator(_printable)
]
"""The reference of a payment. With a space around it, it is the same payment: it would be claimed a second time."""
Code = Annotated[str, StringConstraints(strict=True, max_length=64), AfterValidator(_printable)]
Told = Annotated[str, StringConstraints(strict=True, max_length=500), AfterValidator(_printable)]
"""The text of a carrier or a rail; may be empty."""
Place = Annotated[str, StringConstraints(strict=True, max_length=80), AfterValidator(_printable)]
Region = Annotated[Place, AfterValidator(_no_phone)]
"""A part of a country that does not identify a person."""
Digest = Annotated[str, StringConstraints(strict=True, pattern=r"^[a-f0-9]{64}$")]
"""A SHA-256 of something that only the storefront knows, in hexadecimal."""
Currency = Annotated[
    str,
    StringConstraints(strict=True),
    AfterValidator(_known_currency),
    WithJsonSchema({"type": "string", "pattern": "^[A-Z]{3}$", "format": "iso-4217"}),
]
AmountMinor = Annotated[int, Field(strict=True, ge=1, le=MAX_AMOUNT_MINOR)]
AmountOrZero = Annotated[int, Field(strict=True, ge=0, le=MAX_AMOUNT_MINOR)]
Quantity = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
Time = Annotated[AwareDatetime, BeforeValidator(_rfc3339), AfterValidator(_in_utc)]


def omitted_at(default: T) -> T:
    """A field with this default, which JSON omits as long as it has it: states are in every record, and policies travel
    with each order.
    """
    field: T = Field(default=default, exclude_if=partial(eq, default))
    return field


class Message(BaseModel):
    """A frozen payload. Unknown fields are ignored unless `read(..., strictly=True)` refuses them."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)
