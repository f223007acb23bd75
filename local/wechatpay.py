"""The stand-in bank and payment channel as WeChat Pay: its requests, states, signatures and callbacks.

It is written from WeChat Pay's side, so an adapter's mistake in a signature, a name or a state shows here. Behind it
are the stand-ins' own desks, with their plans, faults and journal of effects. Merchant transfers and e-commerce
withdraws are the bank's payouts; payments and refunds are the channel's.

The channel's reference of a payment is its `transaction_id` here if it has 28 digits, and else its `out_trade_no`.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP, PKCS1v15
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.money import MAX_AMOUNT_MINOR
from core.reading import reasons_of
from local.bank import BankAccount, BankDesk, NewPayout
from local.channel import ChannelDesk, NewRefund, PaymentQuestion
from local.journal import Store
from local.wechatpay_bills import Bills, channel_reference, china_time, is_transaction_id
from local.wechatpay_keys import WechatPayKeys, wechatpay_keys

PREFIX = "/wechatpay"
SCHEMA = "WECHATPAY2-SHA256-RSA2048"
NAME_FROM_MINOR = 200_000
CLOCKS_APART_S = 300

Answer = tuple[int, dict[str, Any]]
Render = Callable[[int, dict[str, Any]], Response]
M = TypeVar("M", bound=BaseModel)
Api = Literal["transfer", "withdraw", "refund"]
Amount = Annotated[int, Field(strict=True, ge=1, le=MAX_AMOUNT_MINOR)]
Number = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9]{1,32}$")]
Word = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=128)]

_NEVER_TAKEN = {"PAYMENT_UNKNOWN", "WRONG_CURRENCY", "MORE_THAN_PAID"}
"""Reasons for which WeChat Pay records no refund at all."""


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Transfer(_Body):
    appid: Literal["wxstandin00000001"]
    out_bill_no: Number
    transfer_scene_id: Word
    openid: Word
    user_name: str | None = None
    transfer_amount: Amount
    transfer_remark: Annotated[str, StringConstraints(min_length=1, max_length=32)]
    transfer_scene_report_infos: list[dict[str, str]] = []


class _Withdraw(_Body):
    sub_mchid: Word
    out_request_no: Number
    amount: Amount


class _RefundAmount(_Body):
    refund: Amount
    total: Amount
    currency: str


class _Refund(_Body):
    transaction_id: str | None = None
    out_trade_no: str | None = None
    out_refund_no: Number
    reason: str = ""
    amount: _RefundAmount


class Wanted(_Body):
    """The callback that is wanted: about this number."""

    about: Api
    key: str


class _Refused(Exception):
    """The request is refused with WeChat Pay's error body."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.answer: Answer = (status, {"code": code, "message": message})


