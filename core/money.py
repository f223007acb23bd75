"""Money: integer minor units of one ISO 4217 currency, splits and rounding."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

from iso4217 import Currency as _Iso4217

from core.errors import BadInput

MAX_AMOUNT_MINOR = 10**15
"""Largest amount of one field or transfer; the database holds the same bound."""

CURRENCIES: dict[str, int] = {
    currency.code: currency.exponent for currency in _Iso4217 if currency.exponent is not None
}
"""ISO 4217 code → number of decimals."""

_DIGITS = len(str(MAX_AMOUNT_MINOR))
_AMOUNT = re.compile(r"(\d+|\d{1,3}(?:,\d{3})+)(?:\.(\d+))?", re.ASCII)
"""Digits, with commas between thousands only. `1,50` is refused: in some countries it means one and a half."""


def format_minor(amount_minor: int, currency: str) -> str:
    """`13580, "CNY"` → `135.80 CNY`."""
    exponent = CURRENCIES.get(currency, 0)
    return f"{Decimal(amount_minor).scaleb(-exponent):,.{exponent}f} {currency}"


def parse_amount(text: str, currency: str, field: str = "amount") -> int:
    """`"135.80", "CNY"` → 13580.

    Args:
        field: the name of the amount where it was written, for the messages.

    Raises:
        BadInput: not a positive decimal number, finer than the currency's smallest unit, or above the maximum.
    """
    exponent = CURRENCIES.get(currency)
    if exponent is None:
        raise BadInput(f"currency: {currency!r} is not an ISO 4217 code, such as CNY")
    written, shown = _AMOUNT.fullmatch(text.strip()), text.strip()[:40]
    if written is None:
        raise BadInput(f"{field}: {shown!r} is not a positive number, such as 120.50")
    whole, decimals = written[1].replace(",", "").lstrip("0"), (written[2] or "").rstrip("0")
    if len(decimals) > exponent:
        raise BadInput(f"{field}: {currency} has {exponent} decimals; {shown} has more")
    if len(whole) > _DIGITS or (minor := int(f"{whole}{decimals:0<{exponent}}" or 0)) > MAX_AMOUNT_MINOR:
        raise BadInput(f"{field}: {shown} {currency} is more than can be moved at once")
    if minor == 0:
        raise BadInput(f"{field}: must be above zero")
    return minor


def share_bps(amount_minor: int, bps: int) -> int:
    """A share of an amount in basis points, rounded down: the platform never takes more than its rate."""
    return amount_minor * bps // 10_000


def given_back(commission_minor: int, refunded_minor: int, gross_minor: int) -> int:
    """Commission given back after refunding `refunded_minor` of a line of `gross_minor`, in total so far.

    The floor of the cumulative share: steps are differences of it, so they are never negative and exact at the end.
    """
    return commission_minor * refunded_minor // gross_minor if gross_minor else commission_minor


def spread(amount_minor: int, weights: Sequence[int]) -> list[int]:
    """Split an amount over weights by largest remainder: parts sum exactly, earlier parts win ties."""
    total = sum(weights)
    if total == 0:
        return [0] * len(weights)
    parts = [amount_minor * weight // total for weight in weights]
    left = amount_minor - sum(parts)
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(amount_minor * weights[i] % total), i))
    for i in by_remainder[:left]:
        parts[i] += 1
    return parts
