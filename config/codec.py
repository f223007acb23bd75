"""The keys that seal what stands in Temporal's histories, from the file of DAKUAN_CODEC_KEYS.

    3f9a1c07-52d0c1b7a9e4:q83v…=     the first key seals
    91b2e4aa-0c4d88f1e2b6:8J2m…=     all open
    77aa0b31-9e01d2c3b4a5:           a key that is gone: only its id is left

An id ends with a sum that only a holder of the key before it can make. So a process can tell a payload that a newer key
of ours sealed, which it must wait for, from one that names any key, which it refuses.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import Misconfigured

CODEC_KEYS, TEMPORAL_UI = "DAKUAN_CODEC_KEYS", "DAKUAN_TEMPORAL_UI"
KEY_BYTES = 32
NAME_BYTES = 4
_ID = re.compile(r"([0-9a-f]{8})-([0-9a-f]{12})")
_ADDRESS = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?(/[A-Za-z0-9._~/-]*)?")
_MADE = "`python starter.py keys codec FILE` makes it"


@dataclass(frozen=True)
class CodecKeys:
    """Keys by their ids; the first seals, all open.

    Args:
        gone: ids of keys that were taken away; what they sealed can be read no more.
    """

    keys: Mapping[str, bytes] = field(repr=False)
    gone: frozenset[str] = frozenset()

    @property
    def sealing(self) -> str:
        """The id of the key that seals."""
        return next(iter(self.keys))

    def is_ours(self, key_id: str) -> bool:
        """Whether this id names a key of ours that is not here: one that is gone, or one made after a key that is."""
        if key_id in self.gone:
            return True
        named = _ID.fullmatch(key_id)
        return named is not None and any(
            hmac.compare_digest(_sum_of(key, named[1]), named[2]) for key in self.keys.values()
        )

    def with_new(self, name: bytes, key: bytes) -> CodecKeys:
        """These keys and a new one, which only opens.

        Args:
            name: `NAME_BYTES` random bytes for its id.
            key: `KEY_BYTES` random bytes.
        """
        return CodecKeys({**self.keys, key_id_of(name, self.keys[self.sealing]): key}, self.gone)

    def sealing_with(self, key_id: str) -> CodecKeys:
        """The same keys; this one seals."""
        return CodecKeys({key_id: self.keys[key_id], **self.keys}, self.gone)

    def without(self, key_id: str) -> CodecKeys:
        """The other keys; of this one only its id is left."""
        left = {one: key for one, key in self.keys.items() if one != key_id}
        return CodecKeys(left, self.gone | {key_id})

    def text(self) -> str:
        """As the file has them."""
        kept = [f"{key_id}:{base64.b64encode(key).decode('ascii')}" for key_id, key in self.keys.items()]
        return "\n".join((*kept, *(f"{key_id}:" for key_id in sorted(self.gone)), ""))


def first_keys(name: bytes, key: bytes) -> CodecKeys:
    """Keys with a first one; the arguments as of `CodecKeys.with_new`."""
    return CodecKeys({key_id_of(name, key): key})


def key_id_of(name: bytes, before: bytes) -> str:
    """The id of a new key, by the key that sealed before it."""
    return f"{name.hex()}-{_sum_of(before, name.hex())}"


def _sum_of(key: bytes, name: str) -> str:
    return hmac.new(key, f"dakuan/codec/key/{name}".encode("ascii"), hashlib.sha256).hexdigest()[:12]


def read_codec_keys(file: Path) -> CodecKeys:
    """The keys of a file.

    Raises:
        Misconfigured: it cannot be read. The message repeats no key.
    """
    try:
        lines = file.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{CODEC_KEYS}: {file} cannot be read: {error}") from None
    keys: dict[str, bytes] = {}
    gone: set[str] = set()
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        key_id, _, encoded = line.strip().partition(":")
        key = _key_in(encoded)
        if not _ID.fullmatch(key_id) or key is None or key_id in keys or key_id in gone:
            raise Misconfigured(f"{CODEC_KEYS}: line {number} of {file} is not ID:KEY; {_MADE}")
        if key:
            keys[key_id] = key
        else:
            gone.add(key_id)
    if not keys:
        raise Misconfigured(f"{CODEC_KEYS}: {file} has no key; {_MADE}")
    return CodecKeys(keys, frozenset(gone))


def _key_in(encoded: str) -> bytes | None:
    """The key; empty where it is gone, None where it is no key."""
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if len(key) in {0, KEY_BYTES} else None


def parse_temporal_ui(variables: Mapping[str, str]) -> str | None:
    """The address of Temporal's Web UI, as `https://temporal.shop.example`; None where it is not set.

    Raises:
        Misconfigured: it is no such address.
    """
    given = variables.get(TEMPORAL_UI, "").rstrip("/")
    if given and not _ADDRESS.fullmatch(given):
        raise Misconfigured(f"{TEMPORAL_UI} is not an address such as https://temporal.shop.example")
    return given or None