class WechatPay:
    """WeChat Pay's requests and callbacks over the desks.

    Args:
        folder: for the keys, and for the numbers that came this way.
        misbehaving: acts and answers, or misbehaves as a fault says (`local.world.World`).
    """

    def __init__(
        self, folder: Path, bank: BankDesk, channel: ChannelDesk, misbehaving: Callable[..., Awaitable[Response]]
    ) -> None:
        self._keys: WechatPayKeys = wechatpay_keys(folder / "wechatpay")
        self._bank, self._channel, self._misbehaving = bank, channel, misbehaving
        self._bills = Bills(self._keys, bank, channel)
        self._numbers = Store(
            folder / "wechatpay" / "bills.db",
            "CREATE TABLE IF NOT EXISTS bills (key TEXT PRIMARY KEY, api TEXT NOT NULL, payee TEXT NOT NULL)",
        )

    def close(self) -> None:
        """Close the file."""
        self._numbers.close()

    def knows(self, key: str) -> bool:
        """Whether a payout, refund or payment came this way: the sandbox's own statements leave it out."""
        return self._numbers.row("SELECT 1 FROM bills WHERE key = ?", key) is not None

    def _note(self, key: str, api: str, payee: str) -> None:
        self._numbers.write("INSERT OR IGNORE INTO bills VALUES (?, ?, ?)", key, api, payee)

    def routes(self) -> list[Route]:
        """Its paths, as WeChat Pay names them, below `PREFIX`."""
        bills, withdraws = f"{PREFIX}/v3/fund-app/mch-transfer/transfer-bills", f"{PREFIX}/v3/ecommerce/fund/withdraw"
        refunds, payments = f"{PREFIX}/v3/refund/domestic/refunds", f"{PREFIX}/v3/pay/transactions"
        return [
            Route(bills, self._signed(self._transfer), methods=["POST"]),
            Route(f"{bills}/out-bill-no/{{key}}", self._signed(self._transfer_status), methods=["GET"]),
            Route(withdraws, self._signed(self._withdraw), methods=["POST"]),
            Route(f"{withdraws}/out-request-no/{{key}}", self._signed(self._withdraw_status), methods=["GET"]),
            Route(refunds, self._signed(self._refund), methods=["POST"]),
            Route(f"{refunds}/{{key}}", self._signed(self._refund_status), methods=["GET"]),
            Route(f"{payments}/{{way}}/{{reference}}", self._signed(self._payment), methods=["GET"]),
            Route(f"{PREFIX}/notifications", self._notification, methods=["POST"]),
        ]

    # --- signatures ---------------------------------------------------------------------------------------

    def _signed(
        self, handler: Callable[[Request, bytes], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """An endpoint that accepts only its merchant's signature."""

        async def endpoint(request: Request) -> Response:
            body = await request.body()
            try:
                self._check(request, body)
                return await handler(request, body)
            except _Refused as refused:
                return self._answer(*refused.answer)

        return endpoint

    def _check(self, request: Request, body: bytes) -> None:
        schema, _, rest = request.headers.get("authorization", "").partition(" ")
        fields = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        query = request.scope["query_string"].decode()
        path = request.scope["raw_path"].decode().removeprefix(PREFIX) + (f"?{query}" if query else "")
        try:
            signed = [request.method, path, fields["timestamp"], fields["nonce_str"], body.decode(), ""]
            signature = base64.b64decode(fields["signature"], validate=True)
            self._keys.merchant_public.verify(signature, "\n".join(signed).encode(), PKCS1v15(), SHA256())
            fresh = abs(time.time() - int(fields["timestamp"])) <= CLOCKS_APART_S
            known = (fields["mchid"], fields["serial_no"]) == (self._keys.mchid, self._keys.serial)
        except (InvalidSignature, KeyError, ValueError, binascii.Error):
            raise _Refused(401, "SIGN_ERROR", "签名错误") from None
        if not (schema == SCHEMA and fresh and known):
            raise _Refused(401, "SIGN_ERROR", "签名错误")

    # --- payouts ---------------------------------------------------------------------------------------

    async def _transfer(self, request: Request, body: bytes) -> Response:
        asked = _read(body, _Transfer)
        if asked.transfer_amount >= NAME_FROM_MINOR and not asked.user_name:
            raise _Refused(400, "PARAM_ERROR", "转账金额大于等于2000元，必须传入收款用户姓名")
        holder = self._decrypted(asked.user_name) if asked.user_name else None
        return await self._payout("transfer", asked.out_bill_no, asked.transfer_amount, asked.openid, holder)

    async def _withdraw(self, request: Request, body: bytes) -> Response:
        asked = _read(body, _Withdraw)
        return await self._payout("withdraw", asked.out_request_no, asked.amount, asked.sub_mchid, None)

    async def _payout(self, api: Api, key: str, amount_minor: int, token: str, holder: str | None) -> Response:
        account = BankAccount(token=token, holder=holder)
        given = NewPayout(key=key, amount_minor=amount_minor, currency="CNY", account=account)
        self._bank.remember(given)
        self._note(key, api, token)
        render = self._taken if api == "withdraw" else self._transferred(new=True)
        return await self._misbehaving(
            "bank", "payout", frozenset({key, token}), lambda: self._bank.pay(given), about=token, render=render
        )

    async def _transfer_status(self, request: Request, body: bytes) -> Response:
        return await self._payout_status("transfer", request.path_params["key"], self._transferred(new=False))

    async def _withdraw_status(self, request: Request, body: bytes) -> Response:
        key = request.path_params["key"]
        payee = self._payee("withdraw", key)
        if payee != request.query_params.get("sub_mchid"):
            raise _Refused(404, "NOT_FOUND", "提现单不存在")
        return await self._payout_status("withdraw", key, self._withdrawn)

    async def _payout_status(self, api: Api, key: str, render: Render) -> Response:
        if self._payee(api, key) is None:
            raise _Refused(404, "NOT_FOUND", "记录不存在")
        return await self._misbehaving(
            "bank",
            "payout_status",
            frozenset({key, *self._bank.subjects(key)}),
            lambda: self._bank.status(key),
            lambda: self._bank.status(key, stale=True),
            about=self._bank.about(key),
            render=render,
        )

    def _payee(self, api: Api, key: str) -> str | None:
        row = self._numbers.row("SELECT payee FROM bills WHERE key = ? AND api = ?", key, api)
        return str(row["payee"]) if row else None

    def _decrypted(self, sealed: str) -> str:
        """A name, decrypted with our private key."""
        try:
            padding = OAEP(mgf=MGF1(algorithm=SHA1()), algorithm=SHA1(), label=None)
            return self._keys.platform.decrypt(base64.b64decode(sealed, validate=True), padding).decode()
        except (ValueError, binascii.Error):
            raise _Refused(400, "PARAM_ERROR", "敏感信息解密失败") from None

    def _transferred(self, *, new: bool) -> Render:
        def render(status: int, answer: dict[str, Any]) -> Response:
            if status != 200:
                return self._answer(*_problem(status, answer))
            bill = self._bills.transfer(answer)
            shown = {"out_bill_no", "transfer_bill_no", "create_time", "state", "fail_reason", "package_info"}
            return self._answer(200, {name: bill[name] for name in bill if not new or name in shown})

        return render

    def _taken(self, status: int, answer: dict[str, Any]) -> Response:
        if status != 200:
            return self._answer(*_problem(status, answer))
        withdraw = self._bills.withdraw(answer)
        return self._answer(200, {name: withdraw[name] for name in ("sub_mchid", "withdraw_id", "out_request_no")})

    def _withdrawn(self, status: int, answer: dict[str, Any]) -> Response:
        return self._answer(*(_problem(status, answer) if status != 200 else (200, self._bills.withdraw(answer))))

    # --- payments and refunds --------------------------------------------------------------------------

    async def _payment(self, request: Request, body: bytes) -> Response:
        way, reference = request.path_params["way"], request.path_params["reference"]
        if request.query_params.get("mchid") != self._keys.mchid:
            raise _Refused(400, "PARAM_ERROR", "商户号错误")
        if way not in {"id", "out-trade-no"}:
            raise _Refused(404, "NOT_FOUND", "无此接口")
        if way == "out-trade-no" and is_transaction_id(reference):
            raise _Refused(404, "ORDER_NOT_EXIST", "订单不存在")
        asked = PaymentQuestion(reference=reference if way == "id" else channel_reference(reference))
        subjects = frozenset({reference, asked.reference})
        self._note(asked.reference, "payment", "")
        return await self._misbehaving(
            "channel", "payment", subjects, lambda: self._channel.payment(asked), render=self._shown_payment
        )

    def _shown_payment(self, status: int, answer: dict[str, Any]) -> Response:
        if status != 200:
            return self._answer(404, {"code": "ORDER_NOT_EXIST", "message": "订单不存在"})
        return self._answer(200, self._bills.payment(answer))

    async def _refund(self, request: Request, body: bytes) -> Response:
        asked = _read(body, _Refund)
        if (asked.transaction_id is None) == (asked.out_trade_no is None):
            raise _Refused(400, "PARAM_ERROR", "transaction_id和out_trade_no二选一")
        reference = asked.transaction_id or channel_reference(asked.out_trade_no or "")
        known = self._channel.payment(PaymentQuestion(reference=reference))
        if known[0] != 200:
            raise _Refused(404, "RESOURCE_NOT_EXISTS", "订单不存在")
        if known[1]["amount_minor"] != asked.amount.total:
            raise _Refused(400, "INVALID_REQUEST", "订单金额与退款请求中的订单金额不一致")
        given = NewRefund(
            key=asked.out_refund_no,
            payment_reference=reference,
            amount_minor=asked.amount.refund,
            currency=asked.amount.currency,
            reason=asked.reason,
        )
        self._note(given.key, "refund", reference)
        subjects = frozenset({given.key, reference})
        render = self._refunded(new=True)
        return await self._misbehaving(
            "channel", "refund", subjects, lambda: self._channel.refund(given), render=render
        )

    async def _refund_status(self, request: Request, body: bytes) -> Response:
        key = request.path_params["key"]
        return await self._misbehaving(
            "channel",
            "refund_status",
            frozenset({key, *self._channel.subjects(key)}),
            lambda: self._channel.refund_status(key),
            lambda: self._channel.refund_status(key, stale=True),
            render=self._refunded(new=False),
        )

    def _refunded(self, *, new: bool) -> Render:
        def render(status: int, answer: dict[str, Any]) -> Response:
            if status == 404 or (status == 200 and answer.get("code") in _NEVER_TAKEN and not new):
                return self._answer(404, {"code": "RESOURCE_NOT_EXISTS", "message": "退款单不存在"})
            if status != 200:
                return self._answer(*_problem(status, answer))
            if new and answer.get("code") in _NEVER_TAKEN:
                return self._answer(400, {"code": "INVALID_REQUEST", "message": "订单金额或状态不支持退款"})
            if new and answer.get("code") == "PAYER_ACCOUNT_CLOSED":
                return self._answer(403, {"code": "USER_ACCOUNT_ABNORMAL", "message": "用户账户注销"})
            return self._answer(200, self._bills.refund(answer))

        return render

    # --- callbacks -------------------------------------------------------------------------------------

    async def _notification(self, request: Request) -> Response:
        """The callback that WeChat Pay would send now about a number: headers and body, signed. Nothing is sent."""
        try:
            asked = Wanted.model_validate_json(await request.body())
        except ValidationError as error:
            return Response(json.dumps({"code": "MALFORMED", "message": str(error)}), 400)
        made = self.notification(asked.about, asked.key)
        if made is None:
            return Response(json.dumps({"code": "NOT_FOUND", "message": "no such number"}), 404)
        headers, body = made
        return Response(json.dumps({"headers": headers, "body": body.decode()}, ensure_ascii=False))

    def notification(self, about: Api, key: str) -> tuple[dict[str, str], bytes] | None:
        """Headers and body of the callback about a number in its present state; None if there is none."""
        if about == "refund":
            status, answer = self._channel.refund_status(key)
            kind = "refund"
        else:
            status, answer = self._bank.status(key) if self._payee(about, key) else (404, {})
            kind = "mch_payment" if about == "transfer" else "mch_withdraw"
        if status != 200:
            return None
        event, resource = self._event(about, answer)
        nonce = secrets.token_hex(6)
        plain = json.dumps(resource, ensure_ascii=False).encode()
        sealed = AESGCM(self._keys.apiv3_key.encode()).encrypt(nonce.encode(), plain, kind.encode())
        body = json.dumps(
            {
                "id": f"EV-{secrets.token_hex(12)}",
                "create_time": china_time(),
                "resource_type": "encrypt-resource",
                "event_type": event,
                "summary": event,
                "resource": {
                    "original_type": kind,
                    "algorithm": "AEAD_AES_256_GCM",
                    "ciphertext": base64.b64encode(sealed).decode(),
                    "associated_data": kind,
                    "nonce": nonce,
                },
            },
            ensure_ascii=False,
        ).encode()
        return {"Content-Type": "application/json", **self._signature(body)}, body

    def _event(self, about: Api, answer: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        if about == "transfer":
            return "MCHTRANSFER.BILL.FINISHED", self._bills.transfer(answer)
        if about == "withdraw":
            return "MCHWITHDRAW.CHANGE", self._bills.withdraw(answer)
        refund = self._bills.refund(answer)
        amount = {"total": refund["amount"]["refund"], **refund["amount"]}
        news = {**refund, "mchid": self._keys.mchid, "refund_status": refund["status"], "amount": amount}
        del news["status"], amount["currency"]
        return f"REFUND.{refund['status']}", news

    # --- answers ---------------------------------------------------------------------------------------

    def _answer(self, status: int, answer: Mapping[str, Any]) -> Response:
        body = json.dumps(answer, ensure_ascii=False).encode()
        return Response(body, status, self._signature(body), "application/json")

    def _signature(self, body: bytes) -> dict[str, str]:
        timestamp, nonce = str(int(time.time())), secrets.token_hex(16)
        signed = f"{timestamp}\n{nonce}\n".encode() + body + b"\n"
        signature = self._keys.platform.sign(signed, PKCS1v15(), SHA256())
        return {
            "Request-ID": secrets.token_hex(16).upper(),
            "Wechatpay-Nonce": nonce,
            "Wechatpay-Serial": self._keys.platform_serial,
            "Wechatpay-Signature": base64.b64encode(signature).decode(),
            "Wechatpay-Signature-Type": SCHEMA,
            "Wechatpay-Timestamp": timestamp,
        }


def _read(body: bytes, model: type[M]) -> M:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        first = reasons_of(error)[0]
        raise _Refused(400, "PARAM_ERROR", f"{first['field']}: {first['message']}") from None


def _problem(status: int, answer: Mapping[str, Any]) -> Answer:
    """A desk's refusal as WeChat Pay's error body."""
    match status:
        case 404:
            return 404, {"code": "NOT_FOUND", "message": "记录不存在"}
        case 409:
            return 400, {"code": "INVALID_REQUEST", "message": "单号已存在但信息不一致，请查单后比较确认"}
        case 503:
            return 500, {"code": "SYSTEM_ERROR", "message": "系统异常，请稍后重试"}
    return 400, {"code": "PARAM_ERROR", "message": str(answer.get("message", ""))}
