"""The vault: account numbers at rest, sealed with AES-256-GCM.

The first key seals, all keys open, and the id of the key stands beside what it sealed, so that a new key is put in
front, everything is sealed again (`accounts reseal`), and the old key taken away. Account and version are associated
data: a sealed number that is copied to another account's row does not open there.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr

from core.errors import Misconfigured, Unavailable

NONCE_BYTES = 12
"""The length that NIST SP 800-38D recommends; random, since a key seals far fewer than 2**32 numbers."""


@dataclass(frozen=True)
class Sealed:
    """A number that only the holder of the key can read."""

    key_id: str
    nonce: bytes = field(repr=False)
    ciphertext: bytes = field(repr=False)


class Vault:
    """Seals and opens account numbers.

    Args:
        keys: 32 bytes each, by their ids; the first seals. None at all: nothing can be sealed or opened.
    """

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._keys = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._fingerprinting = {key_id: _derived(key) for key_id, key in keys.items()}

    def __repr__(self) -> str:
        return f"Vault({', '.join(self._keys)})"

    @property
    def newest(self) -> str:
        """The id of the key that seals.

        Raises:
            Misconfigured: there is none.
        """
        for key_id in self._keys:
            return key_id
        raise Misconfigured(
            "DAKUAN_ACCOUNT_KEYS is not set, and account numbers are never stored unsealed: set it to ID:KEY, where "
            "KEY is 32 random bytes in base64 (openssl rand -base64 32)"
        )

    def seal(self, number: SecretStr, account_id: str, version: int) -> Sealed:
        """The number, for this version of this account alone.

        Raises:
            Misconfigured: no key is configured; a retry does not help.
        """
        key_id, nonce = self.newest, secrets.token_bytes(NONCE_BYTES)
        plain = number.get_secret_value().encode()
        return Sealed(key_id, nonce, self._keys[key_id].encrypt(nonce, plain, _bound_to(account_id, version)))

    def open(self, sealed: Sealed, account_id: str, version: int) -> SecretStr:
        """The number that was sealed for this version of this account.

        Raises:
            Unavailable: the key is not here, or the row was altered. A retry helps once a worker has the right key;
                until then nothing is sent.
        """
        key = self._keys.get(sealed.key_id)
        if key is None:
            raise Unavailable(
                f"the number of account {account_id} is sealed with the key {sealed.key_id}, which DAKUAN_ACCOUNT_KEYS "
                "does not have"
            )
        try:
            plain = key.decrypt(sealed.nonce, sealed.ciphertext, _bound_to(account_id, version))
        except InvalidTag:
            raise Unavailable(
                f"the number of account {account_id} does not open with the key {sealed.key_id}: another key has this "
                "id, or the row was altered"
            ) from None
        return SecretStr(plain.decode())

    def fingerprints(self, number: SecretStr, account_id: str) -> list[bytes]:
        """What tells the same number of an account again without opening it: one for each key, the newest first."""
        told = f"{account_id}/{number.get_secret_value()}".encode()
        return [hmac.digest(key, told, "sha256") for key in self._fingerprinting.values()]


def _derived(key: bytes) -> bytes:
    """A key of its own for fingerprints: one key must not serve two algorithms."""
    return HKDF(SHA256(), 32, salt=None, info=b"dakuan payout account fingerprint").derive(key)


def _bound_to(account_id: str, version: int) -> bytes:
    """The id holds no slash, so that no two accounts share this."""
    return f"payout-account/{account_id}/{version}".encode()
