"""The keys that seal account numbers, from DAKUAN_ACCOUNT_KEYS, or those that a local stack made for itself."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from pathlib import Path

from core.errors import Misconfigured

ACCOUNT_KEYS_FILE = "account-keys"
"""The file in which a local stack keeps its own DAKUAN_ACCOUNT_KEYS."""


def parse_account_keys(text: str) -> dict[str, bytes]:
    """The keys of `ID:KEY,ID:KEY…`, in order.

    Raises:
        Misconfigured: one is not 32 bytes in base64 after an id, or two share an id. The message repeats no key.
    """
    keys: dict[str, bytes] = {}
    for number, part in enumerate(text.split(","), 1):
        key_id, _, encoded = part.strip().partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", key_id) or len(key) != 32 or key_id in keys:
            raise Misconfigured(
                f"DAKUAN_ACCOUNT_KEYS: entry {number} is not ID:KEY with an id of its own and 32 bytes in base64; "
                "`openssl rand -base64 32` makes a key"
            )
        keys[key_id] = key
    return keys


def account_keys_of(variables: Mapping[str, str], home: Path | None) -> dict[str, bytes]:
    """The keys that are set; otherwise those that the local stack in use made for itself."""
    if "DAKUAN_ACCOUNT_KEYS" in variables:
        return parse_account_keys(variables["DAKUAN_ACCOUNT_KEYS"])
    if home is None or not (home / ACCOUNT_KEYS_FILE).exists():
        return {}
    try:
        return parse_account_keys((home / ACCOUNT_KEYS_FILE).read_text(encoding="ascii"))
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{home / ACCOUNT_KEYS_FILE} cannot be read: {error}") from None
