"""The form of an API key: a visible part by which people name it, a secret part, and a sum against typing errors.

`dk_live_` · 8 characters of id · 30 of secret · 6 of CRC-32, all of `A-Za-z0-9`. A scanner for leaked secrets finds the
prefix; a key with a wrong sum is refused before the database is asked.
"""

from __future__ import annotations

import zlib

from core.errors import BadInput

PREFIX = "dk_live_"
ID_LENGTH, SECRET_LENGTH, SUM_LENGTH = 8, 30, 6
RANDOM_BYTES = 38
"""A key is made from so many random bytes."""
SCOPES = (
    "orders:read",
    "orders:write",
    "withdrawals:read",
    "withdrawals:write",
    "merchants:read",
    "accounts:read",
    "accounts:write",
    "notices:read",
    "events:read",
    "endpoints:write",
)
PAYLOADS = "payloads:read"
"""Opens what is sealed in Temporal's histories: a key gets it only where it is named."""
ALL_SCOPES = (*SCOPES, PAYLOADS)
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def make_key(random: bytes) -> str:
    """A key from `RANDOM_BYTES` random bytes."""
    number, digits = int.from_bytes(random, "big"), []
    for _ in range(ID_LENGTH + SECRET_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    body = "".join(digits)
    return f"{PREFIX}{body}{_sum_of(body)}"


def key_id_of(key: str) -> str | None:
    """The visible part of a key; None where it is no key of ours."""
    body, given = key.removeprefix(PREFIX)[:-SUM_LENGTH], key[-SUM_LENGTH:]
    right = key.startswith(PREFIX) and len(body) == ID_LENGTH + SECRET_LENGTH and set(body) <= set(_ALPHABET)
    return body[:ID_LENGTH] if right and given == _sum_of(body) else None


def check_scopes(scopes: tuple[str, ...]) -> tuple[str, ...]:
    """These scopes, each once, in the order of `ALL_SCOPES`.

    Raises:
        BadInput: one is not known, or there is none.
    """
    unknown = sorted(set(scopes) - set(ALL_SCOPES))
    if unknown or not scopes:
        raise BadInput(f"scope: {unknown[0] if unknown else 'none'!r} is not one of {', '.join(ALL_SCOPES)}")
    return tuple(scope for scope in ALL_SCOPES if scope in scopes)


def _sum_of(body: str) -> str:
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(SUM_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits += _ALPHABET[digit]
    return digits
