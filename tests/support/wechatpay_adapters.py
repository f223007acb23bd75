"""WeChat Pay for tests: the real adapters on the stand-in's dialect, and answers that a test makes and signs itself."""

from __future__ import annotations

import base64
import itertools
import json
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from malformed_answers import answering, http
from waiting import ANSWERS_WITHIN

from activities.channels.base import RefundInstruction
from activities.channels.wechatpay import WechatPayChannel
from activities.http import HttpClient
from activities.rails.base import Payee, PayoutInstruction
from activities.rails.wechatpay_transfer import WechatPayTransfer
from activities.rails.wechatpay_withdraw import WechatPayWithdraw
from activities.wechatpay.client import WechatPayClient
from config import read_rails
from config.rails import Rails
from local.standins import StandIns
from local.wechatpay_keys import RAILS_FILE, WechatPayKeys, wechatpay_keys
from wiring.rails import rail_of, wechatpay_client

_numbers = itertools.count(1)


def fresh(prefix: str = "") -> str:
    """A name that no other test uses."""
    return f"{prefix}{next(_numbers):06}{secrets.token_hex(4)}"


def payout_of(key: str, token: str, amount_minor: int = 1000, **fields: Any) -> PayoutInstruction:
    account = Payee(token=token, last4="4242", holder=fields.pop("holder", "李伟"))
    return PayoutInstruction(
        key=key, amount_minor=amount_minor, currency=fields.pop("currency", "CNY"), account=account
    )


def refund_of(key: str, reference: str, amount_minor: int = 1000, currency: str = "CNY") -> RefundInstruction:
    return RefundInstruction(
        key=key, payment_reference=reference, amount_minor=amount_minor, currency=currency, reason="cancelled"
    )


@dataclass
class Adapters:
    """The product's adapters, as the worker builds them."""

    client: WechatPayClient
    transfer: WechatPayTransfer
    withdraw: WechatPayWithdraw
    channel: WechatPayChannel


def _adapters(rails: Rails, http: HttpClient) -> Adapters:
    client = wechatpay_client(rails.accounts["wechatpay"], http)
    transfer, withdraw = (
        rail_of(name, rails.rails[name], client) for name in ("wechatpay_transfer", "wechatpay_withdraw")
    )
    assert isinstance(transfer, WechatPayTransfer)
    assert isinstance(withdraw, WechatPayWithdraw)
    return Adapters(client, transfer, withdraw, WechatPayChannel(client))


@asynccontextmanager
async def standin_adapters(standins: StandIns) -> AsyncIterator[Adapters]:
    """On the stand-in."""
    async with HttpClient(f"{standins.url}/wechatpay", name="WeChat Pay", answers_within=ANSWERS_WITHIN) as http:
        yield _adapters(read_rails(standins.rails_file, {}), http)


class Forge:
    """Keys of a test's own, and what WeChat Pay would sign with them."""

    def __init__(self, folder: Path) -> None:
        self.keys: WechatPayKeys = wechatpay_keys(folder)
        self.rails = read_rails(folder / RAILS_FILE, {})

    def headers(self, body: bytes, **changed: str | None) -> dict[str, str]:
        """The headers of WeChat Pay.

        `changed`: other values by the last word of a header's name; None leaves it out.
        """
        timestamp, nonce = changed.get("timestamp") or str(int(time.time())), secrets.token_hex(8)
        signed = f"{timestamp}\n{nonce}\n".encode() + body + b"\n"
        signature = base64.b64encode(self.keys.platform.sign(signed, PKCS1v15(), SHA256())).decode()
        made = {"timestamp": timestamp, "nonce": nonce, "signature": signature, "serial": self.keys.platform_serial}
        return {f"Wechatpay-{name.title()}": value for name, value in {**made, **changed}.items() if value is not None}

    def answer(self, content: Mapping[str, Any] | bytes, status: str = "200 OK", **changed: str | None) -> bytes:
        """A signed answer as it goes over the wire."""
        body = content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=False).encode()
        return http(body, status, *(f"{name}: {value}" for name, value in self.headers(body, **changed).items()))

    def callback(self, event: str, resource: Mapping[str, Any], /, **changed: Any) -> tuple[bytes, dict[str, str]]:
        """Body and headers of a callback."""
        nonce, kind = secrets.token_hex(6), "mch_payment"
        plain = json.dumps(resource, ensure_ascii=False).encode()
        sealed = AESGCM(self.keys.apiv3_key.encode()).encrypt(nonce.encode(), plain, kind.encode())
        body = {
            "id": f"EV-{secrets.token_hex(8)}",
            "create_time": "2026-11-22T10:00:00+08:00",
            "resource_type": "encrypt-resource",
            "event_type": event,
            "summary": "a callback",
            "resource": {
                "original_type": kind,
                "algorithm": "AEAD_AES_256_GCM",
                "ciphertext": base64.b64encode(sealed).decode(),
                "associated_data": kind,
                "nonce": nonce,
            },
            **changed,
        }
        raw = json.dumps(body, ensure_ascii=False).encode()
        return raw, self.headers(raw)

    @asynccontextmanager
    async def adapters(self, *chunks: bytes) -> AsyncIterator[Adapters]:
        """The adapters on a server that answers every request with these bytes."""
        async with (
            answering(*chunks) as url,
            HttpClient(url, name="WeChat Pay", answers_within=ANSWERS_WITHIN) as client,
        ):
            yield _adapters(self.rails, client)


@pytest.fixture(scope="session")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Forge:
    """One set of keys for all tests."""
    return Forge(tmp_path_factory.mktemp("wechatpay"))
