"""Signatures and ciphers of WeChat Pay v3, against an independent client of the same protocol."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from wechatpay_adapters import Forge
from wechatpayv3 import utils as independent

from activities.wechatpay.signing import CLOCKS_APART, MerchantSigner, PlatformKeys, decrypt_resource
from core.errors import Misconfigured, UnreadableAnswer


def lower(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


@pytest.fixture(scope="module")
def platform(forge: Forge) -> PlatformKeys:
    return PlatformKeys(forge.rails.accounts["wechatpay"].platform_keys)


@pytest.fixture(scope="module")
def signer(forge: Forge) -> MerchantSigner:
    account = forge.rails.accounts["wechatpay"]
    return MerchantSigner(account.mchid, account.serial, account.private_key)


# --- what we say -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"", b"{}", '{"remark":"提现"}'.encode()])
def test_a_request_is_signed_as_the_independent_client_reads_it(
    forge: Forge, signer: MerchantSigner, body: bytes
) -> None:
    path = "/v3/ecommerce/fund/withdraw/out-request-no/k1?sub_mchid=1"
    said = signer.authorization("POST", path, body)
    schema, _, rest = said.partition(" ")
    fields = dict(re.findall(r'(\w+)="([^"]*)"', rest))
    assert schema == "WECHATPAY2-SHA256-RSA2048"
    assert (fields["mchid"], fields["serial_no"]) == (forge.keys.mchid, forge.keys.serial)
    # The independent client verifies TIMESTAMP, NONCE and BODY; the first two lines of a request stand in front.
    message = f"POST\n{path}\n{fields['timestamp']}\n{fields['nonce_str']}\n{body.decode()}\n"
    first, second, rest = message.split("\n", 2)
    assert independent.rsa_verify(
        first, second, rest.removesuffix("\n"), fields["signature"], forge.keys.merchant_public
    )


def test_no_two_requests_have_one_nonce(signer: MerchantSigner) -> None:
    said = {re.findall(r'nonce_str="(\w+)"', signer.authorization("GET", "/v3/x"))[0] for _ in range(20)}
    assert len(said) == 20
    assert all(len(nonce) <= 32 for nonce in said)


@pytest.mark.parametrize("name", ["李伟", "J", "阿卜杜拉·买买提" * 3])
def test_a_name_is_read_by_wechat_pay_alone(forge: Forge, platform: PlatformKeys, name: str) -> None:
    sealed = platform.encrypt(name)
    assert independent.rsa_decrypt(sealed, forge.keys.platform) == name
    assert platform.encrypt(name) != sealed


# --- what we hear ------------------------------------------------------------------------------------------


def test_what_wechat_pay_signed_is_believed(forge: Forge, platform: PlatformKeys) -> None:
    body = '{"message":"成功"}'.encode()
    assert platform.why_not(lower(forge.headers(body)), body) is None
    assert platform.why_not(lower(forge.headers(b"")), b"") is None


@pytest.mark.parametrize(
    "change",
    [
        {"signature": None},
        {"signature": "AAAA"},
        {"signature": "not base64!"},
        {"signature": "ü"},
        {"nonce": None},
        {"nonce": "other"},
        {"serial": None},
        {"serial": "PUB_KEY_ID_OTHER"},
        {"timestamp": None},
    ],
)
def test_what_lacks_a_part_of_its_signature_is_not_believed(
    forge: Forge, platform: PlatformKeys, change: dict[str, Any]
) -> None:
    assert platform.why_not(lower(forge.headers(b"{}", **change)), b"{}")


@pytest.mark.parametrize("stamp", ["", "soon", "1" * 13, "-1", "1.5", "١٢٣"])
def test_a_signature_without_a_time_is_not_believed(forge: Forge, platform: PlatformKeys, stamp: str) -> None:
    headers = {**lower(forge.headers(b"{}")), "wechatpay-timestamp": stamp}
    assert platform.why_not(headers, b"{}")


@pytest.mark.parametrize(("seconds", "believed"), [(-301, False), (-299, True), (299, True), (301, False)])
def test_a_signature_is_believed_for_five_minutes(forge: Forge, seconds: int, believed: bool) -> None:
    made_at = datetime(2026, 11, 22, 8, tzinfo=UTC)
    headers = lower(forge.headers(b"{}", timestamp=str(int(made_at.timestamp()))))
    keys = forge.rails.accounts["wechatpay"].platform_keys
    platform = PlatformKeys(keys, clock=lambda: made_at + timedelta(seconds=seconds))
    assert (platform.why_not(headers, b"{}") is None) == believed
    assert timedelta(seconds=300) == CLOCKS_APART


@given(at=st.integers(0, 40), bit=st.integers(0, 7))
def test_a_changed_bit_is_noticed(forge: Forge, at: int, bit: int) -> None:
    body = bytearray(b'{"out_bill_no":"plfk2020042013","state":"SUCCESS"}')
    headers = lower(forge.headers(bytes(body)))
    body[at] ^= 1 << bit
    platform = PlatformKeys(forge.rails.accounts["wechatpay"].platform_keys)
    assert platform.why_not(headers, bytes(body)) == "its signature is wrong"


def test_two_keys_are_believed_while_they_are_exchanged(forge: Forge) -> None:
    [(serial, pem)] = forge.rails.accounts["wechatpay"].platform_keys.items()
    platform = PlatformKeys({"PUB_KEY_ID_NEW": pem, serial: pem})
    assert platform.serial == "PUB_KEY_ID_NEW"
    assert platform.why_not(lower(forge.headers(b"{}")), b"{}") is None


# --- resources ---------------------------------------------------------------------------------------------


def test_a_resource_is_opened_with_the_apiv3_key_alone(forge: Forge) -> None:
    body, _ = forge.callback("X", {"a": "成功"})
    sealed = json.loads(body)["resource"]
    parts = (sealed["nonce"], sealed["associated_data"], sealed["ciphertext"])
    assert json.loads(decrypt_resource(forge.keys.apiv3_key, *parts)) == {"a": "成功"}
    assert independent.aes_decrypt(parts[0], parts[2], parts[1], forge.keys.apiv3_key) == '{"a": "成功"}'
    for wrong in (
        ("x" * 32, *parts),
        (forge.keys.apiv3_key, "0" * 12, *parts[1:]),
        (forge.keys.apiv3_key, parts[0], "other", parts[2]),
        (forge.keys.apiv3_key, *parts[:2], "AAAA" + parts[2][4:]),
        (forge.keys.apiv3_key, *parts[:2], "no base64"),
        (forge.keys.apiv3_key, "", *parts[1:]),
    ):
        with pytest.raises(UnreadableAnswer):
            decrypt_resource(*wrong)


# --- keys --------------------------------------------------------------------------------------------------


def test_a_key_that_is_none_is_refused_without_repeating_it(forge: Forge) -> None:
    curve = generate_private_key(SECP256R1())
    private = curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = curve.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    for pem in (private, "secret words", ""):
        with pytest.raises(Misconfigured) as refused:
            MerchantSigner("1", "2", pem)
        assert "secret" not in str(refused.value)
    for keys in ({}, {"A": public}, {"A": "secret words"}, {"A": "-----BEGIN CERTIFICATE-----"}):
        with pytest.raises(Misconfigured) as refused:
            PlatformKeys(keys)
        assert "secret" not in str(refused.value)
