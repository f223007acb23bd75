"""The vault: it seals stored account numbers and secrets of webhooks with AES-256-GCM.

The first key seals, every key opens, and the key's id is stored beside what it sealed. To change the key: put the new
one in front, seal everything again (`accounts reseal`), then remove the old one. Account and version are associated
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
"""The length that NIST SP 800-38D recommends; random, because a key seals far fewer than 2**32 numbers."""


@dataclass(frozen=True)
class Sealed:
    """A number that can be read only with the key."""

    key_id: str
    nonce: bytes = field(repr=False)
    ciphertext: bytes = field(repr=False)


class Vault:
    """Seals and opens account numbers and secrets of endpoints.

    Args:
        keys: 32 bytes each, by their ids; the first seals. Without keys nothing can be sealed or opened.
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
        """Seal the number for this version of this account alone.

        Raises:
            Misconfigured: no key is configured; a retry does not help.
        """
        return self._sealed(number, _of_account(account_id, version))

    def seal_secret(self, secret: SecretStr, endpoint_id: str, number: int) -> Sealed:
        """Seal an endpoint's secret of this number for this endpoint alone; raises as `seal`."""
        return self._sealed(secret, _of_endpoint(endpoint_id, number))

    def _sealed(self, plain: SecretStr, bound: bytes) -> Sealed:
        key_id, nonce = self.newest, secrets.token_bytes(NONCE_BYTES)
        return Sealed(key_id, nonce, self._keys[key_id].encrypt(nonce, plain.get_secret_value().encode(), bound))

    def open(self, sealed: Sealed, account_id: str, version: int) -> SecretStr:
        """Open the number that was sealed for this version of this account.

        Raises:
            Unavailable: this worker lacks the key, or the row was altered. A retry helps once a worker has the right
                key; until then nothing is sent.
        """
        return self._opened(sealed, _of_account(account_id, version), f"the number of account {account_id}")

    def open_secret(self, sealed: Sealed, endpoint_id: str, number: int) -> SecretStr:
        """Open the secret that was sealed for this endpoint; raises as `open`."""
        return self._opened(sealed, _of_endpoint(endpoint_id, number), f"the secret of endpoint {endpoint_id}")

    def _opened(self, sealed: Sealed, bound: bytes, what: str) -> SecretStr:
        key = self._keys.get(sealed.key_id)
        if key is None:
            raise Unavailable(f"{what} is sealed with the key {sealed.key_id}, which DAKUAN_ACCOUNT_KEYS does not have")
        try:
            plain = key.decrypt(sealed.nonce, sealed.ciphertext, bound)
        except InvalidTag:
            raise Unavailable(
                f"{what} does not open with the key {sealed.key_id}: another key has this id, or the row was altered"
            ) from None
        return SecretStr(plain.decode())

    def fingerprints(self, number: SecretStr, account_id: str) -> list[bytes]:
        """Fingerprints by which an account's number is recognised without opening it: one a key, the newest first."""
        message = f"{account_id}/{number.get_secret_value()}".encode()
        return [hmac.digest(key, message, "sha256") for key in self._fingerprinting.values()]


def _derived(key: bytes) -> bytes:
    """The key for fingerprints, derived from a sealing key: one key must not serve two algorithms."""
    return HKDF(SHA256(), 32, salt=None, info=b"dakuan payout account fingerprint").derive(key)


def _of_account(account_id: str, version: int) -> bytes:
    """The associated data. An id has no slash, so no two accounts share it."""
    return f"payout-account/{account_id}/{version}".encode()


def _of_endpoint(endpoint_id: str, number: int) -> bytes:
    return f"endpoint/{endpoint_id}/{number}".encode()
