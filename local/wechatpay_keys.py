"""The keys of the stand-in WeChat Pay and of its one merchant: created once for each folder, always random.

Beside them is `rails.toml`, the product's settings for this stand-in (see `config.rails`).
"""

from __future__ import annotations

import os
import secrets
import tomllib
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

MCHID = "1900000001"
APPID = "wxstandin00000001"
PLATFORM_SERIAL = "PUB_KEY_ID_0119000000012026112300000000000001"
RAILS_FILE = "rails.toml"
_MERCHANT, _PLATFORM, _PUBLIC = "merchant_key.pem", "platform_key.pem", "platform_public.pem"

_RAILS = """# Made by the stand-ins: WeChat Pay as the local stack plays it.

[accounts.wechatpay]
kind = "wechatpay"
url = "/wechatpay"                  # a path of the stand-ins
mchid = "{mchid}"
serial = "{serial}"
private_key = "{merchant}"
apiv3_key = "{apiv3_key}"

[accounts.wechatpay.platform_keys]
{platform_serial} = "{public}"

[rails.wechatpay_transfer]
account = "wechatpay"
appid = "{appid}"
scene = "1000"
reports = {{ "活动名称" = "提现", "奖励说明" = "货款" }}

[rails.wechatpay_withdraw]
account = "wechatpay"

[channels.wechatpay]
account = "wechatpay"

[disputes.stripe]
channel = "wechat"
secret = "{dispute_secret}"
"""


@dataclass(frozen=True)
class WechatPayKeys:
    """The stand-in's keys: its own, its merchant's public key, and the shared APIv3 key."""

    mchid: str
    serial: str
    merchant: RSAPrivateKey
    platform: RSAPrivateKey
    platform_serial: str
    apiv3_key: str

    @property
    def merchant_public(self) -> RSAPublicKey:
        return self.merchant.public_key()


def wechatpay_keys(folder: Path) -> WechatPayKeys:
    """The keys in a folder; missing ones are created."""
    if not (folder / RAILS_FILE).is_file():
        _make(folder)
    account = tomllib.loads((folder / RAILS_FILE).read_text(encoding="utf-8"))["accounts"]["wechatpay"]
    return WechatPayKeys(
        mchid=account["mchid"],
        serial=account["serial"],
        merchant=_load(folder / _MERCHANT),
        platform=_load(folder / _PLATFORM),
        platform_serial=PLATFORM_SERIAL,
        apiv3_key=account["apiv3_key"],
    )


def _make(folder: Path) -> None:
    """The file that names them is written last: after an interruption all are created again."""
    folder.mkdir(parents=True, exist_ok=True)
    merchant, platform = (generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
    for name, key in ((_MERCHANT, merchant), (_PLATFORM, platform)):
        _write(folder / name, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = platform.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    _write(folder / _PUBLIC, public)
    text = _RAILS.format(
        mchid=MCHID,
        serial=secrets.token_hex(20).upper(),
        merchant=_MERCHANT,
        apiv3_key=secrets.token_hex(16),
        dispute_secret=f"whsec_{secrets.token_hex(16)}",
        platform_serial=PLATFORM_SERIAL,
        public=_PUBLIC,
        appid=APPID,
    )
    _write(folder / RAILS_FILE, text.encode())


def _write(file: Path, content: bytes) -> None:
    """Write a file atomically, readable only by its owner."""
    unfinished = file.with_suffix(".new")
    unfinished.touch(mode=0o600)
    unfinished.write_bytes(content)
    os.replace(unfinished, file)


def _load(file: Path) -> RSAPrivateKey:
    """A key that was made above. Proving its numbers at each start would take 40 ms."""
    key = load_pem_private_key(file.read_bytes(), password=None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(key, RSAPrivateKey)
    return key
