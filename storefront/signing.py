"""Signatures of webhooks, by Standard Webhooks: three headers over the id, the time and the very bytes of the body.

`v1` is HMAC-SHA256 with a secret that both sides have (`whsec_…`). `v1a` is Ed25519: the consumer has the public key
(`whpk_…`) alone, and can forge nothing. While a secret is rotated, both sign.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import SecretStr

SHARED, PRIVATE, PUBLIC = "whsec_", "whsk_", "whpk_"
SECRET_BYTES = 32


def make_secret(random: bytes, *, asymmetric: bool = False) -> SecretStr:
    """A secret from `SECRET_BYTES` random bytes."""
    return SecretStr(f"{PRIVATE if asymmetric else SHARED}{base64.b64encode(random).decode()}")


def shown(secret: SecretStr) -> str:
    """What a consumer verifies with: the shared secret itself, or the public key of a private one."""
    text = secret.get_secret_value()
    if text.startswith(SHARED):
        return text
    return f"{PUBLIC}{base64.b64encode(_private(text).public_key().public_bytes_raw()).decode()}"


def signed(message_id: str, at: datetime, body: bytes, secrets: Sequence[SecretStr]) -> dict[str, str]:
    """The headers of a webhook, signed with each of the secrets."""
    seconds = int(at.timestamp())
    content = b"%b.%d.%b" % (message_id.encode(), seconds, body)
    signatures = " ".join(_signature(secret.get_secret_value(), content) for secret in secrets)
    return {"webhook-id": message_id, "webhook-timestamp": str(seconds), "webhook-signature": signatures}


def _signature(secret: str, content: bytes) -> str:
    if secret.startswith(SHARED):
        key = base64.b64decode(secret.removeprefix(SHARED))
        return f"v1,{base64.b64encode(hmac.digest(key, content, 'sha256')).decode()}"
    return f"v1a,{base64.b64encode(_private(secret).sign(content)).decode()}"


def _private(secret: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(base64.b64decode(secret.removeprefix(PRIVATE)))
