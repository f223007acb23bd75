"""The stand-in WeChat Pay, asked by a client that others wrote: what it believes, our adapters may believe, too."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from waiting import WITHIN
from wechatpay_adapters import fresh
from wechatpayv3 import WeChatPay, WeChatPayType
from wechatpayv3.type import RequestType

from local.client import WorldClient
from local.standins import StandIns
from local.wechatpay_keys import APPID, WechatPayKeys, wechatpay_keys

REPORTS = [{"info_type": "活动名称", "info_content": "提现"}]


class Independent:
    """The other client, pointed at the stand-in."""

    def __init__(self, url: str, keys: WechatPayKeys, **changed: Any) -> None:
        private = keys.merchant.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        public = keys.platform.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        given = {
            "mchid": keys.mchid,
            "private_key": private,
            "cert_serial_no": keys.serial,
            "appid": APPID,
            "apiv3_key": keys.apiv3_key,
            "notify_url": "https://example.com/callback",
            "public_key": public,
            "public_key_id": keys.platform_serial,
            **changed,
        }
        self.client = WeChatPay(WeChatPayType.NATIVE, **given)
        self.client._core._gate_way = f"{url}/wechatpay"

    async def ask(self, method: str, **fields: Any) -> tuple[int, dict[str, Any]]:
        return self._read(await asyncio.to_thread(getattr(self.client, method), **fields))

    async def request(self, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        kind = RequestType.POST if body is not None else RequestType.GET
        return self._read(await asyncio.to_thread(self.client._core.request, path, kind, body))

    @staticmethod
    def _read(answer: tuple[int, str]) -> tuple[int, dict[str, Any]]:
        return answer[0], dict(json.loads(answer[1]))


@pytest.fixture
def keys(standins: StandIns, world: WorldClient) -> WechatPayKeys:
    return wechatpay_keys(standins.rails_file.parent)


@pytest.fixture
def other(standins: StandIns, keys: WechatPayKeys, monkeypatch: pytest.MonkeyPatch) -> Independent:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return Independent(standins.url, keys)


async def transfer(other: Independent, key: str, openid: str, amount: int = 1000, **more: Any) -> tuple[int, Any]:
    return await other.ask(
        "mch_transfer_bills",
        **{
            "out_bill_no": key,
            "transfer_scene_id": "1000",
            "openid": openid,
            "transfer_amount": amount,
            "transfer_remark": "提现",
            "user_name": "李伟",
            "transfer_scene_report_infos": REPORTS,
            **more,
        },
    )


async def test_a_transfer_is_paid_and_looked_up(other: Independent, world: WorldClient) -> None:
    key, openid = fresh(), fresh("o-")
    status, answer = await transfer(other, key, openid, 250_000)
    assert (status, answer["state"], answer["out_bill_no"]) == (200, "SUCCESS", key)
    status, found = await other.ask("mch_transfer_bills_query", out_bill_no=key)
    assert (status, found["state"], found["transfer_amount"]) == (200, "SUCCESS", 250_000)
    assert found["transfer_bill_no"] == answer["transfer_bill_no"]
    assert await world.payout_effects(openid) == 1


async def test_a_number_pays_once_and_not_for_other_content(other: Independent, world: WorldClient) -> None:
    key, openid = fresh(), fresh("o-")
    assert [(await transfer(other, key, openid))[0] for _ in range(2)] == [200, 200]
    assert await transfer(other, key, openid, 1001) == (
        400,
        {"code": "INVALID_REQUEST", "message": "单号已存在但信息不一致，请查单后比较确认"},
    )
    assert await world.payout_effects(openid) == 1


async def test_what_is_unknown_is_not_found(other: Independent) -> None:
    for method, name in (("mch_transfer_bills_query", "out_bill_no"), ("query_refund", "out_refund_no")):
        status, answer = await other.ask(method, **{name: fresh()})
        assert (status, answer["code"] in {"NOT_FOUND", "RESOURCE_NOT_EXISTS"}) == (404, True)


async def test_a_malformed_transfer_is_a_parameter_error(other: Independent, world: WorldClient) -> None:
    openid = fresh("o-")
    answers = [
        await transfer(other, "with-a-dash", openid),
        await transfer(other, fresh(), openid, -1),
        await transfer(other, fresh(), openid, appid="wxother"),
    ]
    assert [(status, answer["code"]) for status, answer in answers] == [(400, "PARAM_ERROR")] * 3
    assert await world.payout_effects(openid) == 0


async def test_a_withdraw_is_taken_looked_up_and_comes_back(other: Independent, world: WorldClient) -> None:
    key, merchant = fresh(), fresh("sub")
    body = {"sub_mchid": merchant, "out_request_no": key, "amount": 1000, "remark": "交易提现"}
    status, answer = await other.request("/v3/ecommerce/fund/withdraw", body)
    assert (status, answer["out_request_no"]) == (200, key)
    path = f"/v3/ecommerce/fund/withdraw/out-request-no/{key}?sub_mchid={merchant}"
    assert (await other.request(path))[1]["status"] == "SUCCESS"
    await world.return_payout(key)
    assert (await other.request(path))[1]["status"] == "REFUND"


async def test_a_payment_is_looked_up_and_refunded(other: Independent, world: WorldClient) -> None:
    reference, key = fresh("wx"), fresh()
    await world.add_payment(reference, 1000, "CNY")
    status, paid = await other.ask("query", out_trade_no=reference)
    assert (status, paid["trade_state"], paid["amount"]["total"]) == (200, "SUCCESS", 1000)
    amount = {"refund": 300, "total": 1000, "currency": "CNY"}
    status, refund = await other.ask("refund", out_refund_no=key, out_trade_no=reference, amount=amount)
    assert (status, refund["status"], refund["amount"]["refund"]) == (200, "SUCCESS", 300)
    assert (await other.ask("query_refund", out_refund_no=key))[1]["refund_id"] == refund["refund_id"]
    assert await world.refunded_minor(reference) == 300


@pytest.mark.parametrize("about", ["transfer", "withdraw", "refund"])
async def test_a_callback_is_verified_and_opened(other: Independent, world: WorldClient, about: str) -> None:
    key, payee = fresh(), fresh("wx")
    if about == "transfer":
        await transfer(other, key, payee)
    elif about == "withdraw":
        body = {"sub_mchid": payee, "out_request_no": key, "amount": 1000}
        await other.request("/v3/ecommerce/fund/withdraw", body)
    else:
        await world.add_payment(payee, 1000, "CNY")
        amount = {"refund": 1000, "total": 1000, "currency": "CNY"}
        await other.ask("refund", out_refund_no=key, out_trade_no=payee, amount=amount)
    body_told, headers = await world.wechatpay_callback(about, key)
    opened = other.client.callback(headers, body_told)
    number = {"transfer": "out_bill_no", "withdraw": "out_request_no", "refund": "out_refund_no"}[about]
    assert opened["resource"][number] == key
    event = {"transfer": "MCHTRANSFER.BILL.FINISHED", "withdraw": "MCHWITHDRAW.CHANGE", "refund": "REFUND.SUCCESS"}
    assert opened["event_type"] == event[about]


async def test_what_went_through_wechat_pay_is_on_no_statement_of_the_sandbox(
    other: Independent, world: WorldClient, standins: StandIns
) -> None:
    key, reference, refund = fresh(), fresh("wx"), fresh()
    await transfer(other, key, fresh("o-"))
    await world.add_payment(reference, 1000, "CNY")
    amount = {"refund": 1000, "total": 1000, "currency": "CNY"}
    await other.ask("query", out_trade_no=reference)
    await other.ask("refund", out_refund_no=refund, out_trade_no=reference, amount=amount)
    day = datetime.now(UTC).date().isoformat()
    async with httpx2.AsyncClient(trust_env=False, base_url=standins.url, timeout=WITHIN) as http:
        stated = [
            line["key"]
            for desk in ("bank", "channel")
            for line in (await http.get(f"/{desk}/statement", params={"day": day})).json()["lines"]
        ]
    assert not {key, reference, refund} & set(stated)
    assert {effect.key for effect in await world.journal("channel", reference)} == {refund}


async def test_a_wrong_signature_is_noticed_by_the_other_client(other: Independent, world: WorldClient) -> None:
    key = fresh()
    await world.fault("bank", verb="payout", match=key, kind="wrong_signature")
    with pytest.raises(Exception, match="failed to verify the signature"):
        await transfer(other, key, fresh("o-"))


async def test_only_its_merchant_is_heard(standins: StandIns, keys: WechatPayKeys, other: Independent) -> None:
    stranger = wechatpay_keys(standins.home / "stranger")
    impostor = Independent(
        standins.url,
        keys,
        private_key=stranger.merchant.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
    )
    renamed = Independent(standins.url, keys, mchid="1900000002")
    for one in (impostor, renamed):
        status, answer = await transfer(one, fresh(), fresh("o-"))
        assert (status, answer["code"]) == (401, "SIGN_ERROR")
    async with httpx2.AsyncClient(trust_env=False, base_url=standins.url, timeout=WITHIN) as http:
        for header in ("", "Basic abc", 'WECHATPAY2-SHA256-RSA2048 mchid="1",timestamp="x"'):
            reply = await http.get(
                "/wechatpay/v3/fund-app/mch-transfer/transfer-bills/out-bill-no/x", headers={"Authorization": header}
            )
            assert (reply.status_code, reply.json()["code"]) == (401, "SIGN_ERROR")


async def test_a_recorded_request_is_not_heard_later(other: Independent, monkeypatch: pytest.MonkeyPatch) -> None:
    past = time.time() - 301
    monkeypatch.setattr("wechatpayv3.utils.time.time", lambda: past)
    status, answer = await transfer(other, fresh(), fresh("o-"))
    assert (status, answer["code"]) == (401, "SIGN_ERROR")


async def test_a_name_that_nobody_can_read_is_refused(other: Independent) -> None:
    other.client._core.encrypt = lambda text: base64.b64encode(text.encode()).decode()
    status, answer = await transfer(other, fresh(), fresh("o-"))
    assert (status, answer["code"]) == (400, "PARAM_ERROR")


def test_keys_are_made_once_and_for_our_eyes(standins: StandIns, keys: WechatPayKeys) -> None:
    folder = standins.rails_file.parent
    assert wechatpay_keys(folder).apiv3_key == keys.apiv3_key
    assert wechatpay_keys(standins.home / "others").apiv3_key != keys.apiv3_key
    assert {file.stat().st_mode & 0o077 for file in (*folder.glob("*.pem"), standins.rails_file)} == {0}
