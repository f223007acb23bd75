"""WeChat Pay's v3 signatures and ciphers.

Requests are signed by the merchant's private key, answers and callbacks by the platform's; both as SHA256-RSA2048
(PKCS #1 v1.5). A callback's resource is AES-256-GCM under the APIv3 key; names are RSA-OAEP under the platform's key,
with SHA-1, as WeChat Pay requires.

Source: pay.weixin.qq.com/doc/v3/merchant, the chapters on signing requests, verifying answers and callbacks, decrypting
resources and encrypting names with WeChat Pay's public key.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate

from core.errors import Misconfigured, UnreadableAnswer

SCHEMA = "WECHATPAY2-SHA256-RSA2048"
CLOCKS_APART = timedelta(minutes=5)
"""How far a signature's time may be from ours; an older one may be a replay."""
LARGEST_RESOURCE = 64 * 1024

Clock = Callable[[], datetime]


def now() -> datetime:
    """The machine's time: signatures are checked by it, never by a workflow's clock."""
    return datetime.now(UTC)


class MerchantSigner:
    """Signs our requests.

    Args:
        mchid: our merchant number.
        serial: of the certificate of our API, 40 hexadecimal digits.
        private_key: its key, as PEM.

    Raises:
        Misconfigured: it is not an RSA key of 2,048 bits or more.
    """

    def __init__(self, mchid: str, serial: str, private_key: str, *, clock: Clock = now) -> None:
        self.mchid, self._serial, self._clock = mchid, serial, clock
        self._key = _private_key(private_key)

    def authorization(self, method: str, path: str, body: bytes = b"") -> str:
        """The header `Authorization` of a request. `path` includes the query, as in the request line."""
        timestamp, nonce = str(int(self._clock().timestamp())), secrets.token_hex(16)
        message = b"\n".join([method.encode(), path.encode(), timestamp.encode(), nonce.encode(), body, b""])
        signature = base64.b64encode(self._key.sign(message, PKCS1v15(), SHA256())).decode()
        return (
            f'{SCHEMA} mchid="{self.mchid}",nonce_str="{nonce}",signature="{signature}",'
            f'timestamp="{timestamp}",serial_no="{self._serial}"'
        )


class PlatformKeys:
    """WeChat Pay's public keys by their ids: one, or two during a key change.

    Args:
        keys: id of the public key (or serial of the platform certificate) → PEM of either; we encrypt for the first.

    Raises:
        Misconfigured: there is none, or one is not an RSA key.
    """

    def __init__(self, keys: Mapping[str, str], *, clock: Clock = now) -> None:
        if not keys:
            raise Misconfigured("WeChat Pay has no platform key: nothing that it says could be believed")
        self._keys = {serial: _public_key(pem, serial) for serial, pem in keys.items()}
        self._clock = clock
        self.serial = next(iter(keys))

    def why_not(self, headers: Mapping[str, str], body: bytes) -> str | None:
        """Why an answer or a callback is not WeChat Pay's own; None if it is.

        Args:
            headers: with names in lower case.
        """
        timestamp, nonce = headers.get("wechatpay-timestamp", ""), headers.get("wechatpay-nonce", "")
        signature, serial = headers.get("wechatpay-signature", ""), headers.get("wechatpay-serial", "")
        if not (timestamp and nonce and signature and serial):
            return "it is not signed"
        if headers.get("wechatpay-signature-type", SCHEMA) != SCHEMA:
            return "its signature is of another kind"
        key = self._keys.get(serial)
        if key is None:
            return f"it is signed with the key {serial[:64]!r}, which we do not know"
        if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12):
            return "its signature has no time"
        if abs(self._clock().timestamp() - int(timestamp)) > CLOCKS_APART.total_seconds():
            return f"its signature is not of these {CLOCKS_APART.seconds // 60} minutes"
        message = b"\n".join([timestamp.encode(), nonce.encode(errors="replace"), body, b""])
        try:
            key.verify(base64.b64decode(signature, validate=True), message, PKCS1v15(), SHA256())
        except (InvalidSignature, binascii.Error, ValueError):
            return "its signature is wrong"
        return None

    def encrypt(self, text: str) -> str:
        """Encrypt a name for WeChat Pay. Each call gives another text with the same meaning."""
        padding = OAEP(mgf=MGF1(algorithm=SHA1()), algorithm=SHA1(), label=None)
        return base64.b64encode(self._keys[self.serial].encrypt(text.encode(), padding)).decode()


def decrypt_resource(apiv3_key: str, nonce: str, associated_data: str, ciphertext: str) -> bytes:
    """Decrypt a callback's resource.

    Raises:
        UnreadableAnswer: it is not encrypted with our key, or was changed in transit.
    """
    try:
        sealed = base64.b64decode(ciphertext, validate=True)
        if len(sealed) > LARGEST_RESOURCE:
            raise UnreadableAnswer("the resource is too large")
        return AESGCM(apiv3_key.encode()).decrypt(nonce.encode(), sealed, associated_data.encode())
    except (InvalidTag, binascii.Error, ValueError):
        raise UnreadableAnswer("the resource cannot be decrypted with our APIv3 key") from None


@lru_cache(maxsize=8)
def _private_key(pem: str) -> RSAPrivateKey:
    """Reading a key proves its numbers, which takes 50 ms; an account's rails and its channel share one."""
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise Misconfigured(f"the merchant's private key cannot be read: {type(error).__name__}") from None
    if not isinstance(key, RSAPrivateKey) or key.key_size < 2048:
        raise Misconfigured("the merchant's private key is no RSA key of 2,048 bits")
    return key


def _public_key(pem: str, serial: str) -> RSAPublicKey:
    try:
        encoded = pem.encode()
        certified = "CERTIFICATE" in pem
        key: object = load_pem_x509_certificate(encoded).public_key() if certified else load_pem_public_key(encoded)
    except (ValueError, TypeError) as error:
        raise Misconfigured(f"the platform key {serial} cannot be read: {type(error).__name__}") from None
    if not isinstance(key, RSAPublicKey):
        raise Misconfigured(f"the platform key {serial} is no RSA key")
    return key
